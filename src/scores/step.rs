//! `scored_windows`, brought up to date: only the dates whose scores would come out otherwise.
//!
//! What the scores of a date are a function of: the detectors, and the windows of the date and of
//! those before it that a block can [reach](BlockLayout::reach). Only these are read, and only the
//! blocks of the dates asked for are scored.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use anomalog_engine::detector::{Manifest as DetectorManifest, shipped};
use anomalog_engine::series::blocks::BlockLayout;
use async_trait::async_trait;
use chrono::NaiveDate;
use datafusion::arrow::array::{Array, AsArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::common::ScalarValue;
use datafusion::prelude::{DataFrame, ident, lit};
use futures::StreamExt;
use serde::Serialize;

use crate::detectors::assignment::Assignment;
use crate::detectors::select::Selection;
use crate::incremental::key::{Key, Made};
use crate::incremental::partitions::made_from;
use crate::incremental::{Staged, Step};
use crate::progress::Counter;
use crate::schema::Table;
use crate::scores::{self, SERIES, WINDOW_START, exported};
use crate::session::Result;
use crate::session::queries::Query;
use crate::session::{self, Session};
use crate::units::dates::dates_in;
use crate::units::zones::SeriesTimeZones;
use crate::units::{WindowStep, micros_of, rfc_3339};
use crate::warehouse::commit::{Manifest, Partition, Retired};
use crate::warehouse::tables::{DatedTableWriter, partition_file};
use crate::windows::{date_of, slots_of};

/// Most dates that are scored in one piece: it bounds the files that are written at once.
const MOST_DATES: usize = 31;

/// Digits of a key that a row names as its run.
const RUN_ID_DIGITS: usize = 16;

/// The step that makes `scored_windows`.
#[derive(Debug)]
pub struct ScoreStep<'a> {
    session: &'a Session,
    assignment: &'a Assignment,
    retired: Retired,
    /// What each date should be made from.
    keys: BTreeMap<NaiveDate, String>,
    /// Dates that have windows.
    windows: BTreeSet<NaiveDate>,
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

impl<'a> ScoreStep<'a> {
    /// Finds out what each date should be made from.
    ///
    /// # Errors
    /// When the windows cannot be listed.
    pub(crate) fn open(
        session: &'a Session,
        manifest: &Manifest,
        assignment: &'a Assignment,
        step: WindowStep,
    ) -> Result<Self> {
        let warehouse = session.warehouse();
        let windows = made_from(warehouse, manifest, Table::TrafficWindows)?;
        let retired = Retired::load(warehouse)?;
        let kept = windows.keys();
        let kept = kept.filter(|date| !retired.covers(Table::ScoredWindows, **date));
        let keys = kept.map(|date| {
            let (_, assigned) = assignment.at(*date);
            let reach = Reach::of(&assigned.selection, step, assignment.time_zones());
            let mut key = Key::of(Made::ScoredWindows)
                .text(Query::ScoredWindows.text())
                .text(&assigned.digest);
            for (date, windows) in windows.range(reach.first_date(*date)..=*date) {
                key.add_text(&date.to_string());
                key.add_text(windows);
            }
            (*date, key.finish())
        });
        Ok(Self {
            keys: keys.collect(),
            windows: windows.keys().copied().collect(),
            session,
            assignment,
            retired,
            step,
        })
    }

    /// Which dates are scored by a detector that learned from them, in words.
    pub(crate) fn leaks<'d>(&self, dates: impl Iterator<Item = &'d NaiveDate>) -> Vec<String> {
        let mut leaks: BTreeMap<String, (i64, usize)> = BTreeMap::new();
        for date in dates {
            let chosen = &self.assignment.at(*date).1.selection.chosen;
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

    /// The windows of some dates, and those before them that their scores depend on. Of the latter,
    /// of which there may be weeks, only the columns that are scored are read.
    fn windows_of(
        &self,
        selection: &Selection,
        dates: &RangeInclusive<NaiveDate>,
    ) -> Result<DataFrame> {
        let session = self.session;
        let table = session.warehouse().table(Table::TrafficWindows);
        let first = Reach::of(selection, self.step, self.assignment.time_zones())
            .first_date(*dates.start());
        let there: BTreeSet<NaiveDate> = dates_in(&(first..=*dates.end()))
            .filter(|date| partition_file(&table, *date).exists())
            .collect();
        let (earlier, scored): (Vec<_>, Vec<_>) =
            there.into_iter().partition(|date| date < dates.start());
        let scored = session.dates_of(Table::TrafficWindows, scored)?;
        if earlier.is_empty() {
            return Ok(scored);
        }
        let is_read = |name: &str| {
            let mut metrics = manifests(selection).flat_map(|manifest| &manifest.metrics);
            name == SERIES || name == WINDOW_START || metrics.any(|metric| metric == name)
        };
        let columns = scored.schema().fields().iter().map(|field| {
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
        let earlier = session.dates_of(Table::TrafficWindows, earlier)?;
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

#[async_trait]
impl Step for ScoreStep<'_> {
    const TABLES: &'static [Table] = &[Table::ScoredWindows];
    const MOST_DATES: usize = MOST_DATES;
    const TOGETHER: bool = false;
    /// From when on the detectors are those of the date.
    type Kind = Option<NaiveDate>;
    type Report = ScoredDates;
    type Error = session::Error;

    fn wanted(&self) -> BTreeMap<NaiveDate, Self::Kind> {
        let dates = self.keys.keys();
        dates
            .map(|date| (*date, self.assignment.at(*date).0))
            .collect()
    }

    fn is_current(&self, date: NaiveDate, stored: &[&Partition]) -> bool {
        stored
            .iter()
            .all(|found| found.key.as_ref() == self.keys.get(&date))
    }

    fn is_kept(&self, date: NaiveDate) -> bool {
        self.retired.covers(Table::ScoredWindows, date) && self.windows.contains(&date)
    }

    async fn build(
        &self,
        dates: RangeInclusive<NaiveDate>,
        _from: Self::Kind,
        staged: &mut Staged,
        scored: &mut ScoredDates,
        progress: &dyn Counter,
    ) -> Result<()> {
        let selection = &self.assignment.at(*dates.start()).1.selection;
        let windows = self.windows_of(selection, &dates)?;
        let micros = |slot: i64| slot * self.step.micros();
        let since = micros(*slots_of(*dates.start(), self.step).start());
        let until = micros(slots_of(*dates.end(), self.step).end() + 1);
        let zones = self.assignment.time_zones();
        let (session, range) = (self.session, since..until);
        let frame = scores::scored(session, &windows, selection, zones, range, "").await?;
        let folder = staged.folder().join("scores");
        let schema = exported(&frame);
        let time_column = schema.index_of(WINDOW_START)?;
        let mut table = DatedTableWriter::create(folder.clone(), schema, time_column)?;
        let mut rows = frame.execute_stream().await?;
        while let Some(batch) = rows.next().await {
            let batch = self.with_run_ids(&batch?)?;
            let batch = table.write(&batch)?;
            scored.count(&batch);
            progress.advance(batch.num_rows() as u64);
        }
        for date in table.finish()? {
            let made = Partition {
                key: self.keys.get(&date).cloned(),
                ..Partition::empty()
            };
            staged.put(
                Table::ScoredWindows,
                date,
                &partition_file(&folder, date),
                made,
            )?;
        }
        Ok(())
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
