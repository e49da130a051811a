//! Which windows there are: ranges of windows, which are counted from the Unix epoch, and their dates.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use chrono::{DateTime, NaiveDate};
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};

use super::error::Result;
use crate::session::queries::Extent;
use crate::units::WindowStep;
use crate::units::dates::dates_in;

/// The windows of a date, counted from the Unix epoch.
#[must_use]
pub fn slots_of(date: NaiveDate, step: WindowStep) -> RangeInclusive<i64> {
    let per_day = i64::from(step.per_day());
    let day = date.signed_duration_since(NaiveDate::default()).num_days();
    day * per_day..=(day + 1) * per_day - 1
}

/// The date of a window.
///
/// # Panics
/// When no timestamp lies in the window.
#[must_use]
pub fn date_of(slot: i64, step: WindowStep) -> NaiveDate {
    DateTime::from_timestamp_micros(slot * step.micros())
        .expect("a window starts at or before a timestamp, and those are read as dates")
        .date_naive()
}

/// A range of windows, date by date.
pub(super) fn parts(
    first: i64,
    last: i64,
    step: WindowStep,
) -> impl Iterator<Item = (NaiveDate, (i64, i64))> {
    let dates = date_of(first, step)..=date_of(last, step);
    dates_in(&dates).map(move |date| {
        let slots = slots_of(date, step);
        (date, (first.max(*slots.start()), last.min(*slots.end())))
    })
}

/// Which of some ranges are of windows that logs cover only in part.
pub(super) fn cuts(batch: &RecordBatch) -> Vec<bool> {
    let is_cut = batch.column(3).as_boolean().iter();
    is_cut.map(Option::unwrap_or_default).collect()
}

/// Series, first and last window of ranges.
pub(super) fn rows(batch: &RecordBatch) -> Result<Vec<(String, i64, i64)>> {
    let series = cast(batch.column(0), &DataType::Utf8)?;
    let series = series.as_string::<i32>();
    let first = batch.column(1).as_primitive::<Int64Type>();
    let last = batch.column(2).as_primitive::<Int64Type>();
    Ok((0..batch.num_rows())
        .map(|row| {
            (
                series.value(row).to_owned(),
                first.value(row),
                last.value(row),
            )
        })
        .collect())
}

/// The dates that any series reaches.
pub(super) fn dates(extent: &Extent, step: WindowStep) -> Result<BTreeSet<NaiveDate>> {
    let mut ranges = Vec::new();
    for batch in &extent.series {
        for (_, first, last) in rows(batch)? {
            ranges.push((date_of(first, step), date_of(last, step)));
        }
    }
    ranges.sort_unstable();
    let mut dates = BTreeSet::new();
    let mut next = NaiveDate::MIN;
    for (first, last) in ranges {
        dates.extend(dates_in(&(first.max(next)..=last)));
        next = next.max(last);
    }
    Ok(dates)
}
