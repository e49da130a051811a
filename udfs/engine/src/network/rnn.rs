//! Elman RNN: Elman, "Finding structure in time", Cognitive Science 14 (1990).

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::recurrent::{RecurrentWeights, project, step};
use anomalog_kernels::{Execution, rnn_sequence};

/// `h_t = tanh(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh)`, from `h = 0`.
#[derive(Clone, Debug)]
pub struct Rnn {
    pub(super) weights: RecurrentWeights,
}

impl Rnn {
    /// Takes `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0` and `bias_hh_l0` from `vb`.
    ///
    /// # Errors
    /// When a parameter is missing or has another shape.
    pub fn new(features: usize, hidden_size: usize, vb: &VarBuilder) -> Result<Self> {
        let weights = RecurrentWeights::new(1, features, hidden_size, vb)?;
        Ok(Self { weights })
    }

    /// `[batch_size, seq_len, features]` to the state after each step,
    /// `[batch_size, seq_len, hidden_size]`.
    ///
    /// # Errors
    /// When `inputs` has another shape, or another type than the weights.
    pub fn forward(&self, inputs: &Tensor) -> Result<Tensor> {
        if self.weights.is_fused(inputs) {
            rnn_sequence(inputs, self.weights.as_layer(), Execution::best())
        } else {
            self.forward_reference(inputs)
        }
    }

    /// [`Self::forward`] operation by operation: what the kernel is tested against, and the form
    /// for other devices and types.
    ///
    /// # Errors
    /// As for [`Self::forward`].
    pub fn forward_reference(&self, inputs: &Tensor) -> Result<Tensor> {
        let w = &self.weights;
        let projected = project(inputs, &w.weight_ih, &(&w.bias_ih + &w.bias_hh)?)?;
        let recurrent = w.weight_hh.t()?;
        let mut hidden = w.zero_state(inputs)?;
        let mut states = Vec::with_capacity(inputs.dim(1)?);
        for t in 0..inputs.dim(1)? {
            hidden = (step(&projected, t)? + hidden.matmul(&recurrent)?)?.tanh()?;
            states.push(hidden.clone());
        }
        Tensor::stack(&states, 1)
    }
}
