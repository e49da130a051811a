//! The windows that `train` and `score` read: the warehouse's, or a Parquet file of the user's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use datafusion::arrow::array::AsArray as _;
use datafusion::arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion::common::ScalarValue;
use datafusion::prelude::{DataFrame, Expr, ident, lit};

use super::error::{Fault, Result};
use crate::cli::WindowsInputArgs;
use crate::detectors;
use crate::detectors::MetricSetting;
use crate::explain::MissingColumn;
use crate::schema::Table;
use crate::scores::{SERIES, WINDOW_START};
use crate::session::Session;
use crate::training::dataset::{Series, step_of};

/// Windows with the columns `site`, `window_start` and numbers.
#[derive(Debug)]
pub(super) struct WindowsInput {
    pub(super) frame: DataFrame,
    /// The files, for digests.
    pub(super) path: PathBuf,
    /// Names of the numeric columns.
    pub(super) numbers: BTreeSet<String>,
}

/// Opens the windows and checks that they have a series key and a time.
///
/// # Errors
/// When there are none, the file is not Parquet, or a column is missing or of a wrong type.
pub(super) async fn open(session: &Session, args: &WindowsInputArgs) -> Result<WindowsInput> {
    let (frame, path) = match &args.windows {
        None => {
            let path = session.warehouse().table(Table::TrafficWindows);
            if !path.is_dir() {
                return Err(crate::windows::Error::NoLogs {
                    warehouse: session.warehouse().root().to_owned(),
                }
                .into());
            }
            (
                session
                    .context()
                    .table(Table::TrafficWindows.name())
                    .await?,
                path,
            )
        }
        Some(path) => (
            renamed(session.parquet(path).await?, path, &args.series_column)?,
            path.clone(),
        ),
    };
    let numbers = frame
        .schema()
        .fields()
        .iter()
        .filter(|field| field.data_type().is_numeric())
        .map(|field| field.name().clone())
        .collect();
    Ok(WindowsInput {
        frame,
        path,
        numbers,
    })
}

/// The frame with its series column first and called `site`.
fn renamed(frame: DataFrame, path: &Path, series_column: &str) -> Result<DataFrame> {
    let columns: Vec<String> = frame
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    for needed in [series_column, WINDOW_START] {
        if !columns.iter().any(|column| column == needed) {
            return Err(MissingColumn::of(path, needed)
                .with_found("only", columns)
                .with_hint(
                    "name the column of the series key with `--series-column`; the time must be \
                     `window_start`",
                )
                .into());
        }
    }
    let time = frame
        .schema()
        .as_arrow()
        .field_with_name(WINDOW_START)?
        .data_type()
        .clone();
    if !matches!(time, DataType::Timestamp(..)) {
        return Err(Fault::ColumnType {
            path: path.to_owned(),
            column: WINDOW_START.to_owned(),
            expected: "a timestamp",
            found: time.to_string(),
        }
        .into());
    }
    let others = columns
        .iter()
        .filter(|column| ![series_column, WINDOW_START, SERIES].contains(&column.as_str()))
        .map(ident);
    let first: [Expr; 2] = [
        datafusion::prelude::cast(ident(series_column), DataType::Utf8).alias(SERIES),
        datafusion::prelude::cast(ident(WINDOW_START), crate::schema::timestamp_type())
            .alias(WINDOW_START),
    ];
    Ok(frame.select(first.into_iter().chain(others).collect::<Vec<_>>())?)
}

/// The length of the windows in microseconds: what most of those of one series, up to 10,000, are apart;
/// `None` where there are no two.
///
/// # Errors
/// When the windows cannot be read.
pub(super) async fn step(input: &WindowsInput) -> Result<Option<i64>> {
    const ROWS: usize = 10_000;
    let frame = || input.frame.clone();
    let first = frame().select(vec![ident(SERIES)])?.limit(0, Some(1))?;
    let first = first.collect().await?;
    let Some(series) = first.iter().find(|batch| batch.num_rows() > 0) else {
        return Ok(None);
    };
    let series = ScalarValue::try_from_array(series.column(0), 0)?;
    let of_series = frame()
        .filter(ident(SERIES).eq(lit(series)))?
        .select(vec![ident(WINDOW_START)])?
        .limit(0, Some(ROWS))?;
    let mut starts: Vec<i64> = Vec::new();
    for batch in of_series.collect().await? {
        let times = batch.column(0).as_primitive::<TimestampMicrosecondType>();
        starts.extend(times.iter().flatten());
    }
    starts.sort_unstable();
    Ok(step_of(&[Series {
        window_start: starts,
        ..Series::default()
    }]))
}

/// Refuses metrics that are no numeric columns of the input.
///
/// # Errors
/// Naming the first.
pub(super) fn check_metrics(input: &WindowsInput, metrics: &[String]) -> Result<()> {
    match metrics
        .iter()
        .find(|metric| !input.numbers.contains(*metric))
    {
        None => Ok(()),
        Some(metric) => Err(detectors::Error::UnknownMetric {
            setting: MetricSetting::Option,
            metric: metric.clone(),
            path: input.path.clone(),
            found: input.numbers.iter().cloned().collect(),
        }
        .into()),
    }
}
