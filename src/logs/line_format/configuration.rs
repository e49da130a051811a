//! Formats as they stand in the configuration of a server.

use std::borrow::Cow;

/// The format within a directive `log_format` of nginx or `LogFormat` of Apache; other text is a
/// format itself.
pub(super) fn format_in(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    let directive = text.split_ascii_whitespace().next().unwrap_or_default();
    match directive {
        "log_format" => nginx(text),
        "LogFormat" => quoted(&text[directive.len()..]),
        _ => None,
    }
    .map_or(Cow::Borrowed(text), Cow::Owned)
}

/// `log_format name [escape=json] '…' '…';`
fn nginx(text: &str) -> Option<String> {
    let start = text.find(['\'', '"'])?;
    let before: Vec<&str> = text[..start].split_ascii_whitespace().collect();
    let mut format = String::new();
    if let Some(escape) = before.iter().find(|word| word.starts_with("escape=")) {
        format.push_str(escape);
        format.push(':');
    }
    let mut rest = text[start..].trim_start();
    while let Some(mark) = rest
        .chars()
        .next()
        .filter(|mark| matches!(mark, '\'' | '"'))
    {
        let (piece, behind) = rest[1..].split_once(mark)?;
        format.push_str(piece);
        rest = behind.trim_start();
    }
    matches!(rest, "" | ";").then_some(format)
}

/// `"…" nickname`, with its escaped quotes.
fn quoted(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix('"')?;
    let mut is_escaped = false;
    let end = inner.char_indices().find_map(|(at, c)| {
        let closes = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        closes.then_some(at)
    })?;
    Some(inner[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_hold_formats() {
        for (text, format) in [
            (
                "log_format main '$remote_addr [$time_local] '\n    '\"$request\" $status';",
                "$remote_addr [$time_local] \"$request\" $status",
            ),
            ("log_format j escape=json '{$a}';", "escape=json:{$a}"),
            (
                "LogFormat \"%h %t \\\"%r\\\" %>s\" mine",
                "%h %t \\\"%r\\\" %>s",
            ),
            ("%h %t", "%h %t"),
            ("log_format", "log_format"),
            ("log_format a 'b", "log_format a 'b"),
        ] {
            assert_eq!(format_in(text), format, "{text}");
        }
    }
}
