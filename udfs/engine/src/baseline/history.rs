//! The windows that profiles are learned from.

use std::ops::Range;

use super::clock::Clock;

/// Fewest windows with a value before a metric has a profile.
pub const MIN_WINDOWS: usize = 30;

/// The windows that errors are learned from.
pub(super) struct History {
    pub(super) range: Range<i64>,
    /// One per window.
    pub(super) slots: Vec<usize>,
    pub(super) days: f64,
}

impl History {
    /// The windows of a range.
    pub(super) fn new(range: Range<i64>, clock: Clock) -> Self {
        Self {
            slots: range.clone().map(|index| clock.slot(index)).collect(),
            days: (range.end - range.start) as f64 / clock.windows_per_day() as f64,
            range,
        }
    }
}
