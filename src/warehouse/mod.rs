//! The warehouse folder: where each table lies, and how files get there.
//!
//! ```text
//! <warehouse>/
//!   access_logs/date=YYYY-MM-DD/<digest, 16 digits>.<reading, 8 digits>-<part>.parquet
//!   log_files/<digest>.<reading>.parquet        written last: a file named here is ingested, and read so
//!   quarantine/<digest, 16 digits>.parquet
//!   traffic_windows/  scored_windows/           one file per date
//!   incidents/  incident_causes/                one file per date that has any
//!   series_dates/                               one file per date
//!   runs/<run id>.parquet, runs/<run id>/       a row and a summary per run
//!   detectors/<name>/<version>/                 weights and manifest
//!   sources/<name>.json                         links to Parquet logs
//!   labels/incidents.parquet                    what people said of incidents; others lie beside it
//!   report.html                                 what happened, for people
//!   manifest.json                               what each partition was made from
//!   retired.json                                from which date on rows are kept, if not all are
//!   .alerts.json                                the incidents that have been told of
//!   .index.json                                 what logs looked like: only saves reading them
//!   .linked.json                                what linked files have: only saves opening them
//!   .profiles                                   what is usual: only saves learning it
//!   .staging/                                   files being written, never read
//!   .lock                                       held by whoever changes the warehouse
//! ```
//!
//! Invariant: a file appears under its final name complete, by a rename from `.staging` on the
//! same file system, or not at all.

pub mod commit;
mod error;
pub mod extra_metrics;
pub mod listing;
pub mod publish;
pub(crate) mod remembered;
pub mod rows;
pub mod settings;
pub mod tables;

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

pub use error::{Error, Result};

use crate::schema::Table;

/// Name of the folder of unfinished files.
const STAGING: &str = ".staging";

/// A folder that holds every table.
#[derive(Debug, Clone)]
pub struct Warehouse {
    root: PathBuf,
}

impl Warehouse {
    /// Names the folder; nothing is created until something is written.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of one table, which may not exist yet.
    #[must_use]
    pub fn table(&self, table: Table) -> PathBuf {
        self.root.join(table.name())
    }

    /// The folder of detectors, which may not exist yet.
    #[must_use]
    pub fn detectors(&self) -> PathBuf {
        self.root.join("detectors")
    }

    /// The folder of unfinished files, which may not exist yet.
    #[must_use]
    pub fn staging_folder(&self) -> PathBuf {
        self.root.join(STAGING)
    }

    /// Creates a private folder for files being written; it is removed when dropped.
    ///
    /// # Errors
    /// When the warehouse cannot be written.
    pub fn staging(&self) -> io::Result<TempDir> {
        let parent = self.staging_folder();
        std::fs::create_dir_all(&parent)?;
        tempfile::Builder::new().prefix("write-").tempdir_in(parent)
    }

    /// Writes a file under its final name, in the place of one that has it: readers find the old
    /// bytes or the new ones.
    ///
    /// # Errors
    /// When the warehouse cannot be written.
    pub fn publish_bytes(&self, bytes: &[u8], destination: &Path) -> io::Result<()> {
        let staging = self.staging()?;
        let staged = staging.path().join("file");
        std::fs::write(&staged, bytes)?;
        self.publish(&staged, destination)
    }

    /// Moves a staged file to its final name, creating the folders on the way and replacing a
    /// file that has that name.
    ///
    /// # Errors
    /// When the folder cannot be created or the file not renamed.
    pub fn publish(&self, staged: &Path, destination: &Path) -> io::Result<()> {
        debug_assert!(
            destination.starts_with(&self.root),
            "published outside the warehouse"
        );
        if let Some(folder) = destination.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::File::open(staged)?.sync_all()?;
        std::fs::rename(staged, destination)
    }
}
