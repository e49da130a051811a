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

/// Days of values before there is a seasonal profile.
const MIN_DAYS: f64 = 1.5;
/// Rounds in which the spread of the sums and the windows to leave out are found.
const ROUNDS: usize = 3;
/// Sums of a span that overlap more than this share of it say little more than one.
const STRIDES_PER_SPAN: usize = 4;

/// The z-scores of the sums that end with one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ZScores {
    /// The largest z-scores below and above what was to be expected; at least 0.
    pub largest: [f64; 2],
    /// The largest of the windows before, decayed.
    pub decayed_peaks: [f64; 2],
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
        let (seasonal, seasonal_means, statistic) = if counts::are_counts(&values) {
            let values = &values;
            let (seasonal, seasonal_means) = counts::rates(&ScanHistory {
                range,
                values,
                clock,
            })?;
            (
                seasonal,
                seasonal_means,
                Statistic::Counts(Counts::default()),
            )
        } else if let Some(offset) = logs::offset(&values) {
            let logarithms: Vec<f64> = (values.iter().map(|value| (value + offset).ln())).collect();
            let values = &logarithms;
            let history = ScanHistory {
                range,
                values,
                clock,
            };
            let (seasonal, seasonal_means) = logs::means(&history)?;
            let logs = Logs::fit(&history, &seasonal_means, offset)?;
            (seasonal, seasonal_means, Statistic::Logs(Box::new(logs)))
        } else {
            return None;
        };
        let is_within_a_day = |span: &&usize| **span <= clock.windows_per_day();
        let mut model = ScanModel {
            clock,
            seasonal,
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
            model.pass(range, &values, &seasonal_means, purpose, &mut found, |_| {});
            moments.apply_to(&mut model.statistic);
        }
        let mut sides = [(); 2].map(|()| Vec::with_capacity(values.len()));
        let state = model.pass(
            range,
            &values,
            &seasonal_means,
            Purpose::Scoring,
            &mut |_, _| {},
            |largest| {
                for (side, z_score) in sides.iter_mut().zip(largest) {
                    side.push(z_score);
                }
            },
        );
        let days = values.len() as f64 / clock.windows_per_day() as f64;
        let [below, above] = sides.map(|side| Tail::of_z_scores(&side, days));
        Some(Self {
            tails: [below?, above?],
            model,
            state: Box::new(state),
        })
    }

    /// The distribution of z-scores below or above.
    #[must_use]
    pub fn tail(&self, is_up: bool) -> &Tail {
        &self.tails[usize::from(is_up)]
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
    pub fn bounds(&self, expected: f64, z_scores: [f64; 2]) -> [f64; 2] {
        match &self.model.statistic {
            Statistic::Counts(counts) => counts.bounds(expected, z_scores),
            Statistic::Logs(_) => Logs::BOUNDS,
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
        let seasonal_mean = seasonal.mean(*clock, index);
        let level = state.level();
        let is_calm = state.is_calm();
        let observation = statistic.observe(value, seasonal_mean, level, clock.slot(index));
        let z_scores = state.step(&self.model, observation, Purpose::Scoring, &mut |_, _| {});
        let largest = largest(z_scores);
        ZScores {
            largest,
            decayed_peaks: state.hold_peaks(largest),
            expected: statistic.expected(seasonal_mean, level),
            is_calm,
        }
    }
}

impl ScanModel {
    /// Runs over raw values whose seasonal means are known.
    fn pass(
        &self,
        range: &Range<i64>,
        values: &[f64],
        seasonal_means: &[f64],
        purpose: Purpose,
        found: &mut impl FnMut(usize, SpanSum),
        mut take: impl FnMut([f64; 2]),
    ) -> ScanState {
        let mut state = ScanState::new(&self.statistic);
        for ((index, value), seasonal_mean) in range.clone().zip(values).zip(seasonal_means) {
            let slot = self.clock.slot(index);
            let observation = self
                .statistic
                .observe(*value, *seasonal_mean, state.level(), slot);
            let largest = largest(state.step(self, observation, purpose, found));
            state.hold_peaks(largest);
            take(largest);
        }
        state
    }
}

/// The largest z-scores below and above; at least 0. NaN counts for nothing.
fn largest(z_scores: [f64; SPANS.len()]) -> [f64; 2] {
    let most = |side: f64| z_scores.iter().fold(0.0, |most: f64, z| most.max(side * z));
    [most(-1.0), most(1.0)]
}
