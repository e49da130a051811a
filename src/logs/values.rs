//! The values of the fields of one line, and the request that they make.

use std::borrow::Cow;

use super::column::LogColumn;
use super::fields::{HOST_AS_CLIENT, HOST_AS_SITE, Use};
use super::request::{
    Reject, Request, host_site, plausible, present, seconds_to_ms, size, split_request,
    split_target, status,
};
use super::timestamp;

/// A value of a named field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Integer(i64),
    Float(f64),
}

impl<'a> Value<'a> {
    /// Returns the value as text; nothing for placeholders such as `-`.
    fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => present(&text).is_some().then_some(text),
            Self::Integer(value) => Some(Cow::Owned(value.to_string())),
            Self::Float(value) => Some(Cow::Owned(value.to_string())),
        }
    }

    /// Returns the value as a number of at least 0; nothing for placeholders such as `-`.
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
    slots: [Option<(u8, Value<'a>)>; LogColumn::COUNT],
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

    fn take(&mut self, part: LogColumn) -> Option<Value<'a>> {
        self.slots[part as usize].take().map(|(_, value)| value)
    }

    fn text(&mut self, part: LogColumn) -> Option<Cow<'a, str>> {
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
            client_ip: self.text(LogColumn::ClientIp).unwrap_or_default(),
            method,
            path,
            query,
            protocol,
            status,
            bytes,
            latency_ms,
            referer: self.text(LogColumn::Referer),
            user_agent: self.text(LogColumn::UserAgent),
        })
    }

    fn timestamp(&mut self) -> Result<i64, Reject> {
        match self.take(LogColumn::Timestamp).ok_or(Reject::NoTimestamp)? {
            Value::Text(text) => timestamp::read(text.trim_matches(['[', ']'])),
            Value::Integer(value) => timestamp::epoch(value),
            Value::Float(value) => timestamp::epoch_float(value),
        }
        .ok_or(Reject::BadTimestamp)
    }

    fn status(&mut self) -> Result<i32, Reject> {
        match self.take(LogColumn::Status).ok_or(Reject::NoStatus)? {
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

    fn latency_ms(&mut self) -> Result<Option<f64>, Reject> {
        let mut number = |part| self.take(part).map_or(Ok(None), Value::number);
        Ok(
            match (number(LogColumn::LatencyMs)?, number(LogColumn::LatencyS)?) {
                (Some(millis), _) => Some(millis),
                (None, Some(seconds)) => Some(seconds_to_ms(seconds)),
                (None, None) => match number(LogColumn::LatencyUs)? {
                    Some(micros) => Some(micros / 1e3),
                    None => number(LogColumn::LatencyNs)?.map(|nanos| nanos / 1e6),
                },
            },
        )
    }

    /// The site by name, or by host: but `host` is the client's where no other field names one.
    fn site(&mut self) -> Option<Cow<'a, str>> {
        if let Some(site) = self.text(LogColumn::Site) {
            return Some(site);
        }
        let is_client = self.rank(LogColumn::Host) == Some(HOST_AS_SITE)
            && self.rank(LogColumn::ClientIp) == Some(HOST_AS_CLIENT);
        if is_client {
            None
        } else {
            self.text(LogColumn::Host).and_then(host_site)
        }
    }

    fn rank(&self, part: LogColumn) -> Option<u8> {
        self.slots[part as usize].as_ref().map(|(rank, _)| *rank)
    }

    /// Method, path, query and protocol. Single fields count before those of a request line.
    fn request_line(&mut self) -> Result<[Cow<'a, str>; 4], Reject> {
        let path = self.text(LogColumn::Path);
        let line = self.text(LogColumn::Request);
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
            self.text(LogColumn::Method).unwrap_or(line_method),
            path,
            self.text(LogColumn::Query).unwrap_or(query),
            self.text(LogColumn::Protocol).unwrap_or(line_protocol),
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

#[cfg(test)]
mod tests {
    use super::super::fields::FieldIndex;
    use super::*;

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
}
