//! `anomalog sql`: runs queries over the warehouse and writes their results.
//!
//! Queries only read: a statement that would define or change a table is refused when it is
//! planned, before anything runs.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::prelude::{DataFrame, SessionContext};
use datafusion::sql::parser::DFParser;
use futures::StreamExt;
use serde::Serialize;

use super::error::{Fault, Result};
use super::settings::Settings;
use crate::cli::printer::OutputError;
use crate::cli::printer::{Printer, format_table};
use crate::cli::{ResultFormat, SqlArgs};
use crate::explain::cannot;
use crate::session::results::Encoder;
use crate::warehouse;
use crate::warehouse::publish::{file_beside, persist};

/// Rows that a table for people shows. Its widths are known only once all its rows are.
const TABLE_ROWS: usize = 10_000;

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
    let text = query_text(args.query, args.file.as_deref())?;
    let session = settings.open().await?;
    let mut results = plan(session.context(), &text).await?;
    if format == ResultFormat::Table && args.out.is_none() {
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
    match args.out {
        Some(path) => {
            let rows = write_file(result, format, &path).await?;
            Ok(printer.summary(&ResultWritten {
                file: path.display().to_string(),
                rows,
            })?)
        }
        None => {
            let mut output = printer.data();
            let sink = |bytes: &[u8]| Ok(output.write_all(bytes).map_err(OutputError::Closed)?);
            encode(result, format, sink).await?;
            Ok(output.flush().map_err(OutputError::Closed)?)
        }
    }
}

/// The format asked for, or the one that the name of the file means.
fn resolve_format(args: &SqlArgs, json: bool) -> Result<ResultFormat> {
    let by_ending = || {
        let ending = args.out.as_ref()?.extension()?.to_str()?;
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
    if format == ResultFormat::Parquet && args.out.is_none() {
        return Err(Fault::ParquetToTerminal.into());
    }
    Ok(format)
}

fn query_text(query: Option<String>, file: Option<&Path>) -> Result<String> {
    match (query, file) {
        (Some(query), _) => Ok(query),
        (None, Some(path)) if path == Path::new("-") => {
            let mut text = String::new();
            io::stdin()
                .read_to_string(&mut text)
                .map_err(cannot("read", path))?;
            Ok(text)
        }
        (None, Some(path)) => Ok(std::fs::read_to_string(path).map_err(cannot("read", path))?),
        (None, None) => Err(Fault::EmptyQuery.into()),
    }
}

/// Plans every statement; `SET` takes effect for those after it and has no result.
async fn plan(context: &SessionContext, text: &str) -> Result<Vec<DataFrame>> {
    let reads = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false);
    let mut results = Vec::new();
    for statement in DFParser::parse_sql(text)? {
        let written = statement.to_string();
        let plan = context.state().statement_to_plan(statement).await?;
        reads.verify_plan(&plan).map_err(|_| Fault::ReadOnly {
            statement: shorten(&written),
        })?;
        let has_result = !matches!(plan, LogicalPlan::Statement(_));
        let result = context.execute_logical_plan(plan).await?;
        if has_result {
            results.push(result);
        }
    }
    if results.is_empty() {
        return Err(Fault::EmptyQuery.into());
    }
    Ok(results)
}

/// The start of a statement, enough to find it by.
fn shorten(statement: &str) -> String {
    const LENGTH: usize = 60;
    match statement.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &statement[..end]),
        None => statement.to_owned(),
    }
}

async fn print_table(printer: Printer, result: DataFrame) -> Result<()> {
    let (batches, is_complete) = collect(result, TABLE_ROWS).await?;
    printer.table(&batches)?;
    if !is_complete {
        printer.warning(format_args!(
            "only the first {TABLE_ROWS} rows are shown; `--format csv` and `--out FILE` write all"
        ));
    }
    Ok(())
}

/// Reads at most `limit` rows, and tells whether those are all. There is at least one batch, so
/// that the columns are known.
async fn collect(result: DataFrame, limit: usize) -> Result<(Vec<RecordBatch>, bool)> {
    let mut stream = result.execute_stream().await?;
    let mut batches = vec![RecordBatch::new_empty(stream.schema())];
    let mut room = limit;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        if batch.num_rows() > room {
            batches.push(batch.slice(0, room));
            return Ok((batches, false));
        }
        room -= batch.num_rows();
        batches.push(batch);
    }
    Ok((batches, true))
}

/// Writes a result to a file, which appears complete or not at all, and returns its rows.
async fn write_file(result: DataFrame, format: ResultFormat, path: &Path) -> Result<usize> {
    let write_error = || cannot("write", path);
    let mut file = file_beside(path)?;
    let rows = if format == ResultFormat::Parquet {
        write_parquet(result, path, file.as_file_mut()).await?
    } else {
        encode(result, format, |bytes| {
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
    mut sink: impl FnMut(&[u8]) -> Result<()>,
) -> Result<usize> {
    let mut encoder = match format {
        ResultFormat::Csv => Encoder::csv(),
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
