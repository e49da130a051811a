//! Why nothing could be trained.

use std::borrow::Cow;

use anomalog_engine::detector::DetectorError;
use anomalog_engine::forecast::ForecastError;
use thiserror::Error;

use super::skipped::{SkippedSeries, describe};
use super::split::MIN_CALIBRATION_WINDOWS;
use crate::explain::Explain;
use crate::units::rfc_3339;

/// Why nothing could be trained.
#[derive(Debug, Error)]
pub enum TrainingError {
    /// No series can be learned from.
    #[error("no series can be learned from: {}", describe(skipped))]
    NoUsableSeries {
        /// Every series, with the reason.
        skipped: Vec<SkippedSeries>,
    },
    /// There are too few windows for the three ranges.
    #[error(
        "too little data to train: {found} windows in the {range} range, at least {needed} are \
         needed"
    )]
    TooLittleData {
        /// Which range.
        range: &'static str,
        /// Windows in it.
        found: usize,
        /// Windows needed.
        needed: usize,
    },
    /// A classifier has nothing to find.
    #[error(
        "no window from {} to {}, which is the fit range, is labelled as an anomaly",
        rfc_3339(*from),
        rfc_3339(*until)
    )]
    NoAnomalies {
        /// First window, microseconds since the epoch.
        from: i64,
        /// End of the fit range.
        until: i64,
    },
    /// A classifier has nothing to tell anomalies from.
    #[error(
        "every window from {} to {}, which is the fit range, is labelled as an anomaly",
        rfc_3339(*from),
        rfc_3339(*until)
    )]
    OnlyAnomalies {
        /// First window, microseconds since the epoch.
        from: i64,
        /// End of the fit range.
        until: i64,
    },
    /// A series is not one row per window.
    #[error("series `{series}` cannot be read")]
    Series {
        /// Its key.
        series: String,
        /// What is wrong.
        #[source]
        source: ForecastError,
    },
    /// The loss is no longer finite.
    #[error("training diverged at step {step}: the loss is {loss}")]
    Diverged {
        /// The step.
        step: usize,
        /// The loss.
        loss: f64,
    },
    /// What is to learn from labels what is a nuisance has no gate.
    #[error("`{detector}` has no gate that could learn from labels")]
    NoGate {
        /// The detector.
        detector: String,
    },
    /// A gate has nothing new to learn.
    #[error("no window with enough history is labelled")]
    NoLabelledRow,
    /// A tensor operation failed.
    #[error("a tensor operation failed")]
    Tensor(#[from] candle_core::Error),
    /// The trained detector cannot be assembled.
    #[error(transparent)]
    Detector(#[from] DetectorError),
}

impl Explain for TrainingError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::NoUsableSeries { .. } => {
                Some("check `SELECT site, count(*), min(requests), max(requests) FROM traffic_windows GROUP BY site`".into())
            }
            Self::TooLittleData { .. } => Some(format!(
                "ingest more history (a day of one site at 1 minute is just enough, {MIN_CALIBRATION_WINDOWS} windows are \
                 kept for calibration alone), move `--until`, or use a shorter `--step`"
            ).into()),
            Self::NoAnomalies { .. } => Some("the last part of the windows before `--until` is held back: move it, label more, or \
                 train without labels".into()),
            Self::OnlyAnomalies { .. } => {
                Some("labels have the columns site, start (inclusive) and end (exclusive)".into())
            }
            Self::Series { source, .. } => source.hint().map(Cow::Borrowed),
            Self::Diverged { .. } => Some("try another `--seed`".into()),
            Self::NoGate { .. } => {
                Some("begin with a shipped detector, as `--from pretrained-lstm`".into())
            }
            Self::NoLabelledRow => Some("label windows that there are, after the first two hours".into()),
            Self::Tensor(_) => None,
            Self::Detector(error) => error.hint().map(Cow::Owned),
        }
    }
}
