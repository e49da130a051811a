//! GRU: Cho et al., "Learning phrase representations using RNN encoder–decoder" (2014), with the
//! reset gate applied after the matrix product, as in cuDNN and `PyTorch`.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use candle_nn::ops::sigmoid;

use super::recurrent::{RecurrentWeights, project, step};
use anomalog_kernels::{Execution, gru_sequence};

/// Gates in the order reset, update, new; from `h = 0`:
///
/// ```text
/// r, z = σ(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh)
/// n    = tanh(W_in x_t + b_in + r ⊙ (W_hn h_{t−1} + b_hn))
/// h_t  = (1 − z) ⊙ n + z ⊙ h_{t−1}
/// ```
#[derive(Clone, Debug)]
pub struct Gru {
    pub(super) weights: RecurrentWeights,
}

impl Gru {
    /// Takes `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0` and `bias_hh_l0` from `vb`.
    ///
    /// # Errors
    /// When a parameter is missing or has another shape.
    pub fn new(features: usize, hidden_size: usize, vb: &VarBuilder) -> Result<Self> {
        let weights = RecurrentWeights::new(3, features, hidden_size, vb)?;
        Ok(Self { weights })
    }

    /// `[batch_size, seq_len, features]` to the state after each step,
    /// `[batch_size, seq_len, hidden_size]`.
    ///
    /// # Errors
    /// When `inputs` has another shape, or another type than the weights.
    pub fn forward(&self, inputs: &Tensor) -> Result<Tensor> {
        if self.weights.is_fused(inputs) {
            gru_sequence(inputs, self.weights.as_layer(), Execution::best())
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
        let projected = project(inputs, &w.weight_ih, &w.bias_ih)?;
        let recurrent = w.weight_hh.t()?;
        let mut hidden = w.zero_state(inputs)?;
        let mut states = Vec::with_capacity(inputs.dim(1)?);
        for t in 0..inputs.dim(1)? {
            let from_input = step(&projected, t)?;
            let from_state = hidden.matmul(&recurrent)?.broadcast_add(&w.bias_hh)?;
            let gate = |gates: &Tensor, index: usize| {
                gates.narrow(1, index * w.hidden_size, w.hidden_size)
            };
            let reset = sigmoid(&(gate(&from_input, 0)? + gate(&from_state, 0)?)?)?;
            let update = sigmoid(&(gate(&from_input, 1)? + gate(&from_state, 1)?)?)?;
            let new = (gate(&from_input, 2)? + (reset * gate(&from_state, 2)?)?)?.tanh()?;
            // n + z (h − n) is (1 − z) n + z h with one product fewer.
            hidden = (&new + (update * (&hidden - &new)?)?)?;
            states.push(hidden.clone());
        }
        Tensor::stack(&states, 1)
    }
}
