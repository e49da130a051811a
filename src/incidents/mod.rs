//! Incidents: what went wrong when, how badly, and who or what caused it.
//!
//! ```text
//! scored_windows ──incident_runs.sql──▶ runs of unusual windows of each series
//!                                        │  incidents.sql: rules, severity, groups
//!                                        ▼
//!                                    incidents ──incident_causes.sql──▶ incident_causes
//!                                                        ▲
//!                 access_logs ───────────────────────────┘
//! ```
//!
//! An incident is a run of windows of one series that begins with an anomaly: [`IncidentRules`] has
//! the rules, [`crate::schema::INCIDENTS`] and [`crate::schema::INCIDENT_CAUSES`] the columns.
//!
//! **What an incident depends on.** [`find`] gives the incidents that start in a range, and the same
//! ones whatever the range: it reads windows before and after as far as one of them, or a group that
//! it belongs to, may reach. Which incidents can be others than before once windows of a range have
//! changed, [`affected_by_windows`] says, and [`affected_causes`] in how wide a range causes can be,
//! also where only requests changed. Outside of these ranges what is stored stays right, so that a
//! nightly job need only rebuild them.
//!
//! Rows depend on the tables, the rules, the step and the series key, and on nothing else: not on
//! threads, batches or the ranges asked for. Sums are over whole numbers for that reason.

mod causes;
pub mod functions;
mod rules;
mod runs;
#[cfg(test)]
mod tests;

use std::ops::Range;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use datafusion::prelude::{DataFrame, SessionContext};

pub use causes::affected_causes;
pub use rules::{IncidentRules, RulesError, SeverityRule};

use crate::error::Result;
use crate::queries;
use crate::schema::{INCIDENT_CAUSES, INCIDENTS, Table};
use crate::session::Session;
use crate::table_files::conform;
use crate::units::WindowStep;
use crate::window_settings::WindowSettings;
use runs::Runs;

/// The incidents of a range and what explains them.
#[derive(Debug, Clone, PartialEq)]
pub struct Incidents {
    /// Rows of `incidents`, by start, then site.
    pub incidents: RecordBatch,
    /// Rows of `incident_causes`, by incident in that order, then rank.
    pub causes: RecordBatch,
}

/// The incidents that start in a range of time, in microseconds since the epoch, and what explains
/// them. `progress` is told how many have been explained, and how many there are.
///
/// What one query hands to the next are tables of the session, so that one call at a time may use it.
///
/// # Errors
/// When there are no scored windows, or a table cannot be read.
pub async fn find(
    session: &Session,
    rules: &IncidentRules,
    started_at: Range<i64>,
    progress: &mut (dyn FnMut(usize, usize) + Send),
) -> Result<Incidents> {
    rules.validate()?;
    let settings = WindowSettings::load(session.warehouse())?;
    let context = session.context();
    let incidents = group(context, rules, settings.step, started_at).await?;
    session
        .register_series_requests(&settings.series_key, None)
        .await?;
    let mut causes = Vec::new();
    for row in 0..incidents.num_rows() {
        progress(row, incidents.num_rows());
        causes.extend(causes::explain(context, &incidents, row).await?);
    }
    Ok(Incidents {
        causes: concat_batches(&INCIDENT_CAUSES, &causes)?,
        incidents,
    })
}

/// The rows of `incidents` that start in a range.
async fn group(
    context: &SessionContext,
    rules: &IncidentRules,
    step: WindowStep,
    started_at: Range<i64>,
) -> Result<RecordBatch> {
    let runs = Runs::around(context, rules, step, &started_at).await?;
    let runs = context.read_batch(runs.into_batch())?;
    context.deregister_table(queries::INCIDENT_RUNS)?;
    context.register_table(queries::INCIDENT_RUNS, runs.into_view())?;
    let incidents = queries::incidents(
        context,
        &queries::Incidents {
            started_at,
            min_length: rules.min_length.micros(),
            min_severity: rules.min_severity.rank(),
            medium_impact: rules.medium_impact.micros(),
            high_impact: rules.high_impact.micros(),
        },
    )
    .await?;
    let rows = collect(incidents, &INCIDENTS).await;
    context.deregister_table(queries::INCIDENT_RUNS)?;
    rows
}

/// When incidents start that can be others than before, or that are gone or new, after scored windows
/// that start in a range have changed; in microseconds since the epoch. What starts outside is what
/// it was, to the last column.
///
/// The range reaches back to the start of the incident that ran when the changed windows begin, if
/// there is one: it may go on differently. Forward it reaches to where, in every series, the run ends
/// that reaches into the changed windows or begins soon after them, since an incident may now begin
/// earlier in it; and on to a time at which no incident runs, neither of those stored in `incidents`
/// nor of those that now are, since groups of incidents are named by their first. It assumes that
/// `incidents` is what the windows gave before they changed.
///
/// # Errors
/// When there are no scored windows, or a table cannot be read.
pub async fn affected_by_windows(
    session: &Session,
    rules: &IncidentRules,
    changed: &Range<i64>,
) -> Result<Range<i64>> {
    rules.validate()?;
    let step = WindowSettings::load(session.warehouse())?.step;
    let stored = session.context().table(Table::Incidents.name()).await?;
    let stored = stored.select_columns(&["started_at", "ended_at"])?;
    let stored = spans(&stored.collect().await?);
    runs::affected(session.context(), rules, step, changed, &stored).await
}

/// The times of rows of `incidents`.
fn spans(batches: &[RecordBatch]) -> Vec<Range<i64>> {
    let times = |batch: &RecordBatch, name: &str| {
        let column = batch.column_by_name(name)?;
        let times = column.as_primitive_opt::<TimestampMicrosecondType>()?;
        Some(times.values().to_vec())
    };
    let of_batch = |batch: &RecordBatch| {
        let starts = times(batch, "started_at").unwrap_or_default();
        let ends = times(batch, "ended_at").unwrap_or_default();
        starts.into_iter().zip(ends)
    };
    let spans = batches.iter().flat_map(of_batch);
    spans.map(|(start, end)| start..end).collect()
}

/// All rows of a query in the exact types of a table.
async fn collect(frame: DataFrame, schema: &SchemaRef) -> Result<RecordBatch> {
    let batches = frame.collect().await?;
    let rows = batches.iter().map(|batch| conform(batch, schema));
    Ok(concat_batches(schema, &rows.collect::<Result<Vec<_>>>()?)?)
}
