//! The columns of `access_logs`, as what a field of a log can hold.

use serde::{Deserialize, Serialize};

/// What a field of a log can hold: a column of `access_logs`, or some of its columns in another
/// form.
///
/// `latency_s`, `latency_us` and `latency_ns` are other units of `latency_ms`, and `latency` says its
/// unit itself, as in `12ms`; `host` is a host name with an optional port, the site where no field
/// holds its name; `forwarded_for` is a list of addresses that proxies tell; `request` is a whole
/// request line; `path` may be a target with its query, and `url` has a host besides; `date` is the
/// date of a `timestamp` that is a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the columns are documented in `crate::schema`")]
pub enum LogColumn {
    Timestamp,
    Date,
    Site,
    Host,
    ClientIp,
    ForwardedFor,
    Request,
    Method,
    Path,
    Url,
    Query,
    Protocol,
    Status,
    Bytes,
    LatencyMs,
    LatencyS,
    LatencyUs,
    LatencyNs,
    Latency,
    Referer,
    UserAgent,
}

impl LogColumn {
    /// How many there are.
    pub(super) const COUNT: usize = 21;

    /// All of them in order, with the names that maps and SQL know them by.
    pub(super) const NAMES: [(Self, &'static str); Self::COUNT] = [
        (Self::Timestamp, "timestamp"),
        (Self::Date, "date"),
        (Self::Site, "site"),
        (Self::Host, "host"),
        (Self::ClientIp, "client_ip"),
        (Self::ForwardedFor, "forwarded_for"),
        (Self::Request, "request"),
        (Self::Method, "method"),
        (Self::Path, "path"),
        (Self::Url, "url"),
        (Self::Query, "query"),
        (Self::Protocol, "protocol"),
        (Self::Status, "status"),
        (Self::Bytes, "bytes"),
        (Self::LatencyMs, "latency_ms"),
        (Self::LatencyS, "latency_s"),
        (Self::LatencyUs, "latency_us"),
        (Self::LatencyNs, "latency_ns"),
        (Self::Latency, "latency"),
        (Self::Referer, "referer"),
        (Self::UserAgent, "user_agent"),
    ];

    /// The one of a name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(column, _)| *column)
    }

    /// The name in maps and in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}
