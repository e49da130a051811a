//! How long something took, as logs write it.

use std::borrow::Cow;

/// Units by the letters behind a number, in milliseconds.
const UNITS: [(&str, f64); 10] = [
    ("ns", 1e-6),
    ("us", 1e-3),
    ("µs", 1e-3),
    ("μs", 1e-3),
    ("ms", 1.0),
    ("sec", 1e3),
    ("secs", 1e3),
    ("s", 1e3),
    ("m", 6e4),
    ("h", 3.6e6),
];

/// The unit of a number that says how long something took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LatencyUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

impl LatencyUnit {
    /// So many of the unit in milliseconds; nothing for what is no number of at least 0.
    #[must_use]
    pub fn millis(self, number: f64) -> Option<f64> {
        let millis = match self {
            // Exact to the nanosecond: 0.29 s is 290 ms, not 289.99999999999994.
            Self::Seconds => (number * 1e9).round() / 1e6,
            Self::Millis => number,
            Self::Micros => number / 1e3,
            Self::Nanos => number / 1e6,
        };
        (0.0..f64::INFINITY).contains(&millis).then_some(millis)
    }
}

/// Reads a duration that says its unit, in milliseconds: `12ms`, `1.335486ms`, `0.012345s`,
/// `0,042 s`, and Go's `1m2.5s`. A number without a unit is nothing.
pub(super) fn with_unit(text: &str) -> Option<f64> {
    let mut rest = text.trim_ascii();
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ','))
            .filter(|digits| *digits > 0)?;
        let value = number(&rest[..digits])?;
        rest = rest[digits..].trim_ascii_start();
        let letters = rest
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(rest.len());
        let unit = &rest[..letters];
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total += value * factor;
        rest = rest[letters..].trim_ascii_start();
    }
    // Exact to the nanosecond.
    Some((total * 1e6).round() / 1e6)
}

/// Reads a number of at least 0, whose decimal point may be a comma.
pub(super) fn number(text: &str) -> Option<f64> {
    let mut text = Cow::Borrowed(text.trim_ascii());
    if !text.contains('.') && text.bytes().filter(|byte| *byte == b',').count() == 1 {
        text = Cow::Owned(text.replace(',', "."));
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    (0.0..f64::INFINITY).contains(&value).then_some(value)
}

/// The sum of the times of several upstream servers as nginx writes them, in seconds:
/// `0.010, 0.020 : 0.030`. A server that was not asked is `-`; if none was, nothing.
pub(super) fn upstream_seconds(text: &str) -> Option<f64> {
    let mut sum = None;
    for part in text.split([',', ':']) {
        match part.trim_ascii() {
            "-" | "" => {}
            part => sum = Some(sum.unwrap_or(0.0) + number(part)?),
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_of_a_unit_are_exact_to_the_nanosecond() {
        let millis = |unit: LatencyUnit, number: f64| unit.millis(number).map(|ms| ms.to_string());
        assert_eq!(millis(LatencyUnit::Seconds, 0.29).as_deref(), Some("290"));
        assert_eq!(millis(LatencyUnit::Micros, 250.0).as_deref(), Some("0.25"));
        assert_eq!(millis(LatencyUnit::Nanos, 1.0).as_deref(), Some("0.000001"));
        for number in [-1.0, f64::NAN, f64::INFINITY, 1e308] {
            assert_eq!(LatencyUnit::Seconds.millis(number), None, "{number}");
        }
    }

    #[test]
    fn units_are_read() {
        for (text, ms) in [
            ("12ms", Some(12.0)),
            ("1.335486ms", Some(1.335_486)),
            ("0.012345s", Some(12.345)),
            ("0,042 s", Some(42.0)),
            ("1m2.5s", Some(62_500.0)),
            ("15µs", Some(0.015)),
            ("2155389ns", Some(2.155_389)),
            ("1h0m1s", Some(3_601_000.0)),
            ("12", None),
            ("ms", None),
            ("12 apples", None),
            ("-1ms", None),
            ("", None),
        ] {
            assert_eq!(with_unit(text), ms, "{text}");
        }
    }

    #[test]
    fn times_of_servers_add_up() {
        assert_eq!(upstream_seconds("0.010, 0.020 : 0.030"), Some(0.06));
        assert_eq!(upstream_seconds("-, 0.5"), Some(0.5));
        assert_eq!((upstream_seconds("-"), upstream_seconds("x")), (None, None));
        assert_eq!((number("0,042"), number("1e400")), (Some(0.042), None));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*|[0-9.,:a-zµ -]*") {
            let _ = (with_unit(&text), number(&text), upstream_seconds(&text));
        }
    }
}
