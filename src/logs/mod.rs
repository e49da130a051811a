//! Raw access logs to the table `access_logs`.
//!
//! ```text
//! inputs ─▶ source ─▶ lines ─▶ block ──▶ writer      access_logs, one sorted file per chunk and date
//! files,    unpack,   blocks   parse  ╲
//! folders   digest                     ▶ quarantine  what is no request, with reason and bytes
//! ```
//!
//! Invariants:
//! - Every line is a row, rejected, blank or the header of a delimited file, and is counted as it.
//! - A log appears in the warehouse as a whole or not at all, and once: its files are named by the
//!   digest of its bytes, and its rows in `log_files` are written last.
//! - Memory does not depend on the size of a log, the length of its lines or the mix of its dates
//!   (but on the number of its sites). What is written depends on the bytes and options alone.

mod access_line;
mod block;
mod delimited_line;
mod detect;
mod error;
mod fields;
mod file;
mod inputs;
mod json_line;
mod lines;
mod quarantine;
mod request;
mod rows;
mod source;
mod summary;
mod timestamp;
mod writer;

use std::path::PathBuf;

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
    if inputs.is_empty() {
        return Err(IngestError::NoInput);
    }
    let found = inputs::find(inputs, warehouse.root())
        .map_err(|inputs::Unreadable { path, source }| IngestError::Open { path, source })?;
    let mut summary = IngestSummary {
        skipped: found.skipped,
        ..IngestSummary::default()
    };
    let ingest = file::Ingest {
        options,
        warehouse,
        progress,
    };
    for log in &found.logs {
        match ingest.file(log) {
            Ok(file) => summary.add(file),
            Err(error) if log.is_found && is_no_log(&error) => {
                summary.skipped.push(Skipped {
                    file: log.name(),
                    reason: error.to_string(),
                });
            }
            Err(error) => return Err(error),
        }
    }
    if summary.files.is_empty() {
        let skipped = summary.skipped.len();
        return Err(IngestError::NoLogs {
            folders: inputs.to_vec(),
            skipped,
        });
    }
    Ok(summary)
}

/// Whether a file is no log, as opposed to a log that cannot be read.
fn is_no_log(error: &IngestError) -> bool {
    matches!(
        error,
        IngestError::Empty { .. }
            | IngestError::Unsupported { .. }
            | IngestError::UnknownFormat { .. }
            | IngestError::MissingColumns { .. }
    )
}

#[cfg(test)]
mod tests;
