//! Why an export cannot be written.

use std::borrow::Cow;
use std::path::PathBuf;

use anomalog_engine::detector::DetectorError;
use chrono::NaiveDate;
use datafusion::arrow::error::ArrowError;

use crate::explain::{Explain, FileError, MissingColumn, through};
use crate::warehouse::commit::CommitError;
use crate::{session, warehouse};

/// The result of what exports.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an export cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing to export from.
    #[error("there is no warehouse `{}`", .warehouse.display())]
    NoWarehouse {
        /// The folder.
        warehouse: PathBuf,
    },
    /// A range that ends before it begins.
    #[error("the range from {from} to {to} holds no date")]
    EmptyRange {
        /// The first date.
        from: NaiveDate,
        /// The last date.
        to: NaiveDate,
    },
    /// The folder has been exported to before.
    #[error("`{}` is there already", .folder.display())]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder holds something else than an export.
    #[error("`{}` is there already, and no export of anomalog's", .folder.display())]
    NotAnExport {
        /// The folder.
        folder: PathBuf,
    },
    /// A stored table lacks a column that has no default.
    #[error(transparent)]
    MissingColumn(#[from] MissingColumn),
    /// A table cannot be read, or a file not be written.
    #[error(transparent)]
    Session(#[from] session::Error),
}

through!(Error, session::Error: warehouse::Error, FileError, CommitError, ArrowError, DetectorError);

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::MissingColumn(error) => Some(error),
            Self::Session(error) => Some(error),
            _ => None,
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::NoWarehouse { .. } => Some("name one with `--warehouse PATH`".into()),
            Self::EmptyRange { .. } => Some("`--since` must not be after `--until`".into()),
            Self::Exists { .. } => {
                Some("replace it with `--overwrite`, or name another folder".into())
            }
            Self::NotAnExport { .. } => Some("name a folder that is not there yet".into()),
            Self::MissingColumn(_) | Self::Session(_) => self.inner()?.hint(),
        }
    }
}
