//! Lines in *common* and *combined* log format, as Apache and nginx write them, and what else may
//! stand in front of them, between their fields and behind them.
//!
//! ```text
//! [site] [forwarded] client ident user [22/Jan/2021:01:47:05 +0000] [more] "GET / HTTP/1.1" 200 512 [more]
//! ```
//!
//! - Of the fields before the time, those before `ident`, which is nearly always `-`, are the
//!   client and what stands before it: a host name is the site, and addresses are those that
//!   proxies told.
//! - What the fields behind the size and between time and request hold is told from many lines
//!   beforehand ([`AccessLayout`]).
//! - The line may stand in quotes as a whole. The last quoted field may lack its closing quote,
//!   as in a line cut off by its writer. Fields are separated by spaces or tabs.

use std::borrow::Cow;

use super::access_layout::{AccessLayout, TailUse};
use super::client::{address, is_host_name, without_port};
use super::duration::{self, LatencyUnit};
use super::request::{
    Reject, Request, host_site, is_port, plausible, present, size, split_request, status, unescape,
};
use super::timestamp::{self, CLF_LENGTH, ClfReader};
use super::tokens::{behind_blanks, closing_quote, is_blank, token};

/// How many opening brackets are tried as the start of the timestamp: user names may hold some.
const BRACKETS_TRIED: usize = 8;
/// How many fields may stand between the time and the request.
const FIELDS_BETWEEN: usize = 8;

/// A line cut at its fields, up to the size of the response.
#[derive(Debug)]
pub(super) struct AccessLine<'a> {
    pub(super) lead: Lead<'a>,
    /// Microseconds since the Unix epoch.
    pub(super) time: i64,
    /// What stands between the time and the request.
    pub(super) between: &'a str,
    pub(super) request: &'a str,
    pub(super) status: i32,
    pub(super) bytes: Option<i64>,
    /// Whether a size is written, if only `-`.
    pub(super) has_size: bool,
    /// What follows the size.
    pub(super) tail: &'a str,
}

/// The fields before the time.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lead<'a> {
    pub(super) site: Option<&'a str>,
    pub(super) forwarded_for: Option<&'a str>,
    pub(super) client: &'a str,
}

/// Cuts a line at its fields.
pub(super) fn cut<'a>(line: &'a str, clock: &mut ClfReader) -> Result<AccessLine<'a>, Reject> {
    let line = unwrap_quotes(line);
    let (before, time, after) = find_time(line, clock)?;
    let time = plausible(time)?;
    let lead = lead(before).ok_or(Reject::NoClient)?;
    let (between, rest) = find_request(after)?;
    let (request, status, after) = request_and_status(rest)?;
    let (field, rest) = token(after);
    // Some servers write no size.
    let has_size = !field.is_empty() && !field.starts_with(['"', '[']);
    let (bytes, tail) = if has_size {
        (size(field)?, rest)
    } else {
        (None, after)
    };
    Ok(AccessLine {
        lead,
        time,
        between,
        request,
        status,
        bytes,
        has_size,
        tail,
    })
}

/// Reads one line without its line end.
pub(super) fn read<'a>(
    line: &'a str,
    layout: &AccessLayout,
    clock: &mut ClfReader,
) -> Result<Request<'a>, Reject> {
    let cut = cut(line, clock)?;
    let tail = Tail::read(&cut, layout);
    let (method, path, query, protocol) = split_request(cut.request);
    // One search of the line saves one of each field.
    let has_escapes = memchr::memchr(b'\\', line.as_bytes()).is_some();
    let plain = |text: &'a str| {
        if has_escapes {
            unescape(text)
        } else {
            Cow::Borrowed(text)
        }
    };
    let Lead {
        site,
        forwarded_for,
        client,
    } = cut.lead;
    let mut request = Request {
        timestamp: cut.time,
        site: site
            .or(tail.host)
            .and_then(|host| host_site(Cow::Borrowed(host))),
        client_ip: Cow::Borrowed(client),
        is_forwarded_first: forwarded_for.is_some(),
        forwarded_for: forwarded_for.or(tail.forwarded_for).map(Cow::Borrowed),
        method: Cow::Borrowed(method),
        path: plain(path),
        query: plain(query),
        protocol: plain(protocol),
        status: cut.status,
        bytes: cut.bytes,
        latency_ms: tail.latency_ms,
        has_odd_latency: tail.has_odd_latency,
        referer: tail.referer.and_then(present).map(plain),
        user_agent: tail.user_agent.and_then(present).map(plain),
    };
    layout.urls.apply(&mut request);
    Ok(request)
}

/// What stands before the timestamp, the timestamp, and what stands after it.
fn find_time<'a>(line: &'a str, clock: &mut ClfReader) -> Result<(&'a str, i64, &'a str), Reject> {
    let bytes = line.as_bytes();
    let mut reason = Reject::NoTimestamp;
    for open in memchr::memchr_iter(b'[', bytes).take(BRACKETS_TRIED) {
        let close = open + 1 + CLF_LENGTH;
        if bytes.get(close) == Some(&b']')
            && let Some(time) = clock.read(&bytes[open + 1..close])
        {
            return Ok((&line[..open], time, &line[close + 1..]));
        }
        let Some(length) = memchr::memchr(b']', &bytes[open..]) else {
            break;
        };
        let text = &line[open + 1..open + length];
        let time = clock.read(text.as_bytes()).or_else(|| other_time(text));
        if let Some(time) = time {
            return Ok((&line[..open], time, &line[open + length + 1..]));
        }
        reason = Reject::BadTimestamp;
    }
    Err(reason)
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
        // A first field in quotes is not the whole line.
        Some(inner) if !closes_before_time(inner) => inner.strip_suffix('"').unwrap_or(inner),
        _ => line,
    }
}

/// Whether a quote closes before the first bracket.
fn closes_before_time(inner: &str) -> bool {
    memchr::memchr2(b'"', b'[', inner.as_bytes()).is_some_and(|at| inner.as_bytes()[at] == b'"')
}

/// The fields before the time; nothing if there is none.
fn lead(before: &str) -> Option<Lead<'_>> {
    let (first, rest) = token(before);
    if first.is_empty() {
        return None;
    }
    // The usual line: an address, no ident, and a user.
    let is_plain = !matches!(first.as_bytes()[0], b'"' | b'\'' | b'{') && !first.ends_with(',');
    if is_plain && rest.starts_with("- ") {
        return Some(Lead {
            client: present(first).unwrap_or_default(),
            ..Lead::default()
        });
    }
    let lead = LeadFields::of(before).lead();
    (!lead.is_within_another()).then_some(lead)
}

impl Lead<'_> {
    /// Whether the client is none, since a program that is not known wrote something around the line:
    /// nothing is in its place then.
    pub(super) fn is_within_another(&self) -> bool {
        let is_odd = |text: &str| {
            text.contains(['{', '}', '(', ')', '<', '>', '=', '|', '\''])
                || text.char_indices().any(|(at, c)| c == '[' && at > 0)
        };
        is_odd(self.client) || self.forwarded_for.is_some_and(is_odd)
    }
}

/// The first fields of a line; lists of addresses are one field.
#[derive(Debug)]
struct LeadFields<'a> {
    fields: [&'a str; 5],
    count: usize,
}

impl<'a> LeadFields<'a> {
    fn of(before: &'a str) -> Self {
        let mut fields = [""; 5];
        let mut count = 0;
        let mut rest = behind_blanks(before);
        while count < fields.len() && !rest.is_empty() {
            let end = if let Some(inner) = rest.strip_prefix('"') {
                closing_quote(inner, 0).map_or(rest.len(), |quote| quote + 2)
            } else {
                list_end(rest)
            };
            fields[count] = &rest[..end];
            count += 1;
            rest = behind_blanks(&rest[end..]);
        }
        Self { fields, count }
    }

    fn lead(&self) -> Lead<'a> {
        let fields = &self.fields[..self.count];
        let ident = (1..fields.len()).find(|field| fields[*field] == "-");
        let named = match ident {
            Some(ident) => &fields[..ident],
            // Without ident, the client is the first address, and a host name may follow it.
            None => match fields.iter().take(3).position(|field| is_address(field)) {
                Some(client) => {
                    let host = fields.get(client + 1).filter(|field| is_site(field));
                    &fields[..=client + usize::from(host.is_some() && fields.len() > client + 2)]
                }
                // A name with a port is a site, and something follows it.
                None => &fields[..=usize::from(fields.len() > 1 && has_port(fields[0]))],
            },
        };
        // Some servers write the host behind the client.
        let named_client = match named {
            [client, host] if is_address(client) && is_site(host) => Some((*client, &named[1..])),
            _ => named.split_last().map(|(client, others)| (*client, others)),
        };
        let Some((client, others)) = named_client else {
            return Lead::default();
        };
        let names = others.iter().filter(|other| !is_address(other)).count();
        let mut lead = Lead::default();
        let client = client.trim_matches('"');
        if client.contains(',') {
            lead.forwarded_for = Some(client);
        } else {
            lead.client = present(client).unwrap_or_default();
        }
        for other in others {
            let text = other.trim_matches('"');
            if present(text).is_none() {
                continue;
            }
            // An address with a port is that of a server.
            if (is_address(text) && !has_port(text)) || text.contains(',') {
                lead.forwarded_for = Some(text);
            } else if lead.site.is_none() && (names <= 1 || is_site(text)) {
                // Of several names, that of a machine is none of a site.
                lead.site = Some(text);
            }
        }
        lead
    }
}

/// Where a field that may be a list ends: commas hold it together.
fn list_end(text: &str) -> usize {
    let mut from = 0;
    loop {
        let end = text[from..]
            .find(is_blank)
            .map_or(text.len(), |end| from + end);
        if !text[..end].ends_with(',') || end == text.len() {
            return end;
        }
        let rest = behind_blanks(&text[end..]);
        from = text.len() - rest.len();
    }
}

fn is_address(text: &str) -> bool {
    address(without_port(text.trim_matches('"'))).is_some()
}

/// Whether text is a host name with a dot, and no address.
fn is_site(text: &str) -> bool {
    text.contains('.') && !is_address(text) && is_host_name(without_port(text))
}

/// Whether a port follows a name or an address; a bare address of IPv6 has none.
fn has_port(text: &str) -> bool {
    without_port(text).len() < text.len()
        && text.rsplit_once(':').is_some_and(|(_, port)| is_port(port))
}

/// What stands between the time and the request, and the line from behind the opening quote of
/// the request on.
fn find_request(after: &str) -> Result<(&str, &str), Reject> {
    let start = behind_blanks(after);
    let mut rest = start;
    for _ in 0..=FIELDS_BETWEEN {
        let between = start[..start.len() - rest.len()].trim_end_matches(is_blank);
        if let Some(inner) = rest.strip_prefix('"') {
            // Two quoted fields in a row: the first is none of the request, unless it looks like one.
            let next = closing_quote(inner, 0).and_then(|quote| {
                let behind = &inner[quote + 1..];
                let next = behind_blanks(behind);
                let is_quoted = next.len() < behind.len() && next.starts_with('"');
                (is_quoted && !inner[..quote].contains(" HTTP/")).then_some(next)
            });
            match next {
                Some(next) => rest = next,
                // Quotes are doubled where the line is a field of another.
                None if is_doubled(inner) => break,
                None => return Ok((between, inner)),
            }
        } else {
            let (field, next) = token(rest);
            if field.is_empty() {
                break;
            }
            rest = behind_blanks(next);
        }
    }
    Err(Reject::NoRequest)
}

/// Whether a quote follows another, and is not the end of an empty field.
fn is_doubled(inner: &str) -> bool {
    matches!(inner.as_bytes(), [b'"', next, ..] if !matches!(next, b' ' | b'\t'))
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
        if after.starts_with(is_blank) {
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

/// What is read of the fields behind the size and between time and request.
#[derive(Debug, Default)]
struct Tail<'a> {
    referer: Option<&'a str>,
    user_agent: Option<&'a str>,
    host: Option<&'a str>,
    forwarded_for: Option<&'a str>,
    latency_ms: Option<f64>,
    has_odd_latency: bool,
}

impl<'a> Tail<'a> {
    fn read(line: &AccessLine<'a>, layout: &AccessLayout) -> Self {
        let mut tail = Self::default();
        for (text, uses) in [(line.between, &layout.between), (line.tail, &layout.tail)] {
            let mut fields = super::tokens::Tokens::new(text);
            for held in uses {
                let Some(field) = fields.next() else {
                    break;
                };
                tail.set(*held, field);
            }
        }
        tail
    }

    fn set(&mut self, held: TailUse, field: super::tokens::Token<'a>) {
        let text = field.text;
        match held {
            TailUse::Nothing => {}
            TailUse::Referer if field.is_quoted => self.referer = Some(text),
            TailUse::UserAgent if field.is_quoted => self.user_agent = Some(text),
            TailUse::Referer | TailUse::UserAgent => {}
            TailUse::Host => {
                let name = without_port(text);
                self.host = is_host_name(name).then_some(text);
            }
            TailUse::KeyedHost => {
                let host = text.split_once('=').map(|(_, host)| host.trim_matches('"'));
                self.host = host.filter(|host| is_host_name(without_port(host)));
            }
            TailUse::ForwardedFor => self.forwarded_for = present(text),
            TailUse::Seconds => self.latency(text, told_seconds),
            TailUse::KeyedSeconds => {
                let value = text.split_once('=').map_or("", |(_, value)| value);
                self.latency(value, told_seconds);
            }
            TailUse::WithUnit => {
                let text = text.split_once('=').map_or(text, |(_, value)| value);
                self.latency(text, duration::with_unit);
            }
            TailUse::Micros => {
                let micros = text.rsplit_once('/').map_or(text, |(_, micros)| micros);
                self.latency(micros, |micros| {
                    Some(micros.parse::<u64>().ok()? as f64 / 1e3)
                });
            }
        }
    }

    fn latency(&mut self, text: &str, read: impl Fn(&str) -> Option<f64>) {
        if present(text).is_some() {
            self.latency_ms = read(text);
            self.has_odd_latency = self.latency_ms.is_none();
        }
    }
}

/// Reads seconds as milliseconds; a number without the decimals by which seconds are told is none.
fn told_seconds(text: &str) -> Option<f64> {
    is_seconds(text).then(|| seconds(text))?
}

/// Whether text is a number with three decimals, or with six.
pub(super) fn is_seconds(text: &str) -> bool {
    text.split_once('.').is_some_and(|(whole, decimals)| {
        !whole.is_empty()
            && matches!(decimals.len(), 3 | 6)
            && whole
                .bytes()
                .chain(decimals.bytes())
                .all(|b| b.is_ascii_digit())
    })
}

/// Reads seconds with a decimal point as milliseconds.
pub(super) fn seconds(text: &str) -> Option<f64> {
    // So many digits are exact in the floating point number of their milliseconds.
    const EXACT: usize = 15;
    let (mut digits, mut decimals) = (0, None);
    if matches!(text, "" | ".") || text.len() > EXACT {
        return duration::number(text).and_then(|seconds| LatencyUnit::Seconds.millis(seconds));
    }
    for byte in text.bytes() {
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
    Some(match decimals.unwrap_or(0) {
        decimals @ 0..=3 => digits * 10_f64.powi(3 - decimals),
        decimals => digits / 10_f64.powi(decimals - 3),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logs::access_evidence::layout_of;

    /// 22 January 2021, 01:47:05 UTC.
    const MOMENT: i64 = 1_611_280_025_000_000;

    /// Reads a line by the layout that it tells itself.
    fn read(line: &str) -> Result<Request<'_>, Reject> {
        let mut clock = ClfReader::default();
        let layout = layout_of(&[cut(line, &mut clock)?]);
        super::read(line, &layout, &mut clock)
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
                user_agent: Some(r#"Mozilla/5.0 ("quoted") \ \x22"#.into()),
                ..Request::default()
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
            ("1.2.3.4:5678 - -", None, "1.2.3.4:5678"),
            (
                "www.example.com client7.example.net - -",
                Some("www.example.com"),
                "client7.example.net",
            ),
            (
                "www.example.com fe80::1%eth0 - -",
                Some("www.example.com"),
                "fe80::1%eth0",
            ),
            ("- 1.2.3.4 - -", None, "1.2.3.4"),
            ("1.2.3.4 ident frank", None, "1.2.3.4"),
            ("1.2.3.4\t-\t-\t", None, "1.2.3.4"),
            ("1.2.3.4 - [bracket]", None, "1.2.3.4"),
        ] {
            let line = format!(r#"{before} [22/Jan/2021:01:47:05 +0000] "GET / HTTP/1.1" 200 1"#);
            let request = read(&line).unwrap_or_else(|reason| panic!("{before}: {reason:?}"));
            assert_eq!(request.site.as_deref(), site, "{before}");
            assert_eq!(request.client_ip, client, "{before}");
        }
    }

    #[test]
    fn forwarded_addresses_are_found_among_leading_fields() {
        for (before, site, list, client) in [
            ("1.2.3.4, 10.0.0.1 - -", None, "1.2.3.4, 10.0.0.1", ""),
            (
                "s.example 1.2.3.4, 10.0.0.1 - -",
                Some("s.example"),
                "1.2.3.4, 10.0.0.1",
                "",
            ),
            ("\"1.2.3.4\" 10.0.0.2 - -", None, "1.2.3.4", "10.0.0.2"),
            (
                "\"1.2.3.4, 10.0.0.1\" 10.0.0.2 - -",
                None,
                "1.2.3.4, 10.0.0.1",
                "10.0.0.2",
            ),
            (
                "s.example 1.2.3.4 10.0.0.2 - -",
                Some("s.example"),
                "1.2.3.4",
                "10.0.0.2",
            ),
        ] {
            let line = format!(r#"{before} [22/Jan/2021:01:47:05 +0000] "GET / HTTP/1.1" 200 1"#);
            let request = read(&line).unwrap();
            assert_eq!(request.site.as_deref(), site, "{before}");
            assert_eq!(request.forwarded_for.as_deref(), Some(list), "{before}");
            assert_eq!(
                (&*request.client_ip, request.is_forwarded_first),
                (client, true)
            );
        }
        let none = read(r#""-" 10.0.0.2 - - [22/Jan/2021:01:47:05 +0000] "GET / HTTP/1.1" 200 1"#);
        assert_eq!(none.unwrap().client_ip, "10.0.0.2");
    }

    #[test]
    fn fields_may_stand_between_time_and_request() {
        for (between, site) in [
            (" 18598", None),
            (" HIT", None),
            (" \"www.example.com\"", Some("www.example.com")),
            (" 0.003 \"-\"", None),
        ] {
            let line = format!(
                r#"1.2.3.4 - - [22/Jan/2021:01:47:05 +0000]{between} "GET /a HTTP/1.1" 200 1"#
            );
            let request = read(&line).unwrap();
            assert_eq!(
                (&*request.method, &*request.path),
                ("GET", "/a"),
                "{between}"
            );
            assert_eq!(request.site.as_deref(), site, "{between}");
        }
    }

    #[test]
    fn latency_and_host_are_found_among_trailing_fields() {
        for (after, latency_ms, site) in [
            ("", None, None),
            (" 0.123", Some(123.0), None),
            (" 123456", None, None),
            (" 412 3791", None, None),
            (" \"2.75\"", None, None),
            (" 12ms", Some(12.0), None),
            (" rt=0.123", Some(123.0), None),
            (" urt=0.123", None, None),
            (" duration=1.5s", Some(1500.0), None),
            (" 2/2126669", Some(2126.669), None),
            (" 3/2126669", None, None),
            (" 0.010 1.250", Some(1250.0), None),
            (" 1.250 0.010", Some(1250.0), None),
            (" 1611280025.280 0.151", Some(151.0), None),
            (" 0.290 shop.example", Some(290.0), Some("shop.example")),
            (
                " \"Shop.example:443\" 0.123",
                Some(123.0),
                Some("shop.example"),
            ),
            (" backend.internal:8080 0.123", Some(123.0), None),
            (" a.example b.example", None, None),
            (" host=shop.example", None, Some("shop.example")),
            (" 0.123 shop", Some(123.0), None),
            (" \"0.123\" \"shop\"", Some(123.0), None),
            (" \"-\"", None, None),
            (" \"1.2.3.4, 10.0.0.1\"", None, None),
            (" \"203.0.113.7\"", None, None),
            (" HIT", None, None),
            (" index.php", None, None),
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
        for (text, expected) in [
            ("0.29", Some(290.0)),
            ("0.123456", Some(123.456)),
            ("1.", Some(1000.0)),
            (".5", Some(500.0)),
            ("0.1234567890123456", Some(123.456_789)),
            ("", None),
            (".", None),
            ("1.2.3", None),
            ("1e3", None),
            ("-1", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
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
            r#"1.2.3.4 - - [22/Jan/2021:01:47:05 +0000] "GET /"x" y HTTP/1.1" 200 1 "-" "a"b" 0.500"#,
        )
        .unwrap();
        assert_eq!(unescaped.path, r#"/"x" y"#);
        assert_eq!(unescaped.user_agent.as_deref(), Some(r#"a"b"#));
        assert_eq!(unescaped.latency_ms, Some(500.0));
        let tls =
            read(r#"1.2.3.4 - - [22/Jan/2021:01:47:05 +0000] "\x16\x03\x01\"" 400 0 "-" "-""#)
                .unwrap();
        assert_eq!((&*tls.method, &*tls.path), ("", r#"\x16\x03\x01""#));
        let empty = read(r#"1.2.3.4 - - [22/Jan/2021:01:47:05 +0000] "" 400 0"#).unwrap();
        assert_eq!((&*empty.path, empty.status), ("", 400));
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
            (
                "{\"said\":\"1.2.3.4 - - [22/Jan/2021:01:47:05 +0000] \\\"GET / HTTP/1.1\\\" 200 1\"}",
                Reject::NoClient,
            ),
            (
                "[0] a: [1.2, {\"said\"=>\"1.2.3.4 - - [22/Jan/2021:01:47:05 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"curl/8\"\"}]",
                Reject::NoClient,
            ),
            (
                "'1.2.3.4 - - [22/Jan/2021:01:47:05 +0000] \"GET / HTTP/1.1\" 200 1'",
                Reject::NoClient,
            ),
            (
                "\"1.2.3.4 - - [22/Jan/2021:01:47:05 +0000] \"\"GET / HTTP/1.1\"\" 200 1\"",
                Reject::NoRequest,
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
            prop_assert_eq!(seconds(&format!("{whole}.{decimals}")), Some(ms));
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
            referer in proptest::option::of("http://\\PC{2,40}"),
            user_agent in proptest::option::of("Mozilla/5\\PC{2,40}"),
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
                line.push_str(&format!(" {}.{:06}", micros / 1_000_000, micros % 1_000_000));
            }
            let request = read(&line);
            prop_assert_eq!(request, Ok(Request {
                timestamp: seconds * 1_000_000,
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
                ..Request::default()
            }));
        }
    }
}
