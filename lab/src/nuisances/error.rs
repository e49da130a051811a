//! Why a made-up site cannot be judged.

use std::borrow::Cow;

use anomalog::explain::Explain;
use anomalog::training::TrainingError;
use anomalog_engine::detector::DetectorError;
use anomalog_engine::forecast::ForecastError;

/// Why a site could not be judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JudgeError {
    /// A detector does not serve the site.
    #[error(transparent)]
    Detector(#[from] DetectorError),
    /// The windows of the site cannot be scored.
    #[error("the windows of a made-up site of kind `{nuisance}` cannot be scored")]
    Score {
        /// The kind.
        nuisance: &'static str,
        /// Why.
        source: ForecastError,
    },
    /// Nothing can be learned from labels.
    #[error(transparent)]
    Training(Box<TrainingError>),
}

impl From<TrainingError> for JudgeError {
    fn from(error: TrainingError) -> Self {
        Self::Training(Box::new(error))
    }
}

impl Explain for JudgeError {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Detector(error) => Some(error),
            Self::Training(error) => Some(&**error),
            Self::Score { .. } => None,
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Detector(error) => Explain::hint(error),
            Self::Training(error) => Explain::hint(&**error),
            Self::Score { source, .. } => source.hint().map(Cow::Borrowed),
        }
    }
}
