//! Raw access logs to the table `access_logs`.
//!
//! ```text
//! inputs ─▶ reader ──────▶ block ──▶ keeper ──▶ chunk ─▶ writer ──▶ publish
//! files,    unpack, digest parse     count,  ╲  sort     Parquet    final names,
//! folders   cut in blocks            gather   ╲                     log after log
//!                                              ▶ quarantine
//! ```
//!
//! The pipeline lets several threads do so at once, on several logs and on several blocks and
//! chunks of one log.
//!
//! Invariants:
//! - Every line is a row, rejected, blank or the header of a delimited file, and is counted as it.
//! - A log appears in the warehouse as a whole or not at all, and once: its files are named by the
//!   digest of its bytes, and its rows in `log_files` are written last.
//! - What is written depends on the bytes and options alone: not on threads, timing or the size of
//!   blocks. Logs before one that fails are ingested, those after it are not.
//! - Memory does not depend on the size of a log, the length of its lines or the mix of its dates
//!   (but on the number of its sites). It grows with the threads: see the pipeline for the bound,
//!   with chunks of at most 64 MiB and blocks of 2 MiB of text.

mod access_line;
mod block;
mod chunk;
mod delimited_line;
mod detect;
mod error;
mod fields;
mod inputs;
mod json_line;
mod keeper;
mod lines;
mod pipeline;
mod publish;
mod quarantine;
mod reader;
mod request;
mod rows;
mod source;
mod summary;
mod timestamp;
mod writer;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;

use inputs::Input;
use pipeline::{Cut, Pipeline};

pub use detect::{Format, UnknownFormatName};
pub use error::{IngestError, WriteError};
pub use fields::{FieldMap, FieldMapError};
pub use summary::{
    FileStatus, FileSummary, IngestProgress, IngestSummary, NoProgress, Skipped, Totals,
};
pub use timestamp::Timestamp;

use crate::warehouse::Warehouse;

/// How logs are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngestOptions {
    /// The format of every log; told from the first lines of each if not said.
    pub format: Option<Format>,
    /// The site of every request; told from lines, folders and file names if not said.
    pub site: Option<String>,
    /// The fields that hold the columns, for JSON and delimited logs.
    pub columns: FieldMap,
    /// How many threads work; one per core if not said. The result does not depend on it.
    pub threads: Option<NonZeroUsize>,
}

/// Ingests logs: files, folders with everything below them, and `-` for the standard input.
///
/// The site of a request is that of the options, else that which its line names, else, for a log
/// in a subfolder of a folder given, the name of the first subfolder, else the name of the file up
/// to the first dot, without digits, `-` and `_` at its end.
///
/// A log whose bytes the warehouse holds already changes nothing. Files in folders that are no
/// logs are passed over, and the summary says which; a file that is named itself must be one.
///
/// # Errors
/// When an input cannot be read to its end, is no log, or the warehouse cannot be written. Logs
/// before the failing one stay ingested.
pub fn ingest(
    inputs: &[PathBuf],
    options: &IngestOptions,
    warehouse: &Warehouse,
    progress: &dyn IngestProgress,
) -> Result<IngestSummary, IngestError> {
    ingest_cut(inputs, options, warehouse, progress, Cut::default())
}

/// Ingests logs that are cut up in a certain way.
fn ingest_cut(
    inputs: &[PathBuf],
    options: &IngestOptions,
    warehouse: &Warehouse,
    progress: &dyn IngestProgress,
    cut: Cut,
) -> Result<IngestSummary, IngestError> {
    if inputs.is_empty() {
        return Err(IngestError::NoInput);
    }
    let found = inputs::find(inputs, warehouse.root())
        .map_err(|inputs::Unreadable { path, source }| IngestError::Open { path, source })?;
    let pipeline = Pipeline {
        inputs: &found.logs,
        options,
        warehouse,
        progress,
        cut,
    };
    let threads = options
        .threads
        .or_else(|| thread::available_parallelism().ok());
    progress.start(found.logs.iter().map(Input::size).sum());
    let outcome = pipeline.run(threads.map_or(1, NonZeroUsize::get));
    progress.finish();
    let mut summary = outcome?;
    summary.skipped.splice(..0, found.skipped);
    if summary.files.is_empty() {
        let skipped = summary.skipped.len();
        return Err(IngestError::NoLogs {
            folders: inputs.to_vec(),
            skipped,
        });
    }
    Ok(summary)
}

#[cfg(test)]
mod tests;
