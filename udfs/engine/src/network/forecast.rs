//! The output of a forecaster.

use candle_core::Tensor;

/// The parameters of a Laplace distribution for every target of every step.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// The median, `[batch_size, seq_len, targets]`, in units of the scaled series.
    pub location: Tensor,
    /// Natural logarithm of the mean absolute deviation, same shape, not clamped.
    pub log_scale: Tensor,
}
