//! Reads lines by a format.

use std::borrow::Cow;

use super::compiled::{Escape, LineFormat, Step};
use super::field::{Field, Holds, Span};
use super::single::{Single, Taker};
use crate::logs::column::LogColumn;
use crate::logs::duration;
use crate::logs::fields::Use;
use crate::logs::request::{Reject, Request, is_port};
use crate::logs::timestamp::{self, ClfReader};
use crate::logs::values::Values;

/// How many places are tried as the end of a field whose text may hold what follows it.
const ENDS_TRIED: usize = 64;
/// The same of a time.
const ENDS_OF_TIME: usize = 12;

impl LineFormat {
    /// Reads one line.
    pub(in crate::logs) fn read<'a>(
        &self,
        line: &'a str,
        clock: &mut ClfReader,
    ) -> Result<Request<'a>, Reject> {
        if self.is_single {
            self.read_into::<Single<'a>>(line, clock)
        } else {
            self.read_into::<Values<'a>>(line, clock)
        }
    }

    /// Reads one line, whose values are taken by `T`.
    pub(super) fn read_into<'a, T: Taker<'a>>(
        &self,
        line: &'a str,
        clock: &mut ClfReader,
    ) -> Result<Request<'a>, Reject> {
        let mut rest = behind(line, 0, &self.lead).ok_or(Reject::Mismatch)?;
        let mut values = T::default();
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
                None if self.is_cut_off(number, rest) => (rest, ""),
                None => return Err(Reject::Mismatch),
            };
            if !step.field.span.allows(text) {
                return Err(Reject::Mismatch);
            }
            rest = after;
            match step.field.holds {
                Holds::Nothing => {}
                Holds::Column(held) => self.take(&step.field, held, text, clock, &mut values)?,
                Holds::UpstreamSeconds(rank) => {
                    if let Some(seconds) = duration::upstream_seconds(text) {
                        values.take_seconds(rank, seconds);
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
            values.take_seconds(0, seconds);
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

    /// Whether a line was cut off by its writer within a field in quotes, behind which nothing is read.
    fn is_cut_off(&self, step: usize, rest: &str) -> bool {
        let is_quoted = self.steps[step].end.starts_with('"') && !rest.contains('"');
        is_quoted && (step + 1 == self.steps.len() || self.may_end_at(step + 1))
    }

    /// Hands the text of a field of a column on.
    #[inline]
    fn take<'a, T: Taker<'a>>(
        &self,
        field: &Field,
        held: Use,
        text: &'a str,
        clock: &mut ClfReader,
        values: &mut T,
    ) -> Result<(), Reject> {
        match &field.span {
            Span::Pattern(pattern) => {
                values.take_time(held, pattern.read(text).ok_or(Reject::BadTimestamp)?);
            }
            span @ (Span::BracketedTime | Span::Time) => {
                let text = match span {
                    Span::BracketedTime => text.get(1..text.len() - 1).unwrap_or_default(),
                    _ => text,
                };
                let time = clock.read(text.as_bytes());
                let time = time.or_else(|| timestamp::read(text));
                values.take_time(held, time.ok_or(Reject::BadTimestamp)?);
            }
            Span::Number if held.0 != LogColumn::Timestamp => {
                // `+12` is what HAProxy writes of a request that went on, `-1` of one that did not
                // come so far.
                let number = text.strip_prefix('+').unwrap_or(text);
                if !number.starts_with('-') {
                    values.take_text(held, Cow::Borrowed(number));
                }
            }
            Span::Socket => values.take_text(held, Cow::Borrowed(without_any_port(text))),
            // A socket of Unix, without its number.
            Span::Address if text == "unix" => {}
            Span::Status if text == "-1" => values.take_text(held, Cow::Borrowed("0")),
            _ => values.take_text(held, self.plain(text)),
        }
        Ok(())
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

/// An address before the last colon that a port follows.
fn without_any_port(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((address, port)) if is_port(port) => address,
        _ => text,
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
        if matches!(self.field.span, Span::Address) && first == b':' {
            return self.cut_at_port(rest);
        }
        let may_go_on =
            matches!(first, b' ' | b'\t') || matches!(self.field.span, Span::Pattern(_));
        if may_go_on && let Some(cut) = self.cut_time(rest) {
            return Some(cut);
        }
        let is_quote = first == b'"' && escape != Escape::None;
        let mut from = 0;
        let mut fallback = None;
        for _ in 0..ENDS_TRIED {
            let Some(found) = memchr::memchr(first, &rest.as_bytes()[from..]) else {
                break;
            };
            let at = from + found;
            from = at + 1;
            let Some(after) = behind(rest, at, &self.end) else {
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

    /// The longest text that is a time, where a time may hold what follows it, as that before its zone
    /// does.
    fn cut_time<'a>(&self, rest: &'a str) -> Option<(&'a str, &'a str)> {
        let mut cut = None;
        for at in memchr::memchr_iter(self.end.as_bytes()[0], rest.as_bytes()).take(ENDS_OF_TIME) {
            let Some(after) = behind(rest, at, &self.end) else {
                continue;
            };
            if self.field.span.is_whole_time(&rest[..at])? {
                cut = Some((&rest[..at], after));
            } else if cut.is_some() {
                break;
            }
        }
        cut
    }

    /// An address before its port: addresses of IPv6 may have no brackets, so that the last colon counts.
    fn cut_at_port<'a>(&self, rest: &'a str) -> Option<(&'a str, &'a str)> {
        let end = rest.find([' ', '\t', '"', ',']).unwrap_or(rest.len());
        let at = memchr::memrchr(b':', &rest.as_bytes()[..end])?;
        Some((&rest[..at], behind(rest, at, &self.end)?))
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
            | Span::Socket
            | Span::Method
            | Span::Time
            | Span::Pattern(_) => None,
        }
    }
}

/// What follows `end` in a text that may have it at a place. Ends are short, so that bytes are compared
/// one by one.
#[inline]
fn behind<'a>(text: &'a str, at: usize, end: &str) -> Option<&'a str> {
    let rest = &text.as_bytes()[at..];
    let is_end = rest.len() >= end.len()
        && rest
            .iter()
            .zip(end.bytes())
            .all(|(one, other)| *one == other);
    // An end is text, so that what follows it is at the border of a character.
    if is_end {
        text.get(at + end.len()..)
    } else {
        None
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
