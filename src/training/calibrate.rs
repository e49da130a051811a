//! Errors on the held-back range: what is normal, and how the detector compares with forecasts
//! that need no model.

use anomalog_udfs::calibration::{Calibration, MIN_CALIBRATION_WINDOWS, Ranker};
use anomalog_udfs::detector::Validation;
use anomalog_udfs::forecasting::{MetricForecast, Part, forecast};
use anomalog_udfs::layout::BlockLayout;
use anomalog_udfs::models::{Forecaster, Predictor};
use anomalog_udfs::scoring::rarest_error;
use rayon::prelude::*;

use super::TrainingError;
use super::dataset::{Dataset, Series};

/// What calibration adds to trained weights.
pub(super) struct Calibrated {
    pub(super) errors: Vec<Option<Calibration>>,
    pub(super) calibration: Calibration,
    /// All but the losses.
    pub(super) validation: Validation,
}

/// A forecast of the calibration range and the value before it.
struct Held {
    metrics: Vec<Option<MetricForecast>>,
    previous: Vec<f64>,
}

/// Forecasts the calibration range as scoring would, and ranks the errors.
pub(super) fn calibrate(
    forecaster: &Forecaster,
    datasets: &[&Dataset],
    layouts: &[BlockLayout],
) -> Result<Calibrated, TrainingError> {
    let predictor = Predictor::new(forecaster)?;
    let mut held = Vec::new();
    for (dataset, layout) in datasets.iter().zip(layouts) {
        let of_series: Vec<Vec<Held>> = dataset
            .series()
            .par_iter()
            .map(|series| hold_back(&predictor, dataset, layout, series))
            .collect::<Result<_, _>>()?;
        held.extend(of_series.into_iter().flatten());
    }
    let horizons = layouts.first().map_or(0, |layout| layout.horizons.len());
    let metrics = layouts.first().map_or(0, BlockLayout::metrics);
    let errors: Vec<Option<Calibration>> = (0..metrics)
        .flat_map(|metric| (0..horizons).map(move |horizon| (metric, horizon)))
        .map(|(metric, horizon)| Calibration::fit(&errors(&held, metric, horizon)))
        .collect();
    let rankers: Vec<_> = errors
        .iter()
        .map(|errors| Ranker::new(errors.as_ref()?))
        .collect();
    let sample: Vec<f64> = held
        .iter()
        .filter_map(|row| Some(rarest_error(&row.metrics, &rankers)?.surprise))
        .collect();
    let calibration = Calibration::fit(&sample).ok_or(TrainingError::TooLittleData {
        range: "calibration",
        found: sample.len(),
        needed: MIN_CALIBRATION_WINDOWS,
    })?;
    let validation = Validation {
        detector: mean_error(&held, |part, _| part.expected[0]),
        trailing_median: mean_error(&held, |part, _| part.baseline),
        previous_value: mean_error(&held, |_, previous| previous),
        stop_loss: f64::NAN,
        untrained_stop_loss: f64::NAN,
    };
    Ok(Calibrated {
        errors,
        calibration,
        validation,
    })
}

fn hold_back(
    predictor: &Predictor,
    dataset: &Dataset,
    layout: &BlockLayout,
    series: &Series,
) -> Result<Vec<Held>, TrainingError> {
    let first = series
        .window_start
        .partition_point(|&time| time < dataset.split().stop_until);
    let part = Part {
        rows: series.rows(),
        first_row: first,
    };
    let forecasts =
        forecast(predictor, layout, &[part], true).map_err(|source| TrainingError::Series {
            series: series.key.clone(),
            source,
        })?;
    let width = dataset.metrics().len();
    let rows = first.max(1)..series.window_start.len();
    Ok(rows
        .map(|row| Held {
            metrics: forecasts[0].metrics[row * width..(row + 1) * width].to_vec(),
            previous: series
                .metrics
                .iter()
                .map(|values| values[row - 1])
                .collect(),
        })
        .collect())
}

/// Absolute errors of a metric at a horizon, in scales; NaN where it has none.
fn errors(held: &[Held], metric: usize, horizon: usize) -> Vec<f64> {
    held.iter()
        .filter_map(|row| Some(row.metrics[metric]?.error[horizon].abs()))
        .collect()
}

/// Mean absolute error over all metrics and windows, in scales.
fn mean_error(held: &[Held], expected: impl Fn(&MetricForecast, f64) -> f64) -> f64 {
    let errors: Vec<f64> = held
        .iter()
        .flat_map(|row| row.metrics.iter().zip(&row.previous))
        .filter_map(|(part, &previous)| {
            let part = part.as_ref()?;
            let error = (part.value - expected(part, previous)).abs() / part.scale;
            error.is_finite().then_some(error)
        })
        .collect();
    errors.iter().sum::<f64>() / errors.len().max(1) as f64
}
