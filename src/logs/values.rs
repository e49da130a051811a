//! The values of the fields of one line, and the request that they make.

use std::borrow::Cow;

use super::absolute_url::Urls;
use super::client::{is_client, without_port};
use super::column::LogColumn;
use super::duration::{self, LatencyUnit};
use super::fields::Use;
use super::request::{
    Reject, Request, host_of_url, host_site, plausible, present, size, split_request, split_target,
    status,
};
use super::timestamp;

/// A value of a named field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Integer(i64),
    Float(f64),
    /// A time that was read already, in microseconds since the Unix epoch.
    Instant(i64),
}

impl<'a> Value<'a> {
    /// Returns the value as text; nothing for placeholders such as `-`.
    fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => present(&text).is_some().then_some(text),
            Self::Integer(value) | Self::Instant(value) => Some(Cow::Owned(value.to_string())),
            Self::Float(value) => Some(Cow::Owned(value.to_string())),
        }
    }

    /// Returns the value of a column of latency in milliseconds. Nothing for what is no duration.
    pub(super) fn latency_ms(self, column: LogColumn) -> Option<f64> {
        let (_, unit) = LATENCIES.into_iter().find(|(held, _)| *held == column)?;
        self.milliseconds(unit)
    }

    /// Returns the value as milliseconds, given what one of its unit is; text may say a unit of its
    /// own. Nothing for what is no duration.
    fn milliseconds(self, unit: Option<LatencyUnit>) -> Option<f64> {
        let value = match self {
            Self::Text(text) => match duration::number(&text) {
                Some(number) => number,
                None => return duration::with_unit(&text),
            },
            Self::Integer(value) => value as f64,
            Self::Float(value) => value,
            Self::Instant(_) => return None,
        };
        unit?.millis(value)
    }
}

/// The columns that hold a latency, the preferred ones first, and the unit of each; the last says its
/// own.
const LATENCIES: [(LogColumn, Option<LatencyUnit>); 5] = [
    (LogColumn::LatencyMs, Some(LatencyUnit::Millis)),
    (LogColumn::LatencyS, Some(LatencyUnit::Seconds)),
    (LogColumn::LatencyUs, Some(LatencyUnit::Micros)),
    (LogColumn::LatencyNs, Some(LatencyUnit::Nanos)),
    (LogColumn::Latency, None),
];

/// The values of one line, each with the rank of the field that it came from.
#[derive(Debug, Default)]
pub(super) struct Values<'a> {
    slots: [Option<(u8, Value<'a>)>; LogColumn::COUNT],
    /// Whether a request or path is there, if only an empty one: a client that sent nothing.
    has_target: bool,
    /// Whether a status is there that says there was none: a client that was not answered.
    has_no_status: bool,
}

impl<'a> Values<'a> {
    /// Keeps a value, unless a better field has held one. Of two equal ones the last counts, as
    /// for repeated keys in JSON.
    pub(super) fn set(&mut self, (part, rank): Use, value: Value<'a>) {
        let is_target = matches!(part, LogColumn::Request | LogColumn::Path | LogColumn::Url);
        self.has_target |= is_target;
        self.has_no_status |=
            part == LogColumn::Status && matches!(&value, Value::Text(text) if text == "-");
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

    fn take(&mut self, part: LogColumn) -> Option<Value<'a>> {
        self.slots[part as usize].take().map(|(_, value)| value)
    }

    pub(super) fn text(&mut self, part: LogColumn) -> Option<Cow<'a, str>> {
        self.take(part).and_then(Value::text)
    }

    /// The request that the values of named fields describe. The host of a URL in the field of the
    /// path is the site if nothing else is.
    pub(super) fn named_request(self) -> Result<Request<'a>, Reject> {
        let urls = match self.rank(LogColumn::Path) {
            Some(_) => Urls::Sites,
            None => Urls::Paths,
        };
        let mut request = self.request()?;
        urls.apply(&mut request);
        Ok(request)
    }

    /// The request that the values describe.
    pub(super) fn request(mut self) -> Result<Request<'a>, Reject> {
        let timestamp = plausible(self.timestamp()?)?;
        let status = self.status()?;
        let bytes = self.bytes()?;
        let (latency_ms, has_odd_latency) = self.latency_ms();
        let mut site = self.site();
        let [method, path, query, protocol] = self.request_line(&mut site)?;
        let client_ip = self.text(LogColumn::ClientIp).unwrap_or_default();
        Ok(Request {
            timestamp,
            site,
            client_ip,
            forwarded_for: self.text(LogColumn::ForwardedFor),
            is_forwarded_first: false,
            method,
            path,
            query,
            protocol,
            status,
            bytes,
            latency_ms,
            has_odd_latency,
            referer: self.text(LogColumn::Referer),
            user_agent: self.text(LogColumn::UserAgent),
        })
    }

    fn timestamp(&mut self) -> Result<i64, Reject> {
        let date = self.text(LogColumn::Date);
        let time = match (self.take(LogColumn::Timestamp), &date) {
            (Some(Value::Text(text)), Some(date)) if text.as_bytes().get(2) == Some(&b':') => {
                timestamp::read(date)
                    .zip(timestamp::time_of_day(&text))
                    .map(|(date, time)| date + time)
            }
            (Some(Value::Text(text)), _) => timestamp::read(text.trim_matches(['[', ']'])),
            (Some(Value::Integer(value)), _) => timestamp::epoch(value),
            (Some(Value::Float(value)), _) => timestamp::epoch_float(value),
            (Some(Value::Instant(value)), _) => Some(value),
            (None, Some(date)) => timestamp::read(date),
            (None, None) => return Err(Reject::NoTimestamp),
        };
        time.ok_or(Reject::BadTimestamp)
    }

    fn status(&mut self) -> Result<i32, Reject> {
        let Some(status_field) = self.take(LogColumn::Status) else {
            return if self.has_no_status {
                Ok(0)
            } else {
                Err(Reject::NoStatus)
            };
        };
        match status_field {
            Value::Text(text) => status(&text),
            Value::Integer(value) => i32::try_from(value)
                .ok()
                .filter(|value| (0..1000).contains(value)),
            Value::Float(value) => {
                (value.fract() == 0.0 && (0.0..1000.0).contains(&value)).then_some(value as i32)
            }
            Value::Instant(_) => None,
        }
        .ok_or(Reject::BadStatus)
    }

    fn bytes(&mut self) -> Result<Option<i64>, Reject> {
        match self.take(LogColumn::Bytes) {
            None => Ok(None),
            Some(Value::Text(text)) => size(&text),
            Some(Value::Integer(value)) if value >= 0 => Ok(Some(value)),
            Some(Value::Float(value)) if value.fract() == 0.0 && (0.0..9e15).contains(&value) => {
                Ok(Some(value as i64))
            }
            Some(_) => Err(Reject::BadBytes),
        }
    }

    /// The latency of the best field that holds one, and whether a field holds something else.
    fn latency_ms(&mut self) -> (Option<f64>, bool) {
        let best = LATENCIES
            .into_iter()
            .filter_map(|(column, unit)| Some((self.rank(column)?, column, unit)))
            .min_by_key(|(rank, ..)| *rank);
        let Some((_, column, unit)) = best else {
            return (None, false);
        };
        let latency = self.take(column).and_then(|value| value.milliseconds(unit));
        (latency, latency.is_none())
    }

    /// The site by name, or by host.
    fn site(&mut self) -> Option<Cow<'a, str>> {
        self.text(LogColumn::Site)
            .or_else(|| self.text(LogColumn::Host).and_then(host_site))
    }

    fn rank(&self, part: LogColumn) -> Option<u8> {
        self.slots[part as usize].as_ref().map(|(rank, _)| *rank)
    }

    /// Method, path, query and protocol. Single fields count before those of a request line. The
    /// host of a URL is the site if nothing else is.
    fn request_line(
        &mut self,
        site: &mut Option<Cow<'a, str>>,
    ) -> Result<[Cow<'a, str>; 4], Reject> {
        let mut path = self.text(LogColumn::Path);
        if let Some(url) = self.text(LogColumn::Url) {
            let host = host_of_url(&url).or_else(|| host_without_scheme(&url));
            if site.is_none()
                && let Some((host, _)) = host
            {
                *site = host_site(Cow::Owned(host.to_owned()));
            }
            if path.is_none() {
                path = Some(match host {
                    Some((_, rest)) => slice(&url, rest),
                    None => url,
                });
            }
        }
        let line = self.text(LogColumn::Request);
        let [line_method, line_path, line_query, line_protocol] = match &line {
            Some(line) => <[_; 4]>::from(split_request(line)).map(|piece| slice(line, piece)),
            None if path.is_some() || self.has_target => [const { Cow::Borrowed("") }; 4],
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
            self.text(LogColumn::Method).unwrap_or(line_method),
            path,
            self.text(LogColumn::Query)
                .map_or(query, |text| match text.strip_prefix('?') {
                    // As Apache's `%q` writes it.
                    Some(rest) => slice(&text, rest),
                    None => text,
                }),
            self.text(LogColumn::Protocol).unwrap_or(line_protocol),
        ])
    }
}

/// Host and path of a URL whose scheme is left out: `www.example.com/a`.
fn host_without_scheme(url: &str) -> Option<(&str, &str)> {
    let (host, path) = url.split_at(url.find('/')?);
    let name = without_port(host);
    (name.contains('.') && is_client(name)).then_some((host, path))
}

/// A piece of `whole`, which lives as long as what `whole` borrows from if it does borrow.
pub(super) fn slice<'a>(whole: &Cow<'a, str>, piece: &str) -> Cow<'a, str> {
    if let Cow::Borrowed(whole) = whole {
        let start = (piece.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        if let Some(piece) = whole.get(start..start + piece.len()) {
            return Cow::Borrowed(piece);
        }
    }
    Cow::Owned(piece.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::fields::FieldIndex;
    use super::*;

    fn read<'a>(fields: &[(&str, &'a str)], map: &str) -> Result<Request<'a>, Reject> {
        let names: Vec<String> = fields.iter().map(|(name, _)| (*name).to_owned()).collect();
        let of_name = |name: &str| {
            let fields = fields.iter().filter(|(known, _)| *known == name);
            fields.map(|(_, value)| (*value).to_owned()).collect()
        };
        let index = FieldIndex::for_names(&map.parse().unwrap(), &names, of_name);
        let mut values = Values::default();
        for (name, value) in fields {
            for found in index.uses(name) {
                values.set(*found, Value::Text(Cow::Borrowed(value)));
            }
        }
        values.named_request()
    }

    #[test]
    fn host_is_the_client_only_if_nothing_else_is() {
        let base = [("time", "1611280025"), ("uri", "/a?b"), ("status", "200")];
        for (value, client) in [("203.0.113.7", "203.0.113.7"), ("ppp.example", "")] {
            let alone = read(&[&base[..], &[("host", value)]].concat(), "").unwrap();
            assert_eq!((&*alone.client_ip, alone.site), (client, None));
        }
        // A line without the client that others have.
        let none = [&base[..], &[("host", "shop.example"), ("remote_addr", "-")]].concat();
        let none = read(&none, "").unwrap();
        assert_eq!(
            (&*none.client_ip, none.site.as_deref()),
            ("", Some("shop.example"))
        );
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
        let url = |name| {
            let fields = [(name, "http://shop.example/a?b"), base[0], base[2]];
            read(&fields, "").map(|read| (read.site.map(Cow::into_owned), read.path.into_owned()))
        };
        let expected = Ok((Some("shop.example".to_owned()), "/a".to_owned()));
        assert_eq!([url("uri"), url("url.full")], [expected.clone(), expected]);
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
}
