//! The state of one open log: its pieces on their way, and how it ends.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tempfile::TempDir;

use super::task::{Finished, Opened, Task};
use crate::logs::chunk::Chunk;
use crate::logs::error::IngestError;
use crate::logs::keeper::{KeepStep, Keeper, Kept};
use crate::logs::reader::{LogReader, Parsed, Piece};
use crate::logs::summary::FileSummary;
use crate::logs::writer::StagedPart;

/// One open log.
pub(super) struct Log<'a> {
    pub(super) number: usize,
    /// Nothing while a thread reads, and after the last piece.
    reader: Option<LogReader<'a>>,
    /// Nothing while a thread keeps a piece, and after the last one.
    keeper: Option<Box<Keeper<'a>>>,
    staging: Option<Arc<TempDir>>,
    pieces_read: u64,
    pieces_kept: u64,
    to_parse: VecDeque<(u64, Piece)>,
    to_keep: BTreeMap<u64, Parsed>,
    to_write: VecDeque<Chunk>,
    chunks_in_writing: usize,
    /// Parts by the number of their chunk.
    parts: BTreeMap<usize, Vec<StagedPart>>,
    /// The end of the log, once all pieces are kept; or the first error, with the number of its chunk.
    pub(super) end: Option<Result<End, (usize, IngestError)>>,
}

/// How a log ends that was read whole, or was known.
pub(super) enum End {
    Known(Box<FileSummary>),
    Kept(Box<Kept>),
}

impl<'a> Log<'a> {
    pub(super) const fn new(number: usize) -> Self {
        Self {
            number,
            reader: None,
            keeper: None,
            staging: None,
            pieces_read: 0,
            pieces_kept: 0,
            to_parse: VecDeque::new(),
            to_keep: BTreeMap::new(),
            to_write: VecDeque::new(),
            chunks_in_writing: 0,
            parts: BTreeMap::new(),
            end: None,
        }
    }

    pub(super) const fn blocks_ahead(&self) -> usize {
        (self.pieces_read - self.pieces_kept) as usize
    }

    /// Returns how the log ended, once all of it is written.
    pub(super) fn finish(&mut self) -> Option<Result<Finished, IngestError>> {
        if !self.to_write.is_empty() || self.chunks_in_writing > 0 {
            return None;
        }
        Some(match self.end.take()? {
            Ok(End::Known(summary)) => Ok(Finished::Known(*summary)),
            Ok(End::Kept(kept)) => Ok(Finished::Staged {
                kept,
                parts: std::mem::take(&mut self.parts)
                    .into_values()
                    .flatten()
                    .collect(),
                staging: self.staging.take()?,
            }),
            Err((_, error)) => Err(error),
        })
    }

    pub(super) fn write(&mut self) -> Option<Task<'a>> {
        let staging = self.staging.clone()?;
        let chunk = self.to_write.pop_front()?;
        self.chunks_in_writing += 1;
        Some(Task::Write(self.number, chunk, staging))
    }

    pub(super) fn keep(&mut self) -> Option<Task<'a>> {
        let next = self.to_keep.first_entry()?;
        if *next.key() != self.pieces_kept {
            return None;
        }
        let keeper = self.keeper.take()?;
        Some(Task::Keep(self.number, keeper, next.remove()))
    }

    pub(super) fn parse(&mut self) -> Option<Task<'a>> {
        let (number, piece) = self.to_parse.pop_front()?;
        Some(Task::Parse(self.number, number, piece))
    }

    pub(super) fn read(&mut self) -> Option<(usize, LogReader<'a>)> {
        Some((self.number, self.reader.take()?))
    }

    pub(super) fn opened(&mut self, opened: Result<Opened<'a>, IngestError>) {
        match opened {
            Ok(Opened::Known(summary)) => self.end = Some(Ok(End::Known(Box::new(summary)))),
            Ok(Opened::New {
                reader,
                keeper,
                staging,
            }) => {
                self.reader = Some(reader);
                self.keeper = Some(keeper);
                self.staging = Some(staging);
            }
            Err(error) => self.fail(0, error),
        }
    }

    pub(super) fn was_read(&mut self, reader: LogReader<'a>, piece: Piece) {
        if self.end.is_some() {
            return;
        }
        let number = self.pieces_read;
        self.pieces_read += 1;
        if !reader.is_at_end() {
            self.reader = Some(reader);
        }
        match piece {
            Piece::Parsed(parsed) => self.was_parsed(number, parsed),
            piece @ Piece::Lines { .. } => self.to_parse.push_back((number, piece)),
        }
    }

    pub(super) fn was_parsed(&mut self, number: u64, parsed: Parsed) {
        if self.end.is_none() {
            self.to_keep.insert(number, parsed);
        }
    }

    pub(super) fn was_kept(&mut self, chunk: usize, step: Result<KeepStep<'a>, IngestError>) {
        if self.end.is_some() {
            return;
        }
        self.pieces_kept += 1;
        match step {
            Ok(KeepStep::More { keeper, full }) => {
                self.keeper = Some(keeper);
                self.to_write.extend(full);
            }
            Ok(KeepStep::End { last, kept }) => {
                self.to_write.extend(last);
                self.end = Some(Ok(End::Kept(kept)));
            }
            Err(error) => self.fail(chunk, error),
        }
    }

    pub(super) fn was_written(
        &mut self,
        chunk: usize,
        parts: Result<Vec<StagedPart>, IngestError>,
    ) {
        self.chunks_in_writing -= 1;
        match parts {
            Ok(parts) => {
                self.parts.insert(chunk, parts);
            }
            Err(error) => self.fail(chunk, error),
        }
    }

    /// Notes an error; it stands if none is known that comes earlier in the log. Chunks before it
    /// are still written, since one of them may fail.
    pub(super) fn fail(&mut self, chunk: usize, error: IngestError) {
        if let Some(Err((earlier, _))) = &self.end
            && *earlier <= chunk
        {
            return;
        }
        self.end = Some(Err((chunk, error)));
        self.pieces_kept = self.pieces_read;
        self.reader = None;
        self.keeper = None;
        self.to_parse.clear();
        self.to_keep.clear();
        self.to_write.retain(|waiting| waiting.number < chunk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(file: &str) -> IngestError {
        IngestError::Empty {
            file: file.to_owned(),
        }
    }

    /// The error that a log ends with when chunks fail in this order.
    fn outcome(failures: &[usize]) -> String {
        let mut log = Log::new(0);
        log.chunks_in_writing = failures.len();
        for chunk in failures {
            assert!(log.finish().is_none(), "chunks are still written");
            log.was_written(*chunk, Err(error(&format!("chunk {chunk}"))));
        }
        match log.finish() {
            Some(Err(error)) => error.to_string(),
            _ => String::new(),
        }
    }

    #[test]
    fn of_several_errors_the_first_in_the_log_stands() {
        let expected = error("chunk 1").to_string();
        for failures in [[1, 2, 3], [3, 2, 1], [2, 3, 1], [3, 1, 2]] {
            assert_eq!(outcome(&failures), expected, "{failures:?}");
        }
    }

    #[test]
    fn an_unreadable_rest_does_not_hide_a_chunk_that_fails_later() {
        let mut log = Log::new(0);
        log.chunks_in_writing = 1;
        log.fail(2, error("the rest"));
        assert!(log.finish().is_none());
        log.was_written(1, Err(error("chunk 1")));
        assert!(
            matches!(log.finish(), Some(Err(found)) if found.to_string() == error("chunk 1").to_string())
        );
    }
}
