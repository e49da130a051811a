//! Configurations of networks, and checks of sizes and inputs.

use candle_core::{DType, Result, Tensor};
use candle_nn::VarBuilder;

/// A configuration that determines the names and shapes of a network's parameters.
pub trait NetworkConfig {
    /// The network.
    type Network;

    /// The network with the parameters of `vb`.
    ///
    /// # Errors
    /// When a size is zero, or a parameter is missing or has another shape.
    fn network(&self, vb: VarBuilder) -> Result<Self::Network>;
}

/// # Errors
/// When a size is zero.
pub(super) fn check_sizes(network: &str, sizes: [(&str, usize); 3]) -> Result<()> {
    for (name, size) in sizes {
        if size == 0 {
            candle_core::bail!("a {network} needs at least one of `{name}`, found 0");
        }
    }
    Ok(())
}

/// # Errors
/// When `inputs` has no row, no step, or another shape or type.
pub(super) fn check_inputs(inputs: &Tensor, features: usize) -> Result<()> {
    match *inputs.dims() {
        [batch_size, seq_len, found] if found == features && batch_size > 0 && seq_len > 0 => {}
        _ => candle_core::bail!(
            "expected inputs of shape [batch_size, seq_len, {features}] with at least one row \
             and one step, found {:?}",
            inputs.dims()
        ),
    }
    if inputs.dtype() != DType::F32 {
        candle_core::bail!("expected inputs of type f32, found {:?}", inputs.dtype());
    }
    Ok(())
}
