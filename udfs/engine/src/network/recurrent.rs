//! The parameters that the recurrent cells have in common.

use candle_core::{DType, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use anomalog_kernels::LayerTensors;

/// Weights and biases of one recurrent layer of `gates` gates.
#[derive(Clone, Debug)]
pub(crate) struct RecurrentWeights {
    /// `[gates · hidden_size, features]`
    pub(crate) weight_ih: Tensor,
    /// `[gates · hidden_size, hidden_size]`
    pub(crate) weight_hh: Tensor,
    /// `[gates · hidden_size]`
    pub(crate) bias_ih: Tensor,
    /// `[gates · hidden_size]`
    pub(crate) bias_hh: Tensor,
    pub(crate) hidden_size: usize,
}

impl RecurrentWeights {
    pub(crate) fn new(
        gates: usize,
        features: usize,
        hidden_size: usize,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let rows = gates * hidden_size;
        // `PyTorch` draws all parameters of a recurrent layer from this one range.
        let init = uniform(hidden_size);
        Ok(Self {
            weight_ih: vb.get_with_hints((rows, features), "weight_ih_l0", init)?,
            weight_hh: vb.get_with_hints((rows, hidden_size), "weight_hh_l0", init)?,
            bias_ih: vb.get_with_hints(rows, "bias_ih_l0", init)?,
            bias_hh: vb.get_with_hints(rows, "bias_hh_l0", init)?,
            hidden_size,
        })
    }

    /// Whether the kernels take these inputs: `f32` on the CPU.
    pub(crate) fn is_fused(&self, inputs: &Tensor) -> bool {
        is_fused(inputs, &self.weight_ih)
    }

    /// The parameters as the kernels take them.
    pub(crate) fn as_layer(&self) -> LayerTensors<'_> {
        LayerTensors {
            weight_ih: &self.weight_ih,
            weight_hh: &self.weight_hh,
            bias_ih: &self.bias_ih,
            bias_hh: &self.bias_hh,
        }
    }

    /// The state that every row starts from: zeros, `[batch_size, hidden_size]`.
    pub(crate) fn zero_state(&self, inputs: &Tensor) -> Result<Tensor> {
        Tensor::zeros(
            (inputs.dim(0)?, self.hidden_size),
            inputs.dtype(),
            inputs.device(),
        )
    }
}

/// Whether the kernels take these inputs and this weight: `f32` on the CPU.
pub(crate) fn is_fused(inputs: &Tensor, weight: &Tensor) -> bool {
    [inputs, weight]
        .iter()
        .all(|tensor| tensor.device().is_cpu() && tensor.dtype() == DType::F32)
}

/// Uniform between ∓1/√`fan_in`.
pub(crate) fn uniform(fan_in: usize) -> Init {
    let bound = 1.0 / (fan_in as f64).sqrt();
    Init::Uniform {
        lo: -bound,
        up: bound,
    }
}

/// `inputs · weightᵀ + bias` for every step of `[batch_size, seq_len, _]`, as one matrix product.
pub(crate) fn project(inputs: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (batch_size, seq_len, width) = inputs.dims3()?;
    inputs
        .reshape((batch_size * seq_len, width))?
        .matmul(&weight.t()?)?
        .broadcast_add(bias)?
        .reshape((batch_size, seq_len, weight.dim(0)?))
}

/// Step `t` of `[batch_size, seq_len, _]`: `[batch_size, _]`.
pub(crate) fn step(sequence: &Tensor, t: usize) -> Result<Tensor> {
    sequence.narrow(1, t, 1)?.squeeze(1)
}
