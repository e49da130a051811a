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
//! reading and keeping (more precisely [`PipelineState::open_logs`], [`PipelineState::blocks_ahead`]). Each thread
//! holds at most one chunk that it writes, each open log one that gathers and, since writing goes
//! before all else, one that waits.
//!
//! Order: what a log says of itself, its error included, depends on its pieces in their order. Of
//! several errors of one log, the one that comes first in the log counts. A log is published after
//! all before it; after a log that failed none is.

mod log;
mod state;
mod task;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::chunk::ChunkLimits;
use super::error::{IngestError, WriteError};
use super::inputs::{Input, InputPlace};
use super::keeper::{Keeper, Kept};
use super::lines::BLOCK;
use super::options::IngestOptions;
use super::publish::{StagedLog, ingested_logs, is_published, short_digest};
use super::reader::LogReader;
use super::source;
use super::summary::{FileSummary, IngestSummary};
use super::writer;
use crate::progress::Counter;
use crate::schema::Table;
use crate::warehouse::Warehouse;
use state::PipelineState;
use task::{Done, Finished, Opened, Task};

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
        let known = ingested_logs(self.warehouse).map_err(|source| {
            let path = self.warehouse.table(Table::LogFiles);
            IngestError::Open { path, source }
        })?;
        let crew = Crew {
            work: Work {
                pipeline: self,
                reading: self.options.fingerprint(),
                known,
            },
            state: Mutex::new(PipelineState::new(
                self.inputs,
                threads,
                self.options.keep_going,
            )),
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
    state: Mutex<PipelineState<'a>>,
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

    fn lock(&self) -> MutexGuard<'_, PipelineState<'a>> {
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

/// Does tasks; knows nothing of their order.
struct Work<'a> {
    pipeline: &'a Pipeline<'a>,
    /// What tells how logs are read.
    reading: String,
    /// The logs that the warehouse held at the start, and how each was read.
    known: BTreeMap<String, String>,
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
        if let Some((digest, is_same)) = self.known_digest(input)? {
            let bytes = input.size().unwrap_or_default();
            let summary = FileSummary::already_ingested(input.name(), digest, bytes, is_same);
            return Ok(Opened::Known(summary));
        }
        let reader = LogReader::open(input, options, cut.block, progress)?;
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

    /// The digest of a file, if the warehouse holds it and it is not to be read again, and whether it
    /// was read in the same way. A warehouse that was empty saves the reading.
    fn known_digest(&self, input: &Input) -> Result<Option<(String, bool)>, IngestError> {
        let InputPlace::File(path) = &input.place else {
            return Ok(None);
        };
        // What is no regular file, such as a pipe, can be read only once.
        let Some(size) = input.size().filter(|_| !self.known.is_empty()) else {
            return Ok(None);
        };
        let digest = source::digest_of(path).map_err(|source| IngestError::Open {
            path: PathBuf::from(path),
            source,
        })?;
        let Some(reading) = self.known.get(short_digest(&digest)) else {
            return Ok(None);
        };
        let is_same = *reading == self.reading;
        if self.pipeline.options.again && !is_same {
            return Ok(None);
        }
        self.pipeline.progress.advance(size);
        Ok(Some((digest, is_same)))
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
        // An earlier log of this run may be its twin, and what comes from a pipe may be known.
        let earlier = self.known.get(short_digest(&summary.digest));
        let is_same = is_published(warehouse, &summary.digest, &self.reading);
        if is_same || (earlier.is_some() && !self.pipeline.options.again) {
            let FileSummary {
                file,
                digest,
                bytes,
                ..
            } = summary;
            return Ok(FileSummary::already_ingested(file, digest, bytes, is_same));
        }
        let staged = StagedLog {
            folder: staging.path(),
            summary: &summary,
            reading: &self.reading,
            earlier: earlier.map(String::as_str),
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
