//! Why tables and other files of the warehouse cannot be read or written.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use datafusion::arrow::error::ArrowError;
use datafusion::parquet::errors::ParquetError;

use super::commit::CommitError;
use crate::explain::{Explain, FileError, boxed};

/// The result of what reads or writes files of the warehouse.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a file of the warehouse cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refuses.
    #[error(transparent)]
    File(#[from] FileError),
    /// The tables cannot be changed.
    #[error(transparent)]
    Commit(Box<CommitError>),
    /// Something that is no file has the name of an output, which would take its place.
    #[error("`{}` is no regular file", .path.display())]
    NoRegularFile {
        /// What is there.
        path: PathBuf,
    },
    /// Settings that cannot be read back.
    #[error("`{}` is damaged", .path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A Parquet file that cannot be read or written.
    #[error("cannot {action} `{}`", .path.display())]
    Parquet {
        /// What was tried, as a verb: `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ParquetError,
    },
    /// A value that a table cannot express.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

impl Error {
    /// Turns an error of Parquet on a file into an [`Error`].
    pub fn parquet(action: &'static str, path: &Path) -> impl FnOnce(ParquetError) -> Self {
        move |source| Self::Parquet {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

boxed!(Error, Commit(CommitError));

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::File(error) => Some(error),
            Self::Commit(error) => Some(&**error),
            _ => None,
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::NoRegularFile { .. } => Some(
                "what is written takes its name when it is complete, and would be in its place: name \
                 another file"
                    .into(),
            ),
            Self::Settings { path, .. } => Some(
                format!(
                    "remove `{}` and run `anomalog windows` again",
                    path.display()
                )
                .into(),
            ),
            _ => self.inner()?.hint(),
        }
    }
}
