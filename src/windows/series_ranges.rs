//! Which series there are, and from when to when each has requests in each date.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Date32Type, Int64Type};

use super::error::Result;
use crate::schema::SERIES_DATES;
use crate::session::site_dates::SiteDates;
use crate::session::{Session, queries};
use crate::warehouse::settings::WindowSettings;

/// A series and a site whose requests belong to it.
pub(super) type SeriesSite = (String, String);
/// First and last window, counted from the Unix epoch.
pub(super) type Slots = (i64, i64);
/// From when to when each series has requests, by site.
pub(super) type SeriesRanges = BTreeMap<SeriesSite, Slots>;

/// Widens the range of a series.
pub(super) fn include(ranges: &mut SeriesRanges, series: SeriesSite, (first, last): Slots) {
    let range = ranges.entry(series).or_insert((first, last));
    *range = (range.0.min(first), range.1.max(last));
}

/// Returns the series of each date that has requests, of all dates or of some. Where a series is a site,
/// files that tell of themselves are not read.
pub(super) async fn series_of_dates(
    session: &Session,
    settings: &WindowSettings,
    dates: Option<&RangeInclusive<NaiveDate>>,
) -> Result<BTreeMap<NaiveDate, SeriesRanges>> {
    let (key, step) = (&settings.series_key, settings.step);
    let mut found: BTreeMap<_, SeriesRanges> = BTreeMap::new();
    let requests = if key.is_site() {
        let SiteDates { known, to_read } = session.site_dates(dates).await?;
        for of_site in known {
            let ranges = found.entry(of_site.date).or_default();
            let series = (of_site.site.clone(), of_site.site);
            let slots = (of_site.first / step.micros(), of_site.last / step.micros());
            include(ranges, series, slots);
        }
        to_read
            .map(|requests| session.keyed(key, requests))
            .transpose()?
    } else {
        Some(session.series_requests(key, dates).await?)
    };
    if let Some(requests) = requests {
        let frame = queries::series_dates(session, requests, step).await?;
        for batch in frame.collect().await? {
            let days = batch.column(0).as_primitive::<Date32Type>().clone();
            for (row, (series, slots)) in rows(&batch, 1)?.into_iter().enumerate() {
                if let Some(date) = Date32Type::to_naive_date_opt(days.value(row)) {
                    include(found.entry(date).or_default(), series, slots);
                }
            }
        }
    }
    Ok(found)
}

/// Series, site and slots, which begin at a column.
pub(super) fn rows(batch: &RecordBatch, begin: usize) -> Result<Vec<(SeriesSite, Slots)>> {
    let text = |column: usize| cast(batch.column(begin + column), &DataType::Utf8);
    let (series, sites) = (text(0)?, text(1)?);
    let (series, sites) = (series.as_string::<i32>(), sites.as_string::<i32>());
    let slots = |column: usize| batch.column(begin + column).as_primitive::<Int64Type>();
    let (first, last) = (slots(2), slots(3));
    Ok((0..batch.num_rows())
        .map(|row| {
            let key = (series.value(row).to_owned(), sites.value(row).to_owned());
            (key, (first.value(row), last.value(row)))
        })
        .collect())
}

/// The same as a batch of `series_dates`.
pub(super) fn batch(ranges: &SeriesRanges) -> Result<RecordBatch> {
    let text = |of: fn(&SeriesSite) -> &String| {
        Arc::new(StringArray::from_iter_values(ranges.keys().map(of)))
    };
    let slots =
        |of: fn(&Slots) -> i64| Arc::new(Int64Array::from_iter_values(ranges.values().map(of)));
    Ok(RecordBatch::try_new(
        Arc::clone(&SERIES_DATES),
        vec![
            text(|key| &key.0),
            text(|key| &key.1),
            slots(|slots| slots.0),
            slots(|slots| slots.1),
        ],
    )?)
}
