//! Scan statistics: what a run of windows says that no single one does.
//!
//! Where chance moves a series more than habit does, as in counts of requests or in latency
//! quantiles of few requests, one window says little and an hour much. So sums over the last 1, 5,
//! 15, 30 and 60 windows ([`SPANS`]) are held against what was to be expected: the habit of the
//! time of day (`table`) and a level that follows the series robustly and has not seen the windows
//! that it is to judge. A **deviate** says how far a sum is from that, signed and about standard
//! normal while nothing happens. Multiscale scan statistics (Glaz, Naus & Wallenstein, "Scan
//! Statistics", 2001) about a Kalman filter with clipped innovations (Masreliez & Martin 1977).
//!
//! Two rules keep an anomaly from outliving itself. When the last five windows no longer support a
//! long sum that stands out, the long sums begin anew with them (**cut**). And windows of a sum
//! that stands out do not move the level (**quarantine**), for so long at most that a lasting
//! change becomes the level within some hours, and the habit within weeks.

mod counts;
mod logs;
mod state;
mod table;
#[cfg(test)]
mod tests;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::{MIN_WINDOWS, Tail};
use crate::features::SeriesFeatures;
use counts::{CountMoments, Counts};
use logs::{LogMoments, Logs};
use state::Purpose;
pub use state::ScanState;
use table::TimeTable;

/// Windows whose values are summed.
pub const SPANS: [usize; 5] = [1, 5, 15, 30, 60];
/// Days of values before there is a habit.
const MIN_DAYS: f64 = 1.5;
/// Rounds in which the spread of the sums and the windows to leave out are found.
const ROUNDS: usize = 3;
/// Sums of a span that overlap more than this share of it say little more than one.
const STRIDES_PER_SPAN: usize = 4;

/// How far the sums that end with one window are from what was to be expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deviates {
    /// How far below and above the sums are at most; at least 0.
    pub largest: [f64; 2],
    /// What lingers of them from the windows before.
    pub lingering: [f64; 2],
    /// What was to be expected of the window alone, in the metric's unit.
    pub expected: f64,
    /// Whether none of the windows before, as far as sums reach, stands out: a forecaster that has
    /// just read an anomaly expects another.
    pub is_calm: bool,
}

/// A window as it enters the sums.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Observation {
    /// What is summed: a count, or a clipped residual.
    value: f64,
    /// The usual rate of the time of day, or a residual that is not clipped.
    habit: f64,
    /// Usual size of a residual; unused for counts.
    scale: f64,
    is_known: bool,
}

/// A sum over the last windows.
#[derive(Debug, Clone, Copy)]
struct SpanSum {
    /// Which of [`SPANS`].
    number: usize,
    value: f64,
    habit: f64,
    /// Windows with a value.
    known: usize,
    /// What the level before the span multiplies habits by; unused for logarithms.
    factor: f64,
}

/// How sums are measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Statistic {
    Counts(Counts),
    Logs(Box<Logs>),
}

impl Statistic {
    const fn decay(&self) -> f64 {
        match self {
            Self::Counts(_) => Counts::DECAY,
            Self::Logs(_) => Logs::DECAY,
        }
    }

    const fn first_variance(&self) -> f64 {
        match self {
            Self::Counts(_) => counts::LEVEL_VARIANCE,
            Self::Logs(_) => 0.0,
        }
    }

    fn observe(&self, value: f64, habit: f64, level: f64, slot: usize) -> Observation {
        match self {
            Self::Counts(_) => Counts::observe(value, habit),
            Self::Logs(logs) => logs.observe(value, habit, level, slot),
        }
    }

    fn expected(&self, habit: f64, level: f64) -> f64 {
        match self {
            Self::Counts(_) => Counts::expected(habit, level),
            Self::Logs(logs) => logs.expected(habit, level),
        }
    }

    /// What a level multiplies habits by.
    fn factor(&self, level: f64) -> f64 {
        match self {
            Self::Counts(_) => level.exp(),
            Self::Logs(_) => 1.0,
        }
    }

    /// Whether a sum is surely less than so many deviates out.
    fn is_within(&self, sum: &SpanSum, deviates: f64) -> bool {
        match self {
            Self::Counts(counts) => counts.is_within(sum, deviates),
            Self::Logs(_) => false,
        }
    }

    fn deviate(&self, sum: &SpanSum) -> f64 {
        match self {
            Self::Counts(counts) => counts.deviate(sum),
            Self::Logs(logs) => logs.deviate(sum),
        }
    }

    /// How far the windows of a sum are off on average, on a logarithmic scale.
    fn shift(&self, sum: &SpanSum) -> f64 {
        match self {
            Self::Counts(_) => Counts::shift(sum),
            Self::Logs(_) => Logs::shift(sum),
        }
    }

    fn forget(&self, level: &mut f64, variance: &mut f64) {
        *level *= self.decay();
        if let Self::Counts(_) = self {
            *variance = Counts::forget(*variance);
        }
    }

    fn follow(&self, level: &mut f64, variance: &mut f64, observation: Observation) {
        match self {
            Self::Counts(counts) => counts.follow(level, variance, observation),
            Self::Logs(_) => Logs::follow(level, observation),
        }
    }
}

/// What a round of learning finds out.
enum Moments {
    Counts(CountMoments),
    Logs(LogMoments),
}

impl Moments {
    fn new(statistic: &Statistic) -> Self {
        match statistic {
            Statistic::Counts(_) => Self::Counts(CountMoments::default()),
            Statistic::Logs(_) => Self::Logs(LogMoments::default()),
        }
    }

    fn add(&mut self, sum: SpanSum, statistic: &Statistic) {
        match (self, statistic) {
            (Self::Counts(moments), Statistic::Counts(counts)) => moments.add(sum, counts),
            (Self::Logs(moments), Statistic::Logs(logs)) => moments.add(sum, logs),
            _ => {}
        }
    }

    fn apply_to(&self, statistic: &mut Statistic) {
        match (self, statistic) {
            (Self::Counts(moments), Statistic::Counts(counts)) => moments.apply_to(counts),
            (Self::Logs(moments), Statistic::Logs(logs)) => moments.apply_to(logs),
            _ => {}
        }
    }
}

/// The windows that a scan is learned from.
struct ScanHistory<'a> {
    range: &'a Range<i64>,
    /// One per window: counts or logarithms; NaN where there is none.
    values: &'a [f64],
    clock: Clock,
}

impl ScanHistory<'_> {
    fn known(&self) -> impl Iterator<Item = f64> + '_ {
        self.values
            .iter()
            .copied()
            .filter(|value| value.is_finite())
    }
}

/// What is usual for sums of a series.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ScanModel {
    clock: Clock,
    table: TimeTable,
    statistic: Statistic,
    /// How many of [`SPANS`] are no longer than a day.
    spans: usize,
}

impl ScanModel {
    /// Runs over raw values whose habits are known.
    fn pass(
        &self,
        range: &Range<i64>,
        values: &[f64],
        habits: &[f64],
        purpose: Purpose,
        found: &mut impl FnMut(usize, SpanSum),
        mut take: impl FnMut([f64; 2]),
    ) -> ScanState {
        let mut state = ScanState::new(&self.statistic);
        for ((index, value), habit) in range.clone().zip(values).zip(habits) {
            let slot = self.clock.slot(index);
            let observation = self.statistic.observe(*value, *habit, state.level(), slot);
            let largest = largest(state.step(self, observation, purpose, found));
            state.remember(largest);
            take(largest);
        }
        state
    }
}

/// How far deviates are out at most, below and above. NaN counts for nothing.
fn largest(deviates: [f64; SPANS.len()]) -> [f64; 2] {
    let most = |side: f64| deviates.iter().fold(0.0, |most: f64, z| most.max(side * z));
    [most(-1.0), most(1.0)]
}

/// What is usual for sums of one metric, and where the scan stands at the end of the history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScanProfile {
    model: ScanModel,
    state: Box<ScanState>,
    /// How rare deviates are, below and above.
    tails: [Tail; 2],
}

impl ScanProfile {
    /// Learns from the windows of a range; `None` where they are fewer than [`MIN_DAYS`] or neither
    /// counts nor restless enough for logarithms.
    pub(super) fn learn(
        features: &SeriesFeatures<'_>,
        metric: usize,
        range: &Range<i64>,
    ) -> Option<Self> {
        let clock = Clock::new(features.layout(), features.time_zone());
        let values: Vec<f64> = (range.clone())
            .map(|index| features.value(metric, index))
            .collect();
        let known = values.iter().filter(|value| value.is_finite()).count();
        let least = MIN_DAYS * clock.windows_per_day() as f64;
        if known < MIN_WINDOWS.max(least as usize) {
            return None;
        }
        let (table, habits, statistic) = if counts::are_counts(&values) {
            let values = &values;
            let (table, habits) = counts::rates(&ScanHistory {
                range,
                values,
                clock,
            })?;
            (table, habits, Statistic::Counts(Counts::default()))
        } else if let Some(offset) = logs::offset(&values) {
            let logarithms: Vec<f64> = (values.iter().map(|value| (value + offset).ln())).collect();
            let values = &logarithms;
            let history = ScanHistory {
                range,
                values,
                clock,
            };
            let (table, habits) = logs::means(&history)?;
            let logs = Logs::fit(&history, &habits, offset)?;
            (table, habits, Statistic::Logs(Box::new(logs)))
        } else {
            return None;
        };
        let is_within_a_day = |span: &&usize| **span <= clock.windows_per_day();
        let mut model = ScanModel {
            clock,
            table,
            statistic,
            spans: SPANS.iter().take_while(is_within_a_day).count(),
        };
        for round in 0..ROUNDS {
            let mut moments = Moments::new(&model.statistic);
            let mut found = |now: usize, sum: SpanSum| {
                if now.is_multiple_of((SPANS[sum.number] / STRIDES_PER_SPAN).max(1)) {
                    moments.add(sum, &model.statistic);
                }
            };
            let purpose = if round == 0 {
                Purpose::FirstRound
            } else {
                Purpose::LaterRound
            };
            model.pass(range, &values, &habits, purpose, &mut found, |_| {});
            moments.apply_to(&mut model.statistic);
        }
        let mut sides = [(); 2].map(|()| Vec::with_capacity(values.len()));
        let state = model.pass(
            range,
            &values,
            &habits,
            Purpose::Scoring,
            &mut |_, _| {},
            |largest| {
                for (side, deviate) in sides.iter_mut().zip(largest) {
                    side.push(deviate);
                }
            },
        );
        let days = values.len() as f64 / clock.windows_per_day() as f64;
        let [below, above] = sides.map(|side| Tail::of_deviates(&side, days));
        Some(Self {
            tails: [below?, above?],
            model,
            state: Box::new(state),
        })
    }

    /// How rare deviates below or above are.
    #[must_use]
    pub fn tail(&self, is_up: bool) -> &Tail {
        &self.tails[usize::from(is_up)]
    }

    /// The deviate of a single window from what someone else expected. `None` where single windows
    /// say nothing, and of rare counts, whose forecast is their median: none.
    #[must_use]
    pub fn deviate_from(&self, value: f64, expected: f64) -> Option<f64> {
        match &self.model.statistic {
            Statistic::Counts(counts) => counts.deviate_of_one(value, expected),
            Statistic::Logs(_) => None,
        }
    }

    /// The values of a single window that are so many deviates `[below, above]` what was expected.
    #[must_use]
    pub fn bounds(&self, expected: f64, deviates: [f64; 2]) -> [f64; 2] {
        match &self.model.statistic {
            Statistic::Counts(counts) => counts.bounds(expected, deviates),
            Statistic::Logs(_) => Logs::BOUNDS,
        }
    }

    /// Where the scan stands at the end of the history.
    pub(super) fn state(&self) -> Box<ScanState> {
        self.state.clone()
    }

    /// Takes the next window of the series.
    pub(super) fn step(&self, state: &mut ScanState, index: i64, value: f64) -> Deviates {
        let ScanModel {
            clock,
            table,
            statistic,
            ..
        } = &self.model;
        let habit = table.habit(*clock, index);
        let level = state.level();
        let is_calm = state.is_calm();
        let observation = statistic.observe(value, habit, level, clock.slot(index));
        let deviates = state.step(&self.model, observation, Purpose::Scoring, &mut |_, _| {});
        let largest = largest(deviates);
        Deviates {
            largest,
            lingering: state.remember(largest),
            expected: statistic.expected(habit, level),
            is_calm,
        }
    }
}
