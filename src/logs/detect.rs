//! Tells the format of a log from its first lines.
//!
//! Up to 1000 lines within the first MiB are looked at. What collectors write in front of lines is
//! taken off if most lines have it. Then formats are tried, the most telling ones first, and one
//! that reads at least a tenth of the lines is taken: real logs start with a line of `newsyslog`, or
//! with scanners' garbage. A format with a name that goes on where the common format ends must read
//! four of five. Delimited files are told by their header line, so they come last.

use std::borrow::Cow;
use std::collections::HashSet;

use super::access_evidence::layout_of;
use super::access_format::format_of;
use super::access_layout::AccessLayout;
use super::access_line::{self, AccessLine};
use super::column::LogColumn;
use super::delimited_line::{self, Header};
use super::field_map::FieldMap;
use super::fields::FieldIndex;
use super::json_line;
use super::layout::{Layout, LineLayout, LineReader, Wrapped};
use super::line_format::{KNOWN, KnownFormat, LineFormat, Telling};
use super::lines::{clean, lines};
use super::log_format::Format;
use super::ltsv_line;
use super::prefix;
use super::request::present;
use super::timestamp::ClfReader;
use super::undetected::{Undetected, check, unknown};
use super::w3c_line::W3cHeader;

/// The bytes of a file that are looked at.
const SAMPLE_BYTES: usize = 1 << 20;
const SAMPLE_LINES: usize = 1000;
/// One in so many lines must be read for a format to be recognised.
const READABLE_SHARE: usize = 10;
/// Delimiters that are tried, the most telling first.
const DELIMITERS: [u8; 4] = [b'\t', b',', b';', b'|'];
/// Keys under which collectors put the lines that they read.
const WRAPPERS: [&str; 8] = [
    "log",
    "message",
    "textpayload",
    "msg",
    "line",
    "_raw",
    "event.original",
    "body",
];

/// What the first lines tell.
#[derive(Debug, Clone)]
pub(super) struct Detected {
    pub(super) format: Format,
    pub(super) layout: Layout,
    /// The names of the fields, where they have some.
    pub(super) names: Vec<String>,
    /// The format of a server that says what was told of lines, if one does.
    pub(super) offered: Option<String>,
}

impl Detected {
    fn new(format: Format, lines: LineLayout) -> Self {
        Self {
            format,
            layout: Layout { prefixes: 0, lines },
            names: Vec::new(),
            offered: None,
        }
    }
}

/// Tells format and layout from the beginning of a file, or checks a given format against it.
/// The answer is [`None`] if there is only white space.
pub(super) fn detect(
    beginning: &[u8],
    given: Option<&Format>,
    map: &FieldMap,
) -> Result<Option<Detected>, Undetected> {
    let sample = Sample::of(beginning);
    if sample.lines.is_empty() {
        return Ok(None);
    }
    let detected = match given {
        Some(format) => sample.given(format, map)?,
        None => sample.told(map)?,
    };
    Ok(Some(detected))
}

/// The delimiter that makes most columns of use out of a header line, and the names.
fn header(line: &str, index: &FieldIndex) -> Result<(u8, Vec<String>), Undetected> {
    let mut best = (0, 0, Vec::new());
    for delimiter in DELIMITERS {
        let Ok(names) = delimited_line::names(line, delimiter) else {
            continue;
        };
        let used = names
            .iter()
            .filter(|name| !index.uses(&name.to_ascii_lowercase()).is_empty())
            .count();
        if names.len() > 1 && used > best.0 {
            best = (used, delimiter, names);
        }
    }
    match best {
        (0, _, _) => Err(unknown(line)),
        (_, delimiter, names) => Ok((delimiter, names)),
    }
}

/// The rest of a block from its first line with text on.
fn without_blank_lines(block: &[u8]) -> &[u8] {
    let blank = block.len() - block.trim_ascii_start().len();
    let start = memchr::memrchr(b'\n', &block[..blank]).map_or(0, |end| end + 1);
    &block[start..]
}

/// The first lines with text.
struct Sample<'a> {
    lines: Vec<Cow<'a, str>>,
}

impl<'a> Sample<'a> {
    fn of(beginning: &'a [u8]) -> Self {
        let beginning = without_blank_lines(beginning);
        let is_cut = beginning.len() > SAMPLE_BYTES;
        let bytes = &beginning[..beginning.len().min(SAMPLE_BYTES)];
        let mut lines: Vec<_> = lines(bytes)
            .map(|line| String::from_utf8_lossy(clean(line)))
            .filter(|line| !line.trim_ascii().is_empty())
            .take(SAMPLE_LINES)
            .collect();
        if is_cut && (2..SAMPLE_LINES).contains(&lines.len()) && !bytes.ends_with(b"\n") {
            lines.pop();
        }
        Self { lines }
    }

    /// How many prefixes of collectors most lines have.
    fn prefixes(&self) -> u8 {
        let counts: Vec<u8> = self.lines.iter().map(|line| prefix::count(line)).collect();
        (1..=prefix::NESTED)
            .rev()
            .find(|prefixes| {
                counts.iter().filter(|count| *count >= prefixes).count() * 2 >= counts.len()
            })
            .unwrap_or(0)
    }

    /// The lines without so many prefixes.
    fn without(&self, prefixes: u8) -> Sample<'_> {
        let lines = self.lines.iter();
        Sample {
            lines: lines
                .map(|line| Cow::Borrowed(prefix::strip(line, prefixes).unwrap_or(line)))
                .collect(),
        }
    }

    /// The best of what the lines are without none, some or all of their prefixes: what reads most
    /// lines, then a format with a name, then what takes most off.
    fn best(
        &self,
        told: impl Fn(&Sample<'_>) -> Option<Result<Detected, Undetected>>,
    ) -> Option<Result<Detected, Undetected>> {
        let mut best: Option<((usize, bool), Result<Detected, Undetected>)> = None;
        let most = self.prefixes();
        if most == 0 {
            return told(self);
        }
        for prefixes in 0..=most {
            let lines = self.without(prefixes);
            let Some(mut told) = told(&lines) else {
                continue;
            };
            let mut rank = (0, false);
            if let Ok(detected) = &mut told {
                let is_named = matches!(detected.format, Format::Fields(_));
                rank = (lines.count(&detected.layout), is_named);
                detected.layout.prefixes = prefixes;
            }
            if best.as_ref().is_none_or(|(held, _)| rank >= *held) {
                best = Some((rank, told));
            }
        }
        best.map(|(_, told)| told)
    }

    /// How many lines a layout reads.
    fn count(&self, layout: &Layout) -> usize {
        let mut reader = LineReader::default();
        let lines = self.lines.iter();
        lines
            .filter(|line| reader.read(line, layout).is_ok())
            .count()
    }

    fn is_share(&self, lines: usize) -> bool {
        lines > 0 && lines * READABLE_SHARE >= self.lines.len()
    }

    /// The layout of lines in a format that is said.
    fn given(&self, format: &Format, map: &FieldMap) -> Result<Detected, Undetected> {
        let lines = match format {
            Format::Common => LineLayout::Access(AccessLayout::common()),
            Format::Combined => LineLayout::Access(AccessLayout::combined()),
            Format::Fields(fields) => LineLayout::Fields(fields.clone()),
            Format::Json => {
                let told = self.best(|lines| Some(lines.json(map)));
                return told.unwrap_or_else(|| Err(unknown(&self.lines[0])));
            }
            Format::Ltsv => {
                let told = self.best(|lines| Some(lines.ltsv(map)));
                return told.unwrap_or_else(|| Err(unknown(&self.lines[0])));
            }
            Format::W3c => {
                return self
                    .w3c(map)
                    .unwrap_or_else(|| Err(unknown(&self.lines[0])));
            }
            Format::Delimited { delimiter } => return self.delimited(Some(*delimiter), map),
        };
        let detected = Detected::new(format.clone(), lines);
        let is_json = |line: &&Cow<'_, str>| line.starts_with('{');
        if self.lines.iter().filter(is_json).count() * 2 > self.lines.len()
            && self.count(&detected.layout) == 0
            && let Some(wrapped) =
                self.wrapped(&self.keys(), |inner| Some(inner.given(format, map)))
        {
            return Ok(wrapped);
        }
        let told = self.best(|_| Some(Ok(detected.clone())));
        told.unwrap_or(Ok(detected.clone()))
    }

    /// The layout that the lines tell.
    fn told(&self, map: &FieldMap) -> Result<Detected, Undetected> {
        if let Some(w3c) = self.w3c(map) {
            return w3c;
        }
        match self.best(|lines| lines.told_by_lines(map)) {
            Some(detected) => detected,
            None => self.delimited(None, map),
        }
    }

    /// The layout, if each line tells it.
    fn told_by_lines(&self, map: &FieldMap) -> Option<Result<Detected, Undetected>> {
        let json = self
            .lines
            .iter()
            .filter(|line| json_line::is_object(line))
            .count();
        let access = self.access_lines();
        if json > access.len() && self.is_share(json) {
            return Some(self.json(map));
        }
        if let Some(detected) = self.known() {
            return Some(Ok(detected));
        }
        if self.is_share(access.len()) {
            return Some(Ok(access_format(&self.lines, &access)));
        }
        let labelled = self
            .lines
            .iter()
            .filter(|line| ltsv_line::labels(line).is_some())
            .count();
        (labelled * 2 > self.lines.len()).then(|| self.ltsv(map))
    }

    fn access_lines(&self) -> Vec<AccessLine<'_>> {
        let mut clock = ClfReader::default();
        self.lines
            .iter()
            .filter(|line| !line.starts_with('{'))
            .filter_map(|line| access_line::cut(line, &mut clock).ok())
            .filter(|line| !line.lead.is_within_another())
            .collect()
    }

    /// Whether so many lines pass a test. No more lines are looked at than it takes to know.
    fn has_at_least(&self, wanted: usize, mut passes: impl FnMut(&str) -> bool) -> bool {
        let mut missing = wanted;
        for (line, left) in self.lines.iter().zip((1..=self.lines.len()).rev()) {
            if missing == 0 || missing > left {
                break;
            }
            missing -= usize::from(passes(line));
        }
        missing == 0
    }

    /// A format with a name. Lines that begin as those of the common format do are read without it,
    /// too, so that nearly all must be in it; of other lines, some.
    fn known(&self) -> Option<Detected> {
        let mut clock = ClfReader::default();
        let reads = |known: &KnownFormat, format: &LineFormat, clock: &mut ClfReader| {
            let count = self.lines.len();
            let wanted = match known.telling {
                Telling::AmongCommon => (count * 4).div_ceil(5),
                _ => count.div_ceil(READABLE_SHARE),
            };
            self.has_at_least(wanted, |line| format.read(line, clock).is_ok())
        };
        let told = KNOWN.iter().filter(|known| known.telling != Telling::Never);
        let format = told
            .filter_map(|known| Some((known, known.format()?)))
            .find(|(known, format)| reads(known, format, &mut clock))?
            .1;
        Some(Detected::new(
            Format::Fields(format.clone()),
            LineLayout::Fields(format.clone()),
        ))
    }

    /// JSON lines, or lines within them.
    fn json(&self, map: &FieldMap) -> Result<Detected, Undetected> {
        let names = self.keys();
        let index = FieldIndex::for_names(map, &names, |key| self.texts(key).collect());
        if !names.is_empty()
            && let Err(undetected) = check(&names, &index)
        {
            return self
                .wrapped(&names, |inner| inner.told_by_lines(map))
                .ok_or(undetected);
        }
        Ok(Detected {
            names,
            ..Detected::new(Format::Json, LineLayout::Json(index))
        })
    }

    /// Lines in a field of JSON lines.
    fn wrapped(
        &self,
        names: &[String],
        told: impl Fn(&Sample<'_>) -> Option<Result<Detected, Undetected>>,
    ) -> Option<Detected> {
        let keys = WRAPPERS.iter().filter_map(|known| {
            names.iter().find(|name| {
                let name = name.to_ascii_lowercase();
                name == *known
                    || name
                        .strip_suffix(known)
                        .is_some_and(|root| root.ends_with('.'))
            })
        });
        keys.into_iter().find_map(|key| {
            let texts = self.texts(key);
            let lines = texts.filter(|text| !text.trim_ascii().is_empty());
            let inner = Sample {
                lines: lines.map(Cow::Owned).collect(),
            };
            if inner.lines.is_empty() {
                return None;
            }
            let detected = inner.best(&told)?.ok()?;
            // A line within a line within a line is not read.
            if matches!(detected.layout.lines, LineLayout::Wrapped(_)) {
                return None;
            }
            Some(Detected {
                layout: Layout {
                    prefixes: 0,
                    lines: LineLayout::Wrapped(Wrapped::new(key.clone(), detected.layout)),
                },
                ..detected
            })
        })
    }

    fn ltsv(&self, map: &FieldMap) -> Result<Detected, Undetected> {
        let names = distinct(self.lines.iter().filter_map(|line| ltsv_line::labels(line)));
        let index = FieldIndex::for_names(map, &names, |label| {
            let values = self
                .lines
                .iter()
                .filter_map(|line| ltsv_line::value(line, label));
            present_texts(values).collect()
        });
        check(&names, &index)?;
        Ok(Detected {
            names,
            ..Detected::new(Format::Ltsv, LineLayout::Ltsv(index))
        })
    }

    /// The W3C format, if a line names its fields, or most are CloudFront's.
    fn w3c(&self, map: &FieldMap) -> Option<Result<Detected, Undetected>> {
        let named = self.lines.iter().find_map(|line| W3cHeader::of(line, map));
        let header = match named {
            Some(header) => header,
            None => self.cloudfront(map)?,
        };
        let names = header.names().to_vec();
        let mut checked = check(&names, header.index());
        if checked.is_ok() && header.lacks_date(self.lines.iter().map(|line| &**line)) {
            checked = Err(Undetected::Missing {
                missing: vec![LogColumn::Date.name()],
                found: names.clone(),
            });
        }
        Some(checked.map(|()| Detected {
            names,
            ..Detected::new(Format::W3c, LineLayout::W3c(header))
        }))
    }

    /// The fields of CloudFront's lines, if most are without having been named.
    fn cloudfront(&self, map: &FieldMap) -> Option<W3cHeader> {
        let header = W3cHeader::of_cloudfront(map)?;
        let fields = header.names().len();
        let tabs = |line: &str| memchr::memchr_iter(b'\t', line.as_bytes()).count();
        let read = self.lines.iter().filter(|line| {
            tabs(line) + 1 == fields && header.read(line, &mut header.said()).is_ok()
        });
        (read.count() * 2 > self.lines.len()).then_some(header)
    }

    fn delimited(&self, delimiter: Option<u8>, map: &FieldMap) -> Result<Detected, Undetected> {
        let first = &self.lines[0];
        let (delimiter, names) = match delimiter {
            Some(delimiter) => {
                let names = delimited_line::names(first, delimiter).map_err(|_| unknown(first))?;
                (delimiter, names)
            }
            None => header(first, &FieldIndex::new(map))?,
        };
        let index = FieldIndex::for_names(map, &names, |name| {
            let place = names
                .iter()
                .position(|known| known.eq_ignore_ascii_case(name));
            let fields = |line| {
                delimited_line::Fields::new(line, delimiter)
                    .nth(place?)?
                    .ok()
            };
            let values = self.lines[1..].iter().filter_map(|line| fields(line));
            present_texts(values).collect()
        });
        check(&names, &index)?;
        let header = Header::new(&names, delimiter, index);
        Ok(Detected {
            names,
            ..Detected::new(
                Format::Delimited { delimiter },
                LineLayout::Delimited(header),
            )
        })
    }

    /// The texts under a key of JSON objects.
    fn texts(&self, key: &str) -> impl Iterator<Item = String> {
        let index = FieldIndex::only(LogColumn::Request, key);
        let mut path = String::new();
        self.lines.iter().filter_map(move |line| {
            let mut values = json_line::values(line, &index, &mut path).ok()?;
            let text = values.text(LogColumn::Request)?;
            Some(text.trim_end().to_owned())
        })
    }

    /// Every key of JSON objects.
    fn keys(&self) -> Vec<String> {
        distinct(self.lines.iter().filter_map(|line| json_line::keys(line)))
    }
}

/// Names of all lines, each once, in order of appearance.
fn distinct(names: impl Iterator<Item = Vec<String>>) -> Vec<String> {
    let mut known = HashSet::new();
    names
        .flatten()
        .filter(|name| known.insert(name.clone()))
        .collect()
}

/// The values that say something.
fn present_texts(values: impl Iterator<Item = impl AsRef<str>>) -> impl Iterator<Item = String> {
    values.filter_map(|value| Some(present(value.as_ref())?.to_owned()))
}

/// Common or combined, and what is around their fields.
fn access_format(text: &[Cow<'_, str>], lines: &[AccessLine<'_>]) -> Detected {
    let layout = layout_of(lines);
    let combined = lines.iter().filter(|line| line.tail.contains('"')).count();
    let format = if combined * 2 >= lines.len() {
        Format::Combined
    } else {
        Format::Common
    };
    let offered = format_of(text, lines, &layout);
    Detected {
        offered,
        ..Detected::new(format, LineLayout::Access(layout))
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    const COMMON: &str = "1.2.3.4 - - [22/Jan/2021:01:47:05 +0000] \"GET / HTTP/1.1\" 200 1\n";
    const COMBINED: &str =
        "1.2.3.4 - - [22/Jan/2021:01:47:05 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"ua\"\n";
    const JSON: &str = "{\"ts\":1611280025,\"status\":200,\"uri\":\"/\"}\n";

    fn format(text: &str) -> Result<Option<Format>, Undetected> {
        detect(text.as_bytes(), None, &FieldMap::default())
            .map(|found| found.map(|detected| detected.format))
    }

    #[test]
    fn formats_are_told_by_the_lines_that_can_be_read() {
        for (text, expected) in [
            (COMMON.to_owned(), Format::Common),
            (COMBINED.to_owned(), Format::Combined),
            (JSON.to_owned(), Format::Json),
            (format!("\u{feff}{JSON}"), Format::Json),
            (format!("log turned over\n\n{COMBINED}"), Format::Combined),
            (
                format!("{}{}", COMMON.repeat(10), JSON.repeat(9)),
                Format::Common,
            ),
            (format!("{}{COMMON}", "garbage\n".repeat(9)), Format::Common),
            (
                "time\turl\tstatus\n1\t/\t200\n".to_owned(),
                Format::Delimited { delimiter: b'\t' },
            ),
            (
                "\"time\",\"url\",\"status\"\n".to_owned(),
                Format::Delimited { delimiter: b',' },
            ),
            (
                "time;url;status\n".to_owned(),
                Format::Delimited { delimiter: b';' },
            ),
        ] {
            assert_eq!(format(&text), Ok(Some(expected)), "{text}");
        }
        assert_eq!(format(" \n\r\n"), Ok(None));
        let blank = " \n".repeat(SAMPLE_BYTES);
        assert_eq!(
            format(&format!("{blank}{COMMON}")),
            Ok(Some(Format::Common))
        );
        let tsv = Format::Delimited { delimiter: b'\t' };
        assert_eq!(format("\n\ttime\turl\tstatus\n"), Ok(Some(tsv)));
    }

    #[test]
    fn what_is_no_log_says_why() {
        assert_eq!(
            format("hello world\n"),
            Err(Undetected::Unknown {
                line: "hello world".into()
            })
        );
        assert!(matches!(
            format(&format!("{}{COMMON}", "garbage\n".repeat(50))),
            Err(Undetected::Unknown { .. })
        ));
        assert_eq!(
            format("timestamp,requests,outage\n1,2,3\n"),
            Err(Undetected::Missing {
                missing: vec!["path", "status"],
                found: ["timestamp", "requests", "outage"]
                    .map(str::to_owned)
                    .to_vec(),
            })
        );
        assert!(matches!(
            format("{\"msg\":\"up\"}\n"),
            Err(Undetected::Missing { .. })
        ));
        // What other programs wrote around lines.
        for around in [
            format!("map[log:{COMMON}"),
            format!("<a>{COMMON}"),
            format!("'{COMMON}"),
        ] {
            assert!(
                matches!(format(&around), Err(Undetected::Unknown { .. })),
                "{around}"
            );
        }
        let map = "status=code".parse().unwrap();
        for text in [JSON, "time\turl\tstatus\n"] {
            let undetected = detect(text.as_bytes(), None, &map).unwrap_err();
            assert!(matches!(
                undetected,
                Undetected::Unmatched {
                    column: "status",
                    ..
                }
            ));
        }
    }
}
