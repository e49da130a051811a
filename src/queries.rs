//! The product's SQL: the files of `queries/`, with typed parameters.
//!
//! SQL that defines a table lives in those files, never in a Rust string, so that it can be read,
//! run and tested as SQL. Values reach it as parameters, never as text.

use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::prelude::{DataFrame, SessionContext};

use crate::units::WindowStep;

/// A file of `queries/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Query {
    AccessLogs,
    LogCoverage,
    TrafficWindows,
}

impl Query {
    const fn text(self) -> &'static str {
        match self {
            Self::AccessLogs => include_str!("../queries/access_logs.sql"),
            Self::LogCoverage => include_str!("../queries/log_coverage.sql"),
            Self::TrafficWindows => include_str!("../queries/traffic_windows.sql"),
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

/// Traffic per series and window, ordered by UTC date, then site, then window.
///
/// # Errors
/// When a table that the query reads is not registered.
pub async fn traffic_windows(context: &SessionContext, step: WindowStep) -> Result<DataFrame> {
    context
        .sql(Query::TrafficWindows.text())
        .await?
        .with_param_values(vec![("step", ScalarValue::Int64(Some(step.micros())))])
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn every_file_says_what_it_reads_and_writes() {
        for query in [Query::AccessLogs, Query::LogCoverage, Query::TrafficWindows] {
            for heading in ["-- reads: ", "-- writes: ", "-- grain: ", "-- parameters: "] {
                assert!(
                    query.text().contains(heading),
                    "{query:?} lacks {heading:?}"
                );
            }
        }
    }
}
