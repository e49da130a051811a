//! C-LSTM: Zhou et al., "A C-LSTM neural network for text classification" (2015), in the form
//! Kim & Cho, "Web traffic anomaly detection using C-LSTM neural networks" (2018) gave it:
//! convolution, tanh and pooling twice, then an LSTM.
//!
//! A classifier has it as it is. A forecaster answers at every step and not once per window, so
//! there convolution and pooling see no later step, and pooling keeps every step.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::Lstm;
use super::recurrent::{is_fused, project, uniform};
use anomalog_kernels::{Execution, halved, pooled_convolution};

/// Steps that one convolution sees: the current one and the four before (Kim & Cho: 5).
pub const CLSTM_KERNEL_SIZE: usize = 5;

/// `lstm(pool(tanh(conv2(pool(tanh(conv1(x)))))))`, both convolutions of width `hidden_size`.
#[derive(Clone, Debug)]
pub struct Clstm {
    pub(super) convolutions: [PooledConvolution; 2],
    pub(super) lstm: Lstm,
}

impl Clstm {
    /// Takes `convolutions.conv1`, `convolutions.conv2` and `recurrent` from `vb`.
    ///
    /// # Errors
    /// When a parameter is missing or has another shape.
    pub fn new(features: usize, hidden_size: usize, vb: &VarBuilder) -> Result<Self> {
        let conv = vb.pp("convolutions");
        Ok(Self {
            convolutions: [
                PooledConvolution::new(features, hidden_size, &conv.pp("conv1"))?,
                PooledConvolution::new(hidden_size, hidden_size, &conv.pp("conv2"))?,
            ],
            lstm: Lstm::new(hidden_size, hidden_size, &vb.pp("recurrent"))?,
        })
    }

    /// `[batch_size, seq_len, features]` to the state of the LSTM after each step,
    /// `[batch_size, seq_len, hidden_size]`.
    ///
    /// # Errors
    /// When `inputs` has another shape, or another type than the weights.
    pub fn forward(&self, inputs: &Tensor) -> Result<Tensor> {
        let [first, second] = &self.convolutions;
        self.lstm.forward(&second.forward(&first.forward(inputs)?)?)
    }

    /// [`Self::forward`] operation by operation: what the kernels are tested against, and the
    /// form for other devices and types.
    ///
    /// # Errors
    /// As for [`Self::forward`].
    pub fn forward_reference(&self, inputs: &Tensor) -> Result<Tensor> {
        let [first, second] = &self.convolutions;
        let pooled = second.forward_reference(&first.forward_reference(inputs)?)?;
        self.lstm.forward_reference(&pooled)
    }

    /// The papers' form: convolutions without padding, and a maximum per pair of steps.
    ///
    /// `[batch_size, seq_len, features]` to the state of the LSTM after each step that is left.
    ///
    /// # Errors
    /// When no step is left, or as for [`Self::forward`].
    pub fn forward_window(&self, inputs: &Tensor) -> Result<Tensor> {
        let [first, second] = &self.convolutions;
        let pooled = halve(&first.forward(inputs)?)?;
        self.lstm.forward(&halve(&second.forward(&pooled)?)?)
    }

    /// [`Self::forward_window`] operation by operation.
    ///
    /// # Errors
    /// As for [`Self::forward_window`].
    pub fn forward_window_reference(&self, inputs: &Tensor) -> Result<Tensor> {
        let [first, second] = &self.convolutions;
        let pooled = halve(&first.forward_reference(inputs)?)?;
        let pooled = halve(&second.forward_reference(&pooled)?)?;
        self.lstm.forward_reference(&pooled)
    }
}

/// Of the outputs of a causal pooled convolution every second that saw no padding.
fn halve(sequence: &Tensor) -> Result<Tensor> {
    let (batch_size, seq_len, channels) = sequence.dims3()?;
    let kept = halved(seq_len, CLSTM_KERNEL_SIZE);
    if kept == 0 {
        candle_core::bail!("pooling leaves nothing of windows of {seq_len} steps");
    }
    // The last of each pair holds the maximum of both.
    sequence
        .narrow(1, CLSTM_KERNEL_SIZE - 1, 2 * kept)?
        .reshape((batch_size, kept, 2, channels))?
        .narrow(2, 1, 1)?
        .squeeze(2)?
        .contiguous()
}

/// `max(tanh y_{t−1}, tanh y_t)` of `y_t = b + Σ_k W_k x_{t−4+k}`, steps before the first being
/// zero.
#[derive(Clone, Debug)]
pub(super) struct PooledConvolution {
    /// `[channels_out, channels_in, kernel_size]`, as `nn.Conv1d` has it.
    weight: Tensor,
    /// `[channels_out]`
    bias: Tensor,
}

impl PooledConvolution {
    fn new(channels_in: usize, channels_out: usize, vb: &VarBuilder) -> Result<Self> {
        let shape = (channels_out, channels_in, CLSTM_KERNEL_SIZE);
        let init = uniform(channels_in * CLSTM_KERNEL_SIZE);
        Ok(Self {
            weight: vb.get_with_hints(shape, "weight", init)?,
            bias: vb.get_with_hints(channels_out, "bias", init)?,
        })
    }

    /// Weight and bias.
    pub(super) fn parameters(&self) -> [&Tensor; 2] {
        [&self.weight, &self.bias]
    }

    /// `[batch_size, seq_len, channels_in]` to `[batch_size, seq_len, channels_out]`.
    fn forward(&self, inputs: &Tensor) -> Result<Tensor> {
        if is_fused(inputs, &self.weight) {
            pooled_convolution(inputs, &self.weight, &self.bias, Execution::best())
        } else {
            self.forward_reference(inputs)
        }
    }
    fn forward_reference(&self, inputs: &Tensor) -> Result<Tensor> {
        pooled_convolution_reference(inputs, &self.weight, &self.bias)
    }
}

/// A pooled convolution operation by operation.
///
/// The last five steps side by side make it one matrix product: candle's `conv1d` wants channels
/// before steps, and its backward pass convolves once per batch row.
pub(crate) fn pooled_convolution_reference(
    inputs: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
) -> Result<Tensor> {
    let seq_len = inputs.dim(1)?;
    let taps = weight.dim(2)?;
    let padded = inputs.pad_with_zeros(1, taps - 1, 0)?;
    let shifted = (0..taps)
        .map(|k| padded.narrow(1, k, seq_len))
        .collect::<Result<Vec<_>>>()?;
    let side_by_side = Tensor::cat(&shifted, 2)?;
    let weight = weight.transpose(1, 2)?.flatten_from(1)?;
    causal_maximum(&project(&side_by_side, &weight, bias)?.tanh()?)
}

/// Maximum of each step of `[batch_size, seq_len, channels]` and the step before it.
///
/// Where both are equal, each gets half of the gradient.
fn causal_maximum(sequence: &Tensor) -> Result<Tensor> {
    let seq_len = sequence.dim(1)?;
    if seq_len == 1 {
        return Ok(sequence.clone());
    }
    let first = sequence.narrow(1, 0, 1)?;
    let earlier = sequence.narrow(1, 0, seq_len - 1)?;
    let later = sequence.narrow(1, 1, seq_len - 1)?;
    Tensor::cat(&[&first, &later.maximum(&earlier)?], 1)
}
