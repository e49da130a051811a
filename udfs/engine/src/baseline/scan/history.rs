//! The windows that a scan is learned from.

use std::ops::Range;

use crate::baseline::clock::Clock;

/// The windows that a scan is learned from.
pub(super) struct ScanHistory<'a> {
    pub(super) range: &'a Range<i64>,
    /// One per window: counts or logarithms; NaN where there is none.
    pub(super) values: &'a [f64],
    pub(super) clock: Clock,
}

impl ScanHistory<'_> {
    pub(super) fn known(&self) -> impl Iterator<Item = f64> + '_ {
        self.values
            .iter()
            .copied()
            .filter(|value| value.is_finite())
    }
}
