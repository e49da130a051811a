//! Why Parquet logs cannot be linked or read.

use std::borrow::Cow;
use std::path::PathBuf;

use datafusion::arrow::datatypes::DataType;
use datafusion::parquet::errors::ParquetError;

use super::types::{expected, linkable_names};
use crate::explain::{Explain, FileError, MissingColumn, backticked};
use crate::logs::column::LogColumn;

/// Why a source cannot be linked or read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A mapping without `=`.
    #[error("expected `ours=theirs`, such as `timestamp=ts`")]
    NotAMapping,
    /// A mapping to a column that `access_logs` does not have.
    #[error(
        "no column `{name}` in access logs; they have {}",
        backticked(linkable_names())
    )]
    UnknownTarget {
        /// What was written.
        name: String,
    },
    /// A file or folder that cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A folder without Parquet files.
    #[error("no Parquet file in `{}`", .path.display())]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Not a Parquet file, or a damaged one.
    #[error("`{}` is not a complete Parquet file", .path.display())]
    NotParquet {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ParquetError,
    },
    /// A file whose footer is whole, and one of whose pages is not.
    #[error("`{}` is damaged: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What its pages are read as.
        reason: String,
    },
    /// A required or mapped column that the file does not have.
    #[error(transparent)]
    MissingColumn(#[from] MissingColumn),
    /// A column that a file has more than once.
    #[error("`{}` has more than one column `{name}`", .path.display())]
    RepeatedColumn {
        /// The file.
        path: PathBuf,
        /// The name of the column.
        name: String,
    },
    /// A column whose type does not convert.
    #[error(
        "column `{theirs}` of `{}` holds {found}; `{}` needs {}",
        .path.display(), .ours.name(), expected(*.ours)
    )]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column wanted.
        ours: LogColumn,
        /// The column of the file.
        theirs: String,
        /// Its type.
        found: DataType,
    },
    /// A source without a row that is a request.
    #[error("no row of `{}` is a request: {reasons}", .path.display())]
    NoRequests {
        /// The file or folder.
        path: PathBuf,
        /// Why its rows were set aside, and how many.
        reasons: String,
    },
    /// A link that cannot be read back.
    #[error("`{}` is not a link to a Parquet source", .path.display())]
    BadLink {
        /// The link.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A link that cannot be written.
    #[error("cannot write the link to `{}`", .path.display())]
    Write {
        /// The source.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Explain for SourceError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::MissingColumn(error) => error.hint(),
            Self::BadLink { path, .. } => {
                Some(format!("remove `{}` and ingest the source again", path.display()).into())
            }
            Self::NotParquet { .. } => {
                Some("was it still being written, or only partly copied?".into())
            }
            Self::Damaged { .. } => Some("write or copy it once more".into()),
            Self::RepeatedColumn { .. } => {
                Some("write the file with a name for each column".into())
            }
            Self::NoRequests { .. } => Some(
                "name the columns that hold the values with `--columns`, and the times that are \
                 taken in with `--earliest`, `--ahead-of-file` and `--before-log`"
                    .into(),
            ),
            _ => None,
        }
    }
}
