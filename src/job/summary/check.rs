//! What a run would do.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::dates::span;
use crate::intake::SourceFault;

/// What a run would do.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Checked {
    /// The job file that was checked.
    pub job: PathBuf,
    /// The warehouse.
    pub warehouse: PathBuf,
    /// Logs at the sources.
    pub logs_found: usize,
    /// Logs that would be read.
    pub new_logs: Vec<String>,
    /// Parquet files at the sources, which are linked in place.
    pub parquet_files: usize,
    /// Dates of `traffic_windows` that would be built as things stand, before new logs are read.
    pub windows: BTreeSet<String>,
    /// Dates of `scored_windows` that would be built.
    pub scores: BTreeSet<String>,
    /// Dates of `incidents` and `incident_causes` that would be built.
    pub incidents: BTreeSet<String>,
    /// The detector that decides which windows are anomalous.
    pub detector: String,
    /// The logs and folders that cannot be read.
    pub faults: Vec<SourceFault>,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is in order\nlogs: {} found, {} of them new",
            self.job.display(),
            self.logs_found,
            self.new_logs.len()
        )?;
        if self.parquet_files > 0 {
            write!(f, "; {} Parquet files are linked", self.parquet_files)?;
        }
        write!(f, "\ndetector: {}", self.detector)?;
        let besides = if self.new_logs.is_empty() {
            ""
        } else {
            ", besides those of the new logs"
        };
        write!(f, "\nwindows to build: {}{besides}", span(&self.windows))?;
        write!(f, "\nscores to build: {}{besides}", span(&self.scores))?;
        write!(
            f,
            "\nincidents to build: {}{besides}",
            span(&self.incidents)
        )?;
        for fault in &self.faults {
            write!(f, "\nwarning: `{}`: {}", fault.path, fault.message)?;
        }
        Ok(())
    }
}
