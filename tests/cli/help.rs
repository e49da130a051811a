//! What each command says of itself, and how faulty command lines are met.

use crate::Workplace;

fn help(command: &str) -> String {
    let all = Workplace::new().run(&[command, "--help"]);
    // The global options are the same everywhere.
    let (own, _) = all.split_once("Global options:").unwrap();
    let (_, examples) = all.rsplit_once("Print version\n").unwrap();
    format!("{own}{examples}")
}

#[test]
fn top_level() {
    insta::assert_snapshot!(Workplace::new().run(&["--help"]), @"");
}

#[test]
fn ingest() {
    insta::assert_snapshot!(help("ingest"), @"");
}

#[test]
fn windows() {
    insta::assert_snapshot!(help("windows"), @"");
}

#[test]
fn train() {
    insta::assert_snapshot!(help("train"), @"");
}

#[test]
fn score() {
    insta::assert_snapshot!(help("score"), @"");
}

#[test]
fn sql() {
    insta::assert_snapshot!(help("sql"), @"");
}

#[test]
fn detectors() {
    insta::assert_snapshot!(help("detectors"), @"");
}

#[test]
fn simulate() {
    insta::assert_snapshot!(help("simulate"), @"");
}

#[test]
fn demo() {
    insta::assert_snapshot!(help("demo"), @"");
}

#[test]
fn no_command() {
    let text = Workplace::new().run(&[]);
    assert!(text.ends_with("--- exit 2\n"), "{text}");
}

#[test]
fn unknown_command() {
    insta::assert_snapshot!(Workplace::new().run(&["windos"]), @"");
}

#[test]
fn sizes_and_counts() {
    let work = Workplace::new();
    insta::assert_snapshot!(work.run(&["sql", "SELECT 1", "--memory-limit", "lots"]), @"");
    insta::assert_snapshot!(work.run(&["sql", "SELECT 1", "--threads", "0"]), @"");
    insta::assert_snapshot!(work.run(&["score", "--since", "yesterday"]), @"");
    insta::assert_snapshot!(work.run(&["ingest", "x", "--columns", "time=ts"]), @"");
}
