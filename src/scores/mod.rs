//! `scored_windows` from windows: one score column per architecture, and one detector's verdict.

pub mod drift;
pub(crate) mod profiles;
pub mod step;

use std::sync::Arc;

use anomalog_engine::detector::{DetectorRef, Manifest};
use anomalog_engine::network::Architecture;
use anomalog_engine::series::time_zone::TimeZone;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::ExprFunctionExt;
use datafusion::prelude::{DataFrame, Expr, ident, lit};

use crate::detectors::select::Selection;
use crate::schema::timestamp_type;
use crate::session::Result;
use crate::session::Session;
use crate::session::queries::{self, ScoredWindows};
use crate::units::zones::{OneZone, SeriesTimeZones, in_zone};

/// Column that names the series, in every table of windows.
pub const SERIES: &str = "site";
/// Column that dates a window.
pub const WINDOW_START: &str = "window_start";

/// Windows from one time to before another with their scores, ordered by series, then time. Those
/// of `windows` before the range are history. Times of day are those of each series' zone.
///
/// # Errors
/// When a detector does not fit the windows.
pub async fn scored(
    session: &Session,
    windows: &DataFrame,
    selection: &Selection,
    time_zones: &SeriesTimeZones,
    range: std::ops::Range<i64>,
    run_id: &str,
) -> Result<DataFrame> {
    let scores_of = |OneZone { zone, is_there }: OneZone| {
        let windows = match is_there {
            Some(condition) => windows.clone().filter(condition)?,
            None => windows.clone(),
        };
        with_scores(session, &windows, selection, zone)
    };
    let mut scores = scores_of(time_zones.most(SERIES))?;
    for elsewhere in time_zones.elsewhere(SERIES) {
        scores = scores.union(scores_of(elsewhere)?)?;
    }
    let parameters = ScoredWindows {
        since: range.start,
        until: range.end,
        detector: &selection.chosen.name,
        detector_version: selection.chosen.version,
        run_id,
    };
    Ok(queries::scored_windows(session, scores, parameters).await?)
}

/// The windows with one score column per architecture and the chosen detector's verdict.
fn with_scores(
    session: &Session,
    windows: &DataFrame,
    selection: &Selection,
    zone: TimeZone,
) -> Result<DataFrame> {
    let columns = windows.schema().fields().iter();
    let mut select: Vec<Expr> = columns.map(|field| ident(field.name())).collect();
    for architecture in Architecture::ALL {
        let manifest = selection
            .by_architecture
            .iter()
            .find(|(found, _)| *found == architecture);
        let score = match manifest {
            Some((_, manifest)) => call(session, &format!("{architecture}_score"), manifest, zone)?,
            // The column stays, so that BI tools see one schema whatever was trained.
            None => lit(ScalarValue::Float64(None)),
        };
        select.push(score.alias(format!("{architecture}_score")));
    }
    select.push(call(session, "anomaly_detect", &selection.chosen, zone)?.alias("verdict"));
    Ok(windows.clone().select(select)?)
}

/// `function('detector', window_start, metrics…) OVER (PARTITION BY site ORDER BY …)`.
fn call(session: &Session, function: &str, manifest: &Manifest, zone: TimeZone) -> Result<Expr> {
    let function = session.context().udwf(function)?;
    let metrics = manifest.metrics.iter().map(ident);
    let reference = DetectorRef::to(manifest).to_string();
    let args = [lit(reference), in_zone(ident(WINDOW_START), zone)]
        .into_iter()
        .chain(metrics)
        .collect();
    Ok(function
        .call(args)
        .partition_by(vec![ident(SERIES)])
        .order_by(vec![ident(WINDOW_START).sort(true, false)])
        .build()?)
}

/// The schema of the table: types that every BI tool reads.
#[must_use]
pub fn exported(frame: &DataFrame) -> SchemaRef {
    let fields = frame.schema().fields().iter().map(|field| {
        let data_type = match field.data_type() {
            DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 => {
                DataType::Int32
            }
            DataType::UInt32 | DataType::UInt64 => DataType::Int64,
            DataType::Float16 | DataType::Float32 => DataType::Float64,
            DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => DataType::Utf8,
            DataType::Timestamp(
                TimeUnit::Nanosecond
                | TimeUnit::Millisecond
                | TimeUnit::Second
                | TimeUnit::Microsecond,
                _,
            ) => timestamp_type(),
            other => other.clone(),
        };
        Field::new(field.name(), data_type, field.is_nullable())
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
