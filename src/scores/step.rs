//! `scored_windows`, brought up to date: only the dates whose scores would come out otherwise.
//!
//! What the scores of a date are a function of: the detectors, and the windows of the date and of
//! those before it that a block can [reach](BlockLayout::reach). Only these are read, and only the
//! blocks of the dates asked for are scored.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use anomalog_udfs::detector::{Manifest as DetectorManifest, shipped};
use anomalog_udfs::layout::BlockLayout;
use chrono::NaiveDate;
use datafusion::arrow::array::{Array, AsArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::common::ScalarValue;
use datafusion::prelude::{DataFrame, ident, lit};
use futures::StreamExt;
use serde::Serialize;

use crate::detectors::assignment::Terms;
use crate::detectors::select::Selection;
use crate::incremental::key::Key;
use crate::incremental::partitions::{is_there, made_from};
use crate::incremental::pieces::pieces;
use crate::progress::Counter;
use crate::schema::{TRAFFIC_WINDOWS, Table};
use crate::scores::{self, SERIES, WINDOW_START, exported};
use crate::session::Result;
use crate::session::Session;
use crate::session::queries::Query;
use crate::units::dates::{DateLimits, dates_in};
use crate::units::zones::SeriesTimeZones;
use crate::units::{WindowStep, micros_of, rfc_3339};
use crate::warehouse::Warehouse;
use crate::warehouse::commit::{Manifest, Partition, Retired, Writer};
use crate::warehouse::tables::{self, DatedTableWriter, partition_file};
use crate::windows::{date_of, slots_of};

/// To be raised whenever the same windows and detectors would give other rows.
const VERSION: u32 = 1;

/// The windows that a piece of work scores, and those before them.
const SCORED_WINDOWS: &str = "windows_to_score";
const EARLIER_WINDOWS: &str = "windows_before";

/// Digits of a key that a row names as its run.
const RUN_ID_DIGITS: usize = 16;

/// What is to be done for `scored_windows`.
#[derive(Debug)]
pub(crate) struct ScorePlan<'a> {
    terms: &'a Terms,
    /// Dates to be scored, in order.
    pub(crate) build: Vec<NaiveDate>,
    /// Dates that have no windows any more.
    pub(crate) remove: Vec<NaiveDate>,
    /// Dates that would be scored, but that the run is limited to others.
    pub(crate) left: usize,
    keys: BTreeMap<NaiveDate, String>,
    step: WindowStep,
}

/// What was scored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ScoredDates {
    /// Rows.
    pub windows: usize,
    /// Rows that are anomalies.
    pub anomalies: usize,
    /// Rows per status.
    pub statuses: BTreeMap<String, usize>,
}

/// How far back the scores of a date reach.
#[derive(Debug, Clone, Copy)]
struct Reach {
    step: WindowStep,
    /// In windows, beyond the first block of the date.
    windows: i64,
    /// Longest block, in windows.
    block: i64,
}

impl Reach {
    fn of(selection: &Selection, step: WindowStep, time_zones: &SeriesTimeZones) -> Self {
        let layouts = || layouts(selection);
        let reaches = time_zones.zones().flat_map(|zone| {
            let reaches = layouts().map(move |layout| layout.reach(zone));
            reaches.collect::<Vec<_>>()
        });
        Self {
            step,
            windows: reaches.max().unwrap_or(0) as i64,
            block: layouts().map(|layout| layout.block).max().unwrap_or(1) as i64,
        }
    }

    /// The first date whose windows the scores of a date can depend on.
    fn first_date(self, date: NaiveDate) -> NaiveDate {
        // One window more: it shows that the series is older than the reach.
        let first = slots_of(date, self.step).start() - self.block - self.windows - 1;
        date_of(first, self.step)
    }
}

fn layouts(selection: &Selection) -> impl Iterator<Item = &BlockLayout> {
    manifests(selection).map(|manifest| &manifest.layout)
}

fn manifests(selection: &Selection) -> impl Iterator<Item = &DetectorManifest> {
    let by_architecture = selection.by_architecture.iter();
    by_architecture
        .map(|(_, manifest)| manifest)
        .chain([&selection.chosen])
}

/// Finds out which dates are to be scored.
pub(crate) fn plan<'a>(
    warehouse: &Warehouse,
    manifest: &Manifest,
    terms: &'a Terms,
    step: WindowStep,
    limits: DateLimits,
) -> Result<ScorePlan<'a>> {
    let windows = made_from(warehouse, manifest, Table::TrafficWindows)?;
    let retired = Retired::load(warehouse)?;
    let mut keys = BTreeMap::new();
    let (mut build, mut left) = (Vec::new(), 0);
    let kept = windows.keys();
    for date in kept.filter(|date| !retired.covers(Table::ScoredWindows, **date)) {
        let (_, term) = terms.at(*date);
        let reach = Reach::of(&term.selection, step, terms.time_zones());
        let mut key = Key::of("scored_windows", VERSION)
            .text(Query::ScoredWindows.text())
            .text(&term.digest);
        for (date, windows) in windows.range(reach.first_date(*date)..=*date) {
            key.add_text(&date.to_string());
            key.add_text(windows);
        }
        let key = key.finish();
        let found = manifest.partition(Table::ScoredWindows, *date);
        let is_done = found.is_some_and(|found| {
            found.key.as_ref() == Some(&key)
                && is_there(warehouse, Table::ScoredWindows, *date, found)
        });
        if !is_done {
            if limits.contains(*date) {
                build.push(*date);
            } else {
                left += 1;
            }
        }
        keys.insert(*date, key);
    }
    let table = warehouse.table(Table::ScoredWindows);
    let there = tables::dates(&table)?;
    Ok(ScorePlan {
        terms,
        build,
        remove: there
            .into_iter()
            .filter(|date| !windows.contains_key(date))
            .collect(),
        left,
        keys,
        step,
    })
}

impl ScorePlan<'_> {
    /// Whether there is nothing to be done.
    pub(crate) fn is_empty(&self) -> bool {
        self.build.is_empty() && self.remove.is_empty()
    }

    /// Which dates are scored by a detector that learned from them, in words.
    pub(crate) fn leaks(&self) -> Vec<String> {
        let mut leaks: BTreeMap<String, (i64, usize)> = BTreeMap::new();
        for date in &self.build {
            let chosen = &self.terms.at(*date).1.selection.chosen;
            let until = chosen.training.until_micros;
            if !shipped::is_shipped(&chosen.name) && micros_of(*date).start < until {
                leaks.entry(chosen.id()).or_insert((until, 0)).1 += 1;
            }
        }
        let leaks = leaks.into_iter();
        leaks
            .map(|(detector, (until, dates))| {
                format!(
                    "{detector} was trained on windows until {}: it knows {dates} of the dates that \
                     it scored",
                    rfc_3339(until)
                )
            })
            .collect()
    }

    /// Scores what is to be scored, and commits it piece by piece.
    pub(crate) async fn carry_out(
        &self,
        session: &Session,
        writer: &mut Writer,
        progress: &dyn Counter,
    ) -> Result<ScoredDates> {
        let mut scored = ScoredDates::default();
        let warehouse = session.warehouse().clone();
        let table = warehouse.table(Table::ScoredWindows);
        session.prefer_order_of_files();
        let by_term = self
            .build
            .iter()
            .map(|date| (*date, self.terms.at(*date).0));
        for (dates, _) in pieces(by_term) {
            let selection = &self.terms.at(*dates.start()).1.selection;
            let windows = self.windows(session, selection, &dates).await?;
            let micros = |slot: i64| slot * self.step.micros();
            let since = micros(*slots_of(*dates.start(), self.step).start());
            let until = micros(slots_of(*dates.end(), self.step).end() + 1);
            let zones = self.terms.time_zones();
            let frame =
                scores::scored(session, &windows, selection, zones, since..until, "").await?;
            let mut change = writer.change()?;
            let mut manifest = writer.manifest().clone();
            let folder = change.staging().join("scores");
            let schema = exported(&frame);
            let time_column = schema.index_of(WINDOW_START)?;
            let mut staged = DatedTableWriter::create(folder.clone(), schema, time_column)?;
            let mut rows = frame.execute_stream().await?;
            while let Some(batch) = rows.next().await {
                let batch = self.with_run_ids(&batch?)?;
                let batch = staged.write(&batch)?;
                scored.count(&batch);
                progress.advance(batch.num_rows() as u64);
            }
            for date in staged.finish()? {
                let file = partition_file(&folder, date);
                let partition = Partition {
                    key: self.keys.get(&date).cloned(),
                    ..Partition::by_hand(&file)?
                };
                manifest.set(Table::ScoredWindows, date, partition);
                change.replace(&file, &partition_file(&table, date))?;
            }
            writer.commit(change, manifest).await?;
        }
        if !self.remove.is_empty() {
            let mut change = writer.change()?;
            let mut manifest = writer.manifest().clone();
            for date in &self.remove {
                change.delete(&partition_file(&table, *date))?;
                manifest.remove(Table::ScoredWindows, *date);
            }
            writer.commit(change, manifest).await?;
        }
        Ok(scored)
    }

    /// The windows of some dates, and those before them that their scores depend on. Of the latter,
    /// of which there may be weeks, only the columns that are scored are read.
    async fn windows(
        &self,
        session: &Session,
        selection: &Selection,
        dates: &RangeInclusive<NaiveDate>,
    ) -> Result<DataFrame> {
        let table = session.warehouse().table(Table::TrafficWindows);
        let first =
            Reach::of(selection, self.step, self.terms.time_zones()).first_date(*dates.start());
        let there: BTreeSet<NaiveDate> = dates_in(&(first..=*dates.end()))
            .filter(|date| partition_file(&table, *date).exists())
            .collect();
        let (earlier, scored): (Vec<_>, Vec<_>) =
            there.into_iter().partition(|date| date < dates.start());
        let context = session.context();
        session.register_dates(SCORED_WINDOWS, Table::TrafficWindows, scored)?;
        let scored = context.table(SCORED_WINDOWS).await?;
        if earlier.is_empty() {
            return Ok(scored);
        }
        session.register_dates(EARLIER_WINDOWS, Table::TrafficWindows, earlier)?;
        let is_read = |name: &str| {
            let mut metrics = manifests(selection).flat_map(|manifest| &manifest.metrics);
            name == SERIES || name == WINDOW_START || metrics.any(|metric| metric == name)
        };
        let columns = TRAFFIC_WINDOWS.fields().iter().map(|field| {
            let name = field.name();
            if is_read(name) {
                return Ok(ident(name));
            }
            let data_type = field.data_type();
            let nothing = if field.is_nullable() {
                ScalarValue::try_from(data_type)?
            } else {
                ScalarValue::new_default(data_type)?
            };
            Ok(lit(nothing).alias(name))
        });
        let earlier = context.table(EARLIER_WINDOWS).await?;
        let earlier = earlier.select(columns.collect::<datafusion::error::Result<Vec<_>>>()?)?;
        Ok(earlier.union(scored)?)
    }

    /// The rows with what their date was made from as their run: however many dates are scored in
    /// one run, and in whichever, it is the same.
    fn with_run_ids(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let schema = batch.schema();
        let (times, place) = (schema.index_of(WINDOW_START)?, schema.index_of("run_id")?);
        let times = batch
            .column(times)
            .as_primitive::<TimestampMicrosecondType>();
        let mut last: Option<(NaiveDate, &str)> = None;
        let ids = times.values().iter().map(|micros| {
            let date = date_of(micros.div_euclid(self.step.micros()), self.step);
            match last {
                Some((known, id)) if known == date => id,
                _ => {
                    let id = self.keys.get(&date).map_or("", |key| &key[..RUN_ID_DIGITS]);
                    last = Some((date, id));
                    id
                }
            }
        });
        let ids = StringArray::from_iter_values(ids);
        let ids = datafusion::arrow::compute::cast(&ids, schema.field(place).data_type())?;
        let mut columns = batch.columns().to_vec();
        columns[place] = Arc::clone(&ids);
        Ok(RecordBatch::try_new(schema, columns)?)
    }
}

impl ScoredDates {
    /// Counts in what another step scored.
    pub(crate) fn add(&mut self, other: Self) {
        self.windows += other.windows;
        self.anomalies += other.anomalies;
        for (status, rows) in other.statuses {
            *self.statuses.entry(status).or_default() += rows;
        }
    }

    fn count(&mut self, batch: &RecordBatch) {
        self.windows += batch.num_rows();
        if let Some(anomalies) = batch.column_by_name("is_anomaly") {
            self.anomalies += anomalies.as_boolean().true_count();
        }
        if let Some(statuses) = batch.column_by_name("status") {
            let statuses = statuses.as_string::<i32>();
            for status in (0..statuses.len()).filter(|row| statuses.is_valid(*row)) {
                let status = statuses.value(status);
                if let Some(rows) = self.statuses.get_mut(status) {
                    *rows += 1;
                } else {
                    self.statuses.insert(status.to_owned(), 1);
                }
            }
        }
    }
}
