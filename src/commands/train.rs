//! `anomalog train`: detectors from traffic windows, and classifiers from their labels.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use anomalog_engine::detector::DetectorStore;
use anomalog_engine::detector::{
    Detector, Manifest, Objective, ThresholdPolicy, is_valid_name, shipped,
};
use anomalog_engine::network::Architecture;
use chrono::{DateTime, Utc};
use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute::cast as cast_array;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::prelude::{cast, ident, lit};
use serde::Serialize;

use super::Settings;
use super::error::{Result, TrainFault};
use super::windows_input::{self, WindowsInput, check_metrics};
use crate::calendar::labels::{self, Label};
use crate::cli::{ObjectiveArg, TrainArgs};
use crate::progress::Progress;
use crate::schema::{Table, timestamp_type};
use crate::scores::{SERIES, WINDOW_START};
use crate::training::exclusions::Exclusions;
use crate::training::labelled::LabelledDataset;
use crate::training::loader::{self, Key, Sampled, Sampling};
use crate::training::{self, Dataset, SkippedSeries, StepReport, TrainingSettings};
use crate::units::rfc_3339;

/// Optimiser steps unless told otherwise; training stops before when nothing improves.
pub(super) const DEFAULT_STEPS: u32 = 200;
/// Optimiser steps of fine-tuning unless told otherwise (DESIGN §5a).
pub(super) const DEFAULT_FINE_TUNE_STEPS: u32 = 60;
/// `--from` for the shipped detector of each architecture.
const PRETRAINED: &str = "pretrained";
/// Width of the recurrent state unless told otherwise (DESIGN §5a: 48 for many series).
pub(super) const DEFAULT_HIDDEN: u32 = 48;
/// The same for classifiers (Kim & Cho 2018).
pub(super) const DEFAULT_CLASSIFIER_HIDDEN: u32 = 64;
/// What is added to the architecture to name a classifier, so that a forecaster's stays its own.
const CLASSIFIER_SUFFIX: &str = "_classify";

/// Rows read unless told otherwise: some hundred times those that the optimiser sees.
const DEFAULT_MAX_ROWS: u64 = 4_000_000;

/// What was trained.
#[derive(Debug, Serialize)]
pub struct Trained {
    /// One per architecture.
    pub detectors: Vec<TrainedDetector>,
    /// What was not read because it would have been too much.
    pub sampled: Option<Sampled>,
    /// Windows that nothing was learned from: those of incidents, labels and what was planned.
    pub excluded: usize,
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
    /// What it learned: `forecast` or `classify`.
    pub objective: &'static str,
    /// Laplace negative log-likelihood, or cross-entropy, on the stopping range; `None` where a
    /// classifier has nothing to measure by.
    pub stop_loss: Option<f64>,
    /// The same before training.
    pub untrained_stop_loss: Option<f64>,
    /// Mean error on the calibration range, relative to that of the trailing median; `None` for
    /// classifiers.
    pub error_vs_median: Option<f64>,
    /// Labelled windows of the calibration range; `None` for forecasters.
    pub held_back_anomalies: Option<usize>,
    /// Those of them that reach the threshold.
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
            error_vs_median: manifest.relative_error(),
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
        ObjectiveArg::Classify if args.from.is_some() => {
            return Err(mismatch_of("--from", objective).into());
        }
        ObjectiveArg::Forecast if args.labels.is_some() => {
            return Err(mismatch_of("--labels", objective).into());
        }
        _ => {}
    }
    let folder = settings.warehouse.detectors();
    let beginnings = beginnings(&args, &DetectorStore::open(&folder))?;
    let names = names(&args, &beginnings)?;
    let labels = match objective {
        ObjectiveArg::Forecast => None,
        ObjectiveArg::Classify => Some(Labels::read(settings, &args)?),
    };
    let Loaded {
        dataset,
        sampled,
        excluded,
    } = load(settings, &args, labels.as_ref()).await?;
    let skipped = dataset.skipped().to_vec();
    let lessons = match &labels {
        None => Lessons::Unlabelled(dataset),
        Some(labels) => Lessons::Labelled(labels.label(dataset)?),
    };
    let mut detectors = Vec::new();
    for (beginning, name) in beginnings.iter().zip(names) {
        let source = beginning.source.as_deref();
        let default_hidden = match objective {
            ObjectiveArg::Forecast => DEFAULT_HIDDEN,
            ObjectiveArg::Classify => DEFAULT_CLASSIFIER_HIDDEN,
        };
        let hidden_size = source.map_or(default_hidden as usize, |source| {
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
        let bar = settings.printer.begin("training", Some(steps));
        // The optimiser is plain computing: other tasks of the runtime may go on meanwhile.
        let detector = tokio::task::block_in_place(|| {
            let mut progress = |report: StepReport| {
                let loss = report.stop_loss.unwrap_or(report.loss);
                bar.say(format!("training {} loss {loss:.3}", training.name));
                bar.reach(report.step as u64);
            };
            match &lessons {
                Lessons::Unlabelled(dataset) => {
                    training::train(&training, dataset, source, &mut progress)
                }
                Lessons::Labelled(dataset) => {
                    let datasets = std::slice::from_ref(dataset);
                    training::train_classifier(&training, datasets, &mut progress)
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
enum Lessons {
    Unlabelled(Dataset),
    Labelled(LabelledDataset),
}

fn mismatch_of(option: &'static str, objective: ObjectiveArg) -> TrainFault {
    TrainFault::ObjectiveMismatch {
        option,
        objective: match objective {
            ObjectiveArg::Forecast => "forecast",
            ObjectiveArg::Classify => "classify",
        },
    }
}

/// Labels, and where they came from.
struct Labels {
    path: PathBuf,
    all: Vec<Label>,
}

impl Labels {
    fn read(settings: &Settings, args: &TrainArgs) -> Result<Self> {
        let (path, all) = match &args.labels {
            Some(path) => (path.clone(), labels::read(path)?),
            None => {
                let path = settings.warehouse.table(Table::Labels);
                let all = labels::read_folder(&path)?;
                (path, all)
            }
        };
        Ok(Self { path, all })
    }

    /// Refuses labels of series that the input does not have at any time.
    async fn check_series(&self, input: &WindowsInput) -> Result<()> {
        let keys = input
            .frame
            .clone()
            .select(vec![ident(SERIES)])?
            .distinct()?;
        let mut found = BTreeSet::new();
        for batch in keys.collect().await? {
            let keys = cast_array(batch.column(0), &DataType::Utf8)?;
            found.extend(keys.as_string::<i32>().iter().flatten().map(str::to_owned));
        }
        match self.all.iter().find(|label| !found.contains(&label.site)) {
            None => Ok(()),
            Some(label) => Err(TrainFault::UnknownSeries {
                labels: self.path.clone(),
                series: label.site.clone(),
                found: found.into_iter().collect(),
            }
            .into()),
        }
    }

    /// Labels the rows of a dataset.
    fn label(&self, dataset: Dataset) -> Result<LabelledDataset> {
        let (split, step) = (dataset.split(), dataset.step_micros());
        let labelled = LabelledDataset::new(dataset, |series| {
            labels::covered(&self.all, &series.key, &series.window_start, step)
        });
        if labelled.series().any(|(_, labels)| labels.contains(&true)) {
            return Ok(labelled);
        }
        Err(TrainFault::NoLabels {
            labels: self.path.clone(),
            count: self.all.len(),
            from: rfc_3339(split.from),
            until: rfc_3339(split.until),
        }
        .into())
    }
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
                return Err(mismatch(&source, expected, format!("--arch {other}")).into());
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
        if let Objective::Classify(_) = manifest.objective {
            let expected = "is a classifier".to_owned();
            return Err(mismatch(source, expected, "--objective forecast".to_owned()).into());
        }
        if let Some(hidden) = args
            .hidden
            .filter(|hidden| *hidden as usize != manifest.hidden_size)
        {
            let expected = format!("has a state of width {}", manifest.hidden_size);
            return Err(mismatch(source, expected, format!("--hidden {hidden}")).into());
        }
        // What learned one metric goes on with each of several by itself.
        let learned = manifest.learned_metrics();
        if learned > 1 && args.metrics.len() != learned {
            let expected = format!("learned {learned} metrics");
            let found = format!("--metrics {}", args.metrics.join(","));
            return Err(mismatch(source, expected, found).into());
        }
    }
    Ok(beginnings)
}

fn mismatch(source: &Detector, expected: String, found: String) -> TrainFault {
    TrainFault::BeginningMismatch {
        detector: source.manifest().id(),
        expected,
        found,
    }
}

/// One name per architecture: the architecture's, that of the detector begun with, or the one
/// given.
fn names(args: &TrainArgs, beginnings: &[Beginning]) -> Result<Vec<String>> {
    if let Some(name) = args.name.as_ref().filter(|name| !is_valid_name(name)) {
        return Err(TrainFault::DetectorName {
            found: name.clone(),
        }
        .into());
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
            (None, _, _) => match args.objective {
                ObjectiveArg::Forecast => architecture,
                ObjectiveArg::Classify => architecture + CLASSIFIER_SUFFIX,
            },
        }
    };
    let names: Vec<String> = beginnings.iter().map(name).collect();
    match names.iter().find(|name| shipped::is_shipped(name)) {
        Some(name) => Err(TrainFault::ShippedName {
            found: name.clone(),
        }
        .into()),
        None => Ok(names),
    }
}

/// Rows, and what is not among them.
struct Loaded {
    dataset: Dataset,
    sampled: Option<Sampled>,
    excluded: usize,
}

async fn load(settings: &Settings, args: &TrainArgs, labels: Option<&Labels>) -> Result<Loaded> {
    let session = settings.open().await?;
    let input = windows_input::open(&session, &args.input).await?;
    check_metrics(&input, &args.metrics)?;
    if let Some(labels) = labels {
        labels.check_series(&input).await?;
    }
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
    let (mut series, sampled) = loader::load(frame, key, &args.metrics, sampling).await?;
    for series in &mut series {
        series.time_zone = args.time_zone;
    }
    // Of windows from elsewhere the warehouse knows nothing; a classifier learns from anomalies.
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
