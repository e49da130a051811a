//! `anomalog evaluate`.

use std::path::PathBuf;

use serde_json::Value;

use crate::Workplace;

/// Cheap detectors for tests.
const FAST: [&str; 4] = ["--steps", "4", "--hidden", "8"];

/// A made-up series of a collection.
struct Made {
    file: &'static str,
    step_seconds: u32,
    rows: u32,
    train_points: u32,
    /// Day of the first row, counted from the epoch: series with labels at the same times look alike.
    first_day: u32,
    /// SQL over `i`, the row, and `spike`, whether it is one.
    value: &'static str,
    label: &'static str,
}

/// A daily wave with noise and nine labelled spikes, the first three in the training range.
const WAVE: Made = Made {
    file: "wave.parquet",
    step_seconds: 60,
    rows: 4_500,
    train_points: 2_000,
    first_day: 0,
    value: "100 + 20 * sin(i / 229.2) + (i * i * 31 + i * 7919) % 1009 / 100.0 \
            + CASE WHEN spike THEN 60 ELSE 0 END",
    label: "spike",
};

/// Another, of five-minute windows.
const SLOW: Made = Made {
    file: "slow.parquet",
    step_seconds: 300,
    value: "50 + 9 * cos(i / 45.8) + (i * i * 17 + i * 104729) % 997 / 150.0 \
            + CASE WHEN spike THEN 25 ELSE 0 END",
    ..WAVE
};

/// A third, four weeks later: times of day and week are the same.
const SAW: Made = Made {
    file: "saw.parquet",
    first_day: 28,
    value: "300 + i % 720 / 10.0 + (i * i * 13 + i * 15485863) % 1013 / 90.0 \
            - CASE WHEN spike THEN 120 ELSE 0 END",
    ..WAVE
};

impl Workplace {
    /// Writes `series.csv` and the files of its series into a folder of the workplace.
    fn write_collection(&self, folder: &str, series: &[Made]) {
        std::fs::create_dir_all(self.path().join(folder)).unwrap();
        let mut list = "file,dataset,train_points,vus_window,step_seconds\n".to_owned();
        for made in series {
            list.push_str(&format!(
                "{},made-up,{},20,{}\n",
                made.file, made.train_points, made.step_seconds
            ));
            let query = format!(
                "SELECT arrow_cast((86400 * {} + i * {}) * 1000000, 'Timestamp(Microsecond, None)') AS timestamp, \
                 CAST({} AS DOUBLE) AS value, CAST({} AS INT) AS label \
                 FROM (SELECT value AS i, value % 500 BETWEEN 450 AND 453 AS spike \
                       FROM (SELECT unnest(generate_series(0, {})) AS value)) ORDER BY i",
                made.first_day,
                made.step_seconds,
                made.value,
                made.label,
                made.rows - 1
            );
            self.query_to(&format!("{folder}/{}", made.file), &query);
        }
        self.write(&format!("{folder}/series.csv"), list);
    }

    fn evaluate(&self, arguments: &[&str]) -> String {
        let series = ["evaluate", "--series", "made/series.csv"];
        self.run(&[series.as_slice(), arguments].concat())
    }

    fn evaluate_json(&self, arguments: &[&str]) -> Value {
        let series = ["evaluate", "--series", "made/series.csv", "--json"];
        serde_json::from_str(&self.succeed(&[series.as_slice(), arguments].concat())).unwrap()
    }
}

fn with_collection(series: &[Made]) -> Workplace {
    let work = Workplace::new();
    work.write_collection("made", series);
    work
}

/// Seconds and rows a second differ from run to run.
fn without_cost(text: &str) -> String {
    let (before, rest) = text.split_once("made-up: cost").unwrap();
    let (_, footnote) = rest.split_once("made-up: footnote").unwrap();
    format!("{before}made-up: footnote{footnote}")
}

#[test]
fn floors_as_text_and_markdown() {
    let work = with_collection(&[WAVE, SAW]);
    let floors = ["--detectors", "difference,median-11"];
    insta::assert_snapshot!(without_cost(&work.evaluate(&floors)), @"
    Means over series, with 90 % bootstrap intervals over series; scores as they are; thresholds from the training range for a budget of false alarms a week of 1; seeds 0.

    made-up: ranking
    detector    protocol  series  VUS-PR                VUS-ROC               AUC-PR                AUC-ROC
    ──────────  ────────  ──────  ────────────────────  ────────────────────  ────────────────────  ────────────────────
    difference  floor     2       0.407 [0.40, 0.41]    0.881 [0.88, 0.88]    0.147 [0.12, 0.18]    0.676 [0.67, 0.68]
    median-11   floor     2       0.987 [0.99, 0.99] *  1.000 [1.00, 1.00] *  1.000 [1.00, 1.00] *  1.000 [1.00, 1.00] *

    made-up: alarms
    detector    protocol  series  event recall        false alarms a week  false incidents a week  delay in windows
    ──────────  ────────  ──────  ──────────────────  ───────────────────  ──────────────────────  ────────────────
    difference  floor     2       0.000 [0.00, 0.00]  0.000 [0.00, 0.00]   0.000 [0.00, 0.00]      –
    median-11   floor     2       0.000 [0.00, 0.00]  0.000 [0.00, 0.00]   0.000 [0.00, 0.00]      –

    made-up: footnote, at oracle thresholds: upper bounds that nobody gets
    detector    protocol  series  event recall          point F1              range F1              event F1              affiliation F1        point-adjusted F1
    ──────────  ────────  ──────  ────────────────────  ────────────────────  ────────────────────  ────────────────────  ────────────────────  ────────────────────
    difference  floor     2       1.000 [1.00, 1.00] *  0.343 [0.33, 0.35]    0.462 [0.44, 0.48]    0.708 [0.67, 0.75]    0.996 [1.00, 1.00]    0.906 [0.89, 0.92]
    median-11   floor     2       1.000 [1.00, 1.00] *  1.000 [1.00, 1.00] *  1.000 [1.00, 1.00] *  1.000 [1.00, 1.00] *  1.000 [1.00, 1.00] *  1.000 [1.00, 1.00] *
    ");
    let markdown = work.evaluate(&[&floors[..], &["--markdown", "--hold", "10"]].concat());
    let (ranking, _) = markdown.split_once("### made-up: alarms").unwrap();
    insta::assert_snapshot!(ranking, @"
    Means over series, with 90 % bootstrap intervals over series; peaks of scores held with a half-life of 10 windows; thresholds from the training range for a budget of false alarms a week of 1; seeds 0.

    ### made-up: ranking

    | detector | protocol | series | VUS-PR | VUS-ROC | AUC-PR | AUC-ROC |
    |---|---|---|---|---|---|---|
    | difference | floor | 2 | 0.868 [0.83, 0.91] | 0.999 [1.00, 1.00] | 0.476 [0.38, 0.57] | 0.995 [0.99, 1.00] |
    | median-11 | floor | 2 | **0.993 [0.99, 1.00]** | **1.000 [1.00, 1.00]** | **0.987 [0.97, 1.00]** | **1.000 [1.00, 1.00]** |
    ");
}

#[test]
fn json_has_a_result_per_series_detector_and_seed() {
    let work = with_collection(&[WAVE, SAW]);
    let arguments = ["--detectors", "lstm,random,ewma", "--seed", "1,2"];
    let report = work.evaluate_json(&[&arguments[..], &FAST].concat());
    let results = report["results"].as_array().unwrap();
    let of = |detector: &str| -> Vec<&Value> {
        let results = results.iter();
        results.filter(|r| r["detector"] == detector).collect()
    };
    assert_eq!(
        (of("lstm").len(), of("random").len(), of("ewma").len()),
        (4, 4, 2)
    );
    let floor = of("ewma")[0];
    assert_eq!(floor["protocol"], "floor");
    assert_eq!(
        (&floor["seed"], &floor["params"]),
        (&Value::Null, &Value::from(0))
    );
    let detector = of("lstm")[3];
    assert_eq!(
        (&detector["protocol"], &detector["seed"]),
        (&"per-series".into(), &2.into())
    );
    assert_eq!(detector["file"], "saw.parquet");
    assert_eq!(detector["events"], 5);
    for number in [
        "vus_pr",
        "vus_roc",
        "auc_pr",
        "auc_roc",
        "event_recall",
        "false_alarms_per_week",
        "event_recall_oracle",
        "point_adjusted_f1",
        "train_s",
        "score_rows_per_s",
        "params",
    ] {
        assert!(
            detector[number].as_f64().is_some_and(f64::is_finite),
            "{number}: {detector}"
        );
    }
    assert!(
        detector["oracle_f1"]["affiliation"].is_number(),
        "{detector}"
    );
    let summary = report["summary"].as_array().unwrap();
    assert_eq!(summary.len(), 3);
    let lstm = summary.iter().find(|s| s["detector"] == "lstm").unwrap();
    assert_eq!((&lstm["series"], &lstm["seeds"]), (&2.into(), &2.into()));
    assert!(
        lstm["over_best_floor"]["vus_pr"]["floor"].is_string(),
        "{lstm}"
    );
    assert_eq!(report["skipped"], Value::Array(Vec::new()));
    if cfg!(target_os = "linux") {
        let bytes = detector["max_rss_bytes"].as_u64().unwrap();
        assert!((1 << 20..1 << 40).contains(&bytes), "{detector}");
    }
}

/// It has no network: there is nothing to train, and what is usual for a series gives it thresholds.
#[test]
fn the_baseline_learns_nothing_and_has_thresholds_of_its_own() {
    let work = with_collection(&[WAVE, SAW]);
    let report = work.evaluate_json(&["--detectors", "baseline,difference"]);
    let results = report["results"].as_array().unwrap();
    let of = |detector: &str| -> Vec<&Value> {
        let results = results.iter();
        results.filter(|r| r["detector"] == detector).collect()
    };
    let thresholds = |result: &Value| result["budgets"].as_array().unwrap().len();
    assert_eq!(of("baseline").len(), 2, "{report}");
    for baseline in of("baseline") {
        assert_eq!(baseline["protocol"], "floor");
        assert_eq!(
            (&baseline["seed"], &baseline["params"]),
            (&Value::Null, &0.into())
        );
        assert!(baseline["auc_roc"].as_f64().unwrap() > 0.8, "{baseline}");
        assert_eq!(thresholds(baseline), 2 * thresholds(of("difference")[0]));
    }
}

#[test]
fn scores_are_written_with_their_labels() {
    let work = with_collection(&[WAVE, SAW]);
    let arguments = [
        "--detectors",
        "lstm,random,difference",
        "--seed",
        "1,2",
        "--scores",
        "s.parquet",
    ];
    let report = work.evaluate_json(&[&arguments[..], &FAST].concat());
    std::fs::create_dir_all(work.path().join("warehouse/scored_windows")).unwrap();
    let table = work.path().join("warehouse/scored_windows/s.parquet");
    std::fs::rename(work.path().join("s.parquet"), table).unwrap();
    let rows = work.succeed(&[
        "sql",
        "--format",
        "csv",
        "SELECT detector, protocol, seed, count(*) AS windows, count(DISTINCT file) AS files, \
                sum(CAST(label AS INT)) AS labels, sum(CAST(is_judged AS INT)) AS judged \
         FROM scored_windows GROUP BY detector, protocol, seed ORDER BY detector, seed",
    ]);
    insta::assert_snapshot!(rows, @"
    detector,protocol,seed,windows,files,labels,judged
    difference,floor,,9000,2,72,5000
    lstm,per-series,1,9000,2,72,5000
    lstm,per-series,2,9000,2,72,5000
    random,floor,1,9000,2,72,5000
    random,floor,2,9000,2,72,5000
    ");
    // The scores give the figures of the report again.
    let volumes = work.succeed(&[
        "sql",
        "--format",
        "csv",
        "SELECT round(auc_pr(window_start, label, score), 9) AS auc_pr FROM scored_windows \
         WHERE file = 'saw.parquet' AND detector = 'lstm' AND seed = 2",
    ]);
    let results = report["results"].as_array().unwrap().iter();
    let mut own =
        results.filter(|r| r["file"] == "saw.parquet" && r["detector"] == "lstm" && r["seed"] == 2);
    let expected = own.next().unwrap()["auc_pr"].as_f64().unwrap();
    let found: f64 = volumes.lines().nth(1).unwrap().parse().unwrap();
    assert!((found - expected).abs() < 1e-8, "{found} {expected}");
}

#[test]
fn no_scores_are_left_of_an_evaluation_that_fails() {
    let work = with_collection(&[Made {
        label: "false",
        ..WAVE
    }]);
    let failed = work.evaluate(&["--detectors", "difference", "--scores", "s.parquet"]);
    assert!(failed.ends_with("--- exit 1\n"), "{failed}");
    let left = std::fs::read_dir(work.path()).unwrap().count();
    assert_eq!(left, 1, "only the collection");
    let missing = work.evaluate(&["--detectors", "difference", "--scores", "none/s.parquet"]);
    let expected = "--- stderr\nerror: cannot write `none/s.parquet`: No such file or directory";
    assert!(missing.starts_with(expected), "{missing}");
}

/// Two days of one simulated site, its labels beside.
const WINDOWS: [&str; 8] = [
    "evaluate",
    "--labels",
    "example/labels.parquet",
    "--since",
    "2026-03-03T04:00:00Z",
    "--metrics",
    "requests,client_errors,server_errors,latency_p95",
    "--detectors",
];

#[test]
fn windows_are_judged_with_a_table_of_labels() {
    let work = Workplace::with_windows();
    let report = work.succeed(&[&WINDOWS[..], &["median-11,gru", "--json"], &FAST].concat());
    let report: Value = serde_json::from_str(&report).unwrap();
    let results = report["results"].as_array().unwrap();
    assert_eq!(results.len(), 2, "{report}");
    for result in results {
        assert_eq!(
            (&result["file"], &result["dataset"]),
            (&"shop".into(), &"windows".into())
        );
        let kinds = result["kinds"].as_object().unwrap().values();
        let known: u64 = kinds.map(|kind| kind["anomalies"].as_u64().unwrap()).sum();
        assert_eq!(Some(known), result["events"].as_u64(), "{result}");
        assert!(known > 0);
        for number in [
            "false_incidents_per_week",
            "false_alarms_per_week",
            "event_recall",
        ] {
            assert!(result[number].is_number(), "{number}: {result}");
        }
    }
    let text = work.succeed(&[&WINDOWS[..], &["median-11"]].concat());
    assert!(text.contains("windows: anomalies found by kind"), "{text}");
}

#[test]
fn stored_detectors_judge_what_they_have_not_learned() {
    let work = Workplace::with_detector();
    let judge = |since: &str| {
        work.run(&[
            "evaluate",
            "--labels",
            "example/labels.parquet",
            "--since",
            since,
            "--detectors",
            "difference",
            "--stored",
            "lstm",
        ])
    };
    insta::assert_snapshot!(judge("2026-03-03T12:00:00Z"), @"
    --- stderr
    error: detector `lstm@1` learned from windows before 2026-03-03T18:00:00Z, and `shop` is judged from 2026-03-03T12:00:00Z on
    hint: judge a later range with `--since`, or train with `--until` before it
    --- exit 1
    ");
    let judged = judge("2026-03-03T18:00:00Z");
    assert!(judged.contains("lstm@1"), "{judged}");
}

#[test]
fn labels_that_cannot_be_used() {
    let work = Workplace::with_windows();
    let judge = |labels: &str| {
        work.write("labels.csv", format!("site,start,end,kind\n{labels}"));
        work.run(&[
            "evaluate",
            "--labels",
            "labels.csv",
            "--since",
            "2026-03-03",
            "--detectors",
            "difference",
        ])
    };
    insta::assert_snapshot!(judge("blog,2026-03-03T12:00:00Z,2026-03-03T12:20:00Z,flood\n"), @"
    --- stderr
    error: label 1 is about the site `blog`, which has no windows, only `shop`
    hint: labels name sites as `SELECT DISTINCT site FROM traffic_windows` does
    --- exit 1
    ");
    insta::assert_snapshot!(judge("shop,2026-03-03T12:00:00Z,2026-03-03T11:20:00Z,flood\n"), @"
    --- stderr
    error: row 1 of `labels.csv`: `end` is 2026-03-03T11:20:00Z, expected a time after `start`, 2026-03-03T12:00:00Z
    --- exit 1
    ");
    insta::assert_snapshot!(judge("shop,2026-03-02T12:00:00Z,2026-03-02T12:20:00Z,flood\n"), @"
    --- stderr
    error: none of 1 labels lies in the windows that are judged, from 2026-03-03T00:00:00Z to 2026-03-03T23:59:00Z
    hint: `--since` parts the windows that detectors learn from and those judged
    --- exit 1
    ");
    insta::assert_snapshot!(judge("shop,2026-03-01,2026-03-05,all\n"), @"
    --- stderr
    error: no series can be judged: `shop`: all 2880 windows are labelled anomalies, expected at least one that is normal
    hint: each series needs anomalies, windows that are none, and values that vary; detectors need some 1000 windows before the first that is judged
    --- exit 1
    ");
    let twice = "shop,2026-03-03T12:00:00Z,2026-03-03T12:20:00Z,flood\n".repeat(2);
    insta::assert_snapshot!(judge(&twice), @"
    --- stderr
    error: row 2 of `labels.csv` says the same as row 1
    hint: remove one: each would count as an anomaly
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["evaluate", "--labels", "none.parquet", "--since", "2026-03-03"]), @"
    --- stderr
    error: cannot read `none.parquet`: No such file or directory (os error 2)
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["evaluate", "--labels", "labels.csv"]), @"
    --- stderr
    error: the following required arguments were not provided:
      --since <TIME>

    Usage: anomalog evaluate --labels <FILE> --since <TIME>

    For more information, try '--help'.
    --- exit 2
    ");
}

/// Figures that do not depend on the clock.
fn figures(report: &Value) -> Vec<String> {
    let results = report["results"].as_array().unwrap().iter();
    let figure = |result: &Value| {
        [
            "file",
            "detector",
            "protocol",
            "vus_pr",
            "threshold",
            "calibrated_on",
        ]
        .map(|key| result[key].to_string())
        .join(" ")
    };
    results.map(figure).collect()
}

#[test]
fn weights_go_from_series_to_series_of_another_step() {
    let short = Made {
        file: "short.parquet",
        train_points: 300,
        ..SLOW
    };
    let work = with_collection(&[WAVE, SAW, short]);
    let arguments = [
        &[
            "--detectors",
            "gru",
            "--protocol",
            "zero-shot,fine-tuned",
            "--fine-tune-steps",
            "2",
        ],
        FAST.as_slice(),
    ]
    .concat();
    let report = work.evaluate_json(&arguments);
    let found = figures(&report);
    assert_eq!(found.len(), 5, "{report}");
    let calibrated: Vec<&str> = found.iter().filter_map(|f| f.rsplit(' ').next()).collect();
    assert_eq!(
        calibrated,
        [
            r#""own""#,
            r#""own""#,
            r#""others""#,
            r#""own""#,
            r#""own""#
        ]
    );
    assert_eq!(report["skipped"][0]["file"], "short.parquet");
    assert_eq!(report["skipped"][0]["protocol"], "fine-tuned");
    assert_eq!(
        figures(&work.evaluate_json(&arguments)),
        found,
        "a run differs from the last"
    );
}

#[test]
fn shipped_detectors_judge_as_they_are() {
    let work = with_collection(&[WAVE, SLOW]);
    let arguments = [
        "--detectors",
        "lstm,gru",
        "--protocol",
        "shipped",
        "--seed",
        "1,2",
    ];
    let report = work.evaluate_json(&arguments);
    let results = report["results"].as_array().unwrap();
    assert_eq!(results.len(), 4, "{report}");
    for result in results {
        assert_eq!(result["protocol"], "shipped");
        assert_eq!(result["seed"], Value::Null);
        assert_eq!(result["calibrated_on"], "others");
        assert!(result["auc_roc"].as_f64().unwrap() > 0.8, "{result}");
    }
}

#[test]
fn what_leaks_is_refused() {
    let work = with_collection(&[WAVE, SAW]);
    let again = "file,dataset,train_points,vus_window,step_seconds\n\
                 wave.parquet,made-up,2000,20,60\nwave.parquet,made-up,3000,20,60\n";
    work.write("made/again.csv", again);
    let arguments = [
        "evaluate",
        "--series",
        "made/again.csv",
        "--detectors",
        "gru,difference",
    ];
    let refused =
        |protocol: &str| work.run(&[&arguments[..], &["--protocol", protocol], &FAST].concat());
    // One has the rows of the other, and nothing else is left to learn from.
    insta::assert_snapshot!(refused("zero-shot"), @"
    --- stderr
    error: `zero-shot` learns from series unlike those judged, and all 2 look alike
    hint: list more series with `--series`, or use `--protocol per-series`
    --- exit 1
    ");
    assert!(refused("fine-tuned").ends_with("--- exit 1\n"));
    // Another name and another end do not help.
    work.write_collection(
        "other",
        &[Made {
            file: "renamed.parquet",
            rows: 4_000,
            train_points: 3_000,
            ..WAVE
        }],
    );
    let lists = [
        "evaluate",
        "--series",
        "made/series.csv",
        "other/series.csv",
    ];
    let report = |protocol: &str| -> Value {
        let copied = ["--detectors", "gru", "--protocol", protocol, "--json"];
        let arguments = [&lists[..], &copied, &FAST].concat();
        serde_json::from_str(&work.succeed(&arguments)).unwrap()
    };
    // Weights for the copy and for what it copies are those of the third series.
    let zero_shot = report("zero-shot");
    assert_eq!(zero_shot["results"].as_array().unwrap().len(), 3);
    assert!(zero_shot["left_out"].as_array().is_none_or(Vec::is_empty));
    let alone = work.run(&[&arguments[..3], &["--detectors", "difference"]].concat());
    assert!(
        alone.contains("made-up: ranking"),
        "floors learn nothing: {alone}"
    );
}

#[test]
fn zero_shot_needs_another_series() {
    let work = with_collection(&[WAVE]);
    insta::assert_snapshot!(work.evaluate(&["--protocol", "zero-shot"]), @"
    --- stderr
    error: `zero-shot` needs at least two series, found 1
    hint: list more series with `--series`, or use `--protocol per-series`
    --- exit 1
    ");
}

#[test]
fn series_that_cannot_be_judged_are_listed() {
    let series = [
        WAVE,
        Made {
            file: "flat.parquet",
            value: "4",
            ..WAVE
        },
        Made {
            file: "void.parquet",
            value: "NULL",
            ..WAVE
        },
        Made {
            file: "short.parquet",
            rows: 90,
            train_points: 40,
            label: "i > 60 AND i < 64",
            ..WAVE
        },
        Made {
            file: "early.parquet",
            label: "i = 450",
            ..WAVE
        },
        Made {
            file: "calm.parquet",
            label: "false",
            ..WAVE
        },
        Made {
            file: "wild.parquet",
            label: "true",
            ..WAVE
        },
    ];
    let work = with_collection(&series);
    let arguments = ["--detectors", "rnn,difference"];
    let report = work.evaluate_json(&[&arguments[..], &FAST].concat());
    let skipped: Vec<String> = report["skipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|skip| {
            let detector = skip["detector"].as_str().unwrap_or("all");
            let text = |key: &str| skip[key].as_str().unwrap().to_owned();
            format!(
                "{}, {detector}, {}: {}",
                text("file"),
                text("missing"),
                text("reason")
            )
        })
        .collect();
    insta::assert_snapshot!(skipped.join("\n"), @"
    early.parquet, all, events: after the training range, none of 2500 windows is labelled an anomaly, expected at least one
    calm.parquet, all, all: none of 4500 windows is labelled an anomaly, expected at least one
    wild.parquet, all, all: all 4500 windows are labelled anomalies, expected at least one that is normal
    void.parquet, difference, all: none of 4500 windows has a score, expected at least one
    flat.parquet, rnn, all: no series can be learned from: `flat.parquet` is constant in the fit range
    void.parquet, rnn, all: no series can be learned from: `void.parquet` has no values in the fit range
    short.parquet, rnn, all: too little data to train: 16 windows in the calibration range, at least 500 are needed
    ");
    let results = report["results"].as_array().unwrap();
    let early = results
        .iter()
        .find(|r| r["file"] == "early.parquet")
        .unwrap();
    assert!(
        early["event_recall"].is_null() && early["vus_pr"].is_number(),
        "{early}"
    );
    let text = work.evaluate(&[&arguments[..], &FAST].concat());
    assert!(text.contains("not judged\n"), "{text}");
}

#[test]
fn nothing_to_judge_is_a_failure() {
    let work = with_collection(&[Made {
        label: "false",
        ..WAVE
    }]);
    insta::assert_snapshot!(work.evaluate(&["--detectors", "difference"]), @"
    --- stderr
    error: no series can be judged: `wave.parquet`: none of 4500 windows is labelled an anomaly, expected at least one
    hint: each series needs anomalies, windows that are none, and values that vary; detectors need some 1000 windows before the first that is judged
    --- exit 1
    ");
}

#[test]
fn lists_that_cannot_be_read() {
    let work = Workplace::new();
    insta::assert_snapshot!(work.run(&["evaluate", "--series", "none.csv"]), @"
    --- stderr
    error: cannot read `none.csv`: No such file or directory (os error 2)
    hint: `--series` is the `series.csv` of a folder of labelled series
    --- exit 1
    ");
    work.write("list.csv", "file,dataset\n");
    insta::assert_snapshot!(work.run(&["evaluate", "--series", "list.csv"]), @"
    --- stderr
    error: `list.csv` has no column `train_points`, found `file`, `dataset`
    hint: `series.csv` has the columns file, dataset, train_points, vus_window and step_seconds; each file has timestamp, value and label
    --- exit 1
    ");
}

#[test]
fn faulty_arguments() {
    let work = Workplace::new();
    let run =
        |arguments: &[&str]| work.run(&[&["evaluate", "--series", "none.csv"], arguments].concat());
    insta::assert_snapshot!(run(&["--detectors", "lstm,prophet"]), @"
    --- stderr
    error: invalid value 'prophet' for '--detectors <NAME>': expected `rnn`, `lstm`, `gru`, `clstm`, `baseline`, `random`, `difference`, `median-11`, `median-31`, `robust-z`, `yesterday`, `last-week`, `ewma`, `spectral-residual` or `all`

    For more information, try '--help'.
    --- exit 2
    ");
    insta::assert_snapshot!(run(&["--hold", "0"]), @"
    --- stderr
    error: invalid value '0' for '--hold <N>': expected a number above 0

    For more information, try '--help'.
    --- exit 2
    ");
    insta::assert_snapshot!(run(&["--alarms-per-week", "0"]), @"
    --- stderr
    error: invalid value '0' for '--alarms-per-week <X>': expected a number above 0

    For more information, try '--help'.
    --- exit 2
    ");
    insta::assert_snapshot!(run(&["--markdown", "--json"]), @"
    --- stderr
    error: the argument '--markdown' cannot be used with '--json'

    Usage: anomalog evaluate --series <FILE>... --markdown

    For more information, try '--help'.
    --- exit 2
    ");
    insta::assert_snapshot!(work.run(&["evaluate"]), @"
    --- stderr
    error: the following required arguments were not provided:
      --series <FILE>...

    Usage: anomalog evaluate --series <FILE>...

    For more information, try '--help'.
    --- exit 2
    ");
}

#[test]
fn help_names_all_detectors() {
    let help = Workplace::new().succeed(&["evaluate", "--help"]);
    let words: Vec<&str> = help.split_whitespace().collect();
    for candidate in anomalog::evaluation::candidate::Candidate::all() {
        let is_named = |word: &&str| word.trim_end_matches(',') == candidate.name();
        assert!(words.iter().any(is_named), "{candidate}");
    }
}

#[test]
fn the_page_needs_nothing_else_and_escapes_names() {
    let named = Made {
        file: "<b>&\"x\".parquet",
        ..WAVE
    };
    let work = with_collection(&[named, SAW]);
    // Quotes in a CSV field are doubled.
    let list = std::fs::read_to_string(work.path().join("made/series.csv")).unwrap();
    let list = list.replace("<b>&\"x\".parquet", "\"<b>&\"\"x\"\".parquet\"");
    work.write("made/series.csv", list);
    let arguments = [
        "--detectors",
        "lstm,difference,median-11",
        "--html",
        "page.html",
    ];
    work.evaluate(&[&arguments[..], &FAST].concat());
    let page = std::fs::read_to_string(work.path().join("page.html")).unwrap();
    assert_eq!(
        page.matches("<svg").count(),
        2 + 4,
        "curves, and two scores per series"
    );
    assert!(
        page.contains("&lt;b&gt;&amp;&quot;x&quot;.parquet"),
        "names are escaped"
    );
    assert!(!page.contains("<b>"), "a name became markup");
    let elsewhere = page.replace("http://www.w3.org/2000/svg", "");
    for loaded in [
        "http:", "https:", "src=", "href=", "<script", "@import", "url(",
    ] {
        assert!(
            !elsewhere.contains(loaded),
            "the page loads something: {loaded}"
        );
    }
    let missing = work.evaluate(&["--detectors", "difference", "--html", "none/page.html"]);
    let expected = "--- stderr\nerror: cannot write `none/page.html`: No such file or directory";
    assert!(missing.starts_with(expected), "{missing}");
}

/// Figures of the data's README, and of `src/evaluation/tests.rs`.
#[test]
fn floors_of_the_shared_series() {
    let shared = std::env::var_os("ANOMALOG_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let lists = ["kpi", "tsbad"].map(|name| shared.join("data").join(name).join("series.csv"));
    if let Some(absent) = lists.iter().find(|list| !list.is_file()) {
        eprintln!("skipped: `{}` is not here", absent.display());
        return;
    }
    let work = Workplace::new();
    let means = |arguments: &[&str]| -> Value {
        let lists = lists.each_ref().map(|list| list.to_str().unwrap());
        let all = [&["evaluate", "--json", "--series"], &lists[..], arguments].concat();
        serde_json::from_str(&work.succeed(&all)).unwrap()
    };
    let mean = |report: &Value, dataset: &str, detector: &str, measure: &str| {
        let summaries = report["summary"].as_array().unwrap().iter();
        let mut own = summaries.filter(|s| s["dataset"] == dataset && s["detector"] == detector);
        own.next().unwrap()["measures"][measure]["mean"]
            .as_f64()
            .unwrap()
    };
    let plain = means(&["--detectors", "difference"]);
    let held = means(&["--detectors", "median-11", "--hold", "10"]);
    for (found, expected) in [
        (
            mean(&plain, "KPI", "difference", "event_recall_oracle"),
            0.841,
        ),
        (mean(&held, "WSD", "median-11", "vus_pr"), 0.702),
        (mean(&held, "KPI", "median-11", "vus_pr"), 0.607),
    ] {
        assert!(
            (found - expected).abs() < 1e-3,
            "{found}, expected {expected}"
        );
    }
}
