//! Points in time as users write them, and the ranges between two of them.
//!
//! One rule holds for every `--since` and `--until`: a range begins with the first moment of what `--since`
//! names and ends with the last of what `--until` names. A date, `today` and `yesterday` last a day; an
//! RFC 3339 time and `24h`, so long before now, are a moment. Days are those of UTC.

use std::ops::Range;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::dates::DateLimits;
use super::{UnitError, seconds};

/// Reads the start of a range.
///
/// # Errors
/// When `text` names no time.
pub fn parse_since(text: &str) -> Result<DateTime<Utc>, UnitError> {
    Ok(named(text, Utc::now())?.start)
}

/// Reads the end of a range, which is not a part of it: of a date, the midnight after it.
///
/// # Errors
/// When `text` names no time.
pub fn parse_until(text: &str) -> Result<DateTime<Utc>, UnitError> {
    Ok(named(text, Utc::now())?.end)
}

/// Reads a date (midnight UTC) or an RFC 3339 time.
///
/// # Errors
/// When `text` is neither.
pub fn parse_instant(text: &str) -> Result<DateTime<Utc>, UnitError> {
    let absolute = absolute(text).ok_or(UnitError::Instant)?;
    Ok(absolute.start)
}

/// The time that a text names.
fn named(text: &str, now: DateTime<Utc>) -> Result<Range<DateTime<Utc>>, UnitError> {
    let today = now.date_naive();
    let day = match text {
        "today" => Some(today),
        "yesterday" => today.pred_opt(),
        _ => None,
    };
    if let Some(day) = day.and_then(of_date) {
        return Ok(day);
    }
    if let Some(ago) = seconds(text).and_then(|seconds| i64::try_from(seconds).ok()) {
        let moment = TimeDelta::try_seconds(ago).and_then(|ago| now.checked_sub_signed(ago));
        let moment = moment.ok_or(UnitError::Moment)?;
        return Ok(moment..moment);
    }
    absolute(text).ok_or(UnitError::Moment)
}

fn absolute(text: &str) -> Option<Range<DateTime<Utc>>> {
    if let Ok(date) = text.parse() {
        return of_date(date);
    }
    let moment = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    Some(moment..moment)
}

/// From midnight to midnight.
fn of_date(date: NaiveDate) -> Option<Range<DateTime<Utc>>> {
    let midnight = |date: NaiveDate| date.and_time(NaiveTime::MIN).and_utc();
    let next = date.checked_add_days(Days::new(1))?;
    Some(midnight(date)..midnight(next))
}

/// From the one point in time to before the other, in microseconds since the epoch; where one is left
/// out, from the year 0 or to the year 9999, inside what a timestamp in microseconds can hold.
pub(crate) fn time_range(since: Option<DateTime<Utc>>, until: Option<DateTime<Utc>>) -> Range<i64> {
    const FAR_PAST: i64 = -62_167_219_200_000_000;
    const FAR_FUTURE: i64 = 253_370_764_800_000_000;
    let micros = |time: DateTime<Utc>| time.timestamp_micros();
    since.map_or(FAR_PAST, micros)..until.map_or(FAR_FUTURE, micros)
}

/// The dates that a range touches.
pub(crate) fn date_limits(
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
) -> DateLimits {
    let last = |end: DateTime<Utc>| (end - TimeDelta::microseconds(1)).date_naive();
    DateLimits {
        from: since.map(|start| start.date_naive()),
        to: until.map(last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<(String, String), UnitError> {
        let now = "2026-11-02T09:30:00Z".parse().unwrap();
        let text_of = |time: DateTime<Utc>| time.format("%FT%TZ").to_string();
        named(text, now).map(|range| (text_of(range.start), text_of(range.end)))
    }

    fn range(start: &str, end: &str) -> (String, String) {
        (start.to_owned(), end.to_owned())
    }

    #[test]
    fn days_last_from_midnight_to_midnight() {
        let first = Ok(range("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"));
        assert_eq!(of("2026-11-01"), first);
        assert_eq!(of("yesterday"), first);
        let second = Ok(range("2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z"));
        assert_eq!(of("today"), second);
    }

    #[test]
    fn the_rest_are_moments() {
        let midnight = "2026-11-01T00:00:00Z";
        assert_eq!(
            of("2026-11-01T01:00:00+01:00"),
            Ok(range(midnight, midnight))
        );
        let [day_ago, week_ago] = ["2026-11-01T09:30:00Z", "2026-10-26T09:30:00Z"];
        assert_eq!(of("24h"), Ok(range(day_ago, day_ago)));
        assert_eq!(of("1d"), Ok(range(day_ago, day_ago)));
        assert_eq!(of("7d"), Ok(range(week_ago, week_ago)));
    }

    #[test]
    fn whatever_else_is_refused() {
        let texts = [
            "",
            "2026-13-01",
            "2026-11-01 00:00",
            "tomorrow",
            "7",
            "-1d",
            "1w",
        ];
        for text in texts.into_iter().chain(["4294967295d", "+262142-12-31"]) {
            assert_eq!(of(text), Err(UnitError::Moment), "{text}");
        }
        for text in ["", "2026-13-01", "2026-11-01 00:00", "yesterday", "7d"] {
            assert_eq!(parse_instant(text), Err(UnitError::Instant), "{text}");
        }
    }

    #[test]
    fn the_dates_of_a_range_are_those_it_touches() {
        let [first, second] = ["2026-11-01", "2026-11-02"].map(|text| text.parse().ok());
        let limits = |since: &str, until: &str| {
            date_limits(parse_since(since).ok(), parse_until(until).ok())
        };
        let expected = DateLimits {
            from: first,
            to: second,
        };
        assert_eq!(limits("2026-11-01", "2026-11-02"), expected);
        assert_eq!(
            limits("2026-11-01T23:59:59Z", "2026-11-02T00:00:01Z"),
            expected
        );
        let to_midnight = limits("2026-11-01T12:00:00Z", "2026-11-02T00:00:00Z");
        assert_eq!(to_midnight.to, first);
    }
}
