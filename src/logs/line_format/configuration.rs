//! Formats as they stand in the configuration of a server.

/// A format, and where each of its characters stands in what was typed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pasted {
    pub(super) text: String,
    /// The number of each character in what was typed, from 0.
    places: Vec<usize>,
}

impl Pasted {
    /// The format within a directive `log_format` of nginx or `LogFormat` of Apache; other text is a
    /// format itself.
    pub(super) fn of(typed: &str) -> Self {
        let text = typed.trim();
        let start = typed.len() - typed.trim_start().len();
        let directive = text.split_ascii_whitespace().next().unwrap_or_default();
        let pieces = match directive {
            "log_format" => nginx(text),
            "LogFormat" => quoted(&text[directive.len()..]).map(|piece| vec![piece]),
            _ => None,
        };
        let mut pasted = Self::default();
        match pieces {
            Some(pieces) => {
                for piece in pieces {
                    let at = piece.as_ptr() as usize - typed.as_ptr() as usize;
                    pasted.push(piece, typed, at);
                    // What stands before a format ends with a colon.
                    if piece.starts_with("escape=") && pasted.text == piece {
                        pasted.push(":", typed, at);
                    }
                }
            }
            None => pasted.push(text, typed, start),
        }
        pasted
    }

    /// Appends a piece that begins at a byte of what was typed.
    fn push(&mut self, piece: &str, typed: &str, at: usize) {
        let first = typed[..at].chars().count();
        self.text.push_str(piece);
        self.places.extend(first..first + piece.chars().count());
    }

    /// The number in what was typed of a character of the format, both from 1.
    pub(super) fn place(&self, position: usize) -> usize {
        match self.places.get(position.saturating_sub(1)) {
            Some(place) => place + 1,
            None => self.places.last().map_or(1, |last| last + 2),
        }
    }
}

/// The pieces of `log_format name [escape=json] '…' '…';`.
fn nginx(text: &str) -> Option<Vec<&str>> {
    let start = text.find(['\'', '"'])?;
    let escape = text[..start]
        .split_ascii_whitespace()
        .find(|word| word.starts_with("escape="));
    let mut pieces = Vec::from_iter(escape);
    let mut rest = text[start..].trim_start();
    while let Some(mark) = rest
        .chars()
        .next()
        .filter(|mark| matches!(mark, '\'' | '"'))
    {
        let (piece, behind) = rest[1..].split_once(mark)?;
        pieces.push(piece);
        rest = behind.trim_start();
    }
    matches!(rest, "" | ";").then_some(pieces)
}

/// The format of `"…" nickname`, with its escaped quotes.
fn quoted(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix('"')?;
    let mut is_escaped = false;
    let end = inner.char_indices().find_map(|(at, c)| {
        let closes = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        closes.then_some(at)
    })?;
    Some(&inner[..end])
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
            assert_eq!(Pasted::of(text).text, format, "{text}");
        }
    }

    #[test]
    fn characters_are_found_where_they_were_typed() {
        let typed = " log_format  m escape=json 'ä$a '\n '$b' ;";
        let pasted = Pasted::of(typed);
        assert_eq!(pasted.text, "escape=json:ä$a $b");
        let typed: Vec<char> = typed.chars().collect();
        for (number, character) in pasted.text.chars().enumerate() {
            let place = pasted.place(number + 1);
            if character != ':' {
                assert_eq!(typed[place - 1], character, "{number}");
            }
        }
        assert_eq!(Pasted::of("").place(1), 1);
        assert_eq!(Pasted::of("  a").place(2), 4);
    }
}
