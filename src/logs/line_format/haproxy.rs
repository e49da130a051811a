//! The variables of HAProxy's `log-format`.

use super::error::FormatFault;
use super::field::{Field, Span, column, skipped};
use crate::logs::column::LogColumn as C;

/// The field of a variable, given its name without `%` and flags.
pub(super) fn field(variable: &str) -> Result<Field, FormatFault> {
    let name = format!("%{variable}");
    let (held, rank, span) = match variable {
        "t" | "tr" | "T" | "Tl" | "trg" | "trl" => (C::Timestamp, 0, Span::Time),
        "Ts" => (C::Timestamp, 1, Span::Number),
        "ci" => (C::ClientIp, 0, Span::Address),
        "r" => (C::Request, 0, Span::Text),
        "HM" => (C::Method, 0, Span::Method),
        "HU" => (C::Path, 0, Span::Text),
        "HP" | "HPO" => (C::Path, 1, Span::Text),
        "HQ" => (C::Query, 0, Span::Text),
        "HV" => (C::Protocol, 0, Span::Text),
        "ST" => (C::Status, 0, Span::Status),
        "B" => (C::Bytes, 0, Span::Number),
        // Of the request alone, then of the whole session with the time that the client idled.
        "Ta" => (C::LatencyMs, 0, Span::Number),
        "Tt" | "Tu" => (C::LatencyMs, 1, Span::Number),
        _ if !variable.is_empty() && variable.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            return Ok(skipped(name));
        }
        _ => return Err(FormatFault::Unknown { name }),
    };
    Ok(column(name, held, rank, span))
}
