//! The aggregates over partitions, batch sizes and spilling.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::fixture::{query, store};
use crate::register_all;

/// Requests of many small groups and a large one, in no order.
fn requests() -> RecordBatch {
    let rows = 0..120_000_i64;
    let random =
        |row: i64, seed: i64| (row * 7_919 + seed).wrapping_mul(2_654_435_761) >> 7 & 0x3fff;
    let groups: Int64Array = rows
        .clone()
        .map(|row| if row % 10 == 0 { -1 } else { random(row, 1) })
        .collect();
    let clients: StringArray = rows
        .clone()
        .map(|row| (row % 13 != 0).then(|| format!("10.0.{}.{}", random(row, 2) >> 6, row % 200)))
        .collect();
    let latencies: Float64Array = rows
        .map(|row| (row % 7 != 0).then(|| (random(row, 3) as f64 / 1_600.0).exp()))
        .collect();
    RecordBatch::try_from_iter([
        ("slot", Arc::new(groups) as ArrayRef),
        ("client_ip", Arc::new(clients)),
        ("latency_ms", Arc::new(latencies)),
    ])
    .unwrap()
}

const GROUPED: &str = "SELECT slot, unique_count(client_ip) AS clients, \
    unique_count(client_ip) FILTER (WHERE latency_ms > 100) AS slow, \
    quantiles(latency_ms, 0.5, 0.95) AS latency \
    FROM requests GROUP BY slot ORDER BY slot";

fn context(partitions: usize, batch_size: usize, memory: Option<usize>) -> SessionContext {
    let config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(batch_size)
        .set_usize("datafusion.execution.sort_spill_reservation_bytes", 1 << 16);
    let mut runtime = RuntimeEnvBuilder::new();
    if let Some(memory) = memory {
        runtime = runtime.with_memory_pool(Arc::new(FairSpillPool::new(memory)));
    }
    let mut context = SessionContext::new_with_config_rt(config, runtime.build_arc().unwrap());
    register_all(&mut context, &store()).unwrap();
    let batch = requests();
    let size = batch.num_rows().div_ceil(partitions);
    let parts = (0..partitions)
        .map(|part| {
            let first = part * size;
            vec![batch.slice(first, size.min(batch.num_rows() - first))]
        })
        .collect();
    let table = MemTable::try_new(batch.schema(), parts).unwrap();
    context.register_table("requests", Arc::new(table)).unwrap();
    context
}

#[tokio::test]
async fn partitions_batches_and_spilling_change_nothing() {
    let expected = query(&context(1, 8_192, None), GROUPED).await.unwrap();
    assert!(expected.num_rows() > 10_000);
    for (partitions, batch_size, memory) in [
        (4, 8_192, None),
        (3, 100, None),
        (1, 1_000, Some(8 << 20)),
        (2, 1_000, Some(12 << 20)),
    ] {
        let found = query(&context(partitions, batch_size, memory), GROUPED).await;
        assert_eq!(
            found.unwrap(),
            expected,
            "{partitions} {batch_size} {memory:?}"
        );
    }
}

#[tokio::test]
async fn groups_that_do_not_fit_into_memory_spill() {
    let context = context(1, 1_000, Some(8 << 20));
    let plan = query(&context, &format!("EXPLAIN ANALYZE {GROUPED}"))
        .await
        .unwrap();
    let text = pretty_format_batches(&[plan]).unwrap().to_string();
    let has_spilled = text.lines().any(|line| {
        line.contains("AggregateExec")
            && line.contains("spill_count=")
            && !line.contains("spill_count=0")
    });
    assert!(has_spilled, "{text}");
}

#[tokio::test]
async fn each_group_has_what_its_rows_alone_give() {
    let context = context(4, 8_192, None);
    let one = "SELECT unique_count(client_ip) AS clients, quantiles(latency_ms, 0.5, 0.95) AS latency \
               FROM requests WHERE slot =";
    for slot in [-1, 0, 17, 4_000] {
        let alone = query(&context, &format!("{one} {slot}")).await.unwrap();
        let grouped = GROUPED.replace("ORDER BY", &format!("HAVING slot = {slot} ORDER BY"));
        let grouped = query(&context, &grouped).await.unwrap();
        assert_eq!(alone.column(0), grouped.column(1), "{slot}");
        assert_eq!(alone.column(1), grouped.column(3), "{slot}");
    }
}
