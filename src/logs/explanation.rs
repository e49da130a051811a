//! How a log would be read: its format, what fills each column and why, some rows, and why lines
//! are rejected.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::LogFile;
use super::error::IngestError;
use super::layout::LineReader;
use super::lines::{BLOCK, MAX_LINE, clean, lines};
use super::options::IngestOptions;
use super::read_as::Reading;
use super::reader::{LogReader, Piece};
use super::timestamp::Timestamp;
use crate::progress::Unwatched;

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

/// Says how a log would be read.
///
/// # Errors
/// When the log cannot be opened, or its format cannot be told.
pub fn explain(file: &LogFile, options: &IngestOptions) -> Result<Explanation, IngestError> {
    let name = file.path().display().to_string();
    let mut reader = LogReader::open(&file.input, options, BLOCK.max(MAX_LINE + 1), &Unwatched)?;
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
    let mut line_reader = LineReader::default();
    let mut rows = Vec::new();
    for line in lines(&block)
        .map(clean)
        .filter(|line| line.len() <= MAX_LINE)
    {
        let text = String::from_utf8_lossy(line);
        if line_reader.take_header(&text, &parser.layout) {
            continue;
        }
        if let Ok(request) = line_reader.read(&text, &parser.layout) {
            let text = |value: &str| value.to_owned();
            rows.push(ExplainedRow {
                timestamp: Timestamp::from_micros(request.timestamp),
                site: parser.site(&request).to_owned(),
                client_ip: parser.trusted_proxies.client(&request).into_owned(),
                method: text(&request.method),
                path: text(&request.path),
                query: text(&request.query),
                protocol: text(&request.protocol),
                status: request.status,
                bytes: request.bytes,
                latency_ms: request.latency_ms,
                referer: request.referer.as_deref().map(text),
                user_agent: request.user_agent.as_deref().map(text),
            });
        }
        if rows.len() == ROWS {
            break;
        }
    }
    Ok(Explanation {
        file: name,
        reading,
        rows,
        lines: parsed.lines,
        requests: parsed.rows.len() as u64,
        rejected,
        warnings: parsed.signs.warnings(parsed.rows.sites().len()),
    })
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
        if let Some(said) = &reading.said_as {
            write!(
                f,
                "\nTo say the same: --format '{}'",
                said.replace('\'', "'\\''")
            )?;
        }
        Ok(())
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
