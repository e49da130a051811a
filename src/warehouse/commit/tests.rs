//! Commits over a store that fails.

use std::fmt;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::NaiveDate;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use tempfile::TempDir;

use super::*;
use crate::schema::Table;
use crate::warehouse::tables::partition_file;

/// A folder that has room for so many changes more: each later one fails as on a full disk.
#[derive(Debug)]
struct FullDisk {
    files: LocalFileSystem,
    left: AtomicUsize,
}

impl FullDisk {
    fn open(root: &FilePath, changes: usize) -> Arc<dyn ObjectStore> {
        let files = LocalFileSystem::new_with_prefix(root).unwrap();
        Arc::new(Self {
            files: files.with_automatic_cleanup(true),
            left: AtomicUsize::new(changes),
        })
    }

    fn change(&self) -> Result<()> {
        let left = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        left.map(drop).map_err(|_| object_store::Error::Generic {
            store: "full disk",
            source: std::io::Error::from(std::io::ErrorKind::StorageFull).into(),
        })
    }
}

impl fmt::Display for FullDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("full disk")
    }
}

#[async_trait]
impl ObjectStore for FullDisk {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        self.change()?;
        self.files.put_opts(location, payload, opts).await
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
        match self.change() {
            Ok(()) => self.files.delete_stream(locations),
            Err(error) => futures::stream::once(async { Err(error) }).boxed(),
        }
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
        // What is not there is not renamed.
        self.files.head(from).await?;
        self.change()?;
        self.files.rename_opts(from, to, options).await
    }
}

const TABLE: Table = Table::TrafficWindows;

fn date(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, day).unwrap()
}

/// A warehouse with the dates 1 and 3 of a table.
async fn warehouse() -> (TempDir, Warehouse) {
    let folder = TempDir::new().unwrap();
    let warehouse = Warehouse::new(folder.path().join("warehouse"));
    let mut writer = Writer::open(&warehouse, "test", Wait::No).await.unwrap();
    change(&mut writer, &[1, 3], &[], "old").await.unwrap();
    (folder, warehouse)
}

/// Replaces and deletes dates.
async fn change(
    writer: &mut Writer,
    replaced: &[u32],
    deleted: &[u32],
    content: &str,
) -> std::result::Result<(), CommitError> {
    let table = writer.warehouse().table(TABLE);
    let mut change = writer.change()?;
    let mut manifest = writer.manifest().clone();
    for &day in replaced {
        let staged = change.staging().join(format!("{day}"));
        fs::write(&staged, content).unwrap();
        let partition = Partition {
            key: Some(content.to_owned()),
            ..Partition::by_hand(&staged)?
        };
        manifest.set(TABLE, date(day), partition);
        change.replace(&staged, &partition_file(&table, date(day)))?;
    }
    for &day in deleted {
        change.delete(&partition_file(&table, date(day)))?;
        manifest.remove(TABLE, date(day));
    }
    writer.commit(change, manifest).await
}

/// What a reader finds, and what the manifest says.
fn state(warehouse: &Warehouse) -> Vec<(u32, Option<String>, Option<String>)> {
    let manifest = Manifest::load(warehouse).unwrap();
    (1..4)
        .map(|day| {
            let file = partition_file(&warehouse.table(TABLE), date(day));
            let said = manifest.partition(TABLE, date(day));
            let said = said.and_then(|partition| partition.key.clone());
            (day, fs::read_to_string(file).ok(), said)
        })
        .collect()
}

fn holds(contents: [Option<&str>; 3]) -> Vec<(u32, Option<String>, Option<String>)> {
    let text = |content: Option<&str>| content.map(str::to_owned);
    (1..4)
        .zip(contents)
        .map(|(day, content)| (day, text(content), text(content)))
        .collect()
}

#[tokio::test]
async fn a_commit_that_is_cut_off_anywhere_has_happened_or_has_not() {
    let (old, new) = (
        holds([Some("old"), None, Some("old")]),
        holds([Some("new"), Some("new"), None]),
    );
    let mut outcomes = Vec::new();
    for changes in 0..20 {
        let (_folder, warehouse) = warehouse().await;
        assert_eq!(state(&warehouse), old);
        let lock = Lock::take(warehouse.root(), "test", Wait::No).unwrap();
        let store = FullDisk::open(warehouse.root(), changes);
        let mut writer = Writer::with_store(&warehouse, store, lock).await.unwrap();
        let committed = change(&mut writer, &[1, 2], &[3], "new").await;
        drop(writer);
        if let Err(error) = &committed {
            assert!(error.to_string().contains("no storage space"), "{error}");
        }

        let writer = Writer::open(&warehouse, "test", Wait::No).await.unwrap();
        let found = state(&warehouse);
        assert!(found == old || found == new, "after {changes}: {found:?}");
        assert!(committed.is_err() || found == new, "after {changes}");
        assert_eq!(
            writer.recovery().completed_commit,
            committed.is_err() && found == new
        );
        let left = fs::read_dir(warehouse.staging_folder()).unwrap().count();
        assert_eq!(left, 0, "something is left after {changes}");
        outcomes.push((committed.is_ok(), found == new));
    }
    // Nothing changed; cut off but carried out; all in one go.
    for expected in [(false, false), (false, true), (true, true)] {
        assert!(outcomes.contains(&expected), "{outcomes:?}");
    }
}

#[tokio::test]
async fn carrying_out_may_itself_be_cut_off() {
    let (_folder, warehouse) = warehouse().await;
    let open = |changes| {
        let lock = Lock::take(warehouse.root(), "test", Wait::No).unwrap();
        let store = FullDisk::open(warehouse.root(), changes);
        Writer::with_store(&warehouse, store, lock)
    };
    // Two puts, and the first file.
    let mut writer = open(3).await.unwrap();
    change(&mut writer, &[1, 2], &[3], "new").await.unwrap_err();
    drop(writer);
    let mut attempts = 0;
    while open(2).await.is_err() {
        attempts += 1;
        assert!(attempts < 20, "no attempt comes further than the last");
    }
    assert!(attempts > 0);
    assert_eq!(state(&warehouse), holds([Some("new"), Some("new"), None]));
}

#[tokio::test]
async fn the_second_writer_is_told_who_is_the_first() {
    let (_folder, warehouse) = warehouse().await;
    let writer = Writer::open(&warehouse, "anomalog run", Wait::No)
        .await
        .unwrap();
    let refused = Writer::open(&warehouse, "anomalog score", Wait::No)
        .await
        .unwrap_err();
    let message = refused.to_string();
    let expected = format!(
        "is in use by `anomalog run` (process {}",
        std::process::id()
    );
    assert!(message.contains(&expected), "{message}");
    let brief = Wait::For(std::time::Duration::from_millis(150));
    let refused = Writer::open(&warehouse, "anomalog score", brief).await;
    assert!(matches!(refused, Err(CommitError::Locked { .. })));
    drop(writer);
    Writer::open(&warehouse, "anomalog score", Wait::No)
        .await
        .unwrap();
    let lock = fs::read(warehouse.root().join(".lock")).unwrap();
    assert_eq!(lock, b"", "who held the lock is of no interest any more");
}

#[tokio::test]
async fn a_damaged_or_newer_manifest_is_refused() {
    let (_folder, warehouse) = warehouse().await;
    let manifest = warehouse.root().join(MANIFEST);
    fs::write(&manifest, "{").unwrap();
    let refused = Writer::open(&warehouse, "test", Wait::No)
        .await
        .unwrap_err();
    assert!(matches!(refused, CommitError::Damaged { .. }), "{refused}");
    fs::write(&manifest, "{\"format\": 99, \"more\": 1}").unwrap();
    let refused = Writer::open(&warehouse, "test", Wait::No)
        .await
        .unwrap_err();
    let message = refused.to_string();
    assert!(
        message.ends_with("has format 99, and this program reads up to 1"),
        "{message}"
    );
}

#[tokio::test]
async fn files_outside_the_warehouse_are_not_touched() {
    let (folder, warehouse) = warehouse().await;
    let writer = Writer::open(&warehouse, "test", Wait::No).await.unwrap();
    let mut change = writer.change().unwrap();
    let outside = folder.path().join("x");
    assert!(matches!(
        change.delete(&outside),
        Err(CommitError::Outside { .. })
    ));
    assert!(change.is_empty());
}
