//! `traffic_windows`, brought up to date: only the dates whose windows would come out otherwise.
//!
//! What a date's windows are a function of:
//! - its requests: the files of `access_logs` of that date, each named by the digest of its log,
//!   and linked files that touch it; with step and series key. Their digest is the date's
//!   *traffic*;
//! - which windows each series has there and which of them are observed, which depends on all
//!   logs: the date's part of the [frame](crate::session::queries::Extent).
//!
//! Where only the frame differs, as when the log of the next day shows that a site was silent and
//! not without a log in the last minutes of this one, the counts are taken from the old windows.
//!
//! Dates whose requests are no longer kept (`crate::incremental::retention`) stay as they are, and count with the
//! part of `series_dates` that was made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::NaiveDate;
use datafusion::arrow::array::RecordBatch;

use crate::explain::cannot;
use crate::incremental::key::{Key, Made};
use crate::incremental::partitions::is_there;
use crate::incremental::pieces::pieces;
use crate::incremental::{Staged, Step};
use crate::progress::Counter;
use crate::schema::{SERIES_DATES, Table};
use crate::session::queries::{self, Extent, Query};
use crate::session::{self, Session};
use crate::units::dates::dates_in;
use crate::warehouse::Warehouse;
use crate::warehouse::commit::{Manifest, Partition, Retired};
use crate::warehouse::settings::WindowSettings;
use crate::warehouse::tables::{self, TableFileWriter, date_folder, partition_file};
use crate::windows::frame::{cuts, parts, rows as frame_rows};
use crate::windows::series_ranges::{SeriesRanges, SeriesSite, Slots, include, series_of_dates};
use crate::windows::{self, Counts, MOST_DATES, series_ranges};
use crate::windows::{Error, Result};

/// What is hashed before the ranges of series.
const SERIES: &str = "1 series";
/// The same before the ranges that logs cover.
const OBSERVED: &str = "2 observed";
/// The same before windows that logs cover in part.
const CUT: &str = "3 cut";

/// The step that makes `traffic_windows`, and the part of `series_dates` that goes with it.
#[derive(Debug)]
pub struct TrafficStep<'a> {
    session: &'a Session,
    settings: &'a WindowSettings,
    retired: Retired,
    extent: Extent,
    /// What each date should be made from.
    keys: BTreeMap<NaiveDate, DateKey>,
    /// Per date with requests, the digest of what tells them from others.
    traffic: BTreeMap<NaiveDate, String>,
    /// Dates whose windows were counted from the same requests.
    counted: BTreeSet<NaiveDate>,
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
    rows: SeriesRanges,
}

impl<'a> TrafficStep<'a> {
    /// Finds out what each date should be made from: reads the requests of dates whose series are
    /// not known yet. `log_files` are the rows of that table, as the coverage of logs is read from them.
    ///
    /// # Errors
    /// When requests cannot be read, or windows of dates whose requests are no longer kept would
    /// have to be cut anew.
    pub async fn open(
        session: &'a Session,
        manifest: &Manifest,
        settings: &'a WindowSettings,
        linked: &BTreeMap<NaiveDate, Vec<String>>,
        log_files: RecordBatch,
    ) -> Result<Self> {
        let warehouse = session.warehouse();
        let retired = Retired::load(warehouse)?;
        if let Some(before) = retired.first_kept(Table::AccessLogs)
            && WindowSettings::load(warehouse)? != *settings
        {
            return Err(Error::RequestsRetired { before });
        }
        let mut base = Key::of(Made::Traffic)
            .text(Query::Traffic.text())
            .text(&settings.step.to_string())
            .text(settings.series_key.as_sql());
        if !settings.extra_metrics.is_empty() {
            base.add_value(&settings.extra_metrics);
        }
        let identity = session.enrichment().identity_of(&settings.expressions());
        for part in identity.map_err(session::Error::from)? {
            base.add_text(&part);
        }
        let traffic = traffic_of_dates(warehouse, manifest, &base, linked, &retired)?;
        let mut ranges = SeriesRanges::new();
        let stored = stored_series(warehouse, manifest, &traffic, &retired);
        for (series, slots) in read_series(session, &stored).await? {
            include(&mut ranges, series, slots);
        }
        let mut series = BTreeMap::new();
        let missing = traffic.iter().filter(|(date, _)| !stored.contains(date));
        for (piece, ()) in pieces(missing.map(|(date, _)| (*date, ())), MOST_DATES) {
            let mut found = series_of_dates(session, settings, Some(&piece)).await?;
            // Of a date without requests, that is known from now on.
            for date in dates_in(&piece) {
                let rows = found.remove(&date).unwrap_or_default();
                for (site, slots) in &rows {
                    include(&mut ranges, site.clone(), *slots);
                }
                if let Some(traffic) = traffic.get(&date).cloned() {
                    series.insert(date, SeriesOfDate { traffic, rows });
                }
            }
        }
        let forgotten = manifest
            .partitions(Table::SeriesDates)
            .map(|(date, _)| date)
            .filter(|date| !traffic.contains_key(date))
            .collect();
        let range = session
            .context()
            .read_batch(series_ranges::batch(&ranges)?)?;
        let extent = queries::extent(session, range, settings.step, Some(log_files)).await?;
        let keys = keys(&extent, settings, &traffic)?;
        let has_counts = |(date, wanted): &(&NaiveDate, &DateKey)| {
            let found = manifest.partition(Table::TrafficWindows, **date);
            found.is_some_and(|found| {
                found.traffic.as_ref() == Some(&wanted.traffic)
                    && is_there(warehouse, Table::TrafficWindows, **date, found)
            })
        };
        Ok(Self {
            session,
            settings,
            counted: keys
                .iter()
                .filter(has_counts)
                .map(|(date, _)| *date)
                .collect(),
            retired,
            extent,
            keys,
            traffic,
            series,
            forgotten,
        })
    }

    /// What tells the requests of each date from others.
    #[must_use]
    pub const fn traffic(&self) -> &BTreeMap<NaiveDate, String> {
        &self.traffic
    }

    /// Whether something changes beside the dates.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.series.is_empty() || !self.forgotten.is_empty()
    }
}

#[async_trait]
impl Step for TrafficStep<'_> {
    const TABLES: &'static [Table] = &[Table::TrafficWindows];
    const MOST_DATES: usize = MOST_DATES;
    /// The windows of all dates are cut alike.
    const TOGETHER: bool = true;
    type Kind = Counts;
    type Report = ();
    type Error = Error;

    fn wanted(&self) -> BTreeMap<NaiveDate, Counts> {
        let dates = self.keys.keys().filter(|date| !self.is_kept(**date));
        dates
            .map(|date| {
                let counts = if self.counted.contains(date) {
                    Counts::Windows
                } else {
                    Counts::Requests
                };
                (*date, counts)
            })
            .collect()
    }

    fn is_current(&self, date: NaiveDate, stored: &[&Partition]) -> bool {
        let wanted = self.keys.get(&date).map(|wanted| &wanted.key);
        stored.iter().all(|found| found.key.as_ref() == wanted)
    }

    /// Windows whose requests are gone stay as they are.
    fn is_kept(&self, date: NaiveDate) -> bool {
        self.retired.covers(Table::AccessLogs, date)
    }

    async fn build(
        &self,
        dates: RangeInclusive<NaiveDate>,
        counts: Counts,
        staged: &mut Staged,
        (): &mut (),
        progress: &dyn Counter,
    ) -> Result<()> {
        let folder = staged.folder().join("windows");
        let (session, settings) = (self.session, self.settings);
        let source = (&self.extent, counts);
        let built =
            windows::build_dates(session, settings, source, dates, &folder, progress).await?;
        for date in built {
            let Some(DateKey { traffic, key }) = self.keys.get(&date).cloned() else {
                continue;
            };
            let made = Partition {
                key: Some(key),
                traffic: Some(traffic),
                ..Partition::empty()
            };
            staged.put(
                Table::TrafficWindows,
                date,
                &partition_file(&folder, date),
                made,
            )?;
        }
        Ok(())
    }

    fn conclude(&self, staged: &mut Staged) -> Result<()> {
        for (date, SeriesOfDate { traffic, rows }) in &self.series {
            let file = staged.folder().join(format!("series-{date}.parquet"));
            let mut table = TableFileWriter::create(&file, Arc::clone(&SERIES_DATES))?;
            table.write(&series_ranges::batch(rows)?)?;
            table.finish()?;
            let made = Partition {
                key: Some(traffic.clone()),
                ..Partition::empty()
            };
            staged.put(Table::SeriesDates, *date, &file, made)?;
        }
        for date in &self.forgotten {
            staged.remove(Table::SeriesDates, *date)?;
        }
        let file = self.settings.save(staged.folder())?;
        Ok(staged.place(&file, &WindowSettings::path(self.session.warehouse()))?)
    }
}

/// Per date with requests, what its counts are a function of.
fn traffic_of_dates(
    warehouse: &Warehouse,
    manifest: &Manifest,
    base: &Key,
    linked: &BTreeMap<NaiveDate, Vec<String>>,
    retired: &Retired,
) -> Result<BTreeMap<NaiveDate, String>> {
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
    let rows = session.dates_of(Table::SeriesDates, dates.iter().copied())?;
    let rows = rows.collect().await?;
    let mut found = Vec::new();
    for batch in &rows {
        let batch = tables::conform(batch, &SERIES_DATES)?;
        found.extend(series_ranges::rows(&batch, 0)?);
    }
    Ok(found)
}

/// What each date that a series reaches should be made from.
fn keys(
    extent: &Extent,
    settings: &WindowSettings,
    traffic: &BTreeMap<NaiveDate, String>,
) -> Result<BTreeMap<NaiveDate, DateKey>> {
    let step = settings.step;
    let mut ranges = Vec::new();
    for batch in &extent.series {
        ranges.extend(frame_rows(batch)?.into_iter().map(|range| (SERIES, range)));
    }
    for batch in &extent.observed {
        for (range, is_cut) in frame_rows(batch)?.into_iter().zip(cuts(batch)) {
            ranges.push((if is_cut { CUT } else { OBSERVED }, range));
        }
    }
    // In the order of their names, and ranges in the order of time, however they were found.
    ranges.sort_unstable();
    let mut frames: BTreeMap<NaiveDate, Key> = BTreeMap::new();
    let mut cut: BTreeMap<NaiveDate, Key> = BTreeMap::new();
    for (kind, (series, first, last)) in &ranges {
        for (date, slots) in parts(*first, *last, step) {
            // Logs of a time at which the series has no windows change nothing.
            if *kind != SERIES && !frames.contains_key(&date) {
                continue;
            }
            let add = |key: &mut Key| {
                key.add_text(kind);
                key.add_text(series);
                key.add_number(slots.0);
                key.add_number(slots.1);
            };
            add(frames.entry(date).or_default());
            if *kind == CUT {
                add(cut.entry(date).or_default());
            }
        }
    }
    let none = Key::of(Made::NoTraffic).finish();
    Ok(frames
        .into_iter()
        .map(|(date, frame)| {
            let mut traffic = traffic.get(&date).unwrap_or(&none).clone();
            // Of windows that are cut, the counts are not kept: other windows are cut of other requests.
            if let Some(cut) = cut.get(&date) {
                traffic = Key::of(Made::Traffic)
                    .text(&traffic)
                    .text(&cut.finish())
                    .finish();
            }
            let key = Key::of(Made::TrafficWindows)
                .text(Query::TrafficWindows.text())
                .text(&traffic)
                .text(&frame.finish())
                .finish();
            (date, DateKey { traffic, key })
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
