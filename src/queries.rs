//! The product's SQL: the files of `queries/`, with typed parameters.
//!
//! SQL that defines a table lives in those files, never in a Rust string, so that it can be read,
//! run and tested as SQL. Values reach it as parameters, never as text.

use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::prelude::{DataFrame, SessionContext};

use crate::units::WindowStep;

/// The view that [`scored_windows`] reads: windows, score columns, `verdict`.
pub const WINDOW_SCORES: &str = "window_scores";

/// What [`traffic_windows`] reads more than once, and so is queried once.
const SERIES_RANGE: &str = "series_range";

/// A file of `queries/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query {
    /// Every request.
    AccessLogs,
    /// For which time there are logs of which site.
    LogCoverage,
    /// From when to when each series has requests.
    SeriesRange,
    /// Traffic per series and window.
    TrafficWindows,
    /// Windows with scores.
    ScoredWindows,
    /// The demo's strongest anomalies.
    DemoEvents,
    /// The demo's labels and what detectors make of them.
    DemoLabels,
}

impl Query {
    /// Every file.
    pub const ALL: [Self; 7] = [
        Self::AccessLogs,
        Self::LogCoverage,
        Self::SeriesRange,
        Self::TrafficWindows,
        Self::ScoredWindows,
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
            Self::TrafficWindows => include_str!("../queries/traffic_windows.sql"),
            Self::ScoredWindows => include_str!("../queries/scored_windows.sql"),
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

/// Traffic per series and window, ordered by site, then window.
///
/// # Errors
/// When a table that the query reads is not registered.
pub async fn traffic_windows(context: &SessionContext, step: WindowStep) -> Result<DataFrame> {
    let step = || vec![("step", ScalarValue::Int64(Some(step.micros())))];
    let range = context.sql(Query::SeriesRange.text()).await?;
    let range = range.with_param_values(step())?.cache().await?;
    context.deregister_table(SERIES_RANGE)?;
    context.register_table(SERIES_RANGE, range.into_view())?;
    let windows = context.sql(Query::TrafficWindows.text()).await?;
    windows.with_param_values(step())
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
    let time = |micros| ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()));
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
