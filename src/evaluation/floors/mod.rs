//! Scores that need no training: what a detector has to beat.
//!
//! Each is causal: the score of a window depends on it and on windows before, never on later ones
//! or on statistics of the whole series. Values that are not finite are missing: such a window has
//! score NaN, and so has one with too little history; for the windows after it, it is as if there
//! had been a gap. Scores are in units of the metric or without unit; only their order matters.

mod forecasts;
#[cfg(test)]
mod published_tests;
mod spectral_residual;
mod trailing;

pub use forecasts::{
    difference, from_moving_average, from_trailing_median, random, robust_z, seasonal,
};
pub use spectral_residual::spectral_residual;

const SECONDS_PER_DAY: u32 = 86_400;
/// Of [`Floor::RobustZ`], a day is cut short where windows are shorter than a minute, and stretched
/// where they are longer than half an hour, so that there is enough to take a median of.
const ROBUST_Z_WINDOWS: (usize, usize) = (48, 1_440);
/// Of the moving average: what Hunter, "The Exponentially Weighted Moving Average" (Journal of
/// Quality Technology, 1986) finds good for catching small shifts.
const MOVING_AVERAGE_WEIGHT: f64 = 0.2;

/// Of several metrics, the score that counts as 1: exceeded by this share of the training range.
const UNIT_QUANTILE: f64 = 0.99;

/// A score that needs no training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Floor {
    /// Uniform draws: what chance has.
    Random,
    /// [`difference`] to the window before.
    Difference,
    /// Distance [`from_trailing_median`] of 11 windows.
    Median11,
    /// Distance [`from_trailing_median`] of 31 windows.
    Median31,
    /// [`robust_z`] over one day, at least 48 and at most 1440 windows.
    RobustZ,
    /// [`seasonal`] difference to the same time yesterday.
    Yesterday,
    /// [`seasonal`] difference to the same time a week ago.
    LastWeek,
    /// Distance [`from_moving_average`] with weight 0.2.
    MovingAverage,
    /// [`spectral_residual()`].
    SpectralResidual,
}

impl Floor {
    /// All of them, cheapest to explain first.
    pub const ALL: [Self; 9] = [
        Self::Random,
        Self::Difference,
        Self::Median11,
        Self::Median31,
        Self::RobustZ,
        Self::Yesterday,
        Self::LastWeek,
        Self::MovingAverage,
        Self::SpectralResidual,
    ];

    /// Its name in tables and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Difference => "difference",
            Self::Median11 => "median-11",
            Self::Median31 => "median-31",
            Self::RobustZ => "robust-z",
            Self::Yesterday => "yesterday",
            Self::LastWeek => "last-week",
            Self::MovingAverage => "ewma",
            Self::SpectralResidual => "spectral-residual",
        }
    }

    /// The scores of a series, one per value, which is one per window of `step_seconds`.
    ///
    /// `seed` is that of [`Self::Random`]. A step that is longer than a season is one season long.
    #[must_use]
    pub fn score(self, values: &[f64], step_seconds: u32, seed: u64) -> Vec<f64> {
        let day = (SECONDS_PER_DAY / step_seconds.max(1)).max(1) as usize;
        let week = (7 * SECONDS_PER_DAY / step_seconds.max(1)).max(1) as usize;
        match self {
            Self::Random => random(values, seed),
            Self::Difference => difference(values),
            Self::Median11 => from_trailing_median(values, 11),
            Self::Median31 => from_trailing_median(values, 31),
            Self::RobustZ => robust_z(values, day.clamp(ROBUST_Z_WINDOWS.0, ROBUST_Z_WINDOWS.1)),
            Self::Yesterday => seasonal(values, day),
            Self::LastWeek => seasonal(values, week),
            Self::MovingAverage => from_moving_average(values, MOVING_AVERAGE_WEIGHT),
            Self::SpectralResidual => spectral_residual(values),
        }
    }

    /// The scores of a series of several metrics, one per window: the largest of the metrics'
    /// scores, each divided by its 99 % quantile in the first `training` windows, as the units
    /// differ. A metric whose quantile is not above 0 there takes no part. Of a single metric they
    /// are as they are.
    #[must_use]
    pub fn score_all(
        self,
        metrics: &[Vec<f64>],
        training: usize,
        step_seconds: u32,
        seed: u64,
    ) -> Vec<f64> {
        if let [values] = metrics {
            return self.score(values, step_seconds, seed);
        }
        let mut largest = vec![f64::NAN; metrics.first().map_or(0, Vec::len)];
        for values in metrics {
            let scores = self.score(values, step_seconds, seed);
            let Some(unit) = unit(&scores[..training.min(scores.len())]) else {
                continue;
            };
            for (largest, score) in largest.iter_mut().zip(scores) {
                // `max` leaves NaN out.
                *largest = largest.max(score / unit);
            }
        }
        largest
    }
}

/// The quantile that scores are divided by; `None` where it is not above 0.
fn unit(scores: &[f64]) -> Option<f64> {
    let mut known: Vec<f64> = scores.iter().copied().filter(|s| s.is_finite()).collect();
    let place = (known.len() as f64 * UNIT_QUANTILE) as usize;
    if place >= known.len() {
        return None;
    }
    let (_, unit, _) = known.select_nth_unstable_by(place, f64::total_cmp);
    (*unit > 0.0).then_some(*unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Half an hour: a day is 48 windows.
    const STEP: u32 = 1_800;

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![8 => -1e3..1e3f64, 2 => Just(0.0), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn scores_depend_on_the_past_alone(
            values in prop::collection::vec(value(), 0..1_100),
            cut in 0..1_100usize,
        ) {
            let past = &values[..cut.min(values.len())];
            for floor in Floor::ALL {
                let whole = floor.score(&values, STEP, 7);
                let part = floor.score(past, STEP, 7);
                prop_assert_eq!(whole.len(), values.len());
                for ((row, whole), part) in whole.iter().enumerate().zip(&part) {
                    prop_assert_eq!(whole.to_bits(), part.to_bits(), "{} {}", floor.name(), row);
                }
                for (score, value) in whole.iter().zip(&values) {
                    prop_assert!(!score.is_infinite(), "{}", floor.name());
                    prop_assert!(score.is_nan() || value.is_finite(), "{}", floor.name());
                }
            }
        }
    }

    #[test]
    fn of_several_metrics_the_most_unusual_counts() {
        let noise = |seed, unit: f64| -> Vec<f64> {
            let noise = random(&[0.0; 2_000], seed);
            noise.into_iter().map(|value| unit * value).collect()
        };
        let mut metrics = [noise(1, 1.0), noise(2, 1e6), vec![3.0; 2_000]];
        metrics[0][1_500] = 40.0;
        metrics[1][1_700] = f64::NAN;
        let scores = Floor::Median11.score_all(&metrics, 1_000, STEP, 0);
        let scored = (0..2_000).filter(|row| scores[*row].is_finite());
        let highest = scored.max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        assert_eq!(highest, Some(1_500));
        assert!(scores[1_700].is_finite(), "another metric has a value");
        let alone = Floor::Median11.score_all(&metrics[..1], 1_000, STEP, 0);
        assert_eq!(alone[1..], Floor::Median11.score(&metrics[0], STEP, 0)[1..]);
        let flat = [metrics[2].clone(), metrics[2].clone()];
        let constant = Floor::Median11.score_all(&flat, 1_000, STEP, 0);
        assert!(constant.iter().all(|score| score.is_nan()));
    }

    #[test]
    fn steps_longer_than_a_season_or_of_no_length_are_served() {
        let values = [1.0, 2.0, 4.0];
        for step in [0, 1, u32::MAX] {
            for floor in Floor::ALL {
                assert_eq!(floor.score(&values, step, 1).len(), 3);
            }
        }
        assert_eq!(Floor::Yesterday.score(&values, 172_800, 1)[1..], [1.0, 2.0]);
    }

    #[test]
    fn a_spike_is_the_highest_score_of_every_floor_that_looks() {
        // A month of a noisy daily wave, and one spike near the end.
        let wave = |(row, noise): (usize, f64)| {
            let phase = row as f64 / 48.0 * std::f64::consts::TAU;
            100.0 + 20.0 * phase.sin() + 10.0 * noise
        };
        let noise = random(&[0.0; 1_440], 5);
        let mut values: Vec<f64> = noise.into_iter().enumerate().map(wave).collect();
        values[1_300] += 300.0;
        for floor in Floor::ALL {
            let scores = floor.score(&values, STEP, 1);
            let highest = (0..scores.len())
                .filter(|row| !scores[*row].is_nan())
                .max_by(|a, b| scores[*a].total_cmp(&scores[*b]))
                .unwrap();
            // The difference back down, and that to the spike a day later, are about as large.
            let is_found = [1_300, 1_301, 1_348].contains(&highest);
            assert!(
                is_found || floor == Floor::Random,
                "{} {highest}",
                floor.name()
            );
        }
    }
}
