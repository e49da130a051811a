//! Times in a form that the format spells out, as Apache's `%{%d/%b/%Y %T}t` does.
//!
//! Directives that follow each other, such as `%{%d/%b/%Y:%T}t.%{msec_frac}t %{%z}t`, make one time,
//! with the text between them.

use chrono::format::{Fixed, Item, Parsed, StrftimeItems, parse};

use super::error::FormatFault;

/// The form of a time.
#[derive(Debug, Clone)]
pub(in crate::logs) struct TimePattern {
    items: Vec<Item<'static>>,
    /// Whether the name of a zone (`%Z`) is in it and no offset: names are skipped by what reads the
    /// items.
    has_zone_name: bool,
}

impl TimePattern {
    /// Reads a pattern; it must tell date and time of day.
    pub(super) fn new(text: &str) -> Result<Self, FormatFault> {
        let fault = |reason| FormatFault::Time {
            pattern: text.to_owned(),
            reason,
        };
        let items = StrftimeItems::new(text)
            .parse_to_owned()
            .map_err(|_| fault("a directive of `strftime` is unknown"))?;
        let pattern = Self {
            has_zone_name: items.iter().any(is_zone_name) && !items.iter().any(is_offset),
            items,
        };
        // What cannot be read back from a time that was written so can never be read.
        let moment = chrono::DateTime::from_timestamp_micros(1_709_546_400_000_000)
            .ok_or_else(|| fault("it cannot be tried"))?;
        let written = moment.format_with_items(pattern.items.iter()).to_string();
        match pattern.read(&written) {
            Some(1_709_546_400_000_000) => Ok(pattern),
            _ => Err(fault("it does not tell day and time of day")),
        }
    }

    /// A time in microseconds since the Unix epoch. Without a zone it is UTC; a zone is told by its
    /// offset, or by one of the names that RFC 2822 gives one.
    pub(super) fn read(&self, text: &str) -> Option<i64> {
        let mut parsed = Parsed::new();
        parse(&mut parsed, text, self.items.iter()).ok()?;
        if let Some(seconds) = parsed.timestamp() {
            let micros = i64::from(parsed.nanosecond().unwrap_or(0)) / 1000;
            return seconds.checked_mul(1_000_000)?.checked_add(micros);
        }
        let time = parsed.to_naive_datetime_with_offset(0).ok()?;
        let offset = if self.has_zone_name {
            named_offset(text)?
        } else {
            i64::from(parsed.offset().unwrap_or(0))
        };
        Some(time.and_utc().timestamp_micros() - offset * 1_000_000)
    }
}

fn is_zone_name(item: &Item<'_>) -> bool {
    matches!(item, Item::Fixed(Fixed::TimezoneName))
}

fn is_offset(item: &Item<'_>) -> bool {
    use Fixed::{
        TimezoneOffset, TimezoneOffsetColon, TimezoneOffsetColonZ, TimezoneOffsetDoubleColon,
        TimezoneOffsetTripleColon, TimezoneOffsetZ,
    };
    matches!(
        item,
        Item::Fixed(
            TimezoneOffset
                | TimezoneOffsetColon
                | TimezoneOffsetDoubleColon
                | TimezoneOffsetTripleColon
                | TimezoneOffsetColonZ
                | TimezoneOffsetZ
        )
    )
}

/// The offset in seconds of the zone that a text names (RFC 2822, section 4.3).
fn named_offset(text: &str) -> Option<i64> {
    const HOURS: [(&str, i64); 12] = [
        ("UTC", 0),
        ("GMT", 0),
        ("UT", 0),
        ("Z", 0),
        ("EST", -5),
        ("EDT", -4),
        ("CST", -6),
        ("CDT", -5),
        ("MST", -7),
        ("MDT", -6),
        ("PST", -8),
        ("PDT", -7),
    ];
    let words = text.split(|c: char| !c.is_ascii_alphabetic());
    let hours = words.filter_map(|word| HOURS.iter().find(|(name, _)| *name == word));
    hours.map(|(_, hours)| hours * 3600).next_back()
}

/// The pattern that a directive of Apache's `%{…}t` stands for.
pub(super) fn of_apache(text: &str) -> Result<String, FormatFault> {
    let text = text
        .strip_prefix("begin:")
        .or_else(|| text.strip_prefix("end:"))
        .unwrap_or(text);
    Ok(match text {
        "begin" | "end" => return of_apache(""),
        "" => "[%d/%b/%Y:%H:%M:%S %z]".to_owned(),
        "sec" => "%s".to_owned(),
        "msec_frac" => "%3f".to_owned(),
        "usec_frac" => "%6f".to_owned(),
        pattern if pattern.contains('%') => pattern.to_owned(),
        pattern => {
            return Err(FormatFault::Time {
                pattern: pattern.to_owned(),
                reason: "expected a pattern of `strftime`, `sec`, `msec`, `usec`, `msec_frac` or \
                         `usec_frac`",
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_read_what_they_write() {
        for (pattern, text) in [
            ("%d/%b/%Y:%T %z", "04/Mar/2024:12:00:00 +0200"),
            ("%Y-%m-%dT%H:%M:%S%z", "2024-03-04T10:00:00+0000"),
            ("%s", "1709546400"),
            ("%Y-%m-%d %H:%M:%S", "2024-03-04 10:00:00"),
        ] {
            let pattern = TimePattern::new(pattern).unwrap();
            assert_eq!(pattern.read(text), Some(1_709_546_400_000_000), "{text}");
        }
        let pattern = TimePattern::new("%d/%b/%Y:%T.%3f %z").unwrap();
        assert_eq!(
            pattern.read("04/Mar/2024:10:00:00.250 +0000"),
            Some(1_709_546_400_250_000)
        );
        let named = TimePattern::new("%d/%b/%Y:%T %Z").unwrap();
        for (text, hours) in [
            ("04/Mar/2024:10:00:00 UTC", Some(0)),
            ("04/Mar/2024:05:00:00 EST", Some(0)),
            ("04/Mar/2024:10:00:00 PDT", Some(7)),
            ("04/Mar/2024:10:00:00 CEST", None),
        ] {
            let expected = hours.map(|hours| 1_709_546_400_000_000 + hours * 3_600_000_000);
            assert_eq!(named.read(text), expected, "{text}");
        }
        for pattern in ["%H:%M", "%d/%b/%Y", "%Q", "abc"] {
            assert!(TimePattern::new(pattern).is_err(), "{pattern}");
        }
    }
}
