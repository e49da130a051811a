//! Scores in time zones: the same in every form, and calm where clocks change.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::datasource::MemTable;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use proptest::prelude::*;

use super::tests::{Operator, block_on, config, context, plan, scores_and_odds, series, table};
use crate::fixture::{HOUR, query};
use crate::register_all;
use anomalog_engine::detector::DetectorStore;
use anomalog_engine::series::time_zone::TimeZone;

/// Rows of 2024 begin in October, before clocks change nearly everywhere.
const ZONES: [&str; 6] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "-03:30",
    "America/Asuncion",
];

/// The same calls over other times.
fn with_times(sql: &str, times: &str) -> String {
    sql.replace("(window_start, ", &format!("({times}, "))
        .replace(", window_start, ", &format!(", {times}, "))
}

/// The same calls with the times in a zone.
fn in_zone(sql: &str, zone: &str) -> String {
    with_times(sql, &format!("window_start AT TIME ZONE '{zone}'"))
}

const WINDOW: &str = "PARTITION BY site ORDER BY window_start";

// A case takes seconds where cores are busy: classifiers run 60 steps a window.
proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn streams_what_the_plain_operator_gives(
        all in prop::collection::vec(series(), 1..5),
        partitions in 1..4usize,
        batch_size in prop_oneof![Just(1usize), 2..50usize, 50..9_000usize],
        zone in prop::sample::select(ZONES.to_vec()),
    ) {
        let batch = table(&all);
        let sql = in_zone(&scores_and_odds(WINDOW), zone);
        let (plain, streamed) = block_on(async {
            let plain = context(Operator::Plain, &batch, config(1, 8_192));
            let streaming = context(Operator::Streaming, &batch, config(partitions, batch_size));
            (query(&plain, &sql).await, query(&streaming, &sql).await)
        });
        prop_assert_eq!(plain.unwrap(), streamed.unwrap());
    }

    #[test]
    fn utc_by_any_name_is_no_zone(
        all in prop::collection::vec(series(), 1..4),
        partitions in 1..4usize,
        zone in prop::sample::select(vec!["UTC", "Etc/UTC", "+00:00"]),
    ) {
        let batch = table(&all);
        let sql = scores_and_odds(WINDOW);
        let (without, named, untyped) = block_on(async {
            let context = context(Operator::Streaming, &batch, config(partitions, 8_192));
            let untyped = with_times(&sql, "CAST(window_start AS TIMESTAMP)");
            (
                query(&context, &sql).await,
                query(&context, &in_zone(&sql, zone)).await,
                query(&context, &untyped).await,
            )
        });
        let without = without.unwrap();
        prop_assert_eq!(&without, &named.unwrap());
        prop_assert_eq!(&without, &untyped.unwrap());
    }

    #[test]
    fn a_list_has_the_score_of_its_last_window(
        series in series(),
        zone in prop::sample::select(ZONES.to_vec()),
    ) {
        let rows: Vec<_> = series.into_iter().filter(|row| row.0.is_some()).collect();
        prop_assume!(!rows.is_empty());
        let batch = table(&[Vec::new(), rows]);
        let times = format!("window_start AT TIME ZONE '{zone}'");
        let windows = format!(
            "SELECT lstm_detect({times}, requests) OVER ({WINDOW}) AS verdict \
             FROM traffic_windows ORDER BY window_start DESC LIMIT 1"
        );
        let list = format!(
            "SELECT lstm_detect(array_agg({times} ORDER BY window_start), \
                                array_agg(requests ORDER BY window_start)) AS verdict \
             FROM traffic_windows"
        );
        let (windows, list) = block_on(async {
            let context = context(Operator::Streaming, &batch, config(1, 8_192));
            (query(&context, &windows).await, query(&context, &list).await)
        });
        let (windows, list) = (windows.unwrap(), list.unwrap());
        prop_assert_eq!(windows.column(0), list.column(0));
    }
}

#[tokio::test]
async fn rows_before_a_filter_are_spared_in_a_zone_too() {
    let row = |row: i64| {
        (
            Some((480_000 + row) * HOUR),
            Some(row * 7_919 % 50),
            Some(0.0),
        )
    };
    let batch = table(&[Vec::new(), (0..1_200).map(row).collect()]);
    let late = "TIMESTAMP '2024-11-10T00:00:00Z'";
    let zone = "window_start AT TIME ZONE 'Europe/Berlin'";
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("windows.parquet");
    let file = file.to_str().unwrap();
    let options = DataFrameWriteOptions::new();
    let memory = context(Operator::Plain, &batch, config(1, 8_192));
    let windows = memory.table("traffic_windows").await.unwrap();
    windows.write_parquet(file, options, None).await.unwrap();
    for calls in [
        format!("lstm_score({zone}, requests) OVER ({WINDOW}) AS score"),
        // Computed once, below.
        format!(
            "lstm_score({zone}, requests) OVER ({WINDOW}) AS score, \
             lstm_detect({zone}, requests) OVER ({WINDOW}) AS verdict"
        ),
    ] {
        let sql = format!(
            "SELECT * FROM (SELECT *, {calls} FROM traffic_windows) \
             WHERE window_start >= {late} ORDER BY window_start"
        );
        let streaming = context(Operator::Streaming, &batch, config(2, 8_192));
        let explained = plan(&streaming, &format!("EXPLAIN {sql}")).await;
        assert!(explained.contains("scored_from=2024-11-10"), "{explained}");
        // Or while a file is read.
        let reading = context(Operator::Streaming, &batch, config(2, 8_192));
        reading.deregister_table("traffic_windows").unwrap();
        let options = ParquetReadOptions::default();
        let table = reading.register_parquet("traffic_windows", file, options);
        table.await.unwrap();
        let explained = plan(&reading, &format!("EXPLAIN {sql}")).await;
        assert!(explained.contains("scored_from=2024-11-10"), "{explained}");
        let plain = context(Operator::Plain, &batch, config(1, 8_192));
        let expected = query(&plain, &sql).await.unwrap();
        assert_eq!(query(&streaming, &sql).await.unwrap(), expected);
        assert!(expected.num_rows() > 300);
    }
    // A time without a zone is another instant in each.
    let naive = "CAST(window_start AS TIMESTAMP) AT TIME ZONE 'Asia/Tokyo'";
    let sql = format!(
        "EXPLAIN SELECT * FROM (SELECT *, lstm_score({naive}, requests) OVER ({WINDOW}) \
         FROM traffic_windows) WHERE window_start >= {late}"
    );
    let streaming = context(Operator::Streaming, &batch, config(1, 8_192));
    let explained = plan(&streaming, &sql).await;
    assert!(!explained.contains("scored_from="), "{explained}");
}

#[tokio::test]
async fn unknown_zones_are_planning_errors() {
    let batch = table(&[vec![(Some(0), Some(1), None)]]);
    let context = context(Operator::Streaming, &batch, config(1, 8_192));
    let mut messages = String::new();
    for times in [
        "window_start AT TIME ZONE 'Berlin'",
        r#"arrow_cast(window_start, 'Timestamp(Microsecond, Some("Mars/Olympus"))')"#,
    ] {
        for call in [
            format!("lstm_score({times}, requests) OVER ({WINDOW})"),
            format!("lstm_score(make_array({times}), make_array(requests))"),
        ] {
            let sql = format!("EXPLAIN SELECT {call} FROM traffic_windows");
            let error = query(&context, &sql).await.unwrap_err();
            writeln!(messages, "{}", error.strip_backtrace()).unwrap();
        }
    }
    insta::assert_snapshot!(messages, @"
    Error during planning: `lstm_score`: no time zone `Berlin` is known
    hint: did you mean `Europe/Berlin`?
    Error during planning: `lstm_score`: no time zone `Berlin` is known
    hint: did you mean `Europe/Berlin`?
    Error during planning: `lstm_score`: no time zone `Mars/Olympus` is known
    hint: zones have the names of the IANA database, such as `Europe/Berlin`, or are offsets, such as `+02:00`
    Error during planning: `lstm_score`: no time zone `Mars/Olympus` is known
    hint: zones have the names of the IANA database, such as `Europe/Berlin`, or are offsets, such as `+02:00`
    ");
}

const DAY: i64 = 24 * HOUR;
const STEP: i64 = HOUR / 12;

/// A number between 0 and 1 from another (`SplitMix64`).
fn uniform(seed: i64) -> f64 {
    let mut z = (seed as u64)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(77);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z >> 11) as f64 / (1u64 << 53) as f64
}

/// About normal, with variance 1.
fn normal(seed: i64) -> f64 {
    (0..12).map(|part| uniform(seed * 12 + part)).sum::<f64>() - 6.0
}

/// Share of the busiest traffic at a local time of day: few come by night, most from 9 to 18.
fn shape(hour: f64) -> f64 {
    let ramp = |from: f64, to: f64| ((hour - from) / (to - from)).clamp(0.0, 1.0);
    0.1 + 0.9 * (ramp(7.0, 9.0) - ramp(18.0, 22.0))
}

/// Six weeks about a change of clocks in Berlin, at 01:00 UTC of a day; five of them before.
struct Change {
    midnight: i64,
}

impl Change {
    fn of(date: &str) -> Self {
        let midnight: chrono::NaiveDate = date.parse().unwrap();
        let midnight = midnight.and_hms_opt(0, 0, 0).unwrap().and_utc();
        Self {
            midnight: midnight.timestamp_micros(),
        }
    }

    fn windows(&self, busiest: f64) -> RecordBatch {
        let berlin: TimeZone = "Europe/Berlin".parse().unwrap();
        let starts = (self.midnight - 35 * DAY) / STEP..(self.midnight + 7 * DAY) / STEP;
        let starts: Vec<i64> = starts.map(|window| window * STEP).collect();
        let requests = starts.iter().map(|start| {
            let local = start + berlin.offset_micros(*start);
            let mean = busiest * shape(local.rem_euclid(DAY) as f64 / HOUR as f64);
            // As counts vary that are a little more than chance, and 2 % of all.
            let deviation = (1.5 * mean + (0.02 * mean).powi(2)).sqrt();
            (mean + deviation * normal(start / STEP)).round().max(0.0)
        });
        let requests: Float64Array = requests.collect();
        let starts = TimestampMicrosecondArray::from(starts).with_timezone("UTC");
        RecordBatch::try_from_iter([
            ("window_start", Arc::new(starts) as ArrayRef),
            ("requests", Arc::new(requests)),
        ])
        .unwrap()
    }

    /// Anomalies on each of the last two weeks' days, of which the change begins the second.
    async fn anomalies(&self, busiest: f64, times: &str) -> Vec<usize> {
        let mut context = SessionContext::new_with_config(SessionConfig::new());
        let shipped = DetectorStore::open("no such folder").with_step(STEP);
        register_all(&mut context, &Arc::new(shipped)).unwrap();
        let batch = self.windows(busiest);
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
        context.register_table("windows", Arc::new(table)).unwrap();
        let sql = format!(
            "SELECT window_start, d['is_anomaly'] AS is_anomaly FROM ( \
               SELECT window_start, lstm_detect('pretrained-lstm:5m', {times}, requests) \
                 OVER (ORDER BY window_start) AS d FROM windows) ORDER BY window_start"
        );
        let found = query(&context, &sql).await.unwrap();
        let starts = found.column(0).as_primitive::<TimestampMicrosecondType>();
        let mut days = vec![0; 14];
        let is_anomaly: &BooleanArray = found.column(1).as_boolean();
        for (start, is_anomaly) in starts.values().iter().zip(is_anomaly) {
            let day = (start - self.midnight).div_euclid(DAY) + 7;
            if day >= 0 && is_anomaly == Some(true) {
                days[day as usize] += 1;
            }
        }
        days
    }
}

#[tokio::test]
async fn a_change_of_clocks_is_no_anomaly_in_the_zone_of_the_users() {
    for date in ["2026-03-29", "2025-10-26"] {
        // Counts that are judged by sums, and a metric that is judged by errors.
        for busiest in [60.0, 6_000.0] {
            let change = Change::of(date);
            let utc = change.anomalies(busiest, "window_start").await;
            let local = "window_start AT TIME ZONE 'Europe/Berlin'";
            let local = change.anomalies(busiest, local).await;
            let found = format!("{date} {busiest}: UTC {utc:?}, Berlin {local:?}");
            assert!(local[7] <= *local[..7].iter().max().unwrap(), "{found}");
            assert!(utc[7] >= 10, "{found}");
            let [week, week_of_utc] = [local, utc].map(|days| days[7..].iter().sum::<usize>());
            assert!(10 * week <= week_of_utc, "{found}");
        }
    }
}
