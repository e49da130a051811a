//! What was unusual a moment ago casts suspicion on what follows.
//!
//! An anomaly rarely ends with its peak: what comes after is worth a look even where the values are
//! usual again. So the largest excess of the windows before lingers, halving every half an hour of
//! minutes, but never as high as an alarm: it orders what is looked at, and raises nothing. Peak
//! hold with soft saturation.

use serde::{Deserialize, Serialize};

use super::Tail;

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

/// The excess that a lingering one is worth where alarms begin at a rate per window: less than an
/// alarm, whatever it is.
#[must_use]
pub(crate) fn lingering(tail: &Tail, before: f64, alarms_per_window: f64) -> f64 {
    let alarm = tail.excess_at(tail.p_at_rate(alarms_per_window));
    alarm * before / (alarm + before)
}
