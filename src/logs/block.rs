//! Parses a block of lines into rows and rejected lines.
//!
//! The result depends on the block and the layout of its file only, so blocks can be parsed on any
//! thread in any order. Every line is exactly one of: a row, rejected, blank, or the header.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use super::client::TrustedProxies;
use super::layout::{Layout, LineLayout, LineReader};
use super::lines::{KEPT_OF_LONG_LINE, MAX_LINE, clean, line_ranges};
use super::pseudonyms::Pseudonyms;
use super::request::{Reject, Request};
use super::rows::{RequestRows, RowsBuilder};
use super::signs::Signs;

/// The rows of a block, its rejected lines, and how many lines of each kind it has.
#[derive(Debug, Default)]
pub(super) struct ParsedBlock {
    pub(super) rows: RequestRows,
    pub(super) rejected: Vec<Rejected>,
    pub(super) lines: u64,
    pub(super) blank: u64,
    pub(super) header: u64,
    pub(super) signs: Signs,
}

impl ParsedBlock {
    /// A block without text.
    pub(super) fn blank(lines: u64) -> Self {
        Self {
            lines,
            blank: lines,
            ..Self::default()
        }
    }
}

/// A line that is no request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    /// Its number within the block, from 0.
    pub(super) line: u64,
    pub(super) reason: Reject,
    /// Its bytes without line end; of a very long line the first ones.
    pub(super) raw: Vec<u8>,
}

/// How the blocks of one file are parsed.
#[derive(Debug, Clone)]
pub(super) struct BlockParser {
    pub(super) layout: Layout,
    /// Networks whose proxies may say who the client is.
    pub(super) trusted_proxies: TrustedProxies,
    /// The site of every row, whatever the lines say.
    pub(super) forced_site: Option<String>,
    /// The site of rows whose line names none.
    pub(super) default_site: String,
    /// Timestamps that are taken in, microseconds since the Unix epoch.
    pub(super) times: Range<i64>,
    /// The pseudonyms of clients. With them no text of a rejected line is kept: where its client stands
    /// is not known.
    pub(super) pseudonyms: Option<Arc<Pseudonyms>>,
}

impl BlockParser {
    /// Parses one block. `is_first` says that no block with text came before: the header of a
    /// delimited file is in it.
    pub(super) fn parse(&self, block: &[u8], is_first: bool) -> ParsedBlock {
        let lines = &self.layout.lines;
        let mut header_expected = is_first && matches!(lines, LineLayout::Delimited(_));
        let mut parsed = Builder::new(block.len(), self.pseudonyms.is_none());
        let mut reader = LineReader::default();
        let mut repaired = String::new();
        // Of a block that is text as a whole, no line must be checked by itself.
        let block_text = std::str::from_utf8(block).ok();
        for range in line_ranges(block) {
            let line = &block[range.clone()];
            if line.len() > MAX_LINE {
                parsed.reject(Reject::TooLong, &line[..KEPT_OF_LONG_LINE]);
            } else if line.trim_ascii().is_empty() {
                parsed.blank += 1;
            } else if header_expected {
                header_expected = false;
                parsed.header += 1;
            } else {
                let cleaned = clean(line);
                let text = match block_text {
                    Some(text) => &text[range.end - cleaned.len()..range.end],
                    None => self.text(cleaned, &mut repaired),
                };
                if text.starts_with('#') && reader.take_header(text, &self.layout) {
                    parsed.header += 1;
                } else {
                    match reader.read(text, &self.layout) {
                        Ok(request) if !self.times.contains(&request.timestamp) => {
                            parsed.reject(Reject::TimestampBeyondLimits, line);
                        }
                        Ok(request) => {
                            let client = self.trusted_proxies.client(&request);
                            let is_list_unused =
                                request.forwarded_for.is_some() && *client == *request.client_ip;
                            let client = match &self.pseudonyms {
                                Some(pseudonyms) => pseudonyms.of(client),
                                None => Cow::Borrowed(client),
                            };
                            parsed.signs.add(&request, &client, is_list_unused);
                            parsed.rows.push(&request, &client, self.site(&request));
                        }
                        Err(reason) => parsed.reject(reason, line),
                    }
                }
            }
            parsed.lines += 1;
        }
        parsed.finish()
    }

    /// Of lines in combined log format, whose site is `site`.
    #[cfg(test)]
    pub(super) fn of_access_lines() -> Self {
        let layout = super::access_layout::AccessLayout::combined();
        Self {
            layout: Layout {
                prefixes: 0,
                lines: LineLayout::Access(layout),
            },
            trusted_proxies: TrustedProxies::default(),
            forced_site: None,
            default_site: "site".to_owned(),
            times: i64::MIN..i64::MAX,
            pseudonyms: None,
        }
    }

    fn site<'a>(&'a self, request: &'a Request<'_>) -> &'a str {
        match (&self.forced_site, &request.site) {
            (Some(site), _) => site,
            (None, Some(site)) => site,
            (None, None) => &self.default_site,
        }
    }

    /// A line as text; bytes that are not UTF-8 are replaced by `\xHH`.
    fn text<'a>(&self, line: &'a [u8], repaired: &'a mut String) -> &'a str {
        if let Ok(text) = std::str::from_utf8(line) {
            return text;
        }
        // In JSON a backslash must itself be escaped.
        let escape = if self.layout.lines.is_json() {
            "\\\\x"
        } else {
            "\\x"
        };
        repaired.clear();
        for chunk in line.utf8_chunks() {
            repaired.push_str(chunk.valid());
            for byte in chunk.invalid() {
                let _ = write!(repaired, "{escape}{byte:02X}");
            }
        }
        repaired
    }
}

struct Builder {
    /// Whether the text of rejected lines is kept.
    keeps_text: bool,
    rows: RowsBuilder,
    rejected: Vec<Rejected>,
    lines: u64,
    blank: u64,
    header: u64,
    signs: Signs,
}

impl Builder {
    fn new(bytes: usize, keeps_text: bool) -> Self {
        Self {
            keeps_text,
            rows: RowsBuilder::for_block(bytes),
            rejected: Vec::new(),
            lines: 0,
            blank: 0,
            header: 0,
            signs: Signs::default(),
        }
    }

    fn reject(&mut self, reason: Reject, raw: &[u8]) {
        self.rejected.push(Rejected {
            line: self.lines,
            reason,
            raw: if self.keeps_text {
                raw.to_vec()
            } else {
                Vec::new()
            },
        });
    }

    fn finish(self) -> ParsedBlock {
        let Self {
            rows,
            rejected,
            lines,
            blank,
            header,
            signs,
            ..
        } = self;
        ParsedBlock {
            rows: rows.finish(),
            rejected,
            lines,
            blank,
            header,
            signs,
        }
    }
}

/// The site named by a file, for lines that name none.
pub(super) fn site_of_name(name: &str) -> Cow<'_, str> {
    let stem = name
        .split('.')
        .find(|part| !part.is_empty())
        .unwrap_or(name);
    let site = stem.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '_'));
    Cow::Borrowed(if site.is_empty() { stem } else { site })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logs::access_layout::AccessLayout;
    use crate::logs::delimited_line::Header;
    use crate::logs::field_map::FieldMap;
    use crate::logs::fields::FieldIndex;
    use crate::logs::lines::lines;

    fn parser(lines: LineLayout) -> BlockParser {
        BlockParser {
            layout: Layout { prefixes: 0, lines },
            ..BlockParser::of_access_lines()
        }
    }

    fn layouts() -> [LineLayout; 3] {
        let index = FieldIndex::new(&FieldMap::default());
        let names = ["time", "url", "status"].map(str::to_owned);
        let header = Header::new(&names, b',', index.clone());
        [
            LineLayout::Access(AccessLayout::combined()),
            LineLayout::Json(index),
            LineLayout::Delimited(header),
        ]
    }

    #[test]
    fn every_kind_of_line_is_counted_once() {
        let long = [&vec![b'x'; MAX_LINE + 1][..], b"\n"].concat();
        let block = [
            b"\n  \r\ntime,url,status\n1611280025,/,200\n1611280025,/\n" as &[u8],
            &long,
            b"\0\0\x001611280025,/\xff,404",
        ]
        .concat();
        let [.., layout] = layouts();
        let parsed = parser(layout).parse(&block, true);
        assert_eq!(
            (parsed.lines, parsed.blank, parsed.header, parsed.rows.len()),
            (7, 2, 1, 2)
        );
        let rejected: Vec<_> = parsed
            .rejected
            .iter()
            .map(|r| (r.line, r.reason, r.raw.len()))
            .collect();
        assert_eq!(
            rejected,
            [
                (4, Reject::FieldCount, 12),
                (5, Reject::TooLong, KEPT_OF_LONG_LINE)
            ]
        );
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_written_out() {
        let line = b"1.2.3.4 - - [22/Jan/2021:01:47:05 +0000] \"GET /caf\xe9 HTTP/1.1\" 200 1\n";
        let parsed = parser(LineLayout::Access(AccessLayout::combined())).parse(line, true);
        assert_eq!(parsed.rows.text("path", 0), Some("/caf\\xE9"));
        let [_, json, _] = layouts();
        let line = b"{\"ts\":1611280025,\"status\":200,\"uri\":\"/caf\xe9\"}\n";
        assert_eq!(
            parser(json).parse(line, true).rows.text("path", 0),
            Some("/caf\\xE9")
        );
    }

    #[test]
    fn the_site_is_forced_named_or_the_default() {
        let block =
            b"a.example 1.2.3.4 - - [22/Jan/2021:01:47:05 +0000] \"GET / HTTP/1.1\" 200 1\n\
            1.2.3.4 - - [22/Jan/2021:01:47:05 +0000] \"GET / HTTP/1.1\" 200 1\n";
        let mut parser = parser(LineLayout::Access(AccessLayout::combined()));
        let sites = |parser: &BlockParser| -> Vec<(String, u64)> {
            let rows = parser.parse(block, true).rows;
            let sites = rows.sites().iter();
            sites.map(|site| (site.name.clone(), site.rows)).collect()
        };
        assert_eq!(
            sites(&parser),
            [("a.example".to_owned(), 1), ("site".to_owned(), 1)]
        );
        parser.forced_site = Some("shop".to_owned());
        assert_eq!(sites(&parser), [("shop".to_owned(), 2)]);
    }

    #[test]
    fn file_names_name_sites() {
        for (name, site) in [
            ("access-2026-01-01.log", "access"),
            ("access.log.1.gz", "access"),
            ("nasa_19950801.tsv", "nasa"),
            ("shop2_access.log", "shop2_access"),
            ("20260101.log", "20260101"),
            (".hidden.log", "hidden"),
        ] {
            assert_eq!(site_of_name(name), site, "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_line_of_any_bytes_is_accounted_for(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'"')], 0..400),
            is_first: bool,
        ) {
            for layout in layouts() {
                let parsed = parser(layout).parse(&bytes, is_first);
                prop_assert_eq!(parsed.lines, lines(&bytes).count() as u64);
                let sum = parsed.rows.len() as u64
                    + parsed.rejected.len() as u64 + parsed.blank + parsed.header;
                prop_assert_eq!(parsed.lines, sum);
            }
        }
    }
}
