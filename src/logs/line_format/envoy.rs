//! The operators of Envoy's access logs.

use super::apache::header_field;
use super::error::FormatFault;
use super::field::{Field, Span, column, skipped};
use super::strftime::TimePattern;
use crate::logs::column::LogColumn as C;

/// The field of an operator such as `REQ(:PATH)`, without its percent signs.
pub(super) fn field(operator: &str) -> Result<Field, FormatFault> {
    let name = format!("%{operator}%");
    let (verb, argument) = match operator.split_once('(') {
        Some((verb, rest)) => (verb, rest.split_once(')').map(|(argument, _)| argument)),
        None => (
            operator.split_once(':').map_or(operator, |(verb, _)| verb),
            None,
        ),
    };
    let (held, rank, span) = match verb {
        "START_TIME" => match argument {
            None | Some("") => (C::Timestamp, 0, Span::Time),
            Some(pattern) => {
                let pattern = TimePattern::new(pattern)?;
                (C::Timestamp, 0, Span::Pattern(pattern))
            }
        },
        "PROTOCOL" => (C::Protocol, 0, Span::Text),
        "RESPONSE_CODE" => (C::Status, 0, Span::Status),
        "BYTES_SENT" => (C::Bytes, 0, Span::Number),
        "DURATION" => (C::LatencyMs, 0, Span::Number),
        "DOWNSTREAM_REMOTE_ADDRESS"
        | "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"
        | "DOWNSTREAM_DIRECT_REMOTE_ADDRESS"
        | "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => (C::ClientIp, 0, Span::Address),
        "REQ" => {
            // Of `FIRST?OTHER` the first that the request has.
            let headers = argument.unwrap_or_default();
            return Ok(header_field(
                name,
                headers.split('?').next_back().unwrap_or(headers),
            ));
        }
        _ if !verb.is_empty()
            && verb
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_') =>
        {
            return Ok(skipped(name));
        }
        _ => return Err(FormatFault::Unknown { name }),
    };
    Ok(column(name, held, rank, span))
}
