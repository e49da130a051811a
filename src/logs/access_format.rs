//! The format of nginx that says what was told of lines in combined log format.

use super::access_layout::{AccessLayout, TailUse};
use super::access_line::AccessLine;
use super::tokens::{Token, Tokens};

/// The format of `nginx` that reads lines as a layout does, after one that stands for most.
pub(super) fn format_of(lines: &[AccessLine<'_>], layout: &AccessLayout) -> Option<String> {
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
    let line = lines.iter().find(|line| count(line) == usual)?;
    let mut text = String::new();
    if line.lead.site.is_some() {
        text.push_str("$host ");
    }
    match (line.lead.forwarded_for, line.lead.client.is_empty()) {
        (Some(_), true) => text.push_str("$http_x_forwarded_for"),
        (Some(_), false) => text.push_str("\"$http_x_forwarded_for\" $remote_addr"),
        (None, _) => text.push_str("$remote_addr"),
    }
    text.push_str(" - $remote_user [$time_local] ");
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
    Some(text)
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
