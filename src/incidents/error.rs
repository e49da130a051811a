//! Why incidents cannot be found or explained.

use std::borrow::Cow;
use std::path::PathBuf;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use super::rules::RulesError;
use crate::explain::{Explain, FileError, through};
use crate::warehouse::commit::CommitError;
use crate::{session, warehouse};

/// The result of what finds or explains incidents.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why incidents cannot be found or explained.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Rules that mean nothing.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// Rules of suppression that a run has left, and that cannot be read.
    #[error("`{}` is damaged: {message}", .path.display())]
    Suppression {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A table cannot be read or written.
    #[error(transparent)]
    Session(#[from] session::Error),
}

through!(Error, session::Error: warehouse::Error, FileError, CommitError, ArrowError, DataFusionError);

impl Explain for RulesError {}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Rules(error) => Some(error),
            Self::Session(error) => Some(error),
            Self::Suppression { .. } => None,
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Suppression { .. } => Some("`anomalog run` writes it anew".into()),
            _ => self.inner().and_then(Explain::hint),
        }
    }
}
