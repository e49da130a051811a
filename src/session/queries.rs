//! The product's SQL: the files of `queries/`, with typed parameters.
//!
//! SQL that defines a table lives in those files, never in a Rust string, so that it can be read,
//! run and tested as SQL. Values reach it as parameters, never as text.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::datasource::MemTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::prelude::{DataFrame, SessionContext};

use super::Session;
use super::names::{LINKED_COVERAGE, LOG_COVERAGE};
pub use super::query::Query;
use super::stretches::{Stretches, is_one_of};
use crate::schema::Table;
use crate::units::WindowStep;
use crate::warehouse::extra_metrics;
use crate::warehouse::settings::WindowSettings;

/// Names of tables that are arguments of a query. The headings of the files say what each holds.
const SERIES_REQUESTS: &str = "series_requests";
const SERIES_RANGE: &str = "series_range";
const SERIES_FRAME: &str = "series_frame";
const OBSERVED_RANGE: &str = "observed_range";
const TRAFFIC: &str = "traffic";
const COUNTED_WINDOWS: &str = "counted_windows";
const WINDOW_SCORES: &str = "window_scores";
const INCIDENT_RUNS: &str = "incident_runs";
const EXPLAINED_INCIDENTS: &str = "explained_incidents";
const INCIDENT_RANGES: &str = "incident_ranges";
const INCIDENT_TOTALS: &str = "incident_totals";
const INCIDENT_AMOUNTS: &str = "incident_amounts";
const PICTURED_INCIDENTS: &str = "pictured_incidents";
const A_WEEK_BEFORE: &str = "windows_a_week_before";

/// A query without parameters, over the tables of a context.
///
/// # Errors
/// When a table that the query reads is not there.
pub(super) async fn view(context: &SessionContext, query: Query) -> Result<DataFrame> {
    context.sql(query.text()).await
}

/// A query over some tables, with the length of a window as its only parameter.
async fn with_step(
    session: &Session,
    tables: Vec<(&str, Arc<dyn TableProvider>)>,
    query: Query,
    step: WindowStep,
) -> Result<DataFrame> {
    let step = ScalarValue::Int64(Some(step.micros()));
    let frame = session.reading(tables)?.sql(query.text()).await?;
    frame.with_param_values(vec![("step", step)])
}

/// From when to when each series has requests in each date.
///
/// # Errors
/// When the requests cannot be read.
pub async fn series_dates(
    session: &Session,
    series_requests: DataFrame,
    step: WindowStep,
) -> Result<DataFrame> {
    let tables = vec![(SERIES_REQUESTS, series_requests.into_view())];
    with_step(session, tables, Query::SeriesDates, step).await
}

/// Which windows each series has, and which of them are observed: the rows of the queries
/// `series_frame` and `observed_range`.
#[derive(Debug, Clone)]
pub struct Extent {
    /// Series, first and last slot.
    pub series: Vec<RecordBatch>,
    /// Series, first and last slot of ranges.
    pub observed: Vec<RecordBatch>,
    schemas: [SchemaRef; 2],
}

impl Extent {
    fn tables(&self) -> Result<Vec<(&'static str, Arc<dyn TableProvider>)>> {
        let rows = [
            (SERIES_FRAME, &self.series),
            (OBSERVED_RANGE, &self.observed),
        ];
        let mut tables: Vec<(&str, Arc<dyn TableProvider>)> = Vec::new();
        for ((name, rows), schema) in rows.into_iter().zip(&self.schemas) {
            let table = MemTable::try_new(Arc::clone(schema), vec![rows.clone()])?;
            tables.push((name, Arc::new(table)));
        }
        Ok(tables)
    }
}

/// Finds out which windows each series has, of the range of its requests. What ingested logs cover is
/// read from `log_files`, unless the rows of it that count are given.
///
/// # Errors
/// When the coverage of logs cannot be read.
pub async fn extent(
    session: &Session,
    series_range: DataFrame,
    step: WindowStep,
    log_files: Option<RecordBatch>,
) -> Result<Extent> {
    let range = series_range.into_view();
    // What is read more than once is queried once: of linked logs, all rows.
    let linked = session.context().table(LINKED_COVERAGE).await?;
    let linked = linked.cache().await?.into_view();
    // As one batch: functions over text are prepared anew for each.
    let log_files = match log_files {
        Some(rows) => rows,
        None => in_one_batch(session.context().table(Table::LogFiles.name()).await?).await?,
    };
    let log_files = session.context().read_batch(log_files)?.into_view();
    let reading = session.reading(vec![
        (LINKED_COVERAGE, linked),
        (Table::LogFiles.name(), log_files),
    ])?;
    let coverage = view(&reading, Query::LogCoverage).await?;
    let coverage = coverage.cache().await?.into_view();
    let rows = async |query| {
        let tables = vec![
            (SERIES_RANGE, Arc::clone(&range)),
            (LOG_COVERAGE, Arc::clone(&coverage)),
        ];
        let frame = with_step(session, tables, query, step).await?;
        let schema = Arc::clone(frame.schema().inner());
        Ok::<_, DataFusionError>((frame.collect().await?, schema))
    };
    let (series, of_series) = rows(Query::SeriesFrame).await?;
    let (observed, of_observed) = rows(Query::ObservedRange).await?;
    Ok(Extent {
        series,
        observed,
        schemas: [of_series, of_observed],
    })
}

async fn in_one_batch(rows: DataFrame) -> Result<RecordBatch> {
    let schema = Arc::clone(rows.schema().inner());
    Ok(concat_batches(&schema, &rows.collect().await?)?)
}

/// What requests amount to in each window.
///
/// # Errors
/// When the requests cannot be read.
pub async fn traffic(
    session: &Session,
    series_requests: DataFrame,
    step: WindowStep,
) -> Result<DataFrame> {
    let tables = vec![(SERIES_REQUESTS, series_requests.into_view())];
    with_step(session, tables, Query::Traffic, step).await
}

/// The same from windows that were counted before.
///
/// # Errors
/// When the windows cannot be read.
pub async fn counted_traffic(
    session: &Session,
    counted_windows: DataFrame,
    step: WindowStep,
) -> Result<DataFrame> {
    let tables = vec![(COUNTED_WINDOWS, counted_windows.into_view())];
    with_step(session, tables, Query::CountedTraffic, step).await
}

/// Windows as some settings cut them, from one to another, both counted from the Unix epoch; ordered by
/// site, then window.
///
/// # Errors
/// When the traffic cannot be read.
pub async fn traffic_windows(
    session: &Session,
    extent: &Extent,
    traffic: DataFrame,
    settings: &WindowSettings,
    slots: RangeInclusive<i64>,
) -> Result<DataFrame> {
    let schema = extra_metrics::traffic_windows(&settings.extra_metrics);
    let columns: Vec<&str> = (schema.fields().iter())
        .map(|field| field.name().as_str())
        .collect();
    let number = |value| ScalarValue::Int64(Some(value));
    let mut tables = extent.tables()?;
    tables.push((TRAFFIC, traffic.into_view()));
    let windows = session
        .reading(tables)?
        .sql(Query::TrafficWindows.text())
        .await?
        .with_param_values(vec![
            ("step", number(settings.step.micros())),
            ("first_slot", number(*slots.start())),
            ("last_slot", number(*slots.end())),
        ])?;
    // What is not selected is not computed.
    windows.select_columns(&columns)
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

/// Windows with scores, ordered by site, then window, of windows with score columns and `verdict`.
///
/// # Errors
/// When `window_scores` lacks a column.
pub async fn scored_windows(
    session: &Session,
    window_scores: DataFrame,
    parameters: ScoredWindows<'_>,
) -> Result<DataFrame> {
    let version = i32::try_from(parameters.detector_version).ok();
    session
        .reading(vec![(WINDOW_SCORES, window_scores.into_view())])?
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
/// When the windows cannot be read.
pub async fn incident_runs(
    session: &Session,
    scored_windows: DataFrame,
    parameters: &IncidentRuns,
) -> Result<DataFrame> {
    session
        .reading(vec![(
            Table::ScoredWindows.name(),
            scored_windows.into_view(),
        )])?
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

/// Incidents that start in a range, ordered by start, then site, of the rows of [`incident_runs`].
///
/// # Errors
/// When the rows are not those of runs.
pub async fn incidents(
    session: &Session,
    incident_runs: RecordBatch,
    parameters: &Incidents,
) -> Result<DataFrame> {
    let runs = session.context().read_batch(incident_runs)?;
    session
        .reading(vec![(INCIDENT_RUNS, runs.into_view())])?
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

/// Incidents, the stretches of time that tell what explains them, and what the queries about that read.
#[derive(Debug)]
pub struct ExplainedIncidents<'a> {
    session: &'a Session,
    tables: Vec<(&'static str, Arc<dyn TableProvider>)>,
    series_requests: DataFrame,
}

impl<'a> ExplainedIncidents<'a> {
    /// Finds the stretches of time. `incidents` has the columns that `explained_incidents` is to have.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn new(
        session: &'a Session,
        incidents: RecordBatch,
        scored_windows: DataFrame,
        series_requests: DataFrame,
    ) -> Result<Self> {
        let is_theirs = |column| is_one_of(column, &incidents, "series");
        let scored_windows = scored_windows.filter(is_theirs("site")?)?;
        let series_requests = series_requests.filter(is_theirs("series")?)?;
        let incidents = session.context().read_batch(incidents)?;
        let mut tables = vec![
            (Table::ScoredWindows.name(), scored_windows.into_view()),
            (EXPLAINED_INCIDENTS, incidents.into_view()),
        ];
        let ranges = session.reading(tables.clone())?;
        let ranges = ranges.sql(Query::IncidentRanges.text()).await?;
        // What is read more than once is queried once.
        let ranges = ranges.cache().await?;
        let in_ranges = Stretches::of(&ranges).await?.have("timestamp");
        tables.push((INCIDENT_RANGES, ranges.into_view()));
        Ok(Self {
            session,
            tables,
            series_requests: series_requests.filter(in_ranges)?,
        })
    }

    /// The requests of those stretches.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn requests(&self) -> Result<DataFrame> {
        let mut tables = self.tables.clone();
        tables.push((SERIES_REQUESTS, self.series_requests.clone().into_view()));
        let reading = self.session.reading(tables)?;
        reading.sql(Query::IncidentRequests.text()).await
    }

    /// What explains the incidents, by `incident_id`, then rank, given how much is counted of them: rows of
    /// `incident_totals` and `incident_amounts`.
    ///
    /// # Errors
    /// When the rows are not those.
    pub async fn causes(&self, totals: RecordBatch, amounts: RecordBatch) -> Result<DataFrame> {
        let mut tables = self.tables.clone();
        for (name, rows) in [(INCIDENT_TOTALS, totals), (INCIDENT_AMOUNTS, amounts)] {
            let rows = self.session.context().read_batch(rows)?;
            tables.push((name, rows.into_view()));
        }
        let reading = self.session.reading(tables)?;
        reading.sql(Query::IncidentCauses.text()).await
    }

    /// What windows had during each incident and have usually, by `incident_id`.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn facts(&self) -> Result<DataFrame> {
        let reading = self.session.reading(self.tables.clone())?;
        reading.sql(Query::IncidentFacts.text()).await
    }
}

/// When a series is known not to have been as usual: `site`, `start`, `end`.
///
/// # Errors
/// When a table that the query reads is not there.
pub async fn known_anomalies(session: &Session) -> Result<DataFrame> {
    session.context().sql(Query::KnownAnomalies.text()).await
}

/// How the windows of a range, in microseconds since the epoch, compare with those of a week before,
/// and their scores with what was calibrated.
///
/// # Errors
/// When the windows cannot be read.
pub async fn drift(
    session: &Session,
    scored_windows: DataFrame,
    windows_a_week_before: DataFrame,
    windows: &Range<i64>,
) -> Result<DataFrame> {
    session
        .reading(vec![
            (Table::ScoredWindows.name(), scored_windows.into_view()),
            (A_WEEK_BEFORE, windows_a_week_before.into_view()),
        ])?
        .sql(Query::Drift.text())
        .await?
        .with_param_values(vec![
            ("since", time(windows.start)),
            ("until", time(windows.end)),
        ])
}

/// The windows around incidents, given with the columns that `pictured_incidents` is to have.
///
/// # Errors
/// When the windows cannot be read.
pub async fn incident_pictures(
    session: &Session,
    pictured_incidents: RecordBatch,
    scored_windows: DataFrame,
) -> Result<DataFrame> {
    let incidents = session.context().read_batch(pictured_incidents)?;
    session
        .reading(vec![
            (Table::ScoredWindows.name(), scored_windows.into_view()),
            (PICTURED_INCIDENTS, incidents.into_view()),
        ])?
        .sql(Query::IncidentPictures.text())
        .await
}

/// One of the queries of the report, over some scored windows and a range in microseconds since the
/// epoch. Only the timeline is cut into stretches.
///
/// # Errors
/// When a table cannot be read.
pub async fn of_report(
    session: &Session,
    query: Query,
    scored_windows: DataFrame,
    range: &Range<i64>,
    stretch: Option<i64>,
) -> Result<DataFrame> {
    let mut parameters = vec![("since", time(range.start)), ("until", time(range.end))];
    parameters.extend(stretch.map(|stretch| ("stretch", ScalarValue::from(stretch))));
    session
        .reading(vec![(
            Table::ScoredWindows.name(),
            scored_windows.into_view(),
        )])?
        .sql(query.text())
        .await?
        .with_param_values(parameters)
}

/// A point in time from microseconds since the epoch.
fn time(micros: i64) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()))
}
