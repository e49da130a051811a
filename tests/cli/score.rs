//! `anomalog score`.

use crate::Workplace;

/// Refuses to score, and leaves nothing behind.
fn refuse(work: &Workplace, arguments: &[&str]) -> String {
    let before = work.files(".");
    let said = work.run(&[&["score"], arguments].concat());
    assert!(work.files(".") == before, "something was written: {said}");
    said
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_window_is_scored_and_training_ranges_are_named() {
    let work = Workplace::with_detector();
    let said = work.run(&["score"]);
    assert!(said.contains("scored 2880 windows with lstm@1"), "{said}");
    assert!(
        said.contains(
            "warning: 2520 windows lie before 2026-03-03T18:00:00Z, where lstm@1 was trained"
        ),
        "{said}"
    );
    insta::assert_snapshot!(
        work.succeed(&[
            "sql",
            "SELECT count(*) AS windows, count(lstm_score) AS scored, count(gru_score) AS gru, \
             min(lstm_score) >= 0 AND max(lstm_score) < 1 AS in_range, \
             bool_and((lstm_score IS NULL) = (status = 'warmup')) AS told, \
             min(detector) AS detector, min(detector_version) AS version FROM scored_windows",
        ]),
        @"
    +---------+--------+-----+----------+------+----------+---------+
    | windows | scored | gru | in_range | told | detector | version |
    +---------+--------+-----+----------+------+----------+---------+
    | 2880    | 2760   | 0   | true     | true | lstm     | 1       |
    +---------+--------+-----+----------+------+----------+---------+
    "
    );
    insta::assert_snapshot!(work.succeed(&["sql", "DESCRIBE scored_windows"]), @r#"
    +------------------+----------------------+-------------+
    | column_name      | data_type            | is_nullable |
    +------------------+----------------------+-------------+
    | site             | Utf8View             | NO          |
    | window_start     | Timestamp(µs, "UTC") | NO          |
    | requests         | Int64                | YES         |
    | bytes            | Int64                | YES         |
    | client_errors    | Int64                | YES         |
    | server_errors    | Int64                | YES         |
    | unique_clients   | Int64                | YES         |
    | latency_p50      | Float64              | YES         |
    | latency_p95      | Float64              | YES         |
    | is_observed      | Boolean              | NO          |
    | rnn_score        | Float64              | YES         |
    | lstm_score       | Float64              | YES         |
    | gru_score        | Float64              | YES         |
    | clstm_score      | Float64              | YES         |
    | anomaly_score    | Float64              | YES         |
    | is_anomaly       | Boolean              | YES         |
    | severity         | Utf8View             | YES         |
    | direction        | Utf8View             | YES         |
    | expected_value   | Float64              | YES         |
    | lower_bound      | Float64              | YES         |
    | upper_bound      | Float64              | YES         |
    | threshold        | Float64              | YES         |
    | top_metric       | Utf8View             | YES         |
    | status           | Utf8View             | YES         |
    | detector         | Utf8View             | NO          |
    | detector_version | Int32                | NO          |
    | run_id           | Utf8View             | NO          |
    +------------------+----------------------+-------------+
    "#);
}

#[test]
fn after_its_training_a_detector_is_not_warned_of() {
    let work = Workplace::with_detector();
    let said = work.run(&[
        "score",
        "--since",
        "2026-03-03T18:00:00Z",
        "--output",
        "scored.parquet",
    ]);
    assert!(said.contains("scored 360 windows"), "{said}");
    assert!(!said.contains("warning"), "{said}");
    assert!(!work.path().join("warehouse/scored_windows").exists());
}

#[test]
fn scoring_again_replaces_and_changes_nothing() {
    let work = Workplace::with_detector();
    work.succeed(&["score"]);
    let before = work.files("warehouse");
    work.succeed(&["score"]);
    assert!(work.files("warehouse") == before, "scored differently");
    // A part of a day is scored with its whole day; scores do not depend on the range asked for.
    work.succeed(&["score", "--since", "2026-03-03T12:00:00Z", "--threads", "1"]);
    assert!(
        work.files("warehouse") == before,
        "a range scored differently"
    );
}

#[test]
fn windows_outside_the_warehouse() {
    let work = Workplace::with_detector();
    work.query_to(
        "windows.parquet",
        "SELECT site AS host, window_start, requests FROM traffic_windows ORDER BY window_start",
    );
    let summary = json(&work.succeed(&[
        "--json",
        "score",
        "--windows",
        "windows.parquet",
        "--series-column",
        "host",
        "--output",
        "scored.parquet",
    ]));
    assert_eq!(summary["windows"], 2880);
    assert_eq!(summary["detector"], "lstm@1");
    assert_eq!(summary["in_sample"], 2520);
    assert!(work.path().join("scored.parquet").is_file());
    assert!(!work.path().join("warehouse/scored_windows").exists());
}

#[test]
fn mistakes_are_explained() {
    let work = Workplace::with_detector();
    work.query_to(
        "windows.parquet",
        "SELECT site, window_start, requests FROM traffic_windows",
    );
    work.query_to(
        "other.parquet",
        "SELECT 1 AS packets, site, window_start, bytes FROM traffic_windows",
    );
    work.write("none.parquet", "no Parquet");
    let out = ["--output", "scored.parquet"];
    let windows = |file| [["--windows", file], out].concat();
    insta::assert_snapshot!(refuse(&work, &["--windows", "windows.parquet"]), @"
    --- stderr
    error: scores of `--windows` need a file to go to
    hint: name one with `-o FILE`
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &windows("missing.parquet")), @"
    --- stderr
    error: cannot read `missing.parquet`: No such file or directory (os error 2)
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &windows("none.parquet")), @"
    --- stderr
    error: cannot read `none.parquet` as Parquet: parquet error: Invalid Parquet file. Corrupt footer: Parquet error: Parquet error: Invalid Parquet file. Corrupt footer: Parquet error: Invalid Parquet file. Corrupt footer
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &windows("other.parquet")), @"
    --- stderr
    error: no detector reads the columns of these windows: `bytes`, `packets`
    hint: train some with `anomalog train`, or name columns for the shipped ones with `--metrics`
    --- exit 1
    ");
    insta::assert_snapshot!(
        refuse(&work, &[windows("windows.parquet"), vec!["--series-column", "host"]].concat()),
        @"
    --- stderr
    error: `windows.parquet` has no column `host`, only `site`, `window_start`, `requests`
    hint: name the column of the series key with `--series-column`; the time must be `window_start`
    --- exit 1
    "
    );
    insta::assert_snapshot!(refuse(&work, &["--detector", "gru"]), @"
    --- stderr
    error: there is no detector `gru`; there are lstm(requests), shipped for any metrics: pretrained-rnn, pretrained-lstm, pretrained-gru, pretrained-clstm
    hint: `anomalog detectors list` shows them
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["--detector", "lstm@7"]), @"
    --- stderr
    error: there is no detector `lstm@7`; there are lstm(requests), shipped for any metrics: pretrained-rnn, pretrained-lstm, pretrained-gru, pretrained-clstm
    hint: `anomalog detectors list` shows them
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["--detector", "lstm@x"]), @"
    --- stderr
    error: `lstm@x` is not a detector reference, expected `name` or `name@version`
    hint: for example 'lstm', 'lstm@3', or, for windows of 5 minutes, 'pretrained-lstm:5m'
    --- exit 1
    ");
    // No snapshot: the message ends with the name of a temporary file.
    let said = refuse(&work, &["--output", "nowhere/scored.parquet"]);
    assert!(
        said.contains("error: cannot write `nowhere/scored.parquet`: No such file or directory"),
        "{said}"
    );
    insta::assert_snapshot!(refuse(&work, &["--until", "tomorrow"]), @"
    --- stderr
    error: invalid value 'tomorrow' for '--until <TIME>': expected a date, an RFC 3339 time, `today`, `yesterday`, or how long ago, such as `2026-11-01`, `2026-11-01T06:30:00Z`, `24h` or `7d`

    For more information, try '--help'.
    --- exit 2
    ");
}

#[test]
fn nothing_to_score_or_to_score_with() {
    let work = Workplace::with_windows();
    insta::assert_snapshot!(refuse(&work, &["--metrics", "latency"]), @"
    --- stderr
    error: `warehouse/traffic_windows` has no numeric column `latency`, only `bytes`, `client_errors`, `latency_p50`, `latency_p95`, `requests`, `server_errors`, `unique_clients`
    hint: choose metrics with `--metrics`, separated by commas
    --- exit 1
    ");
    insta::assert_snapshot!(Workplace::new().run(&["score"]), @"
    --- stderr
    error: the warehouse `warehouse` has no access logs
    hint: read some with `anomalog ingest FILE…`, or name another warehouse with `--warehouse PATH`
    --- exit 1
    ");
}

#[test]
fn damaged_weights_are_refused() {
    let work = Workplace::with_detector();
    let path = "warehouse/detectors/lstm/1/model.safetensors";
    let mut weights = std::fs::read(work.path().join(path)).unwrap();
    let last = weights.len() - 1;
    weights[last] ^= 1;
    work.write(path, weights);
    let scored = refuse(&work, &[]);
    let queried = work.run(&[
        "sql",
        "SELECT lstm_score(window_start, requests) OVER (PARTITION BY site ORDER BY window_start) \
         FROM traffic_windows",
    ]);
    let shown = work.run(&["detectors", "show", "lstm"]);
    for said in [scored, queried, shown] {
        let (before, rest) = said
            .split_once("its SHA-256 is ")
            .expect("says which digest");
        assert_eq!(
            before,
            "--- stderr\nerror: `warehouse/detectors/lstm/1/model.safetensors` is damaged: "
        );
        let (_, hint) = rest.split_once('\n').expect("gives a hint");
        assert!(
            hint.ends_with(
                "restore the detector's folder from a copy, or train it again\n--- exit 1\n"
            ),
            "{hint}"
        );
    }
}
