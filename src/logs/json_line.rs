//! Lines that are JSON objects, one per request.
//!
//! Keys are found by [`FieldIndex`]; those of nested objects are joined by dots. Of an array under
//! a key of use the first value counts. Values that are not borrowed from the line are the few
//! with escapes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::fields::{FieldIndex, Use};
use super::request::{Reject, Request};
use super::values::{Value, Values};

/// Reads one line.
pub(super) fn read<'a>(
    line: &'a str,
    index: &FieldIndex,
    path: &mut String,
) -> Result<Request<'a>, Reject> {
    values(line, index, path)?.named_request()
}

/// The values of the fields of use.
pub(super) fn values<'a>(
    line: &'a str,
    index: &FieldIndex,
    path: &mut String,
) -> Result<Values<'a>, Reject> {
    let mut values = Values::default();
    path.clear();
    let mut text = serde_json::Deserializer::from_str(line);
    Object {
        index,
        path,
        values: &mut values,
    }
    .deserialize(&mut text)
    .and_then(|()| text.end())
    .map_err(|_| Reject::BadJson)?;
    Ok(values)
}

/// Whether a line is one object, from its first byte on.
pub(super) fn is_object(line: &str) -> bool {
    line.starts_with('{') && serde_json::from_str::<IgnoredAny>(line).is_ok()
}

/// The keys of an object, nested ones joined by dots, or nothing if the line is no object.
pub(super) fn keys(line: &str) -> Option<Vec<String>> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).ok()?;
    let mut keys = Vec::new();
    collect_keys(&object, "", &mut keys);
    Some(keys)
}

fn collect_keys(
    object: &serde_json::Map<String, serde_json::Value>,
    parent: &str,
    keys: &mut Vec<String>,
) {
    for (key, value) in object {
        let key = if parent.is_empty() {
            key.clone()
        } else {
            format!("{parent}.{key}")
        };
        if let serde_json::Value::Object(inner) = value {
            collect_keys(inner, &key, keys);
        }
        keys.push(key);
    }
}

/// An object at `path`, the key in lower case of every object around it.
struct Object<'p, 'a> {
    index: &'p FieldIndex,
    path: &'p mut String,
    values: &'p mut Values<'a>,
}

impl<'a> DeserializeSeed<'a> for Object<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Object<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let parent = self.path.len();
        while map.next_key_seed(PathKey(self.path))?.is_some() {
            map.next_value_seed(Field {
                index: self.index,
                path: self.path,
                values: self.values,
            })?;
            self.path.truncate(parent);
        }
        Ok(())
    }
}

/// Appends a key to the path.
struct PathKey<'p>(&'p mut String);

impl<'a> DeserializeSeed<'a> for PathKey<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for PathKey<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        if !self.0.is_empty() {
            self.0.push('.');
        }
        let start = self.0.len();
        self.0.push_str(key);
        self.0[start..].make_ascii_lowercase();
        Ok(())
    }
}

/// The value of the field at `path`.
struct Field<'p, 'a> {
    index: &'p FieldIndex,
    path: &'p mut String,
    values: &'p mut Values<'a>,
}

impl<'a> Field<'_, 'a> {
    fn set(self, value: Value<'a>) {
        if let [uses @ .., last] = self.index.uses(self.path) {
            let uses: &[Use] = uses;
            for found in uses {
                self.values.set(*found, value.clone());
            }
            self.values.set(*last, value);
        }
    }
}

impl<'a> DeserializeSeed<'a> for Field<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.index.uses(self.path).is_empty() && !self.index.is_parent(self.path) {
            return deserializer.deserialize_ignored_any(IgnoredAny).map(|_| ());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Field<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<(), E> {
        self.set(Value::Text(Cow::Borrowed(text)));
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.set(Value::Text(Cow::Owned(text.to_owned())));
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.set(Value::Integer(value));
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.set(i64::try_from(value).map_or(Value::Float(value as f64), Value::Integer));
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.set(Value::Float(value));
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.set(Value::Text(Cow::Borrowed(if value {
            "true"
        } else {
            "false"
        })));
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut sequence: A) -> Result<(), A::Error> {
        if sequence.next_element_seed(self)?.is_some() {
            while sequence.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<(), A::Error> {
        Object {
            index: self.index,
            path: self.path,
            values: self.values,
        }
        .visit_map(map)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logs::field_map::FieldMap;

    fn read_with<'a>(line: &'a str, map: &str) -> Result<Request<'a>, Reject> {
        let map = map.parse::<FieldMap>().unwrap();
        let names = keys(line).unwrap_or_default();
        read(
            line,
            &FieldIndex::for_names(&map, &names, |_| Vec::new()),
            &mut String::new(),
        )
    }

    #[test]
    fn nginx_caddy_and_elastic_keys_need_no_map() {
        let nginx = read_with(
            r#"{"time_iso8601":"2021-01-22T01:47:05+00:00","remote_addr":"::1","request":"GET /a?b=\"c\" HTTP/1.1","status":"200","body_bytes_sent":"12","request_time":"0.29","http_referer":"-","http_user_agent":"UA \u00e9","host":"Shop.example"}"#,
            "",
        )
        .unwrap();
        let expected = Request {
            timestamp: 1_611_280_025_000_000,
            site: Some("shop.example".into()),
            client_ip: "::1".into(),
            method: "GET".into(),
            path: "/a".into(),
            query: "b=\"c\"".into(),
            protocol: "HTTP/1.1".into(),
            status: 200,
            bytes: Some(12),
            latency_ms: Some(290.0),
            user_agent: Some("UA é".into()),
            ..Request::default()
        };
        assert_eq!(nginx, expected);
        let caddy = read_with(
            r#"{"level":"info","ts":1611280025.0,"request":{"remote_ip":"::1","proto":"HTTP/1.1","method":"GET","host":"shop.example","uri":"/a?b=\"c\"","headers":{"User-Agent":["UA é"],"Accept":["*/*"]}},"duration":0.29,"size":12,"status":200}"#,
            "",
        )
        .unwrap();
        assert_eq!(caddy, expected);
        let elastic = read_with(
            r#"{"@timestamp":1611280025000,"source":{"ip":"::1"},"url":{"path":"/a","query":"b=\"c\"","domain":"shop.example"},"http":{"request":{"method":"GET"},"response":{"status_code":200,"body":{"bytes":12}}},"protocol":"HTTP/1.1","event":{"duration":290000000},"user_agent":{"original":"UA é"}}"#,
            "",
        )
        .unwrap();
        assert_eq!(elastic, expected);
    }

    #[test]
    fn software_has_names_and_units_of_its_own() {
        for (line, map, expected) in [
            // Traefik.
            (
                r#"{"ClientAddr":"203.0.113.7:4711","ClientHost":"203.0.113.7","DownstreamContentSize":19,"DownstreamStatus":200,"Duration":2155389,"RequestHost":"www.example.com","RequestMethod":"GET","RequestPath":"/","RequestProtocol":"HTTP/1.1","request_User-Agent":"curl/8","time":"2024-03-04T10:00:00Z"}"#,
                "",
                "www.example.com 203.0.113.7 / 200 2.155389 curl/8",
            ),
            // Envoy.
            (
                r#"{"start_time":"2024-03-04T10:00:00Z","method":"GET","path":"/","response_code":200,"bytes_sent":358,"duration":15,"authority":"www.example.com","downstream_remote_address":"203.0.113.7:43612","user_agent":"curl/8"}"#,
                "",
                "www.example.com 203.0.113.7:43612 / 200 15 curl/8",
            ),
            // Caddy 2, with durations as text.
            (
                r#"{"ts":1709546400.0,"request":{"client_ip":"203.0.113.7","method":"GET","host":"www.example.com","uri":"/","headers":{"User-Agent":["curl/8"]}},"duration":"1.335486ms","status":200}"#,
                "",
                "www.example.com 203.0.113.7 / 200 1.335486 curl/8",
            ),
            // Zeek: `host` is the header of the request.
            (
                r#"{"ts":1709546400.1,"uid":"C1","id.orig_h":"203.0.113.7","id.orig_p":4711,"id.resp_h":"10.0.0.1","method":"GET","host":"www.example.com","uri":"/a?b","version":"1.1","user_agent":"curl/8","request_body_len":0,"response_body_len":9,"status_code":200,"referrer":"http://www.example.org/"}"#,
                "",
                "www.example.com 203.0.113.7 /a 200 NULL curl/8",
            ),
            (
                r#"{"ts":1709546400.1,"id_orig_h":"203.0.113.7","host":"10.0.0.1:8080","uri":"/a","status_code":404,"user_agent":"curl/8"}"#,
                "",
                "10.0.0.1 203.0.113.7 /a 404 NULL curl/8",
            ),
            // Google Cloud.
            (
                r#"{"httpRequest":{"requestMethod":"GET","requestUrl":"https://www.example.com/a?b","status":200,"remoteIp":"203.0.113.7","userAgent":"curl/8","latency":"0.012345s","responseSize":"12"},"timestamp":"2024-03-04T10:00:00Z"}"#,
                "",
                "www.example.com 203.0.113.7 /a 200 12.345 curl/8",
            ),
            // Cloudflare.
            (
                r#"{"ClientIP":"203.0.113.7","ClientRequestHost":"www.example.com","ClientRequestMethod":"GET","ClientRequestURI":"/a","EdgeResponseStatus":200,"EdgeStartTimestamp":"2024-03-04T10:00:00Z","ClientRequestUserAgent":"curl/8","EdgeResponseBytes":9}"#,
                "",
                "www.example.com 203.0.113.7 /a 200 NULL curl/8",
            ),
            // Records of a collector.
            (
                r#"{"timestamp":"2024-03-04T10:00:00Z","jsonPayload":{"time_local":"04/Mar/2024:10:00:00 +0000","remote_addr":"203.0.113.7","request":"GET /a HTTP/1.1","status":200,"request_time":0.5,"http_user_agent":"curl/8"}}"#,
                "",
                "NULL 203.0.113.7 /a 200 500 curl/8",
            ),
            // A number without a unit is no latency, nor is text; the request is one.
            (
                r#"{"ts":1709546400,"ip":"203.0.113.7","uri":"/","status":200,"duration":12,"ua":"curl/8"}"#,
                "",
                "NULL 203.0.113.7 / 200 NULL curl/8",
            ),
            (
                r#"{"ts":1709546400,"ip":"203.0.113.7","uri":"/","status":200,"request_time":"soon","ua":"curl/8"}"#,
                "",
                "NULL 203.0.113.7 / 200 NULL curl/8",
            ),
            (
                r#"{"ts":1709546400,"ip":"203.0.113.7","uri":"/","status":200,"took":"0.012345s","ua":"curl/8"}"#,
                "latency_s=took",
                "NULL 203.0.113.7 / 200 12.345 curl/8",
            ),
            // A client that sent nothing.
            (
                r#"{"ts":1709546400,"ip":"203.0.113.7","request":"","status":400,"ua":"curl/8"}"#,
                "",
                "NULL 203.0.113.7  400 NULL curl/8",
            ),
        ] {
            let request =
                read_with(line, map).unwrap_or_else(|reason| panic!("{line}: {reason:?}"));
            let latency = request
                .latency_ms
                .map_or("NULL".to_owned(), |ms| ms.to_string());
            let read = format!(
                "{} {} {} {} {latency} {}",
                request.site.as_deref().unwrap_or("NULL"),
                request.client_ip,
                request.path,
                request.status,
                request.user_agent.as_deref().unwrap_or("NULL"),
            );
            assert_eq!(read, expected, "{line}");
        }
    }

    #[test]
    fn a_map_names_nested_keys() {
        let line = r#"{"meta":{"at":"1611280025"},"http.path":"/x","code":200.0}"#;
        let request = read_with(line, "timestamp=meta.at,path=http.path,status=code").unwrap();
        assert_eq!((&*request.path, request.status), ("/x", 200));
        assert_eq!(
            keys(line).unwrap(),
            ["code", "http.path", "meta.at", "meta"]
        );
    }

    #[test]
    fn lines_that_are_no_request_say_why() {
        for (line, reason) in [
            ("{", Reject::BadJson),
            ("[]", Reject::BadJson),
            ("{} {}", Reject::BadJson),
            ("{}", Reject::NoTimestamp),
            (r#"{"ts":null}"#, Reject::NoTimestamp),
            (r#"{"ts":true}"#, Reject::BadTimestamp),
            (r#"{"ts":-1}"#, Reject::BadTimestamp),
            (r#"{"ts":1611280025}"#, Reject::NoStatus),
            (r#"{"ts":1611280025,"status":200}"#, Reject::NoPath),
            (
                r#"{"ts":1611280025,"status":2000,"uri":"/"}"#,
                Reject::BadStatus,
            ),
            (
                r#"{"ts":1611280025,"status":200,"uri":"/","bytes":-1}"#,
                Reject::BadBytes,
            ),
        ] {
            assert_eq!(read_with(line, "").map(|_| ()), Err(reason), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "\\PC*|[{}\\[\\]:,\"a-z0-9.\\\\]*") {
            let _ = read_with(&line, "");
        }
    }
}
