//! Learns a scan from a history, and takes it on from there.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::counts::{self, Counts};
use super::history::ScanHistory;
use super::logs::{self, Logs};
use super::model::ScanModel;
use super::seasonal::Learned;
use super::span::{SPANS, SpanSum};
use super::state::{Purpose, ScanState};
use super::statistic::{Moments, Statistic};
use crate::baseline::clock::Clock;
use crate::baseline::history::MIN_WINDOWS;
use crate::baseline::tail::Tail;
use crate::features::SeriesFeatures;

/// Days of values before there is a seasonal profile.
const MIN_DAYS: f64 = 1.5;
/// Rounds in which the spread of the sums and the windows to leave out are found.
const ROUNDS: usize = 2;
/// Sums of a span that overlap more than this share of it say little more than one.
const STRIDES_PER_SPAN: usize = 4;
/// What stands out for so long is a new level, of so many windows at least.
const ADOPTED_AFTER_MICROS: i64 = 5 * 3_600_000_000;
const LEAST_ADOPTED_AFTER: usize = 24;

/// The z-scores of the sums that end with one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ZScores {
    /// The largest z-scores below and above what was to be expected; at least 0.
    pub largest: [f64; 2],
    /// The z-scores below and above that came back at this time of day or week, which are not in the
    /// largest.
    pub expected_excess: [f64; 2],
    /// The largest of the windows before, decayed.
    pub decayed_peaks: [f64; 2],
    /// How far out the window is by itself below and above, where that is told apart from the sums,
    /// and the decayed peaks of those before.
    pub single: Option<([f64; 2], [f64; 2])>,
    /// The expected value of the window alone, in the metric's unit.
    pub expected: f64,
    /// Whether none of the windows before, as far as sums reach, stands out: a forecaster that has
    /// just read an anomaly expects another.
    pub is_calm: bool,
}

/// The statistics of the sums of one metric, and the state of the scan at the end of the history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScanProfile {
    model: ScanModel,
    state: Box<ScanState>,
    /// The distributions of z-scores, below and above.
    tails: [Tail; 2],
    /// The same of single windows, where these are told apart.
    single_tails: Option<[Tail; 2]>,
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
        let (learned, statistic) = if counts::are_counts(&values) {
            let values = &values;
            let learned = counts::rates(&ScanHistory {
                range,
                values,
                clock,
            })?;
            (learned, Statistic::Counts(Counts::default()))
        } else if let Some(offset) = logs::offset(&values) {
            let logarithms: Vec<f64> = (values.iter().map(|value| (value + offset).ln())).collect();
            let values = &logarithms;
            let history = ScanHistory {
                range,
                values,
                clock,
            };
            let learned = logs::means(&history)?;
            let logs = Logs::fit(&history, &learned.seasonal_means, offset)?;
            (learned, Statistic::Logs(Box::new(logs)))
        } else {
            return None;
        };
        let Learned {
            profile: seasonal,
            seasonal_means,
            first_level,
        } = learned;
        let course = Course {
            range,
            values: &values,
            seasonal_means: &seasonal_means,
            first_level,
        };
        let is_within_a_day = |span: &&usize| **span <= clock.windows_per_day();
        let mut model = ScanModel {
            clock,
            seasonal,
            statistic,
            spans: SPANS.iter().take_while(is_within_a_day).count(),
            adopted_after: (clock.windows_in(ADOPTED_AFTER_MICROS) as usize)
                .max(LEAST_ADOPTED_AFTER),
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
            model.pass(course, purpose, &mut found, |_, _| {});
            moments.apply_to(&mut model.statistic);
        }
        let mut sides = [(); 2].map(|()| Vec::with_capacity(values.len()));
        let mut singles = [(); 2].map(|()| Vec::new());
        let state = model.pass(
            course,
            Purpose::Scoring,
            &mut |_, _| {},
            |largest, single| {
                for (side, z_score) in sides.iter_mut().zip(largest) {
                    side.push(z_score);
                }
                for (side, single) in singles.iter_mut().zip(single.into_iter().flatten()) {
                    side.push(single);
                }
            },
        );
        let days = values.len() as f64 / clock.windows_per_day() as f64;
        let [below, above] = sides.map(|side| Tail::of_z_scores(&side, days));
        let single_tails = match singles.map(|side| Tail::of_z_scores(&side, days)) {
            [Some(below), Some(above)] => Some([below, above]),
            _ => None,
        };
        Some(Self {
            tails: [below?, above?],
            single_tails,
            model,
            state: Box::new(state),
        })
    }

    /// The distribution of z-scores below or above.
    #[must_use]
    pub fn tail(&self, is_up: bool) -> &Tail {
        &self.tails[usize::from(is_up)]
    }

    /// The same of single windows, where these are told apart.
    #[must_use]
    pub fn single_tail(&self, is_up: bool) -> Option<&Tail> {
        let tails = self.single_tails.as_ref()?;
        Some(&tails[usize::from(is_up)])
    }

    /// The z-score of a single window against the forecast of someone else. `None` of logarithms, where
    /// single windows say nothing, and of rare counts, whose forecast is their median: none.
    #[must_use]
    pub fn z_score_from(&self, value: f64, expected: f64) -> Option<f64> {
        match &self.model.statistic {
            Statistic::Counts(counts) => counts.z_score_of_one(value, expected),
            Statistic::Logs(_) => None,
        }
    }

    /// The values of a single window that are so many standard deviations `[below, above]` the expected
    /// value.
    #[must_use]
    pub fn bounds(&self, expected: f64, slot: usize, z_scores: [f64; 2]) -> [f64; 2] {
        match &self.model.statistic {
            Statistic::Counts(counts) => counts.bounds(expected, z_scores),
            Statistic::Logs(logs) => logs.bounds(expected, slot, z_scores),
        }
    }

    /// The state of the scan at the end of the history.
    pub(in crate::baseline) fn state(&self) -> Box<ScanState> {
        self.state.clone()
    }

    /// Takes the next window of the series.
    pub(in crate::baseline) fn step(
        &self,
        state: &mut ScanState,
        index: i64,
        value: f64,
    ) -> ZScores {
        let ScanModel {
            clock,
            seasonal,
            statistic,
            ..
        } = &self.model;
        let seasonal_mean = statistic.moved(seasonal.mean(*clock, index), state.base());
        let level = state.level();
        let is_calm = state.is_calm();
        let observation = statistic.observe(value, seasonal_mean, level, clock.slot(index));
        let z_scores = state.step(&self.model, observation, Purpose::Scoring, &mut |_, _| {});
        let expected = statistic.expected(seasonal_mean, level);
        let single = statistic.single(observation, level);
        let (largest, expected_excess) = state.weigh(*clock, index, value - expected, z_scores);
        ZScores {
            largest,
            expected_excess,
            decayed_peaks: state.hold_peaks(largest),
            single: single.map(|single| state.weigh_single(*clock, index, single)),
            expected,
            is_calm,
        }
    }
}

/// A history that a model runs over.
#[derive(Clone, Copy)]
struct Course<'a> {
    range: &'a Range<i64>,
    /// Raw values, and the seasonal mean of each.
    values: &'a [f64],
    seasonal_means: &'a [f64],
    /// By how much the first day lies above the seasonal profile, on a logarithmic scale.
    first_level: f64,
}

impl ScanModel {
    /// Runs over a history.
    fn pass(
        &self,
        course: Course<'_>,
        purpose: Purpose,
        found: &mut impl FnMut(usize, SpanSum),
        mut take: impl FnMut([f64; 2], Option<[f64; 2]>),
    ) -> ScanState {
        let Course {
            range,
            values,
            seasonal_means,
            first_level,
        } = course;
        let mut state = ScanState::new(&self.statistic, first_level);
        for ((index, value), seasonal_mean) in range.clone().zip(values).zip(seasonal_means) {
            let slot = self.clock.slot(index);
            let level = state.level();
            let seasonal_mean = self.statistic.moved(*seasonal_mean, state.base());
            let observation = self.statistic.observe(*value, seasonal_mean, level, slot);
            let z_scores = state.step(self, observation, purpose, found);
            if purpose == Purpose::Scoring {
                let error = value - self.statistic.expected(seasonal_mean, level);
                let (largest, _) = state.weigh(self.clock, index, error, z_scores);
                state.hold_peaks(largest);
                let single = self.statistic.single(observation, level);
                let single = single.map(|single| state.weigh_single(self.clock, index, single).0);
                take(largest, single);
            }
        }
        state
    }
}
