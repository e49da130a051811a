//! Raw access logs to the table `access_logs`.
//!
//! ```text
//! inputs ─▶ reader ──────▶ block ──▶ keeper ──▶ chunk ─▶ writer ──▶ publish
//! files,    unpack, digest parse     count,  ╲  sort     Parquet    final names,
//! folders   join lines that          gather   ╲                     log after log
//!           were cut, cut in                   ▶ quarantine
//!           blocks
//! ```
//!
//! The pipeline lets several threads do so at once, on several logs and on several blocks and
//! chunks of one log.
//!
//! Invariants:
//! - Every line is a row, rejected, blank, or the header of a delimited file or a directive of W3C, and
//!   is counted as it. Of a line that a container runtime cut, the last piece is the line and the
//!   others are blank.
//! - No field is read wrongly in silence: what cannot be told is NULL and named in the summary.
//! - A log appears in the warehouse as a whole or not at all, and once: its files are named by the
//!   digest of its bytes, and its rows in `log_files` are written last.
//! - What is written depends on the bytes and options alone: not on threads, timing or the size of
//!   blocks. Logs before one that fails are ingested, those after it are not.
//! - Memory does not depend on the size of a log, the length of its lines or the mix of its dates
//!   (but on the number of its sites). It grows with the threads: see the pipeline for the bound,
//!   with chunks of at most 64 MiB and blocks of 2 MiB of text.

mod absolute_url;
mod access_evidence;
mod access_format;
mod access_layout;
mod access_line;
mod aliases;
mod block;
mod chunk;
mod client;
mod column;
mod cri;
mod delimited_line;
mod detect;
mod duration;
mod error;
mod explanation;
mod field_map;
mod fields;
mod host_field;
mod inputs;
mod json_line;
mod keeper;
mod layout;
mod line_format;
mod lines;
pub mod linked;
mod log_format;
mod ltsv_line;
mod options;
mod passed_over;
mod pipeline;
mod prefix;
mod pseudonym_key;
mod pseudonyms;
mod publish;
mod quarantine;
mod read_as;
mod reader;
mod request;
mod rows;
mod signs;
mod source;
mod summary;
mod timestamp;
mod tokens;
mod undetected;
mod values;
mod w3c_line;
mod w3c_said;
mod writer;

use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use inputs::{Input, InputPlace};
use pipeline::{Cut, Pipeline};

pub use client::{TrustedNetwork, TrustedProxies, UnknownNetwork};
pub use column::LogColumn;
pub use duration::LatencyUnit;
pub use error::{IngestError, WriteError};
pub use explanation::{ExplainedRow, Explanation, RejectedLines, explain};
pub use field_map::{FieldMap, FieldMapError};
pub use line_format::{FormatError, FormatFault, LineFormat};
pub use log_format::{Format, LogFormat};
pub use options::{IngestOptions, READING, TimeLimits, usual_time};
pub use passed_over::Skipped;
pub use pseudonym_key::{
    Addresses, PseudonymError, agree as agree_on_pseudonyms, are_given as has_pseudonyms, read_key,
};
pub use pseudonyms::Pseudonyms;
pub use publish::{ingested_logs, publication_of, remove_unpublished, request_files, short_digest};
pub use read_as::{ColumnReading, Reading, UnreadField};
pub use source::{TextDigests, text_digests};
pub use summary::{Failed, FileStatus, FileSummary, IngestSummary, Totals};
pub use timestamp::Timestamp;

use crate::progress::Progress;
use crate::warehouse::Warehouse;

/// A log that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    input: Input,
    path: PathBuf,
}

impl LogFile {
    /// The log at a path.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        let input = Input {
            place: InputPlace::File(path.clone()),
            site: String::new(),
            is_found: false,
        };
        Self { input, path }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Finds the logs below paths, as [`ingest`] does; the folder of the warehouse is passed over.
///
/// # Errors
/// When a path cannot be read.
pub fn find(paths: &[PathBuf], warehouse: &Warehouse) -> Result<Vec<LogFile>, IngestError> {
    let found = inputs::find(paths, warehouse.root())?;
    let files = found
        .logs
        .into_iter()
        .filter_map(|input| match &input.place {
            InputPlace::File(path) => Some(LogFile {
                path: path.clone(),
                // Patterns match more than logs.
                input: Input {
                    is_found: true,
                    ..input
                },
            }),
            InputPlace::Stdin => None,
        });
    Ok(files.collect())
}

/// Ingests logs that were found: as [`ingest`], but none is an error too.
///
/// # Errors
/// As [`ingest`].
pub fn ingest_files(
    files: &[LogFile],
    options: &IngestOptions,
    warehouse: &Warehouse,
    progress: &dyn Progress,
) -> Result<IngestSummary, IngestError> {
    let inputs: Vec<Input> = files.iter().map(|file| file.input.clone()).collect();
    run(&inputs, options, warehouse, progress, Cut::default())
}

/// The digest by which a log is known: of its stored bytes.
///
/// # Errors
/// When the file cannot be read.
pub fn digest(path: &Path) -> io::Result<String> {
    source::digest_of(path)
}

/// Ingests logs: files, folders with everything below them, and `-` for the standard input.
///
/// The site of a request is that of the options, else that which its line names, else, for a log
/// in a subfolder of a folder given, the name of the first subfolder, else the name of the file up
/// to the first dot, without digits, `-` and `_` at its end.
///
/// A log whose bytes the warehouse holds already changes nothing, unless it is to be read again. Files in folders that are no
/// logs are passed over, and the summary says which; a file that is named itself must be one.
///
/// # Errors
/// When an input cannot be read to its end, is no log, or the warehouse cannot be written. Logs
/// before the failing one stay ingested.
pub fn ingest(
    inputs: &[PathBuf],
    options: &IngestOptions,
    warehouse: &Warehouse,
    progress: &dyn Progress,
) -> Result<IngestSummary, IngestError> {
    ingest_cut(inputs, options, warehouse, progress, Cut::default())
}

/// Ingests logs that are cut up in a certain way.
fn ingest_cut(
    inputs: &[PathBuf],
    options: &IngestOptions,
    warehouse: &Warehouse,
    progress: &dyn Progress,
    cut: Cut,
) -> Result<IngestSummary, IngestError> {
    if inputs.is_empty() {
        return Err(IngestError::NoInput);
    }
    let found = inputs::find(inputs, warehouse.root())?;
    let mut summary = run(&found.logs, options, warehouse, progress, cut)?;
    summary.skipped.splice(..0, found.skipped);
    if summary.files.is_empty() && summary.failed.is_empty() {
        let skipped = summary.skipped.len();
        return Err(IngestError::NoLogs {
            folders: inputs.to_vec(),
            skipped,
        });
    }
    Ok(summary)
}

fn run(
    inputs: &[Input],
    options: &IngestOptions,
    warehouse: &Warehouse,
    progress: &dyn Progress,
    cut: Cut,
) -> Result<IngestSummary, IngestError> {
    agree_on_pseudonyms(warehouse, options.pseudonyms.as_deref())?;
    let threads = options
        .threads
        .or_else(|| thread::available_parallelism().ok());
    let size = inputs.iter().map(Input::size).sum();
    let pipeline = Pipeline {
        inputs,
        options,
        warehouse,
        progress: &*progress.begin("reading log bytes", size),
        cut,
    };
    pipeline.run(threads.map_or(1, NonZeroUsize::get))
}

#[cfg(test)]
mod tests;
