//! Quantities that users write on the command line and in files: a window step, a size in bytes,
//! a point in time.
//!
//! Each is parsed once, where it enters, into a type that cannot hold an invalid value.

pub mod dates;
mod moments;
pub mod printable;
pub mod zones;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat};
use serde::{Deserialize, Serialize};

pub(crate) use moments::{date_limits, time_range};
pub use moments::{parse_instant, parse_since, parse_until};

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
#[must_use]
pub fn rfc_3339(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros).map_or_else(
        || format!("{micros} µs"),
        |time| time.to_rfc3339_opts(SecondsFormat::Secs, true),
    )
}

/// Reads a whole number and a unit.
fn seconds(text: &str) -> Option<u64> {
    let unit = text.chars().next_back()?;
    let (_, unit_seconds) = STEP_UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let count: u32 = text[..text.len() - 1].parse().ok()?;
    Some(u64::from(count) * u64::from(unit_seconds))
}

/// Writes a whole number of the largest unit that fits.
fn write_seconds(f: &mut fmt::Formatter<'_>, seconds: u32) -> fmt::Result {
    let mut units = STEP_UNITS.into_iter();
    let (name, unit) = units
        .find(|(_, unit)| seconds.is_multiple_of(*unit) && seconds > 0)
        .unwrap_or(('s', 1));
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
    #[error("expected a whole number and a unit, such as `90s`, `10m`, `2h` or `7d`")]
    Span,
    /// Not a size.
    #[error("expected a number and a unit, such as `512MB` or `4GB`")]
    Size,
    /// Not a point in time.
    #[error("expected a date or an RFC 3339 time, such as `2026-11-01` or `2026-11-01T06:30:00Z`")]
    Instant,
    /// Not a point in time, nor one that is told from now.
    #[error(
        "expected a date, an RFC 3339 time, `today`, `yesterday`, or how long ago, such as `2026-11-01`, \
         `2026-11-01T06:30:00Z`, `24h` or `7d`"
    )]
    Moment,
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

impl Default for WindowStep {
    fn default() -> Self {
        Self::MINUTE
    }
}

impl FromStr for WindowStep {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let seconds = seconds(text).ok_or(UnitError::Step)?;
        let seconds = u32::try_from(seconds).map_err(|_| UnitError::UnevenStep)?;
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

/// A length of time in whole seconds, which may be none.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    seconds: u32,
}

impl Span {
    /// How many days it is, if it is whole ones.
    #[must_use]
    pub const fn whole_days(self) -> Option<i64> {
        if self.seconds.is_multiple_of(SECONDS_PER_DAY) {
            Some((self.seconds / SECONDS_PER_DAY) as i64)
        } else {
            None
        }
    }

    /// A day.
    pub const DAY: Self = Self {
        seconds: SECONDS_PER_DAY,
    };

    /// So many days.
    #[must_use]
    pub const fn days(days: u16) -> Self {
        Self {
            seconds: days as u32 * SECONDS_PER_DAY,
        }
    }

    /// So many minutes.
    #[must_use]
    pub const fn minutes(minutes: u16) -> Self {
        Self {
            seconds: minutes as u32 * 60,
        }
    }

    /// The length in microseconds.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.seconds as i64 * 1_000_000
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let seconds = seconds(text).ok_or(UnitError::Span)?;
        let seconds = u32::try_from(seconds).map_err(|_| UnitError::Span)?;
        Ok(Self { seconds })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_seconds(f, self.seconds)
    }
}

impl TryFrom<String> for Span {
    type Error = UnitError;

    fn try_from(text: String) -> Result<Self, UnitError> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
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

/// Reads a date, which stands for its first moment, or a time without an offset.
pub(crate) fn parse_local(text: &str) -> Option<NaiveDateTime> {
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Some(date.and_time(NaiveTime::MIN));
    }
    let formats = [
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%d %H:%M",
    ];
    let mut times = formats
        .iter()
        .map(|format| NaiveDateTime::parse_from_str(text, format));
    times.find_map(std::result::Result::ok)
}

/// A UTC date from midnight to midnight, in microseconds since the epoch.
#[must_use]
pub fn micros_of(date: NaiveDate) -> Range<i64> {
    let day = i64::from(SECONDS_PER_DAY) * 1_000_000;
    let days = date.signed_duration_since(NaiveDate::default()).num_days();
    days * day..(days + 1) * day
}

/// The UTC dates that a range of time touches, from midnight to midnight.
pub(crate) fn whole_dates(range: &Range<i64>) -> Range<i64> {
    const DAY: i64 = SECONDS_PER_DAY as i64 * 1_000_000;
    let end = range.end + (DAY - range.end.rem_euclid(DAY)) % DAY;
    range.start - range.start.rem_euclid(DAY)..end
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
    fn spans_are_read_and_written_back() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("10m", 600),
            ("2h", 7_200),
            ("7d", 604_800),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.micros(), seconds * 1_000_000, "{text}");
            assert_eq!(span.to_string(), text);
        }
        assert_eq!("120s".parse::<Span>(), Ok(Span::minutes(2)));
        for text in ["", "m", "1", "-1m", "1.5h", "1w", "1µ", "4294967295h"] {
            assert_eq!(text.parse::<Span>(), Err(UnitError::Span), "{text}");
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
    fn ranges_become_whole_dates() {
        let day = 86_400_000_000;
        for (range, dates) in [
            (0..day, 0..day),
            (1..day + 1, 0..2 * day),
            (-1..1, -day..day),
            (5..5, 0..day),
        ] {
            assert_eq!(whole_dates(&range), dates, "{range:?}");
        }
        let all = time_range(None, None);
        assert_eq!(whole_dates(&all), all);
    }
}
