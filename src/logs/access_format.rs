//! The format that says what was told of lines in common or combined log format.

use std::borrow::Cow;

use super::absolute_url::Urls;
use super::access_layout::{AccessLayout, TailUse};
use super::access_line::{self, AccessLine};
use super::client::TrustedProxies;
use super::line_format::LineFormat;
use super::request::Request;
use super::timestamp::ClfReader;
use super::tokens::{Token, Tokens};

/// How many lines are read by a format before it is offered.
const LINES_TRIED: usize = 200;

/// The format of `nginx` that reads lines as a layout does, after one that stands for most. A format
/// that reads one of the first lines otherwise, or not at all, is not offered.
pub(super) fn format_of(
    lines: &[Cow<'_, str>],
    cut: &[AccessLine<'_>],
    layout: &AccessLayout,
) -> Option<String> {
    let usual = usual(cut)?;
    let behind = behind_client(usual, layout);
    let urls = match layout.urls {
        Urls::Paths => "",
        Urls::Sites => "urls:",
        Urls::Whole => "proxy:",
    };
    let mut offered = leads(usual)
        .into_iter()
        .map(|lead| format!("{urls}{lead} [$time_local]{behind}"));
    offered.find(|format| reads_alike(lines, layout, format))
}

/// The line that stands for most by the number of its fields.
fn usual<'l, 'a>(lines: &'l [AccessLine<'a>]) -> Option<&'l AccessLine<'a>> {
    let count = |line: &AccessLine<'_>| {
        (
            Tokens::new(line.between).count(),
            Tokens::new(line.tail).count(),
        )
    };
    let mut shapes: Vec<_> = lines.iter().map(count).collect();
    shapes.sort_unstable();
    let usual = shapes
        .chunk_by(|one, other| one == other)
        .max_by_key(|shape| shape.len())?[0];
    lines.iter().find(|line| count(line) == usual)
}

/// What may stand before the time, the most usual first.
fn leads(line: &AccessLine<'_>) -> Vec<String> {
    let client = match (line.lead.forwarded_for, line.lead.client.is_empty()) {
        (Some(_), true) => vec!["$http_x_forwarded_for", "\"$http_x_forwarded_for\""],
        (Some(_), false) => vec![
            "\"$http_x_forwarded_for\" $remote_addr",
            "$http_x_forwarded_for $remote_addr",
            "$remote_addr $http_x_forwarded_for",
        ],
        (None, _) => vec!["$remote_addr"],
    };
    let named = client.into_iter().flat_map(|client| match line.lead.site {
        Some(_) => vec![format!("$host {client}"), format!("{client} $host")],
        None => vec![client.to_owned()],
    });
    let users = [
        " - $remote_user",
        " $ident $remote_user",
        " $remote_user",
        "",
    ];
    named
        .flat_map(|named| users.map(|user| format!("{named}{user}")))
        .collect()
}

/// Whether a format reads lines as a layout does.
fn reads_alike(lines: &[Cow<'_, str>], layout: &AccessLayout, format: &str) -> bool {
    let Ok(format) = format.parse::<LineFormat>() else {
        return false;
    };
    let (mut clock, proxies) = (ClfReader::default(), TrustedProxies::default());
    let client = |request: &Request<'_>| proxies.client(request).to_owned();
    let mut lines = lines.iter().take(LINES_TRIED);
    lines.all(|line| {
        let Ok(told) = access_line::read(line, layout, &mut clock) else {
            return true;
        };
        format.read(line, &mut clock).is_ok_and(|said| {
            client(&said) == client(&told)
                && said
                    == Request {
                        client_ip: said.client_ip.clone(),
                        forwarded_for: said.forwarded_for.clone(),
                        is_forwarded_first: said.is_forwarded_first,
                        ..told
                    }
        })
    })
}

/// What stands behind the time.
fn behind_client(line: &AccessLine<'_>, layout: &AccessLayout) -> String {
    let mut text = String::from(" ");
    for (place, token) in Tokens::new(line.between).enumerate() {
        let held = layout.between.get(place).copied();
        push_field(&mut text, token, held, place, "before");
        text.push(' ');
    }
    text.push_str("\"$request\" $status");
    if line.has_size {
        text.push_str(" $body_bytes_sent");
    }
    for (place, token) in Tokens::new(line.tail).enumerate() {
        text.push(' ');
        push_field(
            &mut text,
            token,
            layout.tail.get(place).copied(),
            place,
            "field",
        );
    }
    text
}

fn push_field(
    text: &mut String,
    token: Token<'_>,
    held: Option<TailUse>,
    place: usize,
    unread: &str,
) {
    let name = match held.unwrap_or(TailUse::Nothing) {
        TailUse::Nothing => format!("${unread}_{}", place + 1),
        TailUse::Referer => "$http_referer".to_owned(),
        TailUse::UserAgent => "$http_user_agent".to_owned(),
        TailUse::Host => "$host".to_owned(),
        TailUse::KeyedHost => format!("{}=$host", key(token.text)),
        TailUse::ForwardedFor => "$http_x_forwarded_for".to_owned(),
        TailUse::Seconds => "$request_time".to_owned(),
        TailUse::KeyedSeconds => format!("{}=$request_time", key(token.text)),
        TailUse::WithUnit if token.text.contains('=') => format!("{}=$latency", key(token.text)),
        TailUse::WithUnit => "$latency".to_owned(),
        TailUse::Micros if token.text.contains('/') => "$latency_seconds/$latency_us".to_owned(),
        TailUse::Micros => "$latency_us".to_owned(),
    };
    let (open, close) = match (token.is_quoted, token.is_bracketed) {
        (true, _) => ("\"", "\""),
        (false, true) => ("[", "]"),
        (false, false) => ("", ""),
    };
    text.push_str(open);
    text.push_str(&name);
    text.push_str(close);
}

fn key(text: &str) -> &str {
    text.split_once('=').map_or("", |(key, _)| key)
}

#[cfg(test)]
mod tests {
    use super::super::access_evidence::layout_of;
    use super::*;

    fn offered(lines: &[&str]) -> Option<String> {
        let mut clock = ClfReader::default();
        let cut: Vec<_> = lines
            .iter()
            .map(|line| access_line::cut(line, &mut clock).unwrap())
            .collect();
        let layout = layout_of(&cut);
        let lines: Vec<Cow<'_, str>> = lines.iter().map(|line| Cow::Borrowed(*line)).collect();
        format_of(&lines, &cut, &layout)
    }

    #[test]
    fn what_is_offered_has_each_field_in_its_place() {
        let rest = r#"[04/Mar/2024:10:00:00 +0000] "GET /a HTTP/1.1" 200 512"#;
        for (before, lead) in [
            ("203.0.113.7 - -", "$remote_addr - $remote_user"),
            ("203.0.113.7 - John Doe", "$remote_addr - $remote_user"),
            (
                "shop.example 203.0.113.7 - -",
                "$host $remote_addr - $remote_user",
            ),
            (
                "203.0.113.7 shop.example - -",
                "$remote_addr $host - $remote_user",
            ),
            (
                "192.0.2.1, 203.0.113.7 - -",
                "$http_x_forwarded_for - $remote_user",
            ),
            (
                r#""192.0.2.1" 203.0.113.7 - -"#,
                r#""$http_x_forwarded_for" $remote_addr - $remote_user"#,
            ),
            (
                "203.0.113.7 ident frank",
                "$remote_addr $ident $remote_user",
            ),
            ("203.0.113.7", "$remote_addr"),
        ] {
            assert_eq!(
                offered(&[&format!("{before} {rest}")]),
                Some(format!(
                    r#"{lead} [$time_local] "$request" $status $body_bytes_sent"#
                )),
                "{before}"
            );
        }
    }

    #[test]
    fn what_reads_a_line_otherwise_is_not_offered() {
        let line = r#"203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] "GET /a HTTP/1.1" 200 512 "-" "a" 0.042"#;
        assert!(offered(&[line]).is_some_and(|format| format.ends_with("$request_time")));
        // Without the last fields, which a format cannot leave out where something is read of them.
        let short = r#"203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] "GET /a HTTP/1.1" 200 512"#;
        assert_eq!(offered(&[line, line, short]), None);
    }
}
