//! What is new among the logs of a job.
//!
//! A log is its bytes: it is known by their digest, wherever it lies and whatever it is called. So
//! a log that was rotated to another name is no new log, and one that was taken away by rotation
//! stays in the warehouse. What was read of a log is replaced by a log that
//! - begins with the same text and lies in the same folder, while the old one is gone: the log has
//!   grown, with or without being rotated or compressed since; or
//! - has its name, and says of the same time something else: it was rewritten or cut short.
//!
//! [`Intake`] is what a run knows of its logs: it is made once, and once more after reading.

mod by_hand;
mod coverage;
mod error;
mod index;
mod scan;
mod source;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::RecordBatch;

pub use by_hand::replace_by_hand;
pub use error::{Error, Result};
pub use source::{LogSource, ParquetLogs, SourceFault};

use crate::explain::{cannot, chain};
use crate::incremental::Staged;
use crate::incremental::key::Key;
use crate::logs::linked::KnownFiles;
use crate::logs::{self, IngestError, IngestOptions, IngestSummary, LogFile};
use crate::progress::Progress;
use crate::schema::Table;
use crate::session::Session;
use crate::warehouse::Warehouse;
use crate::warehouse::commit::Writer;
use index::{Index, ReadPages};
use scan::{Scan, scan};

/// What a run knows of its logs: those at the sources, those that the warehouse holds, and those that
/// are linked in place.
#[derive(Debug)]
pub struct Intake<'a> {
    sources: &'a [LogSource],
    warehouse: &'a Warehouse,
    index: Index,
    scan: Scan,
    /// The logs that the warehouse holds by their short digests, and what tells how each was read.
    ingested: BTreeMap<String, String>,
    /// Digest by path of the files of linked sources.
    linked: BTreeMap<String, String>,
}

/// What was taken in.
#[derive(Debug, Default)]
pub struct TakenIn {
    /// What was read, by source.
    pub read: Vec<IngestSummary>,
    /// Logs that are there only once more, compressed.
    pub compressed: usize,
    /// Logs whose place others took, and why.
    pub replaced: Vec<SourceFault>,
}

impl<'a> Intake<'a> {
    /// Looks at the sources and the warehouse, and changes nothing.
    ///
    /// # Errors
    /// When the warehouse or a linked log cannot be read.
    pub fn look(sources: &'a [LogSource], warehouse: &'a Warehouse) -> Result<Self> {
        let mut known = KnownFiles::load(warehouse);
        let index = Index::load(warehouse);
        Self::with_index(sources, warehouse, index, &mut known, ReadPages::No)
    }

    /// Looks at the same, after linking Parquet logs as the sources have them now. Returns what is
    /// wrong with these, too.
    ///
    /// # Errors
    /// As [`Self::look`], and when a link cannot be written, or the addresses of the warehouse are not
    /// written as those of the sources would be.
    pub fn open(
        sources: &'a [LogSource],
        warehouse: &'a Warehouse,
        threads: Option<u32>,
    ) -> Result<(Self, Vec<SourceFault>)> {
        let pseudonyms = sources
            .iter()
            .find_map(|source| source.options.pseudonyms.as_deref());
        logs::agree_on_pseudonyms(warehouse, pseudonyms).map_err(IngestError::from)?;
        Self::knowing(sources, warehouse, threads, KnownFiles::load(warehouse))
    }

    /// Looks at linked files once more as if nothing was known of them. Returns what is wrong with the
    /// sources now, and nothing if the files are what they were.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn look_again(&mut self, threads: Option<u32>) -> Result<Option<Vec<SourceFault>>> {
        if self.linked.is_empty() {
            return Ok(None);
        }
        let known = KnownFiles::default();
        let (again, mut faults) = Self::knowing(self.sources, self.warehouse, threads, known)?;
        if again.linked == self.linked {
            return Ok(None);
        }
        faults.extend(again.scan.faults);
        self.linked = again.linked;
        self.index.take_links(again.index);
        Ok(Some(faults))
    }

    fn knowing(
        sources: &'a [LogSource],
        warehouse: &'a Warehouse,
        threads: Option<u32>,
        mut known: KnownFiles,
    ) -> Result<(Self, Vec<SourceFault>)> {
        let mut index = Index::load(warehouse);
        let faults = index.link(sources, warehouse, &mut known)?;
        let pages = ReadPages::Of { threads };
        let intake = Self::with_index(sources, warehouse, index, &mut known, pages)?;
        known.save(warehouse)?;
        Ok((intake, faults))
    }

    fn with_index(
        sources: &'a [LogSource],
        warehouse: &'a Warehouse,
        mut index: Index,
        known: &mut KnownFiles,
        pages: ReadPages,
    ) -> Result<Self> {
        let (linked, faults) = index.linked(warehouse, known, pages)?;
        let mut scan = scan(sources, warehouse, &index);
        scan.faults.extend(faults);
        // What was read of them by hand was read.
        for (path, seen) in &index.by_hand {
            if scan.has(path) && !index.files.contains_key(path) {
                index.files.insert(path.clone(), seen.clone());
            }
        }
        Ok(Self {
            scan,
            ingested: ingested(warehouse)?,
            linked,
            sources,
            warehouse,
            index,
        })
    }

    /// How many logs lie at the sources.
    #[must_use]
    pub fn found(&self) -> usize {
        self.scan.found.len()
    }

    /// How many Parquet files lie at the sources.
    #[must_use]
    pub fn parquet_files(&self) -> usize {
        index::parquet_files(self.sources, self.warehouse)
    }

    /// How many logs of the warehouse are at no source any more.
    #[must_use]
    pub const fn vanished(&self) -> usize {
        self.scan.vanished
    }

    /// What is wrong with the sources.
    #[must_use]
    pub fn faults(&self) -> &[SourceFault] {
        &self.scan.faults
    }

    /// How many files of linked sources there are.
    #[must_use]
    pub fn linked_files(&self) -> usize {
        self.linked.len()
    }

    /// What each date that linked sources have requests of owes to them: their files, each with its
    /// digest.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub async fn linked_dates(
        &self,
        session: &Session,
    ) -> Result<BTreeMap<NaiveDate, Vec<String>>> {
        let mut dates: BTreeMap<NaiveDate, Vec<String>> = BTreeMap::new();
        if self.linked.is_empty() {
            return Ok(dates);
        }
        for (source, date) in session.linked_dates().await? {
            let digest = self.linked.get(&source).map_or("", String::as_str);
            dates
                .entry(date)
                .or_default()
                .push(format!("{source} {digest}"));
        }
        Ok(dates)
    }

    /// Counts the rows of linked files that no run has counted yet; says what is set aside of them.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub async fn count_linked(&mut self, session: &Session) -> Result<Vec<String>> {
        let uncounted = self.index.uncounted(&self.linked);
        let files = session.linked_files().iter();
        let files: Vec<_> = files
            .filter(|file| uncounted.contains(&file.name()))
            .collect();
        let counted = session.linked_rows(&files).await?;
        self.index.note_counted(&self.linked);
        let said = counted.iter();
        Ok(said.filter_map(|(file, rows)| rows.said_of(file)).collect())
    }

    /// The paths of the logs that are to be read.
    #[must_use]
    pub fn new_logs(&self) -> Vec<String> {
        let new = self.scan.new_logs(&self.index, &self.ingested);
        new.values()
            .flatten()
            .map(|file| file.path().display().to_string())
            .collect()
    }

    /// Adds what tells these logs from others.
    pub(crate) fn add_to(&self, key: &mut Key) {
        for (digest, reading) in &self.ingested {
            key.add_text(digest);
            key.add_text(reading);
        }
        for (name, digest) in &self.linked {
            key.add_text(name);
            key.add_text(digest);
        }
    }

    /// What tells the logs at the sources from others.
    pub(crate) fn digest_of_sources(&self) -> String {
        self.scan.digest()
    }

    /// The time that the ingested logs cover, as the queries read it.
    ///
    /// # Errors
    /// When the warehouse cannot be read.
    pub fn coverage(&mut self) -> Result<RecordBatch> {
        let logs = self.index.coverage(self.warehouse, &self.ingested)?;
        coverage::rows(logs)
    }

    /// Reads new logs, and drops what was read of those that were replaced.
    ///
    /// # Errors
    /// When the warehouse cannot be written. What was read before is kept.
    pub async fn take_in(
        &mut self,
        threads: Option<u32>,
        writer: &mut Writer,
        progress: &Arc<dyn Progress>,
    ) -> Result<TakenIn> {
        // Of logs that may have been replaced, the coverage must be known as long as they are there.
        self.index.coverage(self.warehouse, &self.ingested)?;
        let passed_over = self
            .scan
            .pass_over_compressed(&mut self.index, &self.ingested);
        let mut taken = TakenIn {
            compressed: passed_over.len(),
            ..TakenIn::default()
        };
        let mut failed = BTreeMap::new();
        let new = self.scan.new_logs(&self.index, &self.ingested);
        for (source, files) in new {
            let read = self.ingest(source, files, threads, progress).await?;
            for fault in &read.failed {
                failed.insert(fault.file.clone(), chain(&fault.error));
            }
            for skipped in &read.skipped {
                failed.insert(skipped.file.clone(), skipped.reason.clone());
            }
            taken.read.push(read);
        }
        self.ingested = ingested(self.warehouse)?;
        self.index.coverage(self.warehouse, &self.ingested)?;
        let replaced = self.scan.replaced(&self.index, &self.ingested);
        if !replaced.is_empty() {
            drop_replaced(&replaced, self.warehouse, writer).await?;
            self.ingested = ingested(self.warehouse)?;
        }
        taken.replaced = replaced.into_values().collect();
        self.scan.remember(&mut self.index, &failed);
        self.save()?;
        Ok(taken)
    }

    /// Remembers what the logs look like.
    ///
    /// # Errors
    /// When the warehouse cannot be written.
    pub fn save(&self) -> Result<()> {
        self.index.save(self.warehouse)
    }

    async fn ingest(
        &self,
        source: usize,
        files: Vec<LogFile>,
        threads: Option<u32>,
        progress: &Arc<dyn Progress>,
    ) -> Result<IngestSummary> {
        let options = IngestOptions {
            threads: threads.and_then(|threads| NonZeroUsize::new(threads as usize)),
            // What the job says of a log holds for all of it.
            again: true,
            ..self.sources[source].options.clone()
        };
        let warehouse = self.warehouse.clone();
        let progress = Arc::clone(progress);
        // Parsing is plain blocking work.
        let read = tokio::task::spawn_blocking(move || {
            logs::ingest_files(&files, &options, &warehouse, &*progress)
        });
        let read = read.await.map_err(|error| Error::Threads(error.into()))?;
        Ok(read?)
    }
}

/// Drops what was read of logs that others have replaced.
async fn drop_replaced(
    replaced: &BTreeMap<String, SourceFault>,
    warehouse: &Warehouse,
    writer: &mut Writer,
) -> Result<()> {
    if replaced.is_empty() {
        return Ok(());
    }
    let mut staged = Staged::begin(writer)?;
    for digest in replaced.keys() {
        let files = logs::publication_of(warehouse, digest);
        for file in files.map_err(cannot("read", warehouse.root()))? {
            staged.delete(&file)?;
        }
    }
    staged.commit(writer).await?;
    Ok(())
}

/// The short digests of the logs that a warehouse holds, and what tells how each was read.
fn ingested(warehouse: &Warehouse) -> Result<BTreeMap<String, String>> {
    let table = warehouse.table(Table::LogFiles);
    Ok(logs::ingested_logs(warehouse).map_err(cannot("read", &table))?)
}
