//! From `traffic_windows` to a detector.
//!
//! The rows before `until` are cut in time, over all series at once, into a **fit** range for the
//! weights, a **stop** range that chooses when to stop, and a **calibration** range on which
//! errors are compared with those of simple forecasts, or the odds of normal windows are ranked. The three do not overlap, and nothing at or after `until` is read, so a
//! detector may be judged on what comes after it.
//!
//! ```text
//! loader (a bounded sample) ──▶ dataset (rows, splits) ──▶ fit (weights) ──▶ calibrate (comparison, validation)
//!                                     └─ labelled ──▶ classify (weights, tail of the odds)
//! ```

pub mod beginning;
mod calibrate;
mod classify;
pub mod dataset;
mod descent;
pub mod exclusions;
mod fit;
pub mod goal;
pub mod labelled;
pub mod labels;
pub mod loader;
pub mod optimiser;

use std::borrow::Cow;
use std::collections::HashMap;

use anomalog_engine::detector::{
    Detector, DetectorError, FORMAT_VERSION, Forecasting, Manifest, Objective, ThresholdPolicy,
    Training, hex_sha256,
};
use anomalog_engine::features::SeriesFeatures;
use anomalog_engine::forecast::ForecastError;
use anomalog_engine::network::{Architecture, ForecasterConfig, Predictor};
use anomalog_engine::series::blocks::{BlockLayout, TIME_INPUTS};
use anomalog_engine::series::time_zone::TimeZone;
use anomalog_engine::series::{SeriesGrid, lay_on_grid};
use candle_core::Tensor;
use fit::{FitSettings, Lesson};
use thiserror::Error;

use crate::explain::Explain;
use crate::units::rfc_3339;

pub use calibrate::backtest;
pub use classify::train_classifier;
use dataset::MIN_CALIBRATION_WINDOWS;
pub use dataset::{Dataset, SkippedSeries, Split};
pub use goal::Goal;

/// How to train one detector.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingSettings {
    /// Name of the detector.
    pub name: String,
    /// Recurrent architecture.
    pub architecture: Architecture,
    /// Width of the recurrent state.
    pub hidden_size: usize,
    /// Optimiser steps at most.
    pub steps: usize,
    /// Seed of weights and batches.
    pub seed: u64,
    /// The detector whose weights it begins with, for the manifest.
    pub began_with: Option<String>,
    /// Forecast horizons in windows, ascending from 1; those of the layout unless given.
    pub horizons: Option<Vec<usize>>,
    /// When a score is an anomaly.
    pub threshold: ThresholdPolicy,
}

/// One report per optimiser step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Steps done.
    pub step: usize,
    /// Steps planned.
    pub steps: usize,
    /// Of the batch: Laplace negative log-likelihood, 0 being that of scale 1 and no error, or
    /// cross-entropy.
    pub loss: f64,
    /// The same on the stopping range, as last measured; `None` where nothing can be.
    pub stop_loss: Option<f64>,
}

/// Why nothing could be trained.
#[derive(Debug, Error)]
pub enum TrainingError {
    /// No series can be learned from.
    #[error("no series can be learned from: {}", describe(skipped))]
    NoUsableSeries {
        /// Every series, with the reason.
        skipped: Vec<SkippedSeries>,
    },
    /// There are too few windows for the three ranges.
    #[error(
        "too little data to train: {found} windows in the {range} range, at least {needed} are \
         needed"
    )]
    TooLittleData {
        /// Which range.
        range: &'static str,
        /// Windows in it.
        found: usize,
        /// Windows needed.
        needed: usize,
    },
    /// A classifier has nothing to find.
    #[error(
        "no window from {} to {}, which is the fit range, is labelled as an anomaly",
        rfc_3339(*from),
        rfc_3339(*until)
    )]
    NoAnomalies {
        /// First window, microseconds since the epoch.
        from: i64,
        /// End of the fit range.
        until: i64,
    },
    /// A classifier has nothing to tell anomalies from.
    #[error(
        "every window from {} to {}, which is the fit range, is labelled as an anomaly",
        rfc_3339(*from),
        rfc_3339(*until)
    )]
    OnlyAnomalies {
        /// First window, microseconds since the epoch.
        from: i64,
        /// End of the fit range.
        until: i64,
    },
    /// A series is not one row per window.
    #[error("series `{series}` cannot be read")]
    Series {
        /// Its key.
        series: String,
        /// What is wrong.
        #[source]
        source: ForecastError,
    },
    /// The loss is no longer finite.
    #[error("training diverged at step {step}: the loss is {loss}")]
    Diverged {
        /// The step.
        step: usize,
        /// The loss.
        loss: f64,
    },
    /// A tensor operation failed.
    #[error("a tensor operation failed")]
    Tensor(#[from] candle_core::Error),
    /// The trained detector cannot be assembled.
    #[error(transparent)]
    Detector(#[from] DetectorError),
}

impl Explain for TrainingError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::NoUsableSeries { .. } => {
                Some("check `SELECT site, count(*), min(requests), max(requests) FROM traffic_windows GROUP BY site`".into())
            }
            Self::TooLittleData { .. } => Some(format!(
                "ingest more history (a day of one site at 1 minute is just enough, {MIN_CALIBRATION_WINDOWS} windows are \
                 kept for calibration alone), move `--until`, or use a shorter `--step`"
            ).into()),
            Self::NoAnomalies { .. } => Some("the last part of the windows before `--until` is held back: move it, label more, or \
                 train without labels".into()),
            Self::OnlyAnomalies { .. } => {
                Some("labels have the columns site, start (inclusive) and end (exclusive)".into())
            }
            Self::Series { source, .. } => source.hint().map(Cow::Borrowed),
            Self::Diverged { .. } => Some("try another `--seed`".into()),
            Self::Tensor(_) => None,
            Self::Detector(error) => error.hint().map(Cow::Owned),
        }
    }
}

fn describe(skipped: &[SkippedSeries]) -> String {
    const SHOWN: usize = 5;
    if skipped.is_empty() {
        return "there are no rows".to_owned();
    }
    let mut text: Vec<String> = skipped
        .iter()
        .take(SHOWN)
        .map(|skip| format!("`{}` {}", skip.series, skip.reason))
        .collect();
    if skipped.len() > SHOWN {
        text.push(format!("and {} more", skipped.len() - SHOWN));
    }
    text.join(", ")
}

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

/// The weights that a network begins with.
#[derive(Clone, Copy)]
struct InitialWeights<'a> {
    /// The weights by name; without them, they are new.
    initial: Option<&'a Weights>,
    /// Whether the network reads one metric, and forecasts each by itself.
    for_each_metric: bool,
}

/// Trained tensors by name.
pub type Weights = HashMap<String, Tensor>;

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
    let lessons_of = laid_out
        .iter()
        .flat_map(|(layout, grids, split)| lessons(grids, *split, layout));
    let lessons_of_all: Vec<Lesson<'_>> = lessons_of.collect();
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
    let fitted = fit::fit(fit_settings, &lessons_of_all, &config, progress)?;
    let mut predictor = Predictor::new(&fitted.forecaster)?;
    if for_each_metric {
        predictor = predictor.for_each(dataset.metrics().len(), TIME_INPUTS);
    }
    let calibrated = calibrate::calibrate(&predictor, datasets, &layouts)?;
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        name: settings.name.clone(),
        version: 0,
        architecture: settings.architecture,
        objective: Objective::Forecast(Forecasting {
            comparison: calibrated.comparison,
            validation: anomalog_engine::detector::Validation {
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
            input_sha256: sha256(datasets),
            ..manifest_training(settings, datasets.iter().copied(), dataset)
        },
        crate_version: env!("CARGO_PKG_VERSION").to_owned(),
        weights_sha256: String::new(),
    };
    Ok(Detector::new(manifest, &fitted.weights)?)
}

/// What a manifest says of the rows of several datasets: the ranges of the first, but the end of
/// everything that was seen. Steps and digest are to be filled in.
fn manifest_training<'a>(
    settings: &TrainingSettings,
    datasets: impl Iterator<Item = &'a Dataset> + Clone,
    first: &Dataset,
) -> Training {
    let splits = || datasets.clone().map(Dataset::split);
    let split = first.split();
    Training {
        from_micros: splits().map(|split| split.from).min().unwrap_or(split.from),
        fit_until_micros: split.fit_until,
        stop_until_micros: split.stop_until,
        until_micros: splits()
            .map(|split| split.until)
            .max()
            .unwrap_or(split.until),
        series: datasets.clone().map(|dataset| dataset.series().len()).sum(),
        rows: datasets.map(Dataset::rows).sum(),
        seed: settings.seed,
        began_with: settings.began_with.clone(),
        steps: 0,
        input_sha256: String::new(),
    }
}

/// The digest of one dataset, or of those of several.
fn sha256(datasets: &[&Dataset]) -> String {
    let digests: Vec<String> = datasets.iter().map(|dataset| dataset.sha256()).collect();
    match &digests[..] {
        [one] => one.clone(),
        several => hex_sha256(several.concat().as_bytes()),
    }
}

/// Every stretch, and its zone.
fn lay_out(
    dataset: &Dataset,
    layout: &BlockLayout,
) -> Result<Vec<(SeriesGrid, TimeZone)>, TrainingError> {
    let mut grids = Vec::new();
    for series in dataset.series() {
        let stretches = lay_on_grid(series.rows(), layout);
        let stretches = stretches.map_err(|error| TrainingError::Series {
            series: series.key.clone(),
            source: error.into(),
        })?;
        grids.extend(stretches.into_iter().map(|grid| (grid, series.time_zone)));
    }
    Ok(grids)
}

/// A metric of a stretch, as a stretch that cannot tell its rows: who learns asks for slots alone.
fn take_metric(grid: &mut SeriesGrid, metric: usize) -> SeriesGrid {
    SeriesGrid {
        first: grid.first,
        series_first: grid.series_first,
        metrics: vec![std::mem::take(&mut grid.metrics[metric])],
        row_slots: Vec::new(),
    }
}

/// Every stretch with the ranges of a split.
fn lessons<'a>(
    grids: &'a [(SeriesGrid, TimeZone)],
    split: Split,
    layout: &'a BlockLayout,
) -> Vec<Lesson<'a>> {
    let index = |micros: i64| micros.div_euclid(layout.step_micros);
    let (fit_until, stop_until) = (index(split.fit_until), index(split.stop_until));
    grids
        .iter()
        .map(|(grid, zone)| Lesson {
            features: SeriesFeatures::new(layout, grid, Some(*zone)),
            fit: i64::MIN..fit_until,
            stop: fit_until..stop_until,
        })
        .collect()
}
