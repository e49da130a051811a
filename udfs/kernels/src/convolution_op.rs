//! Convolutions as a candle operation with a hand-written backward pass.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::buffer::Buffer;
use super::convolution::{self, Convolution};
use super::execution::{CHUNK, Execution};
use super::storage::{InputGradient, check_inputs, contiguous, with_values};
use super::threads;

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
    check_inputs(inputs, convolution.features)?;
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
    /// Values that the forward pass saved, by chunk.
    saved: Mutex<Vec<Buffer>>,
}

impl CustomOp3 for ConvolutionOp {
    fn name(&self) -> &'static str {
        "causal-convolution"
    }

    fn cpu_fwd(
        &self,
        inputs: &CpuStorage,
        inputs_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
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
        let mut d_inputs = InputGradient::new(inputs, self.d_inputs);
        let saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let gradients = with_values(inputs, |inputs| {
            with_values(d_output, |d_output| {
                let chunks = inputs
                    .chunks(CHUNK * seq_len * features)
                    .zip(d_output.chunks(CHUNK * seq_len * outputs))
                    .zip(saved.iter())
                    .zip(d_inputs.parts(CHUNK * seq_len * features))
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
        Ok((
            d_inputs.tensor(inputs)?,
            Some(Tensor::from_vec(d_weight, weight.dims(), device)?),
            Some(Tensor::from_vec(d_bias, bias.dims(), device)?),
        ))
    }
}
