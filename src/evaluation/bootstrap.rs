//! How sure a mean over series is.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// Resamples. The ends of an interval vary by a few hundredths of its width from seed to seed.
const RESAMPLES: usize = 2_000;
/// The share of resampled means that an interval holds.
pub const COVERAGE: f64 = 0.9;
/// The same figures give the same interval.
const SEED: u64 = 0;

/// A mean and where it would lie for other series of the same kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Mean over series.
    pub mean: f64,
    /// Lower end; `None` with fewer than two series.
    pub low: Option<f64>,
    /// Upper end; `None` with fewer than two series.
    pub high: Option<f64>,
    /// Series.
    pub series: usize,
}

/// The mean of one figure per series with its 90 % percentile bootstrap interval (Efron 1979):
/// series are drawn with replacement. `None` without series.
///
/// Of differences between two detectors on the same series it is the paired interval. With few
/// series percentile intervals are too narrow.
#[must_use]
pub fn mean_interval(figures: &[f64]) -> Option<Interval> {
    let series = figures.len();
    if series == 0 {
        return None;
    }
    let mean = figures.iter().sum::<f64>() / series as f64;
    let (mut low, mut high) = (None, None);
    if series > 1 {
        let mut generator = ChaCha8Rng::seed_from_u64(SEED);
        let mut resample = || {
            let drawn = (0..series).map(|_| figures[generator.random_range(0..series)]);
            drawn.sum::<f64>() / series as f64
        };
        let mut means: Vec<f64> = (0..RESAMPLES).map(|_| resample()).collect();
        means.sort_unstable_by(f64::total_cmp);
        let outside = ((1.0 - COVERAGE) / 2.0 * RESAMPLES as f64).round() as usize;
        low = Some(means[outside]);
        high = Some(means[RESAMPLES - 1 - outside]);
    }
    Some(Interval {
        mean,
        low,
        high,
        series,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::floors::random;

    #[test]
    fn an_interval_is_that_of_the_normal_approximation() {
        let figures = random(&[0.0; 400], 1);
        let found = mean_interval(&figures).unwrap();
        let variance = figures
            .iter()
            .map(|figure| (figure - found.mean).powi(2))
            .sum::<f64>()
            / 400.0;
        let half = 1.645 * (variance / 400.0).sqrt();
        for (end, expected) in [
            (found.low.unwrap(), found.mean - half),
            (found.high.unwrap(), found.mean + half),
        ] {
            assert!((end - expected).abs() < 0.1 * half, "{found:?}");
        }
        assert_eq!(Some(found), mean_interval(&figures), "it is seeded");
    }

    #[test]
    fn few_series_have_no_interval_or_one_within_their_range() {
        assert_eq!(mean_interval(&[]), None);
        let one = mean_interval(&[0.5]).unwrap();
        assert_eq!((one.mean, one.low, one.high), (0.5, None, None));
        let two = mean_interval(&[0.0, 1.0]).unwrap();
        assert_eq!((two.low, two.high), (Some(0.0), Some(1.0)));
        let same = mean_interval(&[0.25; 5]).unwrap();
        assert_eq!((same.low, same.high), (Some(0.25), Some(0.25)));
    }
}
