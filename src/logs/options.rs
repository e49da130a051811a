//! The options by which logs are read.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

use super::detect::Format;
use super::field_map::FieldMap;
use super::pseudonyms::Pseudonyms;

/// The options by which logs are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngestOptions {
    /// The format of every log; detected from the first lines of each if it is not said.
    pub format: Option<Format>,
    /// The site of every request; taken from lines, folders and file names if it is not said.
    pub site: Option<String>,
    /// The fields that hold the columns, for JSON and delimited logs.
    pub columns: FieldMap,
    /// How many threads work; one per core if it is not said. The result does not depend on it.
    pub threads: Option<NonZeroUsize>,
    /// The times that requests may have.
    pub limits: TimeLimits,
    /// The pseudonyms of clients; their addresses are kept as they are without.
    pub pseudonyms: Option<Arc<Pseudonyms>>,
    /// Whether a log that cannot be read ends only itself, and not those after it.
    pub keep_going: bool,
}

/// The times that the requests of a log may have; other lines are rejected.
///
/// Both are properties of the log and of the limits, not of the time at which it is read: a log
/// gives the same rows whenever it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeLimits {
    /// First time, microseconds since the Unix epoch.
    pub earliest: Option<i64>,
    /// How much later than its file was last written a request may be, in microseconds. No line
    /// is older than its file unless a clock was wrong.
    pub ahead_of_file: Option<i64>,
}

impl TimeLimits {
    /// The times for a log that was last written then; any if the log is no file.
    pub(super) fn times(self, written: Option<i64>) -> Range<i64> {
        let end = written.zip(self.ahead_of_file);
        let end = end.map(|(written, ahead)| written.saturating_add(ahead));
        self.earliest.unwrap_or(i64::MIN)..end.unwrap_or(i64::MAX)
    }
}
