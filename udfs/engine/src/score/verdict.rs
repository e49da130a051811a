//! The verdict of a detector on a window.

use crate::detector::Severity;
use crate::forecast::Status;

/// On which side of the forecast a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Above.
    Spike,
    /// Below.
    Dip,
}

impl Direction {
    /// The value in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::Dip => "dip",
        }
    }
}

/// The verdict of a detector on one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// The excess of the rarest metric, or of the odds, in multiples of what alarms reach about
    /// twelve times a day of minutes; dimensionless, at least 0.
    pub surprise: f64,
    /// 1 − p, in [0, 1), where p is the share of the series' windows at least as unusual.
    pub anomaly_score: f64,
    /// Alarms per window that are at least as unusual; windows close to each other are one alarm. A
    /// window is an anomaly where this is at most
    /// [`ThresholdPolicy::rate`](crate::detector::ThresholdPolicy::rate), so that it tells anomalies
    /// at other budgets too, of one false alarm a day or fewer.
    pub alarms_per_window: f64,
    /// The score from which on a window is an anomaly.
    pub threshold: f64,
    /// Whether the score reaches the threshold.
    pub is_anomaly: bool,
    /// The severity, if it is an anomaly.
    pub severity: Option<Severity>,
    /// Index of the metric with the largest excess: the following are in its unit, of the forecast
    /// that it exceeds. Of a classifier, the metric that lies farthest from its level.
    pub top_metric: usize,
    /// Side of the forecast or level.
    pub direction: Direction,
    /// The forecast, or the level.
    pub expected_value: f64,
    /// The values between which the metric alone is not anomalous; a classifier, which sees a whole
    /// window, has none.
    pub bounds: Option<[f64; 2]>,
}

/// The answer for one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowScore {
    /// Why the verdict is missing or weak.
    pub status: Status,
    /// `None` where the window could not be scored.
    pub verdict: Option<Verdict>,
}

impl WindowScore {
    /// A window without a verdict.
    #[must_use]
    pub const fn missing(status: Status) -> Self {
        Self {
            status,
            verdict: None,
        }
    }
}
