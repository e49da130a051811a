//! The time zone of a series: what time of day it is where its users live.
//!
//! Times are instants, in every zone; blocks and grids stand still in UTC. Local are only the time
//! of day, the day, the time of the week and the same time yesterday. Where clocks change, users
//! change with them, and so do the windows that a window is compared with.
//!
//! Local time counts in windows: how far it is ahead is rounded down to whole windows, so windows
//! of 1 hour in India, 5½ hours ahead, are compared as if it were 5. Windows longer than an hour
//! cannot tell that clocks change, and are taken as UTC.

mod days;

use std::fmt;
use std::str::FromStr;

use chrono::FixedOffset;
use chrono_tz::{IANA_TZDB_VERSION, TZ_VARIANTS, Tz};
use serde::{Deserialize, Serialize};
use thiserror::Error;

const HOUR_MICROS: i64 = 3_600_000_000;
const DAY_MICROS: i64 = 24 * HOUR_MICROS;
/// Clocks that change by more than this moved across the date line: the same time yesterday is
/// 24 hours before.
const LARGEST_CHANGE_MICROS: i64 = 3 * HOUR_MICROS;

/// A time zone: UTC, a fixed offset from it, or a region whose clocks may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TimeZone(Rules);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Rules {
    #[default]
    Utc,
    Fixed(FixedOffset),
    Region(Tz),
}

/// No zone has this name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no time zone `{name}` is known")]
pub struct UnknownTimeZone {
    /// The name that was given.
    pub name: String,
}

impl UnknownTimeZone {
    /// The hint that goes with the message.
    #[must_use]
    pub fn hint(&self) -> String {
        let last = |name: &str| -> String {
            let last = name.rsplit('/').next().unwrap_or_default();
            let letters = last.chars().filter(|letter| letter.is_alphanumeric());
            letters.collect::<String>().to_lowercase()
        };
        let wanted = last(&self.name);
        let meant = TZ_VARIANTS.iter().find(|zone| last(zone.name()) == wanted);
        match meant {
            Some(zone) => format!("did you mean `{zone}`?"),
            None => "zones have the names of the IANA database, such as `Europe/Berlin`, or are \
                     offsets, such as `+02:00`"
                .to_owned(),
        }
    }
}

impl FromStr for TimeZone {
    type Err = UnknownTimeZone;

    fn from_str(name: &str) -> Result<Self, UnknownTimeZone> {
        let rules = match name.parse() {
            Ok(Tz::UTC | Tz::Etc__UTC | Tz::Zulu | Tz::Etc__Zulu | Tz::GMT | Tz::Etc__GMT) => {
                Rules::Utc
            }
            Ok(region) => Rules::Region(region),
            Err(_) => match offset(name) {
                Some(offset) if offset.local_minus_utc() == 0 => Rules::Utc,
                Some(offset) => Rules::Fixed(offset),
                None => {
                    return Err(UnknownTimeZone {
                        name: name.to_owned(),
                    });
                }
            },
        };
        Ok(Self(rules))
    }
}

/// Reads an offset as the types of Arrow's timestamps have them: `+09:00`, `+0930` or `-09`.
fn offset(name: &str) -> Option<FixedOffset> {
    let mut characters = name.chars();
    let sign = match characters.next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits: String = match name.len() {
        6 if name.as_bytes()[3] == b':' => characters.filter(|c| *c != ':').collect(),
        5 => characters.collect(),
        3 => characters.chain("00".chars()).collect(),
        _ => return None,
    };
    if digits.len() != 4 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = digits.split_at(2);
    let seconds = hours.parse::<i32>().ok()? * 3_600 + minutes.parse::<i32>().ok()? * 60;
    FixedOffset::east_opt(sign * seconds)
}

impl From<TimeZone> for String {
    fn from(zone: TimeZone) -> Self {
        zone.to_string()
    }
}

impl TryFrom<String> for TimeZone {
    type Error = UnknownTimeZone;

    fn try_from(name: String) -> Result<Self, UnknownTimeZone> {
        name.parse()
    }
}

/// The name, which can be parsed again.
impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Rules::Utc => f.write_str("UTC"),
            Rules::Fixed(offset) => offset.fmt(f),
            Rules::Region(region) => f.write_str(region.name()),
        }
    }
}

impl TimeZone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(Rules::Utc);

    /// Whether local time is UTC, always.
    #[must_use]
    pub fn is_utc(self) -> bool {
        self == Self::UTC
    }

    /// A text that differs between zones whose local times may differ: the name, and for regions, whose
    /// rules governments change, the version of the database.
    #[must_use]
    pub fn identity(self) -> String {
        match self.0 {
            Rules::Region(_) => format!("{self} {IANA_TZDB_VERSION}"),
            Rules::Utc | Rules::Fixed(_) => self.to_string(),
        }
    }

    /// The offset of local time from UTC at a time in microseconds since the epoch, in
    /// microseconds; negative where it is behind. 0 beyond the years that dates can have.
    #[must_use]
    pub fn offset_micros(self, micros: i64) -> i64 {
        let seconds = match self.0 {
            Rules::Utc => return 0,
            Rules::Fixed(offset) => offset.local_minus_utc(),
            Rules::Region(region) => {
                let seconds = micros.div_euclid(1_000_000);
                days::seconds_ahead(region, seconds).unwrap_or(0)
            }
        };
        i64::from(seconds) * 1_000_000
    }

    /// When clocks show a time, given in microseconds as if it were UTC: the first time and the last,
    /// which are the same unless clocks are put back over it. Of a time that they skip it is the moment
    /// at which they do.
    #[must_use]
    pub fn micros_of_local(self, local: i64) -> (i64, i64) {
        // A day before and after, clocks show what they do on either side of a change.
        let [before, after] =
            [-DAY_MICROS, DAY_MICROS].map(|away| local - self.offset_micros(local + away));
        let is_shown = |micros: &i64| micros + self.offset_micros(*micros) == local;
        match (is_shown(&before), is_shown(&after)) {
            (true, true) => (before.min(after), before.max(after)),
            (true, false) => (before, before),
            (false, true) => (after, after),
            (false, false) => {
                let change = self.first_offset_after(after, before);
                (change, change)
            }
        }
    }

    /// The first moment after one, and not after another, at which the offset is that of the other.
    fn first_offset_after(self, mut before: i64, mut at: i64) -> i64 {
        let offset = self.offset_micros(at);
        while at - before > 1 {
            let middle = before + (at - before) / 2;
            if self.offset_micros(middle) == offset {
                at = middle;
            } else {
                before = middle;
            }
        }
        at
    }

    /// The zone as windows of a length know it: UTC for those longer than an hour.
    pub(crate) fn of_windows(self, step_micros: i64) -> Self {
        if step_micros > HOUR_MICROS {
            Self::UTC
        } else {
            self
        }
    }

    /// The offset of local time from UTC at a grid index, in whole windows, rounded down.
    pub(crate) fn windows_ahead(self, index: i64, step_micros: i64) -> i64 {
        if self.is_utc() {
            return 0;
        }
        let micros = index.saturating_mul(step_micros);
        self.offset_micros(micros).div_euclid(step_micros)
    }

    /// By how many windows more than 24 hours, or less, the same time yesterday can be before.
    pub(crate) fn largest_change(self, step_micros: i64) -> usize {
        match self.of_windows(step_micros).0 {
            Rules::Region(_) => {
                (LARGEST_CHANGE_MICROS as u64).div_ceil(step_micros as u64) as usize
            }
            Rules::Utc | Rules::Fixed(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        name.parse().unwrap()
    }

    /// Minutes ahead of UTC at a time.
    fn minutes(name: &str, time: &str) -> i64 {
        let time: DateTime<chrono::Utc> = time.parse().unwrap();
        zone(name).offset_micros(time.timestamp_micros()) / 60_000_000
    }

    #[test]
    fn offsets_are_those_of_the_rules() {
        assert_eq!(minutes("Europe/Berlin", "2026-03-29T00:59:59Z"), 60);
        assert_eq!(minutes("Europe/Berlin", "2026-03-29T01:00:00Z"), 120);
        assert_eq!(minutes("Europe/Berlin", "2026-10-25T00:59:59Z"), 120);
        assert_eq!(minutes("Europe/Berlin", "2026-10-25T01:00:00Z"), 60);
        // South of the equator summer is in January.
        assert_eq!(minutes("Australia/Sydney", "2026-01-01T00:00:00Z"), 660);
        assert_eq!(minutes("Australia/Sydney", "2026-07-01T00:00:00Z"), 600);
        // Half an hour of summer; quarters of an hour.
        assert_eq!(minutes("Australia/Lord_Howe", "2026-01-01T00:00:00Z"), 660);
        assert_eq!(minutes("Australia/Lord_Howe", "2026-07-01T00:00:00Z"), 630);
        assert_eq!(minutes("Asia/Kathmandu", "2026-07-01T00:00:00Z"), 345);
        assert_eq!(minutes("-03:30", "2026-07-01T00:00:00Z"), -210);
        assert_eq!(minutes("America/New_York", "1969-12-31T23:59:59Z"), -300);
    }

    #[test]
    fn local_times_are_instants() {
        let instant = |name: &str, local: &str| {
            let local: DateTime<chrono::Utc> = format!("{local}Z").parse().unwrap();
            let (first, last) = zone(name).micros_of_local(local.timestamp_micros());
            let text = |micros| {
                let time = DateTime::from_timestamp_micros(micros).unwrap();
                time.format("%m-%dT%H:%M").to_string()
            };
            if first == last {
                text(first)
            } else {
                format!("{} {}", text(first), text(last))
            }
        };
        let cases = [
            ("UTC", "2026-03-29T02:30:00", "03-29T02:30"),
            ("+05:30", "2026-03-29T02:30:00", "03-28T21:00"),
            ("Europe/Berlin", "2026-03-29T00:00:00", "03-28T23:00"),
            ("Europe/Berlin", "2026-03-30T00:00:00", "03-29T22:00"),
            // Skipped, up to the first that is not, then shown twice.
            ("Europe/Berlin", "2026-03-29T01:59:59", "03-29T00:59"),
            ("Europe/Berlin", "2026-03-29T02:00:00", "03-29T01:00"),
            ("Europe/Berlin", "2026-03-29T02:30:00", "03-29T01:00"),
            ("Europe/Berlin", "2026-03-29T03:00:00", "03-29T01:00"),
            (
                "Europe/Berlin",
                "2026-10-25T02:30:00",
                "10-25T00:30 10-25T01:30",
            ),
            ("Europe/Berlin", "2026-10-25T03:00:00", "10-25T02:00"),
            (
                "America/New_York",
                "2026-11-01T01:00:00",
                "11-01T05:00 11-01T06:00",
            ),
            ("America/New_York", "2026-03-08T02:30:00", "03-08T07:00"),
            // A day that begins at 01:00.
            ("Africa/Cairo", "2026-04-24T00:00:00", "04-23T22:00"),
        ];
        for (name, local, expected) in cases {
            assert_eq!(instant(name, local), expected, "{name} {local}");
        }
    }

    #[test]
    fn utc_has_many_names_and_no_offset() {
        for name in ["UTC", "Etc/UTC", "GMT", "Zulu", "+00:00", "-00:00"] {
            assert_eq!(zone(name), TimeZone::UTC, "{name}");
        }
        assert_eq!(TimeZone::UTC.windows_ahead(i64::MAX, 60_000_000), 0);
        assert_eq!(zone("+02:00").to_string(), "+02:00");
        for name in ["UTC", "+02:00", "-09:30", "Asia/Kolkata"] {
            assert_eq!(zone(&zone(name).to_string()), zone(name));
        }
    }

    #[test]
    fn unknown_zones_have_a_hint() {
        let hint = |name: &str| name.parse::<TimeZone>().unwrap_err().hint();
        assert_eq!(hint("Berlin"), "did you mean `Europe/Berlin`?");
        assert_eq!(hint("america/new york"), "did you mean `America/New_York`?");
        insta::assert_snapshot!(
            hint("Mars/Olympus"),
            @"zones have the names of the IANA database, such as `Europe/Berlin`, or are offsets, such as `+02:00`"
        );
        assert!("".parse::<TimeZone>().is_err() && "+25:00".parse::<TimeZone>().is_err());
    }

    #[test]
    fn local_time_counts_in_windows() {
        let at = |name: &str, step_micros| zone(name).windows_ahead(0, step_micros);
        assert_eq!(at("Asia/Kolkata", 60_000_000), 330);
        assert_eq!(at("Asia/Kolkata", HOUR_MICROS), 5);
        assert_eq!(at("-03:30", HOUR_MICROS), -4);
        assert!(zone("Asia/Kolkata").of_windows(HOUR_MICROS + 1).is_utc());
        // Times that no calendar has.
        assert_eq!(
            zone("Europe/Berlin").windows_ahead(i64::MAX, HOUR_MICROS),
            0
        );
    }
}
