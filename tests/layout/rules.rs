//! The rules. Each returns what breaks it: the file and line, what is wrong, and what to do.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::Crate;
use super::source::{Source, line_of, tokens};

/// Lines of a file without its tests.
pub(crate) const LONGEST: usize = 500;

/// Rooms use lower floors only, and none beside them.
pub(crate) fn floors(house: &Crate, floors: &[&[&str]]) -> Vec<String> {
    let floor = |room: &str| floors.iter().position(|rooms| rooms.contains(&room));
    let mut broken = Vec::new();
    for file in house.files().iter().filter(|file| file.room() != "lib") {
        let (path, room) = (&file.source.path, file.room());
        let Some(own) = floor(room) else {
            broken.push(format!(
                "{path}:1: room `{room}` is on no floor; name it in FLOORS of tests/layout.rs, \
                 below all that use it"
            ));
            continue;
        };
        for written in file.written() {
            let used = house.room_of(file, written);
            let Some(used) = used.filter(|used| *used != room && used != "lib") else {
                continue;
            };
            if floor(&used).is_none_or(|used| used >= own) {
                broken.push(format!(
                    "{path}:{}: room `{room}` uses `{used}` by `{}`, which is no lower floor; move \
                     what both need down, or take it as an argument",
                    written.line,
                    written.segments.join("::")
                ));
            }
        }
    }
    let rooms: BTreeSet<&str> = house
        .files()
        .iter()
        .map(super::modules::File::room)
        .collect();
    for room in floors.iter().copied().flatten() {
        if !rooms.contains(room) {
            broken.push(format!(
                "FLOORS of tests/layout.rs: there is no room `{room}`; take it off the list"
            ));
        }
    }
    broken
}

/// No files use each other in a circle.
pub(crate) fn circles(house: &Crate) -> Vec<String> {
    let circles = house.circles().into_iter();
    let broken = circles.map(|circle| {
        format!(
            "{}: these files use each other in a circle; move what both sides need into a file of \
             its own:\n    {}",
            circle.files.join(" "),
            circle.uses.join("\n    ")
        )
    });
    broken.collect()
}

/// Only the printer writes to the terminal; the allowed files are there.
pub(crate) fn printing(house: &Crate, allowed: &[&str]) -> Vec<String> {
    const MACROS: [&str; 5] = ["print", "println", "eprint", "eprintln", "dbg"];
    let mut broken = stale(house_sources(house), allowed);
    for file in house.files() {
        let path = &file.source.path;
        if allowed.contains(&path.as_str()) {
            continue;
        }
        let mut found = Vec::new();
        for pair in tokens(&file.source.code).windows(2) {
            if MACROS.contains(&pair[0].text) && pair[1].text == "!" {
                found.push((pair[0].line, format!("{}!", pair[0].text)));
            }
        }
        for written in file.written() {
            let segments: Vec<&str> = written.segments.iter().map(String::as_str).collect();
            let stream = matches!(segments.as_slice(), [.., "io", "stdout" | "stderr"]);
            if stream || segments[0] == "indicatif" {
                found.push((written.line, segments.join("::")));
            }
        }
        broken.extend(found.into_iter().map(|(line, what)| {
            format!(
                "{path}:{line}: `{what}` writes to the terminal; return the text, tell a `Progress`, \
                 or hand it to src/cli/printer.rs"
            )
        }));
    }
    broken
}

/// Only `session` makes contexts of DataFusion; the allowed folders are there.
pub(crate) fn sessions(house: &Crate, allowed: &[&str]) -> Vec<String> {
    let made = words(house, allowed, |one, next, last| {
        one == "SessionStateBuilder"
            || (one == "SessionContext" && next == "::" && last.starts_with("new"))
    });
    let mut broken = stale(house_sources(house), allowed);
    broken.extend(made.map(|(place, word)| {
        format!("{place}: `{word}` makes a context of its own; take a `Session` as an argument")
    }));
    broken
}

fn house_sources(house: &Crate) -> impl Iterator<Item = &Source> {
    house.files().iter().map(|file| &file.source)
}

/// Allowed folders and files that there are none of any more.
fn stale<'a>(sources: impl Iterator<Item = &'a Source>, allowed: &[&str]) -> Vec<String> {
    let paths: Vec<&str> = sources.map(|source| source.path.as_str()).collect();
    let gone = allowed
        .iter()
        .filter(|allowed| !paths.iter().any(|path| path.starts_with(**allowed)));
    gone.map(|gone| format!("{gone}: there is no such source; take it off tests/layout.rs"))
        .collect()
}

/// Where three words in a row are as told, outside the folders and files that may have them.
fn words<'a>(
    house: &'a Crate,
    allowed: &'a [&str],
    wanted: impl Fn(&str, &str, &str) -> bool,
) -> impl Iterator<Item = (String, String)> {
    house_sources(house)
        .filter(|source| {
            !allowed
                .iter()
                .any(|allowed| source.path.starts_with(allowed))
        })
        .flat_map(move |source| {
            let tokens = tokens(&source.code);
            let hits = tokens
                .windows(3)
                .filter(|three| wanted(three[0].text, three[1].text, three[2].text));
            hits.map(|three| {
                (
                    format!("{}:{}", source.path, three[0].line),
                    three[0].text.to_owned(),
                )
            })
            .collect::<Vec<_>>()
        })
}

/// `unsafe` stands where it may, as often as it may, and where it may there are sources; tests are no
/// exception.
pub(crate) fn unsafety(
    sources: &[Source],
    folders: &[&str],
    files: &[(&str, usize)],
) -> Vec<String> {
    let allowed: Vec<&str> = files.iter().map(|(file, _)| *file).collect();
    let mut broken = stale(sources.iter(), &[folders, &allowed].concat());
    for source in sources {
        let path = &source.path;
        if folders.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        let known = files.iter().find(|(file, _)| file == path);
        let known = known.map_or(0, |(_, times)| *times);
        let tokens = tokens(&source.with_tests);
        let found = tokens.iter().filter(|token| token.text == "unsafe");
        let lines: Vec<usize> = found.map(|token| token.line).collect();
        if lines.len() < known {
            broken.push(format!(
                "{path}: {} `unsafe`, fewer than UNSAFE of tests/layout.rs says; lower it",
                lines.len()
            ));
        }
        broken.extend(lines.iter().skip(known).map(|line| {
            format!(
                "{path}:{line}: `unsafe` is for the kernels; write it in safe Rust, or move it there \
                 with a `// SAFETY:`"
            )
        }));
    }
    broken
}

/// Nothing is written by `Debug`: keys and tables hash what is written, and a dependency may show
/// its values otherwise from one version to the next.
pub(crate) fn debugged(sources: &[&Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources {
        let (path, text) = (&source.path, &source.with_strings);
        let plain = text.match_indices(":?}");
        broken.extend(plain.chain(text.match_indices(":#?}")).map(|(at, _)| {
            format!(
                "{path}:{}: `{{:?}}` outside tests; write the value by `Display`, or give it to a \
                 key by `Key::value`",
                line_of(text, at)
            )
        }));
    }
    broken
}

/// Every query is a file of `queries/`, and every file a query.
pub(crate) fn queries(source: &Source, files: &[String]) -> Vec<String> {
    let path = &source.path;
    let after = |start: &str, end: &str| {
        let from = source.code.split_once(start);
        from.and_then(|(_, rest)| rest.split_once(end))
            .map_or("", |(inside, _)| inside)
    };
    let names = |text: &str| -> Vec<String> {
        let names = tokens(text).into_iter().map(|token| token.text.to_owned());
        names
            .filter(|name| name.starts_with(char::is_uppercase) && name != "Self")
            .collect()
    };
    let variants = names(after("enum Query {", "}"));
    let all = names(
        after("const ALL:", ";\n\n")
            .split_once('=')
            .map_or("", |(_, list)| list),
    );
    let mut broken = Vec::new();
    if variants.is_empty() {
        broken.push(format!(
            "{path}:1: there is no `enum Query`; tell tests/layout.rs where it is"
        ));
    }
    if variants != all {
        broken.push(format!(
            "{path}: `Query::ALL` names {all:?}, the variants are {variants:?}; name each once, in \
             their order"
        ));
    }
    let wanted: BTreeSet<String> = variants.iter().map(|name| snake(name) + ".sql").collect();
    let there: BTreeSet<String> = files.iter().cloned().collect();
    for missing in wanted.difference(&there) {
        broken.push(format!(
            "queries/{missing}: the file of a variant of `Query` is missing; write it"
        ));
    }
    for spare in there.difference(&wanted) {
        broken.push(format!(
            "queries/{spare}: no variant of `Query` is named so; add it to {path}"
        ));
    }
    for (at, name) in variants.iter().enumerate() {
        let arm = format!(
            "Self::{name} => include_str!(\"../../queries/{}.sql\")",
            snake(name)
        );
        if !source.with_strings.contains(&arm) {
            broken.push(format!(
                "{path}: variant {at} of `Query` has another text; write `{arm}`"
            ));
        }
    }
    broken
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for sign in name.chars() {
        if sign.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(sign.to_lowercase());
    }
    out
}

/// No file is long.
pub(crate) fn lengths(sources: &[&Source]) -> Vec<String> {
    let long = sources.iter().filter(|source| source.lines > LONGEST);
    let broken = long.map(|source| {
        format!(
            "{}:{LONGEST}: {} lines without tests, more than {LONGEST}; split it",
            source.path, source.lines
        )
    });
    broken.collect()
}

/// One name is for one thing: files of different rooms have different stems.
pub(crate) fn stems(
    house: &Crate,
    allowed: &[(&str, &str)],
    named_after_others: &[&str],
) -> Vec<String> {
    let mut rooms: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for file in house.files().iter().filter(|file| file.room() != "lib") {
        if !named_after_others.contains(&file.room()) {
            let places = rooms.entry(file.source.stem()).or_default();
            places.entry(file.room()).or_insert(&file.source.path);
        }
    }
    let mut broken = Vec::new();
    for (stem, places) in &rooms {
        let allowed = allowed.iter().any(|(name, _)| name == stem);
        if places.len() > 1 && !allowed {
            let places: Vec<&str> = places.values().copied().collect();
            broken.push(format!(
                "{}: files of one name in different rooms; rename all but one, or say in STEMS of \
                 tests/layout.rs why they are the same layer",
                places.join(", ")
            ));
        }
    }
    for (stem, _) in allowed {
        if rooms.get(stem).is_none_or(|places| places.len() < 2) {
            broken.push(format!(
                "STEMS of tests/layout.rs: `{stem}` is not in two rooms any more; take it off the list"
            ));
        }
    }
    broken
}
