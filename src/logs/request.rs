//! One request as read from a line, and why a line is no request.

use std::borrow::Cow;

use super::timestamp;

/// One parsed request. It borrows from its line; only text with escapes is owned.
///
/// Absent text is empty in the fields that every request has, and [`None`] in the others.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Request<'a> {
    /// Microseconds since the Unix epoch, within [`timestamp::is_plausible`].
    pub(super) timestamp: i64,
    /// The site that the line itself names.
    pub(super) site: Option<Cow<'a, str>>,
    /// Address or host name of the peer, or a list of forwarded addresses in its place.
    pub(super) client_ip: Cow<'a, str>,
    /// Addresses that proxies tell, the peer's not among them.
    pub(super) forwarded_for: Option<Cow<'a, str>>,
    /// Whether the forwarded addresses stand where the client's is expected.
    pub(super) is_forwarded_first: bool,
    /// Method, empty in an odd request.
    pub(super) method: Cow<'a, str>,
    /// Path without query; the whole text of an odd request.
    pub(super) path: Cow<'a, str>,
    /// What follows the first `?`.
    pub(super) query: Cow<'a, str>,
    /// `HTTP/1.1`, empty if not said.
    pub(super) protocol: Cow<'a, str>,
    /// Status from 0 to 999; 0 if nothing was answered.
    pub(super) status: i32,
    /// Size of the response.
    pub(super) bytes: Option<i64>,
    /// Time taken, in milliseconds.
    pub(super) latency_ms: Option<f64>,
    /// Whether there is a latency that is no duration.
    pub(super) has_odd_latency: bool,
    /// Referring page.
    pub(super) referer: Option<Cow<'a, str>>,
    /// Client software.
    pub(super) user_agent: Option<Cow<'a, str>>,
}

/// Why a line is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reject {
    /// Longer than [`super::lines::MAX_LINE`].
    TooLong,
    /// No field holds a time.
    NoTimestamp,
    /// The field of the time holds something else.
    BadTimestamp,
    /// A time of day of which nothing says the date.
    NoDate,
    /// A time that is local, without what its zone is.
    LocalTime,
    /// Before 1990 or after 2099.
    TimestampOutOfRange,
    /// Before or after what the job takes in.
    TimestampBeyondLimits,
    /// Nothing stands before the time.
    NoClient,
    /// No text in quotes follows the time.
    NoRequest,
    /// The request's closing quote is missing, or no status follows it.
    UnterminatedRequest,
    /// No path in a record of named fields.
    NoPath,
    /// No status in a record of named fields.
    NoStatus,
    /// The status is no number up to 999.
    BadStatus,
    /// The size is neither a number nor `-`.
    BadBytes,
    /// Fields and the text between them are not those of the format.
    Mismatch,
    /// No line of a log in a record of a collector.
    NoLine,
    /// A piece of a line that a collector cut, without its end.
    Piece,
    /// Not one JSON object.
    BadJson,
    /// More or fewer fields than the header.
    FieldCount,
    /// A quoted field of a delimited line does not end.
    UnterminatedField,
}

impl Reject {
    /// The reason in words, as the quarantine and the summary state it.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "line longer than 1 MiB",
            Self::NoTimestamp => "no timestamp",
            Self::BadTimestamp => "unreadable timestamp",
            Self::NoDate => "time of day without a date",
            Self::LocalTime => "local time, by `#GMT-Offset`",
            Self::TimestampOutOfRange => "timestamp outside the years 1990 to 2099",
            Self::TimestampBeyondLimits => "timestamp beyond the limits",
            Self::NoClient => "no client before the timestamp",
            Self::NoRequest => "no quoted request after the timestamp",
            Self::UnterminatedRequest => "no closing quote and status after the request",
            Self::NoPath => "no path",
            Self::NoStatus => "no status",
            Self::BadStatus => "status is not a number from 0 to 999",
            Self::BadBytes => "response size is not a number",
            Self::Mismatch => "line does not match the format",
            Self::NoLine => "no line of a log in the record of the collector",
            Self::Piece => "a piece of a line, whose end is not there",
            Self::BadJson => "not a JSON object",
            Self::FieldCount => "number of fields differs from the header",
            Self::UnterminatedField => "quoted field does not end",
        }
    }
}

/// A timestamp that a request can have.
pub(super) fn plausible(micros: i64) -> Result<i64, Reject> {
    if timestamp::is_plausible(micros) {
        Ok(micros)
    } else {
        Err(Reject::TimestampOutOfRange)
    }
}

/// Text that stands for itself; nothing for an empty field and for `-`.
pub(super) fn present(text: &str) -> Option<&str> {
    (!matches!(text, "" | "-")).then_some(text)
}

/// Reads a status: up to three digits, or `-` for none.
pub(super) fn status(text: &str) -> Option<i32> {
    match text.as_bytes() {
        b"-" => Some(0),
        [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            Some(i32::from(a - b'0') * 100 + i32::from(b - b'0') * 10 + i32::from(c - b'0'))
        }
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(i32::from(a - b'0') * 10 + i32::from(b - b'0')),
        [a @ b'0'..=b'9'] => Some(i32::from(a - b'0')),
        _ => None,
    }
}

/// Reads a size in bytes, `-` being absent.
pub(super) fn size(text: &str) -> Result<Option<i64>, Reject> {
    let Some(text) = present(text) else {
        return Ok(None);
    };
    let bytes = text.as_bytes();
    if bytes.len() <= 18 {
        let mut value = 0;
        for byte in bytes {
            if !byte.is_ascii_digit() {
                return Err(Reject::BadBytes);
            }
            value = value * 10 + i64::from(byte - b'0');
        }
        return Ok(Some(value));
    }
    Err(Reject::BadBytes)
}

/// Method, path, query and protocol of a request line, still with its escapes.
///
/// Text that is no request line, such as the first bytes of a TLS handshake, is a path as a
/// whole: it did reach the server, and how much of it arrives is worth counting. So are lines
/// without protocol whose target does not look like one.
pub(super) fn split_request(text: &str) -> (&str, &str, &str, &str) {
    let odd = ("", present(text).unwrap_or_default(), "", "");
    let Some(space) = memchr::memchr(b' ', text.as_bytes()) else {
        return odd;
    };
    let (method, rest) = (&text[..space], &text[space + 1..]);
    // `-` is what load balancers write in the place of a method that they could not read.
    if matches!(method, "" | "-") || !method.bytes().all(is_token) {
        return odd;
    }
    let (target, protocol) = match memchr::memrchr(b' ', rest.as_bytes()) {
        Some(space) if rest[space + 1..].starts_with("HTTP/") => {
            (&rest[..space], &rest[space + 1..])
        }
        _ if rest.starts_with(['/', '*']) || rest.contains("://") => (rest.trim_end(), ""),
        _ => return odd,
    };
    let (path, query) = split_target(target);
    (method, path, query, protocol)
}

/// Path and query of a request target.
pub(super) fn split_target(target: &str) -> (&str, &str) {
    match memchr::memchr(b'?', target.as_bytes()) {
        Some(mark) => (&target[..mark], &target[mark + 1..]),
        None => (target, ""),
    }
}

/// Host and path of a URL that has a scheme.
pub(super) fn host_of_url(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    Some((host, if path.is_empty() { "/" } else { path }))
}

/// Text of a quoted field without the escapes of quotes and backslashes.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
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

/// Whether a byte may be part of a method (RFC 9110, `token`).
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// A host as the name of a site: lower case and without port, nothing for a catch-all (`_`).
pub(super) fn host_site(host: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| is_port(port))
        .map_or(&*host, |(name, _)| name);
    if present(name).is_none() || name == "_" {
        return None;
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some(Cow::Owned(name.to_ascii_lowercase()));
    }
    let kept = name.len();
    Some(match host {
        Cow::Borrowed(host) => Cow::Borrowed(&host[..kept]),
        Cow::Owned(mut host) => {
            host.truncate(kept);
            Cow::Owned(host)
        }
    })
}

/// Whether text is a port number.
pub(super) fn is_port(text: &str) -> bool {
    matches!(text.len(), 1..=5) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_lines_are_split() {
        for (text, expected) in [
            ("GET /a?b=c HTTP/1.1", ("GET", "/a", "b=c", "HTTP/1.1")),
            ("GET /a?b?c HTTP/2.0", ("GET", "/a", "b?c", "HTTP/2.0")),
            ("GET /a b c HTTP/1.1", ("GET", "/a b c", "", "HTTP/1.1")),
            ("GET /a", ("GET", "/a", "", "")),
            ("OPTIONS *", ("OPTIONS", "*", "", "")),
            ("M-SEARCH * HTTP/1.1", ("M-SEARCH", "*", "", "HTTP/1.1")),
            (
                "CONNECT example.org:443 HTTP/1.1",
                ("CONNECT", "example.org:443", "", "HTTP/1.1"),
            ),
            (
                "GET http://example.org/",
                ("GET", "http://example.org/", "", ""),
            ),
            ("- http://a:80- ", ("", "- http://a:80- ", "", "")),
            ("-", ("", "", "", "")),
            ("", ("", "", "", "")),
            ("\\x16\\x03\\x01", ("", "\\x16\\x03\\x01", "", "")),
            (
                "\\x03\\x00 Cookie: mstshash=a",
                ("", "\\x03\\x00 Cookie: mstshash=a", "", ""),
            ),
            ("hello world", ("", "hello world", "", "")),
            ("/tmp/gpon80&ipv=0", ("", "/tmp/gpon80&ipv=0", "", "")),
        ] {
            assert_eq!(split_request(text), expected, "{text}");
        }
    }

    #[test]
    fn hosts_become_sites() {
        for (host, expected) in [
            ("shop.example", Some("shop.example")),
            ("Shop.Example:443", Some("shop.example")),
            ("shop.example:80", Some("shop.example")),
            ("_", None),
            ("-", None),
            (":80", None),
        ] {
            assert_eq!(
                host_site(Cow::Borrowed(host)).as_deref(),
                expected,
                "{host}"
            );
            assert_eq!(
                host_site(Cow::Owned(host.to_owned())).as_deref(),
                expected,
                "{host}"
            );
        }
    }

    #[test]
    fn numbers_are_strict() {
        assert_eq!(
            [status("200"), status("0"), status("-")],
            [Some(200), Some(0), Some(0)]
        );
        assert_eq!([status("2000"), status("+20"), status("")], [None; 3]);
        assert_eq!(size("-"), Ok(None));
        assert_eq!(size("12"), Ok(Some(12)));
        assert_eq!(size("-12"), Err(Reject::BadBytes));
        assert_eq!(size("9999999999999999999"), Err(Reject::BadBytes));
    }
}
