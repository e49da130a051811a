//! `anomalog train`: detectors from traffic windows.

use std::fmt;
use std::sync::Arc;

use anomalog_udfs::DetectorStore;
use anomalog_udfs::detector::{Detector, ThresholdPolicy, is_valid_name, shipped};
use anomalog_udfs::models::Architecture;
use chrono::{DateTime, Utc};
use datafusion::common::ScalarValue;
use datafusion::prelude::{cast, ident, lit};
use serde::Serialize;

use super::Settings;
use super::windows_input::{self, check_metrics};
use crate::cli::TrainArgs;
use crate::error::{Error, Result};
use crate::schema::timestamp_type;
use crate::scores::{SERIES, WINDOW_START};
use crate::training::loader::{self, Key, Sampled, Sampling};
use crate::training::{self, Dataset, SkippedSeries, TrainingSettings};
use crate::units::rfc_3339;

/// Optimiser steps unless told otherwise; training stops before when nothing improves.
pub(super) const DEFAULT_STEPS: u32 = 200;
/// Optimiser steps of fine-tuning unless told otherwise (DESIGN §5a).
pub(super) const DEFAULT_FINE_TUNE_STEPS: u32 = 60;
/// `--from` for the shipped detector of each architecture.
const PRETRAINED: &str = "pretrained";
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
    /// The detector whose weights training began with.
    pub began_with: Option<String>,
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
                "trained {}@{} on {} of {} series until {}: {} steps{}, error {:.3} of the trailing \
                 median's",
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
    let folder = settings.warehouse.detectors();
    let beginnings = beginnings(&args, &DetectorStore::open(&folder))?;
    let names = names(&args, &beginnings)?;
    let (dataset, sampled) = load(settings, &args).await?;
    let mut detectors = Vec::new();
    for (beginning, name) in beginnings.iter().zip(names) {
        let source = beginning.source.as_deref();
        let hidden_size = source.map_or(DEFAULT_HIDDEN as usize, |source| {
            source.manifest().hidden_size
        });
        let steps = source.map_or(DEFAULT_STEPS, |_| DEFAULT_FINE_TUNE_STEPS);
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
        let bar = settings.printer.progress("training", Some(steps));
        // The optimiser is plain computing: other tasks of the runtime may go on meanwhile.
        let detector = tokio::task::block_in_place(|| {
            training::train(&training, &dataset, source, &mut |report| {
                bar.set_message(format!(
                    "training {} loss {:.3}",
                    training.name, report.stop_loss
                ));
                bar.set_position(report.step as u64);
            })
        })?;
        bar.finish_and_clear();
        let _writer = settings.writer("anomalog train").await?;
        let manifest = DetectorStore::save(&folder, &detector)?;
        detectors.push(TrainedDetector {
            version: manifest.version,
            architecture: manifest.architecture.to_string(),
            series: manifest.training.series,
            until: rfc_3339(manifest.training.until_micros),
            steps: manifest.training.steps,
            stop_loss: manifest.validation.stop_loss,
            untrained_stop_loss: manifest.validation.untrained_stop_loss,
            error_vs_median: manifest.validation.relative_error(),
            began_with: manifest.training.began_with,
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

/// What training one architecture begins with.
struct Beginning {
    architecture: Architecture,
    /// The detector whose weights it takes; new ones without.
    source: Option<Arc<Detector>>,
}

/// One per architecture asked for: all, or with a named detector that one's.
fn beginnings(args: &TrainArgs, store: &DetectorStore) -> Result<Vec<Beginning>> {
    let asked = || args.arch.iter().map(|arg| Architecture::from(*arg));
    let mut beginnings = Vec::new();
    match args.from.as_deref() {
        Some(from) if from != PRETRAINED => {
            let source = store.get(&from.parse()?)?;
            let architecture = source.manifest().architecture;
            if let Some(other) = asked().find(|asked| *asked != architecture) {
                let expected = format!("has the architecture {architecture}");
                return Err(mismatch(&source, expected, format!("--arch {other}")));
            }
            beginnings.push(Beginning {
                architecture,
                source: Some(source),
            });
        }
        from => {
            let all = Architecture::ALL
                .into_iter()
                .filter(|_| args.arch.is_empty());
            for architecture in asked().chain(all) {
                let source = from.map(|_| shipped::load(architecture)).transpose()?;
                beginnings.push(Beginning {
                    architecture,
                    source,
                });
            }
        }
    }
    for source in beginnings.iter().filter_map(|one| one.source.as_ref()) {
        let manifest = source.manifest();
        if let Some(hidden) = args
            .hidden
            .filter(|hidden| *hidden as usize != manifest.hidden_size)
        {
            let expected = format!("has a state of width {}", manifest.hidden_size);
            return Err(mismatch(source, expected, format!("--hidden {hidden}")));
        }
        if args.metrics.len() != manifest.metrics.len() {
            let expected = match manifest.metrics.len() {
                1 => "learned one metric".to_owned(),
                several => format!("learned {several} metrics"),
            };
            let found = format!("--metrics {}", args.metrics.join(","));
            return Err(mismatch(source, expected, found));
        }
    }
    Ok(beginnings)
}

fn mismatch(source: &Detector, expected: String, found: String) -> Error {
    Error::BeginningMismatch {
        detector: source.manifest().id(),
        expected,
        found,
    }
}

/// One name per architecture: the architecture's, that of the detector begun with, or the one
/// given.
fn names(args: &TrainArgs, beginnings: &[Beginning]) -> Result<Vec<String>> {
    if let Some(name) = args.name.as_ref().filter(|name| !is_valid_name(name)) {
        return Err(Error::DetectorName {
            found: name.clone(),
        });
    }
    let name = |beginning: &Beginning| {
        let architecture = beginning.architecture.to_string();
        let source = beginning
            .source
            .as_ref()
            .map(|source| &source.manifest().name);
        match (&args.name, source, beginnings.len()) {
            (Some(name), _, 1) => name.clone(),
            (Some(name), _, _) => format!("{name}_{architecture}"),
            (None, Some(source), _) if !shipped::is_shipped(source) => source.clone(),
            (None, _, _) => architecture,
        }
    };
    let names: Vec<String> = beginnings.iter().map(name).collect();
    match names.iter().find(|name| shipped::is_shipped(name)) {
        Some(name) => Err(Error::ShippedName {
            found: name.clone(),
        }),
        None => Ok(names),
    }
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

/// A time as a literal of a query.
pub(super) fn instant(time: DateTime<Utc>) -> datafusion::prelude::Expr {
    let value =
        ScalarValue::TimestampMicrosecond(Some(time.timestamp_micros()), Some("UTC".into()));
    cast(lit(value), timestamp_type())
}
