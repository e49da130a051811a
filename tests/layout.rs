//! The rules of the house, held by tests that read its source as text.
//!
//! They use nothing but the standard library, so that they compile in a second:
//!
//! ```text
//! CARGO_MANIFEST_DIR=$PWD rustc --edition 2024 --test tests/layout.rs -o /tmp/layout && /tmp/layout
//! ```

// In a folder, so that they are no test binaries of their own.
#[path = "layout/modules.rs"]
mod modules;
#[path = "layout/planted.rs"]
mod planted;
#[path = "layout/rules.rs"]
mod rules;
#[path = "layout/source.rs"]
mod source;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use modules::Crate;
use source::{Source, names, read_all};

/// The rooms of `src/`. Each line may use the lines above it, and nothing else of the crate: neither
/// lines below nor rooms beside it.
const FLOORS: &[&[&str]] = &[
    &["explain", "progress", "schema", "process"],
    &["units", "simulation", "measures"],
    &["warehouse"],
    &["logs", "calendar"],
    &["functions"],
    &["session", "incremental"],
    &["windows", "training", "detectors", "incidents", "export"],
    &["scores", "intake", "evaluation", "report"],
    &["job", "cli"],
    &["commands"],
    &["main"],
];

/// The same of the engine.
const ENGINE: &[&[&str]] = &[
    &["series", "version"],
    &["evidence", "features", "network"],
    &["baseline"],
    &["forecast"],
    &["detector"],
    &["score"],
    &["fixture"],
];

/// Files beside the rooms of `src/`.
const LOOSE: [&str; 6] = [
    "explain.rs",
    "lib.rs",
    "main.rs",
    "process.rs",
    "progress.rs",
    "schema.rs",
];

/// Names that files of several rooms have, and why they are one layer of each.
const STEMS: &[(&str, &str)] = &[
    ("error", "the faults of a room"),
    ("calendar", "what is planned, and where a job says so"),
    ("dates", "days as such, and as a summary tells them"),
    ("detectors", "the room, and its table in an export"),
    (
        "incidents",
        "the room, and the SQL functions that its queries need",
    ),
    (
        "labelled",
        "scores with labels, and windows with labels to learn from",
    ),
    ("labels", "labels that are read, made up, and learned from"),
    ("lines", "lines of logs, read and written"),
    (
        "linked",
        "links to Parquet logs, and the requests behind them",
    ),
    ("measures", "the room, and the SQL aggregates over it"),
    (
        "publish",
        "logs and tables, each taking their names at once",
    ),
    (
        "report",
        "the page on what happened, and what an evaluation says",
    ),
    ("requests", "requests of incidents, and with their series"),
    (
        "rows",
        "rows of logs as they are written, rows of small tables and of labelled series as they are read",
    ),
    (
        "results",
        "what queries give, and what candidates reach on series",
    ),
    ("run", "an evaluation, and the row of a run"),
    (
        "scores",
        "the room, and the file of scores that an evaluation writes",
    ),
    (
        "settings",
        "how windows are cut, how they are scored, how a detector is trained",
    ),
    ("source", "where logs come from, and how one is opened"),
    ("state", "what an export has, and where reading stands"),
    ("step", "the step of a room, and what a step is"),
    ("summary", "what was done, of each room in its own figures"),
    (
        "tables",
        "tables as files, as queries read them, and as people do",
    ),
];

/// Rooms whose files are named after the rooms that they speak for.
const NAMED_AFTER_OTHERS: [&str; 2] = ["cli", "commands"];

/// Folders whose business `unsafe` is.
const KERNELS: [&str; 1] = ["udfs/kernels/"];

/// Files that have `unsafe` besides, and how often.
const UNSAFE: &[(&str, usize)] = &[
    // Settings of the system, the allocator and the environment, before there are threads; and the test
    // of them.
    ("src/process.rs", 5),
    ("src/main.rs", 1),
    ("lab/src/main.rs", 1),
];

/// The crates there are, by their folders. That no crate uses the lab is held by Cargo: the lab uses
/// them all, so that it would be a circle.
static HOUSES: LazyLock<BTreeMap<&str, Crate>> = LazyLock::new(|| {
    [
        "lab/src",
        "src",
        "udfs/engine/src",
        "udfs/kernels/src",
        "udfs/src",
    ]
    .into_iter()
    .map(|folder| (folder, Crate::new(read_all(root(), folder), folder)))
    .collect()
});

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The crate of the program.
fn program() -> &'static Crate {
    &HOUSES["src"]
}

fn sources(house: &Crate) -> Vec<&Source> {
    house.files().iter().map(|file| &file.source).collect()
}

fn hold(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn rooms_use_lower_floors_only() {
    let mut broken = rules::floors(program(), FLOORS);
    broken.extend(rules::floors(&HOUSES["udfs/engine/src"], ENGINE));
    hold(&broken);
}

#[test]
fn files_use_each_other_in_no_circle() {
    let broken = HOUSES.values().flat_map(rules::circles);
    hold(&broken.collect::<Vec<_>>());
}

#[test]
fn only_the_printer_prints() {
    // The output of a hook goes where messages go: the stream is passed on, nothing is written to it.
    let allowed = ["src/cli/printer.rs", "src/job/tell/hook.rs"];
    let product = HOUSES.iter().filter(|(folder, _)| **folder != "lab/src");
    let broken = product.flat_map(|(folder, house)| match *folder {
        "src" => rules::printing(house, &allowed),
        _ => rules::printing(house, &[]),
    });
    hold(&broken.collect::<Vec<_>>());
}

#[test]
fn only_the_session_makes_contexts() {
    hold(&rules::sessions(program(), &["src/session/"]));
    hold(&rules::sessions(&HOUSES["lab/src"], &[]));
}

#[test]
fn only_kernels_are_unsafe() {
    let folders = ["src", "udfs", "lab"].into_iter();
    let sources = folders.flat_map(|folder| read_all(root(), folder));
    hold(&rules::unsafety(
        &sources.collect::<Vec<_>>(),
        &KERNELS,
        UNSAFE,
    ));
}

#[test]
fn nothing_is_written_by_debug() {
    hold(&rules::debugged(&sources(program())));
}

#[test]
fn queries_are_the_files_of_their_folder() {
    let found = sources(program())
        .into_iter()
        .find(|source| source.path == "src/session/query.rs");
    let source = found.expect("src/session/query.rs has the queries");
    hold(&rules::queries(source, &names(&root().join("queries"))));
}

#[test]
fn no_file_is_long() {
    let sources: Vec<&Source> = HOUSES.values().flat_map(sources).collect();
    hold(&rules::lengths(&sources));
}

#[test]
fn one_name_is_for_one_thing() {
    hold(&rules::stems(program(), STEMS, &NAMED_AFTER_OTHERS));
}

#[test]
fn few_files_lie_beside_the_rooms() {
    let loose: Vec<String> = names(&root().join("src"))
        .into_iter()
        .filter(|name| root().join("src").join(name).is_file())
        .collect();
    assert_eq!(
        loose, LOOSE,
        "\nfiles right in src/: put a new one into a room, or into LOOSE of tests/layout.rs in place \
         of another\n"
    );
}
