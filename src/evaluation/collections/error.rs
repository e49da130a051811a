//! Why a collection cannot be read.

use std::borrow::Cow;
use std::path::PathBuf;

use crate::explain::{Explain, FileError, MissingColumn, TableFileError, through};

/// Why a collection cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CollectionError {
    /// The list, or the file of a series, cannot be read or does not hold what it should.
    #[error(transparent)]
    Table(#[from] TableFileError),
    /// A list without entries.
    #[error("`{}` lists no series", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

through!(CollectionError, TableFileError: FileError, MissingColumn);

impl Explain for CollectionError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Table(TableFileError::File(_)) => {
                Some("`--series` is the `series.csv` of a folder of labelled series".into())
            }
            Self::Table(TableFileError::MissingColumn(_) | TableFileError::Type { .. })
            | Self::Empty { .. } => Some(
                "`series.csv` has the columns file, dataset, train_points, vus_window and \
                 step_seconds; each file has timestamp, value and label"
                    .into(),
            ),
            Self::Table(TableFileError::Entry {
                column: "timestamp",
                ..
            }) => Some("sort the file by `timestamp`, with one row per window".into()),
            Self::Table(_) => None,
        }
    }
}
