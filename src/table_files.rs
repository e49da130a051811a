//! Writing tables of windows as Parquet files.
//!
//! Every file has the same properties: zstd, statistics, and the exact types of its schema, so
//! that equal rows are equal bytes.

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate};
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};
use crate::schema::DATE_PARTITION;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Name of the one file of a date.
const FILE_NAME: &str = "windows.parquet";

/// The folder of one date in a table.
#[must_use]
pub fn date_folder(table: &Path, date: NaiveDate) -> PathBuf {
    table.join(format!("{DATE_PARTITION}={date}"))
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

/// One file being written.
struct OpenFile {
    path: PathBuf,
    writer: ArrowWriter<File>,
}

impl OpenFile {
    fn create(path: PathBuf, schema: &SchemaRef) -> Result<Self> {
        let file = File::create(&path).map_err(Error::io("write", &path))?;
        match ArrowWriter::try_new(file, SchemaRef::clone(schema), Some(writer_properties())) {
            Ok(writer) => Ok(Self { path, writer }),
            Err(source) => Err(Error::Parquet { path, source }),
        }
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let written = self.writer.write(batch);
        written.map_err(|source| Error::Parquet {
            path: self.path.clone(),
            source,
        })
    }

    fn close(self) -> Result<()> {
        match self.writer.into_inner() {
            Ok(file) => file.sync_all().map_err(Error::io("write", &self.path)),
            Err(source) => Err(Error::Parquet {
                path: self.path,
                source,
            }),
        }
    }
}

/// Writes rows that come ordered by UTC date to `date=YYYY-MM-DD/windows.parquet`.
pub struct DatedTableWriter {
    folder: PathBuf,
    schema: SchemaRef,
    time_column: usize,
    current: Option<(i64, OpenFile)>,
    dates: BTreeSet<NaiveDate>,
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
        std::fs::create_dir_all(&folder).map_err(Error::io("write", &folder))?;
        Ok(Self {
            folder,
            schema,
            time_column,
            current: None,
            dates: BTreeSet::new(),
        })
    }

    /// Writes a batch; returns it with the types of the table.
    ///
    /// # Errors
    /// When a value does not fit the table, or a file cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let batch = conform(batch, &self.schema)?;
        for (day, rows) in days(&batch, self.time_column) {
            self.file(day)?
                .write(&batch.slice(rows.start, rows.len()))?;
        }
        Ok(batch)
    }

    /// Completes the last file; returns the dates written.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> Result<BTreeSet<NaiveDate>> {
        self.close()?;
        Ok(self.dates)
    }

    /// The file of a date, which becomes the current one.
    fn file(&mut self, day: i64) -> Result<&mut OpenFile> {
        if self
            .current
            .as_ref()
            .is_none_or(|(current, _)| *current != day)
        {
            self.close()?;
            let date = DateTime::from_timestamp_micros(day * MICROS_PER_DAY)
                .expect("a day that holds an Arrow timestamp can be written as a date")
                .date_naive();
            debug_assert!(!self.dates.contains(&date), "rows come ordered by date");
            let folder = date_folder(&self.folder, date);
            std::fs::create_dir_all(&folder).map_err(Error::io("write", &folder))?;
            let file = OpenFile::create(folder.join(FILE_NAME), &self.schema)?;
            self.dates.insert(date);
            self.current = Some((day, file));
        }
        let (_, file) = self.current.as_mut().expect("set above if it was not");
        Ok(file)
    }

    fn close(&mut self) -> Result<()> {
        self.current.take().map_or(Ok(()), |(_, file)| file.close())
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
        let folder = destination
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let staged = tempfile::Builder::new()
            .prefix(".anomalog-")
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(Error::io("write", destination))?
            .into_temp_path();
        let file = OpenFile::create(staged.to_path_buf(), &schema)?;
        Ok(Self {
            destination: destination.to_owned(),
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
        self.file.write(&batch)?;
        Ok(batch)
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// When the file cannot be written or renamed.
    pub fn finish(self) -> Result<()> {
        self.file.close()?;
        let persisted = self.staged.persist(&self.destination);
        persisted.map_err(|error| Error::io("write", &self.destination)(error.error))
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
