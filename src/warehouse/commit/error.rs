//! Why a warehouse cannot be changed.

use std::borrow::Cow;
use std::path::PathBuf;

use super::holder::Holder;
use crate::explain::{ExitStatus, Explain, FileError};

/// Why a warehouse cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Another process is changing it.
    #[error("the warehouse `{}` is in use by {holder}", .warehouse.display())]
    Locked {
        /// The warehouse.
        warehouse: PathBuf,
        /// Who holds the lock.
        holder: Holder,
    },
    /// The file system refuses.
    #[error(transparent)]
    File(#[from] FileError),
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
    /// The file that says which dates were deleted on purpose cannot be read.
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

impl CommitError {
    /// Turns an error of the store on a file into a [`CommitError`].
    pub(super) fn store(location: &str) -> impl FnOnce(object_store::Error) -> Self {
        move |source| Self::Store {
            location: location.to_owned(),
            source: Box::new(source),
        }
    }
}

impl Explain for CommitError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Locked { .. } => {
                "try again when that has ended, or wait for it with `--wait`".into()
            }
            Self::Damaged { path, .. } => format!(
                "remove `{}`: the next run finds out anew what must be built",
                path.display()
            )
            .into(),
            Self::RetiredDamaged { .. } => {
                "restore it from a backup, or write into it, per table, the first date that is kept: \
                 without it, windows of dates whose requests are gone would be removed"
                    .into()
            }
            Self::Newer { .. } => "use the newer program".into(),
            Self::Store { .. } | Self::File(_) => {
                "check that the folder can be written and has space: nothing is lost, the next \
                 run goes on from here"
                    .into()
            }
            Self::Outside { .. } | Self::EmptyJournal => return None,
        })
    }

    fn status(&self) -> ExitStatus {
        match self {
            Self::Locked { .. } => ExitStatus::InUse,
            _ => ExitStatus::Failure,
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
