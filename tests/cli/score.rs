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
        @""
    );
    insta::assert_snapshot!(work.succeed(&["sql", "DESCRIBE scored_windows"]), @"");
}

#[test]
fn after_its_training_a_detector_is_not_warned_of() {
    let work = Workplace::with_detector();
    let said = work.run(&[
        "score",
        "--since",
        "2026-03-03T18:00:00Z",
        "--out",
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
        "--out",
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
        "SELECT site, window_start, bytes FROM traffic_windows",
    );
    work.write("none.parquet", "no Parquet");
    let out = ["--out", "scored.parquet"];
    let windows = |file| [["--windows", file], out].concat();
    insta::assert_snapshot!(refuse(&work, &["--windows", "windows.parquet"]), @"");
    insta::assert_snapshot!(refuse(&work, &windows("missing.parquet")), @"");
    insta::assert_snapshot!(refuse(&work, &windows("none.parquet")), @"");
    insta::assert_snapshot!(refuse(&work, &windows("other.parquet")), @"");
    insta::assert_snapshot!(
        refuse(&work, &[windows("windows.parquet"), vec!["--series-column", "host"]].concat()),
        @""
    );
    insta::assert_snapshot!(refuse(&work, &["--detector", "gru"]), @"");
    insta::assert_snapshot!(refuse(&work, &["--detector", "lstm@7"]), @"");
    insta::assert_snapshot!(refuse(&work, &["--detector", "lstm@x"]), @"");
    insta::assert_snapshot!(refuse(&work, &["--out", "nowhere/scored.parquet"]), @"");
    insta::assert_snapshot!(refuse(&work, &["--until", "tomorrow"]), @"");
}

#[test]
fn nothing_to_score_or_to_score_with() {
    let work = Workplace::with_windows();
    insta::assert_snapshot!(refuse(&work, &[]), @"");
    insta::assert_snapshot!(Workplace::new().run(&["score"]), @"");
}

#[test]
fn damaged_weights_are_refused() {
    let work = Workplace::with_detector();
    let path = "warehouse/detectors/lstm/1/model.safetensors";
    let mut weights = std::fs::read(work.path().join(path)).unwrap();
    let last = weights.len() - 1;
    weights[last] ^= 1;
    work.write(path, weights);
    // The digests are those of weights, which may differ between processors.
    let said = |text: String| {
        let words: Vec<_> = text
            .split(' ')
            .map(|word| {
                let is_digest = word.trim_end_matches([',', '\n']).len() == 64;
                if is_digest { "DIGEST" } else { word }
            })
            .collect();
        words.join(" ")
    };
    insta::assert_snapshot!(said(refuse(&work, &[])), @"");
    insta::assert_snapshot!(said(work.run(&["detectors", "show", "lstm"])), @"");
    insta::assert_snapshot!(
        said(work.run(&[
            "sql",
            "SELECT lstm_score(window_start, requests) OVER \
             (PARTITION BY site ORDER BY window_start) FROM traffic_windows",
        ])),
        @""
    );
}
