//! `traffic_windows` from `access_logs`: all of it, or some dates.
//!
//! Which windows a series has, and which of them are observed, depends on all logs; what they
//! count, on the requests of their own date. So a date can be built without reading another one,
//! once it is known [from when to when](crate::session::queries::extent) each series has windows.

mod error;
mod frame;
mod series_ranges;
pub mod step;

pub use error::{Error, Result};
pub use frame::{date_of, slots_of};

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::prelude::DataFrame;
use futures::StreamExt;
use serde::{Serialize, Serializer};

use crate::incremental::pieces::pieces;
use crate::progress::Counter;
use crate::session::Session;
use crate::session::queries::{self, Extent};
use crate::units::WindowStep;
use crate::units::dates::dates_in;
use crate::warehouse::extra_metrics;
use crate::warehouse::settings::SeriesKey;
use crate::warehouse::settings::WindowSettings;
use crate::warehouse::tables::DatedTableWriter;

/// Most dates that are counted in one piece: it bounds what is held, and the files that are written at
/// once.
const MOST_DATES: usize = 31;

/// Places of two columns in [`crate::schema::TRAFFIC_WINDOWS`].
const SITE: usize = 0;
const WINDOW_START: usize = 1;

/// What a build wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WindowsSummary {
    /// Length of a window.
    pub step: WindowStep,
    /// What names the series of a request.
    pub series_key: SeriesKey,
    /// Number of series.
    pub series: usize,
    /// Number of rows.
    pub windows: usize,
    /// Rows whose time no log covers.
    pub unobserved: usize,
    /// Start of the first window.
    #[serde(serialize_with = "rfc_3339")]
    pub first_window: DateTime<Utc>,
    /// Start of the last window.
    #[serde(serialize_with = "rfc_3339")]
    pub last_window: DateTime<Utc>,
}

fn rfc_3339<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

impl fmt::Display for WindowsSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
        write!(
            f,
            "wrote {} windows of {} for {} series, {} to {}, {} of them not observed",
            self.windows,
            self.step,
            self.series,
            format(self.first_window),
            format(self.last_window),
            self.unobserved
        )
    }
}

/// Builds all windows into a folder, one file per date; `None` if there are no logs.
///
/// # Errors
/// When the series key does not fit the logs, or a file cannot be written.
pub async fn build_all(
    session: &Session,
    settings: &WindowSettings,
    folder: &Path,
    progress: &dyn Counter,
) -> Result<Option<(BTreeSet<NaiveDate>, WindowsSummary)>> {
    let (key, step) = (&settings.series_key, settings.step);
    let mut ranges = series_ranges::SeriesRanges::new();
    for of_date in series_ranges::series_of_dates(session, settings, None)
        .await?
        .into_values()
    {
        for (series, slots) in of_date {
            series_ranges::include(&mut ranges, series, slots);
        }
    }
    let range = session
        .context()
        .read_batch(series_ranges::batch(&ranges)?)?;
    let extent = queries::extent(session, range, step, None).await?;
    // All dates at once would hold as many windows as the logs reach far, however few they have.
    let mut dates = BTreeSet::new();
    let mut counts = None;
    let reached = frame::dates(&extent, step)?;
    for (piece, ()) in pieces(reached.into_iter().map(|date| (date, ())), MOST_DATES) {
        let requests = session.series_requests(key, Some(&piece)).await?;
        let traffic = queries::traffic(session, requests, step).await?;
        let windows = windows_of(session, &extent, traffic, settings, &piece).await?;
        dates.extend(write(windows, settings, folder, &mut counts, progress).await?);
    }
    let Some(counts) = counts else {
        return Ok(None);
    };
    let summary = WindowsSummary {
        step: settings.step,
        series_key: settings.series_key.clone(),
        series: counts.series.len(),
        windows: counts.windows,
        unobserved: counts.unobserved,
        first_window: time(counts.first_window),
        last_window: time(counts.last_window),
    };
    Ok(Some((dates, summary)))
}

/// Where the counts of some dates come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// From their requests.
    Requests,
    /// From their windows of an earlier build, whose requests were the same.
    Windows,
}

/// Builds the windows of some dates into a folder.
///
/// # Errors
/// As [`build_all`].
pub async fn build_dates(
    session: &Session,
    settings: &WindowSettings,
    (extent, counts): (&Extent, Counts),
    dates: RangeInclusive<NaiveDate>,
    folder: &Path,
    progress: &dyn Counter,
) -> Result<BTreeSet<NaiveDate>> {
    let step = settings.step;
    let traffic = match counts {
        Counts::Requests => {
            let key = &settings.series_key;
            let requests = session.series_requests(key, Some(&dates)).await?;
            queries::traffic(session, requests, step).await?
        }
        Counts::Windows => {
            let counted = session.counted_windows(dates_in(&dates))?;
            queries::counted_traffic(session, counted, step).await?
        }
    };
    let windows = windows_of(session, extent, traffic, settings, &dates).await?;
    write(windows, settings, folder, &mut None, progress).await
}

/// The windows of some dates.
async fn windows_of(
    session: &Session,
    extent: &Extent,
    traffic: DataFrame,
    settings: &WindowSettings,
    dates: &RangeInclusive<NaiveDate>,
) -> Result<DataFrame> {
    let step = settings.step;
    let first = *slots_of(*dates.start(), step).start();
    let last = *slots_of(*dates.end(), step).end();
    Ok(queries::traffic_windows(session, extent, traffic, settings, first..=last).await?)
}

async fn write(
    windows: DataFrame,
    settings: &WindowSettings,
    folder: &Path,
    written: &mut Option<Written>,
    progress: &dyn Counter,
) -> Result<BTreeSet<NaiveDate>> {
    let schema = extra_metrics::traffic_windows(&settings.extra_metrics);
    let mut table = DatedTableWriter::create(folder.to_owned(), schema, WINDOW_START)?;
    let mut rows = windows.execute_stream().await?;
    while let Some(batch) = rows.next().await {
        let batch = table.write(&batch?)?;
        Written::count(written, &batch);
        progress.advance(batch.num_rows() as u64);
    }
    Ok(table.finish()?)
}

fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros)
        .expect("a window starts at or before a timestamp, and those are read as dates")
}

/// What has been written so far.
#[derive(Debug)]
struct Written {
    series: BTreeSet<String>,
    windows: usize,
    unobserved: usize,
    first_window: i64,
    last_window: i64,
}

impl Written {
    /// Counts a batch in.
    fn count(written: &mut Option<Self>, batch: &RecordBatch) {
        let starts = batch
            .column(WINDOW_START)
            .as_primitive::<TimestampMicrosecondType>()
            .values();
        let (Some(first), Some(last)) = (starts.iter().min(), starts.iter().max()) else {
            return;
        };
        let written = written.get_or_insert(Self {
            series: BTreeSet::new(),
            windows: 0,
            unobserved: 0,
            first_window: *first,
            last_window: *last,
        });
        written.first_window = written.first_window.min(*first);
        written.last_window = written.last_window.max(*last);
        written.windows += batch.num_rows();
        written.unobserved += observed(batch).false_count();
        let mut previous = None;
        for series in batch.column(SITE).as_string::<i32>() {
            if series != previous {
                written.series.extend(series.map(str::to_owned));
            }
            previous = series;
        }
    }
}

fn observed(batch: &RecordBatch) -> &BooleanArray {
    let last = batch.num_columns() - 1;
    batch.column(last).as_boolean()
}
