//! The state of all logs: it says which task comes next.

use std::collections::VecDeque;

use super::log::Log;
use super::task::{Done, Task};
use crate::logs::error::IngestError;
use crate::logs::inputs::Input;
use crate::logs::passed_over::Skipped;
use crate::logs::summary::{Failed, FileSummary, IngestSummary};

/// The open logs, and how far the work has come.
pub(super) struct PipelineState<'a> {
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
    pub(super) is_abandoned: bool,
    pub(super) outcome: Result<IngestSummary, IngestError>,
}

impl<'a> PipelineState<'a> {
    pub(super) fn new(inputs: &'a [Input], threads: usize, keep_going: bool) -> Self {
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
    pub(super) const fn open_logs(&self) -> usize {
        self.threads / 2 + 1
    }

    /// How many blocks may be between reading and keeping.
    pub(super) const fn blocks_ahead(&self) -> usize {
        2 * self.threads + 2
    }

    pub(super) fn is_over(&self) -> bool {
        let is_done = self.logs.is_empty() && self.next >= self.end && !self.is_publishing;
        is_done || self.outcome.is_err() || self.is_abandoned
    }

    /// The most advanced task there is, of the earliest log.
    pub(super) fn next_task(&mut self) -> Option<Task<'a>> {
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

    pub(super) fn accept(&mut self, done: Done<'a>) {
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
