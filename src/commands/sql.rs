//! `anomalog sql`: runs queries over the warehouse and writes their results.
//!
//! Queries only read: a statement that would define or change a table is refused when it is
//! planned, before anything runs.

use std::fmt;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::prelude::DataFrame;
use futures::StreamExt;
use serde::Serialize;

use super::error::{Fault, Result};
use super::settings::Settings;
use super::shell;
use super::statements::{collect, plan, print_table};
use crate::cli::printer::OutputError;
use crate::cli::printer::format_table;
use crate::cli::{ResultFormat, SqlArgs};
use crate::explain::cannot;
use crate::session::results::{Cells, Encoder};
use crate::warehouse;
use crate::warehouse::publish::{file_beside, persist};

/// A result that was written to a file.
#[derive(Debug, Serialize)]
struct ResultWritten {
    file: String,
    rows: usize,
}

impl fmt::Display for ResultWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrote {} rows to `{}`", self.rows, self.file)
    }
}

/// Runs `anomalog sql`.
///
/// # Errors
/// When a statement cannot be read, planned or run, or would write, or its result not be written.
pub async fn run(settings: &Settings, args: SqlArgs) -> Result<()> {
    let printer = settings.printer;
    let format = resolve_format(&args, printer.is_json())?;
    let query = args.query.or(args.command);
    let is_shell = query.is_none() && args.file.is_none() && io::stdin().is_terminal();
    if is_shell {
        let session = settings.open().await?;
        return shell::run(settings, &session.with_files()?).await;
    }
    let text = query_text(query, args.file.as_deref())?;
    let session = settings.open().await?;
    let cells = args.cells.cells();
    let mut results = plan(&session.with_files()?, &text).await?;
    if format == ResultFormat::Table && args.output.is_none() {
        for result in results {
            print_table(printer, result).await?;
        }
        return Ok(());
    }
    let (Some(result), true) = (results.pop(), results.is_empty()) else {
        return Err(Fault::ManyResults {
            statements: results.len() + 1,
        }
        .into());
    };
    match args.output {
        Some(path) => {
            let rows = write_file(result, format, cells, &path).await?;
            Ok(printer.summary(&ResultWritten {
                file: path.display().to_string(),
                rows,
            })?)
        }
        None => {
            let mut output = printer.data();
            let sink = |bytes: &[u8]| Ok(output.write_all(bytes).map_err(OutputError::Closed)?);
            encode(result, format, cells, sink).await?;
            Ok(output.flush().map_err(OutputError::Closed)?)
        }
    }
}

/// The format asked for, or the one that the name of the file means.
fn resolve_format(args: &SqlArgs, json: bool) -> Result<ResultFormat> {
    let by_ending = || {
        let ending = args.output.as_ref()?.extension()?.to_str()?;
        match ending {
            "csv" => Some(ResultFormat::Csv),
            "json" => Some(ResultFormat::Json),
            "ndjson" | "jsonl" => Some(ResultFormat::Ndjson),
            "parquet" => Some(ResultFormat::Parquet),
            _ => None,
        }
    };
    let fallback = if json {
        ResultFormat::Json
    } else {
        ResultFormat::Table
    };
    let format = args.format.or_else(by_ending).unwrap_or(fallback);
    if format == ResultFormat::Parquet && args.output.is_none() {
        return Err(Fault::ParquetToTerminal.into());
    }
    Ok(format)
}

fn query_text(query: Option<String>, file: Option<&Path>) -> Result<String> {
    match (query, file) {
        (Some(query), _) => Ok(query),
        (None, Some(path)) if path != Path::new("-") => {
            Ok(std::fs::read_to_string(path).map_err(cannot("read", path))?)
        }
        (None, _) => {
            let mut text = String::new();
            let read = io::stdin().read_to_string(&mut text);
            read.map_err(cannot("read", Path::new("-")))?;
            Ok(text)
        }
    }
}

/// Writes a result to a file, which appears complete or not at all, and returns its rows.
async fn write_file(
    result: DataFrame,
    format: ResultFormat,
    cells: Cells,
    path: &Path,
) -> Result<usize> {
    let write_error = || cannot("write", path);
    let mut file = file_beside(path)?;
    let rows = if format == ResultFormat::Parquet {
        write_parquet(result, path, file.as_file_mut()).await?
    } else {
        encode(result, format, cells, |bytes| {
            Ok(file.write_all(bytes).map_err(write_error())?)
        })
        .await?
    };
    persist(file, path)?;
    Ok(rows)
}

async fn write_parquet(result: DataFrame, path: &Path, file: &mut std::fs::File) -> Result<usize> {
    let failed = || warehouse::Error::parquet("write", path);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut stream = result.execute_stream().await?;
    let mut writer =
        ArrowWriter::try_new(file, stream.schema(), Some(properties)).map_err(failed())?;
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        writer.write(&batch).map_err(failed())?;
        rows += batch.num_rows();
    }
    writer.close().map_err(failed())?;
    Ok(rows)
}

/// Writes a result as text, batch by batch, and returns its rows.
async fn encode(
    result: DataFrame,
    format: ResultFormat,
    cells: Cells,
    mut sink: impl FnMut(&[u8]) -> Result<()>,
) -> Result<usize> {
    let mut encoder = match format {
        ResultFormat::Csv => Encoder::csv(cells),
        ResultFormat::Json => Encoder::json(),
        ResultFormat::Ndjson => Encoder::ndjson(),
        ResultFormat::Table | ResultFormat::Parquet => {
            let (batches, _) = collect(result, usize::MAX).await?;
            sink(format_table(&batches)?.as_bytes())?;
            sink(b"\n")?;
            return Ok(batches.iter().map(RecordBatch::num_rows).sum());
        }
    };
    let mut stream = result.execute_stream().await?;
    sink(&encoder.encode(&RecordBatch::new_empty(stream.schema()))?)?;
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        sink(&encoder.encode(&batch)?)?;
        rows += batch.num_rows();
    }
    sink(&encoder.finish()?)?;
    Ok(rows)
}
