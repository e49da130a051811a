//! The detectors that come with the program: scores without training, and training that begins with
//! them.

use crate::Workplace;
use serde_json::Value;

const SCORES: &str = "SELECT count(*) AS windows, count(rnn) AS rnn, count(lstm) AS lstm, \
    count(gru) AS gru, count(clstm) AS clstm FROM (SELECT \
    rnn_score(window_start, requests) OVER w AS rnn, \
    lstm_score(window_start, requests) OVER w AS lstm, \
    gru_score(window_start, requests) OVER w AS gru, \
    clstm_score(window_start, requests) OVER w AS clstm \
    FROM traffic_windows WINDOW w AS (PARTITION BY site ORDER BY window_start))";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_fresh_warehouse_has_scores() {
    let work = Workplace::with_windows();
    insta::assert_snapshot!(work.succeed(&["sql", SCORES]), @"
    +---------+------+------+------+-------+
    | windows | rnn  | lstm | gru  | clstm |
    +---------+------+------+------+-------+
    | 2880    | 2760 | 2760 | 2760 | 2760  |
    +---------+------+------+------+-------+
    ");
    let said = work.run(&["score"]);
    assert!(
        said.contains(
            "scored 2880 windows with pretrained-clstm@1, pretrained-gru@1, \
                       pretrained-lstm@1, pretrained-rnn@1"
        ),
        "{said}"
    );
    assert!(!said.contains("warning"), "{said}");
    insta::assert_snapshot!(
        work.succeed(&[
            "sql",
            "SELECT count(lstm_score) AS lstm, count(anomaly_score) AS scored, \
             min(top_metric) AS metric, bool_and(starts_with(detector, 'pretrained-')) AS shipped \
             FROM scored_windows",
        ]),
        @"
    +------+--------+---------------+---------+
    | lstm | scored | metric        | shipped |
    +------+--------+---------------+---------+
    | 2760 | 2760   | client_errors | true    |
    +------+--------+---------------+---------+
    "
    );
    assert!(!work.path().join("warehouse/detectors").exists());
    let several = json(&work.succeed(&[
        "--json",
        "score",
        "--detector",
        "pretrained-gru",
        "--metrics",
        "requests,latency_p95",
    ]));
    assert_eq!(several["detector"], "pretrained-gru@1");
    assert_eq!(several["trained_until"], Value::Null);
    insta::assert_snapshot!(
        work.succeed(&[
            "sql",
            "SELECT DISTINCT top_metric FROM scored_windows WHERE top_metric IS NOT NULL ORDER BY 1",
        ]),
        @"
        +-------------+
        | top_metric  |
        +-------------+
        | latency_p95 |
        | requests    |
        +-------------+
        "
    );
}

#[test]
fn they_are_listed_and_shown() {
    let work = Workplace::new();
    let listed = json(&work.succeed(&["--json", "detectors", "list"]));
    let names: Vec<_> = listed["detectors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|detector| {
            assert_eq!(detector["is_shipped"], true);
            assert_eq!(detector["fault"], Value::Null);
            detector["name"].as_str().unwrap()
        })
        .collect();
    assert_eq!(
        names,
        [
            "pretrained-rnn",
            "pretrained-lstm",
            "pretrained-gru",
            "pretrained-clstm"
        ]
    );
    let shown = work.succeed(&["detectors", "show", "pretrained-lstm"]);
    let (facts, _) = shown.split_once("trained on").unwrap();
    insta::assert_snapshot!(facts, @"
    detector        pretrained-lstm@1
    architecture    lstm, hidden 48
    objective       forecast
    metrics         any, each by itself
    window step     any
    ");
}

#[test]
fn training_goes_on_with_them() {
    let work = Workplace::new();
    let simulate = [
        "simulate", "--out", "example", "--days", "14", "--sites", "1", "--scale", "0.5",
    ];
    work.succeed(&simulate);
    work.succeed(&["ingest", "example/logs"]);
    let train = |name: &str| {
        let summary = work.succeed(&[
            "--json",
            "train",
            "--from",
            "pretrained",
            "--arch",
            "lstm,rnn",
            "--name",
            name,
        ]);
        json(&summary)["detectors"].clone()
    };
    let trained = train("mine");
    for (detector, name) in trained.as_array().unwrap().iter().zip(["lstm", "rnn"]) {
        assert_eq!(detector["name"], format!("mine_{name}"));
        assert_eq!(detector["began_with"], format!("pretrained-{name}@1"));
        let loss = |name: &str| detector[name].as_f64().unwrap();
        // Before any step it is the loss of the shipped weights.
        assert!(
            loss("stop_loss") < loss("untrained_stop_loss"),
            "{detector}"
        );
    }
    let manifest = |name: &str| json(&work.succeed(&["--json", "detectors", "show", name]));
    let (mine, shipped) = (manifest("mine_lstm"), manifest("pretrained-lstm"));
    assert_eq!(mine["hidden_size"], shipped["hidden_size"]);
    assert_ne!(mine["weights_sha256"], shipped["weights_sha256"]);
    assert_eq!(mine["training"]["began_with"], "pretrained-lstm@1");
    train("again");
    assert_eq!(
        mine["weights_sha256"],
        manifest("again_lstm")["weights_sha256"]
    );
    // From a detector of the warehouse: its architecture, and a new version of its name.
    let next = work.run(&["train", "--from", "mine_rnn", "--steps", "20"]);
    assert!(
        next.contains("trained mine_rnn@2 on requests of 1 series")
            && next.contains("20 steps from mine_rnn@1, error"),
        "{next}"
    );

    // Of several metrics each is forecast by itself, by a network of one.
    let several = [
        "train",
        "--from",
        "pretrained",
        "--arch",
        "gru",
        "--steps",
        "10",
        "--name",
        "several",
        "--metrics",
        "requests,server_errors",
    ];
    work.succeed(&several);
    let shown = manifest("several");
    assert_eq!(shown["for_each_metric"], true);
    assert_eq!(
        shown["metrics"],
        serde_json::json!(["requests", "server_errors"])
    );
    assert_eq!(shown["comparison"]["errors"].as_array().unwrap().len(), 2);
    let scores = "SELECT count(score) > 1000 AS many FROM (SELECT \
                  gru_score('several', window_start, requests, server_errors) OVER \
                  (PARTITION BY site ORDER BY window_start) AS score FROM traffic_windows)";
    let scored = work.succeed(&["sql", "--format", "csv", scores]);
    assert_eq!(scored, "many\ntrue\n");
    let next = work.run(&[&several[..2], &["several@1"], &several[5..7], &several[9..]].concat());
    assert!(next.contains("10 steps from several@1, error"), "{next}");
    assert_eq!(manifest("several")["for_each_metric"], true);
}

#[test]
fn what_does_not_go_with_the_weights_is_refused() {
    let work = Workplace::with_windows();
    let refuse = |arguments: &[&str]| work.run(&[&["train", "--from"], arguments].concat());
    insta::assert_snapshot!(refuse(&["pretrained", "--hidden", "7"]), @"
    --- stderr
    error: `pretrained-rnn@1` has a state of width 48, which does not go with `--hidden 7`
    hint: training goes on with a detector as it is: leave the option out, or train without `--from`
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&["pretrained-lstm", "--arch", "lstm,gru"]), @"
    --- stderr
    error: `pretrained-lstm@1` has the architecture lstm, which does not go with `--arch gru`
    hint: training goes on with a detector as it is: leave the option out, or train without `--from`
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&["nope"]), @"
    --- stderr
    error: there is no detector `nope`; there are shipped for any metrics: pretrained-rnn, pretrained-lstm, pretrained-gru, pretrained-clstm
    hint: `anomalog detectors list` shows them
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&["pretrained", "--arch", "gru", "--name", "pretrained-gru"]), @"
    --- stderr
    error: `pretrained-gru` is the name of a detector that comes with the program
    hint: choose another with `--name`
    --- exit 1
    ");
    assert!(!work.path().join("warehouse/detectors").exists());
    let joint = [
        "--steps", "2", "--hidden", "8", "--arch", "rnn", "--name", "joint",
    ];
    work.succeed(&[&["train", "--metrics", "requests,bytes"], &joint[..]].concat());
    insta::assert_snapshot!(refuse(&["joint", "--metrics", "requests"]), @"
    --- stderr
    error: `joint@1` learned 2 metrics, which does not go with `--metrics requests`
    hint: training goes on with a detector as it is: leave the option out, or train without `--from`
    --- exit 1
    ");
}
