//! The forms that a table can be exported in, and how one file is written.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::error::Result;
use super::sqlite::SqliteWriter;
use super::star::StarTable;
use crate::explain::cannot;
use crate::session::results::{Cells, Encoder};
use crate::warehouse::tables::TableFileWriter;

/// How the rows of an export are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// Parquet with zstd: types and column descriptions come with the data.
    #[default]
    Parquet,
    /// Comma-separated values with a header; NULL is empty.
    Csv,
    /// One JSON object a line.
    #[value(alias = "json")]
    Ndjson,
    /// One SQLite database with all tables; times are text.
    Sqlite,
}

impl ExportFormat {
    /// How the names of its files end.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Sqlite => "sqlite",
        }
    }

    /// Whether one file holds all tables: such a file is written whole, or not at all.
    #[must_use]
    pub const fn is_one_file(self) -> bool {
        matches!(self, Self::Sqlite)
    }

    /// Its name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::Csv => "CSV",
            Self::Ndjson => "JSON lines",
            Self::Sqlite => "an SQLite database",
        }
    }
}

/// One table being written. Equal rows are equal bytes, however they are cut into batches.
#[derive(Debug)]
pub(super) struct FormatWriter {
    path: PathBuf,
    table: StarTable,
    sink: Sink,
    rows: usize,
}

#[derive(Debug)]
enum Sink {
    Parquet(Box<TableFileWriter>),
    Text(Encoder, BufWriter<File>),
    Sqlite(Box<SqliteWriter>),
}

impl FormatWriter {
    /// Starts a file, or a table in the one that holds all; a header, where the format has one, is
    /// written at once.
    pub(super) fn create(
        path: &Path,
        (format, cells): (ExportFormat, Cells),
        table: StarTable,
        schema: &SchemaRef,
    ) -> Result<Self> {
        let text = |encoder| {
            let file = File::create(path).map_err(cannot("write", path))?;
            Ok::<_, Error>(Sink::Text(encoder, BufWriter::new(file)))
        };
        let sink = match format {
            ExportFormat::Parquet => {
                let file = TableFileWriter::create(path, SchemaRef::clone(schema))?;
                Sink::Parquet(Box::new(file))
            }
            ExportFormat::Csv => text(Encoder::csv(cells))?,
            ExportFormat::Ndjson => text(Encoder::ndjson())?,
            ExportFormat::Sqlite => {
                Sink::Sqlite(Box::new(SqliteWriter::create(path, table, schema)?))
            }
        };
        let mut writer = Self {
            path: path.to_owned(),
            table,
            sink,
            rows: 0,
        };
        writer.write(&RecordBatch::new_empty(SchemaRef::clone(schema)))?;
        Ok(writer)
    }

    /// Adds rows, which must have the columns of the schema.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows();
        match &mut self.sink {
            Sink::Parquet(file) => Ok(file.write(batch).map(|_| ())?),
            Sink::Text(encoder, file) => {
                let bytes = encoder.encode(batch)?;
                Ok(file
                    .write_all(&bytes)
                    .map_err(cannot("write", &self.path))?)
            }
            Sink::Sqlite(table) => table.write(batch),
        }
    }

    /// Completes and syncs the file; returns how many rows it has.
    pub(super) fn finish(self) -> Result<usize> {
        match self.sink {
            Sink::Parquet(file) => file.finish()?,
            Sink::Text(encoder, mut file) => {
                let bytes = encoder.finish()?;
                file.write_all(&bytes)
                    .and_then(|()| file.flush())
                    .and_then(|()| file.get_ref().sync_all())
                    .map_err(cannot("write", &self.path))?;
            }
            Sink::Sqlite(table) => table.finish(self.table)?,
        }
        Ok(self.rows)
    }
}
