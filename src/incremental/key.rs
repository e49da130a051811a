//! Keys: digests of all that something is a function of.

/// Takes parts, each told apart from the next by its length.
#[derive(Debug, Clone, Default)]
pub(crate) struct Key(blake3::Hasher);

impl Key {
    /// A key of a kind of thing, with the version of how it is made.
    pub(crate) fn of(kind: &str, version: u32) -> Self {
        Self::default().text(kind).number(i64::from(version))
    }

    #[must_use]
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.add_text(text);
        self
    }

    #[must_use]
    pub(crate) fn number(mut self, number: i64) -> Self {
        self.add_number(number);
        self
    }

    pub(crate) fn add_text(&mut self, text: &str) {
        self.add_number(text.len() as i64);
        self.0.update(text.as_bytes());
    }

    pub(crate) fn add_number(&mut self, number: i64) {
        self.0.update(&number.to_le_bytes());
    }

    /// The first 32 hexadecimal digits: 128 bits.
    pub(crate) fn finish(&self) -> String {
        self.0.finalize().to_hex()[..32].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = |a: &str, b: &str| Key::of("test", 1).text(a).text(b).finish();
        assert_ne!(key("ab", "c"), key("a", "bc"));
        assert_ne!(key("", "abc"), key("abc", ""));
        assert_eq!(key("a", "b"), key("a", "b"));
    }
}
