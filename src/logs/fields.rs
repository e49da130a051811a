//! Which column of a delimited file, or which key of a JSON object, holds which part of a request.
//!
//! The names that web servers, proxies and log shippers use are known (`ALIASES`), so usual files
//! need no map. A [`FieldMap`] names the others; a column that it names has no aliases any more.

use std::collections::{HashMap, HashSet};

use super::column::LogColumn;
use super::field_map::FieldMap;

/// Names that fields have in the wild, best first. Case does not matter; a dot separates the keys
/// of nested objects. Sources: Apache and nginx variables, Caddy, Traefik, the Elastic Common
/// Schema, AWS load balancers, NASA-HTTP.
const ALIASES: [(LogColumn, &[&str]); LogColumn::COUNT] = [
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
            "starttime",
            "startutc",
        ],
    ),
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
            "url.domain",
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
            "request.client_ip",
            "request.remote_ip",
            "clienthost",
            "remote_host",
            "client_host",
            "client",
            "ip",
            "host",
        ],
    ),
    (LogColumn::Request, &["request", "request_line"]),
    (
        LogColumn::Method,
        &[
            "method",
            "request_method",
            "http_method",
            "verb",
            "requestmethod",
            "request.method",
            "http.request.method",
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
            "target",
        ],
    ),
    (
        LogColumn::Query,
        &["query", "query_string", "args", "url.query"],
    ),
    (
        LogColumn::Protocol,
        &[
            "protocol",
            "server_protocol",
            "http_version",
            "requestprotocol",
            "request.proto",
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
        ],
    ),
    (
        LogColumn::LatencyMs,
        &[
            "latency_ms",
            "duration_ms",
            "response_time_ms",
            "request_time_ms",
        ],
    ),
    (
        LogColumn::LatencyS,
        &["latency_s", "request_time", "duration_s", "duration"],
    ),
    (LogColumn::LatencyUs, &["latency_us", "duration_us"]),
    (
        LogColumn::LatencyNs,
        &["latency_ns", "duration_ns", "event.duration"],
    ),
    (
        LogColumn::Referer,
        &[
            "referer",
            "referrer",
            "http_referer",
            "http.request.referrer",
            "request.headers.referer",
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
            "request.headers.user-agent",
        ],
    ),
];

/// Rank of the field `host` among those of [`LogColumn::Host`].
pub(super) const HOST_AS_SITE: u8 = (ALIASES[LogColumn::Host as usize].1.len() - 1) as u8;
/// Rank of the field `host` among those of [`LogColumn::ClientIp`].
pub(super) const HOST_AS_CLIENT: u8 = (ALIASES[LogColumn::ClientIp as usize].1.len() - 1) as u8;

/// The column that a field holds, and the rank of the field among those for it; 0 is the best.
pub(super) type Use = (LogColumn, u8);

/// Finds what a field holds by its name.
#[derive(Debug, Clone)]
pub(super) struct FieldIndex {
    /// By name in lower case.
    uses: HashMap<String, Vec<Use>>,
    /// Keys, in lower case, of objects that hold a named field.
    parents: HashSet<String>,
    /// The columns that the map names, with their fields.
    mapped: Vec<(LogColumn, String)>,
}

impl FieldIndex {
    pub(super) fn new(map: &FieldMap) -> Self {
        let mut index = Self {
            uses: HashMap::new(),
            parents: HashSet::new(),
            mapped: map.entries.clone(),
        };
        for (part, source) in &map.entries {
            index.add(source, (*part, 0));
        }
        for (part, names) in ALIASES {
            if !index.mapped.iter().any(|(mapped, _)| *mapped == part) {
                // A field that the map names holds nothing else.
                let is_free = |name: &str| {
                    !map.entries
                        .iter()
                        .any(|(_, source)| source.eq_ignore_ascii_case(name))
                };
                for (rank, name) in names.iter().enumerate().filter(|(_, name)| is_free(name)) {
                    index.add(name, (part, rank as u8));
                }
            }
        }
        index
    }

    fn add(&mut self, name: &str, r#use: Use) {
        let name = name.to_ascii_lowercase();
        for (dot, _) in name.match_indices('.') {
            self.parents.insert(name[..dot].to_owned());
        }
        self.uses.entry(name).or_default().push(r#use);
    }

    /// Returns what a field holds; `name` must be in lower case.
    pub(super) fn uses(&self, name: &str) -> &[Use] {
        self.uses.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether an object under this key, in lower case, can hold a field of use.
    pub(super) fn is_parent(&self, name: &str) -> bool {
        self.parents.contains(name)
    }

    /// The first entry of the map whose source is not among these names.
    pub(super) fn unmatched(&self, names: &[String]) -> Option<(&'static str, &str)> {
        self.mapped
            .iter()
            .find(|(_, source)| !names.iter().any(|name| name.eq_ignore_ascii_case(source)))
            .map(|(part, source)| (part.name(), source.as_str()))
    }

    /// The columns that a file with fields of these names would lack. The empty answer means that
    /// the file can be read.
    pub(super) fn missing(&self, names: &[String]) -> Vec<&'static str> {
        let found: HashSet<LogColumn> = names
            .iter()
            .flat_map(|name| self.uses(&name.to_ascii_lowercase()))
            .map(|(part, _)| *part)
            .collect();
        let has = |parts: &[LogColumn]| parts.iter().any(|part| found.contains(part));
        [
            (has(&[LogColumn::Timestamp]), "timestamp"),
            (has(&[LogColumn::Path, LogColumn::Request]), "path"),
            (has(&[LogColumn::Status]), "status"),
        ]
        .into_iter()
        .filter(|(present, _)| !present)
        .map(|(_, name)| name)
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_in_order() {
        for (index, (column, name)) in LogColumn::NAMES.into_iter().enumerate() {
            assert_eq!(column as usize, index, "{name}");
            assert_eq!(ALIASES[index].0, column, "{name}");
        }
        assert_eq!(ALIASES[LogColumn::Host as usize].1.last(), Some(&"host"));
        assert_eq!(
            ALIASES[LogColumn::ClientIp as usize].1.last(),
            Some(&"host")
        );
        for (_, names) in ALIASES {
            assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()));
        }
    }

    #[test]
    fn missing_columns_are_named() {
        let index = FieldIndex::new(&"client_ip=peer".parse().unwrap());
        let names = ["timestamp", "requests"].map(str::to_owned);
        assert_eq!(index.missing(&names), ["path", "status"]);
        assert_eq!(index.unmatched(&names), Some(("client_ip", "peer")));
        let names = ["Time", "URL", "Response", "Peer"].map(str::to_owned);
        assert_eq!(index.missing(&names), [""; 0]);
        assert_eq!(index.unmatched(&names), None);
    }
}
