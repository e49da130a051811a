//! `anomalog train --objective gate`: what people say of alarms is learned.

use serde_json::Value;

use crate::Workplace;

/// First window of the made-up series, in quarters of an hour since the epoch: 2 March 2026, a Monday.
const FIRST: i64 = 1_969_344;
/// Windows of eight weeks.
const WINDOWS: i64 = 8 * 7 * 96;

/// The start of quarter `value`.
const START: &str = "arrow_cast(value * 900000000, 'Timestamp(Microsecond, Some(\"UTC\"))')";

/// Quarters from the first on.
fn quarters() -> String {
    let last = FIRST + WINDOWS - 1;
    format!("(SELECT unnest(generate_series({FIRST}, {last})) AS value)")
}

/// Whether a job runs in quarter `value`: for an hour, every 50 hours.
const JOB: &str = "value % 200 < 4";

/// A workplace with `windows.parquet`: a day's rhythm, a job that nobody minds, and an outage in the last
/// week; and `labels.csv`, which has ten runs of the job.
fn with_job() -> Workplace {
    let work = Workplace::new();
    let outage = FIRST + 53 * 96 + 40;
    let requests = format!(
        "CASE WHEN value BETWEEN {outage} AND {outage} + 5 THEN 0 ELSE \
         floor(900 + 400 * sin(value % 96 * pi() / 48) + (value * value * 31 + value * 7919) % 101 \
         + CASE WHEN {JOB} THEN 900 ELSE 0 END) END"
    );
    work.query_to(
        "windows.parquet",
        &format!(
            "SELECT 'a' AS site, {START} AS window_start, {requests} AS requests FROM {}",
            quarters()
        ),
    );
    work.query_to(
        "labels.parquet",
        &format!(
            "SELECT 'a' AS site, {START} AS start, {START} + INTERVAL '1 hour' AS end, 'normal' AS kind \
             FROM {} WHERE value % 200 = 0 AND value > {FIRST} + 2000 ORDER BY value LIMIT 10",
            quarters()
        ),
    );
    work
}

const TRAIN: [&str; 5] = [
    "train",
    "--windows",
    "windows.parquet",
    "--objective",
    "gate",
];

/// Windows of the last two weeks that are anomalies to a detector: of the job, and of the outage.
fn found(work: &Workplace, detector: &str) -> [u64; 2] {
    let _ = std::fs::remove_dir_all(work.path().join("warehouse/scored_windows"));
    work.run(&[
        "score",
        "--windows",
        "windows.parquet",
        "--since",
        "2026-04-13",
        "--detector",
        detector,
        "--output",
        "scored.parquet",
    ]);
    let table = work.path().join("warehouse/scored_windows");
    std::fs::create_dir_all(&table).unwrap();
    std::fs::rename(
        work.path().join("scored.parquet"),
        table.join("scored.parquet"),
    )
    .unwrap();
    let rows = work.succeed(&[
        "--json",
        "sql",
        "SELECT count(*) FILTER (WHERE is_anomaly AND requests > 0) AS job, \
                count(*) FILTER (WHERE is_anomaly AND requests = 0) AS outage FROM scored_windows",
    ]);
    let rows: Value = serde_json::from_str(&rows).unwrap();
    let row = rows.as_array().map_or(&rows, |rows| &rows[0]);
    ["job", "outage"].map(|name| row[name].as_u64().unwrap())
}

/// Refuses to train, and leaves nothing behind.
fn refuse(work: &Workplace, arguments: &[&str]) -> String {
    let said = work.run(&[&TRAIN[..], &["--steps", "4"], arguments].concat());
    assert!(work.files("warehouse").is_empty(), "{said}");
    said
}

#[test]
fn alarms_that_were_none_are_raised_less() {
    let work = with_job();
    let [job, outage] = found(&work, "pretrained-gru");
    assert!(job > 0 && outage > 0, "{job} {outage}");
    let train = || {
        let labelled = ["--arch", "gru", "--labels", "labels.parquet", "--json"];
        let said = work.succeed(&[&TRAIN[..], &labelled].concat());
        let summary: Value = serde_json::from_str(&said).unwrap();
        summary["detectors"][0].clone()
    };
    let trained = train();
    assert_eq!(
        [
            &trained["name"],
            &trained["objective"],
            &trained["began_with"]
        ],
        ["gru", "gate", "pretrained-gru@2"]
    );
    assert_eq!(train()["version"], 1, "the same seed made another version");
    let [job_now, outage_now] = found(&work, "gru");
    assert!(
        2 * job_now < job && outage_now > 0,
        "{job} {job_now} {outage_now}"
    );
}

#[test]
fn labels_of_the_warehouse_are_those_without_others() {
    let work = with_job();
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
    insta::assert_snapshot!(work.run(&[&TRAIN[..], &["--steps", "4"]].concat()), @"
    --- stderr
    trained gru@1 on requests of 1 series until 2026-04-27T00:00:00Z: 4 steps from pretrained-gru@2
    ");
}

#[test]
fn labels_that_teach_nothing() {
    let work = with_job();
    let labelled = |labels: &str| {
        work.write("labels.csv", format!("site,start,end\n{labels}"));
        refuse(&work, &["--labels", "labels.csv"])
    };
    insta::assert_snapshot!(labelled("a,2026-01-01,2026-01-02\n"), @"
    --- stderr
    error: none of 1 labels of `labels.csv` lies in the windows to learn from, 2026-03-02T00:00:00Z to 2026-04-27T00:00:00Z
    hint: move `--until`, or label windows before it
    --- exit 1
    ");
    insta::assert_snapshot!(labelled("shop,2026-03-03,2026-03-04\n"), @"
    --- stderr
    error: `labels.csv` labels the series `shop`, which has no windows, only `a`
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
    insta::assert_snapshot!(refuse(&work, &["--labels", "labels.parquet", "--hidden", "7"]), @"
    --- stderr
    error: `--hidden` does not go with `--objective gate`
    hint: a gate goes on with the weights of a detector, as it is
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["train", "--windows", "windows.parquet", "--labels", "labels.parquet"]), @"
    --- stderr
    error: `--labels` does not go with `--objective forecast`
    hint: labels are what `--objective gate` learns from
    --- exit 1
    ");
    assert!(work.files("warehouse").is_empty());
}

#[test]
fn a_gate_and_a_forecaster_do_not_begin_with_each_other() {
    let work = with_job();
    work.succeed(&[
        "train",
        "--windows",
        "windows.parquet",
        "--arch",
        "gru",
        "--steps",
        "2",
    ]);
    insta::assert_snapshot!(work.run(&["train", "--windows", "windows.parquet", "--from", "pretrained-gru"]), @"
    --- stderr
    error: `pretrained-gru@2` has the objective gate, which does not go with `--objective forecast`
    hint: training goes on with a detector as it is: leave the option out, or train without `--from`
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&[&TRAIN[..], &["--labels", "labels.parquet", "--from", "gru"]].concat()), @"
    --- stderr
    error: `gru@1` has the objective forecast, which does not go with `--objective gate`
    hint: training goes on with a detector as it is: leave the option out, or train without `--from`
    --- exit 1
    ");
}

#[test]
fn damaged_gates_are_named() {
    let work = with_job();
    work.succeed(
        &[
            &TRAIN[..],
            &[
                "--arch",
                "gru",
                "--steps",
                "2",
                "--labels",
                "labels.parquet",
            ],
        ]
        .concat(),
    );
    let path = "warehouse/detectors/gru/1/detector.json";
    let manifest = std::fs::read_to_string(work.path().join(path)).unwrap();
    let damaged = |change: fn(&mut Value)| {
        let mut damaged: Value = serde_json::from_str(&manifest).unwrap();
        change(&mut damaged);
        work.write(path, damaged.to_string());
        work.run(&["detectors", "show", "gru"])
    };
    insta::assert_snapshot!(damaged(|m| m["gate"]["floor"] = 0.into()), @"
    --- stderr
    error: `warehouse/detectors/gru/1/detector.json` cannot be used: `gate` needs positive numbers, and a floor below the ceiling
    hint: restore the detector's folder from a copy, or train it again
    --- exit 1
    ");
    insta::assert_snapshot!(damaged(|m| m["gate"]["cell"] = "lstm".into()), @"
    --- stderr
    error: `warehouse/detectors/gru/1/detector.json` cannot be used: `gate.cell` is another architecture
    hint: restore the detector's folder from a copy, or train it again
    --- exit 1
    ");
    insta::assert_snapshot!(damaged(|m| m["gate"]["held"] = 61.into()), @"
    --- stderr
    error: `warehouse/detectors/gru/1/detector.json` cannot be used: `gate.held` is longer than the lookback
    hint: restore the detector's folder from a copy, or train it again
    --- exit 1
    ");
    insta::assert_snapshot!(damaged(|m| { m["layout"].as_object_mut().unwrap().remove("evidence_windows"); }), @"
    --- stderr
    error: `warehouse/detectors/gru/1/detector.json` cannot be used: `layout` of a gated detector needs evidence
    hint: restore the detector's folder from a copy, or train it again
    --- exit 1
    ");
    // What follows depends on candle and serde.
    for (damaged, part) in [
        (
            damaged(|m| m["hidden_size"] = 33.into()),
            "gru/1/model.safetensors` does not hold the weights of its manifest: ",
        ),
        (
            damaged(|m| m["objective"] = "forecast".into()),
            "is not a detector manifest: a forecaster has `comparison` and `validation`, no \
             `classification` and no `gate`",
        ),
        (
            damaged(|m| m["objective"] = "guess".into()),
            "is not a detector manifest: unknown variant `guess`, expected one of `forecast`, \
             `classify`, `gate`",
        ),
    ] {
        assert!(
            damaged.contains(part) && damaged.ends_with("--- exit 1\n"),
            "{damaged}"
        );
    }
}
