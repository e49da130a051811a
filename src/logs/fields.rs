//! Which column of a delimited file, or which key of a JSON object, holds which part of a request.
//!
//! The names that web servers, proxies and log shippers use are known (`ALIASES`), so usual files
//! need no map. A [`FieldMap`] names the others; a part that it names has no aliases any more.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use super::request::{
    Reject, Request, host_site, plausible, present, seconds_to_ms, size, split_request,
    split_target, status,
};
use super::timestamp;
use crate::explain::{Explain, backticked};

/// A part of a request that a named field can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Part {
    Timestamp,
    /// The name of the site, as it is.
    Site,
    /// A host name with optional port, the site where no field holds its name.
    Host,
    ClientIp,
    /// A whole request line.
    Request,
    Method,
    /// A path, or a target with query.
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

impl Part {
    const COUNT: usize = 17;

    /// Names of the parts as a map states them: those of the columns of `access_logs`, and
    /// further ones for fields that hold a part in another form.
    const NAMES: [(Self, &'static str); Self::COUNT] = [
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

    fn named(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(part, _)| *part)
    }

    pub(super) fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// Names that fields have in the wild, best first. Case does not matter; a dot separates the keys
/// of nested objects. Sources: Apache and nginx variables, Caddy, Traefik, the Elastic Common
/// Schema, AWS load balancers, NASA-HTTP.
const ALIASES: [(Part, &[&str]); Part::COUNT] = [
    (
        Part::Timestamp,
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
    (Part::Site, &["site"]),
    (
        Part::Host,
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
        Part::ClientIp,
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
    (Part::Request, &["request", "request_line"]),
    (
        Part::Method,
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
        Part::Path,
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
    (Part::Query, &["query", "query_string", "args", "url.query"]),
    (
        Part::Protocol,
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
        Part::Status,
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
        Part::Bytes,
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
        Part::LatencyMs,
        &[
            "latency_ms",
            "duration_ms",
            "response_time_ms",
            "request_time_ms",
        ],
    ),
    (
        Part::LatencyS,
        &["latency_s", "request_time", "duration_s", "duration"],
    ),
    (Part::LatencyUs, &["latency_us", "duration_us"]),
    (
        Part::LatencyNs,
        &["latency_ns", "duration_ns", "event.duration"],
    ),
    (
        Part::Referer,
        &[
            "referer",
            "referrer",
            "http_referer",
            "http.request.referrer",
            "request.headers.referer",
        ],
    ),
    (
        Part::UserAgent,
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

/// Says which source field holds a column of `access_logs`, where the field has an unusual name.
///
/// ```
/// use anomalog::logs::FieldMap;
///
/// let map: FieldMap = "timestamp=at, client_ip=peer.address".parse()?;
/// assert_eq!(map.get("client_ip"), Some("peer.address"));
/// assert_eq!(map.get("status"), None);
/// # Ok::<(), anomalog::logs::FieldMapError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldMap {
    entries: Vec<(Part, String)>,
}

impl FieldMap {
    /// The source field of a column, if the map names one.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&str> {
        let part = Part::named(column)?;
        self.entries
            .iter()
            .find(|(named, _)| *named == part)
            .map(|(_, source)| source.as_str())
    }

    /// Whether the map names nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A map of columns to source fields, whose names may hold any characters.
    ///
    /// # Errors
    /// When a column is none of `access_logs`, or a field has no name.
    pub fn from_entries(
        entries: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, FieldMapError> {
        let entries = entries.into_iter().map(|(column, source)| {
            if source.is_empty() {
                let entry = format!("{column}=");
                return Err(FieldMapError::Entry { entry });
            }
            match Part::named(&column) {
                Some(part) => Ok((part, source)),
                None => Err(FieldMapError::Column { column }),
            }
        });
        Ok(Self {
            entries: entries.collect::<Result<_, _>>()?,
        })
    }

    /// Columns with their source fields, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .iter()
            .map(|(part, source)| (part.name(), source.as_str()))
    }
}

impl FromStr for FieldMap {
    type Err = FieldMapError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut entries: Vec<(Part, String)> = Vec::new();
        for entry in text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            let (column, source) = entry
                .split_once('=')
                .map(|(column, source)| (column.trim(), source.trim()))
                .filter(|(column, source)| !column.is_empty() && !source.is_empty())
                .ok_or_else(|| FieldMapError::Entry {
                    entry: entry.to_owned(),
                })?;
            let part = Part::named(column).ok_or_else(|| FieldMapError::Column {
                column: column.to_owned(),
            })?;
            if entries.iter().any(|(named, _)| *named == part) {
                return Err(FieldMapError::Twice {
                    column: column.to_owned(),
                });
            }
            entries.push((part, source.to_owned()));
        }
        Ok(Self { entries })
    }
}

impl fmt::Display for FieldMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (column, source)) in self.iter().enumerate() {
            write!(f, "{}{column}={source}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// Why text is no [`FieldMap`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldMapError {
    /// An entry has no `=`, or nothing beside it.
    #[error("expected `column=field` in the column map, found `{entry}`")]
    Entry {
        /// The entry.
        entry: String,
    },
    /// No column has this name.
    #[error("unknown column `{column}` in the column map")]
    Column {
        /// The name.
        column: String,
    },
    /// A column is named by two entries.
    #[error("column `{column}` occurs twice in the column map")]
    Twice {
        /// The name.
        column: String,
    },
}

impl Explain for FieldMapError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Entry { .. } => {
                Some("write it as `--columns timestamp=time,client_ip=host`".into())
            }
            Self::Column { .. } => Some(
                format!(
                    "the columns are {}",
                    backticked(Part::NAMES.map(|(_, name)| name))
                )
                .into(),
            ),
            Self::Twice { .. } => Some("name each column once".into()),
        }
    }
}

/// A part of a request and how good a source of it a field is, 0 being the best.
pub(super) type Use = (Part, u8);

/// Finds what a field holds by its name.
#[derive(Debug, Clone)]
pub(super) struct FieldIndex {
    /// By name in lower case.
    uses: HashMap<String, Vec<Use>>,
    /// Keys, in lower case, of objects that hold a named field.
    parents: HashSet<String>,
    /// What the map names: part and source.
    mapped: Vec<(Part, String)>,
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

    /// What a field holds; `name` must be in lower case.
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
        let found: HashSet<Part> = names
            .iter()
            .flat_map(|name| self.uses(&name.to_ascii_lowercase()))
            .map(|(part, _)| *part)
            .collect();
        let has = |parts: &[Part]| parts.iter().any(|part| found.contains(part));
        [
            (has(&[Part::Timestamp]), "timestamp"),
            (has(&[Part::Path, Part::Request]), "path"),
            (has(&[Part::Status]), "status"),
        ]
        .into_iter()
        .filter(|(present, _)| !present)
        .map(|(_, name)| name)
        .collect()
    }
}

/// A value of a named field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Integer(i64),
    Float(f64),
}

impl<'a> Value<'a> {
    /// As text, unless it stands for nothing.
    fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => present(&text).is_some().then_some(text),
            Self::Integer(value) => Some(Cow::Owned(value.to_string())),
            Self::Float(value) => Some(Cow::Owned(value.to_string())),
        }
    }

    /// As a number that is not negative, unless it stands for nothing.
    fn number(self) -> Result<Option<f64>, Reject> {
        let value = match self {
            Self::Text(text) => match present(&text) {
                Some(text) => text.parse().map_err(|_| Reject::BadLatency)?,
                None => return Ok(None),
            },
            Self::Integer(value) => value as f64,
            Self::Float(value) => value,
        };
        if (0.0..f64::INFINITY).contains(&value) {
            Ok(Some(value))
        } else {
            Err(Reject::BadLatency)
        }
    }
}

/// The values of one line, each with the rank of the field that it came from.
#[derive(Debug, Default)]
pub(super) struct Values<'a> {
    slots: [Option<(u8, Value<'a>)>; Part::COUNT],
}

impl<'a> Values<'a> {
    /// Keeps a value, unless a better field has held one. Of two equal ones the last counts, as
    /// for repeated keys in JSON.
    pub(super) fn set(&mut self, (part, rank): Use, value: Value<'a>) {
        if let Value::Text(text) = &value
            && present(text).is_none()
        {
            return;
        }
        let slot = &mut self.slots[part as usize];
        if slot.as_ref().is_none_or(|(held, _)| rank <= *held) {
            *slot = Some((rank, value));
        }
    }

    fn take(&mut self, part: Part) -> Option<Value<'a>> {
        self.slots[part as usize].take().map(|(_, value)| value)
    }

    fn text(&mut self, part: Part) -> Option<Cow<'a, str>> {
        self.take(part).and_then(Value::text)
    }

    /// The request that the values describe.
    pub(super) fn request(mut self) -> Result<Request<'a>, Reject> {
        let timestamp = plausible(self.timestamp()?)?;
        let status = self.status()?;
        let bytes = self.bytes()?;
        let latency_ms = self.latency_ms()?;
        let site = self.site();
        let [method, path, query, protocol] = self.request_line()?;
        Ok(Request {
            timestamp,
            site,
            client_ip: self.text(Part::ClientIp).unwrap_or_default(),
            method,
            path,
            query,
            protocol,
            status,
            bytes,
            latency_ms,
            referer: self.text(Part::Referer),
            user_agent: self.text(Part::UserAgent),
        })
    }

    fn timestamp(&mut self) -> Result<i64, Reject> {
        match self.take(Part::Timestamp).ok_or(Reject::NoTimestamp)? {
            Value::Text(text) => timestamp::read(text.trim_matches(['[', ']'])),
            Value::Integer(value) => timestamp::epoch(value),
            Value::Float(value) => timestamp::epoch_float(value),
        }
        .ok_or(Reject::BadTimestamp)
    }

    fn status(&mut self) -> Result<i32, Reject> {
        match self.take(Part::Status).ok_or(Reject::NoStatus)? {
            Value::Text(text) => status(&text),
            Value::Integer(value) => i32::try_from(value)
                .ok()
                .filter(|value| (0..1000).contains(value)),
            Value::Float(value) => {
                (value.fract() == 0.0 && (0.0..1000.0).contains(&value)).then_some(value as i32)
            }
        }
        .ok_or(Reject::BadStatus)
    }

    fn bytes(&mut self) -> Result<Option<i64>, Reject> {
        match self.take(Part::Bytes) {
            None => Ok(None),
            Some(Value::Text(text)) => size(&text),
            Some(Value::Integer(value)) if value >= 0 => Ok(Some(value)),
            Some(Value::Float(value)) if value.fract() == 0.0 && (0.0..9e15).contains(&value) => {
                Ok(Some(value as i64))
            }
            Some(_) => Err(Reject::BadBytes),
        }
    }

    fn latency_ms(&mut self) -> Result<Option<f64>, Reject> {
        let mut number = |part| self.take(part).map_or(Ok(None), Value::number);
        Ok(match (number(Part::LatencyMs)?, number(Part::LatencyS)?) {
            (Some(millis), _) => Some(millis),
            (None, Some(seconds)) => Some(seconds_to_ms(seconds)),
            (None, None) => match number(Part::LatencyUs)? {
                Some(micros) => Some(micros / 1e3),
                None => number(Part::LatencyNs)?.map(|nanos| nanos / 1e6),
            },
        })
    }

    /// The site by name, or by host: but `host` is the client's where no other field names one.
    fn site(&mut self) -> Option<Cow<'a, str>> {
        if let Some(site) = self.text(Part::Site) {
            return Some(site);
        }
        let is_client = self.rank(Part::Host) == Some(HOST_AS_SITE)
            && self.rank(Part::ClientIp) == Some(HOST_AS_CLIENT);
        if is_client {
            None
        } else {
            self.text(Part::Host).and_then(host_site)
        }
    }

    fn rank(&self, part: Part) -> Option<u8> {
        self.slots[part as usize].as_ref().map(|(rank, _)| *rank)
    }

    /// Method, path, query and protocol. Single fields count before those of a request line.
    fn request_line(&mut self) -> Result<[Cow<'a, str>; 4], Reject> {
        let path = self.text(Part::Path);
        let line = self.text(Part::Request);
        let [line_method, line_path, line_query, line_protocol] = match &line {
            Some(line) => <[_; 4]>::from(split_request(line)).map(|piece| slice(line, piece)),
            None if path.is_some() => [const { Cow::Borrowed("") }; 4],
            None => return Err(Reject::NoPath),
        };
        let (path, query) = match &path {
            Some(target) => {
                let (path, query) = split_target(target);
                (slice(target, path), slice(target, query))
            }
            None => (line_path, line_query),
        };
        Ok([
            self.text(Part::Method).unwrap_or(line_method),
            path,
            self.text(Part::Query).unwrap_or(query),
            self.text(Part::Protocol).unwrap_or(line_protocol),
        ])
    }
}

/// A piece of `whole`, which lives as long as what `whole` borrows from if it does borrow.
fn slice<'a>(whole: &Cow<'a, str>, piece: &str) -> Cow<'a, str> {
    if let Cow::Borrowed(whole) = whole {
        let start = (piece.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        if let Some(piece) = whole.get(start..start + piece.len()) {
            return Cow::Borrowed(piece);
        }
    }
    Cow::Owned(piece.to_owned())
}

/// Rank of the field `host` among those of [`Part::Host`].
const HOST_AS_SITE: u8 = (ALIASES[Part::Host as usize].1.len() - 1) as u8;
/// Rank of the field `host` among those of [`Part::ClientIp`].
const HOST_AS_CLIENT: u8 = (ALIASES[Part::ClientIp as usize].1.len() - 1) as u8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_in_order() {
        for (index, (part, name)) in Part::NAMES.into_iter().enumerate() {
            assert_eq!(part as usize, index, "{name}");
            assert_eq!(ALIASES[index].0, part, "{name}");
        }
        assert_eq!(ALIASES[Part::Host as usize].1.last(), Some(&"host"));
        assert_eq!(ALIASES[Part::ClientIp as usize].1.last(), Some(&"host"));
        for (_, names) in ALIASES {
            assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()));
        }
    }

    #[test]
    fn a_map_is_read_and_shown() {
        let map: FieldMap = " timestamp = at ,client_ip=peer.ip,".parse().unwrap();
        assert_eq!(map.get("timestamp"), Some("at"));
        assert_eq!(map.get("client_ip"), Some("peer.ip"));
        assert_eq!((map.get("status"), map.get("nonsense")), (None, None));
        assert_eq!(map.to_string(), "timestamp=at,client_ip=peer.ip");
        assert_eq!("".parse(), Ok(FieldMap::default()));
    }

    #[test]
    fn a_wrong_map_says_what_is_wrong() {
        let message = |text: &str| text.parse::<FieldMap>().unwrap_err().to_string();
        assert_eq!(
            message("time"),
            "expected `column=field` in the column map, found `time`"
        );
        assert_eq!(
            message("time="),
            "expected `column=field` in the column map, found `time=`"
        );
        assert_eq!(message("tiem=a"), "unknown column `tiem` in the column map");
        assert_eq!(
            message("path=a,path=b"),
            "column `path` occurs twice in the column map"
        );
        let error = "tiem=a".parse::<FieldMap>().unwrap_err();
        let hint = error.hint().unwrap();
        assert!(hint.contains("`latency_s`"), "{hint}");
    }

    fn read<'a>(fields: &[(&str, &'a str)], map: &str) -> Result<Request<'a>, Reject> {
        let index = FieldIndex::new(&map.parse().unwrap());
        let mut values = Values::default();
        for (name, value) in fields {
            for found in index.uses(name) {
                values.set(*found, Value::Text(Cow::Borrowed(value)));
            }
        }
        values.request()
    }

    #[test]
    fn host_is_the_client_only_if_nothing_else_is() {
        let base = [("time", "1611280025"), ("uri", "/a?b"), ("status", "200")];
        let alone = read(&[&base[..], &[("host", "ppp.example")]].concat(), "").unwrap();
        assert_eq!((&*alone.client_ip, alone.site), ("ppp.example", None));
        let both = [
            &base[..],
            &[("host", "Shop.example:80"), ("remote_addr", "1.2.3.4")],
        ]
        .concat();
        let both = read(&both, "").unwrap();
        assert_eq!(
            (&*both.client_ip, both.site.as_deref()),
            ("1.2.3.4", Some("shop.example"))
        );
        assert_eq!((&*both.path, &*both.query), ("/a", "b"));
    }

    #[test]
    fn mapped_fields_replace_aliases() {
        let fields = [
            ("time", "1"),
            ("at", "2021-01-22T01:47:05Z"),
            ("request", "GET /x?y HTTP/2.0"),
            ("response", "404"),
            ("took", "0.29"),
            ("bytes", "-"),
        ];
        let request = read(&fields, "timestamp=at,latency_s=took").unwrap();
        assert_eq!(request.timestamp, 1_611_280_025_000_000);
        assert_eq!(
            (&*request.method, &*request.path, &*request.query),
            ("GET", "/x", "y")
        );
        assert_eq!(
            (&*request.protocol, request.status, request.bytes),
            ("HTTP/2.0", 404, None)
        );
        assert_eq!(request.latency_ms, Some(290.0));
        assert_eq!(
            read(&fields, "").map(|_| ()),
            Err(Reject::TimestampOutOfRange)
        );
        assert_eq!(
            read(&fields[1..2], "timestamp=at").map(|_| ()),
            Err(Reject::NoStatus)
        );
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
