//! Writes rows of `access_logs` into staged Parquet files.
//!
//! Rows gather until a chunk is full; a chunk becomes one file per date, sorted by site and time,
//! and by line where both are equal. So memory is bounded by the chunk, whatever the size of the
//! log and however its dates are mixed, and the files depend on the order of the rows alone.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, StringArray, UInt32Array};
use datafusion::arrow::compute::{interleave, take};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::metadata::SortingColumn;
use datafusion::parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder,
};

use super::error::WriteError;
use super::rows::{Rows, SITE};
use super::timestamp::{DAY, Date};
use crate::schema::{ACCESS_LOGS, DATE_PARTITION};

/// Rows of a chunk. Half a million requests make a file of some ten megabytes.
const CHUNK_ROWS: usize = 512 << 10;
/// Memory of a chunk, which fills first where lines are long.
const CHUNK_BYTES: usize = 128 << 20;
/// Rows of a row group: small enough to be skipped and read in parallel.
const ROW_GROUP_ROWS: usize = 128 << 10;
/// Rows put in order at once.
const BATCH_ROWS: usize = 16 << 10;

/// A finished file that waits for its final name.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) staged: PathBuf,
    /// Folder and number of its final name.
    pub(super) partition: String,
    pub(super) number: usize,
}

/// Collects rows of one log file, and writes full chunks on a thread of its own.
///
/// There are at most two chunks at a time: one that gathers, and one that is written.
#[derive(Debug)]
pub(super) struct AccessLogWriter {
    chunk: Vec<Rows>,
    chunk_rows: usize,
    chunk_bytes: usize,
    /// [`None`] once the thread is to end.
    chunks: Option<SyncSender<Vec<Rows>>>,
    thread: Option<JoinHandle<Result<Vec<Part>, WriteError>>>,
}

impl AccessLogWriter {
    /// Writes into the folder `staging`.
    pub(super) fn new(staging: &Path) -> Self {
        let mut writer = ChunkWriter::new(staging);
        // Without room for a waiting chunk: sending waits until the one before is written.
        let (chunks, received) = std::sync::mpsc::sync_channel::<Vec<Rows>>(0);
        let thread = std::thread::spawn(move || {
            received
                .into_iter()
                .try_for_each(|chunk| writer.write(chunk))?;
            Ok(writer.parts)
        });
        Self {
            chunk: Vec::new(),
            chunk_rows: 0,
            chunk_bytes: 0,
            chunks: Some(chunks),
            thread: Some(thread),
        }
    }

    /// Appends rows, which follow in the log those appended before.
    pub(super) fn push(&mut self, rows: Rows) -> Result<(), WriteError> {
        if rows.len() == 0 {
            return Ok(());
        }
        self.chunk_rows += rows.len();
        self.chunk_bytes += rows.size;
        self.chunk.push(rows);
        if self.chunk_rows >= CHUNK_ROWS || self.chunk_bytes >= CHUNK_BYTES {
            self.send_chunk()?;
        }
        Ok(())
    }

    /// Writes what is left and returns the finished files.
    pub(super) fn finish(mut self) -> Result<Vec<Part>, WriteError> {
        self.send_chunk()?;
        self.join()
    }

    fn send_chunk(&mut self) -> Result<(), WriteError> {
        let chunk = std::mem::take(&mut self.chunk);
        (self.chunk_rows, self.chunk_bytes) = (0, 0);
        let sent = self
            .chunks
            .as_ref()
            .is_some_and(|chunks| chunks.send(chunk).is_ok());
        // The thread ends early only with an error.
        if sent {
            Ok(())
        } else {
            self.join().map(|_| ())
        }
    }

    /// Waits for the thread to end.
    fn join(&mut self) -> Result<Vec<Part>, WriteError> {
        self.chunks = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(Vec::new()),
        }
    }
}

impl Drop for AccessLogWriter {
    /// Waits for the thread, so that nobody writes into a folder being removed.
    fn drop(&mut self) {
        self.chunks = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes chunks into files.
#[derive(Debug)]
struct ChunkWriter {
    staging: PathBuf,
    properties: WriterProperties,
    parts: Vec<Part>,
}

impl ChunkWriter {
    fn new(staging: &Path) -> Self {
        let sorting = [SITE as i32, 0].map(|column_idx| SortingColumn {
            column_idx,
            descending: false,
            nulls_first: false,
        });
        let properties = properties()
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_sorting_columns(Some(sorting.to_vec()))
            .build();
        Self {
            staging: staging.to_owned(),
            properties,
            parts: Vec::new(),
        }
    }

    fn write(&mut self, chunk: Vec<Rows>) -> Result<(), WriteError> {
        let chunk = Chunk::new(chunk);
        for keys in chunk.keys.chunk_by(|a, b| a.date == b.date) {
            let Date { year, month, day } = Date::from_days(i64::from(keys[0].date));
            let number = self.parts.len();
            let part = Part {
                staged: self.staging.join(format!("{number:05}.parquet")),
                partition: format!("{DATE_PARTITION}={year:04}-{month:02}-{day:02}"),
                number,
            };
            self.write_part(&chunk, keys, &part.staged)?;
            self.parts.push(part);
        }
        Ok(())
    }

    fn write_part(&self, chunk: &Chunk, keys: &[Key], path: &Path) -> Result<(), WriteError> {
        let file = File::create(path).map_err(|source| WriteError::file(path, source))?;
        let mut writer =
            ArrowWriter::try_new(file, ACCESS_LOGS.clone(), Some(self.properties.clone()))?;
        for keys in keys.chunks(BATCH_ROWS) {
            writer.write(&chunk.batch(keys)?)?;
        }
        writer.close()?;
        Ok(())
    }
}

/// The properties of every file that ingesting writes.
pub(super) fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Page)
}

/// Where a row belongs, and where it is; ordered as the rows of the files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// Days since 1970.
    date: i32,
    /// Rank among the names of the chunk's sites.
    site: u32,
    timestamp: i64,
    block: u32,
    row: u32,
}

/// Rows to be put in order.
struct Chunk {
    blocks: Vec<Rows>,
    keys: Vec<Key>,
    /// Names by rank.
    sites: ArrayRef,
}

impl Chunk {
    fn new(blocks: Vec<Rows>) -> Self {
        let mut ranks: BTreeMap<&str, u32> = blocks
            .iter()
            .flat_map(Rows::sites)
            .map(|site| (site.as_str(), 0))
            .collect();
        for (rank, of_site) in ranks.values_mut().enumerate() {
            *of_site = rank as u32;
        }
        let sites: ArrayRef = Arc::new(StringArray::from_iter_values(ranks.keys()));
        let mut keys = Vec::with_capacity(blocks.iter().map(Rows::len).sum());
        for (block, rows) in blocks.iter().enumerate() {
            let ranks: Vec<u32> = rows
                .sites()
                .iter()
                .map(|site| ranks[site.as_str()])
                .collect();
            for (row, timestamp) in rows.timestamps.iter().enumerate() {
                keys.push(Key {
                    date: timestamp.div_euclid(DAY) as i32,
                    site: ranks[rows.site_of_row[row] as usize],
                    timestamp: *timestamp,
                    block: block as u32,
                    row: row as u32,
                });
            }
        }
        // Stable in effect, since the position is part of the key; fast on logs, which are
        // almost in order.
        keys.sort();
        Self {
            blocks,
            keys,
            sites,
        }
    }

    /// The rows of these keys.
    fn batch(&self, keys: &[Key]) -> Result<RecordBatch, WriteError> {
        let positions: Vec<_> = keys
            .iter()
            .map(|key| (key.block as usize, key.row as usize))
            .collect();
        let mut columns = Vec::with_capacity(ACCESS_LOGS.fields().len());
        for column in 0..ACCESS_LOGS.fields().len() - 1 {
            let of_blocks: Vec<&dyn Array> = self
                .blocks
                .iter()
                .map(|rows| rows.columns[column].as_ref())
                .collect();
            columns.push(interleave(&of_blocks, &positions)?);
        }
        let ranks = UInt32Array::from_iter_values(keys.iter().map(|key| key.site));
        columns.insert(SITE, take(&self.sites, &ranks, None)?);
        Ok(RecordBatch::try_new(ACCESS_LOGS.clone(), columns)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::block::BlockParser;
    use crate::logs::detect::Layout;

    fn rows() -> Rows {
        let parser = BlockParser {
            layout: Layout::Access,
            forced_site: None,
            default_site: "site".to_owned(),
        };
        let line = b"1.2.3.4 - - [22/Jan/2021:01:47:05 +0000] \"GET / HTTP/1.1\" 200 1\n";
        parser.parse(line, true).rows
    }

    #[test]
    fn a_failing_disk_is_reported_by_push_or_finish() {
        let staging = tempfile::tempdir().unwrap();
        let mut writer = AccessLogWriter::new(&staging.path().join("missing"));
        writer.push(rows()).unwrap();
        assert!(matches!(writer.finish(), Err(WriteError::File { .. })));
        let mut writer = AccessLogWriter::new(&staging.path().join("missing"));
        let outcome = (0..3).try_for_each(|_| {
            writer.push(rows())?;
            writer.send_chunk()
        });
        assert!(matches!(outcome, Err(WriteError::File { .. })));
    }

    #[test]
    fn every_chunk_makes_files_and_none_is_lost() {
        let staging = tempfile::tempdir().unwrap();
        let mut writer = AccessLogWriter::new(staging.path());
        for _ in 0..3 {
            writer.push(rows()).unwrap();
            writer.send_chunk().unwrap();
        }
        writer.push(rows()).unwrap();
        let parts = writer.finish().unwrap();
        assert_eq!(
            parts.iter().map(|part| part.number).collect::<Vec<_>>(),
            [0, 1, 2, 3]
        );
        assert!(parts.iter().all(|part| part.partition == "date=2021-01-22"));
        assert!(parts.iter().all(|part| part.staged.exists()));
    }
}
