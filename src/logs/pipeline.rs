//! Ingests logs on several threads, with a result that does not depend on them.
//!
//! ```text
//! open ─▶ read ──▶ parse ──▶ keep ──▶ write ──▶ publish
//!         in turn  any order in turn  any order  in turn, log after log
//! ```
//!
//! All threads are alike: whoever is free takes the most advanced work there is, of the earliest
//! log. No work waits for other work while it runs, so there is no deadlock and never more than
//! the given number of threads.
//!
//! Memory: with `n` threads at most `n / 2 + 1` logs are open and `2 n + 2` blocks are between
//! reading and keeping (more precisely [`State::open_logs`], [`State::blocks_ahead`]). Each thread
//! holds at most one chunk that it writes, each open log one that gathers and, since writing goes
//! before all else, one that waits.
//!
//! Order: what a log says of itself, its error included, depends on its pieces in their order. Of
//! several errors of one log, the one that comes first in the log counts. A log is published after
//! all before it; after a log that failed none is.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tempfile::TempDir;

use super::IngestOptions;
use super::chunk::{Chunk, ChunkLimits};
use super::error::{IngestError, WriteError};
use super::inputs::{Input, Place};
use super::keeper::{Keeper, Kept, Step};
use super::lines::BLOCK;
use super::publish::{Staged, is_published};
use super::reader::{Parsed, Piece, Reader};
use super::source;
use super::summary::{Failed, FileSummary, IngestSummary, Skipped};
use super::writer::{self, Part};
use crate::progress::Counter;
use crate::schema::Table;
use crate::warehouse::Warehouse;

/// How logs are cut up while they are read. The size of blocks changes nothing of what is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    /// Bytes of a block, more than [`super::lines::MAX_LINE`].
    pub(super) block: usize,
    pub(super) chunk: ChunkLimits,
}

impl Default for Cut {
    fn default() -> Self {
        Self {
            block: BLOCK,
            chunk: ChunkLimits::default(),
        }
    }
}

/// Logs to be ingested.
pub(super) struct Pipeline<'a> {
    pub(super) inputs: &'a [Input],
    pub(super) options: &'a IngestOptions,
    pub(super) warehouse: &'a Warehouse,
    pub(super) progress: &'a dyn Counter,
    pub(super) cut: Cut,
}

impl Pipeline<'_> {
    /// Ingests the logs on so many threads, at least one; on fewer if the system has not as many.
    pub(super) fn run(&self, threads: usize) -> Result<IngestSummary, IngestError> {
        let crew = Crew {
            work: Work {
                pipeline: self,
                had_logs: fs::read_dir(self.warehouse.table(Table::LogFiles))
                    .is_ok_and(|mut files| files.next().is_some()),
            },
            state: Mutex::new(State::new(self.inputs, threads, self.options.keep_going)),
            news: Condvar::new(),
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                let started = thread::Builder::new()
                    .name("ingest".to_owned())
                    .spawn_scoped(scope, || crew.run());
                // Fewer threads come to the same.
                if started.is_err() {
                    break;
                }
            }
            crew.run();
        });
        let state = crew.state.into_inner();
        state.unwrap_or_else(PoisonError::into_inner).outcome
    }
}

/// The threads, and what they share.
struct Crew<'a> {
    work: Work<'a>,
    state: Mutex<State<'a>>,
    /// Rung whenever the state has changed.
    news: Condvar,
}

impl<'a> Crew<'a> {
    fn run(&self) {
        let _alarm = Alarm(self);
        let mut state = self.lock();
        while !state.is_over() {
            if let Some(task) = state.next_task() {
                drop(state);
                let done = self.work.run(task);
                state = self.lock();
                state.accept(done);
                self.news.notify_all();
            } else if !state.is_over() {
                // The search for a task may have found that there is none left.
                let woken = self.news.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
            }
        }
        self.news.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<'a>> {
        // A thread that panics ends the others; no one reads what it left.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends all threads when one panics, which would else be waited for.
struct Alarm<'c, 'a>(&'c Crew<'a>);

impl Drop for Alarm<'_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().is_abandoned = true;
            self.0.news.notify_all();
        }
    }
}

/// Something that one thread does; the number is that of the log.
enum Task<'a> {
    Open(usize),
    /// Into the memory of a block that is no longer needed.
    Read(usize, Reader<'a>, Vec<u8>),
    Parse(usize, u64, Piece),
    Keep(usize, Box<Keeper<'a>>, Parsed),
    Write(usize, Chunk, Arc<TempDir>),
    Publish(usize, Finished),
}

/// What came of a task.
enum Done<'a> {
    Open(usize, Result<Opened<'a>, IngestError>),
    Read(usize, Reader<'a>, Piece),
    /// With the memory of its block.
    Parse(usize, u64, Parsed, Vec<u8>),
    /// With the number of the chunk that gathered.
    Keep(usize, usize, Result<Step<'a>, IngestError>),
    Write(usize, usize, Result<Vec<Part>, IngestError>),
    Publish(usize, Result<FileSummary, IngestError>),
}

enum Opened<'a> {
    /// The warehouse holds the log.
    Known(FileSummary),
    New {
        reader: Reader<'a>,
        keeper: Box<Keeper<'a>>,
        staging: Arc<TempDir>,
    },
}

/// A log that is read and written, or known.
enum Finished {
    Known(FileSummary),
    Staged {
        kept: Box<Kept>,
        parts: Vec<Part>,
        staging: Arc<TempDir>,
    },
}

/// Does tasks; knows nothing of their order.
struct Work<'a> {
    pipeline: &'a Pipeline<'a>,
    /// Whether the warehouse held logs at the start.
    had_logs: bool,
}

impl<'a> Work<'a> {
    fn run(&self, task: Task<'a>) -> Done<'a> {
        match task {
            Task::Open(log) => Done::Open(log, self.open(&self.pipeline.inputs[log])),
            Task::Read(log, mut reader, spare) => {
                let piece = reader.next(spare);
                Done::Read(log, reader, piece)
            }
            Task::Parse(log, number, piece) => {
                let (parsed, spare) = piece.parse();
                Done::Parse(log, number, parsed, spare)
            }
            Task::Keep(log, keeper, piece) => {
                let chunk = keeper.chunk_number();
                Done::Keep(log, chunk, keeper.keep(piece))
            }
            Task::Write(log, chunk, staging) => {
                let number = chunk.number;
                let written = writer::write(chunk, staging.path());
                Done::Write(log, number, written.map_err(|e| self.failed(log, e)))
            }
            Task::Publish(log, finished) => Done::Publish(log, self.publish(log, finished)),
        }
    }

    fn open(&self, input: &'a Input) -> Result<Opened<'a>, IngestError> {
        let Pipeline {
            options,
            warehouse,
            progress,
            cut,
            ..
        } = *self.pipeline;
        if let Some(digest) = self.known_digest(input)? {
            let summary = FileSummary::already_ingested(input.name(), digest);
            return Ok(Opened::Known(summary));
        }
        let reader = Reader::open(input, options, cut.block, progress)?;
        let staging = warehouse.staging().map_err(|source| {
            let source = WriteError::file(warehouse.root(), source);
            IngestError::write(&input.name(), warehouse.root(), source)
        })?;
        let staging = Arc::new(staging);
        let keeper = Keeper::new(input.name(), warehouse, staging.clone(), cut.chunk);
        let keeper = Box::new(keeper);
        Ok(Opened::New {
            reader,
            keeper,
            staging,
        })
    }

    /// The digest of a file, if the warehouse holds it. One that was empty saves the reading.
    fn known_digest(&self, input: &Input) -> Result<Option<String>, IngestError> {
        let Place::File(path) = &input.place else {
            return Ok(None);
        };
        // What is no regular file, such as a pipe, can be read only once.
        let Some(size) = input.size().filter(|_| self.had_logs) else {
            return Ok(None);
        };
        let digest = source::digest_of(path).map_err(|source| IngestError::Open {
            path: PathBuf::from(path),
            source,
        })?;
        if !is_published(self.pipeline.warehouse, &digest) {
            return Ok(None);
        }
        self.pipeline.progress.advance(size);
        Ok(Some(digest))
    }

    fn publish(&self, log: usize, finished: Finished) -> Result<FileSummary, IngestError> {
        let (kept, parts, staging) = match finished {
            Finished::Known(summary) => return Ok(summary),
            Finished::Staged {
                kept,
                parts,
                staging,
            } => (kept, parts, staging),
        };
        let Kept {
            summary,
            quarantine,
        } = *kept;
        let warehouse = self.pipeline.warehouse;
        // An earlier log of this run may be its twin.
        if is_published(warehouse, &summary.digest) {
            let FileSummary { file, digest, .. } = summary;
            return Ok(FileSummary::already_ingested(file, digest));
        }
        let staged = Staged {
            folder: staging.path(),
            summary: &summary,
            parts: &parts,
            quarantine: quarantine.as_deref(),
        };
        staged
            .publish(warehouse)
            .map_err(|source| self.failed(log, source))?;
        Ok(summary)
    }

    fn failed(&self, log: usize, source: WriteError) -> IngestError {
        let file = self.pipeline.inputs[log].name();
        IngestError::write(&file, self.pipeline.warehouse.root(), source)
    }
}

/// What is to be done, and what has been done.
struct State<'a> {
    inputs: &'a [Input],
    threads: usize,
    /// Whether a log that cannot be read ends only itself.
    keep_going: bool,
    /// Logs between opening and publishing.
    logs: VecDeque<Log<'a>>,
    /// The number of the next log to be opened.
    next: usize,
    /// No log from this number on is needed, since the one before has failed.
    end: usize,
    /// Blocks that are no longer needed: fresh memory costs more than reading into it.
    spare: Vec<Vec<u8>>,
    is_publishing: bool,
    is_abandoned: bool,
    outcome: Result<IngestSummary, IngestError>,
}

impl<'a> State<'a> {
    fn new(inputs: &'a [Input], threads: usize, keep_going: bool) -> Self {
        Self {
            inputs,
            threads,
            keep_going,
            logs: VecDeque::new(),
            next: 0,
            end: inputs.len(),
            spare: Vec::new(),
            is_publishing: false,
            is_abandoned: false,
            outcome: Ok(IngestSummary::default()),
        }
    }

    /// How many logs may be open at once. More than one, since a compressed log is unpacked by
    /// one thread at a time; not one per thread, since each gathers a chunk.
    const fn open_logs(&self) -> usize {
        self.threads / 2 + 1
    }

    /// How many blocks may be between reading and keeping.
    const fn blocks_ahead(&self) -> usize {
        2 * self.threads + 2
    }

    fn is_over(&self) -> bool {
        let is_done = self.logs.is_empty() && self.next >= self.end && !self.is_publishing;
        is_done || self.outcome.is_err() || self.is_abandoned
    }

    /// The most advanced task there is, of the earliest log.
    fn next_task(&mut self) -> Option<Task<'a>> {
        if let Some(task) = self.publish() {
            return Some(task);
        }
        let stages = [Log::write, Log::keep, Log::parse];
        for stage in stages {
            if let Some(task) = self.logs.iter_mut().find_map(stage) {
                return Some(task);
            }
        }
        let ahead: usize = self.logs.iter().map(Log::blocks_ahead).sum();
        let has_room = ahead < self.blocks_ahead();
        // Each log may read one block, or an early one could wait for room forever.
        let mut readable = self
            .logs
            .iter_mut()
            .filter(|log| has_room || log.blocks_ahead() == 0);
        if let Some((log, reader)) = readable.find_map(Log::read) {
            return Some(Task::Read(
                log,
                reader,
                self.spare.pop().unwrap_or_default(),
            ));
        }
        if self.logs.len() < self.open_logs() && self.next < self.end {
            let log = self.next;
            self.next += 1;
            self.logs.push_back(Log::new(log));
            return Some(Task::Open(log));
        }
        None
    }

    /// Publishes the earliest log, if it is finished and no other is being published.
    fn publish(&mut self) -> Option<Task<'a>> {
        while !self.is_publishing {
            let log = self.logs.front_mut()?;
            let (number, finished) = (log.number, log.finish()?);
            self.logs.pop_front();
            match finished {
                Ok(finished) => {
                    self.is_publishing = true;
                    return Some(Task::Publish(number, finished));
                }
                Err(error) => self.conclude(number, Err(error)),
            }
        }
        None
    }

    /// Notes what came of a log, all logs before it being concluded.
    fn conclude(&mut self, log: usize, outcome: Result<FileSummary, IngestError>) {
        let Ok(summary) = &mut self.outcome else {
            return;
        };
        match outcome {
            Ok(file) => summary.add(file),
            Err(error) if passes_over(&self.inputs[log], &error) => {
                summary.skipped.push(Skipped {
                    file: self.inputs[log].name(),
                    reason: error.to_string(),
                });
            }
            Err(error) if self.keep_going && error.is_of_one_log() => summary.failed.push(Failed {
                file: self.inputs[log].name(),
                error,
            }),
            Err(error) => self.outcome = Err(error),
        }
    }

    fn accept(&mut self, done: Done<'a>) {
        match done {
            Done::Open(log, opened) => self.update(log, |log| log.opened(opened)),
            Done::Read(log, reader, piece) => self.update(log, |log| log.was_read(reader, piece)),
            Done::Parse(log, number, parsed, spare) => {
                self.spare.push(spare);
                self.update(log, |log| log.was_parsed(number, parsed));
            }
            Done::Keep(log, chunk, step) => self.update(log, |log| log.was_kept(chunk, step)),
            Done::Write(log, chunk, parts) => self.update(log, |log| log.was_written(chunk, parts)),
            Done::Publish(log, outcome) => {
                self.is_publishing = false;
                self.conclude(log, outcome);
            }
        }
    }

    /// Changes a log, unless it is no longer needed; after an error no later one is.
    fn update(&mut self, number: usize, change: impl FnOnce(&mut Log<'a>)) {
        let Some(log) = self.logs.iter_mut().find(|log| log.number == number) else {
            return;
        };
        change(log);
        if let Some(Err((_, error))) = &log.end
            && !passes_over(&self.inputs[number], error)
            && !(self.keep_going && error.is_of_one_log())
        {
            self.end = number + 1;
            self.next = self.next.min(self.end);
            self.logs.retain(|log| log.number <= number);
        }
    }
}

/// Whether an error means no more than that a file found in a folder is no log.
const fn passes_over(input: &Input, error: &IngestError) -> bool {
    input.is_found && error.is_no_log()
}

/// One open log.
struct Log<'a> {
    number: usize,
    /// Nothing while a thread reads, and after the last piece.
    reader: Option<Reader<'a>>,
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
    parts: BTreeMap<usize, Vec<Part>>,
    /// What all its pieces amount to; or the first error, with the number of its chunk.
    end: Option<Result<End, (usize, IngestError)>>,
}

enum End {
    Known(Box<FileSummary>),
    Kept(Box<Kept>),
}

impl<'a> Log<'a> {
    const fn new(number: usize) -> Self {
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

    const fn blocks_ahead(&self) -> usize {
        (self.pieces_read - self.pieces_kept) as usize
    }

    /// What came of the log, once all of it is written.
    fn finish(&mut self) -> Option<Result<Finished, IngestError>> {
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

    fn write(&mut self) -> Option<Task<'a>> {
        let staging = self.staging.clone()?;
        let chunk = self.to_write.pop_front()?;
        self.chunks_in_writing += 1;
        Some(Task::Write(self.number, chunk, staging))
    }

    fn keep(&mut self) -> Option<Task<'a>> {
        let next = self.to_keep.first_entry()?;
        if *next.key() != self.pieces_kept {
            return None;
        }
        let keeper = self.keeper.take()?;
        Some(Task::Keep(self.number, keeper, next.remove()))
    }

    fn parse(&mut self) -> Option<Task<'a>> {
        let (number, piece) = self.to_parse.pop_front()?;
        Some(Task::Parse(self.number, number, piece))
    }

    fn read(&mut self) -> Option<(usize, Reader<'a>)> {
        Some((self.number, self.reader.take()?))
    }

    fn opened(&mut self, opened: Result<Opened<'a>, IngestError>) {
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

    fn was_read(&mut self, reader: Reader<'a>, piece: Piece) {
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

    fn was_parsed(&mut self, number: u64, parsed: Parsed) {
        if self.end.is_none() {
            self.to_keep.insert(number, parsed);
        }
    }

    fn was_kept(&mut self, chunk: usize, step: Result<Step<'a>, IngestError>) {
        if self.end.is_some() {
            return;
        }
        self.pieces_kept += 1;
        match step {
            Ok(Step::More { keeper, full }) => {
                self.keeper = Some(keeper);
                self.to_write.extend(full);
            }
            Ok(Step::End { last, kept }) => {
                self.to_write.extend(last);
                self.end = Some(Ok(End::Kept(kept)));
            }
            Err(error) => self.fail(chunk, error),
        }
    }

    fn was_written(&mut self, chunk: usize, parts: Result<Vec<Part>, IngestError>) {
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
    fn fail(&mut self, chunk: usize, error: IngestError) {
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
