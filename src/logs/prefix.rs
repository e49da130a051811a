//! What collectors write in front of the lines of a log.
//!
//! | collector | example |
//! |---|---|
//! | syslog (RFC 3164) | `<190>Mar  4 10:00:00 web1 nginx[7]: ` |
//! | syslog (RFC 5424) | `<190>1 2024-03-04T10:00:00.326Z web1 nginx 7 access - ` |
//! | rsyslog, journald | `2024-03-04T10:00:00.326492+00:00 web1 nginx[7]: ` |
//! | Kubernetes (CRI) | `2024-03-04T10:00:00.326492123Z stdout F ` |
//! | Docker, `docker logs -t` | `2024-03-04T10:00:00.326492123Z ` |
//! | Docker Compose | `web-1  \| ` |
//! | `kubectl logs --prefix` | `[pod/web-7d9/nginx] ` |
//! | Fluent Bit's `stdout` | `[0] tail.0: [1709546400.123, {"log"=>"…"}]`, also behind the line |
//! | Python's `logging` | `INFO:werkzeug:` |
//! | Fluentd's `stdout`, `file` | `2024-03-04 10:00:00.123 +0000 nginx: {…}`, `…T10:00:00+00:00⇥nginx⇥{…}` |
//! | programs that date their output | `2024/03/04 10:00:00 ` |

use super::timestamp;

/// How many prefixes one line may have: of Docker Compose, then of syslog, say.
pub(super) const NESTED: u8 = 3;

/// The line behind at most so many prefixes that collectors wrote in front of it, and within what
/// they wrote around it; nothing if they wrote neither.
pub(super) fn strip(line: &str, most: u8) -> Option<&str> {
    let mut rest = line;
    for _ in 0..most {
        match strip_one(rest) {
            Some(behind) => rest = behind,
            None => break,
        }
    }
    (rest.len() < line.len()).then_some(rest)
}

/// How many prefixes a line has.
pub(super) fn count(line: &str) -> u8 {
    let mut rest = line;
    let mut count = 0;
    while count < NESTED
        && let Some(behind) = strip_one(rest)
    {
        rest = behind;
        count += 1;
    }
    count
}

fn strip_one(line: &str) -> Option<&str> {
    let line = without_colours(line);
    match line.as_bytes() {
        [b'<', ..] => {
            priority(line).map(|rest| version(rest).or_else(|| dated(rest)).unwrap_or(rest))
        }
        [b'0'..=b'9', ..] => dated(line)
            .or_else(|| line_number(line))
            .or_else(|| compose(line)),
        [b'[', ..] => bracketed(line).or_else(|| fluent_bit(line)),
        [b'/', ..] => line.split_once(':').map(|(_, rest)| rest),
        [b'A'..=b'Z', ..] => dated(line)
            .or_else(|| level(line))
            .or_else(|| compose(line))
            .or_else(|| word_before_bracket(line))
            .or_else(|| tag(line)),
        _ => compose(line).or_else(|| tag(line)),
    }
}

/// Behind a word in capitals before a time in brackets, as `ACCESS [2024-…`.
fn word_before_bracket(line: &str) -> Option<&str> {
    let (word, rest) = line.split_once(' ')?;
    let is_word = word.bytes().all(|byte| byte.is_ascii_uppercase());
    (is_word && rest.starts_with("[2")).then_some(rest)
}

/// Behind the number of a line and its colon, as `grep -n` writes them before an address.
fn line_number(line: &str) -> Option<&str> {
    let (number, rest) = line.split_once(':')?;
    let address = rest.split(' ').next()?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && address.parse::<std::net::Ipv4Addr>().is_ok()).then_some(rest)
}

/// Behind escape sequences for colours.
fn without_colours(mut line: &str) -> &str {
    while let Some(inner) = line.strip_prefix("\x1b[") {
        match inner.find('m') {
            Some(end)
                if inner[..end]
                    .bytes()
                    .all(|b| b.is_ascii_digit() || b == b';') =>
            {
                line = &inner[end + 1..];
            }
            _ => break,
        }
    }
    line
}

/// Behind `<190>`.
fn priority(line: &str) -> Option<&str> {
    let (number, rest) = line.strip_prefix('<')?.split_once('>')?;
    let is_number = matches!(number.len(), 1..=3) && number.bytes().all(|b| b.is_ascii_digit());
    is_number.then_some(rest)
}

/// Behind the header of RFC 5424, which begins with its version.
fn version(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("1 ")?;
    // Time, host, program, process, message.
    let mut rest = rest;
    for _ in 0..5 {
        rest = rest.split_once(' ')?.1;
    }
    let mut rest = match rest.strip_prefix('-') {
        Some(rest) => rest,
        None => structured_data(rest)?,
    };
    rest = rest.trim_start_matches(' ');
    Some(rest.strip_prefix('\u{feff}').unwrap_or(rest))
}

/// Behind `[id name="value"][…]`.
fn structured_data(mut text: &str) -> Option<&str> {
    while text.starts_with('[') {
        let mut is_quoted = false;
        let mut is_escaped = false;
        let end = text.char_indices().find_map(|(at, c)| {
            let closes = c == ']' && !is_quoted;
            match c {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '"' => is_quoted = !is_quoted,
                _ => {}
            }
            closes.then_some(at)
        })?;
        text = &text[end + 1..];
    }
    text.starts_with(' ').then_some(text)
}

/// Behind a date and time, and the host and program of syslog if they follow.
fn dated(line: &str) -> Option<&str> {
    let (rest, is_syslog) = behind_time(line)?;
    let rest = behind_zone(rest);
    if let Some((word, record)) = rest.split_once('\t')
        && record.starts_with('{')
        && !word.contains(' ')
    {
        return Some(record);
    }
    if let Some(behind) = stream(rest) {
        return Some(behind);
    }
    match tag(rest) {
        Some(behind) => Some(behind),
        None if is_syslog => None,
        None => Some(rest),
    }
}

/// Behind a time at the start, and whether it is in the form of RFC 3164.
fn behind_time(line: &str) -> Option<(&str, bool)> {
    let named = line.split_once(' ');
    if let Some((name, rest)) = named
        && timestamp::month(name.as_bytes()).is_some()
    {
        // `Mar  4 10:00:00`, with a fraction or a year behind it.
        let rest = rest.trim_start_matches(' ');
        let (day, rest) = rest.split_once(' ')?;
        let (mut time, mut rest) = rest.split_once(' ')?;
        if time.len() == 4 && time.bytes().all(|b| b.is_ascii_digit()) {
            (time, rest) = rest.split_once(' ')?;
        }
        timestamp::time_of_day(time.trim_end_matches(':'))?;
        let is_day = matches!(day.len(), 1 | 2) && day.bytes().all(|b| b.is_ascii_digit());
        return is_day.then_some((rest, true));
    }
    let bytes = line.as_bytes();
    let is_date = bytes.len() > 10
        && matches!(bytes[4], b'-' | b'/')
        && bytes[..4].iter().all(u8::is_ascii_digit);
    if !is_date {
        return None;
    }
    let (first, rest) = line.split_once([' ', '\t'])?;
    if first.len() > 10 {
        timestamp::read(first)?;
        return Some((rest, false));
    }
    timestamp::read(first)?;
    let (time, rest) = rest.split_once([' ', '\t'])?;
    timestamp::time_of_day(time)?;
    Some((rest, false))
}

/// Behind `+0000 `, if it is there.
fn behind_zone(rest: &str) -> &str {
    match rest.split_once(' ') {
        Some((zone, behind))
            if zone.len() == 5
                && zone.starts_with(['+', '-'])
                && zone[1..].bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            behind
        }
        _ => rest,
    }
}

/// Behind `stdout F `, as the container runtime interface of Kubernetes has it.
fn stream(line: &str) -> Option<&str> {
    let rest = line
        .strip_prefix("stdout ")
        .or_else(|| line.strip_prefix("stderr "))?;
    rest.strip_prefix("F ").or_else(|| rest.strip_prefix("P "))
}

/// Behind `web1 nginx[7]: `: the program, after the host that it ran on and the one that relayed it,
/// if they are there.
fn tag(line: &str) -> Option<&str> {
    /// The words before the program, and itself.
    const WORDS: usize = 3;
    let is_word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|b| {
                b.is_ascii_alphanumeric()
                    || matches!(
                        b,
                        b'.' | b'-' | b'_' | b'/' | b'[' | b']' | b'(' | b')' | b':' | b'@'
                    )
            })
    };
    let mut rest = line;
    for _ in 0..WORDS {
        let (word, behind) = rest.split_once(' ')?;
        if let Some(program) = word.strip_suffix(':') {
            let is_program =
                is_word(program) && program.starts_with(|c: char| c.is_ascii_alphabetic());
            return is_program.then_some(behind);
        }
        if !is_word(word) {
            return None;
        }
        rest = behind;
    }
    None
}

/// Behind `web-1  | `.
fn compose(line: &str) -> Option<&str> {
    let (name, rest) = line.split_once('|')?;
    let service = name.strip_suffix(' ')?.trim_end_matches(' ');
    let is_service = !service.is_empty()
        && service
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let rest = without_colours(rest);
    is_service.then(|| rest.strip_prefix(' ').unwrap_or(rest))
}

/// Behind `[pod/web-7d9/nginx] `.
fn bracketed(line: &str) -> Option<&str> {
    let (name, rest) = line.strip_prefix("[pod/")?.split_once("] ")?;
    (!name.contains(' ')).then_some(rest)
}

/// Within `[0] tail.0: [1709546400.123, {"log"=>"…", "stream"=>"stdout"}]`, where the time of newer
/// versions is `[1709546400.123, {}]`. Quotes within the line are not escaped. Where the line has a
/// line end of its own, what stands behind it is another line.
fn fluent_bit(line: &str) -> Option<&str> {
    let (number, rest) = line.strip_prefix('[')?.split_once("] ")?;
    let (tag, rest) = rest.split_once(": [")?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || tag.contains(' ') {
        return None;
    }
    let (time, rest) = rest.split_once(", {")?;
    // The metadata of newer versions.
    let record = match time.strip_prefix('[') {
        Some(_) => rest.split_once("}], {")?.1,
        None => rest,
    };
    let text = ["\"log\"=>\"", "\"message\"=>\""].iter().find_map(|key| {
        let at = record.find(key)?;
        let is_first = at == 0 || record[..at].ends_with(", ");
        is_first.then(|| &record[at + key.len()..])
    })?;
    let next_key = text.match_indices("\", \"").find_map(|(at, _)| {
        let (key, _) = text[at + 4..].split_once("\"=>")?;
        let is_key = key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_key.then_some(at)
    });
    Some(match next_key {
        Some(end) => &text[..end],
        None => text.strip_suffix("\"}]").unwrap_or(text),
    })
}

/// Behind `INFO:werkzeug:`.
fn level(line: &str) -> Option<&str> {
    let (level, rest) = line.split_once(':')?;
    if !matches!(level, "DEBUG" | "INFO" | "WARNING" | "ERROR") {
        return None;
    }
    let (name, rest) = rest.split_once(':')?;
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    is_name.then_some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = "203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] \"GET / HTTP/1.1\" 200 512";

    #[test]
    fn prefixes_of_collectors_are_taken_off() {
        for prefix in [
            "Mar  4 10:00:00 web1 nginx: ",
            "Mar 14 10:00:00 web1 nginx[312]: ",
            "Mar  4 2024 10:00:00 web1 nginx: ",
            "Mar  4 10:00:00.123456 web1.example.com nginx[3]: ",
            "<190>Mar  4 10:00:00 web1 nginx: ",
            "<190>1 2024-03-04T10:00:00.326Z web1 nginx 7 access - ",
            "<190>1 2024-03-04T10:00:00.326Z web1 nginx - - [a@1 b=\"c \\\"] d\"][e] \u{feff}",
            "2024-03-04T10:00:00.326492+00:00 web1 nginx: ",
            "2024-03-04T10:00:00+0000 web1 nginx[7]: ",
            "2024-03-04T10:00:00.326492123Z stdout F ",
            "2024-03-04T10:00:00.326492123Z ",
            "web_1  | ",
            "web-1  | 2024-03-04T10:00:00.326492123Z ",
            "\x1b[36mweb_1  |\x1b[0m ",
            "[pod/web-7d9/nginx] ",
            "INFO:werkzeug:",
            "Mar 04 10:00:00 app: ",
            "Mar  4 10:00:00 10.0.0.9 web1 nginx: ",
            "nginx: ",
            "frontend.0 nginx: ",
            "12:",
            "/var/log/nginx/access.log.0:",
            "2024/03/04 10:00:00 ",
            "2024-03-04 10:00:00,123 ",
        ] {
            let line = format!("{prefix}{LINE}");
            assert_eq!(strip(&line, NESTED), Some(LINE), "{prefix}");
        }
        for line in [
            LINE,
            "www.example.com 203.0.113.7 - - [04/Mar/2024:10:00:00 +0000]",
            "203.0.113.7 - a|b [04/Mar/2024:10:00:00 +0000] \"GET /a|b HTTP/1.1\" 200 512",
            "{\"a\":\"b | c\"}",
        ] {
            assert_eq!(strip(line, NESTED), None, "{line}");
        }
    }

    #[test]
    fn what_stands_before_records_is_taken_off() {
        let record = "{\"log\":\"a b: c\"}";
        for prefix in [
            "2024-03-04 10:00:00.123456789 +0000 nginx.access: ",
            "2024-03-04T10:00:00+00:00\tnginx.access\t",
            "web_1  | ",
        ] {
            let line = format!("{prefix}{record}");
            assert_eq!(strip(&line, NESTED), Some(record), "{prefix}");
        }
    }

    #[test]
    fn what_stands_around_lines_is_taken_off_on_both_sides() {
        for (before, after) in [
            ("[0] tail.0: [1709546400.123456789, {\"log\"=>\"", "\"}]"),
            (
                "[12] kube.var.log: [[1709546400.12, {}], {\"log\"=>\"",
                "\"}]",
            ),
            (
                "[0] tail.0: [1709546400.1, {\"stream\"=>\"stdout\", \"log\"=>\"",
                "\", \"time\"=>\"2024-03-04T10:00:00Z\"}]",
            ),
            (
                "[0] a: [[1709546400.1, {\"k\"=>\"v\"}], {\"message\"=>\"",
                "\"}]",
            ),
            // The line had a line end.
            ("[0] tail.0: [1709546400.1, {\"log\"=>\"", ""),
        ] {
            for line in [LINE.to_owned(), format!("{LINE} \"-\" \"curl, \"x\"\"")] {
                let around = format!("{before}{line}{after}");
                assert_eq!(strip(&around, NESTED), Some(&*line), "{around}");
            }
        }
        for line in [
            "[0] tail.0: [1709546400.1, {\"a\"=>\"b\"}]",
            "[x] tail.0: [1709546400.1, {\"log\"=>\"b\"}]",
            "[0] tail 0: [1709546400.1, {\"log\"=>\"b\"}]",
        ] {
            assert_eq!(strip(line, NESTED), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(
            line in "\\PC*|[<>0-9A-Za-z:|\\[\\] -]*|\\[0\\] a: \\[[\\[\\]{}1., a\"=>log]*",
        ) {
            if let Some(rest) = strip(&line, NESTED) {
                prop_assert!(line.contains(rest));
            }
        }
    }
}
