//! `anomalog simulate`.

use crate::Workplace;

const SMALL: [&str; 6] = ["--days", "1", "--sites", "1", "--scale", "0.05"];

fn simulate(work: &Workplace, arguments: &[&str]) -> String {
    work.run(&[&["simulate"], arguments].concat())
}

#[test]
fn the_same_arguments_write_the_same_bytes() {
    let work = Workplace::new();
    let arguments = |out| [&["--output", out], SMALL.as_slice()].concat();
    insta::assert_snapshot!(simulate(&work, &arguments("a")), @"
    --- stderr
    wrote 4556 requests of 1 sites in 1 files and 1 labelled anomalies to `a`
    ");
    simulate(&work, &arguments("b"));
    let content = |folder| {
        let files = work.files(folder);
        let root = work.path().join(folder);
        files
            .into_iter()
            .map(|(path, content)| (path.strip_prefix(&root).unwrap().to_owned(), content))
            .collect::<Vec<_>>()
    };
    assert!(!content("a").is_empty());
    assert!(content("a") == content("b"), "two runs differ");
    simulate(
        &work,
        &[&arguments("b"), ["--seed", "1"].as_slice()].concat(),
    );
    assert!(content("a") != content("b"), "the seed has no effect");
}

#[test]
fn labels_can_be_read() {
    let work = Workplace::with_logs();
    std::fs::create_dir_all(work.path().join("warehouse/labels")).unwrap();
    std::fs::copy(
        work.path().join("example/labels.parquet"),
        work.path().join("warehouse/labels/labels.parquet"),
    )
    .unwrap();
    insta::assert_snapshot!(
        work.succeed(&["sql", "SELECT site, start, \"end\", kind, metric FROM labels ORDER BY start"]),
        @"
    +------+----------------------+----------------------+---------------------+-------------+
    | site | start                | end                  | kind                | metric      |
    +------+----------------------+----------------------+---------------------+-------------+
    | shop | 2026-03-03T08:22:00Z | 2026-03-03T08:44:00Z | flood               | requests    |
    | shop | 2026-03-03T19:27:00Z | 2026-03-03T20:12:00Z | latency_degradation | latency_p95 |
    +------+----------------------+----------------------+---------------------+-------------+
    "
    );
}

#[test]
fn mistakes_are_explained() {
    let work = Workplace::new();
    std::fs::create_dir(work.path().join("mine")).unwrap();
    work.write("mine/notes.txt", "do not lose this");
    let before = work.files(".");
    insta::assert_snapshot!(simulate(&work, &["--output", "mine"]), @"
    --- stderr
    error: folder `mine` is not empty and was not made by the simulator
    hint: name a new folder, or one that an earlier simulation made, which is replaced
    --- exit 1
    ");
    insta::assert_snapshot!(simulate(&work, &["--output", "new", "--days", "0"]), @"
    --- stderr
    error: invalid value '0' for '--days <N>': 0 is not in 1..=4294967295

    For more information, try '--help'.
    --- exit 2
    ");
    insta::assert_snapshot!(simulate(&work, &["--output", "new", "--scale", "0"]), @"
    --- stderr
    error: `scale` must be from 0.001 to 1000, found `0`
    --- exit 1
    ");
    insta::assert_snapshot!(simulate(&work, &["--output", "new", "--scale", "NaN"]), @"
    --- stderr
    error: `scale` must be from 0.001 to 1000, found `NaN`
    --- exit 1
    ");
    insta::assert_snapshot!(simulate(&work, &["--output", "new", "--start", "2026-13-01"]), @"
    --- stderr
    error: invalid value '2026-13-01' for '--start <DATE>': input is out of range

    For more information, try '--help'.
    --- exit 2
    ");
    insta::assert_snapshot!(simulate(&work, &[]), @"
    --- stderr
    error: the following required arguments were not provided:
      --output <FOLDER>

    Usage: anomalog simulate --output <FOLDER>

    For more information, try '--help'.
    --- exit 2
    ");
    assert_eq!(work.files("."), before, "something was written");
}
