//! Scores while rows arrive: series after series, each in time order, several judges at once.
//!
//! Rows are buffered until a few thousand of a series can be forecast together or the series
//! ends, so memory does not depend on the length of a series; blocks of many series share one
//! forward pass; judges that read the same metrics in the same layout share what they are held against.
//!
//! ```text
//! rows ─▶ SeriesBuffer ─▶ SeriesSlice ─▶ BlockQueue ─▶ forward passes ─▶ verdicts, in row order
//! ```
//!
//! Windows for classifiers wait for no others: a slice has enough of them. Where the baseline judges
//! alone, no window waits, and there is no forward pass.
//!
//! Invariant: every score is that of [`Judge::score`] over the whole series, bit for bit.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::by_baseline;
use super::series_buffer::SeriesBuffer;
use super::workers::Workers;
use crate::baseline::ProfileMemo;
use crate::forecast::{BlockQueue, ForecastError, SeriesSlice, Status};
use crate::score::{Detail, Judge, WindowScore};
use crate::series::blocks::BlockLayout;
use crate::series::time_zone::TimeZone;

/// Rows that may wait for the forward pass of the first of them.
const MAX_WAITING_ROWS: usize = 1 << 16;

/// The inputs of one score column, as places in [`Columns`].
#[derive(Debug, Clone)]
pub struct Call {
    /// The judge that scores.
    pub judge: Judge,
    /// The place of the times.
    pub times: usize,
    /// That of the times: calls of the same times have the same.
    pub time_zone: TimeZone,
    /// The places of the metrics, in the order of the judge.
    pub metrics: Vec<usize>,
    /// What is read of its verdicts; of calls that share judge and columns, what the most asks for.
    pub detail: Detail,
}

/// The distinct argument columns of some rows.
#[derive(Debug)]
pub struct Columns {
    /// Microseconds since the epoch.
    pub times: Vec<Vec<Option<i64>>>,
    /// As [`Observed::encoded`](crate::series::Observed::encoded) has them.
    pub metrics: Vec<Vec<f64>>,
}

/// Why rows could not be scored, and which call says so.
#[derive(Debug)]
pub struct CallError {
    /// The place of the call.
    pub call: usize,
    /// The fault.
    pub source: ForecastError,
}

/// Scores any number of series for any number of calls.
#[derive(Debug)]
pub struct StreamScorer {
    groups: Vec<Group>,
    /// For each call its group and the place of its judge there.
    places: Vec<(usize, usize)>,
}

impl StreamScorer {
    /// Scores windows from `scored_from` on, in microseconds since the epoch: what comes back for
    /// those before is [`Status::Warmup`], and they cost no forecast.
    #[must_use]
    pub fn new(calls: &[Call], scored_from: i64) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        let places = calls
            .iter()
            .enumerate()
            .map(|(number, call)| {
                let found = groups.iter().position(|group| group.serves(call));
                let place = found.unwrap_or_else(|| {
                    groups.push(Group::new(number, call, scored_from));
                    groups.len() - 1
                });
                groups[place].detail = groups[place].detail.max(call.detail);
                (place, groups[place].add(&call.judge))
            })
            .collect();
        Self { groups, places }
    }

    /// The same, which looks profiles up before it learns them.
    #[must_use]
    pub fn with_memo(mut self, memo: &Arc<ProfileMemo>) -> Self {
        for group in &mut self.groups {
            group.memo = Some(Arc::clone(memo));
        }
        self
    }

    /// The same, with threads to share the rows of a long series.
    #[must_use]
    pub fn with_workers(mut self, workers: &Arc<Workers>) -> Self {
        for group in &mut self.groups {
            group.workers = Arc::clone(workers);
        }
        self
    }

    /// Takes further rows of the current series.
    ///
    /// # Errors
    /// When rows of a series cannot be scored, naming the call.
    pub fn push(&mut self, columns: &Columns, rows: Range<usize>) -> Result<(), CallError> {
        self.each_group(|group| group.push(columns, rows.clone()))
    }

    /// Ends the current series, if any.
    ///
    /// # Errors
    /// When rows of a series cannot be scored, naming the call.
    pub fn end_series(&mut self) -> Result<(), CallError> {
        self.each_group(Group::end_series)
    }

    /// Runs what waits, even if the passes are not full.
    ///
    /// # Errors
    /// When rows of a series cannot be scored, naming the call.
    pub fn flush(&mut self) -> Result<(), CallError> {
        self.each_group(Group::run)
    }

    fn each_group(
        &mut self,
        mut act: impl FnMut(&mut Group) -> Result<(), ForecastError>,
    ) -> Result<(), CallError> {
        self.groups.iter_mut().try_for_each(|group| {
            let call = group.first_call;
            act(group).map_err(|source| CallError { call, source })
        })
    }

    /// Rows whose scores are known and were not taken.
    pub fn ready(&self) -> usize {
        self.groups.iter().map(Group::ready).min().unwrap_or(0)
    }

    /// The scores of the first `rows` rows not taken yet, of which that many are ready, one vector
    /// per call.
    pub fn take(&mut self, rows: usize) -> Vec<Arc<[WindowScore]>> {
        let mut taken: Vec<Vec<Arc<[WindowScore]>>> = Vec::with_capacity(self.groups.len());
        taken.extend(self.groups.iter_mut().map(|group| group.take(rows)));
        self.places
            .iter()
            .map(|&(group, judge)| Arc::clone(&taken[group][judge]))
            .collect()
    }

    /// Forward passes of single blocks so far.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.groups
            .iter()
            .map(|group| group.queue.work.blocks)
            .sum()
    }

    /// Time in forward passes so far.
    #[must_use]
    pub fn kernel_time(&self) -> Duration {
        let times = self.groups.iter().map(|group| group.queue.work.kernel_time);
        times.sum()
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        self.groups.iter().map(Group::size).sum()
    }
}

/// Judges that read the same columns in the same layout.
#[derive(Debug)]
struct Group {
    /// The first call of the group, which errors name.
    first_call: usize,
    times: usize,
    metrics: Vec<usize>,
    /// What its judges hold windows against.
    reads: Reads,
    judges: Vec<Judge>,
    detail: Detail,
    workers: Arc<Workers>,
    series: SeriesBuffer,
    /// Where profiles are looked up before they are learned.
    memo: Option<Arc<ProfileMemo>>,
    queue: BlockQueue,
    /// One deque per judge with one score per row not taken.
    scores: Vec<VecDeque<WindowScore>>,
    /// Number of the first row not taken, and of the next to arrive.
    taken: usize,
    arrived: usize,
}

/// What a judge holds windows against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    /// Forecasts: the baseline's, and those of networks.
    Forecasts,
    /// The odds of classifiers.
    Odds,
    /// The baseline's forecasts, and the log-odds of gating networks.
    Gates,
}

impl Reads {
    fn of(judge: &Judge) -> Self {
        if judge.classifier().is_some() {
            Self::Odds
        } else if judge.gating().is_some() {
            Self::Gates
        } else {
            Self::Forecasts
        }
    }
}

impl Group {
    fn new(first_call: usize, call: &Call, scored_from: i64) -> Self {
        let layout = call.judge.layout();
        Self {
            first_call,
            times: call.times,
            metrics: call.metrics.clone(),
            reads: Reads::of(&call.judge),
            judges: Vec::new(),
            detail: call.detail,
            workers: Arc::default(),
            series: SeriesBuffer::new(layout, call.time_zone, scored_from),
            memo: None,
            queue: BlockQueue::new(layout),
            scores: Vec::new(),
            taken: 0,
            arrived: 0,
        }
    }

    fn serves(&self, call: &Call) -> bool {
        self.times == call.times
            && self.metrics == call.metrics
            && self.series.layout == *call.judge.layout()
            && self.reads == Reads::of(&call.judge)
    }

    /// The place of a judge, which is added if it is not there.
    fn add(&mut self, judge: &Judge) -> usize {
        let found = self.judges.iter().position(|known| known.is_same(judge));
        found.unwrap_or_else(|| {
            self.judges.push(judge.clone());
            self.scores.push(VecDeque::new());
            self.judges.len() - 1
        })
    }

    fn push(&mut self, columns: &Columns, rows: Range<usize>) -> Result<(), ForecastError> {
        let times = &columns.times[self.times];
        for row in rows {
            let missing = match times[row] {
                Some(time) => {
                    let values = self
                        .metrics
                        .iter()
                        .map(|&metric| columns.metrics[metric][row]);
                    self.series.push(self.arrived, time, values)?;
                    Status::Warmup
                }
                None => Status::NullInput,
            };
            for scores in &mut self.scores {
                scores.push_back(WindowScore::missing(missing));
            }
            self.arrived += 1;
            if self.series.is_full() {
                let end = self.series.last_block_start();
                self.score(end)?;
                self.series.forget_before(end);
            }
        }
        self.limit_waiting()
    }

    fn end_series(&mut self) -> Result<(), ForecastError> {
        self.series.end()?;
        self.score(self.series.ids.len())?;
        self.series.clear();
        self.limit_waiting()
    }

    /// Judges the buffered rows up to `end` that are not history, or queues them for the networks
    /// that forecast.
    fn score(&mut self, end: usize) -> Result<(), ForecastError> {
        let Self {
            reads,
            judges,
            series,
            queue,
            scores,
            taken,
            memo,
            detail,
            workers,
            ..
        } = self;
        if series.history >= end {
            return Ok(());
        }
        let slice = SeriesSlice {
            indices: &series.indices[..end],
            metrics: &series.metrics,
            series_first: series.first_index,
            first_row: series.history,
            time_zone: Some(series.time_zone),
            memo: memo.as_ref(),
        };
        let ids = &series.ids[series.history..end];
        let mut status = vec![Status::Warmup; ids.len()];
        if *reads == Reads::Odds {
            let classifiers: Vec<_> = judges.iter().filter_map(Judge::classifier).collect();
            let mut take = |number: usize, row: usize, odds| {
                scores[number][ids[row] - *taken].verdict = judges[number].verdict_of_odds(&odds);
            };
            let (layout, work) = (&series.layout, &mut queue.work);
            slice.classify(layout, &classifiers, &mut status, work, &mut take)?;
        } else if judges.iter().any(|judge| judge.forecaster().is_some()) {
            slice.queue_blocks(&series.layout, ids, &mut status, queue, &mut |queue| {
                run(queue, &series.layout, judges, scores, *taken, *detail)
            })?;
        } else {
            let judged = by_baseline::judge(&slice, &series.layout, judges, *detail, workers)?;
            queue.work.add(&judged.work);
            status = judged.status;
            for (scores, verdicts) in scores.iter_mut().zip(judged.verdicts) {
                for (&id, verdict) in ids.iter().zip(verdicts) {
                    scores[id - *taken].verdict = verdict;
                }
            }
        }
        for (&id, status) in ids.iter().zip(status) {
            for scores in scores.iter_mut() {
                scores[id - *taken].status = status;
            }
        }
        Ok(())
    }

    fn run(&mut self) -> Result<(), ForecastError> {
        run(
            &mut self.queue,
            &self.series.layout,
            &self.judges,
            &mut self.scores,
            self.taken,
            self.detail,
        )
    }

    /// Rows without blocks do not fill the queue, but they wait for those before them.
    fn limit_waiting(&mut self) -> Result<(), ForecastError> {
        match self.queue.first_row() {
            Some(first) if self.arrived - first > MAX_WAITING_ROWS => self.run(),
            _ => Ok(()),
        }
    }

    fn ready(&self) -> usize {
        let forecast = self.series.first_unknown().unwrap_or(self.arrived);
        let run = self.queue.first_row().unwrap_or(self.arrived);
        forecast.min(run) - self.taken
    }

    fn take(&mut self, rows: usize) -> Vec<Arc<[WindowScore]>> {
        self.taken += rows;
        let scores = self.scores.iter_mut();
        scores
            .map(|scores| scores.drain(..rows).collect())
            .collect()
    }

    fn size(&self) -> usize {
        let scores: usize = self.scores.iter().map(VecDeque::capacity).sum();
        self.series.size() + self.queue.size() + scores * size_of::<WindowScore>()
    }
}

/// Runs the queue; the first of `scores` belong to row `first`.
fn run(
    queue: &mut BlockQueue,
    layout: &BlockLayout,
    judges: &[Judge],
    scores: &mut [VecDeque<WindowScore>],
    first: usize,
    detail: Detail,
) -> Result<(), ForecastError> {
    let predictors: Vec<_> = judges.iter().map(Judge::forecaster).collect();
    queue.run(layout, &predictors, |judge, row, window| {
        scores[judge][row - first].verdict = judges[judge].verdict(window, detail);
    })
}
