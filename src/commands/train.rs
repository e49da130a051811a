//! `anomalog train`: detectors from traffic windows.

use std::fmt;

use anomalog_udfs::DetectorStore;
use anomalog_udfs::detector::{ThresholdPolicy, is_valid_name};
use chrono::{DateTime, Utc};
use datafusion::common::ScalarValue;
use datafusion::prelude::{cast, ident, lit};
use serde::Serialize;

use super::Settings;
use super::windows_input::{self, SERIES, WINDOW_START, WindowsInput};
use crate::cli::TrainArgs;
use crate::error::{Error, Result};
use crate::schema::timestamp_type;
use crate::training::loader::{self, Key, Sampled, Sampling};
use crate::training::{self, Dataset, SkippedSeries, TrainingSettings};
use crate::units::rfc_3339;

/// Optimiser steps unless told otherwise; training stops before when nothing improves.
pub(super) const DEFAULT_STEPS: u32 = 200;
/// Width of the recurrent state unless told otherwise (DESIGN §5a: 48 for many series).
pub(super) const DEFAULT_HIDDEN: u32 = 48;

/// Rows read unless told otherwise: some hundred times those that the optimiser sees.
const DEFAULT_MAX_ROWS: u64 = 4_000_000;

/// What was trained.
#[derive(Debug, Serialize)]
pub struct Trained {
    /// One per architecture.
    pub detectors: Vec<TrainedDetector>,
    /// What was not read because it would have been too much.
    pub sampled: Option<Sampled>,
    /// Series that took no part.
    pub skipped: Vec<SkippedSeries>,
}

/// One new detector, or an old one that came out the same.
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
    /// End of what it has seen, RFC 3339.
    pub until: String,
    /// Optimiser steps taken.
    pub steps: usize,
    /// Laplace negative log-likelihood on the stopping range.
    pub stop_loss: f64,
    /// The same before training.
    pub untrained_stop_loss: f64,
    /// Mean error on the calibration range, relative to that of the trailing median.
    pub error_vs_median: f64,
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
                "trained {}@{} on {} of {} series until {}: {} steps, error {:.3} of the trailing \
                 median's",
                detector.name,
                detector.version,
                detector.metrics.join(", "),
                detector.series,
                detector.until,
                detector.steps,
                detector.error_vs_median
            )?;
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
    settings.printer.summary(&trained)
}

/// Trains one detector per architecture on the same rows.
///
/// # Errors
/// As [`run`].
pub async fn train(settings: &Settings, args: TrainArgs) -> Result<Trained> {
    let names = names(&args)?;
    let (dataset, sampled) = load(settings, &args).await?;
    let folder = settings.warehouse.detectors();
    let mut detectors = Vec::new();
    for (architecture, name) in args.arch.iter().zip(names) {
        let training = TrainingSettings {
            name,
            architecture: (*architecture).into(),
            hidden_size: args.hidden.unwrap_or(DEFAULT_HIDDEN) as usize,
            steps: args.steps.unwrap_or(DEFAULT_STEPS) as usize,
            seed: args.seed,
            threshold: ThresholdPolicy {
                false_alarms_per_week: args.alarms_per_week,
            },
        };
        let steps = training.steps as u64;
        let bar = settings.printer.progress("training", Some(steps));
        // The optimiser is plain computing: other tasks of the runtime may go on meanwhile.
        let detector = tokio::task::block_in_place(|| {
            training::train(&training, &dataset, &mut |report| {
                bar.set_message(format!(
                    "training {} loss {:.3}",
                    training.name, report.stop_loss
                ));
                bar.set_position(report.step as u64);
            })
        })?;
        bar.finish_and_clear();
        let manifest = DetectorStore::save(&folder, &detector)?;
        detectors.push(TrainedDetector {
            version: manifest.version,
            architecture: manifest.architecture.to_string(),
            series: manifest.training.series,
            until: rfc_3339(manifest.training.until_micros),
            steps: manifest.training.steps,
            stop_loss: manifest.validation.stop_loss,
            untrained_stop_loss: manifest.validation.untrained_stop_loss,
            error_vs_median: manifest.validation.detector / manifest.validation.trailing_median,
            metrics: manifest.metrics,
            name: manifest.name,
        });
    }
    Ok(Trained {
        detectors,
        sampled,
        skipped: dataset.skipped().to_vec(),
    })
}

/// One name per architecture: the architecture's, or the one given.
fn names(args: &TrainArgs) -> Result<Vec<String>> {
    if let Some(name) = args.name.as_ref().filter(|name| !is_valid_name(name)) {
        return Err(Error::DetectorName {
            found: name.clone(),
        });
    }
    let name = |architecture: String| match (&args.name, args.arch.len()) {
        (None, _) => architecture,
        (Some(name), 1) => name.clone(),
        (Some(name), _) => format!("{name}_{architecture}"),
    };
    Ok(args
        .arch
        .iter()
        .map(|&architecture| {
            name(anomalog_udfs::models::Architecture::from(architecture).to_string())
        })
        .collect())
}

async fn load(settings: &Settings, args: &TrainArgs) -> Result<(Dataset, Option<Sampled>)> {
    let session = settings.open().await?;
    let input = windows_input::open(&session, &args.input).await?;
    check_metrics(&input, &args.metrics)?;
    let mut frame = input.frame;
    if let Some(until) = args.until {
        frame = frame.filter(ident(WINDOW_START).lt(instant(until)))?;
    }
    let key = Key {
        series: SERIES,
        window_start: WINDOW_START,
    };
    let sampling = Sampling {
        max_rows: args.max_rows.unwrap_or(DEFAULT_MAX_ROWS),
        seed: args.seed,
    };
    let (series, sampled) = loader::load(frame, key, &args.metrics, sampling).await?;
    Ok((Dataset::new(args.metrics.clone(), series)?, sampled))
}

fn check_metrics(input: &WindowsInput, metrics: &[String]) -> Result<()> {
    match metrics
        .iter()
        .find(|metric| !input.numbers.contains(*metric))
    {
        None => Ok(()),
        Some(metric) => Err(Error::UnknownMetric {
            metric: metric.clone(),
            path: input.path.clone(),
            found: input.numbers.iter().cloned().collect(),
        }),
    }
}

/// A time as a literal of a query.
pub(super) fn instant(time: DateTime<Utc>) -> datafusion::prelude::Expr {
    let value =
        ScalarValue::TimestampMicrosecond(Some(time.timestamp_micros()), Some("UTC".into()));
    cast(lit(value), timestamp_type())
}
