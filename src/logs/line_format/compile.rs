//! Compiles the text of a format.

use std::sync::Arc;

use super::apache::{self, Directive};
use super::compiled::{Escape, LineFormat, Step, keep_best_size};
use super::configuration::Pasted;
use super::envoy;
use super::error::{FormatError, FormatFault};
use super::field::{Field, Holds, Span, skipped};
use super::haproxy;
use super::nginx;
use super::single::Single;
use super::strftime::{TimePattern, of_apache};
use crate::logs::absolute_url::Urls;
use crate::logs::column::LogColumn;

/// Whose notation a format is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Nginx,
    Apache,
    Tomcat,
    Envoy,
    HaProxy,
}

impl Dialect {
    const NAMES: [(&'static str, Self); 5] = [
        ("nginx:", Self::Nginx),
        ("apache:", Self::Apache),
        ("tomcat:", Self::Tomcat),
        ("envoy:", Self::Envoy),
        ("haproxy:", Self::HaProxy),
    ];

    /// The one that a format without a prefix is in.
    fn of(text: &str) -> Option<Self> {
        let envoy = ["%START_TIME", "%REQ(", "%RESPONSE_CODE%", "%PROTOCOL%"];
        if envoy.iter().any(|operator| text.contains(operator)) {
            Some(Self::Envoy)
        } else if ["%ci", "%ST ", "%HM", "%tsc"]
            .iter()
            .any(|name| text.contains(name))
        {
            Some(Self::HaProxy)
        } else if has_variable(text) {
            Some(Self::Nginx)
        } else {
            text.contains('%').then_some(Self::Apache)
        }
    }
}

fn has_variable(text: &str) -> bool {
    text.match_indices('$')
        .any(|(at, _)| text[at + 1..].starts_with(|c: char| c == '{' || c.is_ascii_lowercase()))
}

/// Compiles a format, which may have a name.
pub(super) fn compile(source: &str, name: Option<&'static str>) -> Result<LineFormat, FormatError> {
    let pasted = Pasted::of(source);
    let (body, offset, options) = Options::split(&pasted.text);
    compile_body(body, source, name, &options).map_err(|error| FormatError {
        position: pasted.place(error.position + offset),
        fault: error.fault,
    })
}

/// Compiles a format without what is said in front of it or around it.
fn compile_body(
    body: &str,
    source: &str,
    name: Option<&'static str>,
    options: &Options,
) -> Result<LineFormat, FormatError> {
    let pieces = Pieces {
        text: body,
        dialect: options.dialect,
    };
    let mut pieces = pieces.all()?;
    join_times(&mut pieces)?;
    let format = assemble(pieces, source, name, options)?;
    require(&format, body)?;
    Ok(format)
}

/// What is said in front of a format or around it.
struct Options {
    dialect: Dialect,
    escape: Escape,
    urls: Urls,
}

impl Options {
    /// The options, the format itself, and how many characters stand before it.
    fn split(source: &str) -> (&str, usize, Self) {
        let mut body = source.trim_end_matches(['\r', '\n']);
        let mut options = Self {
            dialect: Dialect::Apache,
            escape: Escape::Default,
            urls: Urls::Paths,
        };
        for (prefix, urls) in [("urls:", Urls::Sites), ("proxy:", Urls::Whole)] {
            if let Some(rest) = body.strip_prefix(prefix) {
                options.urls = urls;
                body = rest;
            }
        }
        let said = Dialect::NAMES
            .iter()
            .find_map(|(prefix, dialect)| body.strip_prefix(prefix).map(|rest| (rest, *dialect)));
        let mut dialect = None;
        if let Some((rest, said)) = said {
            body = rest;
            dialect = Some(said);
        }
        for (prefix, escape) in [
            ("escape=default", Escape::Default),
            ("escape=json", Escape::Json),
            ("escape=none", Escape::None),
        ] {
            let rest = body.strip_prefix(prefix);
            if let Some(rest) = rest.filter(|rest| rest.starts_with([' ', ':'])) {
                options.escape = escape;
                body = &rest[1..];
            }
        }
        // As in a configuration file: quotes within are escaped there.
        options.dialect = dialect
            .or_else(|| Dialect::of(body))
            .unwrap_or(Dialect::Apache);
        let before = source.chars().count() - body.chars().count();
        (body, before, options)
    }
}

/// A piece of a format.
#[derive(Debug)]
enum Piece {
    Text(String),
    /// With its position, the number of its first character from 0.
    Field(Field, usize),
    /// A pattern of `strftime` that is a part of a time.
    TimePart {
        pattern: String,
        name: String,
        position: usize,
    },
}

/// Cuts a format into pieces.
struct Pieces<'a> {
    text: &'a str,
    dialect: Dialect,
}

impl Pieces<'_> {
    fn all(&self) -> Result<Vec<Piece>, FormatError> {
        let mut pieces = Vec::new();
        let mut at = 0;
        while at < self.text.len() {
            let rest = &self.text[at..];
            let position = self.text[..at].chars().count();
            let fail = |fault| FormatError {
                position: position + 1,
                fault,
            };
            let (new, length) = match (self.dialect, rest.as_bytes()) {
                (Dialect::Nginx, [b'$', ..]) => variable(rest, position).map_err(fail)?,
                (Dialect::Nginx, _) => text_of(rest, 1),
                (_, [b'%', b'%', ..]) => (Piece::Text("%".to_owned()), 2),
                (Dialect::Envoy, [b'%', ..]) => operator(rest, position).map_err(fail)?,
                (Dialect::HaProxy, [b'%', ..]) => {
                    let (piece, length, quote) = haproxy_variable(rest, position).map_err(fail)?;
                    push(&mut pieces, Piece::Text(quote.to_owned()));
                    push(&mut pieces, piece);
                    (Piece::Text(quote.to_owned()), length)
                }
                (Dialect::Apache | Dialect::Tomcat, [b'%', ..]) => {
                    self.directive(rest, position).map_err(fail)?
                }
                // Quotes, as the configuration of Apache must write them.
                (_, [b'\\', b'"' | b'\'' | b'\\', ..]) => text_of(&rest[1..], 2),
                (_, [b'\\', b't', ..]) => (Piece::Text("\t".to_owned()), 2),
                (_, [b'\\', b'n', ..]) => (Piece::Text(String::new()), 2),
                _ => text_of(rest, rest.chars().next().map_or(1, char::len_utf8)),
            };
            at += length;
            push(&mut pieces, new);
        }
        Ok(pieces)
    }

    fn directive(&self, rest: &str, position: usize) -> Result<(Piece, usize), FormatFault> {
        let mut at = 1;
        // Which request of an internal redirect, and the statuses that it is written for.
        let modifiers = |c: char| c.is_ascii_digit() || matches!(c, '<' | '>' | '!' | ',');
        at += rest[at..]
            .find(|c| !modifiers(c))
            .unwrap_or(rest.len() - at);
        let mut argument = None;
        if let Some(inner) = rest[at..].strip_prefix('{') {
            let end = inner.find('}').ok_or_else(|| FormatFault::Unclosed {
                start: rest.chars().take(20).collect(),
                close: '}',
            })?;
            argument = Some(&inner[..end]);
            at += end + 2;
        }
        at += rest[at..]
            .find(|c| !modifiers(c))
            .unwrap_or(rest.len() - at);
        let letters = if rest[at..].starts_with('^') {
            rest.get(at..at + 3).unwrap_or_default()
        } else {
            let length = rest[at..].chars().next().map_or(0, char::len_utf8);
            &rest[at..at + length]
        };
        let name = &rest[..at + letters.len()];
        let is_tomcat = self.dialect == Dialect::Tomcat;
        let field = apache::field(Directive {
            name,
            argument,
            letters,
            is_tomcat,
        });
        let part = match (letters, argument) {
            (
                "t",
                Some("msec" | "usec" | "begin:msec" | "begin:usec" | "end:msec" | "end:usec"),
            ) => None,
            ("t", Some(pattern)) => Some(of_apache(pattern)?),
            _ => None,
        };
        let piece = match part {
            Some(pattern) => Piece::TimePart {
                pattern,
                name: name.to_owned(),
                position,
            },
            None => Piece::Field(field?, position),
        };
        Ok((piece, name.len()))
    }
}

fn variable(rest: &str, position: usize) -> Result<(Piece, usize), FormatFault> {
    let (name, length) = if let Some(inner) = rest.strip_prefix("${") {
        let end = inner.find('}').ok_or_else(|| FormatFault::Unclosed {
            start: rest.chars().take(20).collect(),
            close: '}',
        })?;
        (&inner[..end], end + 3)
    } else {
        let inner = &rest[1..];
        let end = inner
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(inner.len());
        (&inner[..end], end + 1)
    };
    if name.is_empty() {
        return Ok((Piece::Text("$".to_owned()), 1));
    }
    Ok((Piece::Field(nginx::field(name), position), length))
}

/// Appends a piece; neighbouring text is one piece.
fn push(pieces: &mut Vec<Piece>, piece: Piece) {
    match (pieces.last_mut(), piece) {
        (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
        (_, Piece::Text(text)) if text.is_empty() => {}
        (_, piece) => pieces.push(piece),
    }
}

fn text_of(rest: &str, length: usize) -> (Piece, usize) {
    let first = rest.chars().next();
    (
        Piece::Text(first.map(String::from).unwrap_or_default()),
        first.map_or(length, |c| length.max(c.len_utf8())),
    )
}

fn operator(rest: &str, position: usize) -> Result<(Piece, usize), FormatFault> {
    let inner = &rest[1..];
    // A pattern of a time has percent signs of its own, in parentheses.
    let closing = match (inner.find('('), inner.find('%')) {
        (Some(open), Some(percent)) if open < percent => inner
            .find(')')
            .and_then(|close| inner[close..].find('%').map(|end| close + end)),
        (_, percent) => percent,
    };
    let end = closing.ok_or_else(|| FormatFault::Unclosed {
        start: rest.chars().take(20).collect(),
        close: '%',
    })?;
    Ok((
        Piece::Field(envoy::field(&inner[..end])?, position),
        end + 2,
    ))
}

/// A variable of HAProxy, its length, and the quotes around it.
fn haproxy_variable(
    rest: &str,
    position: usize,
) -> Result<(Piece, usize, &'static str), FormatFault> {
    let mut at = 1;
    let mut quote = "";
    let closed = |inner: &str, close: char| {
        inner.find(close).ok_or_else(|| FormatFault::Unclosed {
            start: rest.chars().take(20).collect(),
            close,
        })
    };
    if let Some(inner) = rest[at..].strip_prefix('{') {
        let end = closed(inner, '}')?;
        if inner[..end].contains("+Q") {
            quote = "\"";
        }
        at += end + 2;
    }
    if let Some(inner) = rest[at..].strip_prefix('[') {
        at += closed(inner, ']')? + 2;
        let field = skipped(rest[..at].to_owned());
        return Ok((Piece::Field(field, position), at, quote));
    }
    let end = rest[at..]
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(rest.len() - at);
    let name = &rest[at..at + end];
    // Flags for all that follow; it writes nothing.
    if name == "o" {
        return Ok((Piece::Text(String::new()), at + end, ""));
    }
    let field = haproxy::field(name)?;
    Ok((Piece::Field(field, position), at + end, quote))
}

/// Makes one field of the parts of a time and the text between them.
fn join_times(pieces: &mut Vec<Piece>) -> Result<(), FormatError> {
    let mut joined: Vec<Piece> = Vec::with_capacity(pieces.len());
    let mut waiting = std::mem::take(pieces).into_iter().peekable();
    while let Some(piece) = waiting.next() {
        let Piece::TimePart {
            mut pattern,
            mut name,
            position,
        } = piece
        else {
            joined.push(piece);
            continue;
        };
        let mut rest: Vec<Piece> = Vec::new();
        // Further parts, whatever text is between.
        loop {
            let text = match waiting.peek() {
                Some(Piece::Text(text)) => Some(text.clone()),
                _ => None,
            };
            if let Some(text) = &text {
                waiting.next();
                rest.push(Piece::Text(text.clone()));
            }
            let Some(Piece::TimePart { .. }) = waiting.peek() else {
                break;
            };
            if let Some(Piece::TimePart {
                pattern: more,
                name: other,
                ..
            }) = waiting.next()
            {
                let between = text.unwrap_or_default();
                pattern.push_str(&between.replace('%', "%%"));
                pattern.push_str(&more);
                name.push_str(&between);
                name.push_str(&other);
                rest.clear();
            }
        }
        let time = TimePattern::new(&pattern).map_err(|fault| FormatError {
            position: position + 1,
            fault,
        })?;
        let field = super::field::column(name, LogColumn::Timestamp, 0, Span::Pattern(time));
        joined.push(Piece::Field(field, position));
        joined.append(&mut rest);
    }
    *pieces = joined;
    Ok(())
}

/// Makes the steps out of the pieces.
fn assemble(
    pieces: Vec<Piece>,
    source: &str,
    name: Option<&'static str>,
    options: &Options,
) -> Result<LineFormat, FormatError> {
    let mut lead = String::new();
    let mut steps: Vec<(Step, usize)> = Vec::new();
    for piece in pieces {
        match (piece, steps.last_mut()) {
            (Piece::Text(text), None) => lead.push_str(&text),
            (Piece::Text(text), Some((step, _))) => step.end = text.into(),
            (Piece::Field(field, position), last) => {
                if let Some((step, _)) = last
                    && step.end.is_empty()
                {
                    let is_nothing = |field: &Field| matches!(field.holds, Holds::Nothing);
                    if is_nothing(&step.field) && is_nothing(&field) {
                        step.field.name.push_str(&field.name);
                        continue;
                    }
                    // `%q` is empty or begins with `?`, so that both are the target.
                    let holds = |field: &Field| field.holds.column();
                    if holds(&step.field) == Some(LogColumn::Path) && field.name == "%q" {
                        step.field.name.push_str(&field.name);
                        continue;
                    }
                    if !step.field.span.ends_itself() {
                        return Err(FormatError {
                            position: position + 1,
                            fault: FormatFault::Adjacent {
                                first: step.field.name.clone(),
                                second: field.name,
                            },
                        });
                    }
                }
                if let Some((step, _)) = steps.last_mut() {
                    step.next = Some(field.span.clone());
                }
                let step = Step {
                    field,
                    end: "".into(),
                    next: None,
                };
                steps.push((step, position));
            }
            (Piece::TimePart { .. }, _) => {}
        }
    }
    let mut steps: Vec<Step> = steps.into_iter().map(|(step, _)| step).collect();
    keep_best_size(&mut steps);
    let at = |column: LogColumn| {
        steps
            .iter()
            .position(|step| step.field.holds.column() == Some(column))
    };
    let time = at(LogColumn::Timestamp);
    let forwarded = at(LogColumn::ForwardedFor);
    Ok(LineFormat {
        source: Arc::from(source),
        name,
        escape: options.escape,
        lead: lead.into(),
        urls: options.urls,
        has_peer: at(LogColumn::ClientIp).is_some(),
        is_forwarded_first: forwarded.is_some() && forwarded < time,
        is_single: Single::can_take(&steps),
        steps: steps.into(),
    })
}

/// Checks that lines of the format can be requests.
fn require(format: &LineFormat, body: &str) -> Result<(), FormatError> {
    let has = |columns: &[LogColumn]| {
        format
            .fields()
            .filter_map(|field| field.holds.column())
            .any(|column| columns.contains(&column))
    };
    let fault = if format.steps.is_empty() {
        FormatFault::NoField {
            text: body.to_owned(),
        }
    } else if !has(&[LogColumn::Timestamp]) {
        FormatFault::Missing { what: "time" }
    } else if !has(&[LogColumn::Request, LogColumn::Path]) {
        FormatFault::Missing { what: "request" }
    } else if !has(&[LogColumn::Status]) {
        FormatFault::Missing { what: "status" }
    } else {
        return Ok(());
    };
    Err(FormatError { position: 1, fault })
}
