//! Small tables as rows: files of a few thousand rows that are read whole.

use std::fs::File;
use std::path::Path;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::error::{Error, Result};
use crate::explain::cannot;

/// All rows of a Parquet file.
///
/// # Errors
/// When the file cannot be read, or is not Parquet.
pub fn read(path: &Path) -> Result<Vec<RecordBatch>> {
    let file = File::open(path).map_err(cannot("read", path))?;
    let rows = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(Error::parquet("read", path))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The same; no rows if there is no such file.
///
/// # Errors
/// As [`read`].
pub fn read_if_there(path: &Path) -> Result<Vec<RecordBatch>> {
    match read(path) {
        Err(Error::File(error)) if error.source.kind() == std::io::ErrorKind::NotFound => {
            Ok(Vec::new())
        }
        read => read,
    }
}

/// A column that rows of the table have.
///
/// # Panics
/// When they do not have it: rows are read with the schema of their table.
#[must_use]
pub fn column<'a>(rows: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    rows.column_by_name(name)
        .expect("rows have the columns of their table")
}

/// The text of a column in a row.
#[must_use]
pub fn str_of<'a>(rows: &'a RecordBatch, name: &str, row: usize) -> &'a str {
    column(rows, name).as_string::<i32>().value(row)
}

/// The time of a column in a row, in microseconds since the epoch.
#[must_use]
pub fn micros(rows: &RecordBatch, name: &str, row: usize) -> i64 {
    let times = column(rows, name).as_primitive::<TimestampMicrosecondType>();
    times.value(row)
}
