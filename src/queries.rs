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
    /// The days that an incident is compared with.
    IncidentDays,
    /// Who asked for what during an incident and before.
    IncidentFacets,
    /// How much falls into which bucket of values.
    IncidentBuckets,
    /// What explains an incident.
    IncidentCauses,
    /// The demo's strongest anomalies.
    DemoEvents,
    /// The demo's labels and what detectors make of them.
    DemoLabels,
}

impl Query {
    /// Every file.
    pub const ALL: [Self; 18] = [
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
        Self::IncidentDays,
        Self::IncidentFacets,
        Self::IncidentBuckets,
        Self::IncidentCauses,
        Self::DemoEvents,
        Self::DemoLabels,
    ];

    /// The SQL, with a heading that says what it reads and writes.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::AccessLogs => include_str!("../queries/access_logs.sql"),
            Self::LogCoverage => include_str!("../queries/log_coverage.sql"),
            Self::SeriesRange => include_str!("../queries/series_range.sql"),
            Self::SeriesDates => include_str!("../queries/series_dates.sql"),
            Self::SeriesFrame => include_str!("../queries/series_frame.sql"),
            Self::ObservedRange => include_str!("../queries/observed_range.sql"),
            Self::Traffic => include_str!("../queries/traffic.sql"),
            Self::CountedTraffic => include_str!("../queries/counted_traffic.sql"),
            Self::TrafficWindows => include_str!("../queries/traffic_windows.sql"),
            Self::ScoredWindows => include_str!("../queries/scored_windows.sql"),
            Self::IncidentRuns => include_str!("../queries/incident_runs.sql"),
            Self::Incidents => include_str!("../queries/incidents.sql"),
            Self::IncidentDays => include_str!("../queries/incident_days.sql"),
            Self::IncidentFacets => include_str!("../queries/incident_facets.sql"),
            Self::IncidentBuckets => include_str!("../queries/incident_buckets.sql"),
            Self::IncidentCauses => include_str!("../queries/incident_causes.sql"),
            Self::DemoEvents => include_str!("../queries/demo_events.sql"),
            Self::DemoLabels => include_str!("../queries/demo_labels.sql"),
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

/// What [`incident_causes`] reads.
const INCIDENT_FACETS: &str = "incident_facets";
/// What it reads more than once, and so is queried once.
const INCIDENT_BUCKETS: &str = "incident_buckets";

/// The days before an incident of a series that the part of it in `during`, in microseconds since the
/// epoch, is compared with.
///
/// # Errors
/// When there are no scored windows.
pub async fn incident_days(
    context: &SessionContext,
    series: &str,
    during: &Range<i64>,
) -> Result<DataFrame> {
    context
        .sql(Query::IncidentDays.text())
        .await?
        .with_param_values(vec![
            ("series", ScalarValue::from(series)),
            ("started_at", time(during.start)),
            ("ended_at", time(during.end)),
        ])
}

/// Parameters of [`incident_causes`]; times in microseconds since the epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentCauses<'a> {
    /// The incident.
    pub incident_id: &'a str,
    /// Its series.
    pub series: &'a str,
    /// Its top metric.
    pub metric: &'a str,
    /// Its direction.
    pub direction: &'a str,
    /// What is looked at of it.
    pub during: Range<i64>,
    /// The days, so many ago, that it is compared with, as [`incident_days`] gives them.
    pub days: &'a [i64],
    /// From where on it is compared with the time right before, if with no day.
    pub before_from: i64,
    /// `expected_total` as a multiple of `actual_total`; `None` where that is 0.
    pub expected_ratio: Option<f64>,
}

impl IncidentCauses<'_> {
    /// How many times as long as the incident what it is compared with is.
    fn ranges_before(&self) -> f64 {
        if self.days.is_empty() {
            let Range { start, end } = self.during;
            (start - self.before_from) as f64 / (end - start) as f64
        } else {
            self.days.len() as f64
        }
    }
}

/// What explains an incident, ordered by rank.
///
/// # Errors
/// When `series_requests` is not registered.
pub async fn incident_causes(
    context: &SessionContext,
    incident: &IncidentCauses<'_>,
) -> Result<DataFrame> {
    let has_day = |day| ScalarValue::from(incident.days.contains(&day));
    let facets = context
        .sql(Query::IncidentFacets.text())
        .await?
        .with_param_values(vec![
            ("series", ScalarValue::from(incident.series)),
            ("metric", ScalarValue::from(incident.metric)),
            ("started_at", time(incident.during.start)),
            ("ended_at", time(incident.during.end)),
            ("before_from", time(incident.before_from)),
            ("day_1", has_day(1)),
            ("day_2", has_day(2)),
            ("day_3", has_day(3)),
            ("day_7", has_day(7)),
            ("has_days", ScalarValue::from(!incident.days.is_empty())),
        ])?;
    context.deregister_table(INCIDENT_FACETS)?;
    context.register_table(INCIDENT_FACETS, facets.into_view())?;
    let buckets = context.sql(Query::IncidentBuckets.text()).await?;
    let buckets = buckets.cache().await?;
    context.deregister_table(INCIDENT_BUCKETS)?;
    context.register_table(INCIDENT_BUCKETS, buckets.into_view())?;
    let causes = context
        .sql(Query::IncidentCauses.text())
        .await?
        .with_param_values(vec![
            ("incident_id", ScalarValue::from(incident.incident_id)),
            ("metric", ScalarValue::from(incident.metric)),
            ("direction", ScalarValue::from(incident.direction)),
            (
                "expected_ratio",
                ScalarValue::Float64(incident.expected_ratio),
            ),
            ("ranges_before", ScalarValue::from(incident.ranges_before())),
        ]);
    // The plan has what it reads.
    context.deregister_table(INCIDENT_BUCKETS)?;
    context.deregister_table(INCIDENT_FACETS)?;
    causes
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
