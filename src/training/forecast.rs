//! Trains a forecaster: weights fitted to the fit ranges, errors compared on the calibration ranges.

use anomalog_engine::detector::{
    Detector, FORMAT_VERSION, Forecasting, Manifest, Objective, Training, Validation,
};
use anomalog_engine::features::SeriesFeatures;
use anomalog_engine::network::{ForecasterConfig, Predictor};
use anomalog_engine::series::blocks::{BlockLayout, TIME_INPUTS};
use anomalog_engine::series::time_zone::TimeZone;
use anomalog_engine::series::{SeriesGrid, lay_on_grid};

use super::calibrate;
use super::dataset::Dataset;
use super::descent::StepReport;
use super::error::TrainingError;
use super::fit::{self, FitSegment, FitSettings};
use super::provenance::{input_sha256, manifest_training};
use super::settings::TrainingSettings;
use super::split::Split;
use super::weights::Weights;

/// Trains and calibrates one detector, from new weights or those of a `source`; its version is 0
/// until it is saved. A source that learned one metric goes on as one that forecasts each of several by
/// itself.
///
/// The same settings and rows give the same weights, bit for bit, on the same machine.
///
/// # Errors
/// When the data are too few, a series is not one row per window, or the loss diverges.
pub fn train(
    settings: &TrainingSettings,
    dataset: &Dataset,
    source: Option<&Detector>,
    progress: &mut dyn FnMut(StepReport),
) -> Result<Detector, TrainingError> {
    let initial = source.map(Detector::tensors).transpose()?;
    let settings = TrainingSettings {
        began_with: source.map(|source| source.manifest().id()),
        ..settings.clone()
    };
    let for_each_metric = dataset.metrics().len() > 1
        && source.is_some_and(|source| source.manifest().learned_metrics() == 1);
    let weights = InitialWeights {
        initial: initial.as_ref(),
        for_each_metric,
    };
    train_from(&settings, &[dataset], weights, progress)
}

/// Trains one detector on several datasets, each cut in its own ranges, from `initial` weights or
/// new ones. Its layout and resolutions are those of the first; of the ranges, all of which differ,
/// the manifest has the first's, but the end of everything that was seen.
///
/// # Errors
/// As [`train`], and when the initial weights are not those of such a forecaster.
pub fn train_on_all(
    settings: &TrainingSettings,
    datasets: &[&Dataset],
    initial: Option<&Weights>,
    progress: &mut dyn FnMut(StepReport),
) -> Result<Detector, TrainingError> {
    let weights = InitialWeights {
        initial,
        for_each_metric: false,
    };
    train_from(settings, datasets, weights, progress)
}

/// The weights that a network begins with.
#[derive(Clone, Copy)]
struct InitialWeights<'a> {
    /// The weights by name; without them, they are new.
    initial: Option<&'a Weights>,
    /// Whether the network reads one metric, and forecasts each by itself.
    for_each_metric: bool,
}

fn train_from(
    settings: &TrainingSettings,
    datasets: &[&Dataset],
    InitialWeights {
        initial,
        for_each_metric,
    }: InitialWeights<'_>,
    progress: &mut dyn FnMut(StepReport),
) -> Result<Detector, TrainingError> {
    let Some(dataset) = datasets.first() else {
        let skipped = Vec::new();
        return Err(TrainingError::NoUsableSeries { skipped });
    };
    let layouts: Vec<BlockLayout> = datasets
        .iter()
        .map(|dataset| {
            let layout = BlockLayout::for_step(dataset.step_micros(), dataset.resolutions());
            let horizons = settings.horizons.clone();
            BlockLayout {
                horizons: horizons.unwrap_or(layout.horizons),
                ..layout
            }
        })
        .collect();
    let mut laid_out = Vec::new();
    for (dataset, layout) in datasets.iter().zip(&layouts) {
        let (mut grids, split) = (lay_out(dataset, layout)?, dataset.split());
        if !for_each_metric {
            laid_out.push((layout.clone(), grids, split));
            continue;
        }
        for metric in 0..layout.metrics() {
            let of_metric = grids
                .iter_mut()
                .map(|(grid, zone)| (take_metric(grid, metric), *zone))
                .collect();
            laid_out.push((layout.of_metric(metric), of_metric, split));
        }
    }
    let segments = laid_out
        .iter()
        .flat_map(|(layout, grids, split)| fit_segments(grids, *split, layout));
    let segments: Vec<FitSegment<'_>> = segments.collect();
    let learned = &laid_out[0].0;
    let config = ForecasterConfig {
        architecture: settings.architecture,
        features: learned.features(),
        hidden_size: settings.hidden_size,
        targets: learned.metrics() * learned.horizons.len(),
    };
    let fit_settings = FitSettings {
        steps: settings.steps,
        seed: settings.seed,
        initial,
    };
    let fitted = fit::fit(fit_settings, &segments, &config, progress)?;
    let mut predictor = Predictor::new(&fitted.forecaster)?;
    if for_each_metric {
        predictor = predictor.for_each(dataset.metrics().len(), TIME_INPUTS);
    }
    let calibrated = calibrate::calibrate(&predictor, datasets, &layouts)?;
    let digests: Vec<String> = datasets.iter().map(|dataset| dataset.sha256()).collect();
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        name: settings.name.clone(),
        version: 0,
        architecture: settings.architecture,
        objective: Objective::Forecast(Forecasting {
            comparison: calibrated.comparison,
            validation: Validation {
                stop_loss: fitted.stop_loss,
                untrained_stop_loss: fitted.initial_stop_loss,
                ..calibrated.validation
            },
        }),
        hidden_size: settings.hidden_size,
        metrics: dataset.metrics().to_vec(),
        for_each_metric,
        layout: layouts[0].clone(),
        threshold: settings.threshold,
        training: Training {
            steps: fitted.steps,
            input_sha256: input_sha256(&digests),
            ..manifest_training(settings, datasets.iter().copied(), dataset)
        },
        crate_version: env!("CARGO_PKG_VERSION").to_owned(),
        weights_sha256: String::new(),
    };
    Ok(Detector::new(manifest, &fitted.weights)?)
}

/// Every segment, and its zone.
fn lay_out(
    dataset: &Dataset,
    layout: &BlockLayout,
) -> Result<Vec<(SeriesGrid, TimeZone)>, TrainingError> {
    let mut grids = Vec::new();
    for series in dataset.series() {
        let segments = lay_on_grid(series.rows(), layout);
        let segments = segments.map_err(|error| TrainingError::Series {
            series: series.key.clone(),
            source: error.into(),
        })?;
        grids.extend(segments.into_iter().map(|grid| (grid, series.time_zone)));
    }
    Ok(grids)
}

/// A metric of a segment, as a segment that cannot tell its rows: who learns asks for slots alone.
fn take_metric(grid: &mut SeriesGrid, metric: usize) -> SeriesGrid {
    SeriesGrid {
        first: grid.first,
        series_first: grid.series_first,
        metrics: vec![std::mem::take(&mut grid.metrics[metric])],
        row_slots: Vec::new(),
    }
}

/// Every segment with the ranges of a split.
fn fit_segments<'a>(
    grids: &'a [(SeriesGrid, TimeZone)],
    split: Split,
    layout: &'a BlockLayout,
) -> Vec<FitSegment<'a>> {
    let index = |micros: i64| micros.div_euclid(layout.step_micros);
    let (fit_until, stop_until) = (index(split.fit_until), index(split.stop_until));
    grids
        .iter()
        .map(|(grid, zone)| FitSegment {
            features: SeriesFeatures::new(layout, grid, Some(*zone)),
            fit: i64::MIN..fit_until,
            stop: fit_until..stop_until,
        })
        .collect()
}
