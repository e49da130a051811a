//! `baseline_score` and `baseline_detect`, which need no detector.

use std::fmt::Write as _;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::util::pretty::pretty_format_batches;

use super::{context_with, scores, shipped_context, statuses, verdicts};
use crate::fixture::{query, store};

const SCORES: &str = "SELECT site, window_start, \
    baseline_score(window_start, requests) OVER w AS score, \
    baseline_score(window_start, requests * 3) OVER w AS tripled, \
    baseline_detect(window_start, server_errors, requests * 3) OVER w AS verdict, \
    baseline_detect(window_start, requests) OVER w AS alone, \
    lstm_score(window_start, requests) OVER w AS lstm \
    FROM traffic_windows \
    WINDOW w AS (PARTITION BY site ORDER BY window_start) ORDER BY site, window_start";

#[tokio::test]
async fn nothing_has_to_be_trained_or_named() {
    let expected = query(&shipped_context(1, 8192), SCORES).await.unwrap();
    let known = scores(&expected, "score");
    assert!(known.iter().flatten().count() > 1_400);
    let in_range = |bits: &u64| (0.0..1.0).contains(&f64::from_bits(*bits));
    assert!(known.iter().flatten().all(in_range));
    let named = SCORES.replace("(window_start", "('baseline:1h', window_start");
    let named = named.replace("lstm_score('baseline:1h', ", "lstm_score(");
    let named = query(&context_with(&store(), 1, 8192), &named)
        .await
        .unwrap();
    assert_eq!(known, scores(&named, "score"), "the step may be said");
    let alone = expected.column_by_name("alone").unwrap().as_struct();
    let of_verdict = alone.column_by_name("anomaly_score").unwrap();
    let score = expected.column_by_name("score").unwrap();
    assert_eq!(of_verdict, score, "a verdict has the score");
    // What can be scored is the same as with a network, and the scores are not.
    let lstm = scores(&expected, "lstm");
    let is_known = |scores: &[Option<u64>]| scores.iter().map(Option::is_some).collect::<Vec<_>>();
    assert_eq!(is_known(&known), is_known(&lstm));
    assert_ne!(known, lstm);
    let verdict = verdicts(&expected);
    let of_spike = |name: &str| verdict.column_by_name(name).unwrap().slice(700, 1);
    assert!(of_spike("is_anomaly").as_boolean().value(0));
    assert_eq!(of_spike("direction").as_string::<i32>().value(0), "spike");
    assert_eq!(
        of_spike("top_metric").as_string::<i32>().value(0),
        "traffic_windows.requests * Int64(3)"
    );
    for (partitions, batch_size) in [(4, 1), (2, 100)] {
        let found = query(&shipped_context(partitions, batch_size), SCORES).await;
        let found = found.unwrap();
        for name in ["score", "tripled", "lstm"] {
            assert_eq!(scores(&expected, name), scores(&found, name), "{name}");
        }
        assert_eq!(verdicts(&expected), verdicts(&found));
    }
}

#[tokio::test]
async fn lists_score_their_last_element() {
    let context = shipped_context(1, 8192);
    let windows = query(&context, SCORES).await.unwrap();
    let lists = query(
        &context,
        "SELECT baseline_score(array_agg(window_start ORDER BY window_start), \
                               array_agg(requests ORDER BY window_start)) AS score, \
                baseline_score('baseline:5m', array_agg(requests ORDER BY window_start)) AS undated \
         FROM traffic_windows WHERE site = 'a'",
    );
    let lists = lists.await.unwrap();
    assert_eq!(scores(&windows, "score")[839], scores(&lists, "score")[0]);
    assert!(scores(&lists, "undated")[0].is_some());
    let missing = query(
        &context,
        "SELECT baseline_detect(history) AS verdict FROM (VALUES \
            (range(1, 3)), (make_array()::bigint[]), (NULL::bigint[]), \
            (array_append(range(1, 300), NULL))) AS t(history)",
    );
    assert_eq!(
        statuses(&missing.await.unwrap()),
        ["warmup", "no_data", "null_input", "no_data"]
    );
}

#[tokio::test]
async fn explain_names_the_baseline_with_its_step_and_metrics() {
    let plan = query(&shipped_context(1, 8192), &format!("EXPLAIN {SCORES}")).await;
    let text = pretty_format_batches(&[plan.unwrap()]).unwrap().to_string();
    for part in [
        r#"baseline:3600s["requests"]"#,
        r#"baseline:3600s["server_errors","traffic_windows.requests * Int64(3)"]"#,
        "AnomalyScoreExec: scores=[baseline_score(baseline, window_start@",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[tokio::test]
async fn wrong_calls() {
    let over = "OVER (PARTITION BY site ORDER BY window_start) FROM traffic_windows";
    let mut messages = String::new();
    for call in [
        "baseline_score()",
        "baseline_score(window_start, site)",
        "baseline_score('pretrained-lstm', window_start, requests)",
        "baseline_score('baseline@1', window_start, requests)",
        "baseline_score(site, window_start, requests)",
        "baseline_score('baseline:1m', window_start, requests)",
        "baseline_score('baseline:1d', window_start, requests)",
        "lstm_score('baseline', window_start, requests)",
    ] {
        let result = query(&shipped_context(1, 8192), &format!("SELECT {call} {over}")).await;
        let message = result.unwrap_err().strip_backtrace();
        let _ = writeln!(messages, "-- {call}\n{message}");
    }
    insta::assert_snapshot!(messages, @"
    -- baseline_score()
    Error during planning: `baseline_score` expects ([detector,] window_start, metric, …), found 0 arguments
    hint: `baseline_score(window_start, requests) OVER (PARTITION BY site ORDER BY window_start)`
    -- baseline_score(window_start, site)
    Error during planning: `baseline_score` expects a number as argument 2, found Utf8
    hint: a detector is the first argument: `baseline_score('NAME', window_start, requests)`
    -- baseline_score('pretrained-lstm', window_start, requests)
    apply_function_rewrites
    caused by
    Error during planning: the function asks for `baseline`, which has no versions, found `pretrained-lstm`
    hint: leave it out, or, for windows of 5 minutes, write 'baseline:5m'; `anomaly_score` takes any detector
    -- baseline_score('baseline@1', window_start, requests)
    apply_function_rewrites
    caused by
    Error during planning: the function asks for `baseline`, which has no versions, found `baseline@1`
    hint: leave it out, or, for windows of 5 minutes, write 'baseline:5m'; `anomaly_score` takes any detector
    -- baseline_score(site, window_start, requests)
    apply_function_rewrites
    caused by
    Error during planning: `baseline_score` expects the detector as a literal, such as 'baseline:5m'
    -- baseline_score('baseline:1m', window_start, requests)
    Execution error: `baseline_score`: windows are 3600 s apart or more, and the detector expects windows of 60 s
    hint: use a detector for windows of this length, such as 'pretrained-lstm:5m' or 'baseline:5m' for 5 minutes, or aggregate to the detector's
    -- baseline_score('baseline:1d', window_start, requests)
    Execution error: `baseline_score`: two rows fall into the window that starts at 2024-10-04T00:00:00Z
    hint: give one row per series and window: is the series key missing from `PARTITION BY`?
    -- lstm_score('baseline', window_start, requests)
    apply_function_rewrites
    caused by
    Error during planning: there is no detector `baseline`; there are shipped for any metrics: pretrained-rnn, pretrained-lstm, pretrained-gru, pretrained-clstm
    hint: in SQL, `baseline_score` and `baseline_detect` need no detector
    ");
}
