//! Runs of unusual windows, read as far as they matter.
//!
//! A run that the range read cuts off may have begun earlier, or go on. So ranges are widened until
//! none that is cut off can change the answer, or nothing is left to read.

use std::ops::{Range, RangeInclusive};

use chrono::{DateTime, NaiveDate};
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::prelude::DataFrame;

use super::IncidentRules;
use super::error::Result;
use crate::session::Session;
use crate::session::queries::{self, IncidentRuns};
use crate::units::{WindowStep, micros_of};

/// How much is read beside the range asked for at first, in microseconds: a day. Doubled while it is
/// not enough.
const MARGIN: i64 = DAY;
const DAY: i64 = 86_400_000_000;

/// A run: hot windows of one series, from the first to the end of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IncidentRun {
    from: i64,
    to: i64,
    /// When its incident starts, if it has one, rules about the least length and severity aside.
    started_at: Option<i64>,
}

/// The scored windows that runs are told from.
#[derive(Clone, Copy)]
pub(super) struct RunWindows<'a> {
    pub(super) session: &'a Session,
    pub(super) step: WindowStep,
    /// From the first window to the end of the last, or more.
    pub(super) all: (i64, i64),
    /// Returns those of a range, at least.
    pub(super) open: &'a (dyn Fn(&Range<i64>) -> Result<DataFrame> + Send + Sync),
}

/// The runs among the windows of a range.
#[derive(Debug)]
pub(super) struct FoundRuns {
    batch: RecordBatch,
    found: Vec<IncidentRun>,
    /// The windows read.
    read: Range<i64>,
    /// The windows there are.
    all: (i64, i64),
    /// The longest time from the start of one hot window to the start of the next of its run.
    reach: i64,
}

impl FoundRuns {
    /// Runs that tell, for a range of time, which incidents start in it and which groups these
    /// belong to.
    pub(super) async fn around(
        windows: RunWindows<'_>,
        rules: &IncidentRules,
        started_at: &Range<i64>,
    ) -> Result<Self> {
        let mut read = widened(started_at, [MARGIN; 2]);
        loop {
            let runs = Self::read(windows, rules, &read).await?;
            let missing = [
                runs.has_before() && !runs.is_known_from(read.start, started_at.start),
                runs.has_after() && runs.is_open_at(read.end, started_at.end),
            ];
            if missing == [false; 2] {
                return Ok(runs);
            }
            read = twice_as_wide(&read, started_at, missing);
        }
    }

    async fn read(
        windows: RunWindows<'_>,
        rules: &IncidentRules,
        read: &Range<i64>,
    ) -> Result<Self> {
        let RunWindows {
            session,
            step,
            all,
            open,
        } = windows;
        let frame = queries::incident_runs(
            session,
            open(read)?,
            &IncidentRuns {
                windows: read.clone(),
                step: step.micros(),
                stop_ratio: rules.stop_ratio,
                bridge: rules.bridge.micros(),
                bridge_unknown: rules.bridge_unknown.micros(),
            },
        )
        .await?;
        let schema = std::sync::Arc::new(frame.schema().as_arrow().clone());
        let batch = concat_batches(&schema, &frame.collect().await?)?;
        Ok(Self {
            found: runs_of(&batch),
            batch,
            read: read.clone(),
            all,
            reach: rules.longest_gap() + step.micros(),
        })
    }

    pub(super) fn batch(&self) -> RecordBatch {
        self.batch.clone()
    }

    /// The dates whose windows decide which incidents start on a date, what they are, and which
    /// groups they belong to: whatever the windows of other dates are, the answer is the same.
    ///
    /// The date must lie in the range that the runs were read for.
    pub(super) fn dates_read(&self, date: NaiveDate) -> RangeInclusive<NaiveDate> {
        let Range { start, end } = micros_of(date);
        // An incident may have begun the day before, so that day is always read.
        let mut from = start - DAY;
        while !self.is_known_from(from, start) {
            from -= DAY;
        }
        let mut to = end;
        while self.is_open_at(to, end) {
            to += DAY;
        }
        date_of(from)..=date_of(to - 1)
    }

    fn has_before(&self) -> bool {
        self.read.start > self.all.0
    }

    fn has_after(&self) -> bool {
        self.read.end < self.all.1
    }

    /// Whether windows from `read_from` on tell that at some time up to `time` no incident runs,
    /// whatever became of the runs that `read_from` cuts off: what starts later depends on nothing
    /// before.
    fn is_known_from(&self, read_from: i64, time: i64) -> bool {
        let seen = read_from.saturating_add(self.reach);
        // What goes on soon after may have begun before.
        let cut = self.found.iter().filter(|run| run.from <= seen);
        let settled = cut.map(|run| run.to).max().map_or(seen, |to| to.max(seen));
        first_calm(&self.incidents(), settled) <= time
    }

    /// Whether an incident that starts before `time` may go on in windows from `read_to` on. One
    /// that starts long before and still runs decides, by what becomes of it, which group others
    /// belong to.
    fn is_open_at(&self, read_to: i64, time: i64) -> bool {
        let mut incidents = self.found.iter().filter(|run| run.started_at.is_some());
        incidents.any(|run| run.started_at < Some(time) && run.to > read_to - self.reach)
    }

    /// The incidents' times.
    fn incidents(&self) -> Vec<Range<i64>> {
        let incident = |run: &IncidentRun| Some(run.started_at?..run.to);
        self.found.iter().filter_map(incident).collect()
    }
}

/// The first time from `from` on at which no incident runs that started before.
fn first_calm(incidents: &[Range<i64>], from: i64) -> i64 {
    let mut incidents = incidents.to_vec();
    incidents.sort_unstable_by_key(|incident| incident.start);
    incidents
        .iter()
        .fold((from, false), |(calm, is_found), incident| {
            if is_found || incident.start >= calm {
                return (calm, true);
            }
            (calm.max(incident.end), false)
        })
        .0
}

fn widened(range: &Range<i64>, margins: [i64; 2]) -> Range<i64> {
    range.start.saturating_sub(margins[0])..range.end.saturating_add(margins[1])
}

/// Doubles the margins around a range that were not enough.
fn twice_as_wide(read: &Range<i64>, range: &Range<i64>, missing: [bool; 2]) -> Range<i64> {
    let margins = [
        range.start.saturating_sub(read.start),
        read.end.saturating_sub(range.end),
    ];
    let wider = |side: usize| margins[side].saturating_mul(1 + i64::from(missing[side]));
    widened(range, [wider(0), wider(1)])
}

/// The date of a time in microseconds since the epoch.
pub(super) fn date_of(micros: i64) -> NaiveDate {
    DateTime::from_timestamp_micros(micros)
        .expect("times near windows, which are timestamps, can be written as dates")
        .date_naive()
}

fn runs_of(batch: &RecordBatch) -> Vec<IncidentRun> {
    let times = |name: &str| {
        let column = batch.column_by_name(name);
        let times = column.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        times.expect("the query of runs has this column as a timestamp")
    };
    let (from, to) = (times("run_from"), times("run_to"));
    let started_at = times("started_at");
    (0..batch.num_rows())
        .map(|row| IncidentRun {
            from: from.value(row),
            to: to.value(row),
            started_at: started_at.is_valid(row).then(|| started_at.value(row)),
        })
        .collect()
}
