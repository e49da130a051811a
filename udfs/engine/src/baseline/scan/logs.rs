//! Sums of logarithms against what was to be expected.
//!
//! A latency quantile of few requests jumps by factors from one window to the next, so its
//! logarithm is held against the seasonal profile and a slow level. Each residual is
//! divided by what is usual at that time of day and clipped, so that a sum says that many windows
//! are high, and one window, whatever its value, says little (Huber 1964). What a single window says is
//! told apart, by a tail of its own.

use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use super::history::ScanHistory;
use super::seasonal::{Interpolated, Learned, Recipe, SeasonalProfile};
use super::span::{Observation, SPANS, SpanSum};
use crate::baseline::clock::SLOTS;
use crate::baseline::quantile::quantile;
use crate::baseline::scale::StreamScale;

/// Offset that is added before the logarithm is taken, as a share of the median: a quantile of 0 is
/// none that was measured.
const OFFSET: f64 = 0.02;
/// Share of values that may be 0.
const MOST_ZEROS: f64 = 0.01;
/// Neighbours whose logarithms differ less than this are no matter of chance: standard deviation
/// of one window.
const LEAST_NOISE: f64 = 0.15;
/// Of the variance ten windows apart, neighbours have at least this share: what moves slowly is
/// better held against its last value.
const LEAST_WHITENESS: f64 = 0.5;
const FAR: usize = 10;
/// Squared differences beyond this quantile are clipped.
const NOISE_CLIP: f64 = 0.96;
/// Logarithms are clipped to so many standard deviations about their median before they enter the
/// seasonal profile.
const TABLE_CLIP: f64 = 4.0;
/// Windows of the overall mean that each slot has seen as well.
const PRIOR_WINDOWS: f64 = 2.0;
/// From a mean absolute to a standard deviation of a normal distribution.
const DEVIATION_PER_MEAN: f64 = 1.25;
const DEVIATION_PER_MEDIAN: f64 = 1.48;
const LEAST_SCALE: f64 = 0.02;
/// A residual counts for so many scales at most.
const RESIDUAL_CLIP: f64 = 1.5;
/// Share of the way to a residual that the level moves, by so many scales of it at most, and how
/// fast it comes back.
const GAIN: f64 = 0.01;
const INNOVATION_CLIP: f64 = 2.0;
const LEVEL_DECAY: f64 = 0.998;
/// Squared z-scores count at most as so much.
const SQUARE_CLIP: f64 = 9.0;

/// The offset that is added to values before their logarithm is taken; `None` unless none is below
/// 0, nearly all are above, and they jump by factors about a level, as chance makes them.
pub(super) fn offset(values: &[f64]) -> Option<f64> {
    let mut known: Vec<f64> = values
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .collect();
    let zeros = known.iter().filter(|value| **value == 0.0).count();
    let is_positive =
        known.iter().all(|value| *value >= 0.0) && zeros as f64 <= MOST_ZEROS * known.len() as f64;
    if known.is_empty() || !is_positive {
        return None;
    }
    let offset = OFFSET * quantile(&mut known, 0.5);
    let logarithms: Vec<f64> = values.iter().map(|value| (value + offset).ln()).collect();
    let noise = |distance: usize| {
        let pairs = logarithms.iter().zip(logarithms.iter().skip(distance));
        let mut squares: Vec<f64> = pairs
            .map(|(before, after)| (after - before).powi(2))
            .filter(|square| square.is_finite())
            .collect();
        if squares.is_empty() {
            return f64::NAN;
        }
        let clip = quantile(&mut squares, NOISE_CLIP);
        squares.iter().map(|square| square.min(clip)).sum::<f64>() / squares.len() as f64
    };
    let near = noise(1);
    let is_restless =
        near >= 2.0 * LEAST_NOISE * LEAST_NOISE && near >= LEAST_WHITENESS * noise(FAR);
    is_restless.then_some(offset)
}

/// The seasonal profile of logarithms, and the mean of each window of the history; the values are
/// logarithms.
pub(super) fn means(history: &ScanHistory<'_>) -> Option<Learned> {
    let mut known: Vec<f64> = history.known().collect();
    let median = quantile(&mut known, 0.5);
    for value in &mut known {
        *value = (*value - median).abs();
    }
    let reach = TABLE_CLIP * DEVIATION_PER_MEDIAN * quantile(&mut known, 0.5);
    SeasonalProfile::learn(
        history,
        Recipe {
            clip: (median - reach, median + reach),
            trims: true,
            prior_windows: |_| PRIOR_WINDOWS,
            least_sum: f64::NEG_INFINITY,
            interpolates: Interpolated::Means,
        },
    )
}

/// Sums of clipped residuals.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Logs {
    /// Added before the logarithm is taken.
    offset: f64,
    /// Usual size of a residual by slot.
    #[serde(with = "BigArray")]
    scales: [f64; SLOTS],
    /// Standard deviation of the sums, in those of independent residuals.
    deviations: [f64; SPANS.len()],
}

impl Logs {
    pub(super) const DECAY: f64 = LEVEL_DECAY;

    pub(super) fn above(observation: Observation) -> f64 {
        let most = INNOVATION_CLIP * observation.scale;
        observation.reference.clamp(-most, most)
    }

    pub(super) fn distance(windows: &[Observation]) -> f64 {
        let known = windows.iter().filter(|window| window.is_known);
        let mut residuals: Vec<f64> = known.map(|window| window.reference).collect();
        if residuals.is_empty() {
            return 0.0;
        }
        quantile(&mut residuals, 0.5)
    }

    pub(super) fn z_score_at(&self, number: usize, windows: &[Observation], level: f64) -> f64 {
        let known = windows.iter().filter(|window| window.is_known);
        let (mut value, mut count) = (0.0, 0.0_f64);
        for window in known {
            let residual = (window.reference - level) / window.scale;
            value += residual.clamp(-RESIDUAL_CLIP, RESIDUAL_CLIP);
            count += 1.0;
        }
        value / count.max(1.0).sqrt() / self.deviations[number]
    }

    /// Learns the sizes from logarithms and their seasonal means.
    pub(super) fn fit(
        history: &ScanHistory<'_>,
        seasonal_means: &[f64],
        offset: f64,
    ) -> Option<Self> {
        let residuals: Vec<f64> = (history.values.iter().zip(seasonal_means))
            .map(|(value, seasonal_mean)| value - seasonal_mean)
            .collect();
        let slots: Vec<usize> = (history.range.clone())
            .map(|index| history.clock.slot(index))
            .collect();
        let days = history.values.len() as f64 / history.clock.windows_per_day() as f64;
        let usual = StreamScale::fit(&residuals, &slots, days, 0.0)?.means;
        Some(Self {
            offset,
            scales: usual.map(|mean| (DEVIATION_PER_MEAN * mean).max(LEAST_SCALE)),
            deviations: [1.0; SPANS.len()],
        })
    }

    pub(super) fn observe(
        &self,
        value: f64,
        seasonal_mean: f64,
        level: f64,
        slot: usize,
    ) -> Observation {
        let scale = self.scales[slot];
        let residual = (value + self.offset).ln() - seasonal_mean;
        Observation {
            value: ((residual - level) / scale).clamp(-RESIDUAL_CLIP, RESIDUAL_CLIP),
            reference: residual,
            scale,
            is_known: residual.is_finite(),
        }
    }

    pub(super) fn expected(&self, seasonal_mean: f64, level: f64) -> f64 {
        ((seasonal_mean + level).exp() - self.offset).max(0.0)
    }

    pub(super) fn z_score(&self, sum: &SpanSum) -> f64 {
        sum.value / (sum.known as f64).sqrt() / self.deviations[sum.number]
    }

    pub(super) fn shift(sum: &SpanSum) -> f64 {
        sum.value / sum.known as f64
    }

    /// The residual of a window in usual sizes, not clipped.
    pub(super) fn single(observation: Observation, level: f64) -> f64 {
        (observation.reference - level) / observation.scale
    }

    /// The values that are so many usual sizes below and above the expected one at a time of day.
    pub(super) fn bounds(&self, expected: f64, slot: usize, [below, above]: [f64; 2]) -> [f64; 2] {
        let middle = (expected + self.offset).ln();
        [-below, above].map(|z| ((middle + z * self.scales[slot]).exp() - self.offset).max(0.0))
    }

    pub(super) fn follow(level: &mut f64, observation: Observation) {
        let most = INNOVATION_CLIP * observation.scale;
        *level += GAIN * (observation.reference - *level).clamp(-most, most);
    }
}

/// Mean squared z-scores.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LogMoments {
    of_spans: [(f64, f64); SPANS.len()],
}

impl LogMoments {
    pub(super) fn add(&mut self, sum: SpanSum, logs: &Logs) {
        let square = logs.z_score(&sum).powi(2).min(SQUARE_CLIP);
        let (squares, count) = &mut self.of_spans[sum.number];
        *squares += square;
        *count += 1.0;
    }

    pub(super) fn apply_to(&self, logs: &mut Logs) {
        for ((squares, count), deviation) in self.of_spans.iter().zip(&mut logs.deviations) {
            if *squares > 0.0 {
                *deviation *= (squares / count).sqrt();
            }
        }
    }
}
