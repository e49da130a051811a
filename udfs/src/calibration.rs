//! From sizes to probabilities.
//!
//! How large a forecast error is means nothing by itself; how rare it is does. The score of a
//! window is 1 − p, where p is the share of held-back normal windows at least as surprising: a conformal
//! rank (Vovk, Gammerman & Shafer 2005) within the calibration sample. Beyond its upper 2 % the
//! sample is too thin to rank, so p follows a generalised Pareto tail, peaks over threshold as in
//! Siffer et al., "Anomaly Detection in Streams with Extreme Value Theory" (KDD 2017), fitted by
//! probability-weighted moments (Hosking & Wallis 1987), which need no optimiser.

use serde::{Deserialize, Serialize};

/// Share of the calibration sample that the tail is fitted to.
const TAIL_SHARE: f64 = 0.02;
/// Fewest windows that give a usable tail: 10 peaks.
pub const MIN_CALIBRATION_WINDOWS: usize = 500;
/// Entries of the stored quantile table.
const KNOTS: usize = 128;
/// The smallest scale of a tail, as a share of its threshold, so that a sample cut off sharply
/// does not make everything beyond it impossible.
const SMALLEST_TAIL_SHARE: f64 = 0.1;
/// The scale of a tail that the sample says nothing about, because nearly all of it is 0 (a metric
/// that is hardly ever other than 0). Errors are in units of a series' scale, surprise of −ln p.
const UNKNOWN_TAIL_SCALE: f64 = 0.5;
/// The smallest p: below it `1 − p` could no longer be told from 1.
const SMALLEST_P: f64 = 1e-15;

/// Conformal table and tail of one quantity that is large where it is rare.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Windows in the calibration sample.
    pub windows: usize,
    /// Surprise at evenly spaced ranks from the smallest to the tail threshold, ascending.
    pub surprise: Vec<f64>,
    /// p at each entry of `surprise`, descending.
    pub p_value: Vec<f64>,
    /// p just beyond the last entry: less than that of the entry itself where values are tied.
    pub tail_p_value: f64,
    /// Shape ξ of the generalised Pareto tail beyond the last entry, in [0, 1): 0 is exponential.
    pub tail_shape: f64,
    /// Scale σ of the tail, positive.
    pub tail_scale: f64,
}

impl Calibration {
    /// Ranks a sample of surprise on held-back normal windows; NaN is left out.
    ///
    /// `None` if fewer than [`MIN_CALIBRATION_WINDOWS`] remain.
    #[must_use]
    pub fn fit(sample: &[f64]) -> Option<Self> {
        let mut sorted: Vec<f64> = sample.iter().copied().filter(|x| !x.is_nan()).collect();
        if sorted.len() < MIN_CALIBRATION_WINDOWS {
            return None;
        }
        sorted.sort_unstable_by(f64::total_cmp);
        let peaks = ((sorted.len() as f64 * TAIL_SHARE) as usize).max(10);
        let threshold_rank = sorted.len() - peaks - 1;
        let threshold = sorted[threshold_rank];
        let peaks = &sorted[sorted.partition_point(|&x| x <= threshold)..];
        let tail_p_value = (peaks.len() + 1) as f64 / (sorted.len() + 1) as f64;
        let (tail_shape, tail_scale) = pareto_tail(peaks, threshold);
        let (surprise, p_value) = conformal_table(&sorted, threshold_rank);
        Some(Self {
            windows: sorted.len(),
            surprise,
            p_value,
            tail_p_value,
            tail_shape,
            tail_scale,
        })
    }

    /// The share of normal windows at least this surprising, in [1e-15, 1].
    #[must_use]
    pub fn p_value(&self, surprise: f64) -> f64 {
        let above = self.surprise.partition_point(|&knot| knot < surprise);
        self.p_value_below(above, surprise)
    }

    /// The p-value of a surprise of which so many knots are less.
    fn p_value_below(&self, above: usize, surprise: f64) -> f64 {
        let last = self.surprise.len() - 1;
        if above > last {
            let excess = (surprise - self.surprise[last]) / self.tail_scale;
            let survival = if self.tail_shape > 1e-9 {
                (1.0 + self.tail_shape * excess).powf(-1.0 / self.tail_shape)
            } else {
                (-excess).exp()
            };
            return (self.tail_p_value * survival).max(SMALLEST_P);
        }
        if above == 0 {
            return self.p_value[0];
        }
        let (low, high) = (self.surprise[above - 1], self.surprise[above]);
        let share = if high > low {
            (surprise - low) / (high - low)
        } else {
            1.0
        };
        self.p_value[above - 1] + share * (self.p_value[above] - self.p_value[above - 1])
    }

    /// The calibrated score `1 − p`, in [0, 1).
    #[must_use]
    pub fn score(&self, surprise: f64) -> f64 {
        1.0 - self.p_value(surprise)
    }

    /// The surprise at which p falls to a value: the inverse of [`Self::p_value`].
    #[must_use]
    pub fn surprise_at(&self, p: f64) -> f64 {
        let last = self.surprise.len() - 1;
        let p = p.clamp(SMALLEST_P, 1.0);
        if p < self.tail_p_value {
            let ratio = self.tail_p_value / p;
            let excess = if self.tail_shape > 1e-9 {
                (ratio.powf(self.tail_shape) - 1.0) / self.tail_shape
            } else {
                ratio.ln()
            };
            return self.surprise[last] + self.tail_scale * excess;
        }
        let below = self.p_value.partition_point(|&knot| knot > p);
        if below == 0 || below > last {
            return self.surprise[below.min(last)];
        }
        let (high, low) = (self.p_value[below - 1], self.p_value[below]);
        let share = if high > low {
            (high - p) / (high - low)
        } else {
            1.0
        };
        self.surprise[below - 1] + share * (self.surprise[below] - self.surprise[below - 1])
    }

    /// Why a table read from a file cannot be used, if so.
    pub(crate) fn defect(&self) -> Option<&'static str> {
        let ascending = self.surprise.windows(2).all(|pair| pair[0] <= pair[1]);
        let descending = self.p_value.windows(2).all(|pair| pair[0] >= pair[1]);
        if self.surprise.is_empty() || self.surprise.len() != self.p_value.len() {
            Some("the calibration table is empty or its columns differ in length")
        } else if !ascending || !descending {
            Some("the calibration table is not monotone")
        } else if !(self.tail_p_value > 0.0 && self.tail_p_value <= 1.0) {
            Some("the calibration tail's probability is out of range")
        } else if !(self.tail_scale > 0.0 && (0.0..1.0).contains(&self.tail_shape)) {
            Some("the calibration tail is out of range")
        } else {
            None
        }
    }
}

/// A calibration prepared for many look-ups: the same p-values, found in fewer steps.
#[derive(Debug, Clone)]
pub struct Ranker {
    calibration: Calibration,
    /// For each cell of an even grid over the table, the number of knots in the cells before.
    knots_before: Vec<u8>,
    cells_per_unit: f64,
}

impl Ranker {
    const CELLS: usize = 4 * KNOTS;

    /// `None` for an empty table.
    #[must_use]
    pub fn new(calibration: &Calibration) -> Option<Self> {
        let knots = &calibration.surprise;
        let cells_per_unit = (Self::CELLS - 1) as f64 / knots.last()?;
        let is_usable = knots.len() < usize::from(u8::MAX) && cells_per_unit.is_finite();
        let cells_per_unit = if is_usable { cells_per_unit } else { 0.0 };
        let mut ranker = Self {
            calibration: calibration.clone(),
            knots_before: Vec::new(),
            cells_per_unit,
        };
        ranker.knots_before = (0..Self::CELLS)
            .map(|cell| knots.partition_point(|&knot| ranker.cell(knot) < cell) as u8)
            .collect();
        Some(ranker)
    }

    /// Never smaller for a greater surprise.
    fn cell(&self, surprise: f64) -> usize {
        (surprise * self.cells_per_unit) as usize
    }

    /// As [`Calibration::p_value`].
    #[must_use]
    pub fn p_value(&self, surprise: f64) -> f64 {
        let knots = &self.calibration.surprise;
        let cell = self.cell(surprise).min(Self::CELLS - 1);
        let mut above = usize::from(self.knots_before[cell]);
        while knots.get(above).is_some_and(|knot| *knot < surprise) {
            above += 1;
        }
        self.calibration.p_value_below(above, surprise)
    }
}

/// Surprise and conformal p at evenly spaced ranks up to the tail threshold.
fn conformal_table(sorted: &[f64], threshold_rank: usize) -> (Vec<f64>, Vec<f64>) {
    let conformal = |rank: usize| {
        // Ties count as at least as surprising: start of the run of equal values.
        let first = sorted.partition_point(|&x| x < sorted[rank]);
        (sorted.len() - first + 1) as f64 / (sorted.len() + 1) as f64
    };
    let last = KNOTS - 1;
    (0..KNOTS)
        .map(|knot| threshold_rank * knot / last)
        .map(|rank| (sorted[rank], conformal(rank)))
        .unzip()
}

/// Shape and scale of a generalised Pareto distribution over ascending peaks above a threshold.
fn pareto_tail(peaks: &[f64], threshold: f64) -> (f64, f64) {
    let smallest = if threshold > 0.0 {
        SMALLEST_TAIL_SHARE * threshold
    } else {
        UNKNOWN_TAIL_SCALE
    };
    if peaks.is_empty() {
        return (0.0, smallest);
    }
    let n = peaks.len() as f64;
    let mean = peaks.iter().map(|peak| peak - threshold).sum::<f64>() / n;
    // Second probability-weighted moment: mean of excess × (1 − plotting position).
    let weighted = peaks
        .iter()
        .enumerate()
        .map(|(rank, peak)| (peak - threshold) * (1.0 - (rank as f64 + 0.65) / n))
        .sum::<f64>()
        / n;
    let spread = mean - 2.0 * weighted;
    if spread <= 0.0 {
        return (0.0, mean.max(smallest));
    }
    // A bounded tail (ξ < 0) would give every window beyond the bound the same score.
    let shape = (2.0 - mean / spread).clamp(0.0, 0.9);
    (shape, (mean * (1.0 - shape)).max(smallest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Evenly spaced quantiles of the standard exponential distribution.
    fn exponential(n: usize) -> Vec<f64> {
        (0..n)
            .map(|i| -(1.0 - (i as f64 + 0.5) / n as f64).ln())
            .collect()
    }

    #[test]
    fn exponential_sample_is_calibrated_in_body_and_tail() {
        let calibration = Calibration::fit(&exponential(10_000)).unwrap();
        for p in [0.5, 0.1, 0.02, 1e-3, 1e-4, 1e-6] {
            let surprise = -f64::ln(p);
            let ratio = calibration.p_value(surprise) / p;
            assert!(
                (0.5..2.0).contains(&ratio),
                "p {p}: {ratio} times too large"
            );
        }
    }

    proptest! {
        #[test]
        fn a_ranker_gives_the_same_p_values(
            sample in prop::collection::vec(prop_oneof![4 => 0.0..9.0f64, 1 => Just(0.0)], 500..700),
            power in 1..9i32,
            surprise in prop::collection::vec(-1.0..40.0f64, 100),
        ) {
            let sample: Vec<f64> = sample.iter().map(|x| x.powi(power)).collect();
            for calibration in [Calibration::fit(&sample), Calibration::fit(&vec![0.0; 600])] {
                let calibration = calibration.unwrap();
                let ranker = Ranker::new(&calibration).unwrap();
                for &x in surprise.iter().chain(&calibration.surprise).chain(&[f64::NAN, f64::INFINITY]) {
                    let expected = calibration.p_value(x);
                    prop_assert_eq!(ranker.p_value(x).to_bits(), expected.to_bits(), "at {}", x);
                }
            }
        }
    }

    #[test]
    fn pareto_tail_recovers_its_shape() {
        let sample: Vec<f64> = exponential(20_000)
            .iter()
            .map(|e| ((0.3 * e).exp() - 1.0) / 0.3)
            .collect();
        let calibration = Calibration::fit(&sample).unwrap();
        assert!(
            (calibration.tail_shape - 0.3).abs() < 0.1,
            "{}",
            calibration.tail_shape
        );
    }

    #[test]
    fn too_small_constant_and_nan_samples() {
        assert_eq!(
            Calibration::fit(&vec![1.0; MIN_CALIBRATION_WINDOWS - 1]),
            None
        );
        assert_eq!(Calibration::fit(&vec![f64::NAN; 5_000]), None);
        let constant = Calibration::fit(&vec![2.0; 1_000]).unwrap();
        assert!(constant.score(2.0) < 0.01);
        assert!(constant.score(3.0) > 0.99 && constant.score(9.0) > 0.999_999);
        assert_eq!(constant.defect(), None);
    }

    proptest! {
        #[test]
        fn score_is_monotone_and_inverse_agrees(
            sample in prop::collection::vec(0.0..100.0f64, 500..700),
            mut probes in prop::collection::vec(0.0..1e4f64, 2..40),
            p in 1e-12..1.0f64,
        ) {
            let calibration = Calibration::fit(&sample).unwrap();
            probes.sort_by(f64::total_cmp);
            for pair in probes.windows(2) {
                prop_assert!(calibration.score(pair[0]) <= calibration.score(pair[1]));
            }
            let surprise = calibration.surprise_at(p);
            let back = calibration.p_value(surprise);
            // p jumps from that of the last entry to that of the tail beyond it.
            let last = calibration.p_value[calibration.p_value.len() - 1];
            let is_in_jump = (calibration.tail_p_value..=last).contains(&p);
            prop_assert!(
                (back / p - 1.0).abs() < 1e-6 || is_in_jump
                    || surprise <= calibration.surprise[0] || p > calibration.p_value[0],
                "{p} -> {surprise} -> {back}"
            );
        }
    }
}
