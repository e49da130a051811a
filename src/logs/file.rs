//! Ingests one log: reads it to its end into staged files, then gives them their final names.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::parquet::arrow::ArrowWriter;

use super::IngestOptions;
use super::block::{BlockParser, ParsedBlock};
use super::detect::{self, Format, Undetected};
use super::error::{IngestError, WriteError};
use super::inputs::{Input, Place};
use super::lines::{BLOCK, Block, Blocks, lines};
use super::quarantine::QuarantineWriter;
use super::request::Reject;
use super::source::{self, OpenError, Source, Tally};
use super::summary::{FileStatus, FileSummary, IngestProgress};
use super::timestamp::Timestamp;
use super::writer::{AccessLogWriter, Part, properties};
use crate::schema::{LOG_FILES, Table};
use crate::warehouse::Warehouse;

/// Digits of the digest that name the files of one log.
const DIGEST_DIGITS: usize = 16;

/// Ingests logs into one warehouse.
pub(super) struct Ingest<'a> {
    pub(super) options: &'a IngestOptions,
    pub(super) warehouse: &'a Warehouse,
    pub(super) progress: &'a dyn IngestProgress,
}

impl Ingest<'_> {
    /// Ingests one log, all of it or nothing.
    pub(super) fn file(&self, input: &Input) -> Result<FileSummary, IngestError> {
        let name = input.name();
        if let Some(sha256) = self.known_digest(input)? {
            return Ok(already_ingested(name, sha256));
        }
        let (raw, size) = open(input)?;
        self.progress.start(&name, size);
        let outcome = self.read_and_publish(input, &name, raw);
        self.progress.finish();
        outcome
    }

    /// The digest of a file, if the warehouse holds it. An empty warehouse saves the reading.
    fn known_digest(&self, input: &Input) -> Result<Option<String>, IngestError> {
        let Place::File(path) = &input.place else {
            return Ok(None);
        };
        let is_first = fs::read_dir(self.warehouse.table(Table::LogFiles))
            .map_or(true, |mut files| files.next().is_none());
        // What is no regular file, such as a pipe, can be read only once.
        if is_first || !path.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Ok(None);
        }
        let sha256 = source::sha256_of(path).map_err(|source| IngestError::Open {
            path: path.clone(),
            source,
        })?;
        Ok(self.marker(&sha256).exists().then_some(sha256))
    }

    /// The file that marks a log as ingested.
    fn marker(&self, sha256: &str) -> PathBuf {
        let name = format!("{}.parquet", &sha256[..DIGEST_DIGITS]);
        self.warehouse.table(Table::LogFiles).join(name)
    }

    fn read_and_publish(
        &self,
        input: &Input,
        name: &str,
        raw: Box<dyn Read + Send>,
    ) -> Result<FileSummary, IngestError> {
        let source = source::open(raw, self.progress).map_err(|error| match error {
            OpenError::Unsupported(kind) => IngestError::Unsupported {
                file: name.to_owned(),
                kind,
            },
            OpenError::Io(source) => IngestError::Open {
                path: PathBuf::from(name),
                source,
            },
        })?;
        let failed = |source| IngestError::Write {
            file: name.to_owned(),
            warehouse: self.warehouse.root().to_owned(),
            source,
        };
        let staging = self.warehouse.staging();
        let staging =
            staging.map_err(|source| failed(WriteError::file(self.warehouse.root(), source)))?;
        let mut reading = Reading {
            ingest: self,
            input,
            name,
            parser: None,
            rows: AccessLogWriter::new(staging.path()),
            quarantine: QuarantineWriter::new(staging.path(), name.to_owned()),
            counts: Counts::default(),
        };
        let sha256 = reading.read_all(source)?;
        if self.marker(&sha256).exists() {
            return Ok(already_ingested(name.to_owned(), sha256));
        }
        let Reading {
            parser,
            rows,
            quarantine,
            counts,
            ..
        } = reading;
        let Some((format, _)) = parser else {
            return Err(IngestError::Empty {
                file: name.to_owned(),
            });
        };
        let summary = counts.summary(name, format, sha256);
        let parts = rows.finish().map_err(failed)?;
        let quarantine = quarantine.finish().map_err(failed)?;
        self.publish(staging.path(), &summary, &parts, quarantine.as_deref())
            .map_err(failed)?;
        Ok(summary)
    }

    /// Gives the staged files their names, the marker last. A log that was left half published by
    /// a crash is published again under the same names; a note in the staging folder tells that
    /// there may be further files of it, which then go.
    fn publish(
        &self,
        staging: &Path,
        summary: &FileSummary,
        parts: &[Part],
        quarantine: Option<&Path>,
    ) -> Result<(), WriteError> {
        let digest = &summary.sha256[..DIGEST_DIGITS];
        let marker = staging.join("log_files.parquet");
        write_log_file(&marker, summary)?;
        let note = staging.with_file_name(format!("publishing-{digest}"));
        if note.exists() {
            self.remove_remains(digest)?;
        }
        File::create(&note).map_err(|source| WriteError::file(&note, source))?;
        let logs = self.warehouse.table(Table::AccessLogs);
        for Part {
            staged,
            partition,
            number,
        } in parts
        {
            let name = format!("{digest}-{number:05}.parquet");
            self.publish_file(staged, &logs.join(partition).join(name))?;
        }
        if let Some(staged) = quarantine {
            let name = format!("{digest}.parquet");
            self.publish_file(staged, &self.warehouse.table(Table::Quarantine).join(name))?;
        }
        self.publish_file(&marker, &self.marker(&summary.sha256))?;
        fs::remove_file(&note).map_err(|source| WriteError::file(&note, source))
    }

    fn publish_file(&self, staged: &Path, name: &Path) -> Result<(), WriteError> {
        self.warehouse
            .publish(staged, name)
            .map_err(|source| WriteError::file(name, source))
    }

    /// Removes the rows of a log that was not published to its end.
    fn remove_remains(&self, digest: &str) -> Result<(), WriteError> {
        let logs = self.warehouse.table(Table::AccessLogs);
        let remove = || -> io::Result<()> {
            for partition in fs::read_dir(&logs)? {
                for file in fs::read_dir(partition?.path())? {
                    let file = file?;
                    if file
                        .file_name()
                        .to_string_lossy()
                        .starts_with(&format!("{digest}-"))
                    {
                        fs::remove_file(file.path())?;
                    }
                }
            }
            Ok(())
        };
        match remove() {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(WriteError::file(&logs, source))
            }
            _ => Ok(()),
        }
    }
}

/// Opens the stored bytes; the size is known of regular files.
fn open(input: &Input) -> Result<(Box<dyn Read + Send>, Option<u64>), IngestError> {
    Ok(match &input.place {
        Place::Stdin => (Box::new(io::stdin()), None),
        Place::File(path) => {
            let failed = |source| IngestError::Open {
                path: path.clone(),
                source,
            };
            let file = File::open(path).map_err(failed)?;
            let metadata = file.metadata().map_err(failed)?;
            (Box::new(file), metadata.is_file().then_some(metadata.len()))
        }
    })
}

/// One log being read.
struct Reading<'a> {
    ingest: &'a Ingest<'a>,
    input: &'a Input,
    name: &'a str,
    parser: Option<(Format, BlockParser)>,
    rows: AccessLogWriter,
    quarantine: QuarantineWriter,
    counts: Counts,
}

impl Reading<'_> {
    /// Reads to the end; returns the digest.
    fn read_all(&mut self, source: Source<'_>) -> Result<String, IngestError> {
        let Source { reader, tally } = source;
        let mut blocks = Blocks::new(reader, BLOCK);
        loop {
            match blocks.next() {
                Ok(Some(Block::Lines(block))) => self.block(&block)?,
                Ok(Some(Block::LongLine(head))) => self.long_line(&head)?,
                Ok(None) => break,
                Err(source) => {
                    let lines = self.counts.lines + blocks.unfinished_lines();
                    return Err(self.unreadable(lines, Tally::read(&tally, Tally::bytes), source));
                }
            }
        }
        drop(blocks);
        Ok(Tally::read(&tally, Tally::sha256))
    }

    fn unreadable(&self, lines: u64, bytes: u64, source: io::Error) -> IngestError {
        let file = self.name.to_owned();
        if source.kind() == io::ErrorKind::UnexpectedEof {
            IngestError::Truncated {
                file,
                bytes,
                lines,
                source,
            }
        } else {
            IngestError::Read {
                file,
                bytes,
                lines,
                source,
            }
        }
    }

    fn block(&mut self, block: &[u8]) -> Result<(), IngestError> {
        let is_first = self.parser.is_none();
        if is_first {
            self.parser = self.detect(block)?;
        }
        match &self.parser {
            Some((_, parser)) => {
                let parsed = parser.parse(block, is_first);
                self.keep(parsed)
            }
            None => {
                let blank = lines(block).count() as u64;
                self.counts.lines += blank;
                self.counts.blank += blank;
                Ok(())
            }
        }
    }

    fn detect(&self, block: &[u8]) -> Result<Option<(Format, BlockParser)>, IngestError> {
        let options = self.ingest.options;
        let file = self.name.to_owned();
        let found = detect::detect(block, options.format, &options.columns);
        let found = found.map_err(|undetected| match undetected {
            Undetected::Unknown { line } => IngestError::UnknownFormat {
                file,
                line: line.escape_debug().to_string(),
            },
            Undetected::Missing { missing, found } => {
                let missing = missing.into_iter().map(str::to_owned).collect();
                IngestError::MissingColumns {
                    file,
                    missing,
                    found,
                }
            }
            Undetected::Unmatched {
                column,
                source,
                found,
            } => IngestError::UnmatchedColumn {
                file,
                column: column.to_owned(),
                field: source,
                found,
            },
        })?;
        Ok(found.map(|(format, layout)| {
            let parser = BlockParser {
                layout,
                forced_site: options.site.clone(),
                default_site: self.input.site.clone(),
            };
            (format, parser)
        }))
    }

    fn long_line(&mut self, head: &[u8]) -> Result<(), IngestError> {
        self.counts.lines += 1;
        self.reject(self.counts.lines, Reject::TooLong, head)
    }

    fn keep(&mut self, parsed: ParsedBlock) -> Result<(), IngestError> {
        for rejected in &parsed.rejected {
            let number = self.counts.lines + rejected.line + 1;
            self.reject(number, rejected.reason, &rejected.raw)?;
        }
        self.counts.add(&parsed);
        self.rows
            .push(parsed.rows)
            .map_err(|source| self.failed(source))
    }

    fn reject(&mut self, number: u64, reason: Reject, raw: &[u8]) -> Result<(), IngestError> {
        *self.counts.reasons.entry(reason).or_default() += 1;
        self.quarantine
            .push(number, reason, raw)
            .map_err(|source| self.failed(source))
    }

    fn failed(&self, source: WriteError) -> IngestError {
        let warehouse = self.ingest.warehouse.root().to_owned();
        IngestError::Write {
            file: self.name.to_owned(),
            warehouse,
            source,
        }
    }
}

/// What has been read of a log so far.
#[derive(Debug, Default)]
struct Counts {
    lines: u64,
    rows: u64,
    blank: u64,
    header: u64,
    first: Option<i64>,
    last: Option<i64>,
    sites: BTreeMap<String, u64>,
    reasons: BTreeMap<Reject, u64>,
}

impl Counts {
    fn add(&mut self, parsed: &ParsedBlock) {
        let rows = &parsed.rows;
        self.lines += parsed.lines;
        self.rows += rows.len() as u64;
        self.blank += parsed.blank;
        self.header += parsed.header;
        let (first, last) = (rows.timestamps.iter().min(), rows.timestamps.iter().max());
        self.first = [self.first, first.copied()].into_iter().flatten().min();
        self.last = self.last.max(last.copied());
        let mut per_site = vec![0; rows.sites().len()];
        for site in &rows.site_of_row {
            per_site[*site as usize] += 1;
        }
        for (site, rows) in rows.sites().iter().zip(per_site) {
            match self.sites.get_mut(site) {
                Some(sum) => *sum += rows,
                None => {
                    self.sites.insert(site.clone(), rows);
                }
            }
        }
    }

    fn summary(self, file: &str, format: Format, sha256: String) -> FileSummary {
        let rejected = self.reasons.values().sum();
        let mut warnings = Vec::new();
        if self.rows == 0 {
            warnings.push("no line could be read as a request".to_owned());
        }
        FileSummary {
            file: file.to_owned(),
            format: format.name().to_owned(),
            sha256,
            status: FileStatus::Ingested,
            lines: self.lines,
            rows: self.rows,
            rejected,
            blank: self.blank,
            header: self.header,
            first_timestamp: self.first.map(Timestamp::from_micros),
            last_timestamp: self.last.map(Timestamp::from_micros),
            sites: self.sites,
            reasons: self
                .reasons
                .into_iter()
                .map(|(reason, lines)| (reason.reason().to_owned(), lines))
                .collect(),
            warnings,
        }
    }
}

fn already_ingested(file: String, sha256: String) -> FileSummary {
    FileSummary {
        file,
        format: String::new(),
        sha256,
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
        warnings: Vec::new(),
    }
}

/// Writes the rows of `log_files` for one log: one per site, so none if no line could be read.
fn write_log_file(path: &Path, summary: &FileSummary) -> Result<(), WriteError> {
    let text = |value: &str| {
        Arc::new(StringArray::from_iter_values(
            summary.sites.keys().map(|_| value),
        ))
    };
    let number = |value: u64| {
        Arc::new(Int64Array::from_iter_values(
            summary.sites.keys().map(|_| value as i64),
        ))
    };
    let time = |value: Option<Timestamp>| {
        let micros = value.map_or(0, Timestamp::micros);
        let times = summary.sites.keys().map(|_| micros);
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
    };
    let batch = RecordBatch::try_new(
        LOG_FILES.clone(),
        vec![
            text(&summary.file),
            text(&summary.sha256),
            text(&summary.format),
            Arc::new(StringArray::from_iter_values(summary.sites.keys())),
            number(summary.lines),
            number(summary.rejected),
            Arc::new(Int64Array::from_iter_values(
                summary.sites.values().map(|rows| *rows as i64),
            )),
            time(summary.first_timestamp),
            time(summary.last_timestamp),
        ],
    )?;
    let file = File::create(path).map_err(|source| WriteError::file(path, source))?;
    let mut writer = ArrowWriter::try_new(file, LOG_FILES.clone(), Some(properties().build()))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}
