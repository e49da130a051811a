//! `anomalog train`: detectors from traffic windows, and classifiers from their labels.

use std::fmt;

use anomalog_engine::detector::DetectorStore;
use anomalog_engine::detector::{Manifest, Objective, ThresholdPolicy};
use chrono::{DateTime, Utc};
use datafusion::common::ScalarValue;
use datafusion::prelude::{cast, ident, lit};
use serde::Serialize;

use super::error::{Result, TrainFault};
use super::settings::Settings;
use super::windows_input::{self, check_metrics};
use crate::calendar::labels;
use crate::cli::TrainArgs;
use crate::progress::Progress;
use crate::schema::{Table, timestamp_type};
use crate::scores::{SERIES, WINDOW_START};
use crate::training::beginning::{TrainingRequest, beginnings, names};
use crate::training::exclusions::Exclusions;
use crate::training::goal::{
    DEFAULT_FINE_TUNE_STEPS, DEFAULT_GATE_STEPS, DEFAULT_HIDDEN, DEFAULT_STEPS,
};
use crate::training::labels::{TrainingLabels, series_keys};
use crate::training::loader::{self, Sampled, Sampling, WindowColumns};
use crate::training::{
    self, Dataset, Feedback, Goal, SkippedSeries, StepReport, TrainingError, TrainingSettings,
};
use crate::units::rfc_3339;

/// Rows read unless told otherwise: some hundred times those that the optimiser sees.
const DEFAULT_MAX_ROWS: u64 = 4_000_000;

/// What `anomalog train` trained.
#[derive(Debug, Serialize)]
pub struct Trained {
    /// One per architecture.
    pub detectors: Vec<TrainedDetector>,
    /// The series that were read, if there are more than may be.
    pub sampled: Option<Sampled>,
    /// Windows of incidents, labels and what was planned, which nothing was learned from.
    pub excluded: usize,
    /// Series that took no part.
    pub skipped: Vec<SkippedSeries>,
}

/// A detector that is new, or that came out the same as its current version.
#[derive(Debug, Serialize)]
pub struct TrainedDetector {
    /// Name.
    pub name: String,
    /// Version.
    pub version: u32,
    /// Architecture.
    pub architecture: String,
    /// Metrics, in order.
    pub metrics: Vec<String>,
    /// Series that took part.
    pub series: usize,
    /// End of the windows that it has seen, RFC 3339.
    pub until: String,
    /// The detector whose weights training began with.
    pub began_with: Option<String>,
    /// Optimiser steps taken.
    pub steps: usize,
    /// What it learned: `forecast` or `classify`.
    pub objective: &'static str,
    /// Laplace negative log-likelihood, or cross-entropy, on the stopping range; `None` where a
    /// classifier has nothing to measure by.
    pub stop_loss: Option<f64>,
    /// The loss on the stopping range before training.
    pub untrained_stop_loss: Option<f64>,
    /// Mean error on the calibration range, relative to that of the trailing median; `None` for
    /// classifiers.
    pub error_vs_median: Option<f64>,
    /// Labelled windows of the calibration range; `None` for forecasters.
    pub held_back_anomalies: Option<usize>,
    /// The labelled windows of the calibration range that reach the threshold.
    pub held_back_found: Option<usize>,
}

impl TrainedDetector {
    fn of(manifest: Manifest) -> Self {
        let objective = manifest.objective.name();
        let mut trained = Self {
            version: manifest.version,
            architecture: manifest.architecture.to_string(),
            series: manifest.training.series,
            until: rfc_3339(manifest.training.until_micros),
            steps: manifest.training.steps,
            objective,
            stop_loss: None,
            untrained_stop_loss: None,
            error_vs_median: manifest.forecasting().and(manifest.relative_error()),
            held_back_anomalies: None,
            held_back_found: None,
            began_with: manifest.training.began_with,
            metrics: manifest.metrics,
            name: manifest.name,
        };
        match manifest.objective {
            Objective::Forecast(forecasting) => {
                trained.stop_loss = Some(forecasting.validation.stop_loss);
                trained.untrained_stop_loss = Some(forecasting.validation.untrained_stop_loss);
            }
            Objective::Classify(classifying) => {
                let validation = classifying.validation;
                trained.stop_loss = validation.stop_loss;
                trained.untrained_stop_loss = validation.untrained_stop_loss;
                trained.held_back_anomalies = Some(validation.anomalous);
                trained.held_back_found = Some(validation.found);
            }
            // No training of a user makes one.
            Objective::Gate(_) => {}
        }
        trained
    }
}

impl fmt::Display for Trained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(sampled) = &self.sampled {
            writeln!(
                f,
                "read {} of {} series, which have {} windows in all: `--max-rows` sets how many \
                 are read",
                sampled.series, sampled.of_series, sampled.of_rows
            )?;
        }
        if self.excluded > 0 {
            writeln!(
                f,
                "left out {} windows of incidents, labels and what was planned: \
                 `--include-anomalies` has them learned from",
                self.excluded
            )?;
        }
        for skipped in &self.skipped {
            writeln!(
                f,
                "left out series `{}`: it {}",
                skipped.series, skipped.reason
            )?;
        }
        for (number, detector) in self.detectors.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write!(
                f,
                "trained {}@{} on {} of {} series until {}: {} steps{}",
                detector.name,
                detector.version,
                detector.metrics.join(", "),
                detector.series,
                detector.until,
                detector.steps,
                detector
                    .began_with
                    .as_ref()
                    .map_or(String::new(), |from| format!(" from {from}")),
            )?;
            if let Some(error) = detector.error_vs_median {
                write!(f, ", error {error:.3} of the trailing median's")?;
            }
            if let Some((found, of)) = detector.held_back_found.zip(detector.held_back_anomalies) {
                write!(
                    f,
                    ", {found} of {of} labelled windows that were held back are anomalies to it"
                )?;
            }
        }
        Ok(())
    }
}

/// Runs `anomalog train`.
///
/// # Errors
/// When the windows cannot be read, are too few, or a detector cannot be written.
pub async fn run(settings: &Settings, args: TrainArgs) -> Result<()> {
    let trained = train(settings, args).await?;
    Ok(settings.printer.summary(&trained)?)
}

/// Trains one detector per architecture on the same rows.
///
/// # Errors
/// As [`run`].
pub async fn train(settings: &Settings, args: TrainArgs) -> Result<Trained> {
    let objective = args.objective;
    match objective {
        Goal::Gate if args.hidden.is_some() => {
            return Err(mismatch_of("--hidden", objective).into());
        }
        Goal::Forecast if args.labels.is_some() => {
            return Err(mismatch_of("--labels", objective).into());
        }
        _ => {}
    }
    let folder = settings.warehouse.detectors();
    let request = TrainingRequest {
        goal: objective,
        architectures: &args.arch,
        from: args.from.as_deref(),
        hidden: args.hidden,
        metrics: &args.metrics,
        name: args.name.as_deref(),
    };
    let beginnings = beginnings(request, &DetectorStore::open(&folder))?;
    let names = names(request, &beginnings)?;
    let labels = match objective {
        Goal::Forecast => None,
        Goal::Gate => Some(read_labels(settings, &args)?),
    };
    let Loaded {
        dataset,
        sampled,
        excluded,
    } = load(settings, &args, labels.as_ref()).await?;
    let skipped = dataset.skipped().to_vec();
    let rows = match &labels {
        None => TrainingRows::Unlabelled(dataset),
        Some(labels) => TrainingRows::Labelled(labels.feedback(dataset)?),
    };
    let mut detectors = Vec::new();
    for (beginning, name) in beginnings.iter().zip(names) {
        let source = beginning.source.as_deref();
        let hidden_size = source.map_or(DEFAULT_HIDDEN as usize, |source| {
            source.manifest().hidden_size
        });
        let steps = match (objective, source) {
            (Goal::Gate, _) => DEFAULT_GATE_STEPS,
            (Goal::Forecast, None) => DEFAULT_STEPS,
            (Goal::Forecast, Some(_)) => DEFAULT_FINE_TUNE_STEPS,
        };
        let training = TrainingSettings {
            name,
            architecture: beginning.architecture,
            hidden_size: args.hidden.map_or(hidden_size, |hidden| hidden as usize),
            steps: args.steps.unwrap_or(steps) as usize,
            seed: args.seed,
            began_with: None,
            horizons: None,
            threshold: ThresholdPolicy {
                false_alarms_per_week: args.alarms_per_week,
            },
        };
        let steps = training.steps as u64;
        let bar = settings.printer.begin("training", Some(steps));
        // The optimiser is plain computing: other tasks of the runtime may go on meanwhile.
        let detector = tokio::task::block_in_place(|| {
            let mut progress = |report: StepReport| {
                let loss = report.stop_loss.unwrap_or(report.loss);
                bar.say(format!("training {} loss {loss:.3}", training.name));
                bar.reach(report.step as u64);
            };
            match &rows {
                TrainingRows::Unlabelled(dataset) => {
                    training::train(&training, dataset, source, &mut progress)
                }
                TrainingRows::Labelled(feedback) => {
                    let source = source.ok_or_else(|| TrainingError::NoGate {
                        detector: training.name.clone(),
                    })?;
                    training::tune_gate(&training, source, feedback, &mut progress)
                }
            }
        })?;
        let _writer = settings.writer("anomalog train").await?;
        let manifest = DetectorStore::save(&folder, &detector)?;
        detectors.push(TrainedDetector::of(manifest));
    }
    Ok(Trained {
        detectors,
        sampled,
        excluded,
        skipped,
    })
}

/// Rows to learn from.
enum TrainingRows {
    Unlabelled(Dataset),
    Labelled(Feedback),
}

fn mismatch_of(option: &'static str, goal: Goal) -> TrainFault {
    TrainFault::ObjectiveMismatch {
        option,
        objective: goal.name(),
    }
}

/// The labels that were named, or those of the warehouse.
fn read_labels(settings: &Settings, args: &TrainArgs) -> Result<TrainingLabels> {
    let (path, all) = match &args.labels {
        Some(path) => (path.clone(), labels::read(path)?),
        None => {
            let path = settings.warehouse.table(Table::Labels);
            let all = labels::read_folder(&path)?;
            (path, all)
        }
    };
    Ok(TrainingLabels::new(path, all))
}

/// The rows to learn from, and what was left out of them.
struct Loaded {
    dataset: Dataset,
    sampled: Option<Sampled>,
    excluded: usize,
}

async fn load(
    settings: &Settings,
    args: &TrainArgs,
    labels: Option<&TrainingLabels>,
) -> Result<Loaded> {
    let session = settings.open().await?;
    let input = windows_input::open(&session, &args.input).await?;
    check_metrics(&input, &args.metrics)?;
    if let Some(labels) = labels {
        let keys = series_keys(input.frame.clone(), SERIES).await?;
        labels.check_series(&keys)?;
    }
    let mut frame = input.frame;
    if let Some(until) = args.until {
        frame = frame.filter(ident(WINDOW_START).lt(instant(until)))?;
    }
    let key = WindowColumns {
        series: SERIES,
        window_start: WINDOW_START,
    };
    let sampling = Sampling {
        max_rows: args.max_rows.unwrap_or(DEFAULT_MAX_ROWS),
        seed: args.seed,
    };
    let (mut series, sampled) = loader::load(frame, key, &args.metrics, sampling).await?;
    for series in &mut series {
        series.time_zone = args.time_zone;
    }
    // Of windows from elsewhere the warehouse knows nothing; a gate learns from anomalies.
    let knows_series = args.input.windows.is_none() && labels.is_none();
    let excluded = if knows_series && !args.include_anomalies {
        let known = Exclusions::known(&session).await?;
        known.apply(&mut series)
    } else {
        0
    };
    Ok(Loaded {
        dataset: Dataset::new(args.metrics.clone(), series)?,
        sampled,
        excluded,
    })
}

/// A time as a literal of a query.
pub(super) fn instant(time: DateTime<Utc>) -> datafusion::prelude::Expr {
    let value =
        ScalarValue::TimestampMicrosecond(Some(time.timestamp_micros()), Some("UTC".into()));
    cast(lit(value), timestamp_type())
}
