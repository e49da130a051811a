//! Lines of the W3C extended log file format (<https://www.w3.org/TR/WD-logfile.html>), as IIS,
//! CloudFront and Tomcat write them.
//!
//! A line `#Fields:` names the fields of those that follow, until another one does. Times are UTC.
//! IIS writes `+` for a blank in user agents, CloudFront percent-encodes them.

use std::borrow::Cow;

use super::column::LogColumn;
use super::field_map::FieldMap;
use super::fields::{FieldIndex, Use};
use super::request::{Reject, Request};
use super::tokens::Tokens;
use super::values::{Value, Values};

/// How a line that names fields begins.
const FIELDS: &str = "#Fields:";

/// The fields of lines.
#[derive(Debug, Clone)]
pub(super) struct W3cHeader {
    map: FieldMap,
    names: Vec<String>,
    index: FieldIndex,
    uses: Vec<Vec<Use>>,
    encoding: Encoding,
}

/// How blanks are written in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Plain,
    Plus,
    Percent,
}

impl W3cHeader {
    /// The fields that a header line names; nothing if it is another line.
    pub(super) fn of(line: &str, map: &FieldMap) -> Option<Self> {
        let names: Vec<String> = line
            .strip_prefix(FIELDS)?
            .split_ascii_whitespace()
            .map(str::to_owned)
            .collect();
        let has = |name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        let encoding = if has("x-edge-location") {
            Encoding::Percent
        } else if [
            "sc-win32-status",
            "sc-substatus",
            "s-sitename",
            "s-computername",
        ]
        .into_iter()
        .any(has)
        {
            Encoding::Plus
        } else {
            Encoding::Plain
        };
        let index = FieldIndex::for_names(map, &names);
        let uses = names
            .iter()
            .map(|name| index.uses(&name.to_ascii_lowercase()).to_vec())
            .collect();
        Some(Self {
            map: map.clone(),
            index,
            uses,
            names,
            encoding,
        })
    }

    /// The header that holds behind a block.
    pub(super) fn after(&self, block: &[u8]) -> Option<Self> {
        let at = memchr::memmem::rfind_iter(block, FIELDS.as_bytes())
            .find(|at| *at == 0 || block[*at - 1] == b'\n')?;
        let line = block[at..].split(|byte| *byte == b'\n').next()?;
        self.renamed(&String::from_utf8_lossy(line.trim_ascii_end()))
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

    /// Reads one line.
    pub(super) fn read<'a>(&self, line: &'a str) -> Result<Request<'a>, Reject> {
        let mut values = Values::default();
        let mut uses = self.uses.iter();
        let mut set = |text: &'a str| {
            for held in uses.next().ok_or(Reject::FieldCount)? {
                values.set(*held, Value::Text(self.decoded(held.0, text)));
            }
            Ok(())
        };
        if memchr::memchr(b'\t', line.as_bytes()).is_some() {
            for field in line.split('\t') {
                set(field)?;
            }
        } else {
            for token in Tokens::new(line) {
                set(token.text)?;
            }
        }
        if uses.next().is_some() {
            return Err(Reject::FieldCount);
        }
        values.request()
    }

    fn decoded<'a>(&self, column: LogColumn, text: &'a str) -> Cow<'a, str> {
        let is_text = matches!(column, LogColumn::UserAgent | LogColumn::Referer);
        match self.encoding {
            Encoding::Plus if column == LogColumn::UserAgent && text.contains('+') => {
                Cow::Owned(text.replace('+', " "))
            }
            Encoding::Percent if is_text && text.contains('%') => {
                percent_encoding::percent_decode_str(text).decode_utf8_lossy()
            }
            _ => Cow::Borrowed(text),
        }
    }
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
        let request = iis.read(line).unwrap();
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
        let request = front.read(line).unwrap();
        assert_eq!(request.site.as_deref(), Some("www.example.com"));
        assert_eq!(request.latency_ms, Some(2.0));
        assert_eq!(request.user_agent.as_deref(), Some("Mozilla/5.0 (X)"));
        assert_eq!(front.read("a b").map(|_| ()), Err(Reject::FieldCount));
    }

    #[test]
    fn the_last_header_of_a_block_holds_behind_it() {
        let header = W3cHeader::of("#Fields: date time", &FieldMap::default()).unwrap();
        let block = b"a #Fields: no\n#Fields: a b\r\nx\n#Fields: c d\nx\n";
        assert_eq!(header.after(block).unwrap().names(), ["c", "d"]);
        assert!(header.after(b"x #Fields: c d\n").is_none());
    }
}
