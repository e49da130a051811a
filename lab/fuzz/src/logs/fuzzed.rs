//! What is done with the bytes of a fuzzer, and what must hold of the result.

use super::block::BlockParser;
use super::client::{self, TrustedProxies};
use super::detect::detect;
use super::field_map::FieldMap;
use super::fields::FieldIndex;
use super::layout::{Layout, LineReader};
use super::line_format::LineFormat;
use super::lines::lines;
use super::log_format::Format;
use super::read_as::Reading;
use super::request::Request;
use super::timestamp::{self, ClfReader};
use super::w3c_line::W3cHeader;
use super::{access_evidence, access_line, delimited_line, duration, json_line, ltsv_line, prefix};

/// Compiles the first line as a format, and reads the others by it.
///
/// # Panics
/// When a format is not compiled again from its own name, or when a request cannot be stored.
pub fn format(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (format, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(format) = format.parse::<Format>() else {
        return;
    };
    let again = format.name().parse::<Format>();
    assert_eq!(
        again.as_ref(),
        Ok(&format),
        "a format is read back from its name"
    );
    if let Format::Fields(format) = &format {
        let mut clock = ClfReader::default();
        for line in rest.lines() {
            if let Ok(request) = format.read(line, &mut clock) {
                hold(&request);
            }
        }
    }
    read(rest.as_bytes(), Some(&format));
}

/// Tells the format of a log, and reads it.
///
/// # Panics
/// When a line is lost or counted twice.
pub fn log(bytes: &[u8]) {
    read(bytes, None);
}

/// Reads a line with every reader.
///
/// # Panics
/// When a request cannot be stored.
pub fn line(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let map = FieldMap::default();
    let index = FieldIndex::new(&map);
    let mut clock = ClfReader::default();
    let mut path = String::new();
    if let Ok(cut) = access_line::cut(&text, &mut clock) {
        let layout = access_evidence::layout_of(&[cut]);
        if let Ok(request) = access_line::read(&text, &layout, &mut clock) {
            hold(&request);
        }
    }
    for request in [
        json_line::read(&text, &index, &mut path),
        ltsv_line::read(&text, &index),
    ]
    .into_iter()
    .flatten()
    {
        hold(&request);
    }
    let (first, second) = text.split_once('\n').unwrap_or((&text, ""));
    if let Some(header) = W3cHeader::of(first, &map)
        && let Ok(request) = header.read(second, &mut header.said())
    {
        hold(&request);
    }
    for delimiter in *b",\t;" {
        if let Ok(names) = delimited_line::names(first, delimiter) {
            let header = delimited_line::Header::new(&names, delimiter, index.clone());
            if let Ok(request) = header.read(second) {
                hold(&request);
            }
        }
    }
    let rest = prefix::strip(&text, prefix::count(&text));
    assert!(
        rest.is_none_or(|rest| text.ends_with(rest)),
        "a prefix is taken off the front"
    );
    let _ = (timestamp::read(&text), timestamp::time_of_day(&text));
    let durations = [
        duration::with_unit(&text),
        duration::number(&text),
        duration::upstream_seconds(&text),
    ];
    assert!(
        durations.into_iter().flatten().all(|value| value >= 0.0),
        "no duration is negative"
    );
    let address = client::address(client::without_port(&text));
    assert!(
        address.is_none() || client::is_client(client::without_port(&text)),
        "an address is a client"
    );
}

/// Reads a log as a run does.
fn read(bytes: &[u8], said: Option<&Format>) {
    let Ok(Some(detected)) = detect(bytes, said, &FieldMap::default()) else {
        return;
    };
    let reading = Reading::of(&detected, said.is_some());
    assert!(!reading.to_string().contains('\n'), "a reading is one line");
    if let (None, Some(said)) = (said, &reading.said_as) {
        let said = said.parse::<Format>();
        assert!(said.is_ok(), "the format that is offered compiles");
        offered(bytes, &detected.layout, said.as_ref().ok());
    }
    let parser = BlockParser {
        layout: detected.layout,
        trusted_proxies: TrustedProxies::default(),
        forced_site: None,
        default_site: "site".to_owned(),
        times: i64::MIN..i64::MAX,
        pseudonyms: None,
    };
    let parsed = parser.parse(bytes, true);
    let rows = parsed.rows.timestamps().len() as u64;
    let rejected = parsed.rejected.len() as u64;
    assert_eq!(
        rows + rejected + parsed.blank + parsed.header,
        parsed.lines,
        "every line is one of a row, rejected, blank or a header"
    );
}

/// Lines are read alike by the format that is offered.
fn offered(bytes: &[u8], layout: &Layout, said: Option<&Format>) {
    let Ok(Some(detected)) = detect(bytes, said, &FieldMap::default()) else {
        return;
    };
    let (mut told, mut said) = (LineReader::default(), LineReader::default());
    for line in lines(bytes) {
        let text = String::from_utf8_lossy(line);
        let (told, said) = (told.read(&text, layout), said.read(&text, &detected.layout));
        if let (Ok(told), Ok(said)) = (told, said) {
            assert_eq!(
                (told.status, told.bytes, told.latency_ms),
                (said.status, said.bytes, said.latency_ms),
                "the format that is offered reads the same"
            );
        }
    }
}

/// What holds of every request.
fn hold(request: &Request<'_>) {
    assert!(
        timestamp::is_plausible(request.timestamp),
        "no time is outside 1990 to 2099"
    );
    assert!(
        (0..1000).contains(&request.status),
        "a status has three digits"
    );
    assert!(
        request.bytes.is_none_or(|bytes| bytes >= 0),
        "no size is negative"
    );
    let is_duration = |ms: f64| (0.0..f64::INFINITY).contains(&ms);
    assert!(
        request.latency_ms.is_none_or(is_duration),
        "a latency is a duration"
    );
    let mut rows = super::rows::RowsBuilder::for_block(1);
    let client = TrustedProxies::default().client(request);
    rows.push(request, &client, request.site.as_deref().unwrap_or("site"));
    assert_eq!(rows.finish().timestamps(), [request.timestamp]);
}
