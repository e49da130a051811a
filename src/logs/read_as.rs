//! What a log is read as: which field fills which column, in which unit, and why; and which fields
//! are not read.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::absolute_url::Urls;
use super::access_layout::{AccessLayout, TailUse};
use super::column::LogColumn;
use super::detect::Detected;
use super::fields::FieldIndex;
use super::layout::{Layout, LineLayout};
use super::log_format::Format;

/// What a log is read as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// The name of the format, or the format that was said.
    pub format: String,
    /// What a collector put around the lines; it is taken off.
    pub wrapping: Option<String>,
    /// The text for `--format` that says the same, if there is one.
    pub said_as: Option<String>,
    /// The columns that are filled.
    pub columns: Vec<ColumnReading>,
    /// The fields that are not read and might be.
    pub unread: Vec<UnreadField>,
}

/// A column and the field that fills it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnReading {
    /// The column of `access_logs`.
    pub column: &'static str,
    /// The field.
    pub field: String,
    /// The unit of the field, where it is a quantity.
    pub unit: Option<&'static str>,
    /// Why it is taken for this.
    pub why: &'static str,
}

/// A field that is not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreadField {
    /// Where it stands, or its name.
    pub field: String,
    /// A value of it.
    pub example: Option<String>,
}

const SAID: &str = "the format says so";
const NAMED: &str = "by its name";

impl Reading {
    pub(super) fn of(detected: &Detected, was_said: bool) -> Self {
        let (wrapping, layout) = unwrap(&detected.layout);
        let format = detected.format.name().to_owned();
        let mut reading = Self {
            said_as: match &detected.format {
                Format::Fields(format) => Some(format.name().to_owned()),
                Format::Common | Format::Combined => detected.offered.clone(),
                _ => Some(format.clone()),
            },
            format,
            wrapping,
            columns: Vec::new(),
            unread: Vec::new(),
        };
        match layout {
            LineLayout::Access(layout) => reading.access(layout, was_said),
            LineLayout::Fields(format) => {
                for field in format.fields() {
                    if let Some(column) = field.holds.column() {
                        reading.add(column, &field.name, SAID);
                    }
                }
            }
            named => {
                if let Some(index) = named.index() {
                    reading.named(index, &detected.names);
                }
            }
        }
        reading
    }

    fn named(&mut self, index: &FieldIndex, names: &[String]) {
        for (column, name) in index.columns(names) {
            self.add(column, name, NAMED);
        }
        if let Some((name, example)) = index.untold() {
            self.unread.push(UnreadField {
                field: format!("`{name}`, which may be the client or the site"),
                example: Some(example.chars().take(40).collect()),
            });
        }
    }

    fn add(&mut self, column: LogColumn, field: &str, why: &'static str) {
        // A latency whose name tells no unit is read only where its value says one.
        if column == LogColumn::Latency && why == NAMED {
            self.unread.push(UnreadField {
                field: format!("`{field}` where it says no unit"),
                example: None,
            });
        }
        self.columns.push(ColumnReading {
            column: filled(column),
            field: field.to_owned(),
            unit: unit(column),
            why,
        });
    }

    fn access(&mut self, layout: &AccessLayout, was_said: bool) {
        let why = if was_said {
            SAID
        } else {
            "its place before the time"
        };
        self.add(LogColumn::ClientIp, "first address", why);
        self.add(LogColumn::Timestamp, "time in brackets", "its form");
        let request = match layout.urls {
            Urls::Whole => "text in quotes before the status, URLs as a whole",
            Urls::Paths | Urls::Sites => "text in quotes before the status",
        };
        self.add(LogColumn::Request, request, "its place");
        self.add(LogColumn::Status, "number behind the request", "its place");
        self.add(LogColumn::Bytes, "number behind the status", "its place");
        for (uses, is_between) in [(&layout.between, true), (&layout.tail, false)] {
            for (place, held) in uses.iter().enumerate() {
                if let Some((column, why)) = meaning(*held) {
                    let field = place_name(place + 1, is_between);
                    self.add(column, &field, if was_said { SAID } else { why });
                }
            }
        }
        if layout.urls == Urls::Sites && self.column("site").is_none() {
            let why = "most requests have one";
            self.add(LogColumn::Host, "host of the URL in the request", why);
        }
        let unread = layout.unread.iter();
        self.unread.extend(unread.map(|field| UnreadField {
            field: place_name(field.place, field.is_between),
            example: Some(field.example.clone()),
        }));
    }

    /// The same without values of the log, which may be addresses.
    pub(super) fn without_text(mut self) -> Self {
        for field in &mut self.unread {
            field.example = None;
        }
        self
    }

    /// The field that fills a column.
    #[must_use]
    pub fn column(&self, column: &str) -> Option<&ColumnReading> {
        self.columns.iter().find(|reading| reading.column == column)
    }
}

/// In one line: what is not plain from the name of the format.
impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format)?;
        if let Some(wrapping) = &self.wrapping {
            write!(f, " {wrapping}")?;
        }
        match self.column("latency_ms") {
            Some(latency) => {
                write!(f, ", latency from {}", latency.field)?;
                if let Some(unit) = latency.unit {
                    write!(f, " in {unit}")?;
                }
            }
            None => f.write_str(", no latency")?,
        }
        if let Some(site) = self.column("site") {
            write!(f, ", site from {}", site.field)?;
        }
        if !self.unread.is_empty() {
            let mut unread = String::new();
            for (number, field) in self.unread.iter().take(SHOWN).enumerate() {
                let separator = if number == 0 { "" } else { ", " };
                let _ = write!(unread, "{separator}{}", field.field);
                if let Some(example) = &field.example {
                    let _ = write!(unread, " (`{}`)", example.escape_debug());
                }
            }
            let more = self.unread.len().saturating_sub(SHOWN);
            if more > 0 {
                let _ = write!(unread, " and {more} more");
            }
            let option = match &*self.format {
                "json" | "ltsv" | "w3c" | "csv" | "tsv" => "--columns",
                _ => "--format",
            };
            write!(f, "; not read: {unread}, say what they are with `{option}`")?;
        }
        Ok(())
    }
}

/// How many unread fields a line shows.
const SHOWN: usize = 3;

/// The layout of the line itself, and what is around it.
fn unwrap(layout: &Layout) -> (Option<String>, &LineLayout) {
    let prefix = "behind the prefix of a collector";
    match &layout.lines {
        LineLayout::Wrapped(wrapped) => {
            let within = format!("in the JSON field `{}`", wrapped.key);
            let wrapping = if wrapped.inner.prefixes > 0 {
                format!("{within}, {prefix}")
            } else {
                within
            };
            (Some(wrapping), &wrapped.inner.lines)
        }
        lines => ((layout.prefixes > 0).then(|| prefix.to_owned()), lines),
    }
}

fn place_name(place: usize, is_between: bool) -> String {
    let ending = match (place % 10, place % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    if is_between {
        format!("{place}{ending} field behind the time")
    } else {
        format!("{place}{ending} field behind the size")
    }
}

/// The column that a form of it fills.
const fn filled(column: LogColumn) -> &'static str {
    match column {
        LogColumn::LatencyMs
        | LogColumn::LatencyS
        | LogColumn::LatencyUs
        | LogColumn::LatencyNs
        | LogColumn::Latency => "latency_ms",
        LogColumn::Host => "site",
        LogColumn::Date => "timestamp",
        LogColumn::ForwardedFor => "client_ip",
        LogColumn::Request | LogColumn::Url => "path",
        other => other.name(),
    }
}

const fn unit(column: LogColumn) -> Option<&'static str> {
    Some(match column {
        LogColumn::LatencyMs => "milliseconds",
        LogColumn::LatencyS => "seconds",
        LogColumn::LatencyUs => "microseconds",
        LogColumn::LatencyNs => "nanoseconds",
        LogColumn::Latency => "the unit that it says",
        LogColumn::Bytes => "bytes",
        _ => return None,
    })
}

/// The column that a field around those of the common format fills, and why.
const fn meaning(held: TailUse) -> Option<(LogColumn, &'static str)> {
    Some(match held {
        TailUse::Nothing => return None,
        TailUse::Referer => (LogColumn::Referer, "first text in quotes behind the size"),
        TailUse::UserAgent => (LogColumn::UserAgent, "text in quotes behind the referer"),
        TailUse::Host => (LogColumn::Host, "all its values are host names"),
        TailUse::KeyedHost => (LogColumn::Host, "it says its name"),
        TailUse::ForwardedFor => (LogColumn::ForwardedFor, "all its values are addresses"),
        TailUse::Seconds => (
            LogColumn::LatencyS,
            "all its values have the decimals of seconds, and none is shorter than another's",
        ),
        TailUse::KeyedSeconds => (LogColumn::LatencyS, "it says its name"),
        TailUse::WithUnit => (LogColumn::Latency, "it says its unit"),
        TailUse::Micros => (LogColumn::LatencyUs, "another field has its whole seconds"),
    })
}
