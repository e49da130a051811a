//! Why a warehouse cannot be changed.

use std::io;
use std::path::{Path, PathBuf};

use super::lock::Holder;

/// Why a warehouse cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Another process is changing it.
    #[error("the warehouse `{}` is in use by {holder}", .warehouse.display())]
    Locked {
        /// The warehouse.
        warehouse: PathBuf,
        /// Who holds the lock.
        holder: Holder,
    },
    /// The file system refuses.
    #[error("cannot {action} `{}`", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store refuses.
    #[error("cannot write `{location}` of the warehouse: {}", innermost(.source))]
    Store {
        /// The file, from the root of the warehouse.
        location: String,
        /// Why.
        source: Box<object_store::Error>,
    },
    /// A file that does not belong to the warehouse.
    #[error("`{}` is no file of the warehouse", .path.display())]
    Outside {
        /// The file.
        path: PathBuf,
    },
    /// A journal that moves nothing, not even the manifest.
    #[error("the journal `.staging/journal.json` of the warehouse is empty")]
    EmptyJournal,
    /// The journal or the manifest does not say what it must.
    #[error("`{}` is damaged", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// What was deleted on purpose is not known.
    #[error("`{}` is damaged", .path.display())]
    RetiredDamaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The manifest is that of a later program.
    #[error("`{}` has format {found}, and this program reads up to {known}", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The last format that is known.
        known: u32,
    },
}

impl StorageError {
    /// Turns an I/O error on a file into a [`StorageError`].
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// Turns an error of the store on a file into a [`StorageError`].
    pub(super) fn store(location: &str) -> impl FnOnce(object_store::Error) -> Self {
        move |source| Self::Store {
            location: location.to_owned(),
            source: Box::new(source),
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Locked { .. } => {
                Some("try again when that has ended, or wait for it with `--wait`".to_owned())
            }
            Self::Damaged { path, .. } => Some(format!(
                "remove `{}`: the next run finds out anew what must be built",
                path.display()
            )),
            Self::RetiredDamaged { .. } => Some(
                "restore it from a backup, or write into it, per table, the first date that is kept: \
                 without it, windows of dates whose requests are gone would be removed"
                    .to_owned(),
            ),
            Self::Newer { .. } => Some("use the newer program".to_owned()),
            Self::Store { .. } | Self::Io { .. } => Some(
                "check that the folder can be written and has space: nothing is lost, the next \
                 run goes on from here"
                    .to_owned(),
            ),
            Self::Outside { .. } | Self::EmptyJournal => None,
        }
    }
}

/// What lies behind the store's own wrapping.
fn innermost(error: &object_store::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
