//! `anomalog train`.

use crate::Workplace;

const FAST: [&str; 6] = ["--arch", "lstm", "--steps", "4", "--hidden", "8"];

fn train(work: &Workplace, arguments: &[&str]) -> String {
    work.run(&[&["train"], FAST.as_slice(), arguments].concat())
}

/// Refuses to train, and leaves nothing behind.
fn refuse(work: &Workplace, arguments: &[&str]) -> String {
    let before = work.files("warehouse");
    let said = train(work, arguments);
    assert!(
        work.files("warehouse") == before,
        "something was written: {said}"
    );
    said
}

/// Windows of one series per expression: `value` counts the minutes.
fn write_windows(work: &Workplace, name: &str, minutes: u32, series: &[(&str, &str)]) {
    let rows: Vec<_> = series
        .iter()
        .map(|(site, requests)| {
            format!(
                "SELECT '{site}' AS site, \
                 arrow_cast(value * 60000000, 'Timestamp(Microsecond, Some(\"UTC\"))') \
                 AS window_start, CAST({requests} AS DOUBLE) AS requests \
                 FROM (SELECT unnest(generate_series(29500000, {})) AS value)",
                29_499_999 + minutes
            )
        })
        .collect();
    work.query_to(name, &rows.join(" UNION ALL "));
}

#[test]
fn a_detector_comes_out_and_stays_the_same() {
    let work = Workplace::with_windows();
    let first = train(&work, &[]);
    assert!(
        first.contains("trained lstm@1 on requests of 1 series until 2026-03-04T00:00:00Z"),
        "{first}"
    );
    let weights = || {
        let detectors = work.files("warehouse/detectors");
        let weights = detectors
            .into_iter()
            .filter(|(path, _)| path.ends_with("model.safetensors"));
        weights.map(|(_, weights)| weights).collect::<Vec<_>>()
    };
    let before = weights();
    assert_eq!(before.len(), 1);
    train(&work, &["--threads", "1"]);
    assert!(
        weights().iter().all(|weights| *weights == before[0]),
        "the same seed and windows gave other weights"
    );
    train(&work, &["--seed", "1"]);
    assert!(weights().last() != before.last(), "the seed has no effect");
}

#[test]
fn a_budget_of_false_alarms_moves_the_threshold() {
    let work = Workplace::with_windows();
    let anomalies = |name: &str, budget: &[&str]| -> (f64, u64) {
        train(&work, &[&["--name", name], budget].concat());
        let query = |value: &str| {
            work.succeed(&[
                "sql",
                "--format",
                "csv",
                &format!(
                    "SELECT {value} FROM (SELECT anomaly_detect('{name}', window_start, requests) \
                     OVER (PARTITION BY site ORDER BY window_start) AS d FROM traffic_windows)"
                ),
            ])
        };
        let second_line = |text: String| text.lines().nth(1).unwrap().to_owned();
        let threshold = second_line(query("1 - max(d['threshold'])"));
        let count = second_line(query("count(*) FILTER (WHERE d['is_anomaly'])"));
        (threshold.parse().unwrap(), count.parse().unwrap())
    };
    let (rare, calm) = anomalies("calm", &[]);
    let (usual, eager) = anomalies("eager", &["--alarms-per-week", "40"]);
    // An alarm has as many windows at either budget.
    assert!((usual / rare - 40.0).abs() < 1e-6, "{usual} {rare}");
    assert!(eager > calm, "{eager} {calm}");
}

/// Numbers were compared with what JSON made of them, and each run made a new version.
#[test]
fn training_again_makes_no_new_version() {
    let work = Workplace::with_windows();
    train(&work, &[]);
    let before = work.files("warehouse/detectors");
    train(&work, &[]);
    assert!(
        work.files("warehouse/detectors") == before,
        "the same seed and windows made another version"
    );
}

#[test]
fn several_architectures_share_a_name() {
    let work = Workplace::with_windows();
    let summary = work.succeed(&[
        "--json",
        "train",
        "--arch",
        "rnn,gru",
        "--steps",
        "2",
        "--hidden",
        "4",
        "--name",
        "edge",
        "--metrics",
        "requests,server_errors",
    ]);
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let names: Vec<_> = summary["detectors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|detector| detector["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["edge_rnn", "edge_gru"]);
}

#[test]
fn of_too_many_windows_some_series_are_read() {
    let work = Workplace::new();
    let series = ["a", "b", "c"].map(|site| (site, "value % 7"));
    write_windows(&work, "many.parquet", 3000, &series);
    let said = train(&work, &["--windows", "many.parquet", "--max-rows", "6500"]);
    assert!(
        said.contains(
            "read 2 of 3 series, which have 9000 windows in all: `--max-rows` sets how many are \
             read\ntrained lstm@1 on requests of 2 series"
        ),
        "{said}"
    );
}

#[test]
fn an_empty_warehouse_has_nothing_to_learn() {
    let work = Workplace::new();
    insta::assert_snapshot!(refuse(&work, &[]), @"
    --- stderr
    error: the warehouse `warehouse` has no access logs
    hint: read some with `anomalog ingest FILE…`, or name another warehouse with `--warehouse PATH`
    --- exit 1
    ");
}

#[test]
fn mistakes_are_explained() {
    let work = Workplace::with_windows();
    insta::assert_snapshot!(refuse(&work, &["--metrics", "latency"]), @"
    --- stderr
    error: `warehouse/traffic_windows` has no numeric column `latency`, only `bytes`, `client_errors`, `latency_p50`, `latency_p95`, `requests`, `server_errors`, `unique_clients`
    hint: choose metrics with `--metrics`, separated by commas
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["--name", "a/b"]), @"
    --- stderr
    error: `a/b` cannot name a detector: use ASCII letters, digits, `_`, `-` and `.`
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["--name", ".."]), @"
    --- stderr
    error: `..` cannot name a detector: use ASCII letters, digits, `_`, `-` and `.`
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["--until", "1.1.2026"]), @"
    --- stderr
    error: invalid value '1.1.2026' for '--until <TIME>': expected a date, an RFC 3339 time, `today`, `yesterday`, or how long ago, such as `2026-11-01`, `2026-11-01T06:30:00Z`, `24h` or `7d`

    For more information, try '--help'.
    --- exit 2
    ");
    insta::assert_snapshot!(refuse(&work, &["--until", "2026-03-02T03:00:00Z"]), @"
    --- stderr
    error: too little data to train: 72 windows in the calibration range, at least 500 are needed
    hint: ingest more history (a day of one site at 1 minute is just enough, 500 windows are kept for calibration alone), move `--until`, or use a shorter `--step`
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["--until", "1990-01-01"]), @"
    --- stderr
    error: no series can be learned from: there are no rows
    hint: check `SELECT site, count(*), min(requests), max(requests) FROM traffic_windows GROUP BY site`
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["--windows", "missing.parquet"]), @"
    --- stderr
    error: cannot read `missing.parquet`: No such file or directory (os error 2)
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["--series-column", "host"]), @"
    --- stderr
    error: the following required arguments were not provided:
      --windows <FILE|FOLDER>

    Usage: anomalog train --windows <FILE|FOLDER> --arch <NAME> --steps <N> --hidden <N> --series-column <NAME>

    For more information, try '--help'.
    --- exit 2
    ");
}

#[test]
fn windows_that_cannot_be_learned_from() {
    let work = Workplace::new();
    write_windows(&work, "constant.parquet", 3000, &[("a", "7")]);
    write_windows(&work, "missing.parquet", 3000, &[("a", "NULL")]);
    write_windows(&work, "short.parquet", 100, &[("a", "value % 7")]);
    write_windows(
        &work,
        "two.parquet",
        3000,
        &[("a", "value % 7"), ("a", "value % 7")],
    );
    work.query_to(
        "text.parquet",
        "SELECT 'a' AS site, 'x' AS window_start, 1 AS requests",
    );
    work.write("none.parquet", "no Parquet");
    insta::assert_snapshot!(refuse(&work, &["--windows", "constant.parquet"]), @"
    --- stderr
    error: no series can be learned from: `a` is constant in the fit range
    hint: check `SELECT site, count(*), min(requests), max(requests) FROM traffic_windows GROUP BY site`
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["--windows", "missing.parquet"]), @"
    --- stderr
    error: no series can be learned from: `a` has no values in the fit range
    hint: check `SELECT site, count(*), min(requests), max(requests) FROM traffic_windows GROUP BY site`
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["--windows", "short.parquet"]), @"
    --- stderr
    error: too little data to train: 40 windows in the calibration range, at least 500 are needed
    hint: ingest more history (a day of one site at 1 minute is just enough, 500 windows are kept for calibration alone), move `--until`, or use a shorter `--step`
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["--windows", "two.parquet"]), @"
    --- stderr
    error: series `a` cannot be read: two rows fall into the window that starts at 2026-02-02T02:40:00Z
    hint: give one row per series and window: is the series key missing from `PARTITION BY`?
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["--windows", "text.parquet"]), @"
    --- stderr
    error: column `window_start` of `text.parquet` must be a timestamp, found Utf8View
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["--windows", "none.parquet"]), @"
    --- stderr
    error: cannot read `none.parquet` as Parquet: parquet error: Invalid Parquet file. Corrupt footer: Parquet error: Parquet error: Invalid Parquet file. Corrupt footer: Parquet error: Invalid Parquet file. Corrupt footer
    --- exit 1
    ");
    insta::assert_snapshot!(
        refuse(&work, &["--windows", "short.parquet", "--series-column", "host"]),
        @"
    --- stderr
    error: `short.parquet` has no column `host`, only `site`, `window_start`, `requests`
    hint: name the column of the series key with `--series-column`; the time must be `window_start`
    --- exit 1
    "
    );
}

#[test]
fn what_can_be_learned_from_is() {
    let work = Workplace::new();
    write_windows(
        &work,
        "windows.parquet",
        3000,
        &[
            ("constant", "7"),
            ("missing", "NULL"),
            ("useful", "value * value % 97"),
        ],
    );
    let said = train(&work, &["--windows", "windows.parquet"]);
    let (skipped, trained) = said.split_once("trained ").unwrap();
    insta::assert_snapshot!(skipped, @"
    --- stderr
    left out series `constant`: it is constant in the fit range
    left out series `missing`: it has no values in the fit range
    ");
    assert!(
        trained.starts_with("lstm@1 on requests of 1 series"),
        "{said}"
    );
}
