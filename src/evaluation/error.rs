//! Why nothing is judged.

use std::borrow::Cow;

use anomalog_engine::detector::DetectorError;

use super::leak::Leak;
use super::protocol::Protocol;
use super::results::SkippedResult;
use super::training_sets::TrainingSetError;
use crate::explain::{Explain, boxed};
use crate::training::TrainingError;

/// Why there is no detector.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// It would know what it must not.
    #[error(transparent)]
    Leak(#[from] Leak),
    /// There is nothing to transfer from.
    #[error("`{}` needs at least two series, found {found}", .protocol.name())]
    TooFewSeries {
        /// The protocol.
        protocol: Protocol,
        /// How many series there are.
        found: usize,
    },
    /// All there is to transfer from looks like what is judged.
    #[error("`{}` learns from series unlike those judged, and all {found} look alike", .protocol.name())]
    AllAlike {
        /// The protocol.
        protocol: Protocol,
        /// How many series there are.
        found: usize,
    },
    /// A stored detector reads something else.
    #[error("detector `{detector}` reads {expected}, and `{file}` has {found}")]
    Unfit {
        /// The detector.
        detector: String,
        /// The series.
        file: String,
        /// What it reads.
        expected: String,
        /// What there is.
        found: String,
    },
    /// Training failed.
    #[error(transparent)]
    Training(Box<TrainingError>),
    /// A detector cannot be made of the weights.
    #[error(transparent)]
    Detector(Box<DetectorError>),
}

boxed!(
    ProtocolError,
    Training(TrainingError),
    Detector(DetectorError)
);

impl From<TrainingSetError> for ProtocolError {
    fn from(error: TrainingSetError) -> Self {
        match error {
            TrainingSetError::Leak(leak) => Self::Leak(leak),
            TrainingSetError::Training(error) => Self::Training(error),
        }
    }
}

/// Why nothing is judged.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Weights would know what they must not, or there are too few series for that.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// No candidate could be judged on any series.
    #[error("no series can be judged: {}", describe(.0))]
    Nothing(Vec<SkippedResult>),
}

impl Explain for RunError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Protocol(ProtocolError::Leak(leak)) => Some(leak.hint().into()),
            Self::Protocol(
                ProtocolError::TooFewSeries { .. } | ProtocolError::AllAlike { .. },
            ) => {
                Some("list more series with `--series`, or use `--protocol per-series`".into())
            }
            Self::Protocol(ProtocolError::Unfit { .. }) => {
                Some("name the metrics it reads with `--metrics`; `anomalog detectors show` tells them and its step".into())
            }
            Self::Protocol(ProtocolError::Training(error)) => error.hint(),
            Self::Protocol(ProtocolError::Detector(error)) => error.hint().map(Cow::Owned),
            Self::Nothing(_) => Some("each series needs anomalies, windows that are none, and values that vary; \
                 detectors need some 1000 windows before the first that is judged".into()),
        }
    }
}

fn describe(skipped: &[SkippedResult]) -> String {
    const SHOWN: usize = 3;
    let of = |skip: &SkippedResult| format!("`{}`: {}", skip.file, skip.reason);
    let mut texts: Vec<String> = skipped.iter().take(SHOWN).map(of).collect();
    if skipped.len() > SHOWN {
        texts.push(format!("and {} more", skipped.len() - SHOWN));
    }
    texts.join("; ")
}
