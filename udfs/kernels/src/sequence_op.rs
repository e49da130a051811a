//! Recurrent layers as candle operations with a hand-written backward pass.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Layout as TensorLayout, Result, Shape, Tensor};

use super::buffer::Buffer;
use super::cell::{Cell, Layout, PackedCell, Parameters, pack_input, pack_recurrent};
use super::cells::{GruCell, LstmCell, RnnCell};
use super::execution::{CHUNK, Execution};
use super::sequence::{Backward, Forward, WeightGradients};
use super::storage::{InputGradient, check_inputs, contiguous, with_values};
use super::threads;

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
    check_inputs(inputs, features)?;
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
    /// Values that the forward pass saved, by chunk.
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
        let (_, seq_len, features) = inputs.dims3()?;
        let hidden = self.layout.hidden;
        let (recurrent, input) = with_values(parameters, |flat| {
            let parameters = self.parameters(flat);
            let recurrent = pack_recurrent::<C>(self.layout, parameters.weight_hh);
            let input = pack_input::<C>(self.layout, parameters.weight_ih);
            Ok((recurrent, self.d_inputs.then_some(input)))
        })?;
        let mut d_inputs = InputGradient::new(inputs, self.d_inputs);
        let saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let gradients = with_values(inputs, |inputs| {
            with_values(output, |output| {
                with_values(d_output, |d_output| {
                    let chunks = inputs
                        .chunks(CHUNK * seq_len * features)
                        .zip(output.chunks(CHUNK * seq_len * hidden))
                        .zip(d_output.chunks(CHUNK * seq_len * hidden))
                        .zip(saved.iter())
                        .zip(d_inputs.parts(CHUNK * seq_len * features))
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
        Ok((d_inputs.tensor(inputs)?, Some(d_parameters)))
    }
}
