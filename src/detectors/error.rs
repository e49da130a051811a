//! Why no detector scores some windows.

use std::borrow::Cow;
use std::path::PathBuf;

use anomalog_engine::detector::DetectorError;

use crate::explain::{Explain, FileError, backticked, through};
use crate::warehouse::commit::CommitError;
use crate::{session, warehouse};

/// The result of what chooses detectors.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where metrics are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricSetting {
    /// With an option of the command line.
    Option,
    /// In a job file.
    Job,
}

impl MetricSetting {
    const fn hint(self) -> &'static str {
        match self {
            Self::Option => "choose metrics with `--metrics`, separated by commas",
            Self::Job => {
                "choose metrics with `metrics` in the section `[scores]` of the job file, or with \
                 `--set 'scores.metrics=[\"requests\"]'`"
            }
        }
    }
}

/// Why no detector scores some windows.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A metric that is no number column of the windows.
    #[error("`{}` has no numeric column `{metric}`, only {}", .path.display(), backticked(.found))]
    UnknownMetric {
        /// The metric asked for.
        metric: String,
        /// Where it was asked for.
        setting: MetricSetting,
        /// The file or folder.
        path: PathBuf,
        /// The numeric columns there.
        found: Vec<String>,
    },
    /// No detector fits the columns of the windows.
    #[error("no detector reads the columns of these windows: {}", backticked(.columns))]
    NoDetectors {
        /// The numeric columns there.
        columns: Vec<String>,
    },
    /// Detectors or what was decided of them cannot be read or written.
    #[error(transparent)]
    Session(#[from] session::Error),
}

through!(Error, session::Error: warehouse::Error, FileError, CommitError, DetectorError);

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Session(error) => Some(error),
            Self::UnknownMetric { .. } | Self::NoDetectors { .. } => None,
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::UnknownMetric { setting, .. } => Some(setting.hint().into()),
            Self::NoDetectors { .. } => Some(
                "train some with `anomalog train`, or name columns for the shipped ones with `--metrics`"
                    .into(),
            ),
            Self::Session(error) => error.hint(),
        }
    }
}
