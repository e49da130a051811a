//! What paths have in common: ids, hashes, dates and the like become placeholders.
//!
//! This looks at one path alone and knows no other, so that it gives the same in any query. A name
//! that no rule knows as a value stays as it is: how many such names there are, only all paths
//! together tell: [patterns](super::path_patterns) may be given for them.
//!
//! A part of a path, which lies between two slashes, is cut into words. The rules, in the order in
//! which they are tried:
//!
//! | placeholder | what |
//! |---|---|
//! | `{date}` | parts `2026/03` and `2026/03/04`; words `2026-03-04`, `2026-03` and `20260304`, with the time behind `T` |
//! | `{token}` | a part, or a word of it, of ten letters and digits or more that change their kind as random ones do |
//! | `{uuid}` | 8-4-4-4-12 hexadecimal digits |
//! | `{number}` | digits with points between them, such as `3.6.0` |
//! | `{id}` | digits that no letter is beside; inside a word, four digits or more |
//! | `{hash}` | a word of eight hexadecimal digits or more, letters and digits among them |
//! | `{text}` | a part of more than 48 bytes, or with a character that names do not have |

use std::borrow::Cow;

use super::path_patterns::PathPatterns;

/// Parts of a path that are kept where nothing else is said.
pub(super) const DEPTH: usize = 8;
/// Most parts that can be kept.
pub(super) const MOST_DEPTH: usize = 32;
/// Longest part that is kept: titles that are longer name one thing each.
const LONGEST_PART: usize = 48;
/// A hash that was shortened has seven digits or more, but seven are too often a word or a number.
const SHORTEST_HASH: usize = 8;
/// The ids of videos have eleven letters and digits; names of fewer than ten are as mixed.
const SHORTEST_TOKEN: usize = 10;
/// From so many letters and digits on, names change their kind even less often than a token may.
const LONG_TOKEN: usize = 20;
/// Digits inside of a word that make a number: fewer are in `mp3`, `h264` and `utf8`.
const LONG_NUMBER: usize = 4;

/// The group of a path: at most `depth` of its parts, values replaced by placeholders, and names that
/// patterns have placeholders for by those.
pub(super) fn path_group(path: &str, depth: usize, patterns: Option<&PathPatterns>) -> String {
    let Some(path) = local_path(path) else {
        return "{text}".to_owned();
    };
    if !path.starts_with('/') {
        return path.to_owned();
    }
    let mut group = String::with_capacity(path.len().min(256));
    let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
    let mut kept = 0;
    let mut place = patterns.map(PathPatterns::root);
    while let Some(part) = parts.next() {
        group.push('/');
        if kept == depth {
            group.push('*');
            return group;
        }
        kept += 1;
        let start = group.len();
        if is_year(part.as_bytes()) && parts.next_if(|part| is_month(part.as_bytes())).is_some() {
            parts.next_if(|part| is_day(part.as_bytes()));
            group.push_str("{date}");
        } else {
            push_part(&mut group, part);
        }
        place = place.and_then(|place| {
            let (placeholder, next) = place.follow(&group[start..])?;
            if let Some(placeholder) = placeholder {
                group.replace_range(start.., placeholder);
            }
            Some(next)
        });
    }
    if path.ends_with('/') {
        group.push('/');
    }
    group
}

/// A path without host, query, fragment and parameters; `None` for what is no path.
fn local_path(path: &str) -> Option<&str> {
    let path = &path[..path.find(['?', '#', ';']).unwrap_or(path.len())];
    if path.is_empty() || path == "*" || path.starts_with('/') {
        return Some(path);
    }
    // Requests to a proxy name the host, too.
    let (scheme, rest) = path.split_once("://")?;
    let is_scheme = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_scheme.then(|| rest.find('/').map_or("/", |slash| &rest[slash..]))
}

/// Adds one part of a path.
fn push_part(group: &mut String, part: &str) {
    let Some(part) = name(part) else {
        group.push_str("{text}");
        return;
    };
    let whole = if is_hash(part.as_bytes()) {
        Some("{hash}")
    } else if is_random(part.as_bytes()) {
        Some("{token}")
    } else {
        (part.len() > LONGEST_PART).then_some("{text}")
    };
    if let Some(placeholder) = whole {
        group.push_str(placeholder);
        return;
    }
    let mut rest = &*part;
    while let Some(first) = rest.chars().next() {
        let length = if first.is_alphanumeric() {
            push_word(group, rest)
        } else {
            group.push(first);
            first.len_utf8()
        };
        rest = &rest[length..];
    }
}

/// Adds what a text begins with, a value or a word; returns how many of its bytes that is.
fn push_word(group: &mut String, text: &str) -> usize {
    let bytes = text.as_bytes();
    if let Some((placeholder, length)) = value(bytes) {
        group.push_str(placeholder);
        return length;
    }
    let length = text
        .find(|sign: char| !sign.is_alphanumeric())
        .unwrap_or(text.len());
    let word = &text[..length];
    if is_hash(word.as_bytes()) {
        group.push_str("{hash}");
    } else if is_random(word.as_bytes()) {
        group.push_str("{token}");
    } else {
        push_without_numbers(group, word);
    }
    length
}

/// Adds a word whose long numbers are ids.
fn push_without_numbers(group: &mut String, mut word: &str) {
    while !word.is_empty() {
        let letters = word.find(|sign: char| sign.is_ascii_digit());
        let letters = letters.unwrap_or(word.len());
        group.push_str(&word[..letters]);
        let number = &word[letters..];
        let digits = digits(number.as_bytes());
        group.push_str(if digits >= LONG_NUMBER {
            "{id}"
        } else {
            &number[..digits]
        });
        word = &number[digits..];
    }
}

/// The value that a text begins with, and its length; whatever follows is no letter or digit.
fn value(text: &[u8]) -> Option<(&'static str, usize)> {
    let ends = |length: usize| {
        // Of other scripts, every byte is above those of ASCII.
        text.get(length)
            .is_none_or(|next| next.is_ascii() && !next.is_ascii_alphanumeric())
    };
    if is_uuid(text) && ends(36) {
        return Some(("{uuid}", 36));
    }
    if let Some(length) = date(text).filter(|length| ends(*length)) {
        return Some(("{date}", length));
    }
    let mut length = digits(text);
    if length == 0 || !ends(length) {
        return None;
    }
    let mut placeholder = "{id}";
    while text.get(length) == Some(&b'.') {
        let more = digits(&text[length + 1..]);
        if more == 0 || !ends(length + 1 + more) {
            break;
        }
        length += 1 + more;
        placeholder = "{number}";
    }
    Some((placeholder, length))
}

/// A part without escapes, if it has only what names have: letters and digits of any script, and some
/// punctuation. Braces are not among it, so that no path looks like a placeholder.
fn name(part: &str) -> Option<Cow<'_, str>> {
    let part = if part.contains('%') {
        Cow::Owned(String::from_utf8(unescape(part.as_bytes())?).ok()?)
    } else {
        Cow::Borrowed(part)
    };
    let is_of_name = |sign: char| {
        sign.is_alphanumeric()
            || matches!(sign, '-' | '_' | '.' | '~' | '+' | '@' | ':' | ',' | '!')
    };
    part.chars().all(is_of_name).then_some(part)
}

fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => (digit(bytes.next())? * 16 + digit(bytes.next())?) as u8,
            other => *other,
        });
    }
    Some(out)
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// A number of so many digits at the beginning of a text.
fn number(text: &[u8], digits: usize) -> Option<u32> {
    let text = text.get(..digits)?;
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
    text.iter()
        .try_fold(0, |sum, byte| Some(sum * 10 + digit(byte)?))
}

fn is_year(text: &[u8]) -> bool {
    text.len() == 4 && number(text, 4).is_some_and(|year| (1970..2100).contains(&year))
}

fn is_month(text: &[u8]) -> bool {
    text.len() == 2 && number(text, 2).is_some_and(|month| (1..=12).contains(&month))
}

fn is_day(text: &[u8]) -> bool {
    text.len() == 2 && number(text, 2).is_some_and(|day| (1..=31).contains(&day))
}

/// The length of the date that a text begins with.
fn date(text: &[u8]) -> Option<usize> {
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    if !is_year(part(0, 4)) {
        return None;
    }
    let length = if text.get(4) == Some(&b'-') && is_month(part(5, 7)) {
        if text.get(7) == Some(&b'-') && is_day(part(8, 10)) {
            10
        } else {
            7
        }
    } else if is_month(part(4, 6)) && is_day(part(6, 8)) {
        8
    } else {
        return None;
    };
    let rest = text.get(length..).unwrap_or_default();
    if rest.first() != Some(&b'T') || digits(&rest[1..]) < 2 {
        return Some(length);
    }
    let is_of_time = |byte: &&u8| byte.is_ascii_digit() || b":.-+Z".contains(byte);
    let time = &rest[1..];
    let time = &time[..time.iter().take_while(is_of_time).count()];
    let is_end = |byte: &u8| byte.is_ascii_alphanumeric();
    let time = time.iter().rposition(is_end).map_or(0, |last| last + 1);
    Some(length + 1 + time)
}

fn is_uuid(text: &[u8]) -> bool {
    text.get(..36).is_some_and(|text| {
        text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    })
}

fn is_hash(word: &[u8]) -> bool {
    word.len() >= SHORTEST_HASH
        && word.iter().all(u8::is_ascii_hexdigit)
        && word.iter().any(u8::is_ascii_digit)
        && word.iter().any(u8::is_ascii_alphabetic)
}

/// Whether letters and digits change their kind as random ones do.
///
/// Of letters of both cases and digits, each drawn alike, 62 of 100 are followed by another kind, of
/// digits and letters of one case 40; in names such as `getUserById` a third at most, and in
/// `iphone15promax` a seventh. Where a part has several words, the numbers between them count too, so
/// that more is asked of it.
fn is_random(text: &[u8]) -> bool {
    let kind = |byte: &u8| match byte {
        b'0'..=b'9' => 1,
        b'a'..=b'z' => 2,
        b'A'..=b'Z' => 3,
        b'-' | b'_' => 0,
        _ => 4,
    };
    let (mut pairs, mut changes, mut of_digits, mut is_one_word) = (1, 0, 0, true);
    let mut before = 0;
    for byte in text {
        let kind = kind(byte);
        match (before, kind) {
            (_, 4) => return false,
            (_, 0) => is_one_word = false,
            (0, _) => {}
            (before, kind) => {
                pairs += 1;
                changes += usize::from(before != kind);
                of_digits += usize::from((before == 1) != (kind == 1));
            }
        }
        before = kind;
    }
    let is_of_one_case = if is_one_word {
        let share = if pairs < LONG_TOKEN { 4 } else { 5 };
        of_digits >= 3 && of_digits * share > pairs
    } else {
        of_digits >= 4 && of_digits * 3 > pairs
    };
    let is_mixed = changes >= 5 && changes * 5 >= pairs * 2;
    text.len() >= SHORTEST_TOKEN && (is_of_one_case || is_mixed) && !is_uuid(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Without patterns.
    fn path_group(path: &str, depth: usize) -> String {
        super::path_group(path, depth, None)
    }

    #[test]
    fn values_become_placeholders() {
        for (path, group) in [
            ("/", "/"),
            ("", ""),
            ("*", "*"),
            ("/index.html", "/index.html"),
            ("/api/v1/users/12345/orders/", "/api/v1/users/{id}/orders/"),
            ("/api/v1/users/7?page=2", "/api/v1/users/{id}"),
            ("//a///b", "/a/b"),
            ("/a;jsessionid=0F3A/b", "/a"),
            ("/item/550e8400-e29b-41d4-a716-446655440000", "/item/{uuid}"),
            (
                "/img/img_550e8400-e29b-41d4-a716-446655440000.jpg",
                "/img/img_{uuid}.jpg",
            ),
            ("/blog/2026/03/04/a-title", "/blog/{date}/a-title"),
            ("/blog/2026/03/", "/blog/{date}/"),
            ("/blog/2026/13", "/blog/{id}/{id}"),
            ("/log/2026-03-04", "/log/{date}"),
            ("/log/2026-03", "/log/{date}"),
            ("/log/20260304", "/log/{date}"),
            ("/log/2026-03-04T05:06:07.5Z.gz", "/log/{date}.gz"),
            ("/log/20269904", "/log/{id}"),
            ("/commit/3f2a1b9c", "/commit/{hash}"),
            (
                "/commit/da39a3ee5e6b4b0d3255bfef95601890afd80709",
                "/commit/{hash}",
            ),
            (
                "/sha/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "/sha/{hash}",
            ),
            ("/assets/main.3f2a1b9c.js", "/assets/main.{hash}.js"),
            ("/js/jquery-3.6.0.min.js", "/js/jquery-{number}.min.js"),
            ("/watch/dQw4w9WgXcQ", "/watch/{token}"),
            ("/watch/dQw4w9Wg-cQ", "/watch/{token}"),
            ("/t/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/t/{token}"),
            ("/t/clh3k2j0x0000qzrmn831i7rn", "/t/{token}"),
            ("/user-12345", "/user-{id}"),
            ("/item98765.html", "/item{id}.html"),
            ("/page-2", "/page-{id}"),
            ("/caf%C3%A9/caf\u{e9}", "/caf\u{e9}/caf\u{e9}"),
            ("/%D0%B1%D0%BB%D0%BE%D0%B3", "/\u{431}\u{43b}\u{43e}\u{433}"),
            ("/a%2Fb", "/{text}"),
            ("/a%zz", "/{text}"),
            ("/a%ff", "/{text}"),
            ("/{id}", "/{text}"),
            ("/%27%20OR%201=1", "/{text}"),
            ("http://example.org/a/1", "/a/{id}"),
            ("http://example.org", "/"),
            ("example.org:443", "{text}"),
            ("\\x16\\x03", "{text}"),
            (
                "/1/2/3/4/5/6/7/8/9/10",
                "/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/*",
            ),
            ("/../../etc/passwd", "/../../etc/passwd"),
        ] {
            assert_eq!(path_group(path, DEPTH), group, "{path}");
        }
        assert_eq!(path_group("/a/b/c/d", 2), "/a/b/*");
        assert_eq!(path_group("/a/b/", 2), "/a/b/");
    }

    #[test]
    fn names_become_what_patterns_have_for_them() {
        let patterns = "/blog/{title}\n/u/{id}/{tab}".parse().unwrap();
        for (path, group) in [
            ("/blog/how-to/4711", "/blog/{title}/{id}"),
            ("/blog/2026/03/04/how-to", "/blog/{title}/how-to"),
            ("/u/17/likes/", "/u/{id}/{tab}/"),
            ("/shop/cart", "/shop/cart"),
        ] {
            assert_eq!(super::path_group(path, DEPTH, Some(&patterns)), group);
        }
    }

    #[test]
    fn names_stay() {
        for path in [
            "/wp-content/themes/twentytwenty/style.css",
            "/getUserAccountDetails",
            "/XMLHttpRequest",
            "/iphone15promax",
            "/h264-x265-mp4-720p",
            "/how-to-bake-bread-at-home",
            "/mp3/utf8/v2",
            "/deadbeef",
            "/ServiceLocatorFactoryBean",
            "/.well-known/acme-challenge",
            "/robots.txt",
        ] {
            assert_eq!(path_group(path, DEPTH), path);
        }
    }

    /// How many of a thousand random tokens of an alphabet are not seen as such.
    fn missed(alphabet: &[u8], length: usize) -> usize {
        let mut state = 7_u64;
        let mut draw = || {
            // Knuth's multiplier; the upper bits are random enough.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            alphabet[(state >> 33) as usize % alphabet.len()]
        };
        let tokens = (0..1000).map(|_| (0..length).map(|_| draw()).collect::<Vec<u8>>());
        let placeholders = ["/{token}", "/{hash}", "/{id}"];
        tokens
            .filter(|token| {
                let path = format!("/{}", String::from_utf8_lossy(token));
                !placeholders.contains(&&*path_group(&path, DEPTH))
            })
            .count()
    }

    #[test]
    fn random_tokens_are_mostly_seen() {
        let base62 = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        assert!(missed(base62, 22) < 40, "{}", missed(base62, 22));
        assert!(missed(base62, 11) < 150, "{}", missed(base62, 11));
        assert!(
            missed(&base62[..36], 25) < 60,
            "{}",
            missed(&base62[..36], 25)
        );
        assert!(
            missed(&base62[..16], 32) < 10,
            "{}",
            missed(&base62[..16], 32)
        );
    }

    proptest! {
        #[test]
        fn groups_are_bounded(path in "\\PC{0,400}", depth in 1_usize..=MOST_DEPTH) {
            let group = path_group(&path, depth);
            prop_assert!(group.matches('/').count() <= depth + 1);
            // A digit and a hyphen become five bytes.
            prop_assert!(group.len() <= (depth + 1) * (1 + 5 * LONGEST_PART / 2));
        }

        #[test]
        fn ids_do_not_matter(a in 0_u64..u64::MAX, b in 0_u64..u64::MAX, name in "[a-z]{1,9}") {
            let path = |id: u64| path_group(&format!("/{name}/{id}/x"), DEPTH);
            // A number may be a date as well.
            let one = |id: u64| path(id).replace("{date}", "{id}");
            prop_assert_eq!(one(a), one(b));
        }

        #[test]
        fn any_bytes_that_are_text_have_a_group(path in "(/|%|[0-9a-fA-F]|-|\\.|T|é){0,80}") {
            path_group(&path, DEPTH);
        }
    }
}
