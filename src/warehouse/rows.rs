//! Small tables as rows: files of a few thousand rows that are read whole.

use std::fs::File;
use std::path::Path;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Float64Type, TimestampMicrosecondType};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::error::{Error, Result};
use crate::explain::cannot;
use crate::units::rfc_3339;

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

/// The text of a column in a row; empty where there is no such column.
#[must_use]
pub fn text(rows: &RecordBatch, name: &str, row: usize) -> String {
    let column = rows.column_by_name(name);
    let column = column.and_then(|column| column.as_string_opt::<i32>());
    column.map_or_else(String::new, |column| column.value(row).to_owned())
}

/// The number of a column in a row; NaN where there is no such column.
#[must_use]
pub fn number(rows: &RecordBatch, name: &str, row: usize) -> f64 {
    let column = rows.column_by_name(name);
    let column = column.and_then(|column| column.as_primitive_opt::<Float64Type>());
    column.map_or(f64::NAN, |column| column.value(row))
}

/// The time of a column in a row, as RFC 3339; empty where there is no such column.
#[must_use]
pub fn time(rows: &RecordBatch, name: &str, row: usize) -> String {
    let column = rows.column_by_name(name);
    let column = column.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    column.map_or_else(String::new, |column| rfc_3339(column.value(row)))
}
