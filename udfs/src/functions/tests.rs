//! Both forms through SQL, over partitions and batch sizes.

mod baseline;

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::fixture::{HOUR, hours, query, store, traffic};
use crate::register_all;
use anomalog_engine::detector::DetectorStore;
use anomalog_engine::network::Architecture;

const SCORES: &str = "SELECT site, window_start, \
    lstm_score(window_start, requests) OVER w AS score, \
    lstm_detect(window_start, requests) OVER w AS verdict, \
    gru_score('edge', window_start, requests, server_errors) OVER w AS edge \
    FROM traffic_windows \
    WINDOW w AS (PARTITION BY site ORDER BY window_start) ORDER BY site, window_start";

/// Five weeks of two sites; site `b` has a hole and NULLs.
fn windows() -> RecordBatch {
    let rows = 840;
    let times = hours(480_000, rows);
    let requests = traffic(rows, 700);
    let mut sites = Vec::new();
    let mut window_start = Vec::new();
    let mut counts = Vec::new();
    let mut errors = Vec::new();
    for site in ["a", "b"] {
        for row in 0..rows {
            if site == "b" && (300..320).contains(&row) {
                continue;
            }
            sites.push(site);
            window_start.push(times[row]);
            counts.push((site == "a" || row % 50 != 3).then_some(requests[row] as i64));
            errors.push(Some(if row % 9 == 0 {
                f64::NAN
            } else {
                (row % 5) as f64
            }));
        }
    }
    let columns: [(&str, ArrayRef); 4] = [
        ("site", Arc::new(StringArray::from(sites))),
        (
            "window_start",
            Arc::new(TimestampMicrosecondArray::from(window_start).with_timezone("UTC")),
        ),
        ("requests", Arc::new(Int64Array::from(counts))),
        ("server_errors", Arc::new(Float64Array::from(errors))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn context(partitions: usize, batch_size: usize) -> SessionContext {
    context_with(&store(), partitions, batch_size)
}

/// With the shipped detectors, for hours, and no other.
fn shipped_context(partitions: usize, batch_size: usize) -> SessionContext {
    let store = DetectorStore::open("no such folder").with_step(HOUR);
    context_with(&Arc::new(store), partitions, batch_size)
}

fn context_with(
    store: &Arc<DetectorStore>,
    partitions: usize,
    batch_size: usize,
) -> SessionContext {
    let config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(batch_size);
    let mut context = SessionContext::new_with_config(config);
    register_all(&mut context, store).unwrap();
    let batch = windows();
    let parts = (0..partitions)
        .map(|part| {
            let size = batch.num_rows().div_ceil(partitions);
            let first = part * size;
            vec![batch.slice(first, size.min(batch.num_rows() - first))]
        })
        .collect();
    let table = MemTable::try_new(batch.schema(), parts).unwrap();
    context
        .register_table("traffic_windows", Arc::new(table))
        .unwrap();
    context
}

async fn error(sql: &str) -> String {
    let error = query(&context(1, 8192), sql).await.unwrap_err();
    error.strip_backtrace()
}

fn scores(batch: &RecordBatch, name: &str) -> Vec<Option<u64>> {
    let column = batch
        .column_by_name(name)
        .unwrap()
        .as_primitive::<Float64Type>();
    column.iter().map(|score| score.map(f64::to_bits)).collect()
}

fn verdicts(batch: &RecordBatch) -> &StructArray {
    batch.column_by_name("verdict").unwrap().as_struct()
}

fn statuses(batch: &RecordBatch) -> Vec<&str> {
    let status = verdicts(batch).column_by_name("status").unwrap();
    status.as_string::<i32>().iter().flatten().collect()
}

#[tokio::test]
async fn scores_do_not_depend_on_partitions_or_batch_size() {
    let expected = query(&context(1, 8192), SCORES).await.unwrap();
    assert!(
        scores(&expected, "score")
            .iter()
            .filter(|score| score.is_some())
            .count()
            > 1_500
    );
    for (partitions, batch_size) in [(1, 1), (4, 1), (4, 8192), (2, 100)] {
        let found = query(&context(partitions, batch_size), SCORES)
            .await
            .unwrap();
        assert_eq!(scores(&expected, "score"), scores(&found, "score"));
        assert_eq!(scores(&expected, "edge"), scores(&found, "edge"));
        assert_eq!(verdicts(&expected), verdicts(&found));
    }
}

#[tokio::test]
async fn an_ok_score_is_the_same_however_much_earlier_history_a_query_holds() {
    let context = context(1, 8192);
    let all = query(&context, SCORES).await.unwrap();
    let later = SCORES.replace(
        "FROM traffic_windows",
        "FROM (SELECT * FROM traffic_windows \
               WHERE window_start >= arrow_cast(480200 * 3600000000, 'Timestamp(Microsecond, Some(\"UTC\"))'))",
    );
    let later = query(&context, &later).await.unwrap();
    let row_of = |batch: &RecordBatch, row: usize| {
        let site = batch.column(0).as_string::<i32>().value(row).to_owned();
        let time = batch
            .column(1)
            .as_primitive::<datafusion::arrow::datatypes::TimestampMicrosecondType>();
        (site, time.value(row))
    };
    let by_row: std::collections::BTreeMap<_, _> = scores(&all, "score")
        .into_iter()
        .enumerate()
        .map(|(row, score)| (row_of(&all, row), score))
        .collect();
    let mut compared = 0;
    for (row, status) in statuses(&later).into_iter().enumerate() {
        if status == "ok" {
            assert_eq!(
                by_row[&row_of(&later, row)],
                scores(&later, "score")[row],
                "row {row}"
            );
            compared += 1;
        }
    }
    assert!(compared > 500, "{compared} rows compared");
}

#[tokio::test]
async fn the_spike_scores_highest_and_statuses_say_what_is_missing() {
    let batch = query(&context(1, 8192), SCORES).await.unwrap();
    let score = batch
        .column_by_name("score")
        .unwrap()
        .as_primitive::<Float64Type>();
    let statuses = statuses(&batch);
    let best = (0..840)
        .max_by(|&a, &b| score.value(a).total_cmp(&score.value(b)))
        .unwrap();
    assert_eq!(best, 700);
    let verdicts = verdicts(&batch);
    let text = |name: &str| {
        verdicts
            .column_by_name(name)
            .unwrap()
            .as_string::<i32>()
            .value(700)
            .to_owned()
    };
    assert_eq!(
        (text("severity"), text("direction")),
        ("high".to_owned(), "spike".to_owned())
    );
    assert_eq!(text("top_metric"), "requests");
    assert!(statuses[..48].iter().all(|status| *status == "warmup"));
    assert!(score.is_null(0), "a warm-up score is NULL");
    assert!(
        statuses[48..100]
            .iter()
            .all(|status| *status == "short_history")
    );
    assert!(statuses[216..840].iter().all(|status| *status == "ok"));
    assert_eq!(statuses[840 + 3], "no_data");
    assert!(score.is_null(840 + 3));
}

#[tokio::test]
async fn the_scalar_form_scores_the_last_window_like_the_window_form() {
    let context = context(1, 8192);
    let windows = query(&context, SCORES).await.unwrap();
    let lists = query(
        &context,
        "SELECT lstm_score(times, history) AS score, lstm_detect('lstm', times, history) AS verdict \
         FROM (SELECT array_agg(window_start ORDER BY window_start) AS times, \
                      array_agg(requests ORDER BY window_start) AS history \
               FROM traffic_windows WHERE site = 'a')",
    )
    .await
    .unwrap();
    assert_eq!(scores(&windows, "score")[839], scores(&lists, "score")[0]);
    assert_eq!(statuses(&lists), ["ok"]);
}

#[tokio::test]
async fn the_scalar_form_needs_no_times_and_says_what_is_missing() {
    let batch = query(
        &context(1, 8192),
        "SELECT lstm_score(history) AS score, lstm_detect(history) AS verdict FROM (VALUES \
            (range(1, 300)), (range(1, 3)), (make_array()::bigint[]), (NULL::bigint[]), \
            (array_append(range(1, 300), NULL))) AS t(history)",
    )
    .await
    .unwrap();
    assert_eq!(
        statuses(&batch),
        ["ok", "warmup", "no_data", "null_input", "no_data"]
    );
    let present: Vec<_> = scores(&batch, "score")
        .iter()
        .map(Option::is_some)
        .collect();
    assert_eq!(present, [true, false, false, false, false]);
}

#[tokio::test]
async fn nan_and_partly_missing_input() {
    let batch = query(
        &context(1, 8192),
        "SELECT anomaly_detect('edge', window_start, requests, server_errors) OVER \
           (PARTITION BY site ORDER BY window_start) AS verdict \
         FROM traffic_windows WHERE site = 'a' ORDER BY window_start",
    )
    .await
    .unwrap();
    assert_eq!(statuses(&batch)[225], "null_input");
    assert_eq!(statuses(&batch)[226], "ok");
    let score = verdicts(&batch).column_by_name("anomaly_score").unwrap();
    assert!(score.is_valid(225), "scored by the other metric");
}

#[tokio::test]
async fn one_row_and_no_rows() {
    let one = "SELECT lstm_detect(window_start, requests) OVER (ORDER BY window_start) AS verdict \
               FROM (SELECT * FROM traffic_windows WHERE site = 'a' LIMIT";
    let batch = query(&context(1, 8192), &format!("{one} 1)"))
        .await
        .unwrap();
    assert_eq!(statuses(&batch), ["warmup"]);
    let batch = query(&context(1, 8192), &format!("{one} 0)"))
        .await
        .unwrap();
    assert_eq!(batch.num_rows(), 0);
}

#[tokio::test]
async fn explain_names_the_version_that_answers() {
    let plan = query(&context(1, 8192), &format!("EXPLAIN {SCORES}"))
        .await
        .unwrap();
    let text = pretty_format_batches(&[plan]).unwrap().to_string();
    assert!(text.contains("lstm@1") && text.contains("edge@1"), "{text}");
}

#[tokio::test]
async fn a_forgotten_series_key_is_an_error() {
    let message =
        error("SELECT lstm_score(window_start, requests) OVER (ORDER BY window_start) FROM traffic_windows").await;
    insta::assert_snapshot!(message, @r"
Execution error: `lstm_score`: two rows fall into the window that starts at 2024-10-04T00:00:00Z
hint: give one row per series and window: is the series key missing from `PARTITION BY`?
");
}

/// The four shipped detectors, in calls of one metric and of several.
const SHIPPED: &str = "SELECT site, window_start, \
    rnn_score(window_start, requests) OVER w AS rnn, \
    lstm_score(window_start, requests) OVER w AS lstm, \
    gru_score(window_start, requests) OVER w AS gru, \
    clstm_score(window_start, requests) OVER w AS clstm, \
    anomaly_score('pretrained-lstm', window_start, requests) OVER w AS score, \
    lstm_score('pretrained-lstm@2:1h', window_start, requests * 3) OVER w AS tripled, \
    lstm_detect(window_start, server_errors, requests * 3) OVER w AS verdict \
    FROM traffic_windows \
    WINDOW w AS (PARTITION BY site ORDER BY window_start) ORDER BY site, window_start";

#[tokio::test]
async fn shipped_detectors_answer_without_training() {
    let expected = query(&shipped_context(1, 8192), SHIPPED).await.unwrap();
    for name in ["rnn", "lstm", "gru", "clstm"] {
        let known = scores(&expected, name);
        let scored = known.iter().flatten().count();
        assert!(scored > 1_400, "{name}: {scored}");
        let of_spike = f64::from_bits(known[700].unwrap());
        assert!(of_spike > 0.999, "{name}: {of_spike}");
    }
    assert_eq!(scores(&expected, "score"), scores(&expected, "lstm"));
    let verdict = verdicts(&expected);
    let top = verdict.column_by_name("top_metric").unwrap();
    let top = top.as_string::<i32>();
    assert_eq!(top.value(700), "traffic_windows.requests * Int64(3)");
    assert!(top.iter().any(|top| top == Some("server_errors")));
    for (partitions, batch_size) in [(4, 1), (2, 100)] {
        let found = query(&shipped_context(partitions, batch_size), SHIPPED).await;
        let found = found.unwrap();
        for name in ["rnn", "lstm", "gru", "clstm", "tripled"] {
            assert_eq!(scores(&expected, name), scores(&found, name), "{name}");
        }
        assert_eq!(verdicts(&expected), verdicts(&found));
    }
}

#[tokio::test]
async fn shipped_detectors_score_lists() {
    let windows = query(&shipped_context(1, 8192), SHIPPED).await.unwrap();
    let context = shipped_context(1, 8192);
    let lists = query(
        &context,
        "SELECT gru_score(array_agg(window_start ORDER BY window_start), \
                          array_agg(requests ORDER BY window_start)) AS gru, \
                lstm_score(array_agg(requests ORDER BY window_start)) AS undated \
         FROM traffic_windows WHERE site = 'a'",
    );
    let lists = lists.await.unwrap();
    assert_eq!(scores(&windows, "gru")[839], scores(&lists, "gru")[0]);
    assert!(scores(&lists, "undated")[0].is_some());
}

#[tokio::test]
async fn explain_shows_what_a_shipped_detector_is_bound_to() {
    let plan = query(&shipped_context(1, 8192), &format!("EXPLAIN {SHIPPED}")).await;
    let text = pretty_format_batches(&[plan.unwrap()]).unwrap().to_string();
    let bound = r#"pretrained-lstm@2:3600s["server_errors","traffic_windows.requests * Int64(3)"]"#;
    assert!(text.contains(bound), "{text}");
}

/// A detector that was trained is meant before one that is shipped.
#[tokio::test]
async fn trained_detectors_come_first() {
    let store = DetectorStore::open("no such folder").with_step(HOUR);
    let lstm = crate::fixture::detector("mine", Architecture::Lstm, &["requests"]);
    store.insert(lstm);
    let context = context_with(&Arc::new(store), 1, 8192);
    let sql = "EXPLAIN SELECT lstm_score(window_start, requests) OVER w, \
        lstm_score(window_start, server_errors) OVER w, \
        anomaly_score(window_start, requests) OVER w, \
        gru_score(window_start, requests) OVER w FROM traffic_windows \
        WINDOW w AS (PARTITION BY site ORDER BY window_start)";
    let plan = query(&context, sql).await.unwrap();
    let text = pretty_format_batches(&[plan]).unwrap().to_string();
    for part in [
        r#"lstm_score(Utf8("mine@1"), traffic_windows.window_start, traffic_windows.requests)"#,
        r#"lstm_score(Utf8("pretrained-lstm@2:3600s["server_errors"]")"#,
        r#"anomaly_score(Utf8("mine@1")"#,
        r#"gru_score(Utf8("pretrained-gru@2:3600s["requests"]")"#,
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[tokio::test]
async fn wrong_calls_of_shipped_detectors() {
    let over = "OVER (PARTITION BY site ORDER BY window_start) FROM traffic_windows";
    let mut messages = String::new();
    for call in [
        "lstm_score('nope', window_start, requests)",
        "lstm_score('pretrained-gru', window_start, requests)",
        "lstm_score('pretrained-lstm@7', window_start, requests)",
        "lstm_score('pretrained-lstm:7', window_start, requests)",
        "lstm_score('pretrained-lstm:1m', window_start, requests)",
        "lstm_score('pretrained-lstm:1d', window_start, requests)",
    ] {
        let result = query(&shipped_context(1, 8192), &format!("SELECT {call} {over}")).await;
        let _ = writeln!(
            messages,
            "-- {call}\n{}",
            result.unwrap_err().strip_backtrace()
        );
    }
    insta::assert_snapshot!(messages, @"
    -- lstm_score('nope', window_start, requests)
    apply_function_rewrites
    caused by
    Error during planning: there is no detector `nope`; there are shipped for any metrics: pretrained-rnn, pretrained-lstm, pretrained-gru, pretrained-clstm
    hint: `anomalog detectors list` shows them
    -- lstm_score('pretrained-gru', window_start, requests)
    apply_function_rewrites
    caused by
    Error during planning: detector `pretrained-gru@2` is a gru, but the function asks for a lstm detector
    hint: `anomaly_score` takes whatever architecture a detector has
    -- lstm_score('pretrained-lstm@7', window_start, requests)
    apply_function_rewrites
    caused by
    Error during planning: there is no detector `pretrained-lstm@7`; there are shipped for any metrics: pretrained-rnn, pretrained-lstm, pretrained-gru, pretrained-clstm
    hint: `anomalog detectors list` shows them
    -- lstm_score('pretrained-lstm:7', window_start, requests)
    apply_function_rewrites
    caused by
    Error during planning: `pretrained-lstm:7` is not a detector reference, expected `name` or `name@version`
    hint: for example 'lstm', 'lstm@3', or, for windows of 5 minutes, 'pretrained-lstm:5m'
    -- lstm_score('pretrained-lstm:1m', window_start, requests)
    Execution error: `lstm_score`: windows are 3600 s apart or more, and the detector expects windows of 60 s
    hint: use a detector for windows of this length, such as 'pretrained-lstm:5m' or 'baseline:5m' for 5 minutes, or aggregate to the detector's
    -- lstm_score('pretrained-lstm:1d', window_start, requests)
    Execution error: `lstm_score`: two rows fall into the window that starts at 2024-10-04T00:00:00Z
    hint: give one row per series and window: is the series key missing from `PARTITION BY`?
    ");
}

/// One wrong call per rule, with its message.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "the snapshot")]
async fn wrong_calls_are_planning_errors_that_say_what_would_be_right() {
    let over = "OVER (PARTITION BY site ORDER BY window_start) FROM traffic_windows";
    let mut messages = String::new();
    for call in [
        "lstm_score()",
        "lstm_score(window_start)",
        "lstm_score(requests, window_start)",
        "lstm_score(window_start, site)",
        "lstm_score(window_start, server_errors)",
        "lstm_score(window_start, requests, server_errors)",
        "gru_score('edge', window_start, server_errors, requests)",
        "lstm_score('edge', window_start, requests, server_errors)",
        "lstm_score('nope', window_start, requests)",
        "lstm_score('lstm@9', window_start, requests)",
        "lstm_score('lstm@x', window_start, requests)",
        "lstm_score(site, window_start, requests)",
        "clstm_score(window_start, requests)",
    ] {
        let message = error(&format!("SELECT {call} {over}")).await;
        let _ = writeln!(messages, "-- {call}\n{message}");
    }
    for over in [
        "OVER (PARTITION BY site)",
        "OVER (PARTITION BY site ORDER BY requests)",
        "OVER (PARTITION BY site ORDER BY window_start DESC)",
        "OVER (PARTITION BY site ORDER BY window_start ROWS BETWEEN 5 PRECEDING AND CURRENT ROW)",
    ] {
        let sql = format!("SELECT lstm_score(window_start, requests) {over} FROM traffic_windows");
        let _ = writeln!(messages, "-- {over}\n{}", error(&sql).await);
    }
    for call in [
        "lstm_score(requests)",
        "lstm_score(make_array('a'))",
        "lstm_score('nope', make_array(1))",
    ] {
        let message = error(&format!("SELECT {call} FROM traffic_windows")).await;
        let _ = writeln!(messages, "-- {call}\n{message}");
    }
    insta::assert_snapshot!(messages, @"
    -- lstm_score()
    Error during planning: `lstm_score` expects ([detector,] window_start, metric, …), found 0 arguments
    hint: `lstm_score(window_start, requests) OVER (PARTITION BY site ORDER BY window_start)`
    -- lstm_score(window_start)
    Error during planning: `lstm_score` expects at least one metric after the timestamp
    hint: `lstm_score(window_start, requests) OVER (PARTITION BY site ORDER BY window_start)`
    -- lstm_score(requests, window_start)
    Error during planning: `lstm_score` expects a timestamp as argument 1, found Int64
    hint: `lstm_score(window_start, requests) OVER (PARTITION BY site ORDER BY window_start)`
    -- lstm_score(window_start, site)
    Error during planning: `lstm_score` expects a number as argument 2, found Utf8
    hint: a detector is the first argument: `lstm_score('NAME', window_start, requests)`
    -- lstm_score(window_start, server_errors)
    apply_function_rewrites
    caused by
    Error during planning: there is no lstm detector for (server_errors); there are edge(requests, server_errors), lstm(requests)
    hint: train one: `anomalog train --metrics server_errors`
    -- lstm_score(window_start, requests, server_errors)
    apply_function_rewrites
    caused by
    Error during planning: there is no lstm detector for (requests, server_errors); there are edge(requests, server_errors), lstm(requests)
    hint: train one: `anomalog train --metrics requests,server_errors`
    -- gru_score('edge', window_start, server_errors, requests)
    apply_function_rewrites
    caused by
    Error during planning: detector `edge@1` takes (requests, server_errors), found (server_errors, requests)
    hint: give the metrics as (window_start, requests, server_errors)
    -- lstm_score('edge', window_start, requests, server_errors)
    apply_function_rewrites
    caused by
    Error during planning: detector `edge@1` is a gru, but the function asks for a lstm detector
    hint: `anomaly_score` takes whatever architecture a detector has
    -- lstm_score('nope', window_start, requests)
    apply_function_rewrites
    caused by
    Error during planning: there is no detector `nope`; there are edge(requests, server_errors), lstm(requests)
    hint: `anomalog detectors list` shows them
    -- lstm_score('lstm@9', window_start, requests)
    apply_function_rewrites
    caused by
    Error during planning: there is no detector `lstm@9`; there are edge(requests, server_errors), lstm(requests)
    hint: `anomalog detectors list` shows them
    -- lstm_score('lstm@x', window_start, requests)
    apply_function_rewrites
    caused by
    Error during planning: `lstm@x` is not a detector reference, expected `name` or `name@version`
    hint: for example 'lstm', 'lstm@3', or, for windows of 5 minutes, 'pretrained-lstm:5m'
    -- lstm_score(site, window_start, requests)
    apply_function_rewrites
    caused by
    Error during planning: `lstm_score` expects the detector as a literal, such as 'lstm' or 'lstm@1'
    -- clstm_score(window_start, requests)
    apply_function_rewrites
    caused by
    Error during planning: there is no clstm detector for (requests); there are edge(requests, server_errors), lstm(requests)
    hint: train one: `anomalog train --metrics requests`
    -- OVER (PARTITION BY site)
    apply_function_rewrites
    caused by
    Error during planning: `lstm_score` needs the rows in time order
    hint: `lstm_score(…) OVER (PARTITION BY site ORDER BY traffic_windows.window_start)`
    -- OVER (PARTITION BY site ORDER BY requests)
    apply_function_rewrites
    caused by
    Error during planning: `lstm_score` needs `ORDER BY traffic_windows.window_start`, its argument 1, ascending and alone
    -- OVER (PARTITION BY site ORDER BY window_start DESC)
    apply_function_rewrites
    caused by
    Error during planning: `lstm_score` needs `ORDER BY traffic_windows.window_start`, its argument 1, ascending and alone
    -- OVER (PARTITION BY site ORDER BY window_start ROWS BETWEEN 5 PRECEDING AND CURRENT ROW)
    apply_function_rewrites
    caused by
    Error during planning: `lstm_score` takes no window frame, FILTER or DISTINCT: the detector sets how far it looks back
    -- lstm_score(requests)
    Error during planning: `lstm_score` expects a list of numbers as argument 1, found Int64
    hint: `lstm_score([times,] history)`, or with an OVER clause `lstm_score(window_start, requests) OVER (…)`
    -- lstm_score(make_array('a'))
    Error during planning: `lstm_score` expects a list of numbers as argument 1, found List(Utf8)
    hint: `lstm_score([times,] history)`, or with an OVER clause `lstm_score(window_start, requests) OVER (…)`
    -- lstm_score('nope', make_array(1))
    Error during planning: there is no detector `nope`; there are edge(requests, server_errors), lstm(requests)
    hint: `anomalog detectors list` shows them
    ");
}
