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
