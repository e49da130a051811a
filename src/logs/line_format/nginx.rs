//! The variables of nginx.

use super::field::{Field, Holds, Span, column, skipped};
use crate::logs::column::LogColumn as C;

/// The field of a variable, given its name without `$`.
pub(super) fn field(variable: &str) -> Field {
    let name = format!("${variable}");
    let (held, rank, span) = match variable {
        "time_local" => (C::Timestamp, 1, Span::Time),
        "time_iso8601" => (C::Timestamp, 1, Span::Time),
        "msec" => (C::Timestamp, 2, Span::Number),
        "remote_addr" => (C::ClientIp, 0, Span::Address),
        "realip_remote_addr" => (C::ClientIp, 2, Span::Address),
        "http_x_forwarded_for" | "proxy_add_x_forwarded_for" => (C::ForwardedFor, 0, Span::List),
        "http_forwarded" => (C::ForwardedFor, 1, Span::List),
        "http_x_real_ip" | "http_true_client_ip" | "http_cf_connecting_ip" => {
            (C::ForwardedFor, 2, Span::Text)
        }
        "request" => (C::Request, 0, Span::Text),
        "request_method" => (C::Method, 0, Span::Method),
        "request_uri" => (C::Path, 0, Span::Text),
        // Decoded, and rewritten by `index` and `rewrite`.
        "uri" | "document_uri" => (C::Path, 1, Span::Text),
        "args" | "query_string" => (C::Query, 0, Span::Text),
        "server_protocol" => (C::Protocol, 0, Span::Text),
        "status" => (C::Status, 0, Span::Status),
        "body_bytes_sent" => (C::Bytes, 0, Span::Number),
        "bytes_sent" => (C::Bytes, 1, Span::Number),
        "request_time" => (C::LatencyS, 0, Span::Number),
        "host" => (C::Host, 0, Span::Host),
        "http_host" => (C::Host, 1, Span::Host),
        "server_name" => (C::Host, 2, Span::Host),
        "http_referer" => (C::Referer, 0, Span::Text),
        "http_user_agent" => (C::UserAgent, 0, Span::Text),
        "upstream_response_time" => {
            return Field {
                name,
                holds: Holds::UpstreamSeconds(3),
                span: Span::List,
            };
        }
        _ if variable.starts_with("upstream_") => {
            return Field {
                span: Span::List,
                ..skipped(name)
            };
        }
        _ => return extension(variable).unwrap_or_else(|| skipped(name)),
    };
    column(name, held, rank, span)
}

/// Names of our own, for what known formats have and nginx has not.
fn extension(variable: &str) -> Option<Field> {
    let name = format!("${variable}");
    let (held, span) = match variable {
        // Address and port, of IPv6 without brackets.
        "client_socket" => (C::ClientIp, Span::Socket),
        "latency_ms" => (C::LatencyMs, Span::Number),
        "latency_us" => (C::LatencyUs, Span::Number),
        // With its unit, as in `12ms`.
        "latency" => (C::Latency, Span::Text),
        "site" => (C::Site, Span::Text),
        "latency_part" => {
            return Some(Field {
                name,
                holds: Holds::PartOfSeconds,
                span: Span::Number,
            });
        }
        _ => return None,
    };
    Some(column(name, held, 0, span))
}
