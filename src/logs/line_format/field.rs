//! What the fields of a format hold, and how far each of them extends.

use super::strftime::TimePattern;
use crate::logs::column::LogColumn;
use crate::logs::fields::Use;
use crate::logs::timestamp;

/// A field of a format.
#[derive(Debug, Clone)]
pub(in crate::logs) struct Field {
    /// As the format writes it.
    pub(in crate::logs) name: String,
    pub(in crate::logs) holds: Holds,
    pub(super) span: Span,
}

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::logs) enum Holds {
    /// Nothing.
    Nothing,
    /// It is the value of a column.
    Column(Use),
    /// Times of a list of upstream servers, in seconds, which add up to a latency.
    UpstreamSeconds(u8),
    /// A part of the latency, in seconds; all parts add up to it, and none may be missing.
    PartOfSeconds,
}

impl Holds {
    /// The column, or its form, that the field fills.
    pub(in crate::logs) const fn column(self) -> Option<LogColumn> {
        match self {
            Self::Nothing => None,
            Self::Column((column, _)) => Some(column),
            Self::UpstreamSeconds(_) | Self::PartOfSeconds => Some(LogColumn::LatencyS),
        }
    }
}

/// What text a field may be.
#[derive(Debug, Clone)]
pub(super) enum Span {
    /// Anything up to what follows.
    Text,
    /// Values of several servers: `a, b : c`.
    List,
    /// Digits, a point, a sign, or `-`; spaces before it pad it.
    Number,
    /// Three digits, or `-`.
    Status,
    /// A host name or address: nothing that a path begins with.
    Host,
    /// An address, a host name or a socket, with or without port; or `-`.
    Address,
    /// An address with a port behind it, which addresses of IPv6 have without brackets, too; or `-`.
    Socket,
    /// A method: letters.
    Method,
    /// A time that its field alone can tell.
    Time,
    /// A time in common log format, with its brackets.
    BracketedTime,
    /// A time in a form of its own.
    Pattern(TimePattern),
}

impl Span {
    /// Whether text can be a field of this kind by its beginning.
    pub(super) fn may_begin(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        match self {
            Self::Text
            | Self::List
            | Self::Host
            | Self::Address
            | Self::Socket
            | Self::Method
            | Self::Pattern(_) => true,
            Self::Number => {
                let text = text.trim_start_matches(' ').as_bytes();
                matches!(text, [b'0'..=b'9' | b'-' | b'+' | b'.', ..])
            }
            // HAProxy writes -1 and Envoy 0 where there was no answer.
            Self::Status => match bytes {
                [a, b, c, rest @ ..] if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) => {
                    !rest.first().is_some_and(u8::is_ascii_alphanumeric)
                }
                [b'0' | b'-'] | [b'0' | b'-', b' ' | b'"', ..] | [b'-', b'1', ..] => true,
                _ => false,
            },
            Self::Time => is_time(bytes),
            Self::BracketedTime => bytes.strip_prefix(b"[").is_some_and(is_time),
        }
    }

    /// Whether text is a time as a whole, if this is the kind of a time.
    pub(super) fn is_whole_time(&self, text: &str) -> Option<bool> {
        match self {
            Self::Time => Some(timestamp::read(text).is_some()),
            Self::Pattern(pattern) => Some(pattern.read(text).is_some()),
            _ => None,
        }
    }

    /// Whether text is one field of this kind and not several.
    pub(super) fn allows(&self, text: &str) -> bool {
        match self {
            Self::Number | Self::Status | Self::Host | Self::Address | Self::Socket => {
                !text.contains([' ', '\t', '"', '[']) || text.starts_with('[')
            }
            Self::Method => text
                .bytes()
                .all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_')),
            _ => true,
        }
    }

    /// Whether the kind tells where a field ends without what follows it.
    pub(super) const fn ends_itself(&self) -> bool {
        matches!(
            self,
            Self::Number | Self::Status | Self::Host | Self::BracketedTime
        )
    }
}

/// Whether a time may begin so: with a digit, or with the name of a weekday.
fn is_time(text: &[u8]) -> bool {
    match text {
        [first, ..] if first.is_ascii_digit() => true,
        [a, b, c, b',' | b' ', ..] => [a, b, c].iter().all(|letter| letter.is_ascii_alphabetic()),
        _ => false,
    }
}

/// A field that is skipped.
pub(super) const fn skipped(name: String) -> Field {
    Field {
        name,
        holds: Holds::Nothing,
        span: Span::Text,
    }
}

/// A field of a column; fields of a lower rank count before others.
pub(super) const fn column(name: String, column: LogColumn, rank: u8, span: Span) -> Field {
    Field {
        name,
        holds: Holds::Column((column, rank)),
        span,
    }
}
