//! The product's SQL: the files of `queries/`, with typed parameters.
//!
//! SQL that defines a table lives in those files, never in a Rust string, so that it can be read,
//! run and tested as SQL. Values reach it as parameters, never as text.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use datafusion::prelude::{DataFrame, SessionContext};

use crate::units::WindowStep;

/// The view that [`scored_windows`] reads: windows, score columns, `verdict`.
pub const WINDOW_SCORES: &str = "window_scores";

/// From when to when each series has requests.
pub const SERIES_RANGE: &str = "series_range";
/// What [`traffic_windows`] reads besides requests; each is queried once.
const SERIES_FRAME: &str = "series_frame";
const OBSERVED_RANGE: &str = "observed_range";
/// What requests amount to.
const TRAFFIC: &str = "traffic";
/// The windows that [`Query::CountedTraffic`] reads.
pub const COUNTED_WINDOWS: &str = "counted_windows";

/// A file of `queries/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query {
    /// Every request.
    AccessLogs,
    /// For which time there are logs of which site.
    LogCoverage,
    /// From when to when each series has requests.
    SeriesRange,
    /// From when to when each series has requests in each date.
    SeriesDates,
    /// From which window to which each series has rows.
    SeriesFrame,
    /// For which windows the logs of a series are there.
    ObservedRange,
    /// What requests amount to.
    Traffic,
    /// The same from windows.
    CountedTraffic,
    /// Traffic per series and window.
    TrafficWindows,
    /// Windows with scores.
    ScoredWindows,
    /// Runs of unusual windows.
    IncidentRuns,
    /// Incidents.
    Incidents,
    /// The stretches of time that tell what explains incidents.
    IncidentRanges,
    /// Who asked for what during incidents and before.
    IncidentFacets,
    /// How much falls into which bucket of values.
    IncidentBuckets,
    /// What explains incidents.
    IncidentCauses,
    /// When a series is known not to have been as usual.
    KnownAnomalies,
    /// How the windows of a date compare with what was expected of them.
    Drift,
    /// The demo's strongest anomalies.
    DemoEvents,
    /// The demo's labels and what detectors make of them.
    DemoLabels,
}

impl Query {
    /// Every file.
    pub const ALL: [Self; 20] = [
        Self::AccessLogs,
        Self::LogCoverage,
        Self::SeriesRange,
        Self::SeriesDates,
        Self::SeriesFrame,
        Self::ObservedRange,
        Self::Traffic,
        Self::CountedTraffic,
        Self::TrafficWindows,
        Self::ScoredWindows,
        Self::IncidentRuns,
        Self::Incidents,
        Self::IncidentRanges,
        Self::IncidentFacets,
        Self::IncidentBuckets,
        Self::IncidentCauses,
        Self::KnownAnomalies,
        Self::Drift,
        Self::DemoEvents,
        Self::DemoLabels,
    ];

    /// The SQL, with a heading that says what it reads and writes.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::AccessLogs => include_str!("../../queries/access_logs.sql"),
            Self::LogCoverage => include_str!("../../queries/log_coverage.sql"),
            Self::SeriesRange => include_str!("../../queries/series_range.sql"),
            Self::SeriesDates => include_str!("../../queries/series_dates.sql"),
            Self::SeriesFrame => include_str!("../../queries/series_frame.sql"),
            Self::ObservedRange => include_str!("../../queries/observed_range.sql"),
            Self::Traffic => include_str!("../../queries/traffic.sql"),
            Self::CountedTraffic => include_str!("../../queries/counted_traffic.sql"),
            Self::TrafficWindows => include_str!("../../queries/traffic_windows.sql"),
            Self::ScoredWindows => include_str!("../../queries/scored_windows.sql"),
            Self::IncidentRuns => include_str!("../../queries/incident_runs.sql"),
            Self::Incidents => include_str!("../../queries/incidents.sql"),
            Self::IncidentRanges => include_str!("../../queries/incident_ranges.sql"),
            Self::IncidentFacets => include_str!("../../queries/incident_facets.sql"),
            Self::IncidentBuckets => include_str!("../../queries/incident_buckets.sql"),
            Self::IncidentCauses => include_str!("../../queries/incident_causes.sql"),
            Self::KnownAnomalies => include_str!("../../queries/known_anomalies.sql"),
            Self::Drift => include_str!("../../queries/drift.sql"),
            Self::DemoEvents => include_str!("../../queries/demo_events.sql"),
            Self::DemoLabels => include_str!("../../queries/demo_labels.sql"),
        }
    }
}

/// Every request: ingested and linked.
///
/// # Errors
/// When a table that the query reads is not registered.
pub async fn access_logs(context: &SessionContext) -> Result<DataFrame> {
    context.sql(Query::AccessLogs.text()).await
}

/// For which time there are logs of which site.
///
/// # Errors
/// When a table that the query reads is not registered.
pub async fn log_coverage(context: &SessionContext) -> Result<DataFrame> {
    context.sql(Query::LogCoverage.text()).await
}

/// A query with the length of a window as its only parameter.
async fn with_step(context: &SessionContext, query: Query, step: WindowStep) -> Result<DataFrame> {
    let step = ScalarValue::Int64(Some(step.micros()));
    let frame = context.sql(query.text()).await?;
    frame.with_param_values(vec![("step", step)])
}

/// Gives a name to a frame, in the place of what has it.
fn register(context: &SessionContext, name: &str, frame: DataFrame) -> Result<()> {
    context.deregister_table(name)?;
    context.register_table(name, frame.into_view())?;
    Ok(())
}

/// From when to when each series has requests in each date, of the requests registered.
///
/// # Errors
/// When a table that the query reads is not registered.
pub async fn series_dates(context: &SessionContext, step: WindowStep) -> Result<DataFrame> {
    with_step(context, Query::SeriesDates, step).await
}

/// Registers from when to when each series has requests, by reading all of them.
///
/// # Errors
/// When a table that the query reads is not registered.
pub async fn register_series_range(context: &SessionContext, step: WindowStep) -> Result<()> {
    let range = with_step(context, Query::SeriesRange, step).await?;
    register(context, SERIES_RANGE, range.cache().await?)
}

/// Which windows each series has, and which of them are observed: the rows of the queries
/// `series_frame` and `observed_range`.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Series, first and last slot.
    pub series: Vec<RecordBatch>,
    /// Series, first and last slot of ranges.
    pub observed: Vec<RecordBatch>,
}

/// Finds out which windows each series has, and registers it for [`traffic_windows`].
///
/// # Errors
/// When [`SERIES_RANGE`] is not registered.
pub async fn register_frame(context: &SessionContext, step: WindowStep) -> Result<Frame> {
    let tables = [
        (SERIES_FRAME, Query::SeriesFrame),
        (OBSERVED_RANGE, Query::ObservedRange),
    ];
    let mut collected = Vec::new();
    for (name, query) in tables {
        let frame = with_step(context, query, step).await?;
        let schema = Arc::clone(frame.schema().inner());
        let rows = frame.collect().await?;
        let table = MemTable::try_new(schema, vec![rows.clone()])?;
        context.deregister_table(name)?;
        context.register_table(name, Arc::new(table))?;
        collected.push(rows);
    }
    let observed = collected.pop().unwrap_or_default();
    let series = collected.pop().unwrap_or_default();
    Ok(Frame { series, observed })
}

/// Registers what the requests registered amount to.
///
/// # Errors
/// When a table that the query reads is not registered.
pub async fn register_traffic(context: &SessionContext, step: WindowStep) -> Result<()> {
    let traffic = with_step(context, Query::Traffic, step).await?;
    register(context, TRAFFIC, traffic)
}

/// Registers the same from the windows that are registered as [`COUNTED_WINDOWS`].
///
/// # Errors
/// When those are not registered.
pub async fn register_counted_traffic(context: &SessionContext, step: WindowStep) -> Result<()> {
    let traffic = with_step(context, Query::CountedTraffic, step).await?;
    register(context, TRAFFIC, traffic)
}

/// Windows of a length, from one to another, both counted from the Unix epoch; ordered by site,
/// then window. Frame and traffic must be registered.
///
/// # Errors
/// When a table that the query reads is not registered.
pub async fn traffic_windows(
    context: &SessionContext,
    step: WindowStep,
    slots: RangeInclusive<i64>,
) -> Result<DataFrame> {
    let number = |value| ScalarValue::Int64(Some(value));
    context
        .sql(Query::TrafficWindows.text())
        .await?
        .with_param_values(vec![
            ("step", number(step.micros())),
            ("first_slot", number(*slots.start())),
            ("last_slot", number(*slots.end())),
        ])
}

/// Parameters of [`scored_windows`].
#[derive(Debug, Clone, Copy)]
pub struct ScoredWindows<'a> {
    /// First window, microseconds since the epoch.
    pub since: i64,
    /// Window after the last, microseconds since the epoch.
    pub until: i64,
    /// Name of the detector that decides.
    pub detector: &'a str,
    /// Its version.
    pub detector_version: u32,
    /// Digest of detectors and windows.
    pub run_id: &'a str,
}

/// Windows with scores, ordered by site, then window.
///
/// # Errors
/// When [`WINDOW_SCORES`] is not registered or lacks a column.
pub async fn scored_windows(
    context: &SessionContext,
    parameters: ScoredWindows<'_>,
) -> Result<DataFrame> {
    let version = i32::try_from(parameters.detector_version).ok();
    context
        .sql(Query::ScoredWindows.text())
        .await?
        .with_param_values(vec![
            ("since", time(parameters.since)),
            ("until", time(parameters.until)),
            ("detector", ScalarValue::from(parameters.detector)),
            ("detector_version", ScalarValue::Int32(version)),
            ("run_id", ScalarValue::from(parameters.run_id)),
        ])
}

/// The table that [`incidents`] reads: what [`incident_runs`] gives.
pub const INCIDENT_RUNS: &str = "incident_runs";

/// Parameters of [`incident_runs`]; times in microseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentRuns {
    /// The windows to read, since the epoch.
    pub windows: Range<i64>,
    /// Length of a window.
    pub step: i64,
    /// How much more frequent than at the threshold windows at the stop level are.
    pub stop_ratio: f64,
    /// Longest time below the stop level within a run.
    pub bridge: i64,
    /// Longest time without scores within a run.
    pub bridge_unknown: i64,
}

/// Runs of unusual windows of each series, ordered by site, then time.
///
/// # Errors
/// When there are no scored windows.
pub async fn incident_runs(
    context: &SessionContext,
    parameters: &IncidentRuns,
) -> Result<DataFrame> {
    context
        .sql(Query::IncidentRuns.text())
        .await?
        .with_param_values(vec![
            ("since", time(parameters.windows.start)),
            ("until", time(parameters.windows.end)),
            ("step", ScalarValue::from(parameters.step)),
            ("stop_ratio", ScalarValue::from(parameters.stop_ratio)),
            ("bridge", ScalarValue::from(parameters.bridge)),
            (
                "bridge_unknown",
                ScalarValue::from(parameters.bridge_unknown),
            ),
        ])
}

/// Parameters of [`incidents`]; times in microseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Incidents {
    /// When incidents start, since the epoch.
    pub started_at: Range<i64>,
    /// Shortest incident.
    pub min_length: i64,
    /// Least severity: 0 for low, 1 for medium, 2 for high.
    pub min_severity: i64,
    /// Usual traffic that raises the severity by one step.
    pub medium_impact: i64,
    /// Usual traffic that raises it by two.
    pub high_impact: i64,
}

/// Incidents that start in a range, ordered by start, then site.
///
/// # Errors
/// When [`INCIDENT_RUNS`] is not registered.
pub async fn incidents(context: &SessionContext, parameters: &Incidents) -> Result<DataFrame> {
    context
        .sql(Query::Incidents.text())
        .await?
        .with_param_values(vec![
            ("since", time(parameters.started_at.start)),
            ("until", time(parameters.started_at.end)),
            ("min_length", ScalarValue::from(parameters.min_length)),
            ("min_severity", ScalarValue::from(parameters.min_severity)),
            ("medium_impact", ScalarValue::from(parameters.medium_impact)),
            ("high_impact", ScalarValue::from(parameters.high_impact)),
        ])
}

/// What [`incident_causes`] reads; what it reads more than once is queried once.
const EXPLAINED_INCIDENTS: &str = "explained_incidents";
const INCIDENT_RANGES: &str = "incident_ranges";
const INCIDENT_FACETS: &str = "incident_facets";
const INCIDENT_BUCKETS: &str = "incident_buckets";

/// What explains incidents, by `incident_id`, then rank: `incidents` has the columns that
/// `explained_incidents` is to have.
///
/// # Errors
/// When `series_requests` is not registered, or there are no scored windows.
pub async fn incident_causes(
    context: &SessionContext,
    incidents: RecordBatch,
) -> Result<DataFrame> {
    register(context, EXPLAINED_INCIDENTS, context.read_batch(incidents)?)?;
    let ranges = context.sql(Query::IncidentRanges.text()).await?;
    register(context, INCIDENT_RANGES, ranges.cache().await?)?;
    let facets = context.sql(Query::IncidentFacets.text()).await?;
    register(context, INCIDENT_FACETS, facets)?;
    let buckets = context.sql(Query::IncidentBuckets.text()).await?;
    register(context, INCIDENT_BUCKETS, buckets.cache().await?)?;
    let causes = context.sql(Query::IncidentCauses.text()).await;
    // The plan has what it reads.
    for table in [
        EXPLAINED_INCIDENTS,
        INCIDENT_RANGES,
        INCIDENT_FACETS,
        INCIDENT_BUCKETS,
    ] {
        context.deregister_table(table)?;
    }
    causes
}

/// When a series is known not to have been as usual: `site`, `start`, `end`.
///
/// # Errors
/// When a table that the query reads is not registered.
pub async fn known_anomalies(context: &SessionContext) -> Result<DataFrame> {
    context.sql(Query::KnownAnomalies.text()).await
}

/// How the windows of a range, in microseconds since the epoch, compare with those of a week before,
/// and their scores with what was calibrated.
///
/// # Errors
/// When a table that the query reads is not registered.
pub async fn drift(context: &SessionContext, windows: &Range<i64>) -> Result<DataFrame> {
    context
        .sql(Query::Drift.text())
        .await?
        .with_param_values(vec![
            ("since", time(windows.start)),
            ("until", time(windows.end)),
        ])
}

/// A point in time from microseconds since the epoch.
fn time(micros: i64) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()))
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn every_file_says_what_it_reads_and_writes() {
        for query in Query::ALL {
            for heading in ["-- reads: ", "-- writes: ", "-- grain: ", "-- parameters: "] {
                assert!(
                    query.text().contains(heading),
                    "{query:?} lacks {heading:?}"
                );
            }
        }
    }
}
