//! Writing tables of windows as Parquet files.
//!
//! Every file has the same properties: zstd, statistics, and the exact types of its schema, so
//! that equal rows are equal bytes.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate};
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::{BatchCoalescer, cast};
use datafusion::arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;

use super::error::{Error, Result};
use crate::explain::{FileError, cannot};
use crate::schema::DATE_PARTITION;
use crate::warehouse::publish::{self, file_beside};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Name of the one file of a date.
const FILE_NAME: &str = "windows.parquet";

/// The folder of one date in a table.
#[must_use]
pub fn date_folder(table: &Path, date: NaiveDate) -> PathBuf {
    table.join(format!("{DATE_PARTITION}={date}"))
}

/// The one file of a date in a table of windows.
#[must_use]
pub fn partition_file(table: &Path, date: NaiveDate) -> PathBuf {
    date_folder(table, date).join(FILE_NAME)
}

/// The dates that a table has folders of, in order; none if there is no table.
///
/// # Errors
/// When the folder cannot be read.
pub fn dates(table: &Path) -> Result<Vec<NaiveDate>, FileError> {
    let entries = match std::fs::read_dir(table) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot("read", table)(error)),
    };
    let mut dates = Vec::new();
    for entry in entries {
        let name = entry.map_err(cannot("read", table))?.file_name();
        let date = name
            .to_str()
            .and_then(|name| name.strip_prefix(DATE_PARTITION)?.strip_prefix('='))
            .and_then(|date| date.parse::<NaiveDate>().ok());
        dates.extend(date);
    }
    dates.sort_unstable();
    Ok(dates)
}

/// Properties of every file.
#[must_use]
pub fn writer_properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build()
}

/// Gives a batch the exact types of a schema, column by column in order.
///
/// # Errors
/// When a value does not convert, or a NULL stands where the schema has none.
pub fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| cast(column, field.data_type()))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(RecordBatch::try_new(SchemaRef::clone(schema), columns)?)
}

/// Bytes that an [`AppendedFile`] collects before it writes them.
const APPEND_BYTES: usize = 1 << 18;

/// A file that is open only while something is written to it: a table has one file per date, and
/// a process may not have that many open.
struct AppendedFile {
    path: PathBuf,
    buffer: Vec<u8>,
}

impl AppendedFile {
    fn create(path: &Path) -> io::Result<Self> {
        File::create(path)?;
        Ok(Self {
            path: path.to_owned(),
            buffer: Vec::new(),
        })
    }

    fn open(&self) -> io::Result<File> {
        File::options().append(true).open(&self.path)
    }

    fn sync(&self) -> io::Result<()> {
        self.open()?.sync_all()
    }
}

impl Write for AppendedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= APPEND_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.open()?.write_all(&self.buffer)?;
            self.buffer = Vec::new();
        }
        Ok(())
    }
}

/// Rows that are encoded at once. The encoder ends pages at multiples of 1024 rows after the start
/// of what it is given, so equal rows are equal bytes only if they are cut alike.
const ENCODED_ROWS: usize = 2048;

/// One Parquet file being written.
struct OpenFile {
    path: PathBuf,
    rows: BatchCoalescer,
    writer: ArrowWriter<AppendedFile>,
    /// Bytes of the row group that is being written.
    memory: usize,
}

impl OpenFile {
    fn create(path: PathBuf, schema: &SchemaRef) -> Result<Self> {
        let file = AppendedFile::create(&path).map_err(cannot("write", &path))?;
        let properties = Some(writer_properties());
        match ArrowWriter::try_new(file, SchemaRef::clone(schema), properties) {
            Ok(writer) => Ok(Self {
                path,
                rows: BatchCoalescer::new(SchemaRef::clone(schema), ENCODED_ROWS),
                writer,
                memory: 0,
            }),
            Err(source) => Err(Error::parquet("write", &path)(source)),
        }
    }

    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        Ok(self.rows.push_batch(batch)?)
    }

    /// Encodes the next rows, if there are enough.
    fn encode_next(&mut self) -> Result<bool> {
        let Some(rows) = self.rows.next_completed_batch() else {
            return Ok(false);
        };
        self.encode(|writer| writer.write(&rows))?;
        Ok(true)
    }

    /// Ends the row group.
    fn end_row_group(&mut self) -> Result<()> {
        self.encode(ArrowWriter::flush)
    }

    fn close(mut self) -> Result<()> {
        self.rows.finish_buffered_batch()?;
        self.encode_next()?;
        match self.writer.into_inner() {
            Ok(mut file) => Ok(file
                .flush()
                .and_then(|()| file.sync())
                .map_err(cannot("write", &self.path))?),
            Err(source) => Err(Error::parquet("write", &self.path)(source)),
        }
    }

    fn encode(
        &mut self,
        act: impl FnOnce(&mut ArrowWriter<AppendedFile>) -> Result<(), ParquetError>,
    ) -> Result<()> {
        let done = act(&mut self.writer);
        self.memory = self.writer.memory_size();
        done.map_err(Error::parquet("write", &self.path))
    }
}

/// Memory that a file may hold before it ends its row group. It counts what the file holds alone:
/// the same rows are the same bytes whatever other dates are written beside them.
const MOST_MEMORY_OF_FILE: usize = 8 << 20;
/// Memory that the files of one table may hold before the largest ends its row group all the same:
/// only where very many dates are written at once.
const MOST_MEMORY: usize = 512 << 20;

/// Writes rows to `date=YYYY-MM-DD/windows.parquet`, each date's in the order they come. How
/// the rows are cut into batches changes nothing.
pub struct DatedTableWriter {
    folder: PathBuf,
    schema: SchemaRef,
    time_column: usize,
    files: BTreeMap<NaiveDate, OpenFile>,
}

impl std::fmt::Debug for DatedTableWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatedTableWriter")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl DatedTableWriter {
    /// Creates the folder; `time_column` is the place of the timestamp that dates a row.
    ///
    /// # Errors
    /// When the folder cannot be created.
    pub fn create(folder: PathBuf, schema: SchemaRef, time_column: usize) -> Result<Self> {
        std::fs::create_dir_all(&folder).map_err(cannot("write", &folder))?;
        Ok(Self {
            folder,
            schema,
            time_column,
            files: BTreeMap::new(),
        })
    }

    /// Writes a batch; returns it with the types of the table.
    ///
    /// # Errors
    /// When a value does not fit the table, or a file cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let batch = conform(batch, &self.schema)?;
        for (day, rows) in days(&batch, self.time_column) {
            let rows = batch.slice(rows.start, rows.len());
            self.file(day)?.push(rows)?;
            while self.file(day)?.encode_next()? {
                self.limit_memory(day)?;
            }
        }
        Ok(batch)
    }

    /// Completes the files; returns the dates written.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn finish(self) -> Result<BTreeSet<NaiveDate>> {
        let mut dates = BTreeSet::new();
        for (date, file) in self.files {
            file.close()?;
            dates.insert(date);
        }
        Ok(dates)
    }

    /// The file of a date.
    fn file(&mut self, day: i64) -> Result<&mut OpenFile> {
        let date = DateTime::from_timestamp_micros(day * MICROS_PER_DAY)
            .expect("a day that holds an Arrow timestamp can be written as a date")
            .date_naive();
        Ok(match self.files.entry(date) {
            Entry::Occupied(file) => file.into_mut(),
            Entry::Vacant(place) => {
                let folder = date_folder(&self.folder, date);
                std::fs::create_dir_all(&folder).map_err(cannot("write", &folder))?;
                place.insert(OpenFile::create(folder.join(FILE_NAME), &self.schema)?)
            }
        })
    }

    /// Ends row groups that hold too much.
    fn limit_memory(&mut self, day: i64) -> Result<()> {
        let file = self.file(day)?;
        if file.memory > MOST_MEMORY_OF_FILE {
            return file.end_row_group();
        }
        let held: usize = self.files.values().map(|file| file.memory).sum();
        match self.files.values_mut().max_by_key(|file| file.memory) {
            Some(largest) if held > MOST_MEMORY => largest.end_row_group(),
            _ => Ok(()),
        }
    }
}

/// Writes all rows to one file, which appears when it is complete.
pub struct TableFileWriter {
    destination: PathBuf,
    staged: tempfile::TempPath,
    schema: SchemaRef,
    file: OpenFile,
}

impl std::fmt::Debug for TableFileWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableFileWriter")
            .field("destination", &self.destination)
            .finish_non_exhaustive()
    }
}

impl TableFileWriter {
    /// Starts a file beside its destination.
    ///
    /// # Errors
    /// When the folder of the destination cannot be written.
    pub fn create(destination: &Path, schema: SchemaRef) -> Result<Self> {
        let staged = file_beside(destination)?.into_temp_path();
        let file = OpenFile::create(staged.to_path_buf(), &schema)?;
        Ok(Self {
            destination: publish::resolve(destination)?,
            staged,
            schema,
            file,
        })
    }

    /// Writes a batch; returns it with the types of the table.
    ///
    /// # Errors
    /// When a value does not fit the table, or the file cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let batch = conform(batch, &self.schema)?;
        self.file.push(batch.clone())?;
        while self.file.encode_next()? {}
        Ok(batch)
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// When the file cannot be written or renamed.
    pub fn finish(self) -> Result<()> {
        self.file.close()?;
        let persisted = self.staged.persist(&self.destination);
        Ok(persisted.map_err(|error| cannot("write", &self.destination)(error.error))?)
    }
}

/// The runs of rows that have one date, as days since the epoch.
fn days(batch: &RecordBatch, time_column: usize) -> Vec<(i64, Range<usize>)> {
    let times = batch
        .column(time_column)
        .as_primitive::<TimestampMicrosecondType>()
        .values();
    let mut runs: Vec<(i64, Range<usize>)> = Vec::new();
    for (row, time) in times.iter().enumerate() {
        let day = time.div_euclid(MICROS_PER_DAY);
        match runs.last_mut() {
            Some((current, rows)) if *current == day => rows.end = row + 1,
            _ => runs.push((day, row..row + 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{
        ArrayRef, Float64Array, StringArray, TimestampMicrosecondArray,
    };

    use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    /// Windows of 20 minutes of `sites` sites over `days` days, ordered by site, then time.
    fn windows(sites: usize, days: i64) -> RecordBatch {
        let per_day = MICROS_PER_DAY / 1_200_000_000;
        let keys = || (0..sites).flat_map(|site| (0..days * per_day).map(move |slot| (site, slot)));
        let names: StringArray = keys()
            .map(|(site, _)| Some(format!("site {site}")))
            .collect();
        let times: TimestampMicrosecondArray =
            keys().map(|(_, slot)| Some(slot * 1_200_000_000)).collect();
        let values: Float64Array = keys()
            .map(|(site, slot)| Some((site as f64).mul_add(7.3, slot as f64).sin()))
            .collect();
        RecordBatch::try_from_iter([
            ("site", Arc::new(names) as ArrayRef),
            ("window_start", Arc::new(times.with_timezone("UTC"))),
            ("value", Arc::new(values)),
        ])
        .unwrap()
    }

    fn write(batch: &RecordBatch, cut: usize) -> Vec<(NaiveDate, Vec<u8>)> {
        let folder = tempfile::tempdir().unwrap();
        let mut table =
            DatedTableWriter::create(folder.path().to_owned(), batch.schema(), 1).unwrap();
        for first in (0..batch.num_rows()).step_by(cut) {
            let rows = cut.min(batch.num_rows() - first);
            table.write(&batch.slice(first, rows)).unwrap();
        }
        let dates = table.finish().unwrap();
        dates
            .into_iter()
            .map(|date| {
                let file = date_folder(folder.path(), date).join(FILE_NAME);
                (date, std::fs::read(file).unwrap())
            })
            .collect()
    }

    #[test]
    fn dates_may_alternate_and_how_rows_are_cut_changes_no_byte() {
        let batch = windows(100, 3);
        let expected = write(&batch, batch.num_rows());
        assert_eq!(expected.len(), 3);
        let rows: usize = expected
            .iter()
            .map(|(_, bytes)| {
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(bytes).unwrap();
                let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
                reader.metadata().file_metadata().num_rows() as usize
            })
            .sum();
        assert_eq!(rows, batch.num_rows());
        for cut in [1, 999, 8_192] {
            assert!(write(&batch, cut) == expected, "cut into batches of {cut}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_a_result() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.parquet");
        let batch = windows(1, 1);
        let mut file = TableFileWriter::create(&path, batch.schema()).unwrap();
        file.write(&batch).unwrap();
        file.finish().unwrap();
        // As a file made the usual way.
        let usual = folder.path().join("usual");
        File::create(&usual).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&usual));
    }
}
