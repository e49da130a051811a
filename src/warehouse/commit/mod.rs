//! How tables change: one writer at a time, whole changes, and none of them lost or half made.
//!
//! ```text
//! lock ─▶ files staged, synced ─▶ journal ─▶ files take their names ─▶ manifest ─▶ journal goes
//! ```
//!
//! A [`Writer`] holds the warehouse's [lock](Lock). It stages files in `.staging` under the root,
//! and [commits](Writer::commit) them: the journal names every file that is about to take or lose
//! its name. From the moment that the journal is there the change will happen, whatever becomes of
//! the process: the next writer [carries it out](Writer::open) before it does anything else. Until
//! then it has not happened, and what was staged is removed.
//!
//! A file takes its name by a rename, so a reader finds the old or the new rows of a partition,
//! never both, and never a part. The [manifest](Manifest), which says what each partition was made
//! from, comes last: what it says is there is there.
//!
//! All goes through [`ObjectStore`]; for now that is a local folder (`local`).

mod error;
mod holder;
mod journal;
mod local;
mod lock;
mod manifest;
mod retired;
#[cfg(test)]
mod tests;

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tempfile::TempDir;

pub use error::CommitError;
pub use holder::Holder;
pub use lock::{Lock, Wait};
pub use manifest::{Manifest, Partition, PartitionDate};
pub use retired::Retired;

use crate::explain::cannot;
use crate::warehouse::Warehouse;
use journal::{JOURNAL, Journal, Move};
use manifest::MANIFEST;

/// Files that will take or lose their names together.
#[derive(Debug)]
pub struct Change {
    root: PathBuf,
    /// Removed with all that was not moved out of it.
    staging: TempDir,
    moves: Vec<Move>,
    deletions: Vec<Path>,
}

impl Change {
    /// The folder to write new files into.
    #[must_use]
    pub fn staging(&self) -> &FilePath {
        self.staging.path()
    }

    /// A complete file of [`Self::staging`], already synced, is to take a name of the warehouse
    /// and replace what has it.
    ///
    /// # Errors
    /// When either lies outside the warehouse.
    pub fn replace(
        &mut self,
        staged: &FilePath,
        destination: &FilePath,
    ) -> Result<(), CommitError> {
        let moved = Move {
            from: self.location(staged)?.to_string(),
            to: self.location(destination)?.to_string(),
        };
        self.moves.push(moved);
        Ok(())
    }

    /// A file is to go.
    ///
    /// # Errors
    /// When it lies outside the warehouse.
    pub fn delete(&mut self, file: &FilePath) -> Result<(), CommitError> {
        self.deletions.push(self.location(file)?);
        Ok(())
    }

    /// Whether nothing would change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.moves.is_empty() && self.deletions.is_empty()
    }

    fn location(&self, file: &FilePath) -> Result<Path, CommitError> {
        location(&self.root, file)
    }
}

/// The name of a file of a warehouse in its store.
fn location(root: &FilePath, file: &FilePath) -> Result<Path, CommitError> {
    let outside = || CommitError::Outside {
        path: file.to_owned(),
    };
    // Temporary folders have absolute names, whatever name their parent was given by.
    let absolute = |path| std::path::absolute(path).map_err(|_| outside());
    let file = absolute(file)?;
    let relative = file.strip_prefix(absolute(root)?).map_err(|_| outside())?;
    Path::parse(relative.to_str().ok_or_else(outside)?).map_err(|_| outside())
}

/// The only one that changes tables: holds the lock, and knows the manifest.
#[derive(Debug)]
pub struct Writer {
    store: Arc<dyn ObjectStore>,
    warehouse: Warehouse,
    manifest: Manifest,
    recovery: Recovery,
    _lock: Lock,
}

/// What an earlier writer had left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovery {
    /// A commit was under way, and has been carried out.
    pub completed_commit: bool,
    /// Unfinished files were removed.
    pub removed_leftovers: bool,
}

impl Writer {
    /// Takes the lock of a warehouse, whose folder is created, and puts in order what an earlier
    /// writer left.
    ///
    /// # Errors
    /// When another holds the lock for longer than `wait`, or the warehouse cannot be written.
    pub async fn open(
        warehouse: &Warehouse,
        purpose: &str,
        wait: Wait,
    ) -> Result<Self, CommitError> {
        std::fs::create_dir_all(warehouse.root()).map_err(cannot("write", warehouse.root()))?;
        let lock = Lock::take(warehouse.root(), purpose, wait)?;
        let store = local::open(warehouse.root())?;
        Self::with_store(warehouse, store, lock).await
    }

    async fn with_store(
        warehouse: &Warehouse,
        store: Arc<dyn ObjectStore>,
        lock: Lock,
    ) -> Result<Self, CommitError> {
        let mut writer = Self {
            store,
            warehouse: warehouse.clone(),
            manifest: Manifest::default(),
            recovery: Recovery::default(),
            _lock: lock,
        };
        writer.recovery = writer.recover().await?;
        writer.manifest = writer.read_manifest().await?;
        Ok(writer)
    }

    /// What each partition was made from.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What an earlier writer had left.
    #[must_use]
    pub fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// The warehouse.
    #[must_use]
    pub fn warehouse(&self) -> &Warehouse {
        &self.warehouse
    }

    /// Starts a change.
    ///
    /// # Errors
    /// When the warehouse cannot be written.
    pub fn change(&self) -> Result<Change, CommitError> {
        let root = self.warehouse.root();
        let staging = self.warehouse.staging().map_err(cannot("write", root))?;
        Ok(Change {
            root: root.to_owned(),
            staging,
            moves: Vec::new(),
            deletions: Vec::new(),
        })
    }

    /// Makes a change happen, with the manifest that is true after it.
    ///
    /// # Errors
    /// When the store refuses. If it does before the journal is there, nothing has changed; if
    /// after, the next writer goes on.
    pub async fn commit(&mut self, change: Change, manifest: Manifest) -> Result<(), CommitError> {
        if change.is_empty() && manifest == self.manifest {
            return Ok(());
        }
        let Change {
            root,
            staging,
            mut moves,
            deletions,
        } = change;
        let staged_manifest = location(&root, &staging.path().join(MANIFEST))?;
        self.put(&staged_manifest, manifest.to_json()?).await?;
        // The manifest comes last.
        moves.push(Move {
            from: staged_manifest.to_string(),
            to: MANIFEST.to_owned(),
        });
        let journal = Journal {
            moves,
            deletions: deletions.iter().map(ToString::to_string).collect(),
        };
        self.put(&Path::from(JOURNAL), journal.to_json()?).await?;
        // From here on a failure must leave the staged files to the next writer.
        let staged = staging.keep();
        self.carry_out(&journal).await?;
        // Nothing depends on it: the next writer would do it.
        let _ = std::fs::remove_dir_all(staged);
        self.manifest = manifest;
        Ok(())
    }

    /// Carries out a commit that was under way, and removes what was staged without one.
    async fn recover(&self) -> Result<Recovery, CommitError> {
        let journal = match self.store.get(&Path::from(JOURNAL)).await {
            Ok(found) => {
                let text = found.bytes().await.map_err(CommitError::store(JOURNAL))?;
                Some(Journal::from_json(&text)?)
            }
            Err(object_store::Error::NotFound { .. }) => None,
            Err(error) => return Err(CommitError::store(JOURNAL)(error)),
        };
        if let Some(journal) = &journal {
            self.carry_out(journal).await?;
        }
        Ok(Recovery {
            completed_commit: journal.is_some(),
            removed_leftovers: self.remove_leftovers()?,
        })
    }

    /// Gives files their names, takes others away, and then removes the journal. What has been
    /// done already is passed over.
    async fn carry_out(&self, journal: &Journal) -> Result<(), CommitError> {
        let (manifest, files) = journal
            .moves
            .split_last()
            .ok_or(CommitError::EmptyJournal)?;
        for moved in files {
            self.rename(moved).await?;
        }
        for file in &journal.deletions {
            match self.store.delete(&Path::from(file.as_str())).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(CommitError::store(file)(error)),
            }
        }
        self.rename(manifest).await?;
        match self.store.delete(&Path::from(JOURNAL)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(CommitError::store(JOURNAL)(error)),
        }
    }

    async fn rename(&self, moved: &Move) -> Result<(), CommitError> {
        let (from, to) = (
            Path::from(moved.from.as_str()),
            Path::from(moved.to.as_str()),
        );
        match self.store.rename(&from, &to).await {
            Ok(()) => Ok(()),
            // It has its name already, or someone took it away.
            Err(object_store::Error::NotFound { .. }) => match self.store.head(&to).await {
                Ok(_) => Ok(()),
                Err(error) => Err(CommitError::store(&moved.to)(error)),
            },
            Err(error) => Err(CommitError::store(&moved.to)(error)),
        }
    }

    async fn put(&self, location: &Path, text: Vec<u8>) -> Result<(), CommitError> {
        let put = self.store.put(location, text.into()).await;
        put.map(|_| ())
            .map_err(CommitError::store(location.as_ref()))
    }

    async fn read_manifest(&self) -> Result<Manifest, CommitError> {
        match self.store.get(&Path::from(MANIFEST)).await {
            Ok(found) => {
                let text = found.bytes().await.map_err(CommitError::store(MANIFEST))?;
                Manifest::from_json(&text, &self.warehouse.root().join(MANIFEST))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(Manifest::default()),
            Err(error) => Err(CommitError::store(MANIFEST)(error)),
        }
    }

    /// Empties the staging folder of what only a writer that is gone can have left. Notes of logs
    /// that were being published stay: [`crate::logs::remove_unpublished`] needs them.
    fn remove_leftovers(&self) -> Result<bool, CommitError> {
        let staging = self.warehouse.staging_folder();
        let entries = match std::fs::read_dir(&staging) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(cannot("read", &staging)(error).into()),
        };
        let mut removed = false;
        for entry in entries {
            let path = entry.map_err(cannot("read", &staging))?.path();
            let is_note = path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"publishing-"));
            if is_note {
                continue;
            }
            let gone = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            gone.map_err(cannot("remove", &path))?;
            removed = true;
        }
        Ok(removed)
    }
}
