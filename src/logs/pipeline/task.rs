//! The tasks of threads, and their results.

use std::sync::Arc;

use tempfile::TempDir;

use crate::logs::chunk::Chunk;
use crate::logs::error::IngestError;
use crate::logs::keeper::{KeepStep, Keeper, Kept};
use crate::logs::reader::{LogReader, Parsed, Piece};
use crate::logs::summary::FileSummary;
use crate::logs::writer::StagedPart;

/// A task for one thread; the first number is that of the log.
pub(super) enum Task<'a> {
    Open(usize),
    /// Into the memory of a block that is no longer needed.
    Read(usize, LogReader<'a>, Vec<u8>),
    Parse(usize, u64, Piece),
    Keep(usize, Box<Keeper<'a>>, Parsed),
    Write(usize, Chunk, Arc<TempDir>),
    Publish(usize, Finished),
}

/// The result of a task.
pub(super) enum Done<'a> {
    Open(usize, Result<Opened<'a>, IngestError>),
    Read(usize, LogReader<'a>, Piece),
    /// With the memory of its block.
    Parse(usize, u64, Parsed, Vec<u8>),
    /// With the number of the chunk that gathered.
    Keep(usize, usize, Result<KeepStep<'a>, IngestError>),
    Write(usize, usize, Result<Vec<StagedPart>, IngestError>),
    Publish(usize, Result<FileSummary, IngestError>),
}

/// The result of opening a log.
pub(super) enum Opened<'a> {
    /// The warehouse holds the log.
    Known(FileSummary),
    New {
        reader: LogReader<'a>,
        keeper: Box<Keeper<'a>>,
        staging: Arc<TempDir>,
    },
}

/// A log that is read and written, or known.
pub(super) enum Finished {
    Known(FileSummary),
    Staged {
        kept: Box<Kept>,
        parts: Vec<StagedPart>,
        staging: Arc<TempDir>,
    },
}
