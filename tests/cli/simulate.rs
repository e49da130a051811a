//! `anomalog simulate`.

use crate::Workplace;

const SMALL: [&str; 6] = ["--days", "1", "--sites", "1", "--scale", "0.05"];

fn simulate(work: &Workplace, arguments: &[&str]) -> String {
    work.run(&[&["simulate"], arguments].concat())
}

#[test]
fn the_same_arguments_write_the_same_bytes() {
    let work = Workplace::new();
    let arguments = |out| [&["--out", out], SMALL.as_slice()].concat();
    insta::assert_snapshot!(simulate(&work, &arguments("a")), @"");
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
        @""
    );
}

#[test]
fn mistakes_are_explained() {
    let work = Workplace::new();
    std::fs::create_dir(work.path().join("mine")).unwrap();
    work.write("mine/notes.txt", "do not lose this");
    let before = work.files(".");
    insta::assert_snapshot!(simulate(&work, &["--out", "mine"]), @"");
    insta::assert_snapshot!(simulate(&work, &["--out", "new", "--days", "0"]), @"");
    insta::assert_snapshot!(simulate(&work, &["--out", "new", "--scale", "0"]), @"");
    insta::assert_snapshot!(simulate(&work, &["--out", "new", "--scale", "NaN"]), @"");
    insta::assert_snapshot!(simulate(&work, &["--out", "new", "--start", "2026-13-01"]), @"");
    insta::assert_snapshot!(simulate(&work, &[]), @"");
    assert_eq!(work.files("."), before, "something was written");
}
