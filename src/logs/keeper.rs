//! Keeps what was parsed of one log, piece after piece in the order of the log: counts it, puts
//! rejected lines into the quarantine and gathers rows into chunks.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use super::block::ParsedBlock;
use super::chunk::{Chunk, ChunkLimits, Gathering};
use super::error::IngestError;
use super::quarantine::QuarantineWriter;
use super::read_as::Reading;
use super::reader::Parsed;
use super::request::Reject;
use super::signs::Signs;
use super::summary::{FileStatus, FileSummary};
use super::timestamp::Timestamp;
use crate::warehouse::Warehouse;

/// The result of keeping a piece.
pub(super) enum KeepStep<'a> {
    /// More pieces follow.
    More {
        keeper: Box<Keeper<'a>>,
        /// Chunks that became full.
        full: Vec<Chunk>,
    },
    /// It was the last piece.
    End {
        /// The last chunk, if rows were left.
        last: Option<Chunk>,
        kept: Box<Kept>,
    },
}

/// A log that was read to its end.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) summary: FileSummary,
    /// The staged file.
    pub(super) quarantine: Option<PathBuf>,
}

/// Keeps the pieces of one log.
pub(super) struct Keeper<'a> {
    file: String,
    warehouse: &'a Warehouse,
    quarantine: QuarantineWriter,
    gathering: Gathering,
    counts: LineCounts,
    /// Not removed while the quarantine is written into it.
    _staging: Arc<TempDir>,
}

impl<'a> Keeper<'a> {
    /// Keeps the log named `file`.
    pub(super) fn new(
        file: String,
        warehouse: &'a Warehouse,
        staging: Arc<TempDir>,
        limits: ChunkLimits,
    ) -> Self {
        Self {
            quarantine: QuarantineWriter::new(staging.path(), file.clone()),
            file,
            warehouse,
            gathering: Gathering::new(limits),
            counts: LineCounts::default(),
            _staging: staging,
        }
    }

    /// The number of the chunk that the next row belongs to.
    pub(super) const fn chunk_number(&self) -> usize {
        self.gathering.number()
    }

    /// Keeps the next piece.
    pub(super) fn keep(mut self: Box<Self>, piece: Parsed) -> Result<KeepStep<'a>, IngestError> {
        let full = match piece {
            Parsed::Block(block) => self.block(block)?,
            Parsed::LongLine(head) => {
                self.counts.lines += 1;
                self.reject(self.counts.lines, Reject::TooLong, &head)?;
                Vec::new()
            }
            Parsed::Unreadable {
                bytes,
                lines,
                source,
            } => return Err(self.unreadable(bytes, lines, source)),
            Parsed::Unknown(error) => return Err(error),
            Parsed::End {
                digest,
                bytes,
                reading,
            } => return self.end(digest, bytes, reading),
        };
        Ok(KeepStep::More { keeper: self, full })
    }

    fn block(&mut self, block: ParsedBlock) -> Result<Vec<Chunk>, IngestError> {
        for rejected in &block.rejected {
            let number = self.counts.lines + rejected.line + 1;
            self.reject(number, rejected.reason, &rejected.raw)?;
        }
        self.counts.add(&block);
        self.counts.signs.merge(block.signs);
        Ok(self.gathering.push(block.rows))
    }

    fn reject(&mut self, number: u64, reason: Reject, raw: &[u8]) -> Result<(), IngestError> {
        *self.counts.reasons.entry(reason).or_default() += 1;
        let pushed = self.quarantine.push(number, reason, raw);
        pushed.map_err(|source| IngestError::write(&self.file, self.warehouse.root(), source))
    }

    fn unreadable(&self, bytes: u64, lines: u64, source: io::Error) -> IngestError {
        IngestError::unreadable(self.file.clone(), bytes, self.counts.lines + lines, source)
    }

    fn end(
        mut self: Box<Self>,
        digest: String,
        bytes: u64,
        reading: Option<Arc<Reading>>,
    ) -> Result<KeepStep<'a>, IngestError> {
        let Some(reading) = reading else {
            return Err(IngestError::Empty { file: self.file });
        };
        let quarantine = self
            .quarantine
            .finish()
            .map_err(|source| IngestError::write(&self.file, self.warehouse.root(), source))?;
        Ok(KeepStep::End {
            last: self.gathering.take(),
            kept: Box::new(Kept {
                summary: FileSummary {
                    bytes,
                    ..self.counts.summary(self.file, &reading, digest)
                },
                quarantine,
            }),
        })
    }
}

/// How many lines of each kind were kept of a log so far.
#[derive(Debug, Default)]
struct LineCounts {
    lines: u64,
    rows: u64,
    blank: u64,
    header: u64,
    first: Option<i64>,
    last: Option<i64>,
    sites: BTreeMap<String, u64>,
    reasons: BTreeMap<Reject, u64>,
    signs: Signs,
}

impl LineCounts {
    fn add(&mut self, block: &ParsedBlock) {
        let rows = &block.rows;
        self.lines += block.lines;
        self.rows += rows.len() as u64;
        self.blank += block.blank;
        self.header += block.header;
        let (first, last) = (
            rows.timestamps().iter().min(),
            rows.timestamps().iter().max(),
        );
        self.first = [self.first, first.copied()].into_iter().flatten().min();
        self.last = self.last.max(last.copied());
        for site in rows.sites() {
            match self.sites.get_mut(&site.name) {
                Some(sum) => *sum += site.rows,
                None => {
                    self.sites.insert(site.name.clone(), site.rows);
                }
            }
        }
    }

    fn summary(self, file: String, reading: &Reading, digest: String) -> FileSummary {
        let rejected = self.reasons.values().sum();
        let mut warnings = Vec::new();
        if self.rows == 0 {
            warnings.push("no line could be read as a request".to_owned());
        }
        warnings.extend(self.signs.warnings(self.sites.len()));
        FileSummary {
            file,
            format: reading.format.clone(),
            reading: Some(Box::new(reading.clone())),
            digest,
            bytes: 0,
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
