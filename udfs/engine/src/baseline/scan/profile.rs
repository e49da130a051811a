//! Learns a scan from a history, and takes it on from there.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::counts::{self, Counts};
use super::history::ScanHistory;
use super::logs::{self, Logs};
use super::model::ScanModel;
use super::span::{SPANS, SpanSum};
use super::state::{Purpose, ScanState};
use super::statistic::{Moments, Statistic};
use crate::baseline::clock::Clock;
use crate::baseline::history::MIN_WINDOWS;
use crate::baseline::tail::Tail;
use crate::features::SeriesFeatures;

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
    pub(in crate::baseline) fn learn(
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
    pub(in crate::baseline) fn state(&self) -> Box<ScanState> {
        self.state.clone()
    }

    /// Takes the next window of the series.
    pub(in crate::baseline) fn step(
        &self,
        state: &mut ScanState,
        index: i64,
        value: f64,
    ) -> Deviates {
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
