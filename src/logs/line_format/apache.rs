//! The directives of Apache's `mod_log_config` and `mod_logio`.

use super::error::FormatFault;
use super::field::{Field, Span, column, skipped};
use super::strftime::{TimePattern, of_apache};
use crate::logs::column::LogColumn as C;

/// A directive: the letter and what stands in braces before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Directive<'a> {
    /// As written.
    pub(super) name: &'a str,
    pub(super) argument: Option<&'a str>,
    pub(super) letters: &'a str,
    /// Whether Tomcat writes it, whose `%D` had another unit before 10.
    pub(super) is_tomcat: bool,
}

/// The field of a directive.
pub(super) fn field(directive: Directive<'_>) -> Result<Field, FormatFault> {
    let name = directive.name.to_owned();
    // Units are known in any case.
    let unit = (directive.letters == "T")
        .then_some(directive.argument)
        .flatten();
    let unit = unit.map(str::to_ascii_lowercase);
    let argument = unit.as_deref().or(directive.argument);
    let (held, rank, span) = match (directive.letters, argument) {
        ("t", None) => (C::Timestamp, 0, Span::BracketedTime),
        ("t", Some("msec" | "begin:msec" | "end:msec")) => (C::Timestamp, 1, Span::Number),
        ("t", Some("usec" | "begin:usec" | "end:usec")) => (C::Timestamp, 1, Span::Number),
        ("t", Some(pattern)) => {
            let pattern = TimePattern::new(&of_apache(pattern)?)?;
            (C::Timestamp, 0, Span::Pattern(pattern))
        }
        ("h", _) => (C::ClientIp, 0, Span::Address),
        ("a", None) => (C::ClientIp, 0, Span::Address),
        ("a", Some(_)) => (C::ClientIp, 2, Span::Address),
        // Attributes of request and session.
        ("r" | "s", Some(_)) if directive.is_tomcat => return Ok(skipped(name)),
        ("r", _) => (C::Request, 0, Span::Text),
        ("m", _) => (C::Method, 0, Span::Method),
        ("U", _) => (C::Path, 0, Span::Text),
        ("q", _) => (C::Query, 0, Span::Text),
        ("H", _) => (C::Protocol, 0, Span::Text),
        ("s", _) => (C::Status, 0, Span::Status),
        ("b" | "B", _) => (C::Bytes, 0, Span::Number),
        ("O", _) => (C::Bytes, 1, Span::Number),
        ("v", _) => (C::Host, 1, Span::Host),
        ("V", _) => (C::Host, 0, Span::Host),
        ("D", None) if directive.is_tomcat => return Err(FormatFault::Unit { name }),
        ("D", None) | ("T", Some("us")) => (C::LatencyUs, 0, Span::Number),
        ("T", Some("ms")) => (C::LatencyMs, 1, Span::Number),
        ("T", None | Some("s")) => (C::LatencyS, 2, Span::Number),
        ("F", None) if directive.is_tomcat => return Ok(skipped(name)),
        ("i", Some(header)) => return Ok(header_field(name, header)),
        (
            "A" | "f" | "k" | "l" | "L" | "p" | "P" | "u" | "X" | "R" | "I" | "S" | "C" | "e" | "n"
            | "o" | "x" | "c" | "^ti" | "^to" | "^FB" | "^FU",
            _,
        ) => return Ok(skipped(name)),
        _ => return Err(FormatFault::Unknown { name }),
    };
    Ok(column(name, held, rank, span))
}

/// The field of a header of the request.
pub(super) fn header_field(name: String, header: &str) -> Field {
    let (held, rank, span) = match &*header.to_ascii_lowercase() {
        "referer" | "referrer" => (C::Referer, 0, Span::Text),
        "user-agent" => (C::UserAgent, 0, Span::Text),
        "host" | ":authority" => (C::Host, 0, Span::Host),
        "x-forwarded-for" => (C::ForwardedFor, 0, Span::List),
        "forwarded" => (C::ForwardedFor, 1, Span::List),
        "x-real-ip" | "true-client-ip" | "cf-connecting-ip" => (C::ForwardedFor, 2, Span::Text),
        ":method" => (C::Method, 0, Span::Method),
        ":path" => (C::Path, 1, Span::Text),
        "x-envoy-original-path" => (C::Path, 0, Span::Text),
        _ => return skipped(name),
    };
    column(name, held, rank, span)
}
