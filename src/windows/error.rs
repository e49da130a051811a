//! Why windows cannot be counted.

use std::borrow::Cow;
use std::path::PathBuf;

use chrono::NaiveDate;
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use crate::explain::{Explain, FileError, through};
use crate::warehouse::commit::CommitError;
use crate::{session, warehouse};

/// The result of what counts windows.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why windows cannot be counted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Windows of all dates are to be cut, and requests are no longer there.
    #[error(
        "requests before {before} are no longer kept, so that windows of all dates cannot be cut anew"
    )]
    RequestsRetired {
        /// The first date whose requests are kept.
        before: NaiveDate,
    },
    /// Nothing to count.
    #[error("the warehouse `{}` has no access logs", .warehouse.display())]
    NoLogs {
        /// The warehouse.
        warehouse: PathBuf,
    },
    /// A table cannot be read or written.
    #[error(transparent)]
    Session(#[from] session::Error),
}

through!(Error, session::Error: warehouse::Error, FileError, CommitError, ArrowError, DataFusionError);

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Session(error) => Some(error),
            Self::RequestsRetired { .. } | Self::NoLogs { .. } => None,
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::RequestsRetired { .. } => Some(
                "`anomalog run` goes on with the windows that there are, with the step and the series \
                 key that they have; for others begin a warehouse of its own"
                    .into(),
            ),
            Self::NoLogs { .. } => Some(
                "read some with `anomalog ingest FILE…`, or name another warehouse with \
                 `--warehouse PATH`"
                    .into(),
            ),
            Self::Session(error) => error.hint(),
        }
    }
}
