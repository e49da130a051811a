//! Why the tables of a warehouse cannot be queried.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use anomalog_engine::detector::DetectorError;
use anomalog_udfs::enrich::EnrichmentError;
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use super::message::{QueryError, message_of};
use crate::explain::{Explain, FileError, backticked, boxed, through};
use crate::logs::linked::SourceError;
use crate::warehouse;
use crate::warehouse::commit::CommitError;

/// The result of what queries tables.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why tables cannot be queried, or what a query says be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A query that cannot be planned or run.
    #[error(transparent)]
    Query(QueryError),
    /// A series key that is no expression over a request.
    #[error("series key `{expression}`: {message}")]
    SeriesKey {
        /// The expression.
        expression: String,
        /// Why it does not do.
        message: QueryError,
    },
    /// A file that should be Parquet.
    #[error("cannot read `{}` as Parquet: {}", .path.display(), message_of(.source))]
    NotParquet {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: Box<DataFusionError>,
    },
    /// Linked logs with values that cannot be read as ours.
    #[error(
        "cannot read the values of {}: {}",
        backticked(.paths.iter().map(|path| path.display())),
        message_of(.source)
    )]
    LinkedValues {
        /// The files or folders.
        paths: Vec<PathBuf>,
        /// Why.
        source: Box<DataFusionError>,
    },
    /// A linked source.
    #[error(transparent)]
    Source(Box<SourceError>),
    /// A detector that cannot be found or read.
    #[error(transparent)]
    Detector(Box<DetectorError>),
    /// A file that functions over requests read.
    #[error(transparent)]
    Enrichment(#[from] Arc<EnrichmentError>),
    /// A file of the warehouse.
    #[error(transparent)]
    Warehouse(#[from] warehouse::Error),
}

boxed!(Error, Source(SourceError), Detector(DetectorError));
through!(Error, warehouse::Error: FileError, CommitError, ArrowError);

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        Self::Query(error.into())
    }
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Query(error) => Some(error),
            Self::SeriesKey { message, .. } => Some(message),
            Self::Source(error) => Some(&**error),
            Self::Detector(error) => Some(&**error),
            Self::Enrichment(error) => Some(&**error),
            Self::Warehouse(error) => Some(error),
            Self::NotParquet { .. } | Self::LinkedValues { .. } => None,
        }
    }
}

impl Explain for DetectorError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Self::hint(self).map(Cow::Owned)
    }
}

impl Explain for EnrichmentError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Self::hint(self)
    }
}
