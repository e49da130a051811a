//! Runs of unusual windows, read as far as they matter.
//!
//! A run that the range read cuts off may have begun earlier, or go on. So ranges are widened until
//! none that is cut off can change the answer, or nothing is left to read.

use std::ops::Range;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::functions_aggregate::expr_fn::{max, min};
use datafusion::prelude::{SessionContext, ident};

use super::IncidentRules;
use crate::error::Result;
use crate::queries::{self, IncidentRuns};
use crate::schema::Table;
use crate::units::WindowStep;

/// How much is read beside the range asked for at first; doubled while it is not enough.
const MARGIN: i64 = 86_400_000_000;

/// A run: hot windows of one series, from the first to the end of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    from: i64,
    to: i64,
    /// When its incident starts, if it has one, rules about the least length and severity aside.
    started_at: Option<i64>,
}

/// The runs among the windows of a range.
#[derive(Debug)]
pub(super) struct Runs {
    batch: RecordBatch,
    found: Vec<Run>,
    /// The windows read.
    read: Range<i64>,
    /// The windows there are.
    all: Range<i64>,
    /// The longest time from the end of one hot window to the start of the next of its run.
    gap: i64,
    /// The same from start to start.
    reach: i64,
}

impl Runs {
    /// Runs that tell, for a range of time, which incidents start in it and which groups these
    /// belong to.
    pub(super) async fn around(
        context: &SessionContext,
        rules: &IncidentRules,
        step: WindowStep,
        started_at: &Range<i64>,
    ) -> Result<Self> {
        let all = all_windows(context, step).await?;
        let mut read = widened(started_at, [MARGIN; 2]);
        loop {
            let runs = Self::read(context, rules, step, &read, &all).await?;
            let missing = [
                !runs.is_known_from(started_at.start),
                !runs.is_known_until_end_of(started_at),
            ];
            if missing == [false; 2] {
                return Ok(runs);
            }
            read = twice_as_wide(&read, started_at, missing);
        }
    }

    async fn read(
        context: &SessionContext,
        rules: &IncidentRules,
        step: WindowStep,
        read: &Range<i64>,
        all: &Range<i64>,
    ) -> Result<Self> {
        let frame = queries::incident_runs(
            context,
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
            all: all.clone(),
            gap: rules.longest_gap(),
            reach: rules.longest_gap() + step.micros(),
        })
    }

    pub(super) fn into_batch(self) -> RecordBatch {
        self.batch
    }

    /// Whether a run may have begun before the windows read.
    fn is_cut_before(&self, run: &Run) -> bool {
        self.read.start > self.all.start && run.from - self.read.start <= self.reach
    }

    /// Whether a run may go on after the windows read.
    fn is_cut_after(&self, run: &Run) -> bool {
        self.read.end < self.all.end && self.read.end - run.to <= self.reach
    }

    /// Whether at some time up to `time` no incident runs, whatever became of the runs cut off
    /// before: what starts later depends on nothing before.
    fn is_known_from(&self, time: i64) -> bool {
        let cut = self.found.iter().filter(|run| self.is_cut_before(run));
        let seen = self.read.start.saturating_add(self.reach);
        let settled = cut.map(|run| run.to).max().map_or(seen, |to| to.max(seen));
        self.read.start <= self.all.start || first_calm(&self.incidents(), settled) <= time
    }

    /// Whether all incidents that start in a range end within the windows read.
    fn is_known_until_end_of(&self, range: &Range<i64>) -> bool {
        let is_open = |run: &Run| {
            run.started_at.is_some_and(|start| range.contains(&start)) && self.is_cut_after(run)
        };
        !self.found.iter().any(is_open)
    }

    /// The incidents' times.
    fn incidents(&self) -> Vec<Range<i64>> {
        let incident = |run: &Run| Some(run.started_at?..run.to);
        self.found.iter().filter_map(incident).collect()
    }
}

/// When incidents start that can have changed with the scored windows of a range, given the times of
/// the incidents before the change: see [`super::affected_by_windows`].
pub(super) async fn affected(
    context: &SessionContext,
    rules: &IncidentRules,
    step: WindowStep,
    changed: &Range<i64>,
    before: &[Range<i64>],
) -> Result<Range<i64>> {
    let all = all_windows(context, step).await?;
    let mut read = widened(changed, [MARGIN; 2]);
    loop {
        let runs = Runs::read(context, rules, step, &read, &all).await?;
        let (range, missing) = runs.affected(changed, before);
        if missing == [false; 2] {
            return Ok(range);
        }
        read = twice_as_wide(&read, changed, missing);
    }
}

impl Runs {
    /// The range affected, and whether more must be read before and after to be sure.
    fn affected(&self, changed: &Range<i64>, before: &[Range<i64>]) -> (Range<i64>, [bool; 2]) {
        let mut affected = changed.clone();
        let mut missing = [false; 2];
        // Runs of which a window lies before the change, and others may have joined or left.
        let is_left = |run: &&Run| run.from < changed.start && run.to >= changed.start - self.gap;
        for run in self.found.iter().filter(is_left) {
            affected.start = affected.start.min(run.started_at.unwrap_or(i64::MAX));
            missing[0] |= self.is_cut_before(run);
        }
        // The same of windows after it; the last changed one may end one step after the range.
        let is_right = |run: &&Run| run.from <= changed.end + self.reach && run.to > changed.end;
        for run in self.found.iter().filter(is_right) {
            affected.end = affected.end.max(run.to);
            missing[1] |= self.is_cut_after(run);
        }
        let mut incidents = self.incidents();
        incidents.extend_from_slice(before);
        incidents.sort_unstable_by_key(|incident| (incident.start, incident.end));
        affected.end = first_calm(&incidents, affected.end);
        missing[1] |= affected.end > self.read.end && self.read.end < self.all.end;
        (affected, missing)
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

/// From the first scored window to the end of the last; told by the files' statistics.
async fn all_windows(context: &SessionContext, step: WindowStep) -> Result<Range<i64>> {
    let windows = context.table(Table::ScoredWindows.name()).await?;
    let bounds = windows.aggregate(
        vec![],
        vec![
            min(ident("window_start")).alias("first"),
            max(ident("window_start")).alias("last"),
        ],
    )?;
    let batches = bounds.collect().await?;
    let bound = |column: usize| {
        let times = batches
            .first()?
            .column(column)
            .as_primitive_opt::<TimestampMicrosecondType>()?;
        times.iter().next().flatten()
    };
    let range = bound(0).zip(bound(1));
    Ok(range.map_or(0..0, |(first, last)| first..last + step.micros()))
}

fn runs_of(batch: &RecordBatch) -> Vec<Run> {
    let times = |name: &str| {
        let column = batch.column_by_name(name);
        let times = column.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        times.expect("the query of runs has this column as a timestamp")
    };
    let (from, to) = (times("run_from"), times("run_to"));
    let started_at = times("started_at");
    (0..batch.num_rows())
        .map(|row| Run {
            from: from.value(row),
            to: to.value(row),
            started_at: started_at.is_valid(row).then(|| started_at.value(row)),
        })
        .collect()
}
