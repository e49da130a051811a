//! Lines in *common* and *combined* log format, as Apache and nginx write them.
//!
//! ```text
//! [site] client ident user [22/Jan/2021:01:47:05 +0000] "GET / HTTP/1.1" 200 512 ["referer" "user agent"] [more]
//! ```
//!
//! - A leading field is the site if the field after it is an IP address, or if it ends in a port
//!   (`shop.example:443 …`, Apache's `vhost_combined`).
//! - Among further fields at the end, the latency is the first number with a decimal point, in
//!   seconds (nginx' `$request_time`), or else the first whole number, in microseconds (Apache's
//!   `%D`). The site is the first host name with a dot and an alphabetic last label, or a lower
//!   case word right after the latency. Addresses are no site: nginx' default format ends with
//!   `X-Forwarded-For`. All else is ignored.
//! - The line may stand in quotes as a whole. The last quoted field may lack its closing quote,
//!   as in a line cut off by its writer.

use std::borrow::Cow;
use std::net::IpAddr;

use super::request::{
    Reject, Request, host_site, is_port, plausible, present, seconds_to_ms, size, split_request,
    status,
};
use super::timestamp::{self, CLF_LENGTH, ClfReader};

/// How many opening brackets are tried as the start of the timestamp: user names may hold some.
const BRACKETS_TRIED: usize = 8;

/// Reads lines; it remembers the last date, and nothing else, from one line to the next.
#[derive(Debug, Clone, Default)]
pub(super) struct AccessLineReader {
    clock: ClfReader,
}

impl AccessLineReader {
    /// Reads one line without its line end.
    pub(super) fn read<'a>(&mut self, line: &'a str) -> Result<Request<'a>, Reject> {
        let line = unwrap_quotes(line);
        let (before, time, after) = self.time(line)?;
        let timestamp = plausible(time)?;
        let (site, client) = client(before).ok_or(Reject::NoClient)?;
        let after = after.trim_ascii_start();
        let request = after.strip_prefix('"').ok_or(Reject::NoRequest)?;
        let (request, status, after) = request_and_status(request)?;
        let (bytes, after) = token(after);
        if bytes.is_empty() {
            return Err(Reject::NoBytes);
        }
        let bytes = size(bytes)?;
        let (referer, after) = quoted_field(after);
        let (user_agent, after) = quoted_field(after);
        let more = TrailingFields::read(after);
        let (method, path, query, protocol) = split_request(request);
        // One search of the line saves one of each field.
        let has_escapes = memchr::memchr(b'\\', line.as_bytes()).is_some();
        let plain = |text: &'a str| {
            if has_escapes {
                unescape(text)
            } else {
                Cow::Borrowed(text)
            }
        };
        Ok(Request {
            timestamp,
            site: site
                .or(more.host)
                .and_then(|host| host_site(Cow::Borrowed(host))),
            client_ip: Cow::Borrowed(client),
            method: Cow::Borrowed(method),
            path: plain(path),
            query: plain(query),
            protocol: plain(protocol),
            status,
            bytes,
            latency_ms: more.latency_ms,
            referer: referer.and_then(present).map(plain),
            user_agent: user_agent.and_then(present).map(plain),
        })
    }

    /// What stands before the timestamp, the timestamp, and what stands after it.
    fn time<'a>(&mut self, line: &'a str) -> Result<(&'a str, i64, &'a str), Reject> {
        let bytes = line.as_bytes();
        let mut reason = Reject::NoTimestamp;
        for open in memchr::memchr_iter(b'[', bytes).take(BRACKETS_TRIED) {
            let close = open + 1 + CLF_LENGTH;
            if bytes.get(close) == Some(&b']')
                && let Some(time) = self.clock.read(&bytes[open + 1..close])
            {
                return Ok((&line[..open], time, &line[close + 1..]));
            }
            let Some(length) = memchr::memchr(b']', &bytes[open..]) else {
                break;
            };
            let text = &line[open + 1..open + length];
            let time = self
                .clock
                .read(text.as_bytes())
                .or_else(|| other_time(text));
            if let Some(time) = time {
                return Ok((&line[..open], time, &line[open + length + 1..]));
            }
            reason = Reject::BadTimestamp;
        }
        Err(reason)
    }
}

/// A time in brackets that is not in common log format. Short numbers in brackets are process
/// numbers of other programs' lines.
#[cold]
fn other_time(text: &str) -> Option<i64> {
    if text.len() < "1611280025".len() {
        None
    } else {
        timestamp::read(text)
    }
}

/// A line in quotes as a whole, without them.
fn unwrap_quotes(line: &str) -> &str {
    match line.strip_prefix('"') {
        Some(inner) => inner.strip_suffix('"').unwrap_or(inner),
        None => line,
    }
}

/// Site, if there is one, and client from the fields before the timestamp.
fn client(before: &str) -> Option<(Option<&str>, &str)> {
    let (first, rest) = token(before);
    if first.is_empty() {
        return None;
    }
    // The usual line has two more fields, and neither of them an address.
    if rest.trim_ascii_end() == "- -" {
        return Some((None, present(first).unwrap_or_default()));
    }
    // The first of a list of forwarded addresses is the client.
    if let Some(first) = first.strip_suffix(',') {
        return Some((None, first));
    }
    let (second, third) = token(rest);
    let is_site = !is_address(first)
        && (ends_in_port(first) && !second.is_empty() || is_address(second) && !third.is_empty());
    let (site, client) = if is_site {
        (Some(first), second)
    } else {
        (None, first)
    };
    Some((site, present(client).unwrap_or_default()))
}

fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

fn ends_in_port(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && is_port(port))
}

/// The first field and what follows it; both are empty at the end.
fn token(text: &str) -> (&str, &str) {
    let text = text.trim_ascii_start();
    match memchr::memchr(b' ', text.as_bytes()) {
        Some(space) => (&text[..space], &text[space + 1..]),
        None => (text, ""),
    }
}

/// The request up to its closing quote, the status after it, and what follows.
///
/// Servers escape quotes inside a request, but not all do: the closing quote is the first which a
/// status follows.
fn request_and_status(text: &str) -> Result<(&str, i32, &str), Reject> {
    let mut reason = Reject::UnterminatedRequest;
    let mut from = 0;
    while let Some(quote) = closing_quote(text, from) {
        let after = &text[quote + 1..];
        if after.starts_with(' ') {
            let (code, rest) = token(after);
            if let Some(status) = status(code) {
                return Ok((&text[..quote], status, rest));
            }
            reason = Reject::BadStatus;
        }
        from = quote + 1;
    }
    Err(reason)
}

/// Position of the first quote at or after `from` that no backslash escapes.
fn closing_quote(text: &str, mut from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', bytes.get(from..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        from = at + 2;
    }
}

/// A leading field in quotes, if there is one, and what follows.
fn quoted_field(text: &str) -> (Option<&str>, &str) {
    let text = text.trim_ascii_start();
    let Some(inner) = text.strip_prefix('"') else {
        return (None, text);
    };
    let mut from = 0;
    while let Some(quote) = closing_quote(inner, from) {
        let after = &inner[quote + 1..];
        if after.is_empty() || after.starts_with(' ') {
            return (Some(&inner[..quote]), after);
        }
        from = quote + 1;
    }
    (Some(inner), "")
}

/// The fields that some servers write after those of the format.
#[derive(Debug, Default)]
struct TrailingFields<'a> {
    latency_ms: Option<f64>,
    host: Option<&'a str>,
}

impl<'a> TrailingFields<'a> {
    fn read(mut text: &'a str) -> Self {
        let (mut seconds, mut micros, mut host) = (None, None, None);
        let mut after_latency = false;
        loop {
            text = text.trim_ascii_start();
            if text.is_empty() {
                break;
            }
            let field;
            (field, text) = match quoted_field(text) {
                (Some(field), rest) => (field, rest),
                (None, rest) => token(rest),
            };
            let number = latency(field);
            match number {
                Some(Latency::Seconds { ms }) => seconds = seconds.or(Some(ms)),
                Some(Latency::Micros { ms }) => micros = micros.or(Some(ms)),
                None if host.is_none() && is_host(field, after_latency) => host = Some(field),
                None => {}
            }
            after_latency = number.is_some();
        }
        Self {
            latency_ms: seconds.or(micros),
            host,
        }
    }
}

/// A latency, by the unit it is written in.
#[derive(Debug, PartialEq)]
enum Latency {
    Seconds { ms: f64 },
    Micros { ms: f64 },
}

/// Reads a number with a decimal point as seconds, and one without as microseconds.
fn latency(text: &str) -> Option<Latency> {
    // So many digits are exact in the floating point number of their milliseconds.
    const EXACT: usize = 15;
    let (mut digits, mut decimals) = (0, None);
    for byte in text.bytes().take(EXACT + 1) {
        match (byte, &mut decimals) {
            (b'0'..=b'9', decimals) => {
                digits = digits * 10 + u64::from(byte - b'0');
                *decimals = decimals.map(|decimals| decimals + 1);
            }
            (b'.', None) => decimals = Some(0_i32),
            _ => return None,
        }
    }
    let digits = digits as f64;
    match decimals {
        _ if text.len() > EXACT => long_latency(text),
        _ if matches!(text, "" | ".") => None,
        None => Some(Latency::Micros { ms: digits / 1e3 }),
        Some(decimals @ 0..=3) => Some(Latency::Seconds {
            ms: digits * 10_f64.powi(3 - decimals),
        }),
        Some(decimals) => Some(Latency::Seconds {
            ms: digits / 10_f64.powi(decimals - 3),
        }),
    }
}

#[cold]
fn long_latency(text: &str) -> Option<Latency> {
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.')) {
        return None;
    }
    Some(if text.contains('.') {
        let ms = seconds_to_ms(text.parse().ok()?);
        Latency::Seconds { ms }
    } else {
        let ms = text.parse::<u64>().ok()? as f64 / 1e3;
        Latency::Micros { ms }
    })
}

/// Whether a further field is a host; see the module's rules.
fn is_host(text: &str, after_latency: bool) -> bool {
    let name = text
        .rsplit_once(':')
        .filter(|(_, port)| is_port(port))
        .map_or(text, |(name, _)| name);
    if name.len() < 2
        || !name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    {
        return false;
    }
    match name.rsplit_once('.') {
        Some((rest, last)) => {
            !rest.is_empty() && last.len() >= 2 && last.bytes().all(|b| b.is_ascii_alphabetic())
        }
        None => {
            after_latency
                && name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        }
    }
}

/// Text of a quoted field without the escapes of quotes and backslashes.
fn unescape(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.peek() {
            Some(&next @ ('"' | '\\')) if character == '\\' => {
                plain.push(next);
                characters.next();
            }
            _ => plain.push(character),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 22 January 2021, 01:47:05 UTC.
    const MOMENT: i64 = 1_611_280_025_000_000;

    fn read(line: &str) -> Result<Request<'_>, Reject> {
        AccessLineReader::default().read(line)
    }

    #[test]
    fn a_combined_line() {
        let request = read(
            r#"be43:2e2f:ffb::ada:1f02 - - [22/Jan/2021:01:47:05 +0000] "GET /login?next=%2F HTTP/1.1" 200 654 "-" "Mozilla/5.0 (\"quoted\") \\ \x22""#,
        )
        .unwrap();
        assert_eq!(
            request,
            Request {
                timestamp: MOMENT,
                site: None,
                client_ip: "be43:2e2f:ffb::ada:1f02".into(),
                method: "GET".into(),
                path: "/login".into(),
                query: "next=%2F".into(),
                protocol: "HTTP/1.1".into(),
                status: 200,
                bytes: Some(654),
                latency_ms: None,
                referer: None,
                user_agent: Some(r#"Mozilla/5.0 ("quoted") \ \x22"#.into()),
            }
        );
    }

    #[test]
    fn a_common_line() {
        let request = read(
            r#"host.example - frank [22/Jan/2021:04:47:05 +0300] "PROPFIND /a HTTP/1.0" 207 -"#,
        )
        .unwrap();
        assert_eq!(request.timestamp, MOMENT);
        assert_eq!(request.client_ip, "host.example");
        assert_eq!(request.method, "PROPFIND");
        assert_eq!(
            (request.bytes, request.referer, request.user_agent),
            (None, None, None)
        );
    }

    #[test]
    fn the_client_is_found_among_leading_fields() {
        for (before, site, client) in [
            ("1.2.3.4 - -", None, "1.2.3.4"),
            ("- - -", None, ""),
            ("1.2.3.4 - John Doe", None, "1.2.3.4"),
            ("shop.example 1.2.3.4 - -", Some("shop.example"), "1.2.3.4"),
            (
                "Shop.example:443 1.2.3.4 - -",
                Some("shop.example"),
                "1.2.3.4",
            ),
            ("shop.example:443 ::1 - bob", Some("shop.example"), "::1"),
            (
                "shop.example:443 client.example - -",
                Some("shop.example"),
                "client.example",
            ),
            ("10.0.0.1:80 1.2.3.4 - -", Some("10.0.0.1"), "1.2.3.4"),
            ("::1 - -", None, "::1"),
            ("fe80::1:443 - someone else", None, "fe80::1:443"),
            ("1.2.3.4, 10.0.0.1 - -", None, "1.2.3.4"),
            ("1.2.3.4 - [bracket]", None, "1.2.3.4"),
        ] {
            let line = format!(r#"{before} [22/Jan/2021:01:47:05 +0000] "GET / HTTP/1.1" 200 1"#);
            let request = read(&line).unwrap_or_else(|reason| panic!("{before}: {reason:?}"));
            assert_eq!(request.site.as_deref(), site, "{before}");
            assert_eq!(request.client_ip, client, "{before}");
        }
    }

    #[test]
    fn latency_and_host_are_found_among_trailing_fields() {
        for (after, latency_ms, site) in [
            ("", None, None),
            (" 0.123", Some(123.0), None),
            (" 123456", Some(123.456), None),
            (" 0.29 shop.example", Some(290.0), Some("shop.example")),
            (
                " 0.123 \"Shop.example:8080\"",
                Some(123.0),
                Some("shop.example"),
            ),
            (" shop.example 1500", Some(1.5), Some("shop.example")),
            (" 0.123 shop", Some(123.0), Some("shop")),
            (" \"0.123\" \"shop\"", Some(123.0), Some("shop")),
            (" \"-\"", None, None),
            (" \"1.2.3.4, 10.0.0.1\"", None, None),
            (" \"203.0.113.7\"", None, None),
            (" HIT", None, None),
            (
                " 612 0.003 [default-svc-80] [] 10.0.0.1:80 512 0.003 200 8f3ea1",
                Some(3.0),
                None,
            ),
            (" 0.001 8f3ea1b2", Some(1.0), None),
            (" TLSv1.3 ECDHE-RSA", None, None),
            (" some text without end\"", None, None),
        ] {
            let line = format!(
                r#"1.2.3.4 - - [22/Jan/2021:01:47:05 +0000] "GET / HTTP/1.1" 200 1 "-" "ua"{after}"#
            );
            let request = read(&line).unwrap();
            assert_eq!(request.latency_ms, latency_ms, "{after}");
            assert_eq!(request.site.as_deref(), site, "{after}");
            assert_eq!(request.user_agent.as_deref(), Some("ua"), "{after}");
        }
    }

    #[test]
    fn latencies_are_exact() {
        let seconds = |ms| Some(Latency::Seconds { ms });
        let micros = |ms| Some(Latency::Micros { ms });
        for (text, expected) in [
            ("0.29", seconds(290.0)),
            ("0.123456", seconds(123.456)),
            ("1.", seconds(1000.0)),
            (".5", seconds(500.0)),
            ("0.1234567890123456", seconds(123.456_789)),
            ("123456", micros(123.456)),
            ("1234567890123456", micros(1_234_567_890_123.456)),
            ("", None),
            (".", None),
            ("1.2.3", None),
            ("1e3", None),
            ("-1", None),
            ("99999999999999999999", None),
            ("1234567890123456x", None),
        ] {
            assert_eq!(latency(text), expected, "{text}");
        }
    }

    #[test]
    fn odd_but_readable_lines() {
        let wrapped = r#""192.168.4.25 - - [22/Dec/2016:16:30:52 +0300] "POST / HTTP/1.1" 303 382 "http://a/" "UA""#;
        for line in [format!("{wrapped}\""), wrapped.to_owned()] {
            let request = read(&line).unwrap();
            assert_eq!(request.client_ip, "192.168.4.25");
            assert_eq!(request.user_agent.as_deref(), Some("UA"));
        }
        let cut = read(r#"1.2.3.4 - - [22/Jan/2021:01:47:05 +0000] "GET / HTTP/1.1" 200 1 "-" "Mozilla (+http://x"#).unwrap();
        assert_eq!(cut.user_agent.as_deref(), Some("Mozilla (+http://x"));
        let iso =
            read(r#"1.2.3.4 - - [2021-01-22T01:47:05+00:00] "GET / HTTP/1.1" 200 1"#).unwrap();
        assert_eq!(iso.timestamp, MOMENT);
        // A second bracket stands where that of the usual time does.
        let epoch = read(r#"1.2.3.4 - - [1611280025] "GET /12345678] HTTP/1.1" 200 1"#).unwrap();
        assert_eq!((epoch.timestamp, &*epoch.path), (MOMENT, "/12345678]"));
        let unescaped = read(
            r#"1.2.3.4 - - [22/Jan/2021:01:47:05 +0000] "GET /"x" y HTTP/1.1" 200 1 "-" "a"b" 0.5"#,
        )
        .unwrap();
        assert_eq!(unescaped.path, r#"/"x" y"#);
        assert_eq!(unescaped.user_agent.as_deref(), Some(r#"a"b"#));
        assert_eq!(unescaped.latency_ms, Some(500.0));
        let tls =
            read(r#"1.2.3.4 - - [22/Jan/2021:01:47:05 +0000] "\x16\x03\x01\"" 400 0 "-" "-""#)
                .unwrap();
        assert_eq!((&*tls.method, &*tls.path), ("", r#"\x16\x03\x01""#));
        let bracketed =
            read(r#"[::1] - - [22/Jan/2021:01:47:05 +0000] "GET / HTTP/1.1" 200 1"#).unwrap();
        assert_eq!(bracketed.client_ip, "[::1]");
    }

    #[test]
    fn lines_that_are_no_request_say_why() {
        let start = "1.2.3.4 - - [22/Jan/2021:01:47:05 +0000]";
        for (line, reason) in [
            (
                "2021-03-21T00:00:01.881Z host newsyslog[56965]: logfile turned over",
                Reject::BadTimestamp,
            ),
            ("hello", Reject::NoTimestamp),
            (
                "[22/Jan/2021:01:47:05 +0000] \"GET / HTTP/1.1\" 200 1",
                Reject::NoClient,
            ),
            (
                "1.2.3.4 - - [22/Jan/1970:01:47:05 +0000] \"GET / HTTP/1.1\" 200 1",
                Reject::TimestampOutOfRange,
            ),
            (start, Reject::NoRequest),
            (
                &format!("{start} \"GET / HTTP/1.1"),
                Reject::UnterminatedRequest,
            ),
            (
                &format!("{start} \"GET / HTTP/1.1\" abc 1"),
                Reject::BadStatus,
            ),
            (&format!("{start} \"GET / HTTP/1.1\" 200"), Reject::NoBytes),
            (
                &format!("{start} \"GET / HTTP/1.1\" 200 1k"),
                Reject::BadBytes,
            ),
        ] {
            assert_eq!(read(line).map(|_| ()), Err(reason), "{line}");
        }
    }

    fn escape(text: &str) -> String {
        text.replace('\\', "\\\\").replace('"', "\\\"")
    }

    proptest! {
        #[test]
        fn short_latencies_are_the_nearest_number(whole in "[0-9]{1,7}", decimals in "[0-9]{0,7}") {
            let nearest = |exponent: i32| -> f64 {
                format!("{whole}{decimals}e{exponent}").parse().unwrap()
            };
            let ms = nearest(3 - decimals.len() as i32);
            let seconds = latency(&format!("{whole}.{decimals}"));
            prop_assert_eq!(seconds, Some(Latency::Seconds { ms }));
            let micros = latency(&format!("{whole}{decimals}"));
            prop_assert_eq!(micros, Some(Latency::Micros { ms: nearest(-3) }));
        }

        #[test]
        fn no_line_makes_it_panic(line in "\\PC*") {
            let _ = read(&line);
        }

        #[test]
        fn no_damaged_line_makes_it_panic(
            cut in 0_usize..200, at in 0_usize..150, junk in "[\\[\\]\" \\\\0-9a-z:/é+-]{0,6}",
        ) {
            let line = r#"s.example:443 1.2.3.4 - - [22/Jan/2021:01:47:05 +0000] "GET /a?b HTTP/1.1" 200 1 "-" "ua" 0.1 h"#;
            let damaged = format!("{}{junk}{}", &line[..at.min(line.len())], &line[at.min(line.len())..]);
            let mut cut = cut.min(damaged.len());
            while !damaged.is_char_boundary(cut) {
                cut -= 1;
            }
            let _ = read(&damaged[..cut]);
        }

        #[test]
        fn a_formatted_request_is_read_back(
            seconds in 631_152_000_i64..4_102_444_800,
            offset in -12_i64..=14,
            client in "[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}|[a-f0-9]{1,4}::[a-f0-9]{1,4}",
            method in "[A-Z][A-Z-]{0,10}",
            path in "/\\PC{0,40}",
            query in "\\PC{0,40}",
            status in 0_i32..1000,
            bytes in proptest::option::of(0_i64..1_000_000_000_000),
            latency in proptest::option::of(0_u64..100_000_000),
            referer in proptest::option::of("\\PC{2,40}"),
            user_agent in proptest::option::of("\\PC{2,40}"),
        ) {
            prop_assume!(!path.contains('?'));
            let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap()
                .with_timezone(&chrono::FixedOffset::east_opt(offset as i32 * 3600).unwrap())
                .format("%d/%b/%Y:%H:%M:%S %z");
            let mark = if query.is_empty() { "" } else { "?" };
            let size = bytes.map_or("-".to_owned(), |bytes| bytes.to_string());
            let text = |field: &Option<String>| field.as_deref().map_or("-".to_owned(), escape);
            let mut line = format!(
                r#"{client} - - [{time}] "{method} {}{mark}{} HTTP/1.1" {status:03} {size} "{}" "{}""#,
                escape(&path), escape(&query), text(&referer), text(&user_agent),
            );
            if let Some(micros) = latency {
                line.push_str(&format!(" {micros}"));
            }
            let request = read(&line);
            prop_assert_eq!(request, Ok(Request {
                timestamp: seconds * 1_000_000,
                site: None,
                client_ip: client.as_str().into(),
                method: method.as_str().into(),
                path: path.as_str().into(),
                query: query.as_str().into(),
                protocol: "HTTP/1.1".into(),
                status,
                bytes,
                latency_ms: latency.map(|micros| micros as f64 / 1e3),
                referer: referer.as_deref().map(Into::into),
                user_agent: user_agent.as_deref().map(Into::into),
            }));
        }
    }
}
