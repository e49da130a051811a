//! The head that all forecasters share.

use candle_core::{Result, Tensor};
use candle_nn::init::ZERO;
use candle_nn::{Init, VarBuilder};

use super::Forecast;
use super::recurrent::{is_fused, project};
use anomalog_kernels::{Execution, linear};

/// Two linear maps of the hidden state: to the location and to the log scale of each target.
///
/// Both start at zero: training starts from the anchor of the inputs and can only improve on it.
#[derive(Clone, Debug)]
pub struct Head {
    location: Linear,
    log_scale: Linear,
}

impl Head {
    /// Takes `location.weight`, `location.bias`, `log_scale.weight` and `log_scale.bias`.
    ///
    /// # Errors
    /// When a parameter is missing or has another shape.
    pub fn new(hidden_size: usize, targets: usize, vb: &VarBuilder) -> Result<Self> {
        Ok(Self {
            location: Linear::new(hidden_size, targets, ZERO, &vb.pp("location"))?,
            log_scale: Linear::new(hidden_size, targets, ZERO, &vb.pp("log_scale"))?,
        })
    }

    /// Weight and bias of the location, then of the log scale.
    pub(super) fn parameters(&self) -> [[&Tensor; 2]; 2] {
        [&self.location, &self.log_scale].map(Linear::parameters)
    }

    /// `[batch_size, seq_len, hidden_size]` to `[batch_size, seq_len, targets]`, twice.
    ///
    /// # Errors
    /// When `hidden` has another shape, or another type than the weights.
    pub fn forward(&self, hidden: &Tensor) -> Result<Forecast> {
        if !is_fused(hidden, &self.location.weight) {
            return self.forward_reference(hidden);
        }
        let weight = Tensor::cat(&[&self.location.weight, &self.log_scale.weight], 0)?;
        let bias = Tensor::cat(&[&self.location.bias, &self.log_scale.bias], 0)?;
        let both = linear(hidden, &weight, &bias, Execution::best())?;
        let targets = self.location.bias.dim(0)?;
        Ok(Forecast {
            location: both.narrow(2, 0, targets)?.contiguous()?,
            log_scale: both.narrow(2, targets, targets)?.contiguous()?,
        })
    }

    /// [`Self::forward`] operation by operation: what the kernel is tested against, and the form
    /// for other devices and types.
    ///
    /// # Errors
    /// As for [`Self::forward`].
    pub fn forward_reference(&self, hidden: &Tensor) -> Result<Forecast> {
        Ok(Forecast {
            location: self.location.forward_reference(hidden)?,
            log_scale: self.log_scale.forward_reference(hidden)?,
        })
    }
}

/// `weight · x + bias` at every step.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    /// `[outputs, inputs]`
    weight: Tensor,
    /// `[outputs]`
    bias: Tensor,
}

impl Linear {
    pub(super) fn new(inputs: usize, outputs: usize, init: Init, vb: &VarBuilder) -> Result<Self> {
        Ok(Self {
            weight: vb.get_with_hints((outputs, inputs), "weight", init)?,
            bias: vb.get_with_hints(outputs, "bias", init)?,
        })
    }

    /// Weight and bias.
    pub(super) fn parameters(&self) -> [&Tensor; 2] {
        [&self.weight, &self.bias]
    }

    /// `[batch_size, seq_len, inputs]` to `[batch_size, seq_len, outputs]`.
    pub(super) fn forward(&self, inputs: &Tensor) -> Result<Tensor> {
        if is_fused(inputs, &self.weight) {
            linear(inputs, &self.weight, &self.bias, Execution::best())
        } else {
            self.forward_reference(inputs)
        }
    }

    pub(super) fn forward_reference(&self, inputs: &Tensor) -> Result<Tensor> {
        project(inputs, &self.weight, &self.bias)
    }
}
