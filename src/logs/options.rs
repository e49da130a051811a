//! The options by which logs are read.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

use chrono::{NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

use super::client::TrustedProxies;
use super::field_map::FieldMap;
use super::log_format::Format;
use super::pseudonyms::Pseudonyms;
use crate::units::Span;
use crate::units::dates::as_text;

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
pub const READING: u32 = 3;

/// What decides, with its bytes, what is read of a log.
#[derive(Serialize)]
struct ReadingKey<'a> {
    reading: u32,
    format: Option<(&'a str, Option<u8>)>,
    site: Option<&'a str>,
    columns: Vec<(&'a str, &'a str)>,
    trusted_proxies: Vec<String>,
    limits: TimeLimits,
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
            limits: self.limits,
            pseudonyms: self.pseudonyms.as_deref().map(Pseudonyms::fingerprint),
        };
        // Numbers and text always can be written.
        let text = serde_json::to_vec(&key).unwrap_or_default();
        blake3::hash(&text).to_hex()[..8].to_owned()
    }
}

/// The times that the requests of a log may have; other rows are set aside.
///
/// All are properties of the log and of the limits, not of the time at which it is read: a log gives
/// the same rows whenever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeLimits {
    /// First date.
    #[serde(with = "as_text")]
    pub earliest: NaiveDate,
    /// How much later than its file was last written a request may be. No row is younger than its
    /// file unless a clock was wrong.
    pub ahead_of_file: Span,
    /// How much earlier a request may be than most of the first rows of its log, and how much later
    /// where the log is no file. Logs begin with their oldest rows; what is years older comes from a
    /// clock that was not set.
    pub before_log: Span,
}

impl TimeLimits {
    /// The first date unless another is said: no web server wrote a log before.
    pub const EARLIEST: NaiveDate = match NaiveDate::from_ymd_opt(1990, 1, 1) {
        Some(date) => date,
        None => NaiveDate::MIN,
    };
    /// How much later than its file a request may be unless it is said: a zone is never further off.
    pub const AHEAD_OF_FILE: Span = Span::DAY;
    /// How much earlier than its log a request may be unless it is said: five years.
    pub const BEFORE_LOG: Span = Span::days(1826);

    /// The times for a log that was last written at one time, if it is a file, and whose first rows
    /// are mostly of another; both in microseconds since the Unix epoch, as what is returned.
    #[must_use]
    pub fn times(self, written: Option<i64>, usual: Option<i64>) -> Range<i64> {
        let earliest = self.earliest.and_time(NaiveTime::MIN).and_utc();
        let before = usual.map(|usual| usual.saturating_sub(self.before_log.micros()));
        let after_log = usual.map(|usual| usual.saturating_add(self.before_log.micros()));
        let after_file = written.map(|at| at.saturating_add(self.ahead_of_file.micros()));
        let start = earliest.timestamp_micros();
        start.max(before.unwrap_or(start))..after_file.or(after_log).unwrap_or(i64::MAX)
    }
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            earliest: Self::EARLIEST,
            ahead_of_file: Self::AHEAD_OF_FILE,
            before_log: Self::BEFORE_LOG,
        }
    }
}

/// The time that half of some rows are not after; of two the later one. A few rows with wrong clocks
/// do not move it far.
#[must_use]
pub fn usual_time(times: &[i64]) -> Option<i64> {
    let mut times = times.to_vec();
    let middle = times.len() / 2;
    (!times.is_empty()).then(|| *times.select_nth_unstable(middle).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_bound_by_the_log_and_its_file() {
        let day = Span::DAY.micros();
        let limits = TimeLimits::default();
        let usual = 20_000 * day;
        let written = 20_100 * day;
        assert_eq!(
            limits.times(Some(written), Some(usual)),
            usual - 1826 * day..written + day
        );
        assert_eq!(
            limits.times(None, Some(usual)),
            usual - 1826 * day..usual + 1826 * day
        );
        // 1990-01-01, and no end.
        assert_eq!(limits.times(None, None), 7_305 * day..i64::MAX);
        assert_eq!(limits.times(None, Some(0)).start, 7_305 * day);
    }

    #[test]
    fn few_wrong_clocks_do_not_move_the_usual_time() {
        assert_eq!(usual_time(&[]), None);
        assert_eq!(usual_time(&[0, 9]), Some(9));
        assert_eq!(usual_time(&[7, 0, 8, i64::MAX, 9]), Some(8));
    }

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
