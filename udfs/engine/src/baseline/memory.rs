//! What was unusual a moment ago casts suspicion on what follows.
//!
//! An anomaly rarely ends with its peak: what comes after is worth a look even where the values are
//! usual again. So the largest excess of the windows before lingers, halving every half an hour of
//! minutes, but never as high as an alarm: it orders what is looked at, and raises nothing. Peak
//! hold with soft saturation.

use serde::{Deserialize, Serialize};

/// Windows in which it halves.
const HALF_LIFE: f64 = 30.0;
/// Windows after which nothing of it is left to matter.
pub(super) const REACH: i64 = 60;

/// The largest excess before the present window, in levels of the tail, fading.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    peak: f64,
}

impl Memory {
    /// Takes the excess of the next window, NaN for none, and says what lingered before it.
    pub(super) fn step(&mut self, excess: f64) -> f64 {
        let before = self.peak;
        // `max` takes the other where one is NaN.
        self.peak = (before * (-std::f64::consts::LN_2 / HALF_LIFE).exp()).max(excess);
        before
    }
}
