//! Fields of a line between spaces or tabs: bare, in quotes or in brackets.

/// Whether a character separates fields.
pub(super) const fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

/// Text from its first character on that is no blank.
#[inline]
pub(super) fn behind_blanks(text: &str) -> &str {
    let blanks = text
        .bytes()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    &text[blanks..]
}

/// A field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// Without its quotes or brackets.
    pub(super) text: &'a str,
    pub(super) is_quoted: bool,
    pub(super) is_bracketed: bool,
}

/// The fields of a line.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { rest: text }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let text = behind_blanks(self.rest);
        if text.trim_ascii_end().is_empty() {
            return None;
        }
        let bracketed = bracketed(text);
        let (field, rest) = match (text.strip_prefix('"'), bracketed) {
            (Some(inner), _) => quoted(inner),
            (None, Some(bracketed)) => bracketed,
            (None, None) => token(text),
        };
        self.rest = rest;
        Some(Token {
            text: field,
            is_quoted: text.starts_with('"'),
            is_bracketed: bracketed.is_some(),
        })
    }
}

/// The first field and what follows it; both are empty at the end.
pub(super) fn token(text: &str) -> (&str, &str) {
    let text = behind_blanks(text);
    match memchr::memchr2(b' ', b'\t', text.as_bytes()) {
        Some(blank) => (&text[..blank], &text[blank + 1..]),
        None => (text, ""),
    }
}

/// Position of the first quote at or after `from` that no backslash escapes.
pub(super) fn closing_quote(text: &str, mut from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', bytes.get(from..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        from = at + 2;
    }
}

/// The field in quotes whose opening quote `inner` follows, and what comes behind it. A field that
/// does not end is the rest of the line.
fn quoted(inner: &str) -> (&str, &str) {
    let mut from = 0;
    while let Some(quote) = closing_quote(inner, from) {
        let after = &inner[quote + 1..];
        if after.is_empty() || after.starts_with(is_blank) {
            return (&inner[..quote], after);
        }
        from = quote + 1;
    }
    (inner, "")
}

/// A field in brackets and what comes behind it.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let (inner, rest) = text.strip_prefix('[')?.split_once(']')?;
    (rest.is_empty() || rest.starts_with(is_blank)).then_some((inner, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_bare_quoted_or_bracketed() {
        let fields: Vec<_> = Tokens::new(" 12 \"a \\\" b\"\t[c d] \"\" [x \"open ")
            .map(|token| (token.text, token.is_quoted))
            .collect();
        assert_eq!(
            fields,
            [
                ("12", false),
                ("a \\\" b", true),
                ("c d", false),
                ("", true),
                ("[x", false),
                ("open ", true)
            ]
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_go_on_for_ever(text in "\\PC*|[\" \\[\\]\\\\a\t]*") {
            prop_assert!(Tokens::new(&text).count() <= text.len());
        }
    }
}
