//! The names that fields have in the wild.

use super::column::LogColumn;

/// Names that fields have in the wild, best first. Case does not matter; a dot separates the keys
/// of nested objects. Sources: Apache and nginx variables, Caddy, Traefik, the Elastic Common
/// Schema, AWS load balancers, Zeek, NASA-HTTP. What `host` holds depends on the others
/// ([`super::host_field`]).
pub(super) const ALIASES: [(LogColumn, &[&str]); LogColumn::COUNT] = [
    (
        LogColumn::Timestamp,
        &[
            "timestamp",
            "@timestamp",
            "time",
            "ts",
            "time_iso8601",
            "time_local",
            "msec",
            "datetime",
            "date_time",
            "start_time",
            "starttime",
            "startutc",
            "edgestarttimestamp",
            "edgeendtimestamp",
            "receivetimestamp",
        ],
    ),
    (LogColumn::Date, &["date"]),
    (LogColumn::Site, &["site"]),
    (
        LogColumn::Host,
        &[
            "vhost",
            "virtual_host",
            "server_name",
            "http_host",
            "requesthost",
            "request.host",
            "authority",
            ":authority",
            "x-host-header",
            "cs(host)",
            "cs-host",
            "clientrequesthost",
            "url.domain",
            "destination.domain",
            "host",
        ],
    ),
    (
        LogColumn::ClientIp,
        &[
            "client_ip",
            "remote_addr",
            "remote_ip",
            "clientip",
            "client.ip",
            "source.ip",
            "client.address",
            "source.address",
            "request.client_ip",
            "request.remote_ip",
            "request.remote_addr",
            "httprequest.remoteip",
            "clienthost",
            "clientaddr",
            "remote_host",
            "client_host",
            "downstream_remote_address",
            "c-ip",
            "id.orig_h",
            "id_orig_h",
            "req.remoteaddress",
            "client_addr",
            "client",
            "ip",
            "host",
        ],
    ),
    (
        LogColumn::ForwardedFor,
        &[
            "x_forwarded_for",
            "http_x_forwarded_for",
            "x-forwarded-for",
            "forwarded_for",
            "forwardedfor",
            "xff",
            "request.headers.x-forwarded-for",
            "request_x-forwarded-for",
            "network.forwarded_ip",
        ],
    ),
    (LogColumn::Request, &["request", "request_line", "req"]),
    (
        LogColumn::Method,
        &[
            "method",
            "request_method",
            "http_method",
            "verb",
            "req.method",
            "requestmethod",
            "request.method",
            "http.request.method",
            "httprequest.requestmethod",
            "clientrequestmethod",
            "cs-method",
        ],
    ),
    (
        LogColumn::Path,
        &[
            "path",
            "request_uri",
            "uri",
            "url",
            "requestpath",
            "request.uri",
            "url.original",
            "url.path",
            "clientrequesturi",
            "clientrequestpath",
            "cs-uri-stem",
            "x-envoy-origin-path",
            "x-envoy-original-path",
            "req.url",
            "target",
        ],
    ),
    (
        LogColumn::Url,
        &[
            "httprequest.requesturl",
            "request_url",
            "requesturl",
            "url.full",
            "cs-uri",
        ],
    ),
    (
        LogColumn::Query,
        &["query", "query_string", "args", "url.query", "cs-uri-query"],
    ),
    (
        LogColumn::Protocol,
        &[
            "protocol",
            "server_protocol",
            "http_version",
            "requestprotocol",
            "request.proto",
            "httprequest.protocol",
            "clientrequestprotocol",
            "cs-protocol-version",
            "cs-version",
            "proto",
        ],
    ),
    (
        LogColumn::Status,
        &[
            "status",
            "status_code",
            "response",
            "response_code",
            "downstreamstatus",
            "http.response.status_code",
            "httprequest.status",
            "edgeresponsestatus",
            "sc-status",
            "c-status",
            "statuscode",
            "res.statuscode",
        ],
    ),
    (
        LogColumn::Bytes,
        &[
            "bytes",
            "body_bytes_sent",
            "bytes_sent",
            "size",
            "response_size",
            "downstreamcontentsize",
            "http.response.body.bytes",
            "http.response.bytes",
            "httprequest.responsesize",
            "edgeresponsebytes",
            "sc-bytes",
            "bytes_out",
            "response_body_len",
        ],
    ),
    (
        LogColumn::LatencyMs,
        &[
            "latency_ms",
            "duration_ms",
            "response_time_ms",
            "request_time_ms",
            "timetakenms",
        ],
    ),
    (
        LogColumn::LatencyS,
        &["latency_s", "request_time", "duration_s", "reqtime"],
    ),
    (
        LogColumn::LatencyUs,
        &["latency_us", "duration_us", "reqtime_microsec"],
    ),
    (
        LogColumn::LatencyNs,
        &["latency_ns", "duration_ns", "event.duration"],
    ),
    (
        LogColumn::Latency,
        &[
            "latency",
            "httprequest.latency",
            "duration",
            "response_time",
            "responsetime",
            "elapsed",
            "elapsed_time",
            "time_taken",
            "time-taken",
            "took",
        ],
    ),
    (
        LogColumn::Referer,
        &[
            "referer",
            "referrer",
            "http_referrer",
            "http_referer",
            "http.request.referrer",
            "httprequest.referer",
            "clientrequestreferer",
            "request.headers.referer",
            "request_referer",
            "cs(referer)",
            "cs(referrer)",
        ],
    ),
    (
        LogColumn::UserAgent,
        &[
            "user_agent",
            "useragent",
            "http_user_agent",
            "user-agent",
            "agent",
            "user_agent.original",
            "httprequest.useragent",
            "clientrequestuseragent",
            "request.headers.user-agent",
            "request_user-agent",
            "cs(user-agent)",
            "ua",
        ],
    ),
];

/// Software whose fields of a common name have a unit of their own.
pub(super) struct Software {
    /// Names that no other software has; one of them tells it.
    pub(super) told_by: &'static [&'static str],
    pub(super) field: &'static str,
    pub(super) holds: LogColumn,
}

pub(super) const SOFTWARE: [Software; 6] = [
    // <https://doc.traefik.io/traefik/observability/access-logs/>
    Software {
        told_by: &["downstreamstatus"],
        field: "duration",
        holds: LogColumn::LatencyNs,
    },
    // <https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage>
    Software {
        told_by: &[
            "response_flags",
            "upstream_cluster",
            "downstream_remote_address",
            "downstream_local_address",
        ],
        field: "duration",
        holds: LogColumn::LatencyMs,
    },
    // <https://caddyserver.com/docs/caddyfile/directives/log>
    Software {
        told_by: &["request.uri"],
        field: "duration",
        holds: LogColumn::LatencyS,
    },
    // <https://learn.microsoft.com/windows/win32/http/w3c-logging>
    Software {
        told_by: &[
            "sc-win32-status",
            "sc-substatus",
            "s-sitename",
            "s-computername",
        ],
        field: "time-taken",
        holds: LogColumn::LatencyMs,
    },
    // <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/AccessLogs.html>
    Software {
        told_by: &["x-edge-location"],
        field: "time-taken",
        holds: LogColumn::LatencyS,
    },
    // <http://ltsv.org/>
    Software {
        told_by: &["reqsize", "forwardedfor", "vhost"],
        field: "taken",
        holds: LogColumn::LatencyS,
    },
];
