//! Why what is planned cannot be read or kept.

use datafusion::arrow::error::ArrowError;

use super::labels::LabelsError;
use crate::explain::{Explain, FileError, boxed, through};
use crate::warehouse;
use crate::warehouse::commit::CommitError;

/// The result of what reads or keeps a calendar.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a calendar cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its entries make no sense.
    #[error(transparent)]
    Labels(Box<LabelsError>),
    /// The table cannot be read or written.
    #[error(transparent)]
    Warehouse(#[from] warehouse::Error),
}

boxed!(Error, Labels(LabelsError));
through!(Error, warehouse::Error: FileError, CommitError, ArrowError);

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        Some(match self {
            Self::Labels(error) => &**error,
            Self::Warehouse(error) => error,
        })
    }
}
