//! What explains one incident: see `queries/incident_causes.sql`.

use std::ops::Range;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use datafusion::prelude::SessionContext;

use crate::error::Result;
use crate::queries::{self, IncidentCauses};
use crate::schema::INCIDENT_CAUSES;
use crate::table_files::conform;

const HOUR: i64 = 3_600_000_000;

/// Of a longer incident, this much is looked at: what causes it is there from the start, and what is
/// read stays bounded.
const LONGEST: i64 = 6 * HOUR;
/// Where there is no request at the same time of earlier days, so much time before the incident is
/// looked at, or as much as of the incident itself if that is more.
const SHORTEST_BEFORE: i64 = HOUR;
/// The earliest day that is compared with: a week before.
const FARTHEST_DAY: i64 = 7 * 24 * HOUR;

/// When incidents start whose causes can be others than before, after requests or scored windows of a
/// range of time have changed; in microseconds since the epoch.
///
/// Causes depend on the requests of the incident, of at most six hours before it, and on the requests
/// and anomalies of the same time on days up to a week before. Which incidents there are, and until
/// when, is another question.
#[must_use]
pub fn affected_causes(changed: &Range<i64>) -> Range<i64> {
    changed.start.saturating_sub(LONGEST)..changed.end.saturating_add(FARTHEST_DAY)
}

/// The rows of `incident_causes` of one row of `incidents`.
pub(super) async fn explain(
    context: &SessionContext,
    incidents: &RecordBatch,
    row: usize,
) -> Result<Vec<RecordBatch>> {
    let column = |name: &str| -> &ArrayRef {
        incidents
            .column_by_name(name)
            .expect("a row of `incidents` has the columns of its schema")
    };
    let text = |name| column(name).as_string::<i32>().value(row);
    let number = |name| column(name).as_primitive::<Float64Type>().value(row);
    let time = |name| {
        column(name)
            .as_primitive::<TimestampMicrosecondType>()
            .value(row)
    };
    let (started_at, ended_at) = (time("started_at"), time("ended_at"));
    let ended_at = ended_at.min(started_at.saturating_add(LONGEST));
    let ratio = number("expected_total") / number("actual_total");
    let during = started_at..ended_at;
    let days = days(context, text("site"), &during).await?;
    let parameters = IncidentCauses {
        incident_id: text("incident_id"),
        series: text("site"),
        metric: text("top_metric"),
        direction: text("direction"),
        during,
        days: &days,
        before_from: started_at - (ended_at - started_at).max(SHORTEST_BEFORE),
        expected_ratio: ratio.is_finite().then_some(ratio),
    };
    let causes = queries::incident_causes(context, &parameters).await?;
    let batches = causes.collect().await?;
    batches
        .iter()
        .map(|batch| conform(batch, &INCIDENT_CAUSES))
        .collect()
}

/// The days, so many ago, that an incident is compared with.
async fn days(context: &SessionContext, series: &str, during: &Range<i64>) -> Result<Vec<i64>> {
    let days = queries::incident_days(context, series, during).await?;
    let batches = days.collect().await?;
    let days = batches
        .iter()
        .filter_map(|batch| batch.column(0).as_primitive_opt::<Int64Type>());
    Ok(days.flat_map(|days| days.values().to_vec()).collect())
}
