//! How the rows of a dataset are cut in time.

/// Fewest windows that tell how a detector's errors compare.
pub(super) const MIN_CALIBRATION_WINDOWS: usize = 500;
/// Shares of the rows, in time order: weights, then stopping; the rest calibrates.
const FIT_SHARE: f64 = 0.7;
const STOP_SHARE: f64 = 0.1;
/// Calibration takes more than its share of short histories, to this share at most.
const MAX_CALIBRATION_SHARE: f64 = 0.4;
/// Rows beyond the least that calibration needs, for windows it cannot score.
const CALIBRATION_SPARE: usize = 20;

/// Boundaries of the ranges, microseconds since the epoch: `[from, fit_until)` fits weights,
/// `[fit_until, stop_until)` stops, `[stop_until, until)` calibrates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// First window.
    pub from: i64,
    /// End of the fit range.
    pub fit_until: i64,
    /// End of the stopping range.
    pub stop_until: i64,
    /// End of the calibration range.
    pub until: i64,
}

impl Split {
    /// Cuts at quantiles of the times of all rows, so that holes in the history do not empty a range;
    /// `None` without rows. `until` is the last window's start.
    pub(super) fn of(mut times: Vec<i64>) -> Option<Self> {
        times.sort_unstable();
        let (from, until) = (*times.first()?, *times.last()?);
        let rows = times.len() as f64;
        let least = (MIN_CALIBRATION_WINDOWS + CALIBRATION_SPARE) as f64 / rows;
        let calibration = least.clamp(1.0 - FIT_SHARE - STOP_SHARE, MAX_CALIBRATION_SHARE);
        let at = |share: f64| times[(rows * share).round() as usize];
        Some(Self {
            from,
            fit_until: at(1.0 - calibration - STOP_SHARE),
            stop_until: at(1.0 - calibration),
            until,
        })
    }
}
