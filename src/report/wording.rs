//! Numbers, times and texts of a report, in words.

use std::fmt::Write as _;

use chrono::DateTime;

use super::overview::Overview;
use super::pictures::HOUR;
use crate::incidents::ListedIncident;
use crate::units::printable::escape_controls;

/// A value may be as long as a request; this much of it is shown.
const MOST_CHARACTERS: usize = 300;

/// Text of the logs as it is shown: cut, and with what nobody would see written out.
pub(super) fn visible(text: &str) -> String {
    let mut shown = escape_controls(text);
    if let Some((end, _)) = shown.char_indices().nth(MOST_CHARACTERS) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

/// What was lost or gained, with what was expected.
pub(super) fn change(listed: &ListedIncident) -> String {
    let incident = &listed.incident;
    let metric = metric_words(&incident.top_metric);
    let ratio = incident.actual_total / incident.expected_total;
    if incident.top_metric.starts_with("latency") {
        return if ratio.is_finite() {
            format!("{metric} {ratio:.1} times the usual")
        } else {
            format!("{metric} where none was expected")
        };
    }
    let difference = (incident.actual_total - incident.expected_total).round();
    let word = if difference < 0.0 { "fewer" } else { "more" };
    format!(
        "{} {metric} {word} than the {} expected",
        grouped(difference.abs() as i64),
        grouped(incident.expected_total.round() as i64)
    )
}

pub(super) fn metric_words(metric: &str) -> String {
    match metric {
        "client_errors" => "client errors (4xx)".to_owned(),
        "server_errors" => "server errors (5xx)".to_owned(),
        "unique_clients" => "clients".to_owned(),
        "latency_p50" => "median latency (ms)".to_owned(),
        "latency_p95" => "95 % latency (ms)".to_owned(),
        other => other.replace('_', " "),
    }
}

/// The range of a report, in words.
pub(super) fn period(overview: &Overview) -> String {
    let [start, last] = [overview.range.start, overview.range.end - 1]
        .map(|time| DateTime::from_timestamp_micros(time).unwrap_or_default());
    let [first_date, last_date] = [start, last].map(|time| time.format("%-d %B %Y").to_string());
    if overview.range.is_empty() {
        "No time was scored".to_owned()
    } else if first_date == last_date {
        first_date
    } else {
        format!("{first_date} to {last_date}")
    }
}

/// When an incident was, in words.
pub(super) fn when(listed: &ListedIncident) -> String {
    let time = listed.incident.time();
    let [start, end] = [time.start, time.end]
        .map(|time| DateTime::from_timestamp_micros(time).unwrap_or_default());
    let day = |time: DateTime<chrono::Utc>| time.format("%-d %b").to_string();
    if day(start) == day(end) {
        format!(
            "{}, {}–{}",
            day(start),
            start.format("%H:%M"),
            end.format("%H:%M")
        )
    } else {
        format!(
            "{}, {} – {}, {}",
            day(start),
            start.format("%H:%M"),
            day(end),
            end.format("%H:%M")
        )
    }
}

pub(super) fn moment(micros: i64) -> String {
    let time = DateTime::from_timestamp_micros(micros).unwrap_or_default();
    time.format("%-d %B, %H:%M").to_string()
}

/// A length of time in words.
pub(super) fn duration(micros: i64) -> String {
    let minutes = micros / (HOUR / 60);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{} s", micros / 1_000_000),
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

pub(super) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent > 0.0 && percent < 1.0 {
        format!("{percent:.1}\u{a0}%")
    } else {
        format!("{percent:.0}\u{a0}%")
    }
}

/// A number in groups of three digits.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    if number < 0 {
        text.push('−');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number on an axis.
pub(super) fn short(value: f64) -> String {
    let mut text = String::new();
    let _ = match value {
        value if value >= 1e9 => write!(text, "{:.3} G", value / 1e9),
        value if value >= 1e6 => write!(text, "{:.3} M", value / 1e6),
        value if value >= 10.0 => write!(text, "{}", grouped(value.round() as i64)),
        value => write!(text, "{value:.1}"),
    };
    text
}

pub(super) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_read_at_a_glance() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(-1_234), "−1,234");
        assert_eq!(grouped(12), "12");
        assert_eq!(duration(23 * 60_000_000), "23 min");
        assert_eq!(duration(125 * 60_000_000), "2 h 5 min");
        assert_eq!(percent(0.004), "0.4\u{a0}%");
        assert_eq!(short(2_500_000.0), "2.500 M");
    }

    #[test]
    fn what_nobody_sees_is_written_out() {
        assert_eq!(visible("/a\u{202e}b\u{7}"), "/a\\u{202e}b\\u{7}");
        assert_eq!(
            visible(&"x".repeat(400)).chars().count(),
            MOST_CHARACTERS + 1
        );
    }
}
