//! Reads the rows that detectors learn from.
//!
//! A detector learns from a few hundred thousand windows, whatever the warehouse holds. Beyond a
//! number of rows only some series are read, all of their windows, drawn by the seed; of a single
//! series longer than that, its last windows. Memory therefore does not grow with the warehouse.

use std::collections::BTreeMap;

use anomalog_engine::series::Observed;
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast as cast_array;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::{count, max, min};
use datafusion::prelude::{DataFrame, Expr, cast, ident, lit};
use futures::StreamExt;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::dataset::Series;
use crate::schema::timestamp_type;

/// The columns of a frame of windows that name a row.
#[derive(Debug, Clone, Copy)]
pub struct WindowColumns<'a> {
    /// The series.
    pub series: &'a str,
    /// The start of the window.
    pub window_start: &'a str,
}

/// How many rows to read, and which if there are more.
#[derive(Debug, Clone, Copy)]
pub struct Sampling {
    /// Rows at most, but at least one series.
    pub max_rows: u64,
    /// Seed of the choice.
    pub seed: u64,
}

/// What was left out because there is more than is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sampled {
    /// Series that were read.
    pub series: usize,
    /// Series that there are.
    pub of_series: usize,
    /// Rows that there are.
    pub of_rows: u64,
}

/// The rows of a frame of windows as series, ordered by key and time. Rows without a key or a time
/// are left out.
///
/// # Errors
/// When the query fails or a metric is no number.
pub async fn load(
    frame: DataFrame,
    key: WindowColumns<'_>,
    metrics: &[String],
    sampling: Sampling,
) -> Result<(Vec<Series>, Option<Sampled>)> {
    let is_dated = ident(key.window_start).is_not_null();
    let frame = frame.filter(is_dated.and(ident(key.series).is_not_null()))?;
    let (frame, sampled) = sample(frame, key, sampling).await?;
    let mut columns = vec![ident(key.series), ident(key.window_start)];
    let values = metrics.iter();
    columns.extend(values.map(|metric| cast(ident(metric), DataType::Float64).alias(metric)));
    let frame = frame
        .select(columns)?
        .sort_by(vec![ident(key.series), ident(key.window_start)])?;
    let mut batches = frame.execute_stream().await?;
    let mut series = Vec::new();
    while let Some(batch) = batches.next().await {
        append(&mut series, &batch?, metrics.len())?;
    }
    Ok((series, sampled))
}

/// Rows, first and last window of a series.
#[derive(Debug, Clone, Copy)]
struct Extent {
    rows: u64,
    first: i64,
    last: i64,
}

/// The frame itself if it has few enough rows, else that of some series.
async fn sample(
    frame: DataFrame,
    key: WindowColumns<'_>,
    sampling: Sampling,
) -> Result<(DataFrame, Option<Sampled>)> {
    let extents = extents(&frame, key).await?;
    let of_rows = extents.values().map(|extent| extent.rows).sum();
    if of_rows <= sampling.max_rows {
        return Ok((frame, None));
    }
    let mut drawn: Vec<(&String, &Extent)> = extents.iter().collect();
    drawn.shuffle(&mut ChaCha8Rng::seed_from_u64(sampling.seed));
    let mut rows = 0;
    let fitting = drawn
        .iter()
        .take_while(|(_, extent)| {
            rows += extent.rows;
            rows <= sampling.max_rows
        })
        .count();
    drawn.truncate(fitting.max(1));
    let keys: Vec<Expr> = drawn.iter().map(|(key, _)| lit(key.as_str())).collect();
    let sampled = Sampled {
        series: drawn.len(),
        of_series: extents.len(),
        of_rows,
    };
    let is_drawn = cast(ident(key.series), DataType::Utf8).in_list(keys, false);
    let since = drawn.iter().map(|(_, extent)| since(**extent, sampling));
    let since = since.min().unwrap_or(i64::MIN);
    let time = ScalarValue::TimestampMicrosecond(Some(since), Some("UTC".into()));
    let is_late = ident(key.window_start).gt_eq(cast(lit(time), timestamp_type()));
    Ok((frame.filter(is_drawn.and(is_late))?, Some(sampled)))
}

/// The time from which a series has about as many rows as are read, if it is longer.
fn since(extent: Extent, sampling: Sampling) -> i64 {
    let share = sampling.max_rows as f64 / extent.rows as f64;
    let kept = (extent.last - extent.first) as f64 * share.min(1.0);
    extent.last - kept.ceil() as i64
}

/// The extent of each series.
async fn extents(frame: &DataFrame, key: WindowColumns<'_>) -> Result<BTreeMap<String, Extent>> {
    let time = || {
        cast(
            cast(ident(key.window_start), timestamp_type()),
            DataType::Int64,
        )
    };
    let groups = frame.clone().aggregate(
        vec![cast(ident(key.series), DataType::Utf8)],
        vec![count(lit(1_i64)), min(time()), max(time())],
    )?;
    let mut batches = groups.execute_stream().await?;
    let mut extents = BTreeMap::new();
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        let keys = batch.column(0).as_string::<i32>();
        let number =
            |column: usize, row: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
        for row in 0..batch.num_rows() {
            let extent = Extent {
                rows: number(1, row) as u64,
                first: number(2, row),
                last: number(3, row),
            };
            extents.insert(keys.value(row).to_owned(), extent);
        }
    }
    Ok(extents)
}

/// Adds rows that come ordered by series.
fn append(series: &mut Vec<Series>, batch: &RecordBatch, metrics: usize) -> Result<()> {
    let keys = cast_array(batch.column(0), &DataType::Utf8)?;
    let keys = keys.as_string::<i32>();
    let times = cast_array(batch.column(1), &timestamp_type())?;
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let values: Vec<_> = batch.columns()[2..]
        .iter()
        .map(AsArray::as_primitive::<Float64Type>)
        .collect();
    for row in 0..batch.num_rows() {
        let key = keys.value(row);
        if series.last().is_none_or(|last| last.key != key) {
            let metrics = vec![Vec::new(); metrics];
            series.push(Series {
                key: key.to_owned(),
                metrics,
                ..Series::default()
            });
        }
        if let Some(last) = series.last_mut() {
            last.window_start.push(times.value(row));
            for (column, value) in last.metrics.iter_mut().zip(&values) {
                let value = value.is_valid(row).then(|| value.value(row));
                column.push(Observed::from(value).encoded());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    use super::*;

    const KEY: WindowColumns<'_> = WindowColumns {
        series: "site",
        window_start: "window_start",
    };

    /// Ten series of a hundred minutes.
    async fn load_windows(max_rows: u64, seed: u64) -> (Vec<Series>, Option<Sampled>) {
        let frame = SessionContext::new()
            .sql(
                "SELECT 'site ' || (n % 10) AS site, n AS requests, \
                        to_timestamp_micros((n / 10) * 60000000) AS window_start \
                 FROM (SELECT unnest(generate_series(0, 999)) AS n)",
            )
            .await
            .unwrap();
        let sampling = Sampling { max_rows, seed };
        load(frame, KEY, &["requests".to_owned()], sampling)
            .await
            .unwrap()
    }

    fn rows(series: &[Series]) -> usize {
        series.iter().map(|series| series.window_start.len()).sum()
    }

    #[tokio::test]
    async fn few_rows_are_all_read_in_order() {
        let (series, sampled) = load_windows(1_000, 0).await;
        assert_eq!((series.len(), rows(&series), sampled), (10, 1_000, None));
        assert!(series[3].window_start.is_sorted());
        assert_eq!(series[3].metrics[0][..3], [3.0, 13.0, 23.0]);
    }

    #[tokio::test]
    async fn of_many_rows_whole_series_are_read_that_the_seed_draws() {
        let keys = |series: &[Series]| -> Vec<String> {
            series.iter().map(|series| series.key.clone()).collect()
        };
        let (series, sampled) = load_windows(350, 1).await;
        assert_eq!((series.len(), rows(&series)), (3, 300));
        let expected = Sampled {
            series: 3,
            of_series: 10,
            of_rows: 1_000,
        };
        assert_eq!(sampled, Some(expected));
        assert_eq!(keys(&series), keys(&load_windows(350, 1).await.0));
        assert_ne!(keys(&series), keys(&load_windows(350, 2).await.0));
    }

    #[tokio::test]
    async fn of_one_long_series_the_last_windows_are_read() {
        let (series, _) = load_windows(30, 0).await;
        assert_eq!(series.len(), 1);
        assert!((29..=31).contains(&rows(&series)), "{} rows", rows(&series));
        assert_eq!(series[0].window_start.last(), Some(&(99 * 60_000_000)));
    }
}
