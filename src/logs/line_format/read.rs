//! Reads lines by a format.

use std::borrow::Cow;

use super::compiled::{Escape, LineFormat, Step};
use super::field::{Field, Holds, Span};
use crate::logs::column::LogColumn;
use crate::logs::duration;
use crate::logs::request::{Reject, Request};
use crate::logs::timestamp::{self, ClfReader};
use crate::logs::values::{Value, Values};

/// How many places are tried as the end of a field whose text may hold what follows it.
const ENDS_TRIED: usize = 64;

impl LineFormat {
    /// Reads one line.
    pub(in crate::logs) fn read<'a>(
        &self,
        line: &'a str,
        clock: &mut ClfReader,
    ) -> Result<Request<'a>, Reject> {
        let mut rest = line.strip_prefix(&*self.lead).ok_or(Reject::Mismatch)?;
        let mut values = Values::default();
        let mut seconds = Some(0.0);
        let mut has_seconds = false;
        let last = self.steps.len() - 1;
        for (number, step) in self.steps.iter().enumerate() {
            if matches!(step.field.span, Span::Number) {
                rest = rest.trim_start_matches(' ');
            }
            let is_last = number == last;
            let (text, after) = match step.cut(rest, is_last, self.escape) {
                Some(cut) => cut,
                // What ends a line early may only be what nothing is read of.
                None if self.may_end_at(number) => (rest, ""),
                None => return Err(Reject::Mismatch),
            };
            if !step.field.span.allows(text) {
                return Err(Reject::Mismatch);
            }
            rest = after;
            match step.field.holds {
                Holds::Nothing => {}
                Holds::Column(held) => {
                    if let Some(value) = self.value(&step.field, held.0, text, clock)? {
                        values.set(held, value);
                    }
                }
                Holds::UpstreamSeconds(rank) => {
                    if let Some(seconds) = duration::upstream_seconds(text) {
                        values.set((LogColumn::LatencyS, rank), Value::Float(seconds));
                    }
                }
                Holds::PartOfSeconds => {
                    has_seconds = true;
                    let part = text.parse::<f64>().ok().filter(|part| *part >= 0.0);
                    seconds = seconds.zip(part).map(|(sum, part)| sum + part);
                }
            }
            if rest.is_empty() && !is_last && self.may_end_at(number + 1) {
                break;
            }
        }
        if !rest.trim_ascii_end().is_empty() {
            return Err(Reject::Mismatch);
        }
        if let Some(seconds) = seconds.filter(|_| has_seconds) {
            values.set((LogColumn::LatencyS, 0), Value::Float(seconds));
        }
        let mut request = values.request()?;
        // A connection on which no request came.
        let is_empty = request.method.is_empty() && request.path.is_empty();
        if is_empty && request.status == 0 && self.has(LogColumn::Method) {
            return Err(Reject::NoPath);
        }
        request.is_forwarded_first = self.is_forwarded_first || !self.has_peer;
        self.urls.apply(&mut request);
        Ok(request)
    }

    /// Whether a field holds a column.
    fn has(&self, column: LogColumn) -> bool {
        self.fields()
            .any(|field| field.holds.column() == Some(column))
    }

    /// Whether nothing is read of the fields from this one on.
    fn may_end_at(&self, step: usize) -> bool {
        step > 0
            && self.steps[step..]
                .iter()
                .all(|step| step.field.holds == Holds::Nothing)
    }

    fn value<'a>(
        &self,
        field: &Field,
        column: LogColumn,
        text: &'a str,
        clock: &mut ClfReader,
    ) -> Result<Option<Value<'a>>, Reject> {
        let time = |time: Option<i64>| time.map(Value::Instant).ok_or(Reject::BadTimestamp);
        Ok(Some(match &field.span {
            Span::Pattern(pattern) => time(pattern.read(text))?,
            Span::BracketedTime => {
                let text = text
                    .strip_prefix('[')
                    .and_then(|text| text.strip_suffix(']'));
                let text = text.unwrap_or_default();
                let read = clock.read(text.as_bytes());
                time(read.or_else(|| timestamp::read(text)))?
            }
            Span::Time => {
                let read = clock.read(text.as_bytes());
                time(read.or_else(|| timestamp::read(text)))?
            }
            Span::Number if column != LogColumn::Timestamp => {
                // `+12` is what HAProxy writes of a request that went on, `-1` of one that did not
                // come so far.
                let number = text.strip_prefix('+').unwrap_or(text);
                if number.starts_with('-') {
                    return Ok(None);
                }
                Value::Text(Cow::Borrowed(number))
            }
            Span::Status if text == "-1" => Value::Integer(0),
            _ => Value::Text(self.plain(text)),
        }))
    }

    /// Text without the escapes of the server.
    fn plain<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if memchr::memchr(b'\\', text.as_bytes()).is_none() {
            return Cow::Borrowed(text);
        }
        match self.escape {
            Escape::None => Cow::Borrowed(text),
            Escape::Default => crate::logs::request::unescape(text),
            Escape::Json => {
                let quoted = format!("\"{text}\"");
                serde_json::from_str(&quoted).map_or(Cow::Borrowed(text), Cow::Owned)
            }
        }
    }
}

impl Step {
    /// The text of the field and what follows the text behind it.
    fn cut<'a>(&self, rest: &'a str, is_last: bool, escape: Escape) -> Option<(&'a str, &'a str)> {
        if is_last && self.end.is_empty() {
            return Some((rest.trim_ascii_end(), ""));
        }
        if self.end.is_empty() {
            let end = self.own_end(rest)?;
            return Some(rest.split_at(end));
        }
        if matches!(self.field.span, Span::BracketedTime) {
            let end = memchr::memchr(b']', rest.as_bytes())? + 1;
            let after = rest[end..].strip_prefix(&*self.end)?;
            return Some((&rest[..end], after));
        }
        if is_last && escape == Escape::None {
            return Some((rest.trim_ascii_end().strip_suffix(&*self.end)?, ""));
        }
        let first = self.end.as_bytes()[0];
        let is_quote = first == b'"' && escape != Escape::None;
        let mut from = 0;
        let mut fallback = None;
        for _ in 0..ENDS_TRIED {
            let Some(found) = memchr::memchr(first, &rest.as_bytes()[from..]) else {
                break;
            };
            let at = from + found;
            from = at + 1;
            let Some(after) = rest[at..].strip_prefix(&*self.end) else {
                continue;
            };
            if is_quote && is_escaped(&rest[..at]) {
                continue;
            }
            if matches!(self.field.span, Span::List) && goes_on(&rest[..at], after) {
                continue;
            }
            if self.next.as_ref().is_none_or(|next| next.may_begin(after)) {
                return Some((&rest[..at], after));
            }
            fallback = fallback.or(Some((&rest[..at], after)));
        }
        fallback.filter(|_| !matches!(self.next, Some(Span::Status)))
    }

    /// Where a field ends that another follows at once.
    fn own_end(&self, rest: &str) -> Option<usize> {
        let bytes = rest.as_bytes();
        match self.field.span {
            Span::Number => Some(
                bytes
                    .iter()
                    .position(|byte| !matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+'))
                    .unwrap_or(bytes.len()),
            ),
            Span::Status => Some(if bytes.first() == Some(&b'-') { 1 } else { 3 })
                .filter(|end| rest.is_char_boundary(*end)),
            Span::Host => memchr::memchr2(b'/', b'?', bytes).or(Some(bytes.len())),
            Span::BracketedTime => memchr::memchr(b']', bytes).map(|end| end + 1),
            Span::Text
            | Span::List
            | Span::Address
            | Span::Method
            | Span::Time
            | Span::Pattern(_) => None,
        }
    }
}

/// Whether an odd number of backslashes stands at the end.
fn is_escaped(text: &str) -> bool {
    let backslashes = text.bytes().rev().take_while(|byte| *byte == b'\\').count();
    backslashes % 2 == 1
}

/// Whether a list goes on behind a separator: `a, b : c`.
fn goes_on(before: &str, after: &str) -> bool {
    before.ends_with([',', ':']) || after.starts_with(": ")
}
