//! The layers as candle operations with a hand-written backward pass.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use candle_core::{
    CpuStorage, CustomOp2, CustomOp3, Layout as TensorLayout, Result, Shape, Storage, Tensor,
};

use super::buffer::Buffer;
use super::cell::{Cell, Layout, PackedCell, Parameters, pack_input, pack_recurrent};
use super::cells::{GruCell, LstmCell, RnnCell};
use super::convolution::{self, Convolution};
use super::sequence::{Backward, Forward, WeightGradients};
use super::simd::Isa;
use super::threads;

/// Rows whose weight gradients are summed before those of other rows are added. Fixed, because
/// it decides the order of summation; small, because it is what threads share.
const CHUNK: usize = 32;

/// How an operation runs. Results do not depend on the number of threads.
#[derive(Clone, Copy, Debug)]
pub struct Execution {
    /// The instruction set.
    pub isa: Isa,
    /// Threads that share the rows.
    pub threads: usize,
}

impl Execution {
    /// As fast as this machine can.
    #[must_use]
    pub fn best() -> Self {
        Self {
            isa: Isa::best(),
            threads: threads::available(),
        }
    }
}

/// The parameters of a recurrent layer, as the models hold them.
#[derive(Clone, Copy, Debug)]
pub struct LayerTensors<'a> {
    /// Weights of the inputs, `[gates · hidden, features]`.
    pub weight_ih: &'a Tensor,
    /// Weights of the state, `[gates · hidden, hidden]`.
    pub weight_hh: &'a Tensor,
    /// Bias of the inputs, `[gates · hidden]`.
    pub bias_ih: &'a Tensor,
    /// Bias of the state, `[gates · hidden]`.
    pub bias_hh: &'a Tensor,
}

/// The fused form of `anomalog_engine::network::Rnn::forward_reference`:
/// `[batch_size, seq_len, features]` to `[batch_size, seq_len, hidden]`.
///
/// # Errors
/// When shapes or types of the tensors do not go together.
pub fn rnn_sequence(
    inputs: &Tensor,
    layer: LayerTensors<'_>,
    execution: Execution,
) -> Result<Tensor> {
    sequence::<RnnCell>(inputs, layer, execution)
}

/// The fused form of `anomalog_engine::network::Lstm::forward_reference`:
/// `[batch_size, seq_len, features]` to `[batch_size, seq_len, hidden]`.
///
/// # Errors
/// When shapes or types of the tensors do not go together.
pub fn lstm_sequence(
    inputs: &Tensor,
    layer: LayerTensors<'_>,
    execution: Execution,
) -> Result<Tensor> {
    sequence::<LstmCell>(inputs, layer, execution)
}

/// The fused form of `anomalog_engine::network::Gru::forward_reference`:
/// `[batch_size, seq_len, features]` to `[batch_size, seq_len, hidden]`.
///
/// # Errors
/// When shapes or types of the tensors do not go together.
pub fn gru_sequence(
    inputs: &Tensor,
    layer: LayerTensors<'_>,
    execution: Execution,
) -> Result<Tensor> {
    sequence::<GruCell>(inputs, layer, execution)
}

fn sequence<C: Cell>(
    inputs: &Tensor,
    layer: LayerTensors<'_>,
    execution: Execution,
) -> Result<Tensor> {
    let LayerTensors {
        weight_ih,
        weight_hh,
        bias_ih,
        bias_hh,
    } = layer;
    let (rows, features) = weight_ih.dims2()?;
    let hidden = rows / C::GATES;
    if inputs.dims3()?.2 != features {
        candle_core::bail!(
            "expected inputs of shape [batch_size, seq_len, {features}], found {:?}",
            inputs.dims()
        );
    }
    // A custom operation takes three tensors at most, and the layer has five.
    let parameters = Tensor::cat(
        &[
            weight_ih.flatten_all()?,
            weight_hh.flatten_all()?,
            bias_ih.clone(),
            bias_hh.clone(),
        ],
        0,
    )?;
    let op = SequenceOp::<C> {
        layout: Layout::new::<C>(execution.isa.lanes(), features, hidden),
        execution,
        save: inputs.track_op() || parameters.track_op(),
        d_inputs: inputs.track_op(),
        saved: Mutex::default(),
        cell: PhantomData,
    };
    let inputs = inputs.contiguous()?;
    if op.save {
        inputs.apply_op2(&parameters, op)
    } else {
        inputs.apply_op2_no_bwd(&parameters, &op)
    }
}

struct SequenceOp<C> {
    layout: Layout,
    execution: Execution,
    save: bool,
    /// Whether the gradient of the inputs is wanted.
    d_inputs: bool,
    /// What the forward pass saved, by chunk.
    saved: Mutex<Vec<Buffer>>,
    cell: PhantomData<C>,
}

impl<C> Drop for SequenceOp<C> {
    fn drop(&mut self) {
        let saved = self.saved.get_mut();
        for buffer in saved.unwrap_or_else(PoisonError::into_inner).drain(..) {
            buffer.recycle();
        }
    }
}

impl<C: Cell> fmt::Debug for SequenceOp<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(C::NAME)
            .field("layout", &self.layout)
            .field("execution", &self.execution)
            .finish_non_exhaustive()
    }
}

impl<C: Cell> SequenceOp<C> {
    fn parameters<'a>(&self, flat: &'a [f32]) -> Parameters<'a> {
        let Layout {
            features, hidden, ..
        } = self.layout;
        let gate_rows = C::GATES * hidden;
        let (weight_ih, rest) = flat.split_at(gate_rows * features);
        let (weight_hh, rest) = rest.split_at(gate_rows * hidden);
        let (bias_ih, bias_hh) = rest.split_at(gate_rows);
        Parameters {
            weight_ih,
            weight_hh,
            bias_ih,
            bias_hh,
        }
    }

    /// Sums the chunks' gradients, in order, in the layout of the flat parameters.
    fn collect(&self, chunks: &[WeightGradients]) -> Vec<f32> {
        let Layout {
            features,
            hidden,
            padded,
            stride,
            ..
        } = self.layout;
        let gate_rows = C::GATES * hidden;
        let mut flat = vec![0.0; gate_rows * (features + hidden + 2)];
        let (d_weight_ih, rest) = flat.split_at_mut(gate_rows * features);
        let (d_weight_hh, rest) = rest.split_at_mut(gate_rows * hidden);
        let (d_bias_ih, d_bias_hh) = rest.split_at_mut(gate_rows);
        for chunk in chunks {
            for (block, &gate) in C::HH.iter().enumerate() {
                for unit in 0..hidden {
                    let (row, from) = (gate * hidden + unit, block * padded + unit);
                    let gradient = &chunk.weights[from * stride..][..hidden];
                    add(&mut d_weight_hh[row * hidden..][..hidden], gradient);
                    d_bias_hh[row] += chunk.biases[from];
                }
            }
            for (block, &gate) in C::IH.iter().enumerate() {
                for unit in 0..hidden {
                    let row = gate * hidden + unit;
                    let from = (C::IH_START + block) * padded + unit;
                    let gradient = &chunk.weights[from * stride + padded..][..features];
                    add(&mut d_weight_ih[row * features..][..features], gradient);
                    d_bias_ih[row] += chunk.biases[from];
                }
            }
        }
        flat
    }
}

fn add(sums: &mut [f32], terms: &[f32]) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum += term;
    }
}

/// The numbers of a contiguous tensor.
fn contiguous<'a>(storage: &'a CpuStorage, layout: &TensorLayout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&storage.as_slice::<f32>()?[from..to]),
        None => candle_core::bail!("expected a contiguous tensor, found {layout:?}"),
    }
}

/// Calls `with` with the numbers of a tensor.
fn with_values<R>(tensor: &Tensor, with: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => with(contiguous(storage, layout)?),
        _ => candle_core::bail!("expected a tensor on the CPU, found {:?}", tensor.device()),
    }
}

impl<C: Cell> CustomOp2 for SequenceOp<C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn cpu_fwd(
        &self,
        inputs: &CpuStorage,
        inputs_layout: &TensorLayout,
        parameters: &CpuStorage,
        parameters_layout: &TensorLayout,
    ) -> Result<(CpuStorage, Shape)> {
        let Layout {
            features, hidden, ..
        } = self.layout;
        let (batch_size, seq_len, _) = inputs_layout.shape().dims3()?;
        let inputs = contiguous(inputs, inputs_layout)?;
        let parameters = contiguous(parameters, parameters_layout)?;
        let weights = PackedCell::pack::<C>(self.layout, self.parameters(parameters));
        let mut output = vec![0.0; batch_size * seq_len * hidden];
        let chunks = inputs
            .chunks(CHUNK * seq_len * features)
            .zip(output.chunks_mut(CHUNK * seq_len * hidden))
            .collect();
        let saved = threads::map(chunks, self.execution.threads, |(inputs, output)| {
            self.execution.isa.run(Forward::<C> {
                weights: &weights,
                inputs,
                rows: output.len() / (seq_len * hidden),
                output,
                seq_len,
                save: self.save,
                cell: PhantomData,
            })
        });
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = saved;
        let shape = Shape::from((batch_size, seq_len, hidden));
        Ok((CpuStorage::F32(output), shape))
    }

    fn bwd(
        &self,
        inputs: &Tensor,
        parameters: &Tensor,
        output: &Tensor,
        d_output: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (batch_size, seq_len, features) = inputs.dims3()?;
        let hidden = self.layout.hidden;
        let (recurrent, input) = with_values(parameters, |flat| {
            let parameters = self.parameters(flat);
            let recurrent = pack_recurrent::<C>(self.layout, parameters.weight_hh);
            let input = pack_input::<C>(self.layout, parameters.weight_ih);
            Ok((recurrent, self.d_inputs.then_some(input)))
        })?;
        let mut d_inputs = vec![
            0.0;
            if self.d_inputs {
                inputs.elem_count()
            } else {
                0
            }
        ];
        let saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let gradients = with_values(inputs, |inputs| {
            with_values(output, |output| {
                with_values(d_output, |d_output| {
                    let mut d_inputs = d_inputs.chunks_mut(CHUNK * seq_len * features);
                    let chunks = inputs
                        .chunks(CHUNK * seq_len * features)
                        .zip(output.chunks(CHUNK * seq_len * hidden))
                        .zip(d_output.chunks(CHUNK * seq_len * hidden))
                        .zip(saved.iter())
                        .map(|chunk| (chunk, d_inputs.next().unwrap_or_default()))
                        .collect();
                    Ok(threads::map(
                        chunks,
                        self.execution.threads,
                        |((((inputs, output), d_output), saved), d_inputs)| {
                            self.execution.isa.run(Backward::<C> {
                                layout: self.layout,
                                recurrent: &recurrent,
                                input: input.as_ref(),
                                inputs,
                                output,
                                d_output,
                                saved,
                                d_inputs,
                                rows: output.len() / (seq_len * hidden),
                                seq_len,
                                cell: PhantomData,
                            })
                        },
                    ))
                })
            })
        })?;
        let device = inputs.device();
        let d_parameters = Tensor::from_vec(self.collect(&gradients), parameters.dims(), device)?;
        let d_inputs = self
            .d_inputs
            .then(|| Tensor::from_vec(d_inputs, (batch_size, seq_len, features), device))
            .transpose()?;
        Ok((d_inputs, Some(d_parameters)))
    }
}

/// `inputs · weightᵀ + bias` for every step of `[batch_size, seq_len, features]`.
///
/// # Errors
/// When shapes or types of the tensors do not go together.
pub fn linear(
    inputs: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    execution: Execution,
) -> Result<Tensor> {
    let (outputs, features) = weight.dims2()?;
    let convolution = Convolution {
        taps: 1,
        features,
        outputs,
        lanes: execution.isa.lanes(),
        pooled: false,
    };
    convolve(inputs, weight, bias, convolution, execution)
}

/// The maximum over two steps of tanh of a causal convolution, `weight` being
/// `[outputs, features, taps]`.
///
/// # Errors
/// When shapes or types of the tensors do not go together.
pub fn pooled_convolution(
    inputs: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    execution: Execution,
) -> Result<Tensor> {
    let (outputs, features, taps) = weight.dims3()?;
    let convolution = Convolution {
        taps,
        features,
        outputs,
        lanes: execution.isa.lanes(),
        pooled: true,
    };
    convolve(inputs, weight, bias, convolution, execution)
}

fn convolve(
    inputs: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    convolution: Convolution,
    execution: Execution,
) -> Result<Tensor> {
    let features = convolution.features;
    if inputs.dims3()?.2 != features {
        candle_core::bail!(
            "expected inputs of shape [batch_size, seq_len, {features}], found {:?}",
            inputs.dims()
        );
    }
    let (inputs, weight, bias) = (
        inputs.contiguous()?,
        weight.contiguous()?,
        bias.contiguous()?,
    );
    let op = ConvolutionOp {
        convolution,
        execution,
        save: inputs.track_op() || weight.track_op() || bias.track_op(),
        d_inputs: inputs.track_op(),
        saved: Mutex::default(),
    };
    if op.save {
        inputs.apply_op3(&weight, &bias, op)
    } else {
        inputs.apply_op3_no_bwd(&weight, &bias, &op)
    }
}

#[derive(Debug)]
struct ConvolutionOp {
    convolution: Convolution,
    execution: Execution,
    save: bool,
    /// Whether the gradient of the inputs is wanted.
    d_inputs: bool,
    /// What the forward pass saved, by chunk.
    saved: Mutex<Vec<Buffer>>,
}

impl CustomOp3 for ConvolutionOp {
    fn name(&self) -> &'static str {
        "causal-convolution"
    }

    fn cpu_fwd(
        &self,
        inputs: &CpuStorage,
        inputs_layout: &TensorLayout,
        weight: &CpuStorage,
        weight_layout: &TensorLayout,
        bias: &CpuStorage,
        bias_layout: &TensorLayout,
    ) -> Result<(CpuStorage, Shape)> {
        let Convolution {
            features, outputs, ..
        } = self.convolution;
        let (batch_size, seq_len, _) = inputs_layout.shape().dims3()?;
        let inputs = contiguous(inputs, inputs_layout)?;
        let weight = self.convolution.pack(
            contiguous(weight, weight_layout)?,
            contiguous(bias, bias_layout)?,
        );
        let mut output = vec![0.0; batch_size * seq_len * outputs];
        let chunks = inputs
            .chunks(CHUNK * seq_len * features)
            .zip(output.chunks_mut(CHUNK * seq_len * outputs))
            .collect();
        let saved = threads::map(chunks, self.execution.threads, |(inputs, output)| {
            self.execution.isa.run(convolution::Forward {
                convolution: self.convolution,
                weight: &weight,
                inputs,
                output,
                seq_len,
                save: self.save,
            })
        });
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = saved;
        let shape = Shape::from((batch_size, seq_len, outputs));
        Ok((CpuStorage::F32(output), shape))
    }

    fn bwd(
        &self,
        inputs: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _output: &Tensor,
        d_output: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Convolution {
            features, outputs, ..
        } = self.convolution;
        let seq_len = inputs.dims3()?.1;
        let transposed = if self.d_inputs {
            Some(with_values(weight, |weight| {
                Ok(self.convolution.pack_transposed(weight))
            })?)
        } else {
            None
        };
        let mut d_inputs = vec![
            0.0;
            if self.d_inputs {
                inputs.elem_count()
            } else {
                0
            }
        ];
        let saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let gradients = with_values(inputs, |inputs| {
            with_values(d_output, |d_output| {
                let mut d_inputs = d_inputs.chunks_mut(CHUNK * seq_len * features);
                let chunks = inputs
                    .chunks(CHUNK * seq_len * features)
                    .zip(d_output.chunks(CHUNK * seq_len * outputs))
                    .zip(saved.iter())
                    .map(|chunk| (chunk, d_inputs.next().unwrap_or_default()))
                    .collect();
                Ok(threads::map(
                    chunks,
                    self.execution.threads,
                    |(((inputs, d_output), saved), d_inputs)| {
                        self.execution.isa.run(convolution::Backward {
                            convolution: self.convolution,
                            transposed: transposed.as_ref(),
                            inputs,
                            d_output,
                            saved,
                            d_inputs,
                            seq_len,
                        })
                    },
                ))
            })
        })?;
        let mut d_weight = vec![0.0; weight.elem_count()];
        let mut d_bias = vec![0.0; outputs];
        for chunk in &gradients {
            chunk.add_to(self.convolution, &mut d_weight, &mut d_bias);
        }
        let device = inputs.device();
        let d_inputs = self
            .d_inputs
            .then(|| Tensor::from_vec(d_inputs, inputs.dims(), device))
            .transpose()?;
        Ok((
            d_inputs,
            Some(Tensor::from_vec(d_weight, weight.dims(), device)?),
            Some(Tensor::from_vec(d_bias, bias.dims(), device)?),
        ))
    }
}
