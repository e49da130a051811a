//! Why a detector cannot be judged on a series.

use std::borrow::Cow;

use crate::explain::Explain;

/// Why a detector cannot be judged on a series.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum MeasureError {
    /// Labels and scores are not one per window.
    #[error("{labels} labels but {scores} scores, expected one of each per window")]
    LengthsDiffer {
        /// Number of labels.
        labels: usize,
        /// Number of scores.
        scores: usize,
    },
    /// There is no window to judge.
    #[error("no windows to judge")]
    Empty,
    /// Nothing is labelled an anomaly.
    #[error("none of {windows} windows is labelled an anomaly, expected at least one")]
    NoPositive {
        /// Windows judged.
        windows: usize,
    },
    /// Everything is labelled an anomaly.
    #[error("all {windows} windows are labelled anomalies, expected at least one that is normal")]
    AllPositive {
        /// Windows judged.
        windows: usize,
    },
    /// No window has a score.
    #[error("none of {windows} windows has a score, expected at least one")]
    NoScore {
        /// Windows judged.
        windows: usize,
    },
    /// A score is infinite, or so large that differences of scores would be.
    #[error("the score of row {row} is {score}, expected a finite number or NaN for none")]
    Infinite {
        /// Its row, from 0.
        row: usize,
        /// What it is.
        score: f64,
    },
}

impl Explain for MeasureError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Empty | Self::NoPositive { .. } => Some(
                "recall has no meaning without a labelled anomaly; judge a longer range".into(),
            ),
            Self::AllPositive { .. } => Some(
                "false alarms have no meaning without a normal window; check the labels".into(),
            ),
            Self::NoScore { .. } => Some(
                "a detector scores nothing until its warm-up is over; judge a later range".into(),
            ),
            Self::LengthsDiffer { .. } | Self::Infinite { .. } => None,
        }
    }
}
