//! The summary of an ingestion, for people and for programs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::passed_over::Skipped;
use super::read_as::Reading;
use super::timestamp::Timestamp;

/// What ingesting did: every file that was named or found is in `files`, `skipped` or
/// `failed`.
#[derive(Debug, Default, Serialize)]
pub struct IngestSummary {
    /// The logs, in the order in which they were read.
    pub files: Vec<FileSummary>,
    /// Files found in folders that are no logs.
    pub skipped: Vec<Skipped>,
    /// Logs that could not be read, if that was not to end all.
    #[serde(skip)]
    pub failed: Vec<Failed>,
    /// Sums over `files`.
    pub totals: Totals,
}

/// The lines of one log by what became of them: `lines` = `rows` + `rejected` + `blank` + `header`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileSummary {
    /// The path as given, or `stdin`.
    pub file: String,
    /// Name of the format; empty if the file was ingested before.
    pub format: String,
    /// What fills the columns; nothing if the file was ingested before.
    pub reading: Option<Box<Reading>>,
    /// Digest of the stored bytes.
    pub digest: String,
    /// How many stored bytes there are.
    #[serde(skip)]
    pub bytes: u64,
    /// Whether something was written.
    pub status: FileStatus,
    /// Lines read.
    pub lines: u64,
    /// Lines that became rows of `access_logs`.
    pub rows: u64,
    /// Lines that went to the quarantine.
    pub rejected: u64,
    /// Lines without text.
    pub blank: u64,
    /// Header lines.
    pub header: u64,
    /// Time of the first request.
    pub first_timestamp: Option<Timestamp>,
    /// Time of the last request.
    pub last_timestamp: Option<Timestamp>,
    /// Rows per site.
    pub sites: BTreeMap<String, u64>,
    /// Rejected lines per reason.
    pub reasons: BTreeMap<String, u64>,
    /// Warnings about the log, such as that no line could be read.
    pub warnings: Vec<String>,
}

/// Whether a log was written to the warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileStatus {
    /// It was.
    Ingested,
    /// The warehouse held the same bytes before, so nothing changed.
    AlreadyIngested,
}

/// A log that could not be read; nothing of it was written.
#[derive(Debug)]
pub struct Failed {
    /// Its path.
    pub file: String,
    /// Why.
    pub error: super::error::IngestError,
}

/// Sums over the files of a summary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Files ingested.
    pub ingested: u64,
    /// Files that had been ingested before.
    pub already_ingested: u64,
    /// Lines read.
    pub lines: u64,
    /// Lines that became rows.
    pub rows: u64,
    /// Lines that went to the quarantine.
    pub rejected: u64,
    /// Lines without text.
    pub blank: u64,
    /// Header lines.
    pub header: u64,
}

impl FileSummary {
    /// Of a log that the warehouse holds already.
    pub(super) fn already_ingested(
        file: String,
        digest: String,
        bytes: u64,
        is_same: bool,
    ) -> Self {
        let warnings = if is_same {
            Vec::new()
        } else {
            vec![
                "it was read with other options or by another version: `--again` reads it anew"
                    .to_owned(),
            ]
        };
        Self {
            file,
            format: String::new(),
            reading: None,
            digest,
            bytes,
            status: FileStatus::AlreadyIngested,
            lines: 0,
            rows: 0,
            rejected: 0,
            blank: 0,
            header: 0,
            first_timestamp: None,
            last_timestamp: None,
            sites: BTreeMap::new(),
            reasons: BTreeMap::new(),
            warnings,
        }
    }
}

impl IngestSummary {
    pub(super) fn add(&mut self, file: FileSummary) {
        let totals = &mut self.totals;
        match file.status {
            FileStatus::Ingested => totals.ingested += 1,
            FileStatus::AlreadyIngested => totals.already_ingested += 1,
        }
        totals.lines += file.lines;
        totals.rows += file.rows;
        totals.rejected += file.rejected;
        totals.blank += file.blank;
        totals.header += file.header;
        self.files.push(file);
    }
}
