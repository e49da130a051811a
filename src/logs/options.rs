//! The options by which logs are read.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use super::client::TrustedProxies;
use super::field_map::FieldMap;
use super::log_format::Format;
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
    /// The networks whose proxies may say who the client is.
    pub trusted_proxies: TrustedProxies,
    /// How many threads work; one per core if it is not said. The result does not depend on it.
    pub threads: Option<NonZeroUsize>,
    /// The times that requests may have.
    pub limits: TimeLimits,
    /// The pseudonyms of clients; their addresses are kept as they are without.
    pub pseudonyms: Option<Arc<Pseudonyms>>,
    /// Whether a log that cannot be read ends only itself, and not those after it.
    pub keep_going: bool,
    /// Whether a log is read again that was read otherwise before.
    pub again: bool,
}

/// Raised whenever the same log is read otherwise with the same options: every log that was read
/// before is then read again, or said to be read otherwise.
pub const READING: u32 = 2;

/// What decides, with its bytes, what is read of a log.
#[derive(Serialize)]
struct ReadingKey<'a> {
    reading: u32,
    format: Option<(&'a str, Option<u8>)>,
    site: Option<&'a str>,
    columns: Vec<(&'a str, &'a str)>,
    trusted_proxies: Vec<String>,
    earliest: Option<i64>,
    ahead_of_file: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pseudonyms: Option<&'a str>,
}

impl IngestOptions {
    /// What tells logs that are read with these options from the same logs read with others: eight
    /// hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let format = self.format.as_ref().map(|format| match format {
            Format::Delimited { delimiter } => (format.name(), Some(*delimiter)),
            other => (other.name(), None),
        });
        let key = ReadingKey {
            reading: READING,
            format,
            site: self.site.as_deref(),
            columns: self.columns.iter().collect(),
            trusted_proxies: self.trusted_proxies.networks().collect(),
            earliest: self.limits.earliest,
            ahead_of_file: self.limits.ahead_of_file,
            pseudonyms: self.pseudonyms.as_deref().map(Pseudonyms::fingerprint),
        };
        // Numbers and text always can be written.
        let text = serde_json::to_vec(&key).unwrap_or_default();
        blake3::hash(&text).to_hex()[..8].to_owned()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_the_rows_changes_the_fingerprint() {
        let plain = IngestOptions::default();
        let others = [
            IngestOptions {
                format: Some(Format::Combined),
                ..plain.clone()
            },
            IngestOptions {
                format: Some(
                    "$remote_addr [$time_local] \"$request\" $status"
                        .parse()
                        .unwrap(),
                ),
                ..plain.clone()
            },
            IngestOptions {
                site: Some("shop".to_owned()),
                ..plain.clone()
            },
            IngestOptions {
                columns: "timestamp=at".parse().unwrap(),
                ..plain.clone()
            },
            IngestOptions {
                trusted_proxies: TrustedProxies::of(["10.0.0.0/8".parse().unwrap()]),
                ..plain.clone()
            },
            IngestOptions {
                pseudonyms: Some(Arc::new(Pseudonyms::new(&[1; 32].into()))),
                ..plain.clone()
            },
        ];
        let mut prints: Vec<_> = others.iter().map(IngestOptions::fingerprint).collect();
        prints.push(plain.fingerprint());
        prints.sort();
        prints.dedup();
        assert_eq!(prints.len(), others.len() + 1);
        let threads = IngestOptions {
            threads: NonZeroUsize::new(3),
            again: true,
            keep_going: true,
            ..plain.clone()
        };
        assert_eq!(threads.fingerprint(), plain.fingerprint());
    }
}
