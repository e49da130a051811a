//! Why incidents cannot be found or explained.

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
    /// A table cannot be read or written.
    #[error(transparent)]
    Session(#[from] session::Error),
}

through!(Error, session::Error: warehouse::Error, FileError, CommitError, ArrowError, DataFusionError);

impl Explain for RulesError {}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        Some(match self {
            Self::Rules(error) => error,
            Self::Session(error) => error,
        })
    }
}
