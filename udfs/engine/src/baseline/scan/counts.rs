//! Sums of counts against what was to be expected.
//!
//! Requests come in sessions and bursts, so counts vary more than Poisson's do: the variance of a
//! sum of mean `F` is `φF + αF²`, quasi-Poisson for rare requests and proportional to the level for
//! many. The z-score is the signed root of the deviance of a negative binomial distribution with
//! that variance (`McCullagh` & Nelder 1989), which is close to standard normal even for small counts.

use serde::{Deserialize, Serialize};

use super::history::ScanHistory;
use super::seasonal::{Interpolated, Learned, Recipe, SeasonalProfile};
use super::span::{Observation, SPANS, SpanSum};
use crate::baseline::quantile::quantile;

/// A metric with more than this a window on average is no matter of chance.
const LARGEST_MEAN: f64 = 1_000.0;
/// Values beyond this quantile are clipped before they enter the seasonal profile.
const CLIP: f64 = 0.99;
/// Rarer than this a window, and the median of days is 0.
const RARE: f64 = 1.0;
/// Counts of the overall mean that each slot has seen as well.
const PRIOR_COUNTS: f64 = 20.0;
/// Standard deviation of the level's logarithm about the seasonal profile, and its decay per window.
const LEVEL_DEVIATION: f64 = 0.1;
const LEVEL_DECAY: f64 = 0.995;
/// Variance of the level's logarithm when nothing is known.
pub(super) const LEVEL_VARIANCE: f64 = LEVEL_DEVIATION * LEVEL_DEVIATION;
/// Innovations are clipped to so many standard deviations.
const INNOVATION_CLIP: f64 = 2.0;
/// Squared deviations count at most as so many variances.
const SQUARE_CLIP: f64 = 9.0;
/// No sum of counts follows its seasonal mean more closely.
const LEAST_ALPHA: f64 = 0.002;
/// Counts that vary less than chance makes them, such as those of a probe, have at least this share of
/// its variance: one more or less is nothing.
const LEAST_PHI: f64 = 0.25;
/// Counts as rare as this say little of a level.
const LEAST_RATE: f64 = 0.01;
/// A forecast of less is that of a median, not of a mean.
const LEAST_FORECAST: f64 = 5.0;
/// Rounds in which bounds are mended.
const BOUND_ROUNDS: usize = 2;
/// Dispersion that the first round assumes.
const FIRST_PHI: f64 = 1.5;
const FIRST_ALPHA: f64 = 0.05;

/// Whether values are counts: whole, none below 0, some above, and not too many.
pub(super) fn are_counts(values: &[f64]) -> bool {
    let known = || values.iter().filter(|value| value.is_finite());
    let (mut sum, mut count) = (0.0, 0.0);
    for value in known() {
        if *value < 0.0 || value.fract() != 0.0 {
            return false;
        }
        sum += value;
        count += 1.0;
    }
    sum > 0.0 && sum <= LARGEST_MEAN * count
}

/// The seasonal profile of rates, and the rate of each window of the history.
pub(super) fn rates(history: &ScanHistory<'_>) -> Option<Learned> {
    let mut known: Vec<f64> = history.known().collect();
    let mean = known.iter().sum::<f64>() / known.len() as f64;
    SeasonalProfile::learn(
        history,
        Recipe {
            clip: (0.0, quantile(&mut known, CLIP).max(1.0)),
            trims: mean >= RARE,
            prior_windows: |mean| PRIOR_COUNTS / mean,
            least_sum: 0.5,
            interpolates: Interpolated::Logarithms,
        },
    )
}

/// The variance of sums of counts by their mean: `φF + αF²`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Dispersion {
    phi: f64,
    alpha: f64,
}

impl Dispersion {
    fn variance(self, mean: f64) -> f64 {
        self.phi * mean + self.alpha * mean * mean
    }

    /// The signed root of the deviance of a sum from its mean, which is positive.
    fn z_score(self, sum: f64, mean: f64) -> f64 {
        let (x, f) = (sum / self.phi, mean / self.phi);
        let alpha = self.alpha;
        let likelihood = if x > 0.0 { x * (x / f).ln() } else { 0.0 };
        let deviance =
            likelihood - (x + 1.0 / alpha) * ((1.0 + alpha * x) / (1.0 + alpha * f)).ln();
        (2.0 * deviance).max(0.0).sqrt().copysign(sum - mean)
    }

    /// Whether the z-score is surely smaller than a limit, whatever its sign.
    fn is_within(self, sum: f64, mean: f64, limit: f64) -> bool {
        // The deviance is twice the integral of distance over variance, and the variance grows.
        let least = sum.min(mean);
        let distance = sum - mean;
        distance * distance < limit * limit * self.variance(least)
    }
}

/// Sums of counts.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Counts {
    dispersions: [Dispersion; SPANS.len()],
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            dispersions: SPANS.map(|span| Dispersion {
                phi: FIRST_PHI,
                alpha: FIRST_ALPHA / (span as f64).sqrt(),
            }),
        }
    }
}

impl Counts {
    pub(super) const DECAY: f64 = LEVEL_DECAY;
    /// Less than a tenth of what was to be expected is an outage, for however long.
    pub(super) const OUTAGE: f64 = -2.3;

    /// Not clipped: a single request is far above the mean of a quiet site.
    pub(super) fn above(observation: Observation) -> f64 {
        let Observation {
            value, reference, ..
        } = observation;
        (value - reference) / (reference + LEAST_RATE)
    }

    pub(super) fn distance(windows: &[Observation]) -> f64 {
        let known = || windows.iter().filter(|window| window.is_known);
        let value: f64 = known().map(|window| window.value).sum();
        let reference: f64 = known().map(|window| window.reference).sum();
        ((value + 0.5) / (reference + 0.5)).ln()
    }

    pub(super) fn z_score_at(&self, number: usize, windows: &[Observation], level: f64) -> f64 {
        let known = || windows.iter().filter(|window| window.is_known);
        let value: f64 = known().map(|window| window.value).sum();
        let reference: f64 = known().map(|window| window.reference).sum();
        let mean = reference * level.exp();
        if mean > 0.0 {
            self.dispersions[number].z_score(value, mean)
        } else {
            0.0
        }
    }

    pub(super) fn observe(value: f64, rate: f64) -> Observation {
        Observation {
            value,
            reference: rate,
            scale: 1.0,
            is_known: value.is_finite() && rate > 0.0,
        }
    }

    pub(super) fn expected(rate: f64, level: f64) -> f64 {
        rate * level.exp()
    }

    pub(super) fn is_within(&self, sum: &SpanSum, limit: f64) -> bool {
        self.dispersions[sum.number].is_within(sum.value, sum.mean(), limit)
    }

    pub(super) fn z_score(&self, sum: &SpanSum) -> f64 {
        self.dispersions[sum.number].z_score(sum.value, sum.mean())
    }

    pub(super) fn shift(sum: &SpanSum) -> f64 {
        ((sum.value + 0.5) / (sum.mean() + 0.5)).ln()
    }

    /// The z-score of one window against a forecast; `None` where that is too small.
    pub(super) fn z_score_of_one(&self, value: f64, expected: f64) -> Option<f64> {
        (expected >= LEAST_FORECAST).then(|| self.dispersions[0].z_score(value, expected))
    }

    /// The counts whose z-scores are `−below` and `above`. The transform that makes the variance
    /// constant nearly inverts the z-score; two rounds make up for the rest.
    pub(super) fn bounds(&self, mean: f64, [below, above]: [f64; 2]) -> [f64; 2] {
        let dispersion = self.dispersions[0];
        let root = dispersion.alpha.sqrt();
        let middle = (root * (mean / dispersion.phi).sqrt()).asinh();
        let at = |z: f64| {
            let place = (middle + root * z / 2.0).max(0.0);
            dispersion.phi * (place.sinh() / root).powi(2)
        };
        [-below, above].map(|wanted| {
            let mut aim = wanted;
            for _ in 0..BOUND_ROUNDS {
                let found = dispersion.z_score(at(aim), mean);
                if found != 0.0 {
                    aim *= (wanted / found).abs();
                }
            }
            at(aim)
        })
    }

    pub(super) fn forget(variance: f64) -> f64 {
        let moved = LEVEL_VARIANCE * (1.0 - LEVEL_DECAY * LEVEL_DECAY);
        (LEVEL_DECAY * LEVEL_DECAY * variance + moved).min(LEVEL_VARIANCE)
    }

    /// Moves the logarithm of the level by one window.
    pub(super) fn follow(&self, level: &mut f64, variance: &mut f64, observation: Observation) {
        let Dispersion { phi, alpha } = self.dispersions[0];
        let mean = Self::expected(observation.reference, *level);
        let spread = *variance + phi / mean.max(1e-9) + alpha;
        let most = INNOVATION_CLIP * spread.sqrt();
        let innovation = ((observation.value - mean) / mean).clamp(-most, most);
        let gain = *variance / spread;
        *level += gain * innovation;
        *variance *= 1.0 - gain;
    }
}

/// Weighted least squares of squared deviations on mean and squared mean, per span.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CountMoments {
    of_spans: [Moments; SPANS.len()],
}

#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    a11: f64,
    a12: f64,
    a22: f64,
    b1: f64,
    b2: f64,
}

impl CountMoments {
    pub(super) fn add(&mut self, sum: SpanSum, counts: &Counts) {
        let mean = sum.mean();
        if mean <= 0.0 {
            return;
        }
        let variance = counts.dispersions[sum.number].variance(mean);
        let square = (sum.value - mean).powi(2).min(SQUARE_CLIP * variance);
        let weight = 1.0 / (variance * variance);
        let moments = &mut self.of_spans[sum.number];
        let square_mean = mean * mean;
        moments.a11 += weight * square_mean;
        moments.a12 += weight * square_mean * mean;
        moments.a22 += weight * square_mean * square_mean;
        moments.b1 += weight * square * mean;
        moments.b2 += weight * square * square_mean;
    }

    pub(super) fn apply_to(&self, counts: &mut Counts) {
        for (moments, dispersion) in self.of_spans.iter().zip(&mut counts.dispersions) {
            *dispersion = moments.solve(*dispersion);
        }
    }
}

impl Moments {
    fn solve(self, before: Dispersion) -> Dispersion {
        let Self {
            a11,
            a12,
            a22,
            b1,
            b2,
        } = self;
        if a11 <= 0.0 {
            return before;
        }
        let determinant = a11 * a22 - a12 * a12;
        let is_singular = determinant <= 1e-12 * a11 * a22;
        let (mut phi, mut alpha) = if is_singular {
            (b1 / a11, 0.0)
        } else {
            (
                (b1 * a22 - b2 * a12) / determinant,
                (a11 * b2 - a12 * b1) / determinant,
            )
        };
        if alpha < 0.0 {
            (phi, alpha) = (b1 / a11, 0.0);
        }
        // Clipping hides how rare counts spread, so these have all that chance gives them.
        let typical_mean = a22 / a12;
        let least = if typical_mean < RARE / 2.0 {
            1.0
        } else {
            LEAST_PHI
        };
        if phi < least {
            (phi, alpha) = (least, ((b2 - least * a12) / a22).max(0.0));
        }
        Dispersion {
            phi,
            alpha: alpha.max(LEAST_ALPHA),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DISPERSION: Dispersion = Dispersion {
        phi: 1.3,
        alpha: 0.04,
    };

    #[test]
    fn whole_numbers_are_counts_unless_they_are_many_or_none() {
        assert!(are_counts(&[0.0, 3.0, f64::NAN, 1.0]));
        for others in [
            [0.0; 4],
            [f64::NAN; 4],
            [0.0, 0.5, 1.0, 2.0],
            [-1.0, 2.0, 3.0, 4.0],
            [1_200.0, 900.0, 1_000.0, 1_000.0],
        ] {
            assert!(!are_counts(&others), "{others:?}");
        }
    }

    #[test]
    fn a_z_score_is_the_root_of_the_deviance() {
        // Poisson in the limit: 2(x ln(x/F) − (x − F)) = 2(20 ln 2 − 10) = 7.7259.
        let poisson = Dispersion {
            phi: 1.0,
            alpha: 1e-9,
        };
        let z_score = poisson.z_score(20.0, 10.0);
        assert!((z_score - 7.725_887_222_397_81_f64.sqrt()).abs() < 1e-4);
        // And of no count at all: −√(2F).
        assert!((poisson.z_score(0.0, 8.0) + 4.0).abs() < 1e-6);
        assert!(DISPERSION.z_score(7.0, 7.0).abs() < 1e-6);
    }

    #[test]
    fn the_spread_of_sums_is_found() {
        let mut moments = Moments::default();
        // Two values about each mean, one standard deviation below and above.
        let mut counts = Counts::default();
        for round in 0..8 {
            let mut all = CountMoments::default();
            for step in 1..60 {
                let mean = f64::from(step);
                let deviation = DISPERSION.variance(mean).sqrt();
                for value in [mean - deviation, mean + deviation] {
                    let sum = SpanSum {
                        number: 0,
                        value,
                        reference: mean,
                        known: 1,
                        factor: 1.0,
                    };
                    all.add(sum, &counts);
                }
            }
            all.apply_to(&mut counts);
            moments = all.of_spans[0];
            assert!(moments.a11 > 0.0, "{round}");
        }
        let found = moments.solve(counts.dispersions[0]);
        assert!((found.phi - 1.3).abs() < 1e-6, "{found:?}");
        assert!((found.alpha - 0.04).abs() < 1e-6, "{found:?}");
    }

    proptest! {
        #[test]
        fn z_scores_increase_and_have_a_bound(
            sum in 0.0..500.0f64,
            more in 0.0..500.0f64,
            mean in 0.1..400.0f64,
        ) {
            let z_score = DISPERSION.z_score(sum, mean);
            prop_assert!(DISPERSION.z_score(sum + more, mean) >= z_score - 1e-6);
            prop_assert!(!DISPERSION.is_within(sum, mean, z_score.abs() - 1e-6));
        }

        #[test]
        fn bounds_are_so_many_standard_deviations_away(mean in 2.0..400.0f64, z in 0.5..6.0f64) {
            let mut counts = Counts::default();
            counts.dispersions[0] = DISPERSION;
            let [below, above] = counts.bounds(mean, [z, z]);
            prop_assert!(below <= mean && mean <= above);
            let found = DISPERSION.z_score(above, mean);
            prop_assert!((found / z - 1.0).abs() < 0.05, "{found} {z}");
        }
    }
}
