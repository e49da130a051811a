//! A compiled format.

use std::fmt;
use std::sync::Arc;

use super::field::{Field, Holds, Span};
use crate::logs::absolute_url::Urls;
use crate::logs::column::LogColumn;

/// A format of lines, compiled.
///
/// ```
/// use anomalog::logs::LineFormat;
///
/// let format: LineFormat = r#"$remote_addr [$time_local] "$request" $status $request_time"#.parse()?;
/// assert_eq!(format.to_string(), r#"$remote_addr [$time_local] "$request" $status $request_time"#);
/// assert!("$remote_addr $request_time".parse::<LineFormat>().is_err(), "it has no time");
/// # Ok::<(), anomalog::logs::FormatError>(())
/// ```
#[derive(Debug, Clone)]
pub struct LineFormat {
    /// What it was compiled from.
    pub(super) source: Arc<str>,
    /// Its name, if it is a known one.
    pub(super) name: Option<&'static str>,
    pub(super) escape: Escape,
    /// Text before the first field.
    pub(super) lead: Box<str>,
    pub(super) steps: Box<[Step]>,
    /// What becomes of URLs in the place of paths.
    pub(super) urls: Urls,
    /// Whether the peer's address is among the fields.
    pub(super) has_peer: bool,
    /// Whether a list of forwarded addresses stands before the time: it is there in place of the
    /// client.
    pub(super) is_forwarded_first: bool,
    /// Whether every column has one field, so that [`Single`](super::single::Single) takes them.
    pub(super) is_single: bool,
}

/// A field and the text behind it.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) field: Field,
    /// What follows the field; nothing behind the last one.
    pub(super) end: Box<str>,
    /// What the field behind `end` begins with, where that helps to find the end of this one.
    pub(super) next: Option<Span>,
}

/// How a server escapes the text of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Escape {
    /// Quotes and backslashes by a backslash, or as `\xHH`, which stays.
    #[default]
    Default,
    /// As in JSON.
    Json,
    /// Not at all.
    None,
}

/// Leaves one size to be read: that of the body is `-` where there is none, and the size of the whole
/// response, headers and all, is no value for it.
pub(super) fn keep_best_size(steps: &mut [Step]) {
    let rank = |step: &Step| match step.field.holds {
        Holds::Column((LogColumn::Bytes, rank)) => Some(rank),
        _ => None,
    };
    let best = steps.iter().filter_map(rank).min();
    for step in steps {
        if rank(step).is_some_and(|rank| Some(rank) != best) {
            step.field.holds = Holds::Nothing;
        }
    }
}

impl LineFormat {
    /// The name of a known format, or the text of a said one.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.unwrap_or(&self.source)
    }

    /// The fields that are read, with the columns that they fill and the units they are in.
    pub(in crate::logs) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.steps.iter().map(|step| &step.field)
    }
}

impl PartialEq for LineFormat {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source && self.name == other.name
    }
}

impl Eq for LineFormat {}

impl fmt::Display for LineFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
