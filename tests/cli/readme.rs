//! The README and the manual: their commands and queries are run as they stand there, and what they show as output is
//! what comes out. They cannot go stale.
//!
//! What a fenced block is says the line that opens it; `CONTRIBUTING.md` lists the kinds.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use anomalog::job::Job;

use crate::Workplace;

const README: Document = Document {
    path: "README.md",
    text: include_str!("../../README.md"),
};
const GUIDE: Document = Document {
    path: "docs/guide.md",
    text: include_str!("../../docs/guide.md"),
};
const OPERATIONS: Document = Document {
    path: "docs/operations.md",
    text: include_str!("../../docs/operations.md"),
};
const COOKBOOK: Document = Document {
    path: "docs/cookbook.md",
    text: include_str!("../../docs/cookbook.md"),
};
const GLOSSARY: Document = Document {
    path: "docs/glossary.md",
    text: include_str!("../../docs/glossary.md"),
};
const CONTRIBUTING: Document = Document {
    path: "CONTRIBUTING.md",
    text: include_str!("../../CONTRIBUTING.md"),
};

/// The README is a front page that a newcomer finishes; what does not fit belongs to the manual.
const LONGEST_README: usize = 12_000;

/// A document of the repository, by its path from there.
#[derive(Clone, Copy)]
struct Document {
    path: &'static str,
    text: &'static str,
}

/// A fenced block.
struct Block<'a> {
    /// The line of the document that opens it, from 1.
    line: usize,
    /// What stands behind the fence: a language, and what the block is.
    kind: &'a str,
    text: &'a str,
}

impl Block<'_> {
    /// Whether the block says what a command prints, and this is not it.
    ///
    /// # Panics
    /// When a block of this kind shows no output.
    fn differs_from(&self, printed: &str) -> bool {
        let shown = without_ids(self.text);
        let printed = without_ids(printed);
        match self.kind {
            "text excerpt" => {
                let mut lines = printed.lines();
                self.text.is_empty()
                    || !shown
                        .lines()
                        .all(|line| lines.any(|printed| printed == line))
            }
            kind if kind.starts_with("text output") => shown.trim_end() != printed.trim_end(),
            kind => panic!("`{kind}` shows no output"),
        }
    }
}

/// The fenced blocks of a document, in order.
fn blocks(document: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut begin: Option<(usize, &str, usize)> = None;
    let mut offset = 0;
    for (number, line) in document.split_inclusive('\n').enumerate() {
        let next = offset + line.len();
        if let Some(kind) = line.strip_prefix("```") {
            begin = match begin {
                None => Some((number + 1, kind.trim(), next)),
                Some((line, kind, first)) => {
                    let text = &document[first..offset];
                    blocks.push(Block { line, kind, text });
                    None
                }
            };
        }
        offset = next;
    }
    assert!(begin.is_none(), "a fence is open at the end");
    blocks
}

/// A text in which names of runs, which follow from all that they read, are all alike.
fn without_ids(text: &str) -> String {
    let is_hexadecimal =
        |part: &str| part.len() == 16 && part.bytes().all(|b| b.is_ascii_hexdigit());
    let mut rest = text;
    let mut found = String::new();
    while let Some(end) = rest.find(|c: char| !c.is_ascii_alphanumeric()) {
        let (word, after) = rest.split_at(end);
        found.push_str(if is_hexadecimal(word) { "ID" } else { word });
        let separator = after.chars().next().map_or(0, char::len_utf8);
        found.push_str(&after[..separator]);
        rest = &after[separator..];
    }
    found.push_str(if is_hexadecimal(rest) { "ID" } else { rest });
    found
}

/// The words of a command line; quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').expect("a quote is closed"),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

/// Runs an `anomalog …` line of a document, and returns all that it printed; training is cut short.
fn run(work: &Workplace, line: &str) -> String {
    let words = words(line);
    for word in &words {
        make(work, word);
    }
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert_eq!(words.remove(0), "anomalog", "{line}");
    if words[0] == "train" || words[0] == "evaluate" {
        words.extend(["--steps", "4"]);
        if !words.contains(&"--from") && !words.contains(&"gate") {
            words.extend(["--hidden", "8"]);
        }
    }
    succeed(work, &words)
}

/// Runs a command that must succeed, and returns all that it printed.
fn succeed(work: &Workplace, arguments: &[&str]) -> String {
    let output = work.command(arguments).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?} failed: {errors}");
    String::from_utf8(output.stdout).unwrap() + &errors
}

/// Makes a file that a command of the manual reads and that would be a user's own.
fn make(work: &Workplace, name: &str) {
    if work.path().join(name).exists() {
        return;
    }
    match name {
        "access.tsv" => work.write(
            name,
            "host\ttime\turl\tresponse\n192.0.2.1\t1772445600\t/a\t200\n",
        ),
        "requests.parquet" => work.query_to(
            name,
            "SELECT timestamp AS ts, client_ip, path, status AS code FROM access_logs \
             ORDER BY timestamp, client_ip, path LIMIT 9",
        ),
        "metrics.parquet" => work.query_to(
            name,
            "SELECT site AS host, window_start, requests AS value FROM traffic_windows",
        ),
        "series.csv" => {
            let blocks = blocks(GUIDE.text);
            let shown = blocks.iter().find(|block| block.kind == "text series.csv");
            work.write(name, shown.expect("the guide shows a list of series").text);
            work.query_to(
                "shop.parquet",
                "SELECT window_start AS timestamp, requests AS value, \
                 window_start BETWEEN '2026-03-07T12:00:00Z' AND '2026-03-07T12:20:00Z' AS label \
                 FROM traffic_windows ORDER BY window_start",
            );
        }
        _ => {}
    }
}

/// Runs all commands and queries of a document, in order; every output that it shows must be what
/// came out.
fn follow(document: Document) -> Workplace {
    let work = Workplace::new();
    let blocks = blocks(document.text);
    let mut printed: Vec<(&str, String)> = Vec::new();
    let mut differences = String::new();
    let mut compared = 0;
    let mut compare = |block: &Block<'_>, found: &str| {
        compared += 1;
        if block.differs_from(found) {
            let _ = writeln!(
                differences,
                "{}:{}: shown is\n{}\nand what comes out is\n{found}",
                document.path, block.line, block.text
            );
        }
    };
    for block in &blocks {
        match block.kind {
            "sh" => {
                let lines = block.text.lines();
                printed.extend(lines.map(|line| (line, run(&work, line))));
            }
            "sql" => printed.push((block.text, succeed(&work, &["sql", block.text]))),
            "toml job" => {
                let text = format!("[[logs]]\npaths = [\"logs\"]\n\n{}", block.text);
                let job = Job::parse(&text, Path::new("job.toml"), &[]);
                job.unwrap_or_else(|fault| panic!("{}: {fault}", document.path));
            }
            "text output" | "text excerpt" => {
                let (_, found) = printed.last().expect("something was run before");
                compare(block, found);
            }
            "sh set-up" | "sh elsewhere" | "text elsewhere" | "text picture"
            | "text series.csv" | "rust" => {}
            kind => assert!(
                kind.starts_with("text output of "),
                "{}:{}: `{kind}` is no kind of block",
                document.path,
                block.line
            ),
        }
    }
    for block in &blocks {
        if let Some(command) = block.kind.strip_prefix("text output of ") {
            let (_, found) = (printed.iter())
                .find(|(line, _)| *line == command)
                .unwrap_or_else(|| panic!("{} does not run `{command}`", document.path));
            compare(block, found);
        }
    }
    assert!(compared > 0, "{} shows no output", document.path);
    assert!(differences.is_empty(), "{differences}");
    work
}

#[test]
fn the_readme_shows_what_comes_out() {
    follow(README);
    let kinds: Vec<&str> = blocks(README.text).iter().map(|block| block.kind).collect();
    for kind in ["sh", "sql", "text output", "text output of anomalog run"] {
        assert!(kinds.contains(&kind), "the README has no `{kind}`");
    }
    assert!(README.text.len() <= LONGEST_README);
}

#[test]
fn the_guide_shows_what_comes_out() {
    let work = follow(GUIDE);
    assert!(work.path().join("scored.parquet").is_file());
    let blocks = blocks(GUIDE.text);
    let queries = blocks.iter().filter(|block| block.kind == "sql");
    assert!(queries.count() >= 4, "the guide has queries");
}

#[test]
fn the_operations_manual_shows_what_comes_out() {
    follow(OPERATIONS);
}

#[test]
fn the_cookbook_shows_what_comes_out() {
    follow(COOKBOOK);
}

#[test]
fn set_up_is_two_commands() {
    let blocks = blocks(README.text);
    let set_up = blocks.iter().filter(|block| block.kind == "sh set-up");
    let set_up: Vec<&str> = set_up.map(|block| block.text).collect();
    assert_eq!(
        set_up,
        ["cargo run --release -- demo\ncargo test --release --workspace\n"]
    );
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample/labels.parquet");
    assert!(sample.is_file(), "the demo has its sample");
}

#[test]
fn an_output_that_is_not_what_came_out_is_noticed() {
    let text = "Before\n```text excerpt\nb\nrun 0123456789abcdef: c\n```\n\n```text output\n```\n";
    let blocks = blocks(text);
    let [excerpt, output] = &blocks[..] else {
        panic!("{} blocks", blocks.len());
    };
    assert_eq!((excerpt.line, output.line), (2, 7));
    let printed = "a\nb\nrun 0000000000000000: c\n";
    assert!(!excerpt.differs_from(printed));
    assert!(excerpt.differs_from("run 0000000000000000: c\nb\n"));
    assert!(excerpt.differs_from("b\nrun 0000: c\n"));
    assert!(output.differs_from(printed));
    assert!(!output.differs_from(""));
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let words = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = words
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = String::new();
    for Document { path, text } in [README, GUIDE, OPERATIONS, COOKBOOK, GLOSSARY, CONTRIBUTING] {
        let links = text.split("](").skip(1);
        let links = links.map(|link| link.split_once(')').expect("a link is closed").0);
        for link in links.filter(|link| !link.starts_with("https://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => root.join(path),
                _ => root.join(path).with_file_name(file),
            };
            let leads = target.exists()
                && (anchor.is_empty()
                    || std::fs::read_to_string(&target)
                        .is_ok_and(|text| anchors(&text).contains(anchor)));
            if !leads {
                let _ = writeln!(broken, "{path}: `{link}`");
            }
        }
    }
    assert!(broken.is_empty(), "{broken}");
}
