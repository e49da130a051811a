//! Sums over the last windows.

use serde::{Deserialize, Serialize};

/// Windows whose values are summed.
pub const SPANS: [usize; 5] = [1, 5, 15, 30, 60];

/// A window as it enters the sums.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Observation {
    /// The term of the sum: a count, or a clipped residual.
    pub(super) value: f64,
    /// The mean count at that time of day; of logarithms the residual before it is clipped.
    pub(super) reference: f64,
    /// Usual size of a residual; unused for counts.
    pub(super) scale: f64,
    pub(super) is_known: bool,
}

/// A sum over the last windows.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpanSum {
    /// Which of [`SPANS`].
    pub(super) number: usize,
    pub(super) value: f64,
    pub(super) reference: f64,
    /// Windows with a value.
    pub(super) known: usize,
    /// The factor by which the level before the span multiplies seasonal means; unused for logarithms.
    pub(super) factor: f64,
}

impl SpanSum {
    /// The expected value of the sum; unused for logarithms.
    pub(super) fn mean(&self) -> f64 {
        self.reference * self.factor
    }
}
