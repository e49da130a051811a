//! Where logs come from, and what lies there.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::explain::chain;
use crate::logs::linked::LeftOut;
use crate::logs::{self, IngestOptions, LogFile};
use crate::warehouse::Warehouse;

/// Some logs that are written alike.
#[derive(Debug, Clone)]
pub struct LogSource {
    /// Files, folders and patterns of them.
    pub paths: Vec<PathBuf>,
    /// How they are read.
    pub options: IngestOptions,
    /// Which of them are Parquet, to be linked in place.
    pub parquet: ParquetLogs,
}

/// Which logs of a source are Parquet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParquetLogs {
    /// None: they are of another format.
    None,
    /// Those whose names or first bytes say so; the others are text.
    Telling,
    /// All of them.
    All,
}

impl From<LeftOut> for SourceFault {
    fn from(file: LeftOut) -> Self {
        Self {
            message: file.message(),
            path: file.path.display().to_string(),
        }
    }
}

/// Something about a source that a run does not end for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceFault {
    /// The path as the job or the folder has it.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// The logs of a source, in the order of their paths.
pub(super) fn files_of(
    source: &LogSource,
    warehouse: &Warehouse,
    faults: &mut Vec<SourceFault>,
) -> Vec<LogFile> {
    let mut files = Vec::new();
    if source.parquet == ParquetLogs::All {
        return files;
    }
    for path in &source.paths {
        let paths = expand(path);
        if paths.is_empty() {
            faults.push(missing(path));
            continue;
        }
        match logs::find(&paths, warehouse) {
            Ok(found) => files.extend(found),
            Err(error) => faults.push(SourceFault {
                path: path.display().to_string(),
                message: chain(&error),
            }),
        }
    }
    files
}

pub(super) fn missing(path: &Path) -> SourceFault {
    fault(&path.display().to_string(), "no such file or folder")
}

/// A path, or those that it is a pattern of.
pub(super) fn expand(path: &Path) -> Vec<PathBuf> {
    if path.exists() {
        return vec![path.to_owned()];
    }
    match glob::glob(&path.to_string_lossy()) {
        Ok(paths) => paths.filter_map(std::result::Result::ok).collect(),
        Err(_) => Vec::new(),
    }
}

pub(super) fn fault(path: &str, message: &str) -> SourceFault {
    SourceFault {
        path: path.to_owned(),
        message: message.to_owned(),
    }
}
