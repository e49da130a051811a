//! Why an export cannot be written.

use std::path::PathBuf;

use chrono::NaiveDate;

/// Why an export cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
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
    #[error("`{}` has no column `{column}`", .file.display())]
    MissingColumn {
        /// A file of the table.
        file: PathBuf,
        /// The column.
        column: String,
    },
}

impl ExportError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoWarehouse { .. } => Some("name one with `--warehouse PATH`"),
            Self::EmptyRange { .. } => Some("`--from` must not be after `--to`"),
            Self::Exists { .. } => Some("replace it with `--overwrite`, or name another folder"),
            Self::NotAnExport { .. } => Some("name a folder that is not there yet"),
            Self::MissingColumn { .. } => Some("build the table again"),
        }
    }
}
