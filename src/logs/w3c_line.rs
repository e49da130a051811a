//! Lines of the W3C extended log file format (<https://www.w3.org/TR/WD-logfile.html>), as IIS,
//! CloudFront and Tomcat write them, and of the logs of Zeek, which are alike.
//!
//! A line `#Fields:` names the fields of those that follow, until another one does. Times are UTC.
//! IIS writes `+` for a blank in user agents, CloudFront percent-encodes them; of others, the form of a
//! user agent tells. Zeek writes `#fields`,
//! and `(empty)` for text without characters.

use std::borrow::Cow;

use super::column::LogColumn;
use super::field_map::FieldMap;
use super::fields::{FieldIndex, Use};
use super::lines::lines;
use super::request::{Reject, Request};
use super::timestamp;
use super::tokens::Tokens;
use super::values::{Value, Values};
use super::w3c_said::Said;

/// How a line that names fields begins.
const FIELDS: &str = "#Fields:";
/// The same of Zeek's logs, whose fields are between tabs.
const ZEEK_FIELDS: &str = "#fields\t";

/// The fields of CloudFront's standard logs, of which parts without a header are about
/// (<https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html>).
const CLOUDFRONT: &str = "#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) \
    cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type \
    x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol \
    ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields \
    c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len \
    sc-range-start sc-range-end";

/// The fields of lines.
#[derive(Debug, Clone)]
pub(super) struct W3cHeader {
    map: FieldMap,
    names: Vec<String>,
    index: FieldIndex,
    uses: Vec<Vec<Use>>,
    encoding: Encoding,
    /// The number of a time of day that has no date beside it.
    time_of_day: Option<usize>,
    /// What was said before the lines.
    said: Said,
}

/// How text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Plain,
    /// A blank is `+`.
    Plus,
    Percent,
    Zeek,
}

impl W3cHeader {
    /// The fields that a header line names; nothing if it is another line.
    pub(super) fn of(line: &str, map: &FieldMap) -> Option<Self> {
        let names: Vec<String> = match (line.strip_prefix(FIELDS), line.strip_prefix(ZEEK_FIELDS)) {
            (Some(names), _) => names.split_ascii_whitespace().map(str::to_owned).collect(),
            (None, names) => names?.split('\t').map(str::to_owned).collect(),
        };
        let has = |name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        let of_iis = [
            "sc-win32-status",
            "sc-substatus",
            "s-sitename",
            "s-computername",
        ];
        let encoding = if line.starts_with(ZEEK_FIELDS) {
            Encoding::Zeek
        } else if has("x-edge-location") {
            Encoding::Percent
        } else if of_iis.into_iter().any(has) {
            Encoding::Plus
        } else {
            Encoding::Plain
        };
        // No field of the format is `host`, but for Zeek's, which name the client.
        let index = FieldIndex::for_names(map, &names, |_| Vec::new());
        let uses = index.uses_of(&names);
        let has_date = uses
            .iter()
            .flatten()
            .any(|(column, _)| *column == LogColumn::Date);
        let time_of_day = names
            .iter()
            .position(|name| !has_date && name.eq_ignore_ascii_case("time"));
        Some(Self {
            map: map.clone(),
            index,
            uses,
            names,
            encoding,
            time_of_day,
            said: Said::default(),
        })
    }

    /// The fields of CloudFront's lines whose header is missing.
    pub(super) fn of_cloudfront(map: &FieldMap) -> Option<Self> {
        Self::of(CLOUDFRONT, map)
    }

    /// The header that holds behind a block, if it is another.
    pub(super) fn after(&self, block: &[u8]) -> Option<Self> {
        let has_directives =
            block.starts_with(b"#") || memchr::memmem::find(block, b"\n#").is_some();
        if !has_directives && self.time_of_day.is_none() {
            return None;
        }
        let mut next = self.clone();
        for line in lines(block) {
            if line.starts_with(b"#") {
                let line = String::from_utf8_lossy(line.trim_ascii_end());
                next.said.take(&line);
                if let Some(renamed) = next.renamed(&line) {
                    next = Self {
                        said: next.said,
                        ..renamed
                    };
                }
            } else if next.time_of_day.is_some() {
                // What the line is does not matter, but how late it is.
                let _ = next
                    .time(&String::from_utf8_lossy(line))
                    .map(|time| next.said.moment(time));
            }
        }
        Some(next)
    }

    /// The header of another line that names fields.
    pub(super) fn renamed(&self, line: &str) -> Option<Self> {
        Self::of(line, &self.map)
    }

    pub(super) const fn index(&self) -> &FieldIndex {
        &self.index
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// What was said before the lines.
    pub(super) const fn said(&self) -> Said {
        self.said
    }

    /// Whether some lines tell a time of day, and neither they nor those before them a date.
    pub(super) fn lacks_date<'l>(&self, lines: impl Iterator<Item = &'l str>) -> bool {
        let mut said = self.said;
        for line in lines {
            said.take(line);
            if !line.starts_with('#') && self.time(line).is_some() && !said.has_day() {
                return true;
            }
        }
        false
    }

    /// The time of day of a line that has no date.
    fn time(&self, line: &str) -> Option<i64> {
        let text = fields(line).nth(self.time_of_day?)?;
        timestamp::time_of_day(text)
    }

    /// Reads one line, given what was said before it.
    pub(super) fn read<'a>(&self, line: &'a str, said: &mut Said) -> Result<Request<'a>, Reject> {
        let time = self.time(line).map(|time| said.moment(time)).transpose()?;
        if said.is_local() {
            return Err(Reject::LocalTime);
        }
        let mut values = Values::default();
        let mut uses = self.uses.iter();
        for text in fields(line) {
            for held in uses.next().ok_or(Reject::FieldCount)? {
                let value = match time {
                    Some(time) if held.0 == LogColumn::Timestamp => Value::Instant(time),
                    _ => Value::Text(self.decoded(held.0, text)),
                };
                values.set(*held, value);
            }
        }
        if uses.next().is_some() {
            return Err(Reject::FieldCount);
        }
        values.named_request()
    }

    fn decoded<'a>(&self, column: LogColumn, text: &'a str) -> Cow<'a, str> {
        let is_text = matches!(column, LogColumn::UserAgent | LogColumn::Referer);
        match self.encoding {
            Encoding::Zeek if text == "(empty)" => Cow::Borrowed(""),
            Encoding::Zeek => Cow::Borrowed(text),
            Encoding::Plus if column == LogColumn::UserAgent => with_blanks(text),
            Encoding::Percent if is_text => percent_decoded(text),
            // Others than these servers write user agents as one of them does.
            Encoding::Plain if column == LogColumn::UserAgent && is_product_and_plus(text) => {
                with_blanks(text)
            }
            Encoding::Plain if column == LogColumn::UserAgent && text.contains("%20") => {
                percent_decoded(text)
            }
            Encoding::Plus | Encoding::Percent | Encoding::Plain => Cow::Borrowed(text),
        }
    }
}

/// Text in which `+` is a blank.
fn with_blanks(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        Cow::Owned(text.replace('+', " "))
    } else {
        Cow::Borrowed(text)
    }
}

/// Text without percent-encoding. CloudFront encoded some fields twice for years.
fn percent_decoded(text: &str) -> Cow<'_, str> {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
    if !decoded.contains(' ') && decoded.contains("%20") {
        let again = percent_encoding::percent_decode_str(&decoded);
        return Cow::Owned(again.decode_utf8_lossy().into_owned());
    }
    decoded
}

/// Whether a user agent has a `+` behind its first product, where others have a blank:
/// `Mozilla/5.0+(X11)`.
fn is_product_and_plus(text: &str) -> bool {
    let product = text.split_once('/').map_or("", |(_, rest)| rest);
    let version = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    product.starts_with(|c: char| c.is_ascii_digit())
        && product.trim_start_matches(version).starts_with('+')
        && !text.contains(' ')
}

/// The fields of a line between tabs, or between blanks where it has no tab.
fn fields(line: &str) -> impl Iterator<Item = &str> {
    let has_tabs = memchr::memchr(b'\t', line.as_bytes()).is_some();
    let between_tabs = has_tabs.then(|| line.split('\t'));
    let between_blanks = (!has_tabs).then(|| Tokens::new(line).map(|token| token.text));
    let between_tabs = between_tabs.into_iter().flatten();
    between_tabs.chain(between_blanks.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iis_and_cloudfront_lines_are_read() {
        let iis = W3cHeader::of(
            "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken",
            &FieldMap::default(),
        )
        .unwrap();
        let line = "2024-03-04 10:00:00 10.0.0.1 GET /a.aspx b=c 443 - 203.0.113.7 Mozilla/5.0+(Windows) - 200 0 0 93";
        let request = iis.read(line, &mut Said::default()).unwrap();
        assert_eq!(request.timestamp, 1_709_546_400_000_000);
        assert_eq!((&*request.path, &*request.query), ("/a.aspx", "b=c"));
        assert_eq!(request.latency_ms, Some(93.0));
        assert_eq!(request.user_agent.as_deref(), Some("Mozilla/5.0 (Windows)"));
        let front = W3cHeader::of(
            "#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query x-host-header time-taken",
            &FieldMap::default(),
        )
        .unwrap();
        let line = "2024-03-04\t10:00:00\tFRA2\t512\t203.0.113.7\tGET\td1.cloudfront.net\t/a\t200\t-\tMozilla/5.0%20(X)\t-\twww.example.com\t0.002";
        let request = front.read(line, &mut Said::default()).unwrap();
        assert_eq!(request.site.as_deref(), Some("www.example.com"));
        assert_eq!(request.latency_ms, Some(2.0));
        assert_eq!(request.user_agent.as_deref(), Some("Mozilla/5.0 (X)"));
        assert_eq!(
            front.read("a b", &mut Said::default()).map(|_| ()),
            Err(Reject::FieldCount)
        );
    }

    #[test]
    fn the_last_header_of_a_block_holds_behind_it() {
        let header = W3cHeader::of("#Fields: date time", &FieldMap::default()).unwrap();
        let block = b"a #Fields: no\n#Fields: a b\r\nx\n#Fields: c d\nx\n";
        assert_eq!(header.after(block).unwrap().names(), ["c", "d"]);
        assert!(header.after(b"x #Fields: c d\n").is_none());
        let zeek = header.after(b"#fields\tts\thost\n").unwrap();
        assert_eq!(zeek.names(), ["ts", "host"]);
    }

    #[test]
    fn user_agents_have_their_blanks() {
        let header = |fields: &str| W3cHeader::of(fields, &FieldMap::default()).unwrap();
        let plain = header("#Fields: date time cs-uri-stem sc-status cs(User-Agent)");
        let front =
            header("#Fields: date time cs-uri-stem sc-status cs(User-Agent) x-edge-location");
        for (is_front, agent, expected) in [
            (
                false,
                "Mozilla/4.0+(compatible;MSIE+5.5)",
                "Mozilla/4.0 (compatible;MSIE 5.5)",
            ),
            (false, "Mozilla/5.0%20(X11)", "Mozilla/5.0 (X11)"),
            (
                false,
                "crawler+(http://a.example)",
                "crawler+(http://a.example)",
            ),
            (false, "g++/1", "g++/1"),
            (
                true,
                "Mozilla/5.0%2520(X11;%2520Linux)",
                "Mozilla/5.0 (X11; Linux)",
            ),
            (true, "a%2520b", "a b"),
            (true, "a%20b%2520c", "a b%20c"),
        ] {
            let (header, end) = if is_front {
                (&front, "\tFRA2")
            } else {
                (&plain, "")
            };
            let line = format!("2024-03-04\t10:00:00\t/a\t200\t{agent}{end}");
            let request = header.read(&line, &mut Said::default()).unwrap();
            assert_eq!(request.user_agent.as_deref(), Some(expected), "{agent}");
        }
    }

    #[test]
    fn lines_of_zeek_are_read() {
        let header = W3cHeader::of(
            "#fields\tts\tuid\tid.orig_h\tid.orig_p\tmethod\thost\turi\treferrer\tversion\tuser_agent\tresponse_body_len\tstatus_code",
            &FieldMap::default(),
        )
        .unwrap();
        let line = "1709546400.123456\tC1\t203.0.113.7\t4711\tGET\tWWW.example.com:8080\t/a?b\t-\t1.1\tcurl 8\t512\t200";
        let request = header.read(line, &mut Said::default()).unwrap();
        assert_eq!(request.timestamp, 1_709_546_400_123_456);
        assert_eq!(request.site.as_deref(), Some("www.example.com"));
        assert_eq!((&*request.client_ip, &*request.path), ("203.0.113.7", "/a"));
        assert_eq!((request.bytes, request.referer), (Some(512), None));
        assert_eq!(request.user_agent.as_deref(), Some("curl 8"));
        let empty = line
            .replace("curl 8", "(empty)")
            .replace("WWW.example.com:8080", "-");
        let request = header.read(&empty, &mut Said::default()).unwrap();
        assert_eq!((request.site, request.user_agent), (None, None));
        // Without an answer.
        let none = line.replace("\t512\t200", "\t0\t-");
        assert_eq!(header.read(&none, &mut Said::default()).unwrap().status, 0);
        // Another separator.
        assert!(W3cHeader::of("#fields,ts,uid", &FieldMap::default()).is_none());
    }

    #[test]
    fn lines_without_a_date_have_that_of_the_header() {
        let map = FieldMap::default();
        let header = W3cHeader::of("#Fields: time c-ip cs-method cs-uri-stem sc-status", &map);
        let header = header.unwrap();
        let line = "10:00:00 203.0.113.7 GET /a 200";
        let mut said = header.said();
        assert_eq!(
            header.read(line, &mut said).map(|_| ()),
            Err(Reject::NoDate)
        );
        assert!(header.lacks_date([line].into_iter()));
        said.take("#Date: 2024-03-04 09:59:00");
        assert_eq!(
            header.read(line, &mut said).unwrap().timestamp,
            1_709_546_400_000_000
        );
        assert!(!header.lacks_date(["#Date: 2024-03-04", line].into_iter()));
        // Behind a block, the date and how late it is still hold.
        let block = format!("#Date: 2024-03-04 09:59:00\n{line}\n23:00:00 - GET / 200\n");
        let after = header.after(block.as_bytes()).unwrap();
        let mut said = after.said();
        assert_eq!(after.read(line, &mut said).map(|_| ()), Err(Reject::NoDate));
        // A whole time needs no date.
        let whole = "2024-03-04T10:00:00Z 203.0.113.7 GET /a 200";
        assert!(!header.lacks_date([whole].into_iter()));
        assert!(header.read(whole, &mut Said::default()).is_ok());
    }

    #[test]
    fn local_times_are_refused() {
        let header = W3cHeader::of("#Fields: date time cs-uri sc-status", &FieldMap::default());
        let header = header.unwrap();
        let line = "2024-03-04 10:00:00 /a 200";
        assert!(header.read(line, &mut header.said()).is_ok());
        let after = header.after(b"#GMT-Offset: -0800\n").unwrap();
        assert_eq!(
            after.read(line, &mut after.said()).map(|_| ()),
            Err(Reject::LocalTime)
        );
    }

    #[test]
    fn cloudfront_needs_no_header() {
        let header = W3cHeader::of_cloudfront(&FieldMap::default()).unwrap();
        assert_eq!(header.names().len(), 33);
        let line = "2024-03-04\t10:00:00\tFRA2\t512\t203.0.113.7\tGET\td1.cloudfront.net\t/a\t200\t-\tMozilla/5.0%20(X)\tb=c\t-\tHit\tid==\twww.example.com\thttps\t23\t0.002\t-\tTLSv1.3\tTLS_AES_128_GCM_SHA256\tHit\tHTTP/2.0\t-\t-\t11040\t0.001\tHit\ttext/html\t78\t-\t-";
        let request = header.read(line, &mut Said::default()).unwrap();
        assert_eq!((request.status, request.latency_ms), (200, Some(2.0)));
        assert_eq!((&*request.query, &*request.protocol), ("b=c", "HTTP/2.0"));
        assert_eq!(request.site.as_deref(), Some("www.example.com"));
    }
}
