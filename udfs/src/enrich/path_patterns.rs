//! Where paths have names without end: learned from all of them, and kept as patterns.
//!
//! What one path says, [`path_group`](super::paths) knows; that `/blog/` is followed by a thousand titles
//! only all paths together say. [`PathTree`] learns it: a place with more than so many names becomes a
//! placeholder, and what stood behind the names stands behind it, once. Whether a place has too many names
//! depends on the set of paths alone, so that neither their order nor how they were split and merged
//! changes a pattern. [`PathPatterns`] are what is written down of it, or by hand, a pattern a line.

use std::collections::BTreeMap;
use std::str::FromStr;

use thiserror::Error;

/// The placeholder of learned patterns.
const ANY: &str = "{any}";

/// Longest list of patterns: each place of a path is looked up in them.
const MOST_PATTERNS: usize = 100_000;

/// A line that is no pattern of paths.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum PathPatternError {
    /// It begins otherwise.
    #[error("line {line}: expected a pattern such as `/blog/{{title}}`, found `{found}`")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// Its text, shortened.
        found: String,
    },
    /// Two placeholders for one place.
    #[error("line {line}: `{found}` stands where `{before}` stands in a line before")]
    TwoNames {
        /// Its number, from 1.
        line: usize,
        /// The placeholder.
        found: String,
        /// That of the line before.
        before: String,
    },
    /// More lines than can be looked through for each path.
    #[error("more than {MOST_PATTERNS} patterns")]
    TooMany,
}

/// Patterns of paths: at some places a placeholder stands for any name.
#[derive(Debug, Default)]
pub(super) struct PathPatterns {
    root: PatternNode,
}

/// A place in a path, and what may follow.
#[derive(Debug, Default)]
pub(super) struct PatternNode {
    names: BTreeMap<String, PatternNode>,
    any: Option<(String, Box<PatternNode>)>,
}

impl PatternNode {
    /// What stands for a name that follows, and the place behind it.
    pub(super) fn follow<'a>(&'a self, name: &str) -> Option<(Option<&'a str>, &'a Self)> {
        if let Some(next) = self.names.get(name) {
            return Some((None, next));
        }
        let (placeholder, next) = self.any.as_ref()?;
        Some((Some(placeholder), next))
    }
}

impl PathPatterns {
    /// Where every path begins.
    pub(super) const fn root(&self) -> &PatternNode {
        &self.root
    }

    fn add(&mut self, text: &str, line: usize) -> Result<(), PathPatternError> {
        let shortened = |text: &str| text.chars().take(80).collect::<String>();
        let Some(text) = text.strip_prefix('/') else {
            return Err(PathPatternError::Line {
                line,
                found: shortened(text),
            });
        };
        let mut place = &mut self.root;
        for part in text.split('/').filter(|part| !part.is_empty()) {
            if part != "*" && !is_placeholder(part) {
                place = place.names.entry(part.to_owned()).or_default();
                continue;
            }
            let name = if part == "*" { ANY } else { part };
            let (before, next) = place
                .any
                .get_or_insert_with(|| (name.to_owned(), Box::default()));
            if before != name {
                return Err(PathPatternError::TwoNames {
                    line,
                    found: shortened(name),
                    before: before.clone(),
                });
            }
            place = next;
        }
        Ok(())
    }
}

/// Whether a part stands for any name: those of single paths stand for themselves.
fn is_placeholder(part: &str) -> bool {
    const OF_SINGLE_PATHS: [&str; 7] = [
        "{date}", "{token}", "{uuid}", "{number}", "{id}", "{hash}", "{text}",
    ];
    part.len() > 2
        && part.starts_with('{')
        && part.ends_with('}')
        && !OF_SINGLE_PATHS.contains(&part)
}

impl FromStr for PathPatterns {
    type Err = PathPatternError;

    fn from_str(text: &str) -> Result<Self, PathPatternError> {
        let mut patterns = Self::default();
        for (index, line) in text.lines().enumerate() {
            if index >= MOST_PATTERNS {
                return Err(PathPatternError::TooMany);
            }
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                patterns.add(line, index + 1)?;
            }
        }
        Ok(patterns)
    }
}

/// The places of many paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PathTree {
    next: BTreeMap<Box<str>, PathTree>,
    /// Whether the names here are too many, so that one stands for all.
    is_any: bool,
}

impl PathTree {
    /// Adds a group of paths, or what [`Self::encode`] wrote. `most` names of a place are told apart.
    pub(super) fn add(&mut self, group: &str, most: usize) {
        let mut place = self;
        for part in group.split('/').filter(|part| !part.is_empty()) {
            if part == ANY && !place.is_any {
                place.gather(most);
            }
            let name = if place.is_any { ANY } else { part };
            if !place.next.contains_key(name) {
                place.next.insert(name.into(), Self::default());
                if place.next.len() > most {
                    place.gather(most);
                }
            }
            let name = if place.is_any { ANY } else { part };
            match place.next.get_mut(name) {
                Some(next) => place = next,
                None => return,
            }
        }
    }

    /// Puts one placeholder for all names of this place.
    fn gather(&mut self, most: usize) {
        self.is_any = true;
        let mut all = Self::default();
        for next in std::mem::take(&mut self.next).into_values() {
            all.merge(next, most);
        }
        self.next.insert(ANY.into(), all);
    }

    /// Adds the places of another tree.
    pub(super) fn merge(&mut self, mut other: Self, most: usize) {
        if other.is_any && !self.is_any {
            self.gather(most);
        } else if self.is_any && !other.is_any {
            other.gather(most);
        }
        for (name, next) in other.next {
            match self.next.get_mut(&name) {
                Some(known) => known.merge(next, most),
                None => {
                    self.next.insert(name, next);
                }
            }
        }
        if !self.is_any && self.next.len() > most {
            self.gather(most);
        }
    }

    /// The patterns: each path to a place where a placeholder stands, in order.
    pub(super) fn patterns(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.walk(&mut String::new(), &mut |path, place| {
            if place.is_any {
                found.push(format!("{path}/{ANY}"));
            }
        });
        found
    }

    /// Writes the paths that make the same tree, a line each.
    pub(super) fn encode(&self) -> String {
        let mut text = String::new();
        self.walk(&mut String::new(), &mut |path, place| {
            if place.next.is_empty() {
                text.push_str(path);
                text.push('\n');
            }
        });
        text
    }

    fn walk(&self, path: &mut String, visit: &mut impl FnMut(&str, &Self)) {
        visit(path, self);
        for (name, next) in &self.next {
            let length = path.len();
            path.push('/');
            path.push_str(name);
            next.walk(path, visit);
            path.truncate(length);
        }
    }

    /// Bytes held on the heap.
    pub(super) fn heap_size(&self) -> usize {
        let entries = self.next.iter();
        let sizes = entries
            .map(|(name, next)| name.len() + size_of::<(Box<str>, Self)>() + next.heap_size());
        sizes.sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn learned<'a>(paths: impl IntoIterator<Item = &'a str>, most: usize) -> PathTree {
        let mut tree = PathTree::default();
        for path in paths {
            tree.add(path, most);
        }
        tree
    }

    #[test]
    fn places_with_many_names_become_placeholders() {
        let paths = [
            "/blog/how-to/comments",
            "/blog/why/comments",
            "/blog/when/share",
            "/shop/cart",
            "/shop/pay",
        ];
        assert_eq!(learned(paths, 2).patterns(), ["/blog/{any}"]);
        assert!(learned(paths, 3).patterns().is_empty());
        // What stood behind the names stands behind the placeholder, and may be too much as well.
        assert_eq!(
            learned(paths, 1).patterns(),
            ["/{any}", "/{any}/{any}", "/{any}/{any}/{any}"]
        );
    }

    #[test]
    fn patterns_are_followed() {
        let patterns: PathPatterns = "# mine\n\n/blog/{title}/comments\n/blog/new\n/u/*\n/u/{id}/x"
            .parse()
            .unwrap();
        let follow = |names: &[&str]| {
            let mut place = patterns.root();
            let mut found = Vec::new();
            for name in names {
                let Some((placeholder, next)) = place.follow(name) else {
                    break;
                };
                found.push(placeholder.unwrap_or(name).to_owned());
                place = next;
            }
            found.join(" ")
        };
        assert_eq!(
            follow(&["blog", "a", "comments", "b"]),
            "blog {title} comments"
        );
        assert_eq!(follow(&["blog", "new"]), "blog new");
        assert_eq!(follow(&["u", "ann"]), "u {any}");
        assert_eq!(follow(&["u", "{id}", "x"]), "u {id} x");
        assert_eq!(follow(&["other"]), "");
    }

    #[test]
    fn lines_that_are_no_pattern_are_named() {
        let told = |text: &str| text.parse::<PathPatterns>().unwrap_err().to_string();
        insta::assert_snapshot!(told("/a\nblog/x"), @"line 2: expected a pattern such as `/blog/{title}`, found `blog/x`");
        insta::assert_snapshot!(told("/a/{b}/x\n/a/{c}"), @"line 2: `{c}` stands where `{b}` stands in a line before");
    }

    proptest! {
        #[test]
        fn order_and_merging_change_nothing(
            paths in proptest::collection::vec("(/[a-d]){1,4}", 0..60),
            at in 0_usize..60,
            most in 1_usize..5,
        ) {
            let texts = || paths.iter().map(String::as_str);
            let whole = learned(texts(), most);
            prop_assert_eq!(&learned(texts().rev(), most), &whole);
            let (one, other) = paths.split_at(at.min(paths.len()));
            let mut merged = learned(one.iter().map(String::as_str), most);
            let encoded = learned(other.iter().map(String::as_str), most).encode();
            merged.merge(learned(encoded.lines(), most), most);
            prop_assert_eq!(&merged, &whole);
            // No place has more names than are told apart.
            whole.walk(&mut String::new(), &mut |_, place| assert!(place.next.len() <= most));
        }

        #[test]
        fn learned_patterns_can_be_read(paths in proptest::collection::vec("(/[a-z]){1,4}", 0..60)) {
            let patterns = learned(paths.iter().map(String::as_str), 3).patterns();
            prop_assert!(patterns.join("\n").parse::<PathPatterns>().is_ok());
        }
    }
}
