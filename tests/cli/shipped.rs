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
            "scored 2880 windows with pretrained-clstm@2, pretrained-gru@2, \
                       pretrained-lstm@2, pretrained-rnn@2"
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
    assert_eq!(several["detector"], "pretrained-gru@2");
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
    let (facts, _) = shown.split_once("loss").unwrap();
    insta::assert_snapshot!(facts, @"
    detector        pretrained-lstm@2
    architecture    lstm, hidden 24
    objective       gate
    metrics         any, each by itself
    window step     any
    trained on      10966740 windows of 782 made-up sites, 3000 steps, seed 1
    ");
}

#[test]
fn training_goes_on_with_a_forecaster() {
    let work = Workplace::with_windows();
    let train = |arguments: &[&str]| {
        let summary = work.succeed(&[&["--json", "train", "--arch", "rnn"], arguments].concat());
        json(&summary)["detectors"][0].clone()
    };
    train(&["--hidden", "8", "--name", "mine"]);
    let next = train(&["--from", "mine", "--steps", "20"]);
    assert_eq!(
        [&next["name"], &next["began_with"]],
        ["mine", "mine@1"],
        "{next}"
    );
    assert_eq!(next["version"], 2);
    // Before any step it is the loss of the weights that it began with.
    let loss = |name: &str| next[name].as_f64().unwrap();
    assert!(loss("stop_loss") <= loss("untrained_stop_loss"), "{next}");

    // Of several metrics each is forecast by itself, by a network of one.
    let several = ["--from", "mine@1", "--steps", "10", "--name", "several"];
    train(&[&several[..], &["--metrics", "requests,server_errors"]].concat());
    let shown = json(&work.succeed(&["--json", "detectors", "show", "several"]));
    assert_eq!(shown["for_each_metric"], true);
    assert_eq!(shown["comparison"]["errors"].as_array().unwrap().len(), 2);
}

#[test]
fn what_does_not_go_with_the_weights_is_refused() {
    let work = Workplace::with_windows();
    let refuse = |arguments: &[&str]| work.run(&[&["train", "--from"], arguments].concat());
    insta::assert_snapshot!(refuse(&["pretrained-rnn", "--hidden", "7"]), @"
    --- stderr
    error: `pretrained-rnn@2` has the objective gate, which does not go with `--objective forecast`
    hint: training goes on with a detector as it is: leave the option out, or train without `--from`
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&["pretrained-lstm", "--arch", "lstm,gru"]), @"
    --- stderr
    error: `pretrained-lstm@2` has the architecture lstm, which does not go with `--arch gru`
    hint: training goes on with a detector as it is: leave the option out, or train without `--from`
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&["nope"]), @"
    --- stderr
    error: there is no detector `nope`; there are shipped for any metrics: pretrained-rnn, pretrained-lstm, pretrained-gru, pretrained-clstm
    hint: `anomalog detectors list` shows them
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["train", "--arch", "gru", "--name", "pretrained-gru"]), @"
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
