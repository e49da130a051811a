//! Why nothing, or not everything, was simulated.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use datafusion::parquet::errors::ParquetError;

use crate::explain::Explain;

/// Why nothing, or not everything, was simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// A setting is out of range.
    #[error("`{setting}` must be {expected}, found `{found}`")]
    Setting {
        /// The field of [`Simulation`](super::Simulation).
        setting: &'static str,
        /// What would be valid.
        expected: &'static str,
        /// What was given.
        found: String,
    },
    /// The folder holds something else.
    #[error("folder `{}` is not empty and was not made by the simulator", .folder.display())]
    FolderInUse {
        /// The folder.
        folder: PathBuf,
    },
    /// A file could not be read, written or removed.
    #[error("could not write `{}`", .path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The labels could not be written.
    #[error("could not write labels to `{}`", .path.display())]
    Labels {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ParquetError,
    },
}

impl Explain for SimulationError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::FolderInUse { .. } => Some(
                "name a new folder, or one that an earlier simulation made, which is replaced"
                    .into(),
            ),
            Self::Setting { .. } | Self::Write { .. } | Self::Labels { .. } => None,
        }
    }
}
