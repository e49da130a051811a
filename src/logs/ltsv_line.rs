//! Lines of labelled values between tabs: `time:…\thost:…\tstatus:200` (<http://ltsv.org/>).

use std::borrow::Cow;

use super::fields::FieldIndex;
use super::request::{Reject, Request};
use super::values::{Value, Values};

/// How many labelled values a line must have to be told from others.
const LABELS: usize = 3;

/// Reads one line.
pub(super) fn read<'a>(line: &'a str, index: &FieldIndex) -> Result<Request<'a>, Reject> {
    let mut values = Values::default();
    let mut label_text = String::new();
    for (label, value) in pairs(line) {
        label_text.clear();
        label_text.push_str(label);
        label_text.make_ascii_lowercase();
        for held in index.uses(&label_text) {
            values.set(*held, Value::Text(Cow::Borrowed(value)));
        }
    }
    values.named_request()
}

/// The labels of a line, if each of its fields has one and there are some.
pub(super) fn labels(line: &str) -> Option<Vec<String>> {
    let labels: Vec<String> = pairs(line).map(|(label, _)| label.to_owned()).collect();
    let all = line.split('\t').count() == labels.len();
    (all && labels.len() >= LABELS).then_some(labels)
}

/// The value behind a label.
pub(super) fn value<'a>(line: &'a str, label: &str) -> Option<&'a str> {
    pairs(line)
        .find(|(known, _)| known.eq_ignore_ascii_case(label))
        .map(|(_, value)| value)
}

fn pairs(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split('\t')
        .filter_map(|field| field.split_once(':'))
        .filter(|(label, _)| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::field_map::FieldMap;

    #[test]
    fn labels_name_the_fields() {
        let line = "time:04/Mar/2024:10:00:00 +0000\thost:203.0.113.7\tforwardedfor:-\t\
            req:GET /a?b HTTP/1.1\tstatus:200\tsize:512\treferer:-\tua:curl/8\treqtime:0.042\t\
            vhost:www.example.com";
        let names = labels(line).unwrap();
        let of_label = |label: &str| Vec::from_iter(value(line, label).map(str::to_owned));
        let index = FieldIndex::for_names(&FieldMap::default(), &names, of_label);
        let request = read(line, &index).unwrap();
        assert_eq!(&*request.client_ip, "203.0.113.7");
        assert_eq!(request.site.as_deref(), Some("www.example.com"));
        assert_eq!((&*request.path, &*request.query), ("/a", "b"));
        assert_eq!((request.status, request.bytes), (200, Some(512)));
        assert_eq!(request.latency_ms, Some(42.0));
        assert_eq!(request.user_agent.as_deref(), Some("curl/8"));
        assert_eq!(labels("a\tb:c"), None);
    }
}
