//! `anomalog train --objective classify`, and what its detectors answer.

use serde_json::Value;

use crate::Workplace;

/// First window of the made-up series, in minutes since the epoch.
const FIRST: i64 = 29_500_000;

/// A start of minute `value`.
const START: &str = "arrow_cast(value * 60000000, 'Timestamp(Microsecond, Some(\"UTC\"))')";

/// Minutes from the first on.
fn minutes(rows: i64) -> String {
    let last = FIRST + rows - 1;
    format!("(SELECT unnest(generate_series({FIRST}, {last})) AS value)")
}

/// A workplace with `windows.parquet`: two series with a dip of five minutes every 200, and
/// `labels.parquet`, which has those of `a`.
fn with_dips() -> Workplace {
    let work = Workplace::new();
    let requests = "CASE WHEN value % 200 < 5 THEN 20.0 ELSE 90.0 END \
                    + (value * value * 31 + value * 7919) % 1009 / 50.0";
    let series = ["a", "b"].map(|site| {
        format!(
            "SELECT '{site}' AS site, {START} AS window_start, {requests} AS requests FROM {}",
            minutes(6_000)
        )
    });
    work.query_to("windows.parquet", &series.join(" UNION ALL "));
    let labels = format!(
        "SELECT 'a' AS site, {START} AS start, {START} + INTERVAL '5 minutes' AS end \
         FROM {} WHERE value % 200 = 0",
        minutes(6_000)
    );
    work.query_to("labels.parquet", &labels);
    work
}

const TRAIN: [&str; 8] = [
    "train",
    "--windows",
    "windows.parquet",
    "--objective",
    "classify",
    "--hidden",
    "8",
    "--arch",
];

/// Refuses to train, and leaves nothing behind.
fn refuse(work: &Workplace, arguments: &[&str]) -> String {
    let said = work.run(&[&TRAIN[..], &["gru", "--steps", "4"], arguments].concat());
    assert!(work.files("warehouse").is_empty(), "{said}");
    said
}

#[test]
fn what_was_labelled_is_found_later() {
    let work = with_dips();
    // Of the other series nothing is labelled: its dips would be lessons of what is normal.
    work.query_to(
        "windows.parquet",
        &format!(
            "SELECT 'a' AS site, {START} AS window_start, \
             CASE WHEN value % 200 < 5 THEN 20.0 ELSE 90.0 END \
             + (value * value * 31 + value * 7919) % 1009 / 50.0 AS requests FROM {}",
            minutes(6_000)
        ),
    );
    let until = [
        "--until",
        "2026-02-05T14:40:00Z",
        "--labels",
        "labels.parquet",
    ];
    let train = |arch: &str| {
        let said =
            work.succeed(&[&TRAIN[..], &[arch, "--steps", "300", "--json"], &until].concat());
        let summary: Value = serde_json::from_str(&said).unwrap();
        summary["detectors"][0].clone()
    };
    let trained = train("gru");
    assert_eq!(
        (&trained["name"], &trained["objective"], &trained["version"]),
        (&"gru_classify".into(), &"classify".into(), &1.into())
    );
    assert_eq!(trained["error_vs_median"], Value::Null);
    let (found, of) = (&trained["held_back_found"], &trained["held_back_anomalies"]);
    assert!(of.as_u64() > Some(20) && found == of, "{trained}");
    assert_eq!(
        train("gru")["version"],
        1,
        "the same seed made another version"
    );

    let said = work.run(&[
        "score",
        "--windows",
        "windows.parquet",
        "--since",
        "2026-02-05T14:40:00Z",
        "--detector",
        "gru_classify",
        "--out",
        "scored.parquet",
    ]);
    assert!(said.contains("anomalous by gru_classify@1"), "{said}");
    let table = work.path().join("warehouse/scored_windows");
    std::fs::create_dir_all(&table).unwrap();
    std::fs::rename(
        work.path().join("scored.parquet"),
        table.join("scored.parquet"),
    )
    .unwrap();
    let rows = work.succeed(&[
        "sql",
        "--format",
        "csv",
        "SELECT requests < 50 AS is_dip, count(*) AS windows, \
                count(*) FILTER (WHERE is_anomaly) AS anomalies, \
                count(*) FILTER (WHERE is_anomaly AND direction = 'dip') AS dips, \
                count(lower_bound) + count(upper_bound) AS bounds, \
                count(expected_value) AS levels, \
                count(*) FILTER (WHERE gru_score = anomaly_score) AS same \
         FROM scored_windows GROUP BY is_dip ORDER BY is_dip",
    ]);
    let numbers = |line: &str| -> Vec<u32> {
        let numbers = line.split(',').skip(1);
        numbers.map(|number| number.parse().unwrap()).collect()
    };
    let rows: Vec<Vec<u32>> = rows.lines().skip(1).map(numbers).collect();
    let [normal, dips] = rows.as_slice() else {
        panic!("{rows:?}");
    };
    // Four dips of five windows; no bounds, always a level.
    assert_eq!((normal[0], dips[0]), (940, 20));
    assert!(dips[1] >= 18 && dips[1] == dips[2], "{dips:?}");
    assert!(normal[1] <= 4, "{normal:?}");
    assert_eq!(
        [normal[3..].to_vec(), dips[3..].to_vec()],
        [[0, 940, 940], [0, 20, 20]]
    );
}

#[test]
fn each_architecture_has_a_classifier_beside_its_forecaster() {
    let work = with_dips();
    let labelled = [&TRAIN[..], &["rnn,lstm,gru,clstm", "--steps", "4"]].concat();
    let said = work.run(&[&labelled[..], &["--labels", "labels.parquet"]].concat());
    for name in ["rnn", "lstm", "gru", "clstm"] {
        assert!(
            said.contains(&format!(
                "trained {name}_classify@1 on requests of 2 series until 2026-02-06T06:40:00Z: 4 steps"
            )),
            "{said}"
        );
    }
    work.succeed(&[
        "train",
        "--windows",
        "windows.parquet",
        "--arch",
        "lstm",
        "--steps",
        "4",
        "--hidden",
        "8",
    ]);
    let listed = work.succeed(&["--json", "detectors", "list"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let own: Vec<String> = listed["detectors"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|detector| detector["is_shipped"] == false)
        .map(|detector| format!("{} {}", detector["name"], detector["objective"]))
        .collect();
    insta::assert_snapshot!(own.join("\n"), @r#"
    "clstm_classify" "classify"
    "gru_classify" "classify"
    "lstm" "forecast"
    "lstm_classify" "classify"
    "rnn_classify" "classify"
    "#);
    // The forecaster answers where none is named, and decides.
    let scored = work.run(&[
        "score",
        "--windows",
        "windows.parquet",
        "--out",
        "scored.parquet",
    ]);
    assert!(
        scored.contains("clstm_classify@1, gru_classify@1, lstm@1, rnn_classify@1")
            && scored.contains("anomalous by lstm@1"),
        "{scored}"
    );
    let shown = work.succeed(&["detectors", "show", "clstm_classify"]);
    let (facts, _) = shown.split_once("stopping loss").unwrap();
    insta::assert_snapshot!(facts, @"
    detector        clstm_classify@1
    architecture    clstm, hidden 8
    objective       classify
    metrics         requests
    window step     60 s
    trained on      12000 rows of 2 series, 2026-02-02T02:40:00Z to 2026-02-06T06:40:00Z
      weights       until 2026-02-05T00:40:00Z, 4 steps, seed 0
      stopping      until 2026-02-05T10:40:00Z
      calibration   until 2026-02-06T06:40:00Z, 2400 windows
    ");
    insta::assert_snapshot!(work.run(&["train", "--from", "gru_classify", "--windows", "windows.parquet"]), @"
    --- stderr
    error: `gru_classify@1` is a classifier, which does not go with `--objective forecast`
    hint: training goes on with a detector as it is: leave the option out, or train without `--from`
    --- exit 1
    ");
}

#[test]
fn labels_of_the_warehouse_are_those_without_others() {
    let work = with_dips();
    insta::assert_snapshot!(refuse(&work, &[]), @"
    --- stderr
    error: `warehouse/labels` has no labels
    hint: name a file of labels with `--labels FILE`
    --- exit 1
    ");
    std::fs::create_dir_all(work.path().join("warehouse/labels")).unwrap();
    std::fs::copy(
        work.path().join("labels.parquet"),
        work.path().join("warehouse/labels/labels.parquet"),
    )
    .unwrap();
    let said = work.run(&[&TRAIN[..], &["gru", "--steps", "4"]].concat());
    assert!(said.contains("trained gru_classify@1"), "{said}");
}

#[test]
fn labels_that_teach_nothing() {
    let work = with_dips();
    let labelled = |labels: &str| {
        work.write("labels.csv", format!("site,start,end\n{labels}"));
        refuse(&work, &["--labels", "labels.csv"])
    };
    insta::assert_snapshot!(labelled("a,2026-02-06T04:00:00Z,2026-02-06T04:10:00Z\n"), @"
    --- stderr
    error: no window from 2026-02-02T02:40:00Z to 2026-02-05T00:40:00Z, which is the fit range, is labelled as an anomaly
    hint: the last part of the windows before `--until` is held back: move it, label more, or train without labels
    --- exit 1
    ");
    insta::assert_snapshot!(labelled("a,2026-03-01,2026-03-02\n"), @"
    --- stderr
    error: none of 1 labels of `labels.csv` lies in the windows to learn from, 2026-02-02T02:40:00Z to 2026-02-06T06:40:00Z
    hint: move `--until`, or label anomalies before it
    --- exit 1
    ");
    insta::assert_snapshot!(labelled("a,2026-01-01,2027-01-01\nb,2026-01-01,2027-01-01\n"), @"
    --- stderr
    error: every window from 2026-02-02T02:40:00Z to 2026-02-05T00:40:00Z, which is the fit range, is labelled as an anomaly
    hint: labels have the columns site, start (inclusive) and end (exclusive)
    --- exit 1
    ");
    insta::assert_snapshot!(labelled("shop,2026-02-03,2026-02-04\n"), @"
    --- stderr
    error: `labels.csv` labels the series `shop`, which has no windows, only `a`, `b`
    hint: labels name series as the column `site` of the windows does
    --- exit 1
    ");
    insta::assert_snapshot!(labelled(""), @"
    --- stderr
    error: `labels.csv` has no labels
    hint: name a file of labels with `--labels FILE`
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["--labels", "none.csv"]), @"
    --- stderr
    error: cannot read `none.csv`: No such file or directory (os error 2)
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["--labels", "labels.parquet", "--until", "2026-02-02T10:00:00Z"]), @"
    --- stderr
    error: too little data to train: 352 windows in the calibration range, at least 500 are needed
    hint: ingest more history (a day of one site at 1 minute is just enough, 500 windows are kept for calibration alone), move `--until`, or use a shorter `--step`
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["--labels", "labels.parquet", "--from", "pretrained"]), @"
    --- stderr
    error: `--from` does not go with `--objective classify`
    hint: classifiers begin with new weights, as labels are what they learn from
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["train", "--windows", "windows.parquet", "--labels", "labels.parquet"]), @"
    --- stderr
    error: `--labels` does not go with `--objective forecast`
    hint: labels are what `--objective classify` learns from
    --- exit 1
    ");
    assert!(work.files("warehouse").is_empty());
}

#[test]
fn damaged_classifiers_are_named() {
    let work = with_dips();
    work.run(
        &[
            &TRAIN[..],
            &["gru", "--steps", "4", "--labels", "labels.parquet"],
        ]
        .concat(),
    );
    let path = "warehouse/detectors/gru_classify/1/detector.json";
    let manifest = std::fs::read_to_string(work.path().join(path)).unwrap();
    let damaged = |change: fn(&mut Value)| {
        let mut damaged: Value = serde_json::from_str(&manifest).unwrap();
        change(&mut damaged);
        work.write(path, damaged.to_string());
        work.run(&["detectors", "show", "gru_classify"])
    };
    insta::assert_snapshot!(damaged(|m| m["classification"]["tail"]["share"] = 2.into()), @"
    --- stderr
    error: `warehouse/detectors/gru_classify/1/detector.json` cannot be used: `classification.tail` is not that of a calibration
    hint: restore the detector's folder from a copy, or train it again
    --- exit 1
    ");
    insta::assert_snapshot!(damaged(|m| m["layout"]["horizons"] = vec![1].into()), @"
    --- stderr
    error: `warehouse/detectors/gru_classify/1/detector.json` cannot be used: `layout` of a classifier has no horizons and no profile
    hint: restore the detector's folder from a copy, or train it again
    --- exit 1
    ");
    let no_knots = damaged(|m| m["classification"]["tail"]["knots"] = Value::Array(Vec::new()));
    assert!(
        no_knots.contains("is not that of a calibration"),
        "{no_knots}"
    );
    // What follows depends on candle and serde.
    for (damaged, part) in [
        (
            damaged(|m| m["classification"]["dense_size"] = 33.into()),
            "gru_classify/1/model.safetensors` does not hold the weights of its manifest: ",
        ),
        (
            damaged(|m| m["objective"] = "forecast".into()),
            "is not a detector manifest: a forecaster has `comparison` and `validation`, no \
             `classification`",
        ),
        (
            damaged(|m| m["objective"] = "guess".into()),
            "is not a detector manifest: unknown variant `guess`, expected `forecast` or `classify`",
        ),
    ] {
        assert!(
            damaged.contains(part) && damaged.ends_with("--- exit 1\n"),
            "{damaged}"
        );
    }
}
