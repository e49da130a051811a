//! `anomalog train`: detectors from traffic windows.

use std::fmt;

use anomalog_udfs::DetectorStore;
use anomalog_udfs::detector::{ThresholdPolicy, is_valid_name};
use chrono::{DateTime, Utc};
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Float64Type, TimestampMicrosecondType};
use datafusion::common::ScalarValue;
use datafusion::prelude::{cast, ident, lit};
use futures::StreamExt;
use serde::Serialize;

use super::windows_input::{self, SERIES, WINDOW_START, WindowsInput};
use super::{Settings, rfc_3339};
use crate::cli::TrainArgs;
use crate::error::{Error, Result};
use crate::schema::timestamp_type;
use crate::training::dataset::Series;
use crate::training::{self, Dataset, SkippedSeries, TrainingSettings};

/// Optimiser steps unless told otherwise; training stops before when nothing improves.
const DEFAULT_STEPS: u32 = 200;
/// Width of the recurrent state unless told otherwise (DESIGN §5a: 48 for many series).
const DEFAULT_HIDDEN: u32 = 48;

/// What was trained.
#[derive(Debug, Serialize)]
pub struct Trained {
    /// One per architecture.
    pub detectors: Vec<TrainedDetector>,
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
    let dataset = load(settings, &args).await?;
    let folder = settings.warehouse.detectors();
    let mut detectors = Vec::new();
    for (architecture, name) in args.arch.iter().zip(names) {
        let training = TrainingSettings {
            name,
            architecture: (*architecture).into(),
            hidden_size: args.hidden.unwrap_or(DEFAULT_HIDDEN) as usize,
            steps: args.steps.unwrap_or(DEFAULT_STEPS) as usize,
            seed: args.seed,
            threshold: ThresholdPolicy::default(),
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

async fn load(settings: &Settings, args: &TrainArgs) -> Result<Dataset> {
    let session = settings.open().await?;
    let input = windows_input::open(&session, &args.input).await?;
    check_metrics(&input, &args.metrics)?;
    let mut columns = vec![ident(SERIES), ident(WINDOW_START)];
    let metrics = args.metrics.iter();
    columns.extend(metrics.map(|metric| cast(ident(metric), DataType::Float64).alias(metric)));
    let mut frame = input.frame;
    if let Some(until) = args.until {
        frame = frame.filter(ident(WINDOW_START).lt(instant(until)))?;
    }
    let frame = frame
        .filter(
            ident(WINDOW_START)
                .is_not_null()
                .and(ident(SERIES).is_not_null()),
        )?
        .select(columns)?
        .sort_by(vec![ident(SERIES), ident(WINDOW_START)])?;
    let mut batches = frame.execute_stream().await?;
    let mut series = Vec::new();
    while let Some(batch) = batches.next().await {
        append(&mut series, &batch?, args.metrics.len());
    }
    Ok(Dataset::new(args.metrics.clone(), series)?)
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

/// Adds rows that come ordered by series.
fn append(series: &mut Vec<Series>, batch: &RecordBatch, metrics: usize) {
    let keys = datafusion::arrow::compute::cast(batch.column(0), &DataType::Utf8)
        .expect("the series key was cast to text");
    let keys = keys.as_string::<i32>();
    let times = batch.column(1).as_primitive::<TimestampMicrosecondType>();
    let values: Vec<_> = batch.columns()[2..]
        .iter()
        .map(AsArray::as_primitive::<Float64Type>)
        .collect();
    for row in 0..batch.num_rows() {
        let key = keys.value(row);
        if series.last().is_none_or(|last| last.key != key) {
            let metrics = vec![Vec::new(); metrics];
            series.push(Series {
                key: key.to_owned(),
                window_start: Vec::new(),
                metrics,
            });
        }
        if let Some(last) = series.last_mut() {
            last.window_start.push(times.value(row));
            for (column, value) in last.metrics.iter_mut().zip(&values) {
                column.push(read(value.is_valid(row).then(|| value.value(row))));
            }
        }
    }
}

/// As detectors read it: NaN for NULL, infinite for NaN.
fn read(value: Option<f64>) -> f64 {
    match value {
        None => f64::NAN,
        Some(value) if value.is_nan() => f64::INFINITY,
        Some(value) => value,
    }
}
