//! Tells the format of a log from its first lines.
//!
//! Up to 100 lines within the first 64 KiB are tried in every format, and the format which reads
//! most of them wins, if it reads at least a tenth: real logs start with a line of `newsyslog`, or
//! with scanners' garbage. Delimited files are told by their header line, so they come last.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::access_line::AccessLineReader;
use super::delimited_line::{self, Header};
use super::field_map::FieldMap;
use super::fields::FieldIndex;
use super::json_line;
use super::lines::{clean, lines};

/// The bytes of a file that are looked at.
const SAMPLE_BYTES: usize = 64 << 10;
const SAMPLE_LINES: usize = 100;
/// One in so many lines must be read for a format to be recognised.
const READABLE_SHARE: usize = 10;
/// Delimiters that are tried, the most telling first.
const DELIMITERS: [u8; 4] = [b'\t', b',', b';', b'|'];

/// The format of a log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The common log format.
    Common,
    /// The common log format followed by referer and user agent.
    Combined,
    /// One JSON object per line.
    Json,
    /// A header line, then one record per line.
    Delimited {
        /// The ASCII character between two fields.
        delimiter: u8,
    },
}

impl Format {
    /// Names of the formats, as [`FromStr`] reads them.
    pub const NAMES: [&'static str; 5] = ["common", "combined", "json", "tsv", "csv"];

    /// The name; every delimiter but the tab makes a `csv`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Common => "common",
            Self::Combined => "combined",
            Self::Json => "json",
            Self::Delimited { delimiter: b'\t' } => "tsv",
            Self::Delimited { .. } => "csv",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormatName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "common" => Self::Common,
            "combined" => Self::Combined,
            "json" => Self::Json,
            "tsv" => Self::Delimited { delimiter: b'\t' },
            "csv" => Self::Delimited { delimiter: b',' },
            _ => {
                return Err(UnknownFormatName {
                    name: name.to_owned(),
                });
            }
        })
    }
}

/// No format has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown log format `{name}`, expected one of `common`, `combined`, `json`, `tsv`, `csv`")]
pub struct UnknownFormatName {
    /// The name.
    pub name: String,
}

/// The layout of the lines of one file.
#[derive(Debug)]
pub(super) enum LineLayout {
    /// Lines of the common or combined format.
    Access,
    /// JSON lines.
    Json(FieldIndex),
    /// Delimited; the first line with text is the header.
    Delimited(Header),
}

/// Why the first lines cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Undetected {
    /// No format reads them; with the first one.
    Unknown { line: String },
    /// Named fields, but not all that a request needs.
    Missing {
        missing: Vec<&'static str>,
        found: Vec<String>,
    },
    /// The map names a field that does not occur.
    Unmatched {
        column: &'static str,
        source: String,
        found: Vec<String>,
    },
}

impl Undetected {
    /// The same without what the log has: it may be an address.
    pub(super) fn without_text(mut self) -> Self {
        match &mut self {
            Self::Unknown { line } => "…".clone_into(line),
            Self::Missing { found, .. } | Self::Unmatched { found, .. } => {
                *found = vec!["…".to_owned()];
            }
        }
        self
    }
}

/// Tells format and layout from the beginning of a file, or checks a given format against it.
/// The answer is [`None`] if there is only white space.
pub(super) fn detect(
    beginning: &[u8],
    given: Option<Format>,
    map: &FieldMap,
) -> Result<Option<(Format, LineLayout)>, Undetected> {
    let sample = Sample::of(beginning);
    let Some(first) = sample.lines.first() else {
        return Ok(None);
    };
    let format = match given {
        Some(format) => Some(format),
        None => sample.format(),
    };
    let index = FieldIndex::new(map);
    Ok(Some(match format {
        Some(format @ (Format::Common | Format::Combined)) => (format, LineLayout::Access),
        Some(format @ Format::Json) => {
            let keys = sample.keys();
            if !keys.is_empty() {
                check(&keys, &index)?;
            }
            (format, LineLayout::Json(index))
        }
        Some(format @ Format::Delimited { delimiter }) => {
            let names = delimited_line::names(first, delimiter).map_err(|_| unknown(first))?;
            check(&names, &index)?;
            (
                format,
                LineLayout::Delimited(Header::new(&names, delimiter, &index)),
            )
        }
        None => {
            let (delimiter, names) = header(first, &index)?;
            check(&names, &index)?;
            let layout = LineLayout::Delimited(Header::new(&names, delimiter, &index));
            (Format::Delimited { delimiter }, layout)
        }
    }))
}

fn unknown(line: &str) -> Undetected {
    Undetected::Unknown {
        line: line.chars().take(120).collect(),
    }
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

fn check(names: &[String], index: &FieldIndex) -> Result<(), Undetected> {
    if let Some((column, source)) = index.unmatched(names) {
        let source = source.to_owned();
        return Err(Undetected::Unmatched {
            column,
            source,
            found: names.to_vec(),
        });
    }
    match index.missing(names) {
        missing if missing.is_empty() => Ok(()),
        missing => Err(Undetected::Missing {
            missing,
            found: names.to_vec(),
        }),
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

    /// The format of single lines that reads most of the sample.
    fn format(&self) -> Option<Format> {
        let mut reader = AccessLineReader::default();
        let (mut common, mut combined, mut json) = (0, 0, 0);
        for line in &self.lines {
            if line.starts_with('{') {
                json += usize::from(json_line::keys(line).is_some());
            } else if reader.read(line).is_ok() {
                let is_combined = line.trim_matches('"').matches('"').count() >= 4;
                *(if is_combined {
                    &mut combined
                } else {
                    &mut common
                }) += 1;
            }
        }
        let readable = json.max(common + combined);
        if readable == 0 || readable * READABLE_SHARE < self.lines.len() {
            return None;
        }
        Some(if json > common + combined {
            Format::Json
        } else if common > combined {
            Format::Common
        } else {
            Format::Combined
        })
    }

    /// Every key of the sample's JSON objects, each once, in order of appearance.
    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = Vec::new();
        for key in self
            .lines
            .iter()
            .filter_map(|line| json_line::keys(line))
            .flatten()
        {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
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
            .map(|found| found.map(|(format, _)| format))
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
        let map = "status=code".parse().unwrap();
        for text in [JSON, "time\turl\tstatus\n"] {
            assert!(matches!(
                detect(text.as_bytes(), None, &map),
                Err(Undetected::Unmatched {
                    column: "status",
                    ..
                })
            ));
        }
    }

    #[test]
    fn names_are_read_back() {
        for name in Format::NAMES {
            assert_eq!(name.parse::<Format>().unwrap().to_string(), name);
        }
        assert!("xml".parse::<Format>().is_err());
    }
}
