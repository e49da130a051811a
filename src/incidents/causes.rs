//! What explains incidents: see `queries/incident_causes.sql`.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::{
    ArrayRef, AsArray, Float64Array, RecordBatch, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::prelude::DataFrame;

use super::amounts;
use super::error::Result;
use super::facts::{Kinds, kinds};
use super::reading::{collect, times};
use super::runs::date_of;
use crate::schema::INCIDENT_CAUSES;
use crate::session::Session;
use crate::session::queries::ExplainedIncidents;

const HOUR: i64 = 3_600_000_000;

/// Of a longer incident, this much is looked at: what causes it is there from the start, and what is
/// read stays bounded.
const LONGEST: i64 = 6 * HOUR;
/// Where there is no request at the same time of earlier days, so much time before the incident is
/// looked at, or as much as of the incident itself if that is more.
const SHORTEST_BEFORE: i64 = HOUR;
/// The days before that an incident is compared with, as `queries/incident_ranges.sql` has them.
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
    // None is longer than a day.
    ranges_of(started_at, ended_at)
        .flat_map(|range| [date_of(range.start), date_of(range.end - 1)])
        .collect()
}

/// The ranges that may tell of an incident, given its row.
fn ranges_of(started_at: i64, ended_at: i64) -> impl Iterator<Item = Range<i64>> {
    let during = looked_at(started_at, ended_at);
    let before = before_from(&during)..during.start;
    let days = DAYS_BEFORE.map(|days| {
        let back = days * 24 * HOUR;
        during.start - back..during.end - back
    });
    [during, before].into_iter().chain(days)
}

/// The rows of `incident_causes` of rows of `incidents`, by `incident_id`, then rank, and their kinds. What
/// is held grows with their number.
pub(super) async fn explain(
    session: &Session,
    incidents: &RecordBatch,
    (scored_windows, series_requests): (DataFrame, DataFrame),
) -> Result<(RecordBatch, Kinds)> {
    let column = |name: &str| -> &ArrayRef {
        incidents
            .column_by_name(name)
            .expect("a row of `incidents` has the columns of its schema")
    };
    let text = |name| cast(column(name), &DataType::Utf8View);
    let number = |name| column(name).as_primitive::<Float64Type>().values();
    let moments = |micros: Vec<i64>| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC"))
    };
    let (started_at, ended_at) = (times(incidents, "started_at"), times(incidents, "ended_at"));
    let rows = || started_at.iter().zip(&ended_at);
    let during: Vec<Range<i64>> = rows().map(|(start, end)| looked_at(*start, *end)).collect();
    let totals = number("expected_total").iter().zip(number("actual_total"));
    let ratios = totals
        .map(|(expected, actual)| expected / actual)
        .map(|ratio| ratio.is_finite().then_some(ratio));
    let explained = RecordBatch::try_from_iter_with_nullable([
        ("incident_id", text("incident_id")?, false),
        ("series", text("site")?, false),
        ("metric", text("top_metric")?, false),
        ("direction", text("direction")?, false),
        (
            "expected_ratio",
            Arc::new(ratios.collect::<Float64Array>()) as ArrayRef,
            true,
        ),
        (
            "started_at",
            moments(during.iter().map(|range| range.start).collect()),
            false,
        ),
        (
            "ended_at",
            moments(during.iter().map(|range| range.end).collect()),
            false,
        ),
        (
            "before_from",
            moments(during.iter().map(before_from).collect()),
            false,
        ),
    ])?;
    let ids = text("incident_id")?;
    let directions = text("direction")?;
    let falls = directions.as_string_view().iter();
    let falls = falls.map(|direction| direction == Some("dip"));
    let told: Vec<_> = ids.as_string_view().iter().flatten().zip(falls).collect();
    let explained =
        ExplainedIncidents::new(session, explained, scored_windows, series_requests).await?;
    let counted = amounts::count(&explained.requests().await?, &told).await?;
    let causes = explained.causes(counted.totals, counted.amounts).await?;
    let causes = collect(causes, &INCIDENT_CAUSES).await?;
    let facts = explained.facts().await?.collect().await?;
    let kinds = kinds(incidents, &facts, &causes)?;
    Ok((causes, kinds))
}
