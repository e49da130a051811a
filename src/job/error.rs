//! Why a run fails.

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use super::config::ConfigError;
use crate::explain::{Explain, FileError, boxed, through};
use crate::training::TrainingError;
use crate::warehouse::commit::CommitError;
use crate::{calendar, detectors, export, incidents, intake, report, session, warehouse, windows};

/// The result of what a run does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a run fails: each step has its own reasons.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The job file.
    #[error(transparent)]
    Config(Box<ConfigError>),
    /// What is planned.
    #[error(transparent)]
    Calendar(#[from] calendar::Error),
    /// Logs at the sources.
    #[error(transparent)]
    Intake(#[from] intake::Error),
    /// Counting windows.
    #[error(transparent)]
    Windows(#[from] windows::Error),
    /// Choosing detectors.
    #[error(transparent)]
    Detectors(#[from] detectors::Error),
    /// Finding incidents.
    #[error(transparent)]
    Incidents(#[from] incidents::Error),
    /// Training a challenger.
    #[error(transparent)]
    Training(Box<TrainingError>),
    /// Writing the page on what happened.
    #[error(transparent)]
    Report(#[from] report::Error),
    /// Exporting.
    #[error(transparent)]
    Export(#[from] export::Error),
    /// A table cannot be read or written.
    #[error(transparent)]
    Session(#[from] session::Error),
}

boxed!(Error, Config(ConfigError), Training(TrainingError));
through!(
    Error,
    session::Error: warehouse::Error, FileError, CommitError, ArrowError, DataFusionError,
    anomalog_engine::detector::DetectorError,
);

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        Some(match self {
            Self::Config(error) => &**error,
            Self::Calendar(error) => error,
            Self::Report(error) => error,
            Self::Intake(error) => error,
            Self::Windows(error) => error,
            Self::Detectors(error) => error,
            Self::Incidents(error) => error,
            Self::Training(error) => &**error,
            Self::Export(error) => error,
            Self::Session(error) => error,
        })
    }
}
