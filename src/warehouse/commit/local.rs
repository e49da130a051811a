//! A local folder as an object store whose changes survive a loss of power.
//!
//! [`LocalFileSystem`] leaves it to the system when bytes and names reach the disk. A journal is
//! worth nothing that may reach it after what it announces, so here each put and rename is synced
//! before it counts as done.

use std::fmt;
use std::fs::File;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

use super::error::CommitError;

/// After so many changes the process ends as if it were killed: for the tests of crashes.
const CRASH_AFTER: &str = "ANOMALOG_CRASH_AFTER_CHANGES";

/// Opens a folder, which must exist.
pub(super) fn open(root: &FilePath) -> std::result::Result<Arc<dyn ObjectStore>, CommitError> {
    let files = LocalFileSystem::new_with_prefix(root)
        .map_err(CommitError::store("."))?
        .with_automatic_cleanup(true);
    let crash_after = std::env::var(CRASH_AFTER).ok();
    Ok(Arc::new(SyncedFolder {
        files,
        changes_left: crash_after
            .and_then(|text| text.parse().ok())
            .map(AtomicU64::new),
    }))
}

/// A folder whose changes are synced.
#[derive(Debug)]
struct SyncedFolder {
    files: LocalFileSystem,
    /// Until the process ends.
    changes_left: Option<AtomicU64>,
}

impl fmt::Display for SyncedFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "synced {}", self.files)
    }
}

impl SyncedFolder {
    /// Ends the process before a change, if that was asked for.
    fn count(&self) {
        if let Some(left) = &self.changes_left
            && left.fetch_sub(1, Ordering::Relaxed) == 0
        {
            std::process::abort();
        }
    }

    /// Syncs the folder that holds a name: until then a rename may be undone by a loss of power.
    fn sync_folder(&self, location: &Path) -> Result<()> {
        let path = self.files.path_to_filesystem(location)?;
        let folder = path.parent().unwrap_or(FilePath::new("."));
        sync(folder)
    }
}

fn sync(path: &FilePath) -> Result<()> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|source| object_store::Error::Generic {
        store: "LocalFileSystem",
        source: source.into(),
    })
}

#[async_trait]
impl ObjectStore for SyncedFolder {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        self.count();
        // Under another name first: what has the name must be complete.
        let aside = Path::from(format!("{location}.unsynced"));
        let result = self.files.put_opts(&aside, payload, opts).await?;
        sync(&self.files.path_to_filesystem(&aside)?)?;
        self.files
            .rename_opts(&aside, location, RenameOptions::default())
            .await?;
        self.sync_folder(location)?;
        Ok(result)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.files.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.count();
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.count();
        self.files.rename_opts(from, to, options).await?;
        self.sync_folder(to)
    }
}
