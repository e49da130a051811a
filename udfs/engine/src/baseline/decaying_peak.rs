//! The largest excess of the windows before, which decays.
//!
//! An anomaly rarely ends with its peak: the windows after it are worth a look even where their
//! values are usual again. So each window has at least the decayed excess of those before it, which
//! halves every 30 windows. `Tail::saturated` keeps it below every alarm, so that it orders windows
//! and raises none: peak hold with soft saturation.

use serde::{Deserialize, Serialize};

/// Windows in which a peak halves.
pub const HALF_LIFE: f64 = 30.0;

/// The largest decayed excess of the windows seen; 0 before the first.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct DecayingPeak {
    size: f64,
}

impl DecayingPeak {
    /// Takes the excess of the next window, NaN for none, and returns the decayed peak of the windows
    /// before it.
    pub(super) fn step(&mut self, excess: f64) -> f64 {
        let before = self.size;
        // `max` takes the other where one is NaN.
        self.size = (before * (-std::f64::consts::LN_2 / HALF_LIFE).exp()).max(excess);
        before
    }
}
