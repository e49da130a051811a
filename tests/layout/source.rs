//! A source file as text, with what is no code blanked out.

use std::fs;
use std::ops::Range;
use std::path::Path;

const TEST_ATTRIBUTE: &str = "#[cfg(test)]";

/// One file. Blanked text keeps its line breaks, so that lines are the same in all three forms.
pub(crate) struct Source {
    /// From the root of the repository, with `/`.
    pub(crate) path: String,
    /// Neither comments nor strings nor tests.
    pub(crate) code: String,
    /// Neither comments nor tests.
    pub(crate) with_strings: String,
    /// Neither comments nor strings.
    pub(crate) with_tests: String,
    /// Modules that are declared for tests only, each a file of its own.
    pub(crate) test_modules: Vec<String>,
    /// How many lines there are outside tests.
    pub(crate) lines: usize,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let with_tests = blank(text, false);
        let mut code = with_tests.clone();
        let mut with_strings = blank(text, true);
        let mut test_modules = Vec::new();
        let mut lines = text.lines().count();
        for item in test_items(&with_tests) {
            let tokens = tokens(&with_tests[item.start + TEST_ATTRIBUTE.len()..item.end]);
            let words: Vec<&str> = tokens.iter().map(|token| token.text).collect();
            if let [.., "mod", name, ";"] = words.as_slice() {
                test_modules.push((*name).to_owned());
            }
            lines -= text[item.clone()].lines().count();
            for form in [&mut code, &mut with_strings] {
                let blanked = blank_all(&form[item.clone()]);
                form.replace_range(item.clone(), &blanked);
            }
        }
        Self {
            path: path.to_owned(),
            code,
            with_strings,
            with_tests,
            test_modules,
            lines,
        }
    }

    /// The name without folders and extension; for `mod.rs`, that of its folder.
    pub(crate) fn stem(&self) -> &str {
        let path = self.path.trim_end_matches(".rs").trim_end_matches("/mod");
        path.rsplit('/').next().unwrap_or(path)
    }
}

/// Reads every `.rs` file below a folder of the repository, in the order of their paths.
pub(crate) fn read_all(root: &Path, folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    collect(root, folder, &mut found);
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn collect(root: &Path, folder: &str, found: &mut Vec<Source>) {
    for name in names(&root.join(folder)) {
        let path = format!("{folder}/{name}");
        if root.join(&path).is_dir() {
            collect(root, &path, found);
        } else if Path::new(&name)
            .extension()
            .is_some_and(|ending| ending == "rs")
        {
            let text = fs::read_to_string(root.join(&path))
                .unwrap_or_else(|error| panic!("cannot read `{path}`: {error}"));
            found.push(Source::new(&path, &text));
        }
    }
}

/// What is in a folder, in order.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot read `{}`: {error}", folder.display()));
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The line, counted from 1, that a byte is on.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// A word, `::` or another sign.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: usize,
}

/// The tokens of blanked code.
pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
    let bytes = code.as_bytes();
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while at < bytes.len() {
        let start = at;
        at += 1;
        if bytes[start] == b'\n' {
            line += 1;
            continue;
        } else if bytes[start].is_ascii_whitespace() {
            continue;
        } else if is_word(bytes[start]) {
            while at < bytes.len() && is_word(bytes[at]) {
                at += 1;
            }
        } else if bytes[start..].starts_with(b"::") {
            at += 1;
        }
        // A sign beyond ASCII occurs in strings and comments only, which are blank.
        let text = code.get(start..at).unwrap_or("?");
        found.push(Token { text, line });
    }
    found
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where the items are that are for tests only, their attribute included.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let bytes = code.as_bytes();
    let (mut items, mut from) = (Vec::new(), 0);
    while let Some(found) = code[from..].find(TEST_ATTRIBUTE) {
        let start = from + found;
        let mut at = start + TEST_ATTRIBUTE.len();
        let mut depth = 0_i32;
        while at < bytes.len() {
            match bytes[at] {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' => depth -= 1,
                b'}' => {
                    depth -= 1;
                    if depth <= 0 {
                        break;
                    }
                }
                b';' if depth == 0 => break,
                _ => {}
            }
            at += 1;
        }
        from = (at + 1).min(bytes.len());
        items.push(start..from);
    }
    items
}

fn blank_all(text: &str) -> String {
    let blanked = text.bytes();
    blanked
        .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
        .collect()
}

/// Blanks comments and, where asked, strings and characters.
fn blank(text: &str, keep_strings: bool) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let rest = &text[at..];
        let before_is_word = at > 0 && is_word(bytes[at - 1]);
        let (length, keep) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with("/*") {
            (comment(rest), false)
        } else if let Some(length) = raw_string(rest).filter(|_| !before_is_word) {
            (length, keep_strings)
        } else if rest.starts_with('"') {
            (quoted(rest, '"'), keep_strings)
        } else if let Some(length) = character(rest) {
            (length, keep_strings)
        } else {
            (rest.chars().next().map_or(1, char::len_utf8), true)
        };
        let piece = &rest[..length];
        if keep {
            out.push_str(piece);
        } else {
            out.push_str(&blank_all(piece));
        }
        at += length;
    }
    out
}

/// The length of a comment between `/*` and `*/`, which may hold others.
fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest.as_bytes()[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.as_bytes()[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The length of a string or character up to its closing sign.
fn quoted(rest: &str, closing: char) -> usize {
    let mut escaped = false;
    for (at, sign) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if sign == '\\' {
            escaped = true;
        } else if sign == closing {
            return at + sign.len_utf8();
        }
    }
    rest.len()
}

/// The length of `r"…"`, `r#"…"#` and those of bytes.
fn raw_string(rest: &str) -> Option<usize> {
    let marked = ["r", "br", "cr"]
        .iter()
        .find_map(|mark| rest.strip_prefix(mark))?;
    let hashes = marked.len() - marked.trim_start_matches('#').len();
    let body = marked[hashes..].strip_prefix('"')?;
    let closing = format!("\"{}", "#".repeat(hashes));
    let opening = rest.len() - body.len();
    let end = body.find(&closing).map(|at| at + closing.len());
    Some(end.map_or(rest.len(), |end| opening + end))
}

/// The length of a character, told apart from a lifetime.
fn character(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('\'')?;
    let first = body.chars().next()?;
    (first == '\\' || body[first.len_utf8()..].starts_with('\'')).then(|| quoted(rest, '\''))
}
