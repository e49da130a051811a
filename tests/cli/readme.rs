//! The README's commands and queries, read from it: they cannot go stale.

use std::path::Path;

use crate::Workplace;

const README: &str = include_str!("../../README.md");

/// The fenced blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    README
        .split(fence.as_str())
        .skip(1)
        .map(|rest| rest.split_once("```").expect("a fence is closed").0)
        .collect()
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

/// Runs an `anomalog …` line of the README; training is cut short.
fn run(work: &Workplace, line: &str) {
    let words = words(line);
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert_eq!(words.remove(0), "anomalog", "{line}");
    if words[0] == "train" || words[0] == "evaluate" {
        words.extend(["--steps", "4"]);
        if !words.contains(&"--from") {
            words.extend(["--hidden", "8"]);
        }
    }
    work.succeed(&words);
}

#[test]
fn quick_start_and_queries() {
    let work = Workplace::new();
    let quick_start = blocks("sh quick-start");
    assert_eq!(quick_start.len(), 1);
    for line in quick_start[0].lines() {
        run(&work, line);
    }
    assert!(work.path().join("scored.parquet").is_file());
    work.write(
        "access.tsv",
        "host\ttime\turl\tresponse\n192.0.2.1\t1772445600\t/a\t200\n",
    );
    work.query_to(
        "requests.parquet",
        "SELECT timestamp AS ts, client_ip, path, status AS code FROM access_logs LIMIT 9",
    );
    work.query_to(
        "metrics.parquet",
        "SELECT site AS host, window_start, requests AS value FROM traffic_windows",
    );
    work.write(
        "series.csv",
        "file,dataset,train_points,vus_window,step_seconds\nshop.parquet,shop,7200,60,60\n",
    );
    work.query_to(
        "shop.parquet",
        "SELECT window_start AS timestamp, requests AS value, \
         window_start BETWEEN '2026-03-07T12:00:00Z' AND '2026-03-07T12:20:00Z' AS label \
         FROM traffic_windows ORDER BY window_start",
    );
    let others = blocks("sh").into_iter().flat_map(str::lines);
    for line in others.filter(|line| line.starts_with("anomalog ")) {
        run(&work, line);
    }
    let queries = blocks("sql");
    assert!(queries.len() >= 4, "the README has queries");
    for query in queries {
        work.succeed(&["sql", query]);
    }
}

#[test]
fn set_up_is_two_commands() {
    let set_up = blocks("sh set-up");
    assert_eq!(
        set_up,
        ["cargo run --release -- demo\ncargo test --release --workspace\n"]
    );
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample/labels.parquet");
    assert!(sample.is_file(), "the demo has its sample");
}
