//! Quantities that users write on the command line and in files: a window step, a size in bytes,
//! a point in time.
//!
//! Each is parsed once, where it enters, into a type that cannot hold an invalid value.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

const SECONDS_PER_DAY: u32 = 86_400;

/// The units of a step, largest first, in seconds.
const STEP_UNITS: [(char, u32); 4] = [('d', SECONDS_PER_DAY), ('h', 3_600), ('m', 60), ('s', 1)];

/// The units of a size, in bytes. Like `free` and `ls`, `1GB` is 2³⁰ bytes.
const SIZE_UNITS: [(char, u64); 4] = [
    ('K', 1 << 10),
    ('M', 1 << 20),
    ('G', 1 << 30),
    ('T', 1 << 40),
];

/// A point in time in microseconds since the epoch as RFC 3339, in seconds.
pub(crate) fn rfc_3339(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros).map_or_else(
        || format!("{micros} µs"),
        |time| time.to_rfc3339_opts(SecondsFormat::Secs, true),
    )
}

/// A length of time, whole seconds and more than none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeSpan {
    seconds: u32,
}

impl TimeSpan {
    /// A day.
    pub const DAY: Self = Self {
        seconds: SECONDS_PER_DAY,
    };

    /// The length in microseconds.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.seconds as i64 * 1_000_000
    }
}

impl FromStr for TimeSpan {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let seconds = seconds(text).ok_or(UnitError::Span)?;
        if seconds == 0 {
            return Err(UnitError::Span);
        }
        Ok(Self { seconds })
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_seconds(f, self.seconds)
    }
}

impl TryFrom<String> for TimeSpan {
    type Error = UnitError;

    fn try_from(text: String) -> Result<Self, UnitError> {
        text.parse()
    }
}

impl From<TimeSpan> for String {
    fn from(span: TimeSpan) -> Self {
        span.to_string()
    }
}

/// Reads a whole number and a unit.
fn seconds(text: &str) -> Option<u32> {
    let unit = text.chars().next_back()?;
    let (_, unit_seconds) = STEP_UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let count: u32 = text[..text.len() - 1].parse().ok()?;
    // What is more than a `u32` holds is no length that anything here has.
    Some(count.saturating_mul(unit_seconds))
}

/// Writes a whole number of the largest unit that fits.
fn write_seconds(f: &mut fmt::Formatter<'_>, seconds: u32) -> fmt::Result {
    let (name, unit) = STEP_UNITS
        .into_iter()
        .find(|(_, unit)| seconds.is_multiple_of(*unit))
        .expect("every length is a whole number of seconds");
    write!(f, "{}{name}", seconds / unit)
}

/// A quantity that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a whole number and a unit.
    #[error("expected a whole number and a unit, such as `30s`, `1m`, `5m` or `1h`")]
    Step,
    /// A step that does not cut a day into equal windows.
    #[error("a step must divide a day evenly, such as `30s`, `1m`, `5m`, `1h` or `1d`")]
    UnevenStep,
    /// Not a length of time.
    #[error("expected a whole number and a unit, such as `90s`, `30m`, `12h` or `7d`")]
    Span,
    /// Not a size.
    #[error("expected a number and a unit, such as `512MB` or `4GB`")]
    Size,
    /// Not a point in time.
    #[error("expected a date or an RFC 3339 time, such as `2026-11-01` or `2026-11-01T06:30:00Z`")]
    Instant,
}

/// The length of a window: whole seconds that divide a day, so that every day of every series is
/// cut at the same points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WindowStep {
    seconds: u32,
}

impl WindowStep {
    /// One minute, the step unless another is asked for.
    pub const MINUTE: Self = Self { seconds: 60 };

    /// The length in seconds.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.seconds
    }

    /// The length in microseconds, the unit of every timestamp in the warehouse.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.seconds as i64 * 1_000_000
    }

    /// How many windows a day has.
    #[must_use]
    pub const fn per_day(self) -> u32 {
        SECONDS_PER_DAY / self.seconds
    }
}

impl FromStr for WindowStep {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let seconds = seconds(text).ok_or(UnitError::Step)?;
        if seconds == 0 || !SECONDS_PER_DAY.is_multiple_of(seconds) {
            return Err(UnitError::UnevenStep);
        }
        Ok(Self { seconds })
    }
}

impl fmt::Display for WindowStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_seconds(f, self.seconds)
    }
}

impl TryFrom<String> for WindowStep {
    type Error = UnitError;

    fn try_from(text: String) -> Result<Self, UnitError> {
        text.parse()
    }
}

impl From<WindowStep> for String {
    fn from(step: WindowStep) -> Self {
        step.to_string()
    }
}

/// A size in bytes, more than zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let upper = text.trim().to_ascii_uppercase();
        let number = upper
            .strip_suffix("IB")
            .or_else(|| upper.strip_suffix('B'))
            .unwrap_or(&upper);
        let (number, unit) = SIZE_UNITS
            .into_iter()
            .find_map(|(name, unit)| Some((number.strip_suffix(name)?, unit)))
            .unwrap_or((number, 1));
        let number: f64 = number.trim().parse().map_err(|_| UnitError::Size)?;
        let bytes = number * unit as f64;
        // 2^53: below, a float holds every whole number.
        if !(1.0..9_007_199_254_740_992.0).contains(&bytes) {
            return Err(UnitError::Size);
        }
        Ok(Self(bytes as u64))
    }
}

/// Reads a date (midnight UTC) or an RFC 3339 time.
///
/// # Errors
/// When `text` is neither.
pub fn parse_instant(text: &str) -> Result<DateTime<Utc>, UnitError> {
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Ok(date.and_time(NaiveTime::MIN).and_utc());
    }
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|_| UnitError::Instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_divide_a_day_are_read_and_written_back() {
        for (text, seconds) in [
            ("1s", 1),
            ("30s", 30),
            ("1m", 60),
            ("5m", 300),
            ("90m", 5_400),
            ("1h", 3_600),
            ("1d", 86_400),
        ] {
            let step: WindowStep = text.parse().unwrap();
            assert_eq!(step.seconds(), seconds, "{text}");
            assert_eq!(step.to_string().parse(), Ok(step), "{text}");
        }
        assert_eq!(WindowStep { seconds: 3_600 }.to_string(), "1h");
        assert_eq!(WindowStep::MINUTE.per_day(), 1_440);
    }

    #[test]
    fn other_steps_are_refused() {
        for text in ["", "m", "1", "-1m", "1.5m", "1w", "1µ", "1 m"] {
            assert_eq!(text.parse::<WindowStep>(), Err(UnitError::Step), "{text}");
        }
        for text in ["0m", "7m", "2d", "11h", "4294967295h"] {
            assert_eq!(
                text.parse::<WindowStep>(),
                Err(UnitError::UnevenStep),
                "{text}"
            );
        }
    }

    #[test]
    fn lengths_of_time_need_not_divide_a_day() {
        for (text, seconds) in [("90s", 90), ("7d", 604_800), ("11h", 39_600)] {
            let span: TimeSpan = text.parse().unwrap();
            assert_eq!(span.micros(), seconds * 1_000_000, "{text}");
            assert_eq!(span.to_string().parse(), Ok(span), "{text}");
        }
        for text in ["", "0s", "1", "1.5h", "-1d", "d", "1w"] {
            assert_eq!(text.parse::<TimeSpan>(), Err(UnitError::Span), "{text}");
        }
    }

    #[test]
    fn sizes_take_binary_units() {
        for (text, bytes) in [
            ("1", 1),
            ("1k", 1024),
            ("1.5MB", 1_572_864),
            ("2GiB", 2 << 30),
            (" 1 G ", 1 << 30),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "GB", "0", "-1MB", "NaN", "inf", "1e300GB", "12XB"] {
            assert_eq!(text.parse::<ByteSize>(), Err(UnitError::Size), "{text}");
        }
    }

    #[test]
    fn instants_are_dates_or_rfc_3339() {
        let midnight = parse_instant("2026-11-01").unwrap();
        assert_eq!(parse_instant("2026-11-01T01:00:00+01:00"), Ok(midnight));
        for text in ["", "2026-13-01", "2026-11-01 00:00", "yesterday"] {
            assert_eq!(parse_instant(text), Err(UnitError::Instant), "{text}");
        }
    }
}
