//! A crate as its modules: which file uses which.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::source::{Source, Token, tokens};

/// The files of a crate, without those of tests.
pub(crate) struct Crate {
    files: Vec<File>,
    by_module: BTreeMap<Vec<String>, usize>,
}

/// One file of a crate.
pub(crate) struct File {
    pub(crate) source: Source,
    pub(crate) module: Vec<String>,
    uses: Vec<Use>,
    /// Paths outside `use`.
    paths: Vec<Written>,
    /// Words outside `use`.
    words: HashSet<String>,
}

/// A path as written.
pub(crate) struct Written {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

/// What a `use` brings in.
struct Use {
    path: Written,
    name: String,
    /// Whether others may find it here.
    public: bool,
}

/// A file uses another.
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) line: usize,
}

impl File {
    fn new(source: Source, folder: &str) -> Self {
        let inside = source.path.trim_start_matches(folder).trim_matches('/');
        let mut module: Vec<String> = inside
            .trim_end_matches(".rs")
            .split('/')
            .map(str::to_owned)
            .collect();
        if module.last().is_some_and(|name| name == "mod") || module == ["lib"] {
            module.pop();
        }
        let (mut uses, mut paths, mut words) = (Vec::new(), Vec::new(), HashSet::new());
        let code = source.code.clone();
        let tokens = tokens(&code);
        let mut at = 0;
        while at < tokens.len() {
            let text = |at: usize| tokens.get(at).map_or("", |token: &Token<'_>| token.text);
            // `use<'a>` says what a type captures.
            if text(at) == "use" && text(at + 1) != "<" {
                let public = at > 0 && [")", "pub"].contains(&text(at - 1));
                at += 1;
                use_tree(&tokens, &mut at, &[], public, &mut uses);
                continue;
            }
            words.insert(text(at).to_owned());
            if is_name(text(at)) && (at == 0 || ![".", "::"].contains(&text(at - 1))) {
                let (mut segments, line) = (vec![text(at).to_owned()], tokens[at].line);
                while text(at + 1) == "::" && is_name(text(at + 2)) {
                    at += 2;
                    segments.push(text(at).to_owned());
                    words.insert(text(at).to_owned());
                }
                if segments.len() > 1 {
                    paths.push(Written { segments, line });
                }
            }
            at += 1;
        }
        Self {
            source,
            module,
            uses,
            paths,
            words,
        }
    }

    /// The room that the file is in: a folder or loose file at the top of the crate.
    pub(crate) fn room(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }

    /// Every path, those of `use` included.
    pub(crate) fn written(&self) -> impl Iterator<Item = &Written> {
        let imported = self.uses.iter().map(|one| &one.path);
        imported.chain(&self.paths)
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|sign: char| sign.is_ascii_alphabetic() || sign == '_')
}

/// Reads `a::{b, c::d as e}` from the token at `at` on.
fn use_tree(
    tokens: &[Token<'_>],
    at: &mut usize,
    prefix: &[String],
    public: bool,
    uses: &mut Vec<Use>,
) {
    let mut segments = prefix.to_vec();
    let mut name = None;
    let line = tokens.get(*at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(*at) {
        *at += 1;
        match token.text {
            "::" => {}
            "{" => {
                while tokens.get(*at).is_some_and(|token| token.text != "}") {
                    use_tree(tokens, at, &segments, public, uses);
                    if tokens.get(*at).is_some_and(|token| token.text == ",") {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            "as" => {
                name = tokens.get(*at).map(|token| token.text.to_owned());
                *at += 1;
            }
            "self" if !segments.is_empty() => {}
            text if is_name(text) || text == "*" => segments.push(text.to_owned()),
            _ => {
                *at -= 1;
                break;
            }
        }
    }
    if let Some(last) = segments.last().cloned() {
        uses.push(Use {
            name: name.unwrap_or(last),
            path: Written { segments, line },
            public,
        });
    }
}

impl Crate {
    /// Reads the files of a folder as the modules of a crate.
    pub(crate) fn new(sources: Vec<Source>, folder: &str) -> Self {
        let files = sources.into_iter().map(|source| File::new(source, folder));
        let mut files: Vec<File> = files.collect();
        // A program without a library has its root in `main.rs`.
        if !files.iter().any(|file| file.module.is_empty()) {
            let roots = files.iter_mut().filter(|file| file.module == ["main"]);
            roots.for_each(|file| file.module.clear());
        }
        let tests: Vec<Vec<String>> = files
            .iter()
            .flat_map(|file| {
                let names = file.source.test_modules.iter();
                names.map(|name| [file.module.as_slice(), std::slice::from_ref(name)].concat())
            })
            .collect();
        files.retain(|file| !tests.iter().any(|test| file.module.starts_with(test)));
        let modules = files.iter().enumerate();
        let by_module = modules
            .map(|(at, file)| (file.module.clone(), at))
            .collect();
        Self { files, by_module }
    }

    pub(crate) fn files(&self) -> &[File] {
        &self.files
    }

    /// The room that a path leads into, if it stays in the crate.
    pub(crate) fn room_of(&self, file: &File, path: &Written) -> Option<String> {
        let path = self.absolute(file, &path.segments, 0)?;
        let first = path.first()?;
        if self.by_module.contains_key(&path[..1]) {
            return Some(first.clone());
        }
        let defined = self.defined_in(&path, 0)?;
        Some(self.files[defined].room().to_owned())
    }

    /// A path from the root of the crate; nothing if it leads out of the crate.
    fn absolute(&self, file: &File, path: &[String], depth: usize) -> Option<Vec<String>> {
        let (first, mut rest) = path.split_first()?;
        let mut start = match first.as_str() {
            "crate" => Vec::new(),
            "self" => file.module.clone(),
            "super" => {
                let mut above = file.module.clone();
                above.pop();
                while let Some(more) = rest.strip_prefix(&["super".to_owned()]) {
                    above.pop();
                    rest = more;
                }
                above
            }
            _ => {
                let child = [file.module.as_slice(), std::slice::from_ref(first)].concat();
                let imported = file.uses.iter().find(|one| one.name == *first);
                match imported {
                    _ if self.by_module.contains_key(&child) => child,
                    // A name that stands for itself comes from another crate.
                    Some(one) if depth < 8 && one.path.segments != *path => {
                        self.absolute(file, &one.path.segments, depth + 1)?
                    }
                    _ => return None,
                }
            }
        };
        start.extend_from_slice(rest);
        Some(start)
    }

    /// The file that defines what a path names, re-exports followed; nothing for a module.
    fn defined_in(&self, path: &[String], depth: usize) -> Option<usize> {
        let mut length = 0;
        while length < path.len() && self.by_module.contains_key(&path[..=length]) {
            length += 1;
        }
        let name = path.get(length)?;
        let at = *self.by_module.get(&path[..length])?;
        let file = &self.files[at];
        let found = file
            .uses
            .iter()
            .find(|one| one.name == *name && depth < 8)
            .and_then(|one| self.absolute(file, &one.path.segments, 0))
            .map(|mut found| {
                found.extend_from_slice(&path[length + 1..]);
                found
            })
            .filter(|found| found != path)
            .and_then(|found| self.defined_in(&found, depth + 1));
        Some(found.unwrap_or(at))
    }

    /// Which file uses which, each pair once. What a file only passes on, it does not use.
    pub(crate) fn edges(&self) -> Vec<Edge> {
        let mut edges = BTreeMap::new();
        for (from, file) in self.files.iter().enumerate() {
            let imported = file.uses.iter();
            let used = imported
                .filter(|one| !one.public || file.words.contains(&one.name))
                .map(|one| &one.path);
            for path in used.chain(&file.paths) {
                let target = self.absolute(file, &path.segments, 0);
                let to = target.and_then(|path| self.defined_in(&path, 0));
                if let Some(to) = to.filter(|to| *to != from) {
                    edges.entry((from, to)).or_insert(path.line);
                }
            }
        }
        edges
            .into_iter()
            .map(|((from, to), line)| Edge { from, to, line })
            .collect()
    }

    /// Files that use each other, directly or by others: each circle once, with what closes it.
    pub(crate) fn circles(&self) -> Vec<Circle> {
        let edges = self.edges();
        let mut next = vec![Vec::new(); self.files.len()];
        for edge in &edges {
            next[edge.from].push(edge.to);
        }
        let reached: Vec<BTreeSet<usize>> = (0..self.files.len())
            .map(|start| {
                let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
                while let Some(from) = open.pop() {
                    let new = next[from].iter().filter(|to| seen.insert(**to));
                    open.extend(new);
                }
                seen
            })
            .collect();
        let mut circles = Vec::new();
        let mut done = BTreeSet::new();
        for start in 0..self.files.len() {
            let members: BTreeSet<usize> = reached[start]
                .iter()
                .copied()
                .filter(|other| reached[*other].contains(&start))
                .collect();
            if members.len() < 2 || !done.insert(members.clone()) {
                continue;
            }
            let path = |at: usize| self.files[at].source.path.clone();
            let inside = |edge: &&Edge| members.contains(&edge.from) && members.contains(&edge.to);
            circles.push(Circle {
                files: members.iter().map(|at| path(*at)).collect(),
                uses: edges
                    .iter()
                    .filter(inside)
                    .map(|edge| format!("{}:{} uses {}", path(edge.from), edge.line, path(edge.to)))
                    .collect(),
            });
        }
        circles.sort_by(|one, other| one.files.cmp(&other.files));
        circles
    }
}

/// Files that cannot be read one after the other.
pub(crate) struct Circle {
    /// In order.
    pub(crate) files: Vec<String>,
    /// Which uses which, and where.
    pub(crate) uses: Vec<String>,
}
