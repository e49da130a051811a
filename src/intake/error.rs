//! Why logs at the sources cannot be taken in.

use std::io;
use std::path::PathBuf;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use crate::explain::{Explain, FileError, boxed, through};
use crate::logs::linked::SourceError;
use crate::logs::{IngestError, WriteError};
use crate::warehouse::commit::CommitError;
use crate::{session, warehouse};

/// The result of what takes in logs.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why logs cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Raw logs that cannot be ingested.
    #[error(transparent)]
    Ingest(Box<IngestError>),
    /// What is left of a log that was not ingested to its end.
    #[error("cannot remove what is left of an unfinished log in `{}`", .warehouse.display())]
    Unpublished {
        /// The warehouse.
        warehouse: PathBuf,
        /// Why.
        source: Box<WriteError>,
    },
    /// The threads that parse.
    #[error("cannot start worker threads")]
    Threads(#[source] io::Error),
    /// A table or a linked source cannot be read, or the warehouse not be written.
    #[error(transparent)]
    Session(#[from] session::Error),
}

boxed!(Error, Ingest(IngestError));
through!(
    Error,
    session::Error: warehouse::Error, FileError, CommitError, SourceError, ArrowError, DataFusionError,
);

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Ingest(error) => Some(&**error),
            Self::Session(error) => Some(error),
            Self::Unpublished { .. } | Self::Threads(_) => None,
        }
    }
}
