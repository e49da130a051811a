//! Points in time as logs write them, in microseconds since the Unix epoch, UTC.
//!
//! Read: `22/Jan/2021:01:47:05 +0000` (common log format, also with a space before the time of day),
//! RFC 3339 and its variants with a space or with slashes, the dates of HTTP and of C's `asctime`,
//! and numbers since the epoch. A time without zone is UTC. Every reader returns [`None`] for text
//! that is no time; [`is_plausible`] decides separately whether a time can be one of a request.

use std::fmt;

use serde::{Serialize, Serializer};

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;
/// Microseconds in a day.
pub(super) const DAY: i64 = 86_400 * SECOND;
/// 1990-01-01: no web server wrote a log before.
const EARLIEST: i64 = 631_152_000 * SECOND;
/// 2100-01-01: later times come from damaged lines or broken clocks.
const END: i64 = 4_102_444_800 * SECOND;

/// Whether a request can have happened then: in the years 1990 to 2099.
pub(super) const fn is_plausible(micros: i64) -> bool {
    EARLIEST <= micros && micros < END
}

/// A point in time which is shown and serialised as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A point in time from microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Date { year, month, day } = Date::from_days(self.0.div_euclid(DAY));
        let time = self.0.rem_euclid(DAY);
        let seconds = time / SECOND;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        match time % SECOND {
            0 => f.write_str("Z"),
            fraction => write!(f, ".{fraction:06}Z"),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A day of the proleptic Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    /// The year.
    pub(super) year: i64,
    /// 1 to 12.
    pub(super) month: i64,
    /// 1 to 31.
    pub(super) day: i64,
}

impl Date {
    /// The date of a day number, by the algorithm of Howard Hinnant
    /// (<https://howardhinnant.github.io/date_algorithms.html>).
    pub(super) const fn from_days(days: i64) -> Self {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        Self {
            year: year_of_era + era * 400 + (month <= 2) as i64,
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
        }
    }

    /// Days since 1970-01-01, or nothing if the calendar has no such day.
    const fn days(self) -> Option<i64> {
        let Self { year, month, day } = self;
        if month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) {
            return None;
        }
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_from_march = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Some(era * 146_097 + day_of_era - 719_468)
    }
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Bytes of `22/Jan/2021:01:47:05 +0000`.
pub(super) const CLF_LENGTH: usize = 26;

/// Reads times in common log format, remembering the last one and its day: neighbours share them.
#[derive(Debug, Clone, Default)]
pub(super) struct ClfReader {
    /// The last time of this length.
    last: Option<([u8; CLF_LENGTH], i64)>,
    date: [u8; 11],
    day_micros: i64,
}

impl ClfReader {
    /// Reads `22/Jan/2021:01:47:05 +0000`, with an optional fraction of a second and an optional
    /// zone.
    pub(super) fn read(&mut self, text: &[u8]) -> Option<i64> {
        let Ok(usual) = <[u8; CLF_LENGTH]>::try_from(text) else {
            return self.read_anew(text);
        };
        if let Some((last, micros)) = &self.last
            && *last == usual
        {
            return Some(*micros);
        }
        let micros = self.read_anew(text)?;
        self.last = Some((usual, micros));
        Some(micros)
    }

    fn read_anew(&mut self, text: &[u8]) -> Option<i64> {
        let (date, rest) = text.split_first_chunk::<11>()?;
        let (time, rest) = rest.split_first_chunk::<9>()?;
        if !matches!(time[0], b':' | b' ') {
            return None;
        }
        let day = if *date == self.date {
            self.day_micros
        } else {
            self.day(*date)?
        };
        let micros = clock(time[1..].try_into().ok()?)?;
        let (fraction, rest) = fraction(rest)?;
        Some(day + micros + fraction - zone(rest.strip_prefix(b" ").unwrap_or(rest))?)
    }

    #[cold]
    fn day(&mut self, date: [u8; 11]) -> Option<i64> {
        if date[2] != b'/' || date[6] != b'/' {
            return None;
        }
        let day = Date {
            year: digits(&date[7..])?,
            month: month(&date[3..6])?,
            day: digits(&date[..2])?,
        };
        self.day_micros = day.days()? * DAY;
        self.date = date;
        Some(self.day_micros)
    }
}

/// A month by its English name of three letters.
pub(super) fn month(name: &[u8]) -> Option<i64> {
    const NAMES: [&[u8; 3]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let number = NAMES.iter().position(|known| known[..] == *name)?;
    Some(number as i64 + 1)
}

/// Reads a time in any of the forms of this module.
///
/// A number counts from the epoch in seconds if it is below 1e11 (the year 5138), in milliseconds
/// below 1e14, in microseconds below 1e17, else in nanoseconds: all four agree for every time
/// from 1974 on.
pub(super) fn read(text: &str) -> Option<i64> {
    let bytes = text.trim_ascii().as_bytes();
    match bytes.get(4) {
        Some(b'-' | b'/') => rfc3339(bytes),
        _ if bytes.get(2) == Some(&b'/') => ClfReader::default().read(bytes),
        _ if bytes.first().is_some_and(u8::is_ascii_alphabetic) => worded(text.trim_ascii()),
        _ => epoch_text(bytes),
    }
}

/// `Mon, 04 Mar 2024 10:00:00 GMT` (RFC 9110), `Mon Mar  4 10:00:00 2024` (C's `asctime`), and the
/// latter with a zone before the year (`date`).
#[cold]
fn worded(text: &str) -> Option<i64> {
    let mut words = text.split_ascii_whitespace();
    let weekday = words.next()?;
    let rest: Vec<&str> = words.collect();
    let (day, name, year, time, offset) = match (weekday.strip_suffix(','), &rest[..]) {
        (Some(_), [day, month, year, time]) => (day, month, year, time, ""),
        (Some(_), [day, month, year, time, zone]) => (day, month, year, time, *zone),
        (None, [month, day, time, year]) => (day, month, year, time, ""),
        (None, [month, day, time, zone, year]) => (day, month, year, time, *zone),
        _ => return None,
    };
    let date = Date {
        year: digits(year.as_bytes()).filter(|_| year.len() == 4)?,
        month: month(name.as_bytes())?,
        day: digits(day.as_bytes()).filter(|_| day.len() <= 2)?,
    };
    let (time, rest) = time.as_bytes().split_first_chunk::<8>()?;
    let (fraction, rest) = fraction(rest)?;
    let micros = clock(*time)? + fraction - zone(offset.as_bytes())?;
    rest.is_empty().then_some(date.days()? * DAY + micros)
}

/// Reads a time of day such as `10:00:00.123`, in microseconds.
pub(super) fn time_of_day(text: &str) -> Option<i64> {
    let (time, rest) = text.trim_ascii().as_bytes().split_first_chunk::<8>()?;
    let micros = clock(*time)?;
    let (fraction, rest) = fraction(rest)?;
    Some(micros + fraction - zone(rest.trim_ascii_start())?)
}

/// `2021-01-22T01:47:05.123+03:00`; the `T` may be a space, and the zone may be missing.
fn rfc3339(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_first_chunk::<10>()?;
    if date[7] != date[4] {
        return None;
    }
    let date = Date {
        year: digits(&date[..4])?,
        month: digits(&date[5..7])?,
        day: digits(&date[8..])?,
    };
    let day = date.days()? * DAY;
    if rest.is_empty() {
        return Some(day);
    }
    let (time, rest) = rest.split_first_chunk::<9>()?;
    if !matches!(time[0], b'T' | b't' | b' ') {
        return None;
    }
    let micros = clock(time[1..].try_into().ok()?)?;
    let (fraction, rest) = fraction(rest)?;
    Some(day + micros + fraction - zone(rest.trim_ascii_start())?)
}

/// `HH:MM:SS`; second 60 is a leap second.
fn clock(text: [u8; 8]) -> Option<i64> {
    if text[2] != b':' || text[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (
        digits(&text[..2])?,
        digits(&text[3..5])?,
        digits(&text[6..])?,
    );
    (hour < 24 && minute < 60 && second <= 60)
        .then_some((hour * 3600 + minute * 60 + second) * SECOND)
}

/// A leading `.123`, if there is one, in microseconds, and what follows. Digits beyond the
/// microsecond are cut off.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.' | b',', rest @ ..] = text else {
        return Some((0, text));
    };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    Some((fraction_micros(&rest[..count]), &rest[count..]))
}

fn fraction_micros(digits: &[u8]) -> i64 {
    let mut micros = 0;
    for place in 0..6 {
        micros = micros * 10 + digits.get(place).map_or(0, |digit| i64::from(digit - b'0'));
    }
    micros
}

/// `+0300`, `-03:30`, `+03`, `Z`, `UTC`, `+0000 UTC` or nothing, as the microseconds ahead of UTC.
fn zone(text: &[u8]) -> Option<i64> {
    let text = text.strip_suffix(b" UTC").unwrap_or(text);
    let (sign, rest) = match text {
        b"" | b"Z" | b"z" | b"UTC" | b"GMT" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest {
        [hours @ .., b':', m1, m2] if hours.len() == 2 => (digits(hours)?, digits(&[*m1, *m2])?),
        [h1, h2, m1, m2] => (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?),
        [h1, h2] => (digits(&[*h1, *h2])?, 0),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60 * SECOND)
}

/// A number of digits; nothing for one that is too large.
fn digits(text: &[u8]) -> Option<i64> {
    let mut value: i64 = 0;
    for byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
    }
    Some(value)
}

fn epoch_text(text: &[u8]) -> Option<i64> {
    let dot = text.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = match dot {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &text[..0]),
    };
    // 19 digits always fit i64 as long as they are below its maximum; `checked` by the parse.
    if whole.is_empty() || !fraction.iter().all(u8::is_ascii_digit) || digits_only(whole).is_none()
    {
        return None;
    }
    let whole: i64 = std::str::from_utf8(whole).ok()?.parse().ok()?;
    let micros = epoch(whole)?;
    // The fraction counts where the whole part is in seconds; finer units need none.
    Some(if whole < SECONDS_BELOW {
        micros + fraction_micros(fraction)
    } else {
        micros
    })
}

fn digits_only(text: &[u8]) -> Option<()> {
    text.iter().all(u8::is_ascii_digit).then_some(())
}

/// Whole numbers below are seconds; see [`read`].
const SECONDS_BELOW: i64 = 100_000_000_000;

/// A whole number since the epoch, its unit told by its size; see [`read`].
pub(super) fn epoch(value: i64) -> Option<i64> {
    if value < 0 {
        return None;
    }
    Some(match value {
        0..SECONDS_BELOW => value * SECOND,
        SECONDS_BELOW..100_000_000_000_000 => value * 1000,
        100_000_000_000_000..100_000_000_000_000_000 => value,
        _ => value / 1000,
    })
}

/// A fractional number since the epoch, its unit told by its size; see [`read`].
pub(super) fn epoch_float(value: f64) -> Option<i64> {
    if !(0.0..9e18).contains(&value) {
        return None;
    }
    if value < SECONDS_BELOW as f64 {
        return Some((value * SECOND as f64).round() as i64);
    }
    epoch(value.round() as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 22 January 2021, 01:47:05 UTC.
    const NOON: i64 = 1_611_280_025 * SECOND;

    #[test]
    fn every_form_names_the_same_moment() {
        for text in [
            "22/Jan/2021:01:47:05 +0000",
            "22/Jan/2021:04:47:05 +0300",
            "21/Jan/2021:20:17:05 -0530",
            "22/Jan/2021:01:47:05",
            "2021-01-22T01:47:05Z",
            "2021-01-22 01:47:05",
            "2021-01-22T03:47:05+02:00",
            "2021-01-22T03:47:05.000 +0200",
            "2021-01-22 01:47:05 +0000 UTC",
            "2021/01/22 01:47:05",
            "22/Jan/2021 01:47:05",
            "Fri, 22 Jan 2021 01:47:05 GMT",
            "Fri, 22 Jan 2021 03:47:05 +0200",
            "Fri Jan 22 01:47:05 2021",
            "Fri Jan 22 01:47:05 UTC 2021",
            "1611280025",
            "1611280025.000",
            "1611280025000",
            "1611280025000000",
            "1611280025000000000",
        ] {
            assert_eq!(read(text), Some(NOON), "{text}");
        }
        assert_eq!(read("22/Jan/2021:01:47:05.25 +0000"), Some(NOON + 250_000));
        assert_eq!(read("1611280025.123"), Some(NOON + 123_000));
        assert_eq!(epoch_float(1_611_280_025.123), Some(NOON + 123_000));
    }

    #[test]
    fn text_that_is_no_time_is_refused() {
        for text in [
            "Mon, 66666666666666666666666 Mar 2024 10:00:00",
            "Mon, 04 Mar 66666666666666666666666 10:00:00",
            "",
            "-",
            "now",
            "32/Jan/2021:01:47:05 +0000",
            "29/Feb/2021:01:47:05 +0000",
            "22/Foo/2021:01:47:05 +0000",
            "22/Jan/2021:24:00:00 +0000",
            "2021-01/22 01:47:05",
            "Jan 22 01:47:05",
            "2021-13-01T00:00:00Z",
            "2021-01-22T01:47:05+99:00",
            "-5",
            "1e9",
            "99999999999999999999",
            "22/Jan/2021:01:47:05 +00",
            "22/Jan/2021:01:47:05 PST",
        ] {
            let expected = (text == "22/Jan/2021:01:47:05 +00").then_some(NOON);
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_remembered_does_not_leak_into_the_next_line() {
        let mut reader = ClfReader::default();
        assert_eq!(reader.read(b"22/Jan/2021:01:47:05 +0000"), Some(NOON));
        assert_eq!(
            reader.read(b"22/Jan/2021:01:47:06 +0000"),
            Some(NOON + SECOND)
        );
        assert_eq!(reader.read(b"99/Jan/2021:01:47:06 +0000"), None);
        assert_eq!(
            reader.read(b"22/Jan/2021:01:47:06 +0000"),
            Some(NOON + SECOND)
        );
        assert_eq!(
            reader.read(b"22/Jan/2021:01:47:06 -0100"),
            Some(NOON + SECOND + 3600 * SECOND)
        );
        assert_eq!(reader.read(b"23/Jan/2021:01:47:05 +0000"), Some(NOON + DAY));
        assert_eq!(reader.read(b"22/Jan/2021:01:47:05 +0000"), Some(NOON));
    }

    proptest! {
        #[test]
        fn days_and_dates_agree_with_chrono(days in -30_000_i64..60_000) {
            let date = Date::from_days(days);
            prop_assert_eq!(date.days(), Some(days));
            let other = chrono::DateTime::from_timestamp(days * 86_400, 0).unwrap();
            prop_assert_eq!(
                other.format("%Y-%m-%d").to_string(),
                format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
            );
        }

        #[test]
        fn shown_times_are_read_back(micros in EARLIEST..END) {
            prop_assert_eq!(read(&Timestamp::from_micros(micros).to_string()), Some(micros));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = read(&text);
            let _ = ClfReader::default().read(&bytes);
        }
    }
}
