//! The rules on planted sources: what breaks them is found, where it is, and nothing else is.

use super::modules::Crate;
use super::rules;
use super::source::Source;

const FLOORS: &[&[&str]] = &[&["low"], &["high", "beside"], &["main"]];

fn planted(files: &[(&str, &str)]) -> Crate {
    let sources = files.iter().map(|(path, text)| Source::new(path, text));
    Crate::new(sources.collect(), "src")
}

/// A house of three rooms, in which one file is as told.
fn with(path: &str, text: &str) -> Crate {
    let mut files = vec![
        ("src/lib.rs", "pub mod low; pub mod high; pub mod beside;"),
        ("src/main.rs", "fn main() { planted::high::top() }"),
        ("src/low/mod.rs", "mod deep;\npub struct Low;"),
        ("src/low/deep.rs", ""),
        ("src/high/mod.rs", "use crate::low::Low;\npub fn top() {}"),
        ("src/beside/mod.rs", ""),
    ];
    files.retain(|(known, _)| *known != path);
    files.push((path, text));
    planted(&files)
}

/// Where the rules are broken.
fn places(broken: &[String]) -> Vec<&str> {
    let place = |text: &'static str| move |line: &String| line.starts_with(text);
    assert!(broken.iter().all(place("src/")), "{broken:?}");
    let ends = |line: &str| line.find(": ").unwrap_or(line.len());
    broken.iter().map(|line| &line[..ends(line)]).collect()
}

#[test]
fn an_import_of_a_higher_floor_is_found() {
    for (text, line) in [
        ("use crate::high::top;", 1),
        (
            "\nuse crate::{\n    explain,\n    high::{self, top as other},\n};",
            4,
        ),
        ("\nfn f() { crate::high::top() }", 2),
        ("use super::super::high::top;", 1),
        ("\n\nfn f() { super::super::high::top::<u8>() }", 3),
        ("macro_rules! m { () => { $crate::high::top() } }", 1),
        (
            "const A: char = '\"'; fn f<'a>() { crate::high::top() } // '",
            1,
        ),
    ] {
        let broken = rules::floors(&with("src/low/deep.rs", text), FLOORS);
        let place = format!("src/low/deep.rs:{line}");
        assert!(!broken.is_empty(), "{text}");
        assert!(
            places(&broken).iter().all(|found| *found == place),
            "{text}: {broken:?}"
        );
        assert!(broken[0].contains("room `low` uses `high`"), "{broken:?}");
    }
}

#[test]
fn what_is_no_import_is_not_found() {
    for text in [
        "",
        "use crate::low::Low; use super::Low as Same; use std::high::top;",
        "//! See [`crate::high::top`].\n/* crate::high /* crate::high */ crate::high */",
        "const A: &str = \"crate::high\\\" crate::high\"; const B: &str = r#\"\" crate::high\"#;",
        "#[cfg(test)]\nmod tests {\n    use crate::high::top;\n    fn f() { if true {} }\n}\nfn g() {}",
        "#[cfg(test)]\nuse crate::high::{top};\n#[cfg(test)]\nfn f(_: [u8; 2]) { crate::high::top() }",
    ] {
        let broken = rules::floors(&with("src/low/deep.rs", text), FLOORS);
        assert!(broken.is_empty(), "{text}: {broken:?}");
    }
}

#[test]
fn what_follows_a_test_is_read() {
    let text = "#[cfg(test)]\nmod tests {\n    fn f() { if true {} }\n}\nuse crate::high::top;";
    let broken = rules::floors(&with("src/low/deep.rs", text), FLOORS);
    assert_eq!(places(&broken), ["src/low/deep.rs:5"]);
}

#[test]
fn a_file_of_tests_may_use_anything() {
    let text = "#[cfg(test)]\nmod deep;";
    let files = [
        ("src/low/mod.rs", text),
        (
            "src/low/deep.rs",
            "use crate::high::top;\nfn f() { println!() }",
        ),
        ("src/high/mod.rs", ""),
    ];
    let house = planted(&files);
    assert!(
        house
            .files()
            .iter()
            .all(|file| file.source.path != "src/low/deep.rs")
    );
    assert!(rules::floors(&house, &[&["low"], &["high"]]).is_empty());
}

#[test]
fn rooms_of_one_floor_do_not_use_each_other() {
    let broken = rules::floors(&with("src/beside/mod.rs", "use crate::high::top;"), FLOORS);
    assert_eq!(places(&broken), ["src/beside/mod.rs:1"]);
}

#[test]
fn every_room_has_a_floor_and_every_floor_its_rooms() {
    let broken = rules::floors(&with("src/new.rs", ""), FLOORS);
    assert_eq!(places(&broken), ["src/new.rs:1"]);
    let house = with("src/new.rs", "");
    let broken = rules::floors(
        &house,
        &[&["low", "gone"], &["high", "beside"], &["main", "new"]],
    );
    assert_eq!(broken.len(), 1);
    assert!(broken[0].contains("there is no room `gone`"), "{broken:?}");
}

/// Two files of a room.
fn pair(room: &str, one: &str, other: &str) -> Crate {
    planted(&[
        ("src/room/mod.rs", room),
        ("src/room/one.rs", one),
        ("src/room/other.rs", other),
    ])
}

#[test]
fn a_circle_of_two_files_is_found() {
    for (room, one, other) in [
        (
            "mod one; mod other;",
            "use super::other::B;\npub struct A;",
            "use super::one::A;",
        ),
        (
            "",
            "fn f() { crate::room::other::g() }",
            "use crate::room::one;\nfn g() { one::f() }",
        ),
        // By names that the room passes on.
        (
            "pub use one::A;\npub use self::other::B as C;",
            "use super::C;",
            "use super::A;",
        ),
        (
            "pub use one::*;\nuse other::B;",
            "use super::B;",
            "use super::one::{self, A};",
        ),
    ] {
        let broken = rules::circles(&pair(room, one, other));
        let [broken] = broken.as_slice() else {
            panic!("{one} {other}: {broken:?}");
        };
        assert!(
            broken.starts_with("src/room/one.rs src/room/other.rs: "),
            "{broken}"
        );
        assert!(
            broken.contains("src/room/one.rs:1 uses src/room/other.rs"),
            "{broken}"
        );
    }
}

#[test]
fn a_child_of_what_uses_it_is_in_a_circle() {
    let room = "mod one;\npub struct Defined;\nfn f() { one::g() }";
    let broken = rules::circles(&pair(room, "use super::Defined;\npub fn g() {}", ""));
    assert_eq!(broken.len(), 1);
    assert!(
        broken[0].starts_with("src/room/mod.rs src/room/one.rs: "),
        "{broken:?}"
    );
}

#[test]
fn to_declare_and_to_pass_on_is_not_to_use() {
    for room in [
        "mod one; pub mod other; pub use one::A;\npub struct Defined;",
        "mod one;\npub(crate) use one::{A, B};\npub struct Defined;",
    ] {
        let house = pair(
            room,
            "use super::Defined;\npub struct A;",
            "use super::{A, Defined};",
        );
        assert!(house.circles().is_empty(), "{room}");
    }
}

#[test]
fn printing_is_found() {
    for text in [
        "fn f() { println!(\"{}\", 1) }",
        "fn f() { std::eprint!() }",
        "use std::io;use std::fmt; fn f() { io::stderr().lock() }",
        "use std::io::{self, stdout};",
        "fn f() -> indicatif::ProgressBar {}",
    ] {
        let house = with("src/low/deep.rs", text);
        assert_eq!(
            places(&rules::printing(&house, &[])),
            ["src/low/deep.rs:1"],
            "{text}"
        );
        assert!(rules::printing(&house, &["src/low/deep.rs"]).is_empty());
    }
    for text in [
        "// println!()\nconst A: &str = \"println!\";",
        "fn f(command: Command) { command.stdout(1); writeln!(out).println() }",
        "#[cfg(test)]\nmod tests { fn f() { println!() } }",
    ] {
        let broken = rules::printing(&with("src/low/deep.rs", text), &[]);
        assert!(broken.is_empty(), "{text}: {broken:?}");
    }
}

#[test]
fn contexts_are_found() {
    let text = "use datafusion::SessionContext;\nfn f() { SessionContext::new_with_state() }";
    let house = with("src/low/deep.rs", text);
    assert_eq!(
        places(&rules::sessions(&house, &["src/high/"])),
        ["src/low/deep.rs:2"]
    );
    assert!(rules::sessions(&house, &["src/low/"]).is_empty());
}

#[test]
fn unsafe_is_found_and_counted() {
    let text = "// unsafe\n#[expect(unsafe_code)]\nfn f() { unsafe {} }\n#[cfg(test)]\nfn g() { unsafe {} }";
    let sources = [Source::new("src/a.rs", text)];
    let broken = rules::unsafety(&sources, &[], &[]);
    assert_eq!(places(&broken), ["src/a.rs:3", "src/a.rs:5"]);
    let broken = rules::unsafety(&sources, &[], &[("src/a.rs", 1)]);
    assert_eq!(places(&broken), ["src/a.rs:5"]);
    assert!(rules::unsafety(&sources, &["src/"], &[]).is_empty());
    let broken = rules::unsafety(&sources, &[], &[("src/a.rs", 3)]);
    assert!(broken[0].contains("2 `unsafe`"), "{broken:?}");
}

#[test]
fn what_is_allowed_and_gone_is_found() {
    let house = with("src/low/deep.rs", "");
    let sources = [Source::new("src/low/deep.rs", "")];
    for broken in [
        rules::printing(&house, &["src/low/deep.rs", "src/gone.rs"]),
        rules::sessions(&house, &["src/low/", "src/gone.rs"]),
        rules::unsafety(&sources, &["src/low/", "src/gone.rs"], &[]),
        rules::unsafety(&sources, &["src/low/"], &[("src/gone.rs", 1)]),
    ] {
        assert_eq!(places(&broken), ["src/gone.rs"]);
    }
}

#[test]
fn what_is_written_by_debug_is_found() {
    let text = "// {:?}\nfn f() { key.add_text(&format!(\"{entry:?}\")) }\n#[cfg(test)]\nfn g() { \"{:?}\" }";
    let source = Source::new("src/a.rs", text);
    assert_eq!(places(&rules::debugged(&[&source])), ["src/a.rs:2"]);
}

#[test]
fn queries_and_files_are_the_same() {
    let text = "pub enum Query {\n    /// One.\n    OneThing,\n    Other,\n}\n\
        impl Query {\n    const ALL: [Self; 2] = [Self::OneThing, Self::Other];\n\n\
        fn text() { match self {\n    Self::OneThing => include_str!(\"../../queries/one_thing.sql\"),\n    \
        Self::Other => include_str!(\"../../queries/other.sql\"),\n} } }";
    let of = |text: &str, files: &[&str]| {
        let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
        rules::queries(&Source::new("src/queries.rs", text), &files)
    };
    let files = ["one_thing.sql", "other.sql"];
    assert_eq!(of(text, &files), [""; 0]);
    let spare = of(text, &["one_thing.sql", "other.sql", "spare.sql"]);
    assert!(
        spare.len() == 1 && spare[0].starts_with("queries/spare.sql: "),
        "{spare:?}"
    );
    let missing = of(text, &files[..1]);
    assert!(
        missing.len() == 1 && missing[0].starts_with("queries/other.sql: "),
        "{missing:?}"
    );
    let unlisted = of(&text.replace(", Self::Other]", "]"), &files);
    assert!(
        unlisted.len() == 1 && unlisted[0].contains("`Query::ALL` names"),
        "{unlisted:?}"
    );
    let swapped = of(&text.replace("queries/other", "queries/one_thing"), &files);
    assert!(
        swapped.len() == 1 && swapped[0].contains("Self::Other => "),
        "{swapped:?}"
    );
    assert!(!of("", &[]).is_empty());
}

#[test]
fn long_files_are_found() {
    let of = |lines: usize| {
        let tests = "#[cfg(test)]\nmod tests {\n}\n".repeat(100);
        rules::lengths(&[&Source::new("src/a.rs", &("a\n".repeat(lines) + &tests))])
    };
    assert!(of(rules::LONGEST).is_empty());
    assert_eq!(places(&of(501)), ["src/a.rs:500"]);
}

#[test]
fn one_stem_in_two_rooms_is_found() {
    let house = with("src/high/deep.rs", "");
    let broken = rules::stems(&house, &[], &[]);
    assert_eq!(broken.len(), 1);
    assert!(
        broken[0].starts_with("src/high/deep.rs, src/low/deep.rs: "),
        "{broken:?}"
    );
    assert!(rules::stems(&house, &[("deep", "a reason")], &[]).is_empty());
    assert!(rules::stems(&house, &[], &["high"]).is_empty());
    let broken = rules::stems(&house, &[("deep", "a reason"), ("gone", "another")], &[]);
    assert!(
        broken.len() == 1 && broken[0].contains("`gone`"),
        "{broken:?}"
    );
    // A folder is a name too, and one room may have a name twice.
    let house = with("src/high/low.rs", "");
    assert_eq!(rules::stems(&house, &[], &[]).len(), 1);
    assert!(rules::stems(&with("src/low/more/deep.rs", ""), &[], &[]).is_empty());
}
