//! The usual size of an error, by time of day and side.

use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use super::clock::SLOTS;
use super::history::MIN_WINDOWS;
use super::quantile::quantile;

/// Errors beyond this quantile are clipped before their mean is taken, so that the anomalies of
/// the history do not hide those to come.
const MEAN_CLIP: f64 = 0.99;
/// The same for the root mean square.
const SQUARE_CLIP: f64 = 0.999;
/// A time of day counts fully when there are many more days than these; before, its mean is drawn
/// to that of the whole day.
const SHRINKING_DAYS: f64 = 14.0;
/// The quietest time of day has at least this share of the mean error.
const QUIETEST_SHARE: f64 = 0.3;
/// No scale is smaller than this share of the root mean square: a series that is silent most of
/// the time is judged by its bursts.
const SQUARE_SHARE: f64 = 0.4;
/// The quantile of errors up to which they are usual.
const REACH: f64 = 0.99;
/// The reach of one side is at least this share of that of both.
const SIDE_SHARE: f64 = 0.5;
/// The reach is at least one scale: where nearly all errors are 0, a quantile says nothing.
const SMALLEST_REACH: f64 = 1.0;
/// The smallest scale of all, for a series that never moved.
const SMALLEST_SCALE: f64 = 1e-9;

/// The error at which each side leaves the usual, by slot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StreamScale {
    /// Mean absolute error of each slot, clipped, before floors.
    #[serde(with = "BigArray")]
    pub means: [f64; SLOTS],
    #[serde(with = "BigArray")]
    scales: [f64; SLOTS],
    up: f64,
    down: f64,
}

impl StreamScale {
    /// Learns from signed errors, NaN where there is none, each with its slot, over so many days.
    ///
    /// `None` for fewer than [`MIN_WINDOWS`] errors.
    #[must_use]
    pub fn fit(errors: &[f64], slots: &[usize], days: f64, smallest: f64) -> Option<Self> {
        let mut sizes: Vec<f64> = errors
            .iter()
            .map(|error| error.abs())
            .filter(|size| size.is_finite())
            .collect();
        if sizes.len() < MIN_WINDOWS {
            return None;
        }
        let square_clip = quantile(&mut sizes, SQUARE_CLIP);
        let mean_clip = quantile(&mut sizes, MEAN_CLIP);
        let (means, square) = clipped_means(errors, slots, days, mean_clip, square_clip);
        let least = (SQUARE_SHARE * square).max(smallest).max(SMALLEST_SCALE);
        let scales = means.map(|mean| mean.max(least));
        let mut scaled: Vec<f64> = Vec::with_capacity(sizes.len());
        let mut reach_of = |side: &dyn Fn(f64) -> f64| {
            scaled.clear();
            let pairs = errors
                .iter()
                .zip(slots)
                .filter(|(error, _)| error.is_finite());
            scaled.extend(pairs.map(|(error, slot)| side(*error) / scales[*slot]));
            quantile(&mut scaled, REACH)
        };
        let both = reach_of(&f64::abs);
        let least = (SIDE_SHARE * both).max(SMALLEST_REACH);
        Some(Self {
            up: reach_of(&|error| error.max(0.0)).max(least),
            down: reach_of(&|error| (-error).max(0.0)).max(least),
            means,
            scales,
        })
    }

    /// A size in usual sizes; below 1 for most.
    pub(super) fn relative(&self, slot: usize, size: f64) -> f64 {
        size / self.scales[slot]
    }

    /// The size at which an error of this sign leaves the usual, in the metric's unit; positive.
    #[must_use]
    pub fn reach(&self, slot: usize, is_up: bool) -> f64 {
        self.scales[slot] * if is_up { self.up } else { self.down }
    }

    /// A signed error in reaches of its side; NaN for NaN.
    #[must_use]
    pub fn excess(&self, slot: usize, error: f64) -> f64 {
        error.abs() / self.reach(slot, error > 0.0)
    }
}

/// Mean size by slot, drawn to the mean of all, and root mean square of all.
fn clipped_means(
    errors: &[f64],
    slots: &[usize],
    days: f64,
    mean_clip: f64,
    square_clip: f64,
) -> ([f64; SLOTS], f64) {
    let mut sums = [0.0; SLOTS];
    let mut counts = [0.0; SLOTS];
    let mut squares = 0.0;
    for (error, slot) in errors
        .iter()
        .zip(slots)
        .filter(|(error, _)| error.is_finite())
    {
        sums[*slot] += error.abs().min(mean_clip);
        counts[*slot] += 1.0;
        squares += error.abs().min(square_clip).powi(2);
    }
    let count: f64 = counts.iter().sum();
    let mean = sums.iter().sum::<f64>() / count;
    let weight = days / (days + SHRINKING_DAYS);
    let mut means = [mean; SLOTS];
    for slot in (0..SLOTS).filter(|slot| counts[*slot] > 0.0) {
        let drawn = mean + weight * (sums[slot] / counts[slot] - mean);
        means[slot] = drawn.max(QUIETEST_SHARE * mean);
    }
    (means, (squares / count).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four weeks of quarters of an hour: errors of ±1, of ±4 in the afternoon.
    fn daily() -> (Vec<f64>, Vec<usize>) {
        let slots: Vec<usize> = (0..28 * SLOTS).map(|window| window % SLOTS).collect();
        let error = |(window, slot): (usize, &usize)| {
            let size = if *slot >= 48 { 4.0 } else { 1.0 };
            // A hash, so that no slot has one sign only.
            if window * 7_919 % 13 % 2 == 0 {
                size
            } else {
                -size
            }
        };
        let errors = slots.iter().enumerate().map(error).collect();
        (errors, slots)
    }

    #[test]
    fn a_time_of_day_has_its_own_scale() {
        let (errors, slots) = daily();
        let scale = StreamScale::fit(&errors, &slots, 28.0, 0.0).unwrap();
        let ratio = scale.reach(60, true) / scale.reach(10, true);
        // Drawn a third of the way to the mean of 2.5: 3.5 over 1.5.
        assert!((ratio - 7.0 / 3.0).abs() < 1e-9, "{ratio}");
    }

    #[test]
    fn an_incident_in_the_history_hardly_moves_the_scale() {
        let (mut errors, slots) = daily();
        let before = StreamScale::fit(&errors, &slots, 28.0, 0.0).unwrap();
        errors[1_000..1_002].fill(1e6);
        let after = StreamScale::fit(&errors, &slots, 28.0, 0.0).unwrap();
        assert!(after.reach(10, true) < 1.3 * before.reach(10, true));
    }

    #[test]
    fn each_side_has_its_own_reach() {
        let slots = vec![0; 1_000];
        let errors: Vec<f64> = (0..1_000)
            .map(|window| if window % 20 == 0 { 30.0 } else { -1.0 })
            .collect();
        let scale = StreamScale::fit(&errors, &slots, 1.0, 0.0).unwrap();
        assert!(scale.excess(0, 30.0) < 1.1);
        assert!(scale.excess(0, -30.0) > 1.9);
    }

    #[test]
    fn silence_has_a_scale_and_too_little_has_none() {
        let slots = vec![0; MIN_WINDOWS];
        let mut errors = vec![0.0; MIN_WINDOWS];
        let scale = StreamScale::fit(&errors, &slots, 1.0, 0.5).unwrap();
        assert!((scale.excess(0, 1.0) - 2.0).abs() < 1e-12);
        assert!(
            StreamScale::fit(&errors, &slots, 1.0, 0.0)
                .unwrap()
                .reach(0, true)
                > 0.0
        );
        errors[7] = f64::NAN;
        assert!(StreamScale::fit(&errors, &slots, 1.0, 0.5).is_none());
    }
}
