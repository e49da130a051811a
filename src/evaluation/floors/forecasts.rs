//! Distances from forecasts that take one line.

use super::trailing::Trailing;

/// Fewest values that a median absolute deviation is taken of.
const MIN_ROBUST_Z_VALUES: usize = 30;
/// Standard deviation of a normal distribution in median absolute deviations.
const NORMAL_CONSISTENCY: f64 = 1.4826;
/// The smallest scale as a share of the median, so that a nearly constant series does not turn
/// rounding into surprise; the detectors' own scale has the same floor.
const SMALLEST_SCALE_SHARE: f64 = 0.01;

/// A number per row, missing where the value is.
fn by_row(values: &[f64], mut score: impl FnMut(usize, f64) -> f64) -> Vec<f64> {
    let score = |(row, value): (usize, &f64)| {
        let score = score(row, *value);
        // Differences of extreme values overflow.
        if value.is_finite() && score.is_finite() {
            score
        } else {
            f64::NAN
        }
    };
    values.iter().enumerate().map(score).collect()
}

/// Uniform draws from [0, 1), the same for the same seed: `SplitMix64` (Steele, Lea & Flood, 2014),
/// indexed by row.
///
/// NaN where the value is missing.
#[must_use]
pub fn random(values: &[f64], seed: u64) -> Vec<f64> {
    by_row(values, |row, _| {
        let state = seed.wrapping_add((row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    })
}

/// Distance to the value of the window before, in units of the metric.
///
/// NaN where either is missing.
#[must_use]
pub fn difference(values: &[f64]) -> Vec<f64> {
    seasonal(values, 1)
}

/// Distance to the value `season` windows before, in units of the metric: the seasonal naive
/// forecast. A season of 0 is one of 1.
///
/// NaN where either is missing.
#[must_use]
pub fn seasonal(values: &[f64], season: usize) -> Vec<f64> {
    by_row(values, |row, value| match row.checked_sub(season.max(1)) {
        Some(before) => (value - values[before]).abs(),
        None => f64::NAN,
    })
}

/// Distance to the median of the `width` windows before, in units of the metric. At the start the
/// median is of what there is.
///
/// NaN where the value, or all of those before it, are missing.
#[must_use]
pub fn from_trailing_median(values: &[f64], width: usize) -> Vec<f64> {
    let mut before = Trailing::new(width);
    by_row(values, |_, value| {
        let score = (value - before.median()).abs();
        before.push(value);
        score
    })
}

/// Distance to the median of the `width` windows before, in median absolute deviations of these
/// times 1.4826; without unit. A deviation of less than 1 % of the median counts as that much, and
/// as 1 where the median is 0 too.
///
/// NaN where the value is missing, or fewer than 30 before it are there.
#[must_use]
pub fn robust_z(values: &[f64], width: usize) -> Vec<f64> {
    let mut before = Trailing::new(width);
    by_row(values, |_, value| {
        let median = before.median();
        let floor = SMALLEST_SCALE_SHARE * median.abs();
        let scale = (NORMAL_CONSISTENCY * before.median_distance(median)).max(floor);
        let is_known = before.values() >= MIN_ROBUST_Z_VALUES;
        before.push(value);
        match scale {
            _ if !is_known => f64::NAN,
            0.0 => (value - median).abs(),
            scale => (value - median).abs() / scale,
        }
    })
}

/// Distance to the exponentially weighted moving average of all windows before, in units of the
/// metric (Roberts, "Control Chart Tests Based on Geometric Moving Averages", Technometrics 1959).
/// `weight`, in (0, 1], is that of the latest; the first value begins the average.
///
/// NaN where the value, or all of those before it, are missing.
#[must_use]
pub fn from_moving_average(values: &[f64], weight: f64) -> Vec<f64> {
    let mut average: Option<f64> = None;
    by_row(values, |_, value| {
        let before = average;
        if value.is_finite() {
            let next = |before: f64| before + weight * (value - before);
            average = Some(before.map_or(value, next));
        }
        before.map_or(f64::NAN, |before| (value - before).abs())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f64 = f64::NAN;

    fn assert_close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        let is_close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-12 || (a.is_nan() && b.is_nan());
        assert!(
            found.iter().zip(expected).all(is_close),
            "{found:?}, expected {expected:?}"
        );
    }

    #[test]
    fn draws_are_those_of_splitmix() {
        // The first two outputs of SplitMix64 from state 1234567, as published by its author.
        let draws = random(&[0.0, NAN, 0.0, 0.0], 1_234_567);
        let unit = |bits: u64| (bits >> 11) as f64 / (1_u64 << 53) as f64;
        assert_close(&draws[..2], &[unit(6_457_827_717_110_365_317), NAN]);
        assert_close(&draws[2..3], &[unit(9_817_491_932_198_370_423)]);
        assert_ne!(random(&[0.0], 1), random(&[0.0], 2));
    }

    #[test]
    fn distances_are_those_of_the_forecasts() {
        let values = [1.0, 3.0, NAN, 2.0, 8.0];
        assert_close(&difference(&values), &[NAN, 2.0, NAN, NAN, 6.0]);
        assert_close(&seasonal(&values, 3), &[NAN, NAN, NAN, 1.0, 5.0]);
        assert_close(&seasonal(&values, 9), &[NAN; 5]);
        assert_close(
            &from_trailing_median(&values, 3),
            &[NAN, 2.0, NAN, 0.0, 5.5],
        );
        assert_close(
            &from_moving_average(&values, 0.5),
            &[NAN, 2.0, NAN, 0.0, 6.0],
        );
        assert_close(&from_trailing_median(&[1.0, 2.0], 0), &[NAN, NAN]);
    }

    #[test]
    fn robust_z_has_a_smallest_scale() {
        // Alternating 9, 11: median 10, deviation 1.
        let mut values: Vec<f64> = (0..40).map(|row| 9.0 + 2.0 * f64::from(row % 2)).collect();
        values.push(20.0);
        let scores = robust_z(&values, 30);
        assert!(scores[..30].iter().all(|score| score.is_nan()));
        assert_close(&scores[40..], &[10.0 / 1.4826]);
        let mut values = vec![10.0; 40];
        values.push(20.0);
        assert_close(&robust_z(&values, 30)[39..], &[0.0, 100.0]);
        let mut values = vec![0.0; 40];
        values.push(20.0);
        assert_close(&robust_z(&values, 30)[39..], &[0.0, 20.0]);
    }
}
