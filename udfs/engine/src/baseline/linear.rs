//! A linear forecast of the next window, learned from the history of the series.
//!
//! Inputs are the last eight values about their trailing median of 11, how that median has moved,
//! and what happened at the same time yesterday: those of the [forecasters](crate::features), so
//! far as they are linear. Weights minimise Huber's loss (Huber 1964) by iteratively reweighted
//! least squares (Holland & Welsch 1977), so that the anomalies of the history do not bend them.
//! A network learns from all series, this forecast from one.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::history::MIN_WINDOWS;
use super::quantile::quantile;
use crate::features::SeriesFeatures;
use crate::series::blocks::YESTERDAY_MEDIAN;

/// Last values read.
const VALUES: usize = 8;
/// All inputs: the values, two of the medians, two of yesterday.
const INPUTS: usize = VALUES + 4;
/// Windows between the medians whose difference says where the level goes.
const TREND: i64 = 10;
/// Scales are 1.25 mean absolute deviations, of deviations clipped at this quantile.
const DEVIATION_PER_MEAN: f64 = 1.25;
const SCALE_CLIP: f64 = 0.99;
/// Inputs are clipped to so many scales, targets to so many.
const INPUT_CLIP: f64 = 10.0;
const TARGET_CLIP: f64 = 20.0;
/// Rounds of reweighting.
const ROUNDS: usize = 5;
/// Errors beyond so many medians of them count linearly.
const HUBER: f64 = 1.5;
/// Added to the diagonal of the normal equations, in windows.
const RIDGE: f64 = 30.0;
/// Windows that the weights are learned from at most; more are thinned out evenly.
const MOST_WINDOWS: usize = 8_192;

type Inputs = [f64; INPUTS];

/// Forecasts one metric of a series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LinearForecast {
    weights: Inputs,
    /// In the metric's unit; positive.
    scale: f64,
}

impl LinearForecast {
    /// Learns from the windows of a range; `None` where too few are known or none ever moves.
    pub(super) fn learn(
        features: &SeriesFeatures<'_>,
        metric: usize,
        range: &Range<i64>,
    ) -> Option<Self> {
        let deviation =
            |index| features.value(metric, index) - features.baseline(metric, index - 1);
        let mut deviations: Vec<f64> = (range.clone())
            .map(|index| deviation(index).abs())
            .filter(|deviation| deviation.is_finite())
            .collect();
        if deviations.len() < MIN_WINDOWS * INPUTS {
            return None;
        }
        let clip = quantile(&mut deviations, SCALE_CLIP);
        let clipped = deviations.iter().map(|deviation| deviation.min(clip));
        let scale = DEVIATION_PER_MEAN * clipped.sum::<f64>() / deviations.len() as f64;
        if scale <= 0.0 {
            return None;
        }
        let stride = deviations.len().div_ceil(MOST_WINDOWS);
        let examples: Vec<(Inputs, f64)> = (range.clone().step_by(stride))
            .filter(|index| deviation(*index).is_finite())
            .map(|index| {
                let target = deviation(index) / scale;
                let inputs = inputs(features, metric, index - 1, scale);
                (inputs, target.clamp(-TARGET_CLIP, TARGET_CLIP))
            })
            .collect();
        let weights = fit(&examples)?;
        Some(Self { weights, scale })
    }

    /// The forecast of a window from those before it; NaN where the last ones have no median.
    #[must_use]
    pub fn forecast(&self, features: &SeriesFeatures<'_>, metric: usize, index: i64) -> f64 {
        let inputs = inputs(features, metric, index - 1, self.scale);
        features.baseline(metric, index - 1) + self.scale * dot(&self.weights, &inputs)
    }
}

/// The inputs at a window, in scales; 0 where not known.
fn inputs(features: &SeriesFeatures<'_>, metric: usize, index: i64, scale: f64) -> Inputs {
    let baseline = |index| features.baseline(metric, index);
    let long = |index| features.long_median(metric, index);
    let mut inputs = [0.0; INPUTS];
    let (values, others) = inputs.split_at_mut(VALUES);
    for (back, value) in values.iter_mut().enumerate() {
        *value = features.value(metric, index - back as i64) - baseline(index);
    }
    let days = features
        .day_before(index)
        .zip(features.day_before(index + 1));
    let yesterday = days.map_or([f64::NAN; 2], |(day, day_of_next)| {
        // A trailing median is centred on the window half its width before.
        let centred = index + 1 - day_of_next + (YESTERDAY_MEDIAN / 2) as i64;
        [
            features.yesterday_median(metric, centred) - baseline(index - day),
            long(index) - long(index - day),
        ]
    });
    others.copy_from_slice(&[
        baseline(index) - long(index),
        baseline(index) - baseline(index - TREND),
        yesterday[0],
        yesterday[1],
    ]);
    inputs.map(|input| {
        let input = (input / scale).clamp(-INPUT_CLIP, INPUT_CLIP);
        if input.is_nan() { 0.0 } else { input }
    })
}

fn dot(a: &Inputs, b: &Inputs) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Weights from inputs and targets.
fn fit(examples: &[(Inputs, f64)]) -> Option<Inputs> {
    let mut weights = [0.0; INPUTS];
    let mut importance = vec![1.0; examples.len()];
    for _ in 0..ROUNDS {
        let mut matrix = [[0.0; INPUTS]; INPUTS];
        let mut moments = [0.0; INPUTS];
        for ((inputs, target), importance) in examples.iter().zip(&importance) {
            for (row, input) in inputs.iter().enumerate() {
                let weighted = importance * input;
                moments[row] += weighted * target;
                for (cell, other) in matrix[row].iter_mut().zip(inputs).take(row + 1) {
                    *cell += weighted * other;
                }
            }
        }
        for (row, cells) in matrix.iter_mut().enumerate() {
            cells[row] += RIDGE;
        }
        weights = solve(matrix, moments)?;
        let errors: Vec<f64> = (examples.iter())
            .map(|(inputs, target)| (target - dot(&weights, inputs)).abs())
            .collect();
        let median = quantile(&mut errors.clone(), 0.5);
        let reach = HUBER * median + 1e-3;
        for (importance, error) in importance.iter_mut().zip(&errors) {
            *importance = 1.0 / (error / reach).max(1.0);
        }
    }
    Some(weights)
}

/// Solves a positive definite system, of which the lower triangle is given, by Cholesky's
/// decomposition; `None` where it is not positive definite.
fn solve(mut matrix: [Inputs; INPUTS], mut vector: Inputs) -> Option<Inputs> {
    for row in 0..INPUTS {
        for column in 0..=row {
            let known: f64 = (0..column)
                .map(|k| matrix[row][k] * matrix[column][k])
                .sum();
            let rest = matrix[row][column] - known;
            matrix[row][column] = if row > column {
                rest / matrix[column][column]
            } else if rest > 0.0 {
                rest.sqrt()
            } else {
                return None;
            };
        }
    }
    for row in 0..INPUTS {
        let known: f64 = (0..row).map(|k| matrix[row][k] * vector[k]).sum();
        vector[row] = (vector[row] - known) / matrix[row][row];
    }
    for row in (0..INPUTS).rev() {
        let known: f64 = (row + 1..INPUTS).map(|k| matrix[k][row] * vector[k]).sum();
        vector[row] = (vector[row] - known) / matrix[row][row];
    }
    Some(vector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::SeriesGrid;
    use crate::series::blocks::BlockLayout;
    use crate::series::time_zone::TimeZone;

    fn grid(values: Vec<f64>) -> SeriesGrid {
        SeriesGrid {
            first: 0,
            series_first: 0,
            row_slots: (0..values.len()).collect(),
            metrics: vec![values],
        }
    }

    /// A value between −1 and 1 from a number (`SplitMix64`).
    fn noise(seed: u64) -> f64 {
        let mut z = seed
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(0x1234_5678);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    #[test]
    fn an_autoregression_is_found_in_spite_of_anomalies() {
        let mut values = vec![0.0, 0.0];
        for t in 2..6_000 {
            let next = 1.6 * values[t - 1] - 0.8 * values[t - 2] + noise(t as u64);
            values.push(next);
        }
        for t in (500..6_000).step_by(700) {
            values[t] += 60.0;
        }
        let layout = BlockLayout::for_step(60_000_000, vec![0.0]);
        let grid = grid(values.clone());
        let features = SeriesFeatures::new(&layout, &grid, Some(TimeZone::UTC));
        let linear = LinearForecast::learn(&features, 0, &(70..5_000)).unwrap();
        let mean = |error: &dyn Fn(usize) -> f64| {
            let quiet = (5_000..6_000).filter(|t| t % 700 > 520 || t % 700 < 490);
            let errors: Vec<f64> = quiet.map(|t| error(t).abs()).collect();
            errors.iter().sum::<f64>() / errors.len() as f64
        };
        let of_linear = mean(&|t| values[t] - linear.forecast(&features, 0, t as i64));
        let of_previous = mean(&|t| values[t] - values[t - 1]);
        // Uniform noise has a mean size of 1/2; the median that all inputs are taken about adds some.
        assert!(of_linear < 0.7 * of_previous, "{of_linear} {of_previous}");
    }

    #[test]
    fn silence_and_too_little_history_have_no_forecast() {
        let layout = BlockLayout::for_step(60_000_000, vec![0.0]);
        let silent = grid(vec![3.0; 1_000]);
        let features = SeriesFeatures::new(&layout, &silent, Some(TimeZone::UTC));
        assert!(LinearForecast::learn(&features, 0, &(70..900)).is_none());
        let short = grid((0..200).map(noise).collect());
        let features = SeriesFeatures::new(&layout, &short, Some(TimeZone::UTC));
        assert!(LinearForecast::learn(&features, 0, &(70..190)).is_none());
    }

    #[test]
    fn solving_is_undone_by_multiplying() {
        let mut matrix = [[0.0; INPUTS]; INPUTS];
        let mut wanted = [0.0; INPUTS];
        for row in 0..INPUTS {
            wanted[row] = noise(row as u64);
            for (column, cell) in matrix[row].iter_mut().take(row).enumerate() {
                *cell = noise((row * INPUTS + column) as u64);
            }
            matrix[row][row] = 10.0;
        }
        let cell = |row: usize, column: usize| matrix[row.max(column)][row.min(column)];
        let product: Vec<f64> = (0..INPUTS)
            .map(|row| {
                (0..INPUTS)
                    .map(|column| cell(row, column) * wanted[column])
                    .sum()
            })
            .collect();
        let solved = solve(matrix, product.try_into().unwrap()).unwrap();
        for (solved, wanted) in solved.iter().zip(wanted) {
            assert!((solved - wanted).abs() < 1e-12);
        }
    }
}
