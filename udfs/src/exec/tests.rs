//! The streaming operator against the plain one.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use datafusion::arrow::array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use proptest::prelude::*;

use super::{AnomalyScoreExec, register_all};
use crate::fixture::{HOUR, classifier, query, store, traffic};
use crate::functions::register_functions;
use anomalog_engine::network::Architecture;

/// A row of a series: window, requests, errors.
pub(super) type Row = (Option<i64>, Option<i64>, Option<f64>);

/// Rows of one series: mostly consecutive windows, some missing, some far apart.
pub(super) fn series() -> impl Strategy<Value = Vec<Row>> {
    let gap = prop_oneof![40 => Just(1i64), 3 => 2..40i64, 1 => 100..200i64];
    let requests = prop_oneof![20 => (0..60i64).prop_map(Some), 1 => Just(None)];
    let errors = prop_oneof![
        10 => (0..3i32).prop_map(|count| Some(f64::from(count))),
        1 => Just(None),
        1 => Just(Some(f64::NAN)),
        1 => Just(Some(f64::INFINITY)),
    ];
    let rows = prop_oneof![2 => 0..60usize, 2 => 60..400usize, 1 => 1_000..1_500usize];
    rows.prop_flat_map(move |rows| {
        let row = (gap.clone(), requests.clone(), errors.clone());
        (0..2_000i64, prop::collection::vec(row, rows), 0..3usize)
    })
    .prop_map(|(first, rows, undated)| {
        let mut window = 480_000 + first;
        let mut rows: Vec<Row> = rows
            .into_iter()
            .map(|(gap, requests, errors)| {
                window += gap;
                (Some(window * HOUR), requests, errors)
            })
            .collect();
        rows.extend((0..undated).map(|_| (None, Some(1), Some(1.0))));
        rows
    })
}

pub(super) fn table(all: &[Vec<Row>]) -> RecordBatch {
    // Dealt out in turn, so that neither series nor times arrive in order.
    let longest = all.iter().map(Vec::len).max().unwrap_or(0);
    let dealt: Vec<(usize, Row)> = (0..longest)
        .rev()
        .flat_map(|row| {
            let rows = all.iter().enumerate();
            rows.filter_map(move |(key, rows)| Some((key, *rows.get(row)?)))
        })
        .collect();
    let text: StringArray = dealt
        .iter()
        .map(|(key, _)| (*key > 0).then(|| format!("site {key}")))
        .collect();
    let number: Float64Array = dealt
        .iter()
        .map(|(key, _)| match key {
            0 => None,
            1 => Some(f64::NAN),
            _ => Some(-(*key as f64)),
        })
        .collect();
    let times: TimestampMicrosecondArray = dealt.iter().map(|(_, row)| row.0).collect();
    let requests: Int64Array = dealt.iter().map(|(_, row)| row.1).collect();
    let errors: Float64Array = dealt.iter().map(|(_, row)| row.2).collect();
    RecordBatch::try_from_iter_with_nullable([
        ("site", Arc::new(text) as ArrayRef, true),
        ("number", Arc::new(number), true),
        ("window_start", Arc::new(times.with_timezone("UTC")), true),
        ("requests", Arc::new(requests), true),
        ("server_errors", Arc::new(errors), true),
    ])
    .unwrap()
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Operator {
    Plain,
    Streaming,
}

pub(super) fn context(
    operator: Operator,
    batch: &RecordBatch,
    config: SessionConfig,
) -> SessionContext {
    let partitions = config.target_partitions();
    let mut context = SessionContext::new_with_config(config);
    let store = store();
    store.insert(classifier("classes", Architecture::Clstm, &["requests"]));
    store.insert(classifier(
        "both",
        Architecture::Rnn,
        &["requests", "server_errors"],
    ));
    match operator {
        Operator::Plain => register_functions(&mut context, &store).unwrap(),
        Operator::Streaming => register_all(&mut context, &store).unwrap(),
    }
    register(&context, batch, partitions);
    context
}

fn register(context: &SessionContext, batch: &RecordBatch, partitions: usize) {
    let size = batch.num_rows().div_ceil(partitions);
    let parts = (0..partitions)
        .map(|part| {
            let first = (part * size).min(batch.num_rows());
            vec![batch.slice(first, size.min(batch.num_rows() - first))]
        })
        .collect();
    let table = MemTable::try_new(batch.schema(), parts).unwrap();
    context
        .register_table("traffic_windows", Arc::new(table))
        .unwrap();
}

pub(super) fn config(partitions: usize, batch_size: usize) -> SessionConfig {
    SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(batch_size)
}

fn scores(window: &str) -> String {
    format!(
        "SELECT *, lstm_score(window_start, requests) OVER w AS score, \
                lstm_detect(window_start, requests) OVER w AS verdict, \
                gru_score('edge', window_start, requests, server_errors) OVER w AS edge, \
                anomaly_detect('edge', window_start, requests, server_errors) OVER w AS edge_verdict \
         FROM traffic_windows WINDOW w AS ({window}) ORDER BY site, window_start"
    )
}

/// The same beside those of classifiers and of the baseline.
pub(super) fn scores_and_odds(window: &str) -> String {
    scores(window).replacen(
        "FROM",
        ", clstm_score('classes', window_start, requests) OVER w AS odds, \
           clstm_detect('classes', window_start, requests) OVER w AS odds_verdict, \
           rnn_detect('both', window_start, requests, server_errors) OVER w AS both_verdict, \
           baseline_score('baseline:1h', window_start, requests) OVER w AS usual, \
           baseline_detect('baseline:1h', window_start, requests, server_errors) OVER w \
             AS usual_verdict \
         FROM",
        1,
    )
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap()
        .block_on(future)
}

// A case takes seconds where cores are busy: classifiers run 60 steps a window.
proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn streams_what_the_plain_operator_gives(
        all in prop::collection::vec(series(), 1..6),
        partitions in 1..4usize,
        batch_size in prop_oneof![Just(1usize), 2..50usize, 50..9_000usize],
        window in prop_oneof![
            Just("PARTITION BY site ORDER BY window_start"),
            Just("PARTITION BY number ORDER BY window_start NULLS FIRST"),
            Just("PARTITION BY site, number ORDER BY window_start"),
        ],
    ) {
        let batch = table(&all);
        let sql = scores_and_odds(window);
        let (plain, streamed) = block_on(async {
            let plain = context(Operator::Plain, &batch, config(1, 8_192));
            let streaming = context(Operator::Streaming, &batch, config(partitions, batch_size));
            (query(&plain, &sql).await, query(&streaming, &sql).await)
        });
        prop_assert_eq!(plain.unwrap(), streamed.unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn rows_before_a_filter_are_history_and_change_no_score(
        all in prop::collection::vec(series(), 1..5),
        partitions in 1..4usize,
        batch_size in prop_oneof![Just(1usize), 2..50usize, 50..9_000usize],
        since in 0..4_000i64,
        seconds in prop_oneof![Just(0i64), 1..3_600i64],
    ) {
        let batch = table(&all);
        let since = (480_000 + since) * HOUR + seconds * 1_000_000;
        let scores = scores(WINDOW);
        let scores = scores.strip_suffix("ORDER BY site, window_start").unwrap();
        let sql = format!(
            "SELECT * FROM ({scores}) \
             WHERE window_start >= arrow_cast({since}, 'Timestamp(Microsecond, Some(\"UTC\"))') \
             ORDER BY site, window_start"
        );
        let (plain, streamed, explained) = block_on(async {
            let plain = context(Operator::Plain, &batch, config(1, 8_192));
            let streaming = context(Operator::Streaming, &batch, config(partitions, batch_size));
            let explained = plan(&streaming, &format!("EXPLAIN {sql}")).await;
            (query(&plain, &sql).await, query(&streaming, &sql).await, explained)
        });
        prop_assert!(explained.contains("scored_from="), "{}", explained);
        prop_assert_eq!(plain.unwrap(), streamed.unwrap());
    }
}

#[tokio::test]
async fn only_a_filter_by_the_time_of_the_scores_spares_rows() {
    let batch = many(2, 3_000);
    let scored = "SELECT *, lstm_score(window_start, requests) OVER \
        (PARTITION BY site ORDER BY window_start) AS score FROM traffic_windows";
    let late = "TIMESTAMP '2026-01-01T00:00:00Z'";
    let context = context(Operator::Streaming, &batch, config(2, 8_192));
    for (filter, spares) in [
        (format!("window_start > {late}"), true),
        (format!("{late} <= window_start AND requests > 3"), true),
        (format!("window_start < {late}"), false),
        (format!("window_start >= {late} OR requests > 3"), false),
        ("score > 0.5".to_owned(), false),
    ] {
        let sql = format!("EXPLAIN SELECT site, score FROM ({scored}) WHERE {filter}");
        let text = plan(&context, &sql).await;
        assert_eq!(text.contains("scored_from="), spares, "{filter}: {text}");
    }
    // A limit below the filter would take other rows.
    let sql = format!(
        "EXPLAIN SELECT site FROM ({scored} ORDER BY window_start LIMIT 5) WHERE window_start > {late}"
    );
    let text = plan(&context, &sql).await;
    assert!(!text.contains("scored_from="), "{text}");
}

#[tokio::test]
async fn a_series_key_may_be_of_any_type() {
    let batch = many(12, 60);
    let number = "length(site) * 100 + ascii(right(site, 1))";
    for key in [
        "arrow_cast(site, 'LargeUtf8')",
        "arrow_cast(site, 'Utf8View')",
        "arrow_cast(site, 'Dictionary(Int32, Utf8)')",
        "arrow_cast(site, 'Binary')",
        &format!("CAST({number} AS DECIMAL(10, 2))"),
        &format!("arrow_cast({number}, 'Float16')"),
        &format!("arrow_cast({number}, 'UInt16')"),
        &format!("arrow_cast(arrow_cast({number}, 'Int32'), 'Date32')"),
        "make_array(site, NULL)",
        "named_struct('site', site)",
    ] {
        let sql = format!(
            "SELECT site, window_start, lstm_score(window_start, requests) OVER \
               (PARTITION BY {key} ORDER BY window_start) AS score \
             FROM traffic_windows ORDER BY site, window_start"
        );
        let expected = query(&context(Operator::Plain, &batch, config(1, 8_192)), &sql).await;
        let streaming = context(Operator::Streaming, &batch, config(3, 100));
        let text = plan(&streaming, &format!("EXPLAIN {sql}")).await;
        assert!(text.contains("AnomalyScoreExec"), "{key}: {text}");
        let scores = query(&streaming, &sql).await.unwrap();
        assert_eq!(scores, expected.unwrap(), "{key}");
        assert_eq!(scores.column(2).null_count(), 12 * 48, "{key}");
    }
}

/// Rows of `series` series of `rows` hours each.
pub(super) fn many(series: usize, rows: usize) -> RecordBatch {
    let values = traffic(rows, rows / 2);
    let all: Vec<Vec<Row>> = (0..series)
        .map(|_| {
            let rows = values.iter().enumerate();
            rows.map(|(row, &value)| {
                let time = (480_000 + row as i64) * HOUR;
                (Some(time), Some(value as i64), Some(0.0))
            })
            .collect()
        })
        .collect();
    table(&all)
}

pub(super) async fn plan(context: &SessionContext, sql: &str) -> String {
    let plan = query(context, sql).await.unwrap();
    pretty_format_batches(&[plan]).unwrap().to_string()
}

pub(super) const WINDOW: &str = "PARTITION BY site ORDER BY window_start";

#[tokio::test]
async fn explain_shows_the_operator_and_what_it_did() {
    let context = context(Operator::Streaming, &many(3, 300), config(1, 8_192));
    let text = plan(&context, &format!("EXPLAIN ANALYZE {}", scores(WINDOW))).await;
    let line = text
        .lines()
        .find(|line| line.contains("AnomalyScoreExec"))
        .unwrap();
    for part in [
        "lstm_score(lstm@1, window_start@2, requests@3)",
        "partition_by=[site@0], order_by=[window_start@2 ASC NULLS LAST]",
        "output_rows=900",
        "series=3",
        // 21 blocks a series follow its first two lookbacks; two columns of a detector share them.
        "blocks=126",
        "kernel_time=",
    ] {
        assert!(line.contains(part), "{part} is not in\n{line}");
    }
}

#[tokio::test]
async fn partitions_score_ahead_of_a_merge() {
    let context = context(Operator::Streaming, &many(3, 300), config(2, 8_192));
    let ordered = plan(&context, &format!("EXPLAIN {}", scores(WINDOW))).await;
    let (merge, buffer, exec) = (
        ordered.find("SortPreservingMergeExec").unwrap(),
        ordered.find("BufferExec").unwrap(),
        ordered.find("AnomalyScoreExec").unwrap(),
    );
    assert!(merge < buffer && buffer < exec, "{ordered}");
    let unordered = scores(WINDOW).replace("ORDER BY site, window_start", "");
    let unordered = plan(&context, &format!("EXPLAIN {unordered}")).await;
    assert!(!unordered.contains("BufferExec"), "{unordered}");
}

#[tokio::test]
async fn a_window_with_other_functions_keeps_the_plain_operator() {
    let context = context(Operator::Streaming, &many(2, 200), config(2, 8_192));
    let sql = "SELECT site, row_number() OVER w AS n, lstm_score(window_start, requests) OVER w \
               AS score FROM traffic_windows WINDOW w AS (PARTITION BY site ORDER BY window_start)";
    let text = plan(&context, &format!("EXPLAIN {sql}")).await;
    assert!(text.contains(" WindowAggExec"), "{text}");
    assert!(!text.contains("AnomalyScoreExec"), "{text}");
    assert_eq!(query(&context, sql).await.unwrap().num_rows(), 400);
}

#[tokio::test]
async fn more_data_than_memory_completes() {
    const LIMIT: usize = 6 << 20;
    let batch = many(40, 5_000);
    assert!(batch.get_array_memory_size() > LIMIT);
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(LIMIT)));
    let config =
        config(2, 1_024).set_usize("datafusion.execution.sort_spill_reservation_bytes", 1 << 18);
    let mut context = SessionContext::new_with_config_rt(config, runtime.build_arc().unwrap());
    register_all(&mut context, &store()).unwrap();
    register(&context, &batch, 2);
    let sql = "SELECT site, count(*) AS rows, count(score) AS scores FROM (\
                 SELECT site, lstm_score(window_start, requests) OVER \
                   (PARTITION BY site ORDER BY window_start) AS score \
                 FROM traffic_windows) GROUP BY site HAVING count(score) = 4952";
    assert_eq!(query(&context, sql).await.unwrap().num_rows(), 40);
    let text = plan(&context, &format!("EXPLAIN ANALYZE {sql}")).await;
    let spilled = text.lines().any(|line| {
        line.contains("SortExec")
            && line.contains("spill_count=")
            && !line.contains("spill_count=0")
    });
    assert!(spilled, "{text}");
}

#[tokio::test]
async fn too_little_memory_for_one_batch_is_an_error_that_names_the_operator() {
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(1 << 12)));
    let mut context =
        SessionContext::new_with_config_rt(config(1, 8_192), runtime.build_arc().unwrap());
    register_all(&mut context, &store()).unwrap();
    register(&context, &many(1, 300), 1);
    let sql = "SELECT lstm_score(window_start, requests) OVER (ORDER BY window_start) \
               FROM (SELECT * FROM traffic_windows ORDER BY window_start LIMIT 300)";
    let error = query(&context, sql).await.unwrap_err().to_string();
    assert!(error.contains("Resources exhausted"), "{error}");
}

/// The operator of a plan.
pub(super) fn operator(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    if plan.is::<AnomalyScoreExec>() {
        return Arc::clone(plan);
    }
    operator(plan.children()[0])
}

#[tokio::test]
async fn a_query_that_is_dropped_stops_at_the_next_batch() {
    let context = context(Operator::Streaming, &many(20, 2_000), config(1, 8_192));
    let frame = context.sql(&scores(WINDOW)).await.unwrap();
    let plan = operator(&frame.create_physical_plan().await.unwrap());
    let blocks = || {
        plan.metrics()
            .unwrap()
            .sum_by_name("blocks")
            .unwrap()
            .as_usize()
    };
    let mut stream = plan.execute(0, context.task_ctx()).unwrap();
    let mut polled = 0;
    while !matches!(
        stream.poll_next_unpin(&mut Context::from_waker(Waker::noop())),
        Poll::Ready(Some(_))
    ) {
        polled += 1;
        tokio::task::yield_now().await;
    }
    assert!(
        polled > 0,
        "the thread is given back before the first result"
    );
    let so_far = blocks();
    drop(stream);
    collect(Arc::clone(&plan), context.task_ctx())
        .await
        .unwrap();
    assert!(
        so_far > 0 && so_far * 2 < blocks() - so_far,
        "{so_far} of {}",
        blocks()
    );
}

#[tokio::test]
async fn very_many_short_series_and_a_very_long_one() {
    let short = table(&vec![
        vec![(Some(480_000 * HOUR), Some(1), Some(0.0))];
        100_000
    ]);
    let long = many(1, 100_000);
    let sql = format!(
        "SELECT count(*) AS n, count(score) AS scores FROM ({})",
        scores(WINDOW)
    );
    for (batch, expected) in [(short, [100_000, 0]), (long, [100_000, 99_952])] {
        let context = context(Operator::Streaming, &batch, config(2, 8_192));
        let counts = query(&context, &sql).await.unwrap();
        let expected = RecordBatch::try_from_iter([
            (
                "n",
                Arc::new(Int64Array::from(vec![expected[0]])) as ArrayRef,
            ),
            ("scores", Arc::new(Int64Array::from(vec![expected[1]]))),
        ]);
        assert_eq!(counts.columns(), expected.unwrap().columns());
    }
}
