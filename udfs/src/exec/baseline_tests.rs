//! Columns of the baseline in the operator that streams.

use datafusion::physical_plan::collect;
use datafusion::prelude::SessionContext;

use super::tests::{Operator, WINDOW, config, context, many, operator, plan};
use crate::fixture::{HOUR, query};

const BASELINE: &str = "baseline_score('baseline:1h', window_start, requests) OVER w AS usual, \
    baseline_detect('baseline:1h', window_start, requests, server_errors) OVER w AS verdict";
const LSTM: &str = "lstm_score(window_start, requests) OVER w AS score";

fn select(columns: &str) -> String {
    format!(
        "SELECT site, window_start, {columns} FROM traffic_windows WINDOW w AS ({WINDOW}) \
         ORDER BY site, window_start"
    )
}

/// The forward passes of blocks that a query takes.
async fn passes(context: &SessionContext, sql: &str) -> usize {
    let frame = context.sql(sql).await.unwrap();
    let plan = operator(&frame.create_physical_plan().await.unwrap());
    collect(plan.clone(), context.task_ctx()).await.unwrap();
    let metrics = plan.metrics().unwrap();
    metrics.sum_by_name("blocks").unwrap().as_usize()
}

#[tokio::test]
async fn the_baseline_takes_no_forward_pass() {
    let context = context(Operator::Streaming, &many(3, 300), config(1, 8_192));
    assert_eq!(passes(&context, &select(BASELINE)).await, 0);
    let alone = passes(&context, &select(LSTM)).await;
    let mixed = select(&format!("{BASELINE}, {LSTM}"));
    assert!(alone > 0);
    assert_eq!(passes(&context, &mixed).await, alone);
    let text = plan(&context, &format!("EXPLAIN {mixed}")).await;
    assert!(!text.contains("WindowAggExec"), "{text}");
    for part in [
        "baseline_score(baseline, window_start@",
        "baseline_detect(baseline, window_start@",
        "lstm_score(lstm@1, window_start@",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[tokio::test]
async fn what_a_filter_drops_is_history_to_the_baseline() {
    let batch = many(2, 900);
    let scores = select(BASELINE);
    let scores = scores
        .strip_suffix("ORDER BY site, window_start")
        .unwrap_or(&scores);
    let since = (480_000 + 500) * HOUR;
    let sql = format!(
        "SELECT * FROM ({scores}) \
         WHERE window_start >= arrow_cast({since}, 'Timestamp(Microsecond, Some(\"UTC\"))') \
         ORDER BY site, window_start"
    );
    let plain = context(Operator::Plain, &batch, config(1, 8_192));
    let streaming = context(Operator::Streaming, &batch, config(2, 100));
    let text = plan(&streaming, &format!("EXPLAIN {sql}")).await;
    assert!(text.contains("scored_from="), "{text}");
    let expected = query(&plain, &sql).await.unwrap();
    assert_eq!(expected.num_rows(), 2 * 400);
    assert_eq!(expected.column(2).null_count(), 0);
    assert_eq!(query(&streaming, &sql).await.unwrap(), expected);
}
