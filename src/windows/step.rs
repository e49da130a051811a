//! `traffic_windows`, brought up to date: only the dates whose windows would come out otherwise.
//!
//! What a date's windows are a function of:
//! - its requests: the files of `access_logs` of that date, each named by the digest of its log,
//!   and linked files that touch it; with step and series key. Their digest is the date's
//!   *traffic*;
//! - which windows each series has there and which of them are observed, which depends on all
//!   logs: the date's part of the [frame](crate::session::queries::Frame).
//!
//! Where only the frame differs, as when the log of the next day shows that a site was silent and
//! not without a log in the last minutes of this one, the counts are taken from the old windows.
//!
//! Dates whose requests are no longer kept (`crate::incremental::retention`) stay as they are, and count with the
//! part of `series_dates` that was made of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Date32Type, Int64Type};
use datafusion::datasource::MemTable;

use crate::explain::cannot;
use crate::incremental::key::Key;
use crate::incremental::partitions::is_there;
use crate::incremental::pieces::pieces;
use crate::progress::Counter;
use crate::schema::{SERIES_DATES, Table};
use crate::session::Session;
use crate::session::queries::{self, Frame, Query};
use crate::units::WindowStep;
use crate::units::dates::{DateLimits, dates_in};
use crate::warehouse::Warehouse;
use crate::warehouse::commit::{Change, Manifest, Partition, Retired, Writer};
use crate::warehouse::settings::WindowSettings;
use crate::warehouse::tables::{self, TableFileWriter, date_folder, partition_file};
use crate::windows::{self, Counts, date_of, slots_of};
use crate::windows::{Error, Result};

/// To be raised whenever the same logs and settings would give other windows.
const VERSION: u32 = 1;

/// What is hashed before the ranges that logs cover.
const OBSERVED: &str = "observed";
/// The stored part of `series_dates` while it is read.
const STORED_SERIES: &str = "stored_series_dates";

/// What is to be done for `traffic_windows`.
#[derive(Debug, Default)]
pub(crate) struct TrafficPlan {
    /// Per date to be built, where its counts come from.
    pub(crate) build: BTreeMap<NaiveDate, Counts>,
    /// Dates that no series reaches any more.
    pub(crate) remove: Vec<NaiveDate>,
    /// Dates that would be built, but that the run is limited to others.
    pub(crate) left: usize,
    /// Per date with requests, the digest of what tells them from others.
    pub(crate) traffic: BTreeMap<NaiveDate, String>,
    /// What each date should be made from.
    keys: BTreeMap<NaiveDate, DateKey>,
    /// New parts of `series_dates`.
    series: BTreeMap<NaiveDate, SeriesOfDate>,
    /// Dates whose part of `series_dates` goes.
    forgotten: Vec<NaiveDate>,
}

#[derive(Debug, Clone)]
struct DateKey {
    traffic: String,
    key: String,
}

#[derive(Debug)]
struct SeriesOfDate {
    traffic: String,
    rows: Vec<(SeriesSite, Slots)>,
}

/// A series and a site whose requests belong to it.
type SeriesSite = (String, String);
/// First and last window, counted from the Unix epoch.
type Slots = (i64, i64);

/// Finds out which dates are to be built. Afterwards the frame is registered in the session.
pub(crate) async fn plan(
    session: &Session,
    manifest: &Manifest,
    settings: &WindowSettings,
    linked: &BTreeMap<NaiveDate, Vec<String>>,
    limits: DateLimits,
) -> Result<TrafficPlan> {
    let warehouse = session.warehouse();
    let mut plan = TrafficPlan::default();
    let retired = Retired::load(warehouse)?;
    let is_final = |date: NaiveDate| retired.covers(Table::AccessLogs, date);
    if let Some(before) = retired.first_kept(Table::AccessLogs)
        && WindowSettings::load(warehouse)? != *settings
    {
        return Err(Error::RequestsRetired { before });
    }
    let traffic = traffic_of_dates(warehouse, manifest, settings, linked, &retired)?;
    let mut ranges: BTreeMap<SeriesSite, Slots> = BTreeMap::new();
    let mut include = |(series, (first, last)): (SeriesSite, Slots)| {
        let range = ranges.entry(series).or_insert((first, last));
        *range = (range.0.min(first), range.1.max(last));
    };
    let stored = stored_series(warehouse, manifest, &traffic, &retired);
    for row in read_series(session, &stored).await? {
        include(row);
    }
    let missing = traffic.iter().filter(|(date, _)| !stored.contains(date));
    for (piece, ()) in pieces(missing.map(|(date, _)| (*date, ()))) {
        let found = count_series(session, settings, &piece).await?;
        for (date, rows) in found {
            rows.iter().cloned().for_each(&mut include);
            let Some(traffic) = traffic.get(&date).cloned() else {
                continue;
            };
            plan.series.insert(date, SeriesOfDate { traffic, rows });
        }
    }
    plan.forgotten = manifest
        .partitions(Table::SeriesDates)
        .map(|(date, _)| date)
        .filter(|date| !traffic.contains_key(date))
        .collect();
    register_ranges(session, ranges)?;
    let frame = queries::register_frame(session.context(), settings.step).await?;
    plan.keys = keys(&frame, settings, &traffic)?;
    for (date, wanted) in plan.keys.iter().filter(|(date, _)| !is_final(**date)) {
        let found = manifest.partition(Table::TrafficWindows, *date);
        let found = found.filter(|found| is_there(warehouse, Table::TrafficWindows, *date, found));
        if found.is_some_and(|found| found.key.as_ref() == Some(&wanted.key)) {
            continue;
        }
        if !limits.contains(*date) {
            plan.left += 1;
            continue;
        }
        let has_counts = found.is_some_and(|found| found.traffic.as_ref() == Some(&wanted.traffic));
        let counts = if has_counts {
            Counts::Windows
        } else {
            Counts::Requests
        };
        plan.build.insert(*date, counts);
    }
    let table = warehouse.table(Table::TrafficWindows);
    let there = tables::dates(&table)?;
    plan.remove = there
        .into_iter()
        .filter(|date| !plan.keys.contains_key(date) && !is_final(*date))
        .collect();
    plan.traffic = traffic;
    Ok(plan)
}

impl TrafficPlan {
    /// Whether there is nothing to be done.
    pub(crate) fn is_empty(&self) -> bool {
        self.build.is_empty()
            && self.remove.is_empty()
            && self.series.is_empty()
            && self.forgotten.is_empty()
    }

    /// Builds what is to be built, and commits it.
    pub(crate) async fn carry_out(
        &self,
        session: &Session,
        writer: &mut Writer,
        settings: &WindowSettings,
        progress: &dyn Counter,
    ) -> Result<()> {
        let warehouse = session.warehouse().clone();
        let mut change = writer.change()?;
        let mut manifest = writer.manifest().clone();
        let folder = change.staging().join("windows");
        let table = warehouse.table(Table::TrafficWindows);
        let build = self.build.iter().map(|(date, counts)| (*date, *counts));
        for (dates, counts) in pieces(build) {
            let built =
                windows::build_dates(session, settings, dates, counts, &folder, progress).await?;
            for date in built {
                let Some(DateKey { traffic, key }) = self.keys.get(&date).cloned() else {
                    continue;
                };
                let staged = partition_file(&folder, date);
                let partition = Partition {
                    key: Some(key),
                    traffic: Some(traffic),
                    ..Partition::by_hand(&staged)?
                };
                manifest.set(Table::TrafficWindows, date, partition);
                change.replace(&staged, &partition_file(&table, date))?;
            }
        }
        for date in &self.remove {
            change.delete(&partition_file(&table, *date))?;
            manifest.remove(Table::TrafficWindows, *date);
        }
        self.store_series(&warehouse, &mut change, &mut manifest)?;
        let staged = settings.save(change.staging())?;
        change.replace(&staged, &WindowSettings::path(&warehouse))?;
        Ok(writer.commit(change, manifest).await?)
    }

    fn store_series(
        &self,
        warehouse: &Warehouse,
        change: &mut Change,
        manifest: &mut Manifest,
    ) -> Result<()> {
        for (date, SeriesOfDate { traffic, rows }) in &self.series {
            let staged = change.staging().join(format!("series-{date}.parquet"));
            let mut file = TableFileWriter::create(&staged, Arc::clone(&SERIES_DATES))?;
            file.write(&series_batch(rows)?)?;
            file.finish()?;
            let partition = Partition {
                key: Some(traffic.clone()),
                ..Partition::by_hand(&staged)?
            };
            manifest.set(Table::SeriesDates, *date, partition);
            change.replace(&staged, &series_file(warehouse, *date))?;
        }
        for date in &self.forgotten {
            change.delete(&series_file(warehouse, *date))?;
            manifest.remove(Table::SeriesDates, *date);
        }
        Ok(())
    }
}

fn series_file(warehouse: &Warehouse, date: NaiveDate) -> std::path::PathBuf {
    partition_file(&warehouse.table(Table::SeriesDates), date)
}

/// Per date with requests, what its counts are a function of.
fn traffic_of_dates(
    warehouse: &Warehouse,
    manifest: &Manifest,
    settings: &WindowSettings,
    linked: &BTreeMap<NaiveDate, Vec<String>>,
    retired: &Retired,
) -> Result<BTreeMap<NaiveDate, String>> {
    let base = Key::of("traffic", VERSION)
        .text(Query::Traffic.text())
        .text(&settings.step.to_string())
        .text(settings.series_key.as_sql());
    let logs = warehouse.table(Table::AccessLogs);
    let mut dates: BTreeMap<NaiveDate, Vec<String>> = BTreeMap::new();
    for date in tables::dates(&logs)? {
        let folder = date_folder(&logs, date);
        let entries = std::fs::read_dir(&folder).map_err(cannot("read", &folder))?;
        let mut files = Vec::new();
        for entry in entries {
            let name = entry.map_err(cannot("read", &folder))?.file_name();
            files.push(name.to_string_lossy().into_owned());
        }
        if !files.is_empty() {
            files.sort_unstable();
            dates.insert(date, files);
        }
    }
    for (date, files) in linked {
        dates.entry(*date).or_default().extend_from_slice(files);
    }
    let is_final = |date: &NaiveDate| retired.covers(Table::AccessLogs, *date);
    // Of logs that come after their date is final, nothing counts.
    dates.retain(|date, _| !is_final(date));
    let kept = dates.into_iter().map(|(date, files)| {
        let mut key = base.clone();
        for file in &files {
            key.add_text(file);
        }
        (date, key.finish())
    });
    let series = warehouse.table(Table::SeriesDates);
    let there = tables::dates(&series)?;
    let was = |date: NaiveDate| {
        let known = manifest.partition(Table::SeriesDates, date);
        let known = known.and_then(|known| known.key.clone());
        (date, known.unwrap_or_else(|| "no longer kept".to_owned()))
    };
    Ok(kept
        .chain(there.into_iter().filter(is_final).map(was))
        .collect())
}

/// Dates whose stored part of `series_dates` holds for their requests.
fn stored_series(
    warehouse: &Warehouse,
    manifest: &Manifest,
    traffic: &BTreeMap<NaiveDate, String>,
    retired: &Retired,
) -> Vec<NaiveDate> {
    let is_final = |date: &NaiveDate| retired.covers(Table::AccessLogs, *date);
    let kept = manifest
        .partitions(Table::SeriesDates)
        .filter(|(date, partition)| {
            partition.key.is_some()
                && partition.key.as_ref() == traffic.get(date)
                && is_there(warehouse, Table::SeriesDates, *date, partition)
        })
        .map(|(date, _)| date)
        .filter(|date| !is_final(date));
    traffic
        .keys()
        .copied()
        .filter(is_final)
        .chain(kept)
        .collect()
}

async fn read_series(session: &Session, dates: &[NaiveDate]) -> Result<Vec<(SeriesSite, Slots)>> {
    session.register_dates(STORED_SERIES, Table::SeriesDates, dates.iter().copied())?;
    let rows = session
        .context()
        .table(STORED_SERIES)
        .await?
        .collect()
        .await?;
    let mut found = Vec::new();
    for batch in &rows {
        let batch = tables::conform(batch, &SERIES_DATES)?;
        found.extend(series_rows(&batch, 0)?);
    }
    Ok(found)
}

/// Reads the requests of some dates for the first and last of each series.
async fn count_series(
    session: &Session,
    settings: &WindowSettings,
    dates: &std::ops::RangeInclusive<NaiveDate>,
) -> Result<BTreeMap<NaiveDate, Vec<(SeriesSite, Slots)>>> {
    session
        .register_series_requests(&settings.series_key, Some(dates))
        .await?;
    let frame = queries::series_dates(session.context(), settings.step).await?;
    let mut found: BTreeMap<_, Vec<_>> = dates_in(dates).map(|date| (date, Vec::new())).collect();
    for batch in frame.collect().await? {
        let days = batch.column(0).as_primitive::<Date32Type>().clone();
        for (row, series) in series_rows(&batch, 1)?.into_iter().enumerate() {
            if let Some(date) = Date32Type::to_naive_date_opt(days.value(row)) {
                found.entry(date).or_default().push(series);
            }
        }
    }
    Ok(found)
}

/// Series, site and slots, which begin at a column.
fn series_rows(batch: &RecordBatch, begin: usize) -> Result<Vec<(SeriesSite, Slots)>> {
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

fn series_batch(rows: &[(SeriesSite, Slots)]) -> Result<RecordBatch> {
    let text = |of: fn(&SeriesSite) -> &String| {
        Arc::new(StringArray::from_iter_values(
            rows.iter().map(|(key, _)| of(key)),
        ))
    };
    let slots = |of: fn(&Slots) -> i64| {
        Arc::new(Int64Array::from_iter_values(
            rows.iter().map(|(_, slots)| of(slots)),
        ))
    };
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

/// Registers `series_range`.
fn register_ranges(session: &Session, ranges: BTreeMap<SeriesSite, Slots>) -> Result<()> {
    let rows: Vec<_> = ranges.into_iter().collect();
    let batch = series_batch(&rows)?;
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
    session.context().deregister_table(queries::SERIES_RANGE)?;
    session
        .context()
        .register_table(queries::SERIES_RANGE, Arc::new(table))?;
    Ok(())
}

/// What each date that a series reaches should be made from.
fn keys(
    frame: &Frame,
    settings: &WindowSettings,
    traffic: &BTreeMap<NaiveDate, String>,
) -> Result<BTreeMap<NaiveDate, DateKey>> {
    let step = settings.step;
    let mut frames: BTreeMap<NaiveDate, Key> = BTreeMap::new();
    // In the order of their names, and ranges in the order of time, however they were found.
    for (kind, batches) in [("series", &frame.series), (OBSERVED, &frame.observed)] {
        let mut rows = Vec::new();
        for batch in batches {
            rows.extend(frame_rows(batch)?);
        }
        rows.sort_unstable();
        for (series, first, last) in &rows {
            for (date, slots) in parts(*first, *last, step) {
                // Logs of a time at which the series has no windows change nothing.
                if kind == OBSERVED && !frames.contains_key(&date) {
                    continue;
                }
                let key = frames.entry(date).or_default();
                key.add_text(kind);
                key.add_text(series);
                key.add_number(slots.0);
                key.add_number(slots.1);
            }
        }
    }
    let none = Key::of("no traffic", VERSION).finish();
    Ok(frames
        .into_iter()
        .map(|(date, frame)| {
            let traffic = traffic.get(&date).unwrap_or(&none).clone();
            let key = Key::of("traffic_windows", VERSION)
                .text(Query::TrafficWindows.text())
                .text(&traffic)
                .text(&frame.finish())
                .finish();
            (date, DateKey { traffic, key })
        })
        .collect())
}

fn frame_rows(batch: &RecordBatch) -> Result<Vec<(String, i64, i64)>> {
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

/// Refuses what would count windows anew of dates whose requests are no longer kept.
///
/// # Errors
/// When there are such dates.
pub fn refuse_if_retired(warehouse: &Warehouse) -> Result<()> {
    let retired = Retired::load(warehouse)?;
    match retired.first_kept(Table::AccessLogs) {
        Some(before) => Err(Error::RequestsRetired { before }),
        None => Ok(()),
    }
}

/// A range of windows, date by date.
fn parts(first: i64, last: i64, step: WindowStep) -> impl Iterator<Item = (NaiveDate, Slots)> {
    let dates = date_of(first, step)..=date_of(last, step);
    dates_in(&dates).map(move |date| {
        let slots = slots_of(date, step);
        (date, (first.max(*slots.start()), last.min(*slots.end())))
    })
}
