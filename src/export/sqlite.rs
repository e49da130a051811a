//! An export as one SQLite database, with a table for each of the export's.
//!
//! SQLite has neither times nor truth values: times are text as in the other formats, which its date
//! functions read, and truth is 1 and 0. Equal rows are equal bytes.

use std::fs::File;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{
    DataType, Float64Type, Int32Type, Int64Type, SchemaRef, TimestampMicrosecondType,
};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, params_from_iter};

use super::error::{Error, Result};
use super::star::StarTable;
use crate::explain::cannot;

/// One table of a database being written.
#[derive(Debug)]
pub(super) struct SqliteWriter {
    path: PathBuf,
    database: Connection,
    insert: String,
}

impl SqliteWriter {
    /// Creates a table in a database, which is created if there is none.
    pub(super) fn create(path: &Path, table: StarTable, schema: &SchemaRef) -> Result<Self> {
        let columns = schema.fields().iter().map(|field| {
            let null = if field.is_nullable() { "" } else { " NOT NULL" };
            format!("\"{}\" {}{null}", field.name(), declared(field.data_type()))
        });
        let columns: Vec<String> = columns.collect();
        let name = table.name();
        let places = vec!["?"; columns.len()].join(", ");
        // The export's folder appears when all of it is complete: nothing need survive a crash.
        let begin = format!(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;
             CREATE TABLE {name} (\n  {}\n);",
            columns.join(",\n  ")
        );
        let open = || {
            let database = Connection::open(path)?;
            database.execute_batch(&begin)?;
            Ok(database)
        };
        Ok(Self {
            database: open().map_err(|error| failed(path, error))?,
            path: path.to_owned(),
            insert: format!("INSERT INTO {name} VALUES ({places})"),
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns: Vec<Column<'_>> = batch.columns().iter().map(Column::of).collect();
        let insert = || {
            let mut insert = self.database.prepare_cached(&self.insert)?;
            for row in 0..batch.num_rows() {
                let values = columns.iter().map(|column| column.value(row));
                insert.execute(params_from_iter(values))?;
            }
            Ok(())
        };
        insert().map_err(|error| failed(&self.path, error))
    }

    /// Completes and syncs the table, with indexes over what others join it by.
    pub(super) fn finish(self, table: StarTable) -> Result<()> {
        let name = table.name();
        let indexes = keys(table).iter().enumerate();
        let indexes: Vec<String> = indexes
            .map(|(number, key)| format!("CREATE INDEX {name}_{number} ON {name} ({key});"))
            .collect();
        let indexes = indexes.concat();
        let path = &self.path;
        self.database
            .execute_batch(&format!("{indexes} COMMIT;"))
            .map_err(|error| failed(path, error))?;
        drop(self.database);
        Ok(File::open(path)
            .and_then(|file| file.sync_all())
            .map_err(cannot("write", path))?)
    }
}

fn failed(path: &Path, error: rusqlite::Error) -> Error {
    cannot("write", path)(std::io::Error::other(error)).into()
}

/// The columns that other tables name a row by, or look for rows with.
const fn keys(table: StarTable) -> &'static [&'static str] {
    match table {
        StarTable::TrafficWindows | StarTable::ScoredWindows => &["site, window_start"],
        StarTable::Incidents => &["incident_id", "site, started_at"],
        StarTable::IncidentCauses => &["incident_id"],
        StarTable::Detectors => &["detector, detector_version"],
        StarTable::Runs => &[],
    }
}

/// The type of a column, which says how SQLite keeps its values and what readers make of them.
const fn declared(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "BOOLEAN",
        DataType::Int32 | DataType::Int64 => "INTEGER",
        DataType::Float64 => "DOUBLE",
        // Times too.
        _ => "TEXT",
    }
}

/// A time in microseconds since the epoch, as text.
fn time(micros: i64) -> String {
    let time = DateTime::from_timestamp_micros(micros).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A column of one of the types that exported tables have.
enum Column<'a> {
    Boolean(&'a BooleanArray),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Double(&'a Float64Array),
    Time(&'a TimestampMicrosecondArray),
    Text(&'a StringArray),
}

impl<'a> Column<'a> {
    fn of(column: &'a ArrayRef) -> Self {
        match column.data_type() {
            DataType::Boolean => Self::Boolean(column.as_boolean()),
            DataType::Int32 => Self::Int32(column.as_primitive::<Int32Type>()),
            DataType::Int64 => Self::Int64(column.as_primitive::<Int64Type>()),
            DataType::Float64 => Self::Double(column.as_primitive::<Float64Type>()),
            DataType::Timestamp(..) => {
                Self::Time(column.as_primitive::<TimestampMicrosecondType>())
            }
            _ => Self::Text(column.as_string::<i32>()),
        }
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Boolean(array) => array,
            Self::Int32(array) => array,
            Self::Int64(array) => array,
            Self::Double(array) => array,
            Self::Time(array) => array,
            Self::Text(array) => array,
        }
    }

    fn value(&self, row: usize) -> ToSqlOutput<'a> {
        if self.array().is_null(row) {
            return ToSqlOutput::Borrowed(ValueRef::Null);
        }
        match self {
            Self::Boolean(array) => array.value(row).into(),
            Self::Int32(array) => array.value(row).into(),
            Self::Int64(array) => array.value(row).into(),
            Self::Double(array) => array.value(row).into(),
            Self::Time(array) => time(array.value(row)).into(),
            Self::Text(array) => ToSqlOutput::Borrowed(ValueRef::Text(array.value(row).as_bytes())),
        }
    }
}
