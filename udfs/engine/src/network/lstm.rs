//! LSTM: Hochreiter & Schmidhuber, "Long short-term memory", Neural Computation 9 (1997), with
//! the forget gate of Gers, Schmidhuber & Cummins (2000).

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use candle_nn::ops::sigmoid;

use super::recurrent::{RecurrentWeights, project, step};
use anomalog_kernels::{Execution, lstm_sequence};

/// Gates in the order input, forget, cell, output; from `h = c = 0`:
///
/// ```text
/// i, f, o = σ(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh)
/// g       = tanh(…)
/// c_t     = f ⊙ c_{t−1} + i ⊙ g
/// h_t     = o ⊙ tanh(c_t)
/// ```
#[derive(Clone, Debug)]
pub struct Lstm {
    pub(super) weights: RecurrentWeights,
}

impl Lstm {
    /// Takes `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0` and `bias_hh_l0` from `vb`.
    ///
    /// # Errors
    /// When a parameter is missing or has another shape.
    pub fn new(features: usize, hidden_size: usize, vb: &VarBuilder) -> Result<Self> {
        let weights = RecurrentWeights::new(4, features, hidden_size, vb)?;
        Ok(Self { weights })
    }

    /// `[batch_size, seq_len, features]` to the state `h` after each step,
    /// `[batch_size, seq_len, hidden_size]`.
    ///
    /// # Errors
    /// When `inputs` has another shape, or another type than the weights.
    pub fn forward(&self, inputs: &Tensor) -> Result<Tensor> {
        if self.weights.is_fused(inputs) {
            lstm_sequence(inputs, self.weights.as_layer(), Execution::best())
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
        let mut cell = hidden.clone();
        let mut states = Vec::with_capacity(inputs.dim(1)?);
        for t in 0..inputs.dim(1)? {
            let gates = (step(&projected, t)? + hidden.matmul(&recurrent)?)?;
            let gate = |index: usize| gates.narrow(1, index * w.hidden_size, w.hidden_size);
            let kept = (sigmoid(&gate(1)?)? * &cell)?;
            let added = (sigmoid(&gate(0)?)? * gate(2)?.tanh()?)?;
            cell = (kept + added)?;
            hidden = (sigmoid(&gate(3)?)? * cell.tanh()?)?;
            states.push(hidden.clone());
        }
        Tensor::stack(&states, 1)
    }
}
