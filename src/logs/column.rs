//! The columns of `access_logs`, as what a field of a log can hold.

use serde::{Deserialize, Serialize};

/// What a field of a log can hold: a column of `access_logs`, or some of its columns in another
/// form.
///
/// `latency_s`, `latency_us` and `latency_ns` are other units of `latency_ms`; `host` is a host name
/// with an optional port, the site where no field holds its name; `request` is a whole request line;
/// and `path` may be a target with its query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the columns are documented in `crate::schema`")]
pub enum LogColumn {
    Timestamp,
    Site,
    Host,
    ClientIp,
    Request,
    Method,
    Path,
    Query,
    Protocol,
    Status,
    Bytes,
    LatencyMs,
    LatencyS,
    LatencyUs,
    LatencyNs,
    Referer,
    UserAgent,
}

impl LogColumn {
    /// How many there are.
    pub(super) const COUNT: usize = 17;

    /// All of them in order, with the names that maps and SQL know them by.
    pub(super) const NAMES: [(Self, &'static str); Self::COUNT] = [
        (Self::Timestamp, "timestamp"),
        (Self::Site, "site"),
        (Self::Host, "host"),
        (Self::ClientIp, "client_ip"),
        (Self::Request, "request"),
        (Self::Method, "method"),
        (Self::Path, "path"),
        (Self::Query, "query"),
        (Self::Protocol, "protocol"),
        (Self::Status, "status"),
        (Self::Bytes, "bytes"),
        (Self::LatencyMs, "latency_ms"),
        (Self::LatencyS, "latency_s"),
        (Self::LatencyUs, "latency_us"),
        (Self::LatencyNs, "latency_ns"),
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
