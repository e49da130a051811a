//! How a log would be read: its format, what fills each column and why, some rows, and why lines
//! are rejected.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{Float64Type, Int32Type, Int64Type};
use serde::Serialize;

use super::error::IngestError;
use super::inputs::{self, Input};
use super::lines::BLOCK;
use super::options::IngestOptions;
use super::read_as::Reading;
use super::reader::{LogReader, Piece};
use super::rows::RequestRows;
use super::timestamp::Timestamp;
use crate::progress::Unwatched;
use crate::warehouse::Warehouse;

/// How many rows are shown.
const ROWS: usize = 3;

/// How a log would be read, told from its first lines.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The log.
    pub file: String,
    /// What fills the columns.
    pub reading: Reading,
    /// The first rows.
    pub rows: Vec<ExplainedRow>,
    /// How many lines were looked at.
    pub lines: u64,
    /// How many of them are requests.
    pub requests: u64,
    /// Rejected lines by reason, each with the first one.
    pub rejected: BTreeMap<String, RejectedLines>,
    /// Signs that the log is read wrongly.
    pub warnings: Vec<String>,
}

/// Lines that are rejected for one reason.
#[derive(Debug, Serialize)]
pub struct RejectedLines {
    /// How many there are.
    pub lines: u64,
    /// The number of the first one, from 1.
    pub first: u64,
    /// Its beginning.
    pub text: String,
}

/// A row of `access_logs`.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the columns are documented in `crate::schema`")]
pub struct ExplainedRow {
    pub timestamp: Timestamp,
    pub site: String,
    pub client_ip: String,
    pub method: String,
    pub path: String,
    pub query: String,
    pub protocol: String,
    pub status: i32,
    pub bytes: Option<i64>,
    pub latency_ms: Option<f64>,
    pub referer: Option<String>,
    pub user_agent: Option<String>,
}

/// Says how logs would be read: files, folders with everything below them, and `-` for the standard
/// input, as [`super::ingest`] takes them. Nothing is written. Files in folders that are no logs are
/// passed over.
///
/// # Errors
/// When a path cannot be read, or the folders hold no log. What is wrong with one log is said in its
/// place.
pub fn explain(
    paths: &[PathBuf],
    options: &IngestOptions,
    warehouse: &Warehouse,
) -> Result<Vec<Result<Explanation, IngestError>>, IngestError> {
    let found = inputs::find(paths, warehouse.root())?;
    let mut explained = Vec::new();
    let mut skipped = found.skipped.len();
    for input in &found.logs {
        match explain_one(input, options) {
            Err(error) if input.is_found && error.is_no_log() => skipped += 1,
            outcome => explained.push(outcome),
        }
    }
    if explained.is_empty() {
        let folders = paths.to_vec();
        return Err(IngestError::NoLogs { folders, skipped });
    }
    Ok(explained)
}

fn explain_one(input: &Input, options: &IngestOptions) -> Result<Explanation, IngestError> {
    let name = input.name();
    let mut reader = LogReader::open(input, options, BLOCK, &Unwatched)?;
    let empty = || IngestError::Empty { file: name.clone() };
    let (block, parser) = loop {
        match reader.next(Vec::new()) {
            Piece::Lines { block, parser, .. } => break (block, parser),
            Piece::Parsed(parsed) => match parsed.into_error(&name) {
                Some(error) => return Err(error),
                None if reader.is_at_end() => return Err(empty()),
                None => {}
            },
        }
    };
    let reading = reader.reading().ok_or_else(empty)?;
    let parsed = parser.parse(&block, true);
    let mut rejected: BTreeMap<String, RejectedLines> = BTreeMap::new();
    for line in &parsed.rejected {
        let known = rejected
            .entry(line.reason.reason().to_owned())
            .or_insert_with(|| RejectedLines {
                lines: 0,
                first: line.line + 1,
                text: String::from_utf8_lossy(&line.raw)
                    .chars()
                    .take(120)
                    .collect(),
            });
        known.lines += 1;
    }
    let shown = parsed.rows.len().min(ROWS);
    Ok(Explanation {
        file: name,
        reading: (*reading).clone(),
        rows: (0..shown).map(|row| explained(&parsed.rows, row)).collect(),
        lines: parsed.lines,
        requests: parsed.rows.len() as u64,
        rejected,
        warnings: parsed.signs.warnings(parsed.rows.sites().len()),
    })
}

/// A row as it would be stored.
fn explained(rows: &RequestRows, row: usize) -> ExplainedRow {
    let optional = |column: &str| rows.text(column, row).map(str::to_owned);
    let text = |column: &str| optional(column).unwrap_or_default();
    let bytes = rows.column("bytes");
    let bytes = bytes.map(AsArray::as_primitive::<Int64Type>);
    let latency = rows.column("latency_ms");
    let latency = latency.map(AsArray::as_primitive::<Float64Type>);
    let status = rows.column("status");
    let status = status.map(|column| column.as_primitive::<Int32Type>().value(row));
    ExplainedRow {
        timestamp: Timestamp::from_micros(rows.timestamps()[row]),
        site: rows.site(row).to_owned(),
        client_ip: text("client_ip"),
        method: text("method"),
        path: text("path"),
        query: text("query"),
        protocol: text("protocol"),
        status: status.unwrap_or_default(),
        bytes: bytes
            .filter(|column| column.is_valid(row))
            .map(|column| column.value(row)),
        latency_ms: latency
            .filter(|column| column.is_valid(row))
            .map(|column| column.value(row)),
        referer: optional("referer"),
        user_agent: optional("user_agent"),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reading = &self.reading;
        write!(f, "{}: {}", self.file, reading.format)?;
        if let Some(wrapping) = &reading.wrapping {
            write!(f, " {wrapping}")?;
        }
        write!(
            f,
            "\n{} of the first {} lines are requests",
            self.requests, self.lines
        )?;
        for column in &reading.columns {
            write!(f, "\n  {:<12} {}", column.column, column.field)?;
            if let Some(unit) = column.unit {
                write!(f, ", in {unit}")?;
            }
            write!(f, " ({})", column.why)?;
        }
        for field in &reading.unread {
            write!(f, "\n  not read     {}", field.field)?;
            if let Some(example) = &field.example {
                write!(f, ", such as `{example}`")?;
            }
        }
        for (number, row) in self.rows.iter().enumerate() {
            write!(f, "\nrow {}: {row}", number + 1)?;
        }
        for (reason, lines) in &self.rejected {
            write!(
                f,
                "\nrejected: {} × {reason}, first line {}: {}",
                lines.lines, lines.first, lines.text
            )?;
        }
        for warning in &self.warnings {
            write!(f, "\nwarning: {warning}")?;
        }
        match &reading.said_as {
            Some(said) => {
                let said = said.replace('\'', "'\\''");
                write!(f, "\nTo say the same: --format '{said}'")
            }
            None => f.write_str("\nNo --format says the same: the fields of its lines differ"),
        }
    }
}

impl fmt::Display for ExplainedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timestamp={}", self.timestamp)?;
        let texts = [
            ("site", Some(&self.site)),
            ("client_ip", Some(&self.client_ip)),
            ("method", Some(&self.method)),
            ("path", Some(&self.path)),
            ("query", Some(&self.query)),
            ("protocol", Some(&self.protocol)),
            ("referer", self.referer.as_ref()),
            ("user_agent", self.user_agent.as_ref()),
        ];
        for (name, text) in texts {
            match text {
                Some(text) => write!(f, " {name}=\"{}\"", text.escape_debug())?,
                None => write!(f, " {name}=NULL")?,
            }
        }
        write!(f, " status={}", self.status)?;
        match self.bytes {
            Some(bytes) => write!(f, " bytes={bytes}")?,
            None => f.write_str(" bytes=NULL")?,
        }
        match self.latency_ms {
            Some(ms) => write!(f, " latency_ms={ms}"),
            None => f.write_str(" latency_ms=NULL"),
        }
    }
}
