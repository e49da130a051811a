//! Names of tables and views.

use crate::schema::Table;

/// Requests written by `anomalog ingest`.
pub(super) const INGESTED_LOGS: &str = "ingested_logs";
/// Requests of sources linked in place, and the `source` of each.
pub(super) const LINKED_LOGS: &str = "linked_logs";
/// Lines that `anomalog ingest` has rejected.
pub(super) const REJECTED_LINES: &str = "rejected_lines";
/// Rows of sources linked in place that are no requests, as the quarantine has them.
pub(super) const SET_ASIDE_ROWS: &str = "set_aside_rows";
/// Every row of such sources, and why it is no request if it is none.
pub(super) const LINKED_ROWS: &str = "linked_rows";
/// For which time each file of such sources has requests of which site.
pub(super) const LINKED_COVERAGE: &str = "linked_coverage";
/// For which time there are logs of which site.
pub(super) const LOG_COVERAGE: &str = "log_coverage";
/// The tables and views that queries may read, in the order of the data flow.
pub const TABLES: [&str; 11] = [
    Table::AccessLogs.name(),
    Table::LogFiles.name(),
    LOG_COVERAGE,
    Table::Quarantine.name(),
    Table::TrafficWindows.name(),
    Table::ScoredWindows.name(),
    Table::Incidents.name(),
    Table::IncidentCauses.name(),
    Table::Labels.name(),
    Table::Calendar.name(),
    Table::Runs.name(),
];
