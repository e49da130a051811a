//! What directives of the W3C extended log file format say of the times of lines.
//!
//! Lines without a date are of the day that `#Date:` says, as long as their times go on. Where they go
//! back, another day has begun, and nothing says which: the lines up to the next `#Date:` are rejected.
//! The format has its times in GMT. `#GMT-Offset:` is no part of it, and which way it counts is written
//! nowhere: behind one that is not zero, lines are rejected as well.

use super::request::Reject;
use super::timestamp::{self, DAY};

/// How far lines may be out of order.
const DISORDER: i64 = DAY / 24;

/// What the directives before a line have said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Said {
    day: Option<Day>,
    is_local: bool,
}

/// A day, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Day {
    start: i64,
    /// The time of day of the last line.
    last: i64,
    is_over: bool,
}

impl Said {
    /// Takes in a directive.
    pub(super) fn take(&mut self, line: &str) {
        let Some((name, text)) = line.strip_prefix('#').and_then(|line| line.split_once(':'))
        else {
            return;
        };
        if name.eq_ignore_ascii_case("Date") {
            self.day = timestamp::read(text).map(|at| Day {
                start: at - at.rem_euclid(DAY),
                last: at.rem_euclid(DAY),
                is_over: false,
            });
        } else if name.eq_ignore_ascii_case("GMT-Offset") {
            self.is_local = text.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
        }
    }

    /// Whether times are local.
    pub(super) const fn is_local(&self) -> bool {
        self.is_local
    }

    /// Whether the day is known.
    pub(super) const fn has_day(&self) -> bool {
        self.day.is_some()
    }

    /// The moment of the next line, given its time of day.
    pub(super) fn moment(&mut self, time: i64) -> Result<i64, Reject> {
        let day = self.day.as_mut().ok_or(Reject::NoDate)?;
        day.is_over |= time + DISORDER < day.last;
        day.last = day.last.max(time);
        if day.is_over {
            Err(Reject::NoDate)
        } else {
            Ok(day.start + time)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_where_times_go_back() {
        let hour = DAY / 24;
        let mut said = Said::default();
        assert_eq!(said.moment(0), Err(Reject::NoDate));
        said.take("#Date: 2024-03-04 10:00:05");
        let start = 1_709_510_400_000_000;
        for (time, expected) in [
            (10 * hour, Ok(start + 10 * hour)),
            (23 * hour, Ok(start + 23 * hour)),
            // Out of order.
            (22 * hour + 1, Ok(start + 22 * hour + 1)),
            (hour, Err(Reject::NoDate)),
            (23 * hour, Err(Reject::NoDate)),
        ] {
            assert_eq!(said.moment(time), expected, "{time}");
        }
        said.take("#Date: 2024-03-05");
        assert_eq!(said.moment(hour), Ok(start + 25 * hour));
        said.take("#Date: today");
        assert_eq!(said.moment(hour), Err(Reject::NoDate));
    }

    #[test]
    fn an_offset_makes_times_local() {
        for (line, is_local) in [
            ("#GMT-Offset: -0800", true),
            ("#GMT-Offset: +0000", false),
            ("#gmt-offset: 1", true),
            ("#Remark: 1", false),
        ] {
            let mut said = Said::default();
            said.take(line);
            assert_eq!(said.is_local(), is_local, "{line}");
        }
    }
}
