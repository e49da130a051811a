//! The faults of forecasting.

use thiserror::Error;

use crate::series::SeriesError;

/// Why rows could not be forecast.
#[derive(Debug, Error)]
pub enum ForecastError {
    /// The rows are not a series the forecaster can read.
    #[error(transparent)]
    Series(#[from] SeriesError),
    /// The forward pass failed.
    #[error("the forward pass failed: {0}")]
    Model(#[from] candle_core::Error),
}

impl ForecastError {
    /// The hint that goes with the message.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Series(error) => Some(error.hint()),
            Self::Model(_) => None,
        }
    }
}
