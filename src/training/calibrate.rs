//! Errors on the held-back range: how they compare with those of forecasts that need no model.

use anomalog_engine::baseline::{Evidence, Tail};
use anomalog_engine::detector::Comparison;
use anomalog_engine::detector::{Detector, Validation};
use anomalog_engine::forecast::{MetricForecast, Part, SeriesForecast, forecast};
use anomalog_engine::network::Predictor;
use anomalog_engine::series::blocks::BlockLayout;
use rayon::prelude::*;

use super::dataset::{Dataset, Series};
use super::error::TrainingError;
use super::split::MIN_CALIBRATION_WINDOWS;

/// How far errors reach is the mean of so many of the largest: a quantile of errors that are nearly
/// always 0 says nothing.
const LARGEST_SHARE: f64 = 0.01;
/// An error counts as at most so much, so that anomalies do not decide.
const SIZE_CLIP: f64 = 4.0;
/// The smallest share of the others' reach: a detector that is never wrong on the held-back
/// range will be.
const SMALLEST_SHARE: f64 = 0.1;
/// Microseconds in a day.
const DAY_MICROS: f64 = 86_400e6;

/// What calibration adds to trained weights.
pub(super) struct Calibrated {
    pub(super) comparison: Comparison,
    /// All but the losses.
    pub(super) validation: Validation,
}

/// A forecast of the calibration range of one series.
struct Held {
    forecast: SeriesForecast,
    /// First row of the range.
    first: usize,
    days: f64,
}

/// Forecasts the calibration ranges as scoring would, and compares the errors.
pub(super) fn calibrate(
    predictor: &Predictor,
    datasets: &[&Dataset],
    layouts: &[BlockLayout],
) -> Result<Calibrated, TrainingError> {
    let mut held = Vec::new();
    for (dataset, layout) in datasets.iter().zip(layouts) {
        let of_series: Vec<Held> = dataset
            .series()
            .par_iter()
            .map(|series| hold_back(predictor, dataset, layout, series))
            .collect::<Result<_, _>>()?;
        held.extend(of_series);
    }
    let found = held.iter().map(|held| held.windows().count()).sum();
    enough(found)?;
    let metrics = layouts.first().map_or(0, BlockLayout::metrics);
    let mut comparison = Comparison::none(metrics);
    for (metric, share) in comparison.errors.iter_mut().enumerate() {
        *share = share_of_others(&held, metric);
    }
    for metric in 0..metrics {
        comparison.excess[metric] = excess_share(&held, &comparison, metric);
    }
    Ok(Calibrated {
        comparison,
        validation: Validation {
            windows: found,
            detector: mean_error(&held, |part| part.forecast),
            trailing_median: mean_error(&held, |part| part.baseline),
            previous_value: mean_error(&held, |part| match part.evidence {
                Evidence::Errors(evidence) => evidence.previous,
                Evidence::Scan(z_scores) => z_scores.expected,
            }),
            stop_loss: f64::NAN,
            untrained_stop_loss: f64::NAN,
        },
    })
}

/// How far off a detector's forecasts are on the calibration range of a dataset, relative to those of
/// the trailing median; and the number of windows. `None` if it is a classifier.
///
/// # Errors
/// When a series is not one row per window, or too few windows can be forecast.
pub fn backtest(
    detector: &Detector,
    dataset: &Dataset,
) -> Result<Option<(f64, usize)>, TrainingError> {
    let Some(predictor) = detector.forecaster() else {
        return Ok(None);
    };
    let layout = &detector.manifest().layout;
    let held: Vec<Held> = dataset
        .series()
        .par_iter()
        .map(|series| hold_back(predictor, dataset, layout, series))
        .collect::<Result<_, _>>()?;
    let found = held.iter().map(|held| held.windows().count()).sum();
    enough(found)?;
    let own = mean_error(&held, |part| part.forecast);
    let median = mean_error(&held, |part| part.baseline);
    Ok(Some((own / median, found)))
}

fn enough(found: usize) -> Result<(), TrainingError> {
    if found < MIN_CALIBRATION_WINDOWS {
        return Err(TrainingError::TooLittleData {
            range: "calibration",
            found,
            needed: MIN_CALIBRATION_WINDOWS,
        });
    }
    Ok(())
}

fn hold_back(
    predictor: &Predictor,
    dataset: &Dataset,
    layout: &BlockLayout,
    series: &Series,
) -> Result<Held, TrainingError> {
    let first = series
        .window_start
        .partition_point(|&time| time < dataset.split().stop_until);
    let part = Part {
        rows: series.rows(),
        first_row: first,
    };
    let mut forecasts =
        forecast(predictor, layout, &[part]).map_err(|source| TrainingError::Series {
            series: series.key.clone(),
            source,
        })?;
    let rows = (series.window_start.len() - first) as f64;
    Ok(Held {
        forecast: forecasts.swap_remove(0),
        first,
        days: rows * layout.step_micros as f64 / DAY_MICROS,
    })
}

impl Held {
    fn windows(&self) -> impl Iterator<Item = anomalog_engine::forecast::WindowForecast<'_>> {
        (self.first..self.forecast.status.len()).filter_map(|row| self.forecast.window(row))
    }
}

/// The reach of the detector's errors in a metric as a share of that of the others'; 1 where those
/// hardly err.
fn share_of_others(held: &[Held], metric: usize) -> f64 {
    let sizes: Vec<[f64; 2]> = held
        .iter()
        .flat_map(Held::windows)
        .filter_map(|window| Comparison::errors_of(window, metric))
        .filter(|sizes| sizes.iter().all(|size| size.is_finite()))
        .collect();
    if sizes.len() < 2 {
        return 1.0;
    }
    let count = ((sizes.len() as f64 * LARGEST_SHARE) as usize).clamp(2, sizes.len());
    let [own, others] = [0, 1].map(|of| {
        let mut sizes: Vec<f64> = sizes.iter().map(|sizes| sizes[of]).collect();
        let (largest, ..) = sizes.select_nth_unstable_by(count - 1, |a, b| b.total_cmp(a));
        let largest = largest.iter().map(|size| size.min(SIZE_CLIP));
        largest.sum::<f64>()
    });
    if others > 0.0 {
        (own / others).max(SMALLEST_SHARE)
    } else {
        1.0
    }
}

/// The excess of a metric that alarms reach as often with the detector's forecast as without, as a
/// multiple of that without: the median over series.
fn excess_share(held: &[Held], comparison: &Comparison, metric: usize) -> f64 {
    let without = Comparison {
        errors: vec![f64::INFINITY; comparison.errors.len()],
        excess: comparison.excess.clone(),
    };
    let tail = |held: &Held, comparison: &Comparison| {
        let excess = held
            .windows()
            .map(|window| comparison.excesses(window, metric));
        let excess: Vec<f64> = excess
            .map(|sides| {
                sides
                    .iter()
                    .flatten()
                    .filter(|excess| excess.is_forecast)
                    .map(|excess| excess.size)
                    .fold(f64::NAN, f64::max)
            })
            .collect();
        Tail::of_excesses(&excess, held.days)
    };
    let mut shares: Vec<f64> = held
        .par_iter()
        .filter_map(|held| {
            let (with, without) = (tail(held, comparison)?, tail(held, &without)?);
            let is_comparable = with.rate.total_cmp(&without.rate).is_eq();
            is_comparable.then_some(with.level / without.level)
        })
        .collect();
    if shares.is_empty() {
        return 1.0;
    }
    let middle = shares.len() / 2;
    *shares.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// Mean absolute error over all metrics and windows, in scales.
fn mean_error(held: &[Held], expected: impl Fn(&MetricForecast) -> f64) -> f64 {
    let errors: Vec<f64> = held
        .iter()
        .flat_map(Held::windows)
        .flat_map(|window| window.metrics.iter().flatten())
        .map(|part| (part.value - expected(part)).abs() / part.scale)
        .filter(|error| error.is_finite())
        .collect();
    errors.iter().sum::<f64>() / errors.len().max(1) as f64
}
