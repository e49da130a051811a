//! What explains one incident: see `queries/incident_causes.sql`.

use std::collections::BTreeSet;
use std::ops::Range;

use chrono::NaiveDate;
use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use datafusion::prelude::SessionContext;

use super::runs::date_of;
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
/// The days before that an incident is compared with, as `queries/incident_days.sql` has them.
const DAYS_BEFORE: [i64; 4] = [1, 2, 3, 7];

/// The part of an incident that is looked at.
fn looked_at(started_at: i64, ended_at: i64) -> Range<i64> {
    started_at..ended_at.min(started_at.saturating_add(LONGEST))
}

/// From where on the time right before an incident is looked at.
fn before_from(during: &Range<i64>) -> i64 {
    during.start - (during.end - during.start).max(SHORTEST_BEFORE)
}

/// The dates whose requests and scored windows decide what explains an incident, given its row.
pub(super) fn dates_read(started_at: i64, ended_at: i64) -> BTreeSet<NaiveDate> {
    let during = looked_at(started_at, ended_at);
    let before = before_from(&during)..during.start;
    let days = DAYS_BEFORE.map(|days| {
        let back = days * 24 * HOUR;
        during.start - back..during.end - back
    });
    let ranges = [during, before].into_iter().chain(days);
    // None is longer than a day.
    ranges
        .flat_map(|range| [date_of(range.start), date_of(range.end - 1)])
        .collect()
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
    let during = looked_at(time("started_at"), time("ended_at"));
    let ratio = number("expected_total") / number("actual_total");
    let days = days(context, text("site"), &during).await?;
    let parameters = IncidentCauses {
        incident_id: text("incident_id"),
        series: text("site"),
        metric: text("top_metric"),
        direction: text("direction"),
        before_from: before_from(&during),
        during,
        days: &days,
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
