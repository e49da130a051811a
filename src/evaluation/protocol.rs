//! Where the detector that judges a series comes from.
//!
//! ```text
//! per-series   own training range ──▶ weights, calibration
//! zero-shot    training ranges of others ──▶ weights    own training range ──▶ calibration
//! fine-tuned   those weights ──▶ some steps more on the own training range ──▶ calibration
//! shipped      the detector that comes with the program, as it is
//! classify     training ranges of all, with labels ──▶ weights, calibration
//! ```
//!
//! "Others" are the other folds: series are dealt into five folds in turn, and the weights that
//! judge a fold were trained on the rest. [`Lessons`] see to it that nothing leaks.
//!
//! A detector with weights from elsewhere is fitted to the step of the series judged by training it
//! there, with no steps for zero-shot. Where the training range is too short for that, the
//! zero-shot detector keeps the calibration of the others, and only its layout changes.
//!
//! Most series have no labelled anomaly in their training range, and a classifier learns nothing
//! without: so there is one for all series, which has learned from the earlier part of each and is
//! judged on the later part of each.
//!
//! A detector of a store may judge too, if all it was trained on lies before what is judged.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anomalog_engine::detector::{Detector, DetectorError, ThresholdPolicy, shipped};
use anomalog_engine::network::Architecture;
use candle_core::Tensor;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::collection::LabelledSeries;
use super::lessons::{Copies, Leak, Lesson, LessonError, Lessons, with_labels};
use crate::training::{self, StepReport, TrainingError, TrainingSettings, Weights};
use crate::units::rfc_3339;

/// Folds of series.
const FOLDS: usize = 5;

/// What a detector learns from before it judges a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum Protocol {
    /// The training range of that series.
    PerSeries,
    /// The training ranges of other series.
    ZeroShot,
    /// Those, then that of the series.
    FineTuned,
    /// What the shipped detectors learned from: they judge as they are.
    Shipped,
    /// The training ranges of all series, with their labels.
    Classify,
}

impl Protocol {
    /// Its name in tables and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PerSeries => "per-series",
            Self::ZeroShot => "zero-shot",
            Self::FineTuned => "fine-tuned",
            Self::Shipped => "shipped",
            Self::Classify => "classify",
        }
    }

    /// What becomes of weights that were trained on others of the series; `None` where there are none.
    #[must_use]
    pub const fn transfer(self) -> Option<Transfer> {
        match self {
            Self::PerSeries | Self::Shipped | Self::Classify => None,
            Self::ZeroShot => Some(Transfer::AsTheyAre),
            Self::FineTuned => Some(Transfer::FineTuned),
        }
    }
}

/// What becomes of weights that were trained on other series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// Nothing.
    AsTheyAre,
    /// Some steps more on the series judged.
    FineTuned,
}

/// How detectors learn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Learning {
    /// Optimiser steps at most.
    pub steps: usize,
    /// Optimiser steps at most of fine-tuning.
    pub fine_tune_steps: usize,
    /// Width of the recurrent state.
    pub hidden_size: usize,
    /// The same of classifiers.
    pub classifier_hidden_size: usize,
    /// Optimiser steps at most of classifiers.
    pub classifier_steps: usize,
    /// Forecast horizons in windows, ascending from 1; those of the layout unless given.
    pub horizons: Option<&'static [usize]>,
    /// False alarms a week that a detector's own threshold is for.
    pub alarms_per_week: f64,
}

/// What is trained of one architecture with one seed.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    /// The architecture.
    pub architecture: Architecture,
    /// Seed of every random choice.
    pub seed: u64,
    /// How it learns.
    pub learning: Learning,
}

/// Where a detector's calibration comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Calibrated {
    /// The training range of the series judged.
    Own,
    /// Those of other series: because that is too short, or the detector is taken as it is.
    Others,
    /// Those of all series together.
    All,
    /// That of a detector which lies in a store.
    Stored,
}

/// A detector that may judge one series.
#[derive(Debug)]
pub struct Prepared {
    /// The detector, with the step of the series.
    pub detector: Arc<Detector>,
    /// Where its calibration comes from.
    pub calibrated: Calibrated,
    /// Seconds of learning and calibrating for this series.
    pub train_s: f64,
    /// Whether a shipped detector has learned from the first windows of this very series; `None`
    /// for others.
    pub has_seen_history: Option<bool>,
}

impl Prepared {
    /// Numbers that were learned.
    ///
    /// # Errors
    /// When the weights cannot be read back.
    pub fn params(&self) -> Result<usize, DetectorError> {
        let tensors = self.detector.tensors()?;
        Ok(tensors.values().map(Tensor::elem_count).sum())
    }
}

/// Weights that know nothing of some series.
#[derive(Debug)]
pub struct Pretrained {
    detector: Detector,
    weights: Weights,
    /// Seconds of training, once for all series of a fold.
    pub train_s: f64,
}

/// Why there is no detector.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// It would know what it must not.
    #[error(transparent)]
    Leak(#[from] Leak),
    /// There is nothing to transfer from.
    #[error("`{}` needs at least two series, found {found}", .protocol.name())]
    TooFewSeries {
        /// The protocol.
        protocol: Protocol,
        /// How many series there are.
        found: usize,
    },
    /// A stored detector reads something else.
    #[error("detector `{detector}` reads {expected}, and `{file}` has {found}")]
    Unfit {
        /// The detector.
        detector: String,
        /// The series.
        file: String,
        /// What it reads.
        expected: String,
        /// What there is.
        found: String,
    },
    /// Training failed.
    #[error(transparent)]
    Training(Box<TrainingError>),
    /// The shipped detectors have seen rows that are judged.
    #[error(
        "the shipped detectors have learned from {windows} windows of `{file}`, of which those \
         after the first {train_points} are judged"
    )]
    SeenByShipped {
        /// The series.
        file: String,
        /// Windows that they learned from.
        windows: usize,
        /// Windows before the first that is judged.
        train_points: usize,
    },
    /// A detector cannot be made of the weights.
    #[error(transparent)]
    Detector(Box<DetectorError>),
}

impl From<TrainingError> for ProtocolError {
    fn from(error: TrainingError) -> Self {
        Self::Training(Box::new(error))
    }
}

impl From<DetectorError> for ProtocolError {
    fn from(error: DetectorError) -> Self {
        Self::Detector(Box::new(error))
    }
}

impl From<LessonError> for ProtocolError {
    fn from(error: LessonError) -> Self {
        match error {
            LessonError::Leak(leak) => Self::Leak(leak),
            LessonError::Training(error) => Self::Training(error),
        }
    }
}

/// The series of each fold, dealt in turn.
#[must_use]
pub fn folds(series: usize) -> Vec<Vec<usize>> {
    let folds = FOLDS.min(series);
    (0..folds)
        .map(|fold| (fold..series).step_by(folds).collect())
        .collect()
}

/// The series that weights which judge a fold may learn from.
///
/// # Errors
/// When there is none that shares no rows with what is judged.
pub fn others(all: &[LabelledSeries], copies: &Copies, fold: &[usize]) -> Result<Vec<usize>, Leak> {
    let others: Vec<usize> = (0..all.len())
        .filter(|series| !fold.contains(series))
        .collect();
    let shared = copies.shared(fold, others.iter().copied());
    if shared.len() == others.len() {
        copies.refuse(all, fold, others.iter().copied())?;
    }
    let is_shared = |series: &usize| shared.iter().any(|(learned, _)| learned == series);
    Ok(others
        .into_iter()
        .filter(|series| !is_shared(series))
        .collect())
}

/// A detector of a store, for a series that it may judge.
///
/// # Errors
/// When it learned from what is judged, or reads another step or other metrics than there are.
pub fn stored(
    detector: &Arc<Detector>,
    series: &LabelledSeries,
) -> Result<Prepared, ProtocolError> {
    let manifest = detector.manifest();
    let since = series.window_start.get(series.train_points).copied();
    let since = since.unwrap_or(i64::MAX);
    if manifest.training.until_micros > since {
        return Err(ProtocolError::Leak(Leak::Stored {
            detector: manifest.id(),
            until: rfc_3339(manifest.training.until_micros),
            file: series.file.clone(),
            since: rfc_3339(since),
        }));
    }
    let unfit = |expected: String, found: String| ProtocolError::Unfit {
        detector: manifest.id(),
        file: series.file.clone(),
        expected,
        found,
    };
    let names = |metrics: &[String]| format!("the metrics {}", metrics.join(", "));
    if series.metrics_of(&manifest.metrics).is_none() {
        return Err(unfit(names(&manifest.metrics), names(&series.metric_names)));
    }
    let step = step_micros(series);
    if manifest.layout.step_micros != step {
        let seconds = |micros: i64| format!("windows of {} s", micros as f64 / 1e6);
        return Err(unfit(seconds(manifest.layout.step_micros), seconds(step)));
    }
    Ok(Prepared {
        detector: Arc::clone(detector),
        calibrated: Calibrated::Stored,
        train_s: 0.0,
        has_seen_history: None,
    })
}

/// Told of each optimiser step.
pub type Report<'a> = &'a mut dyn FnMut(StepReport);

impl Subject {
    fn settings(&self, steps: usize) -> TrainingSettings {
        TrainingSettings {
            name: self.architecture.to_string(),
            architecture: self.architecture,
            hidden_size: self.learning.hidden_size,
            steps,
            seed: self.seed,
            began_with: None,
            horizons: self.learning.horizons.map(<[usize]>::to_vec),
            threshold: ThresholdPolicy {
                false_alarms_per_week: self.learning.alarms_per_week,
            },
        }
    }

    fn train(
        &self,
        lessons: &Lessons,
        steps: usize,
        initial: Option<&Weights>,
        report: Report<'_>,
    ) -> Result<Detector, TrainingError> {
        let datasets = lessons.datasets();
        training::train_on_all(&self.settings(steps), &datasets, initial, report)
    }

    /// A detector that learns from the series' own training range alone.
    ///
    /// # Errors
    /// When that is too short or holds nothing to learn, or training fails.
    pub fn per_series(
        &self,
        series: &LabelledSeries,
        report: Report<'_>,
    ) -> Result<Prepared, ProtocolError> {
        let start = Instant::now();
        let lessons = Lessons::own(series, series.train_points)?;
        let detector = self.train(&lessons, self.learning.steps, None, report)?;
        Ok(Prepared {
            detector: Arc::new(detector),
            calibrated: Calibrated::Own,
            train_s: start.elapsed().as_secs_f64(),
            has_seen_history: None,
        })
    }

    /// Weights that know nothing of the series of a fold: trained on all others, except those
    /// that share rows with what is judged.
    ///
    /// # Errors
    /// When no other is left, all of them are too short, or training fails.
    pub fn pretrained(
        &self,
        all: &[LabelledSeries],
        copies: &Copies,
        fold: &[usize],
        report: Report<'_>,
    ) -> Result<Pretrained, ProtocolError> {
        let start = Instant::now();
        let others = others(all, copies, fold)?;
        let lessons: Vec<Lesson> = others
            .into_iter()
            .map(|series| Lesson {
                series,
                rows: all[series].train_points,
            })
            .collect();
        let lessons = Lessons::of_others(all, copies, fold, &lessons)?;
        let detector = self.train(&lessons, self.learning.steps, None, report)?;
        Ok(Pretrained {
            weights: detector.tensors()?,
            detector,
            train_s: start.elapsed().as_secs_f64(),
        })
    }

    /// A detector with weights from elsewhere.
    ///
    /// # Errors
    /// As [`Self::zero_shot`] and [`Self::fine_tuned`].
    pub fn transferred(
        &self,
        transfer: Transfer,
        pretrained: &Pretrained,
        series: &LabelledSeries,
        report: Report<'_>,
    ) -> Result<Prepared, ProtocolError> {
        match transfer {
            Transfer::AsTheyAre => self.zero_shot(pretrained, series),
            Transfer::FineTuned => self.fine_tuned(pretrained, series, report),
        }
    }

    /// The weights as they are, calibrated on the series' training range where that is enough.
    ///
    /// # Errors
    /// When calibration fails.
    pub fn zero_shot(
        &self,
        pretrained: &Pretrained,
        series: &LabelledSeries,
    ) -> Result<Prepared, ProtocolError> {
        let start = Instant::now();
        let lessons = Lessons::own(series, series.train_points).map_err(ProtocolError::from);
        let weights = Some(&pretrained.weights);
        let own = lessons.and_then(|lessons| Ok(self.train(&lessons, 0, weights, &mut |_| {})?));
        let (detector, calibrated) = match own {
            Err(ProtocolError::Training(error)) if is_too_short(&error) => {
                let others = &pretrained.detector;
                let resolutions = others.manifest().layout.resolutions.clone();
                let resolutions = resolutions_of(series, resolutions);
                let detector = others.laid_out_for(step_micros(series), resolutions)?;
                (detector, Calibrated::Others)
            }
            own => (own?, Calibrated::Own),
        };
        Ok(Prepared {
            detector: Arc::new(detector),
            calibrated,
            train_s: start.elapsed().as_secs_f64(),
            has_seen_history: None,
        })
    }

    /// The weights after some steps more on the series' training range.
    ///
    /// # Errors
    /// When that is too short or holds nothing to learn, or training fails.
    pub fn fine_tuned(
        &self,
        pretrained: &Pretrained,
        series: &LabelledSeries,
        report: Report<'_>,
    ) -> Result<Prepared, ProtocolError> {
        let start = Instant::now();
        let lessons = Lessons::own(series, series.train_points)?;
        let steps = self.learning.fine_tune_steps;
        let detector = self.train(&lessons, steps, Some(&pretrained.weights), report)?;
        Ok(Prepared {
            detector: Arc::new(detector),
            calibrated: Calibrated::Own,
            train_s: start.elapsed().as_secs_f64(),
            has_seen_history: None,
        })
    }
}

/// The series whose histories a classifier of all series may learn from, and those that it may not,
/// each with a series judged that has the same rows.
#[must_use]
pub fn classifiable(series: usize, copies: &Copies) -> (Vec<usize>, Vec<(usize, usize)>) {
    let all: Vec<usize> = (0..series).collect();
    let shared = copies.shared(&all, all.iter().copied());
    let is_shared = |series: &usize| shared.iter().any(|(learned, _)| learned == series);
    let kept = all.iter().copied().filter(|series| !is_shared(series));
    (kept.collect(), shared)
}

/// A classifier that may judge all series.
#[derive(Debug)]
pub struct CommonClassifier {
    detector: Detector,
    /// Seconds of training, once for all series.
    pub train_s: f64,
}

impl CommonClassifier {
    /// The classifier for windows of a series' length.
    ///
    /// # Errors
    /// When it cannot be laid out for them.
    pub fn for_series(&self, series: &LabelledSeries) -> Result<Prepared, ProtocolError> {
        let resolutions = resolutions_of(series, vec![1.0; series.metrics.len()]);
        let detector = self
            .detector
            .laid_out_for(step_micros(series), resolutions)?;
        Ok(Prepared {
            detector: Arc::new(detector),
            calibrated: Calibrated::All,
            train_s: 0.0,
            has_seen_history: None,
        })
    }
}

impl Subject {
    /// One classifier of the training ranges of all series, with their labels, except those that
    /// share rows with what is judged of another.
    ///
    /// # Errors
    /// When nothing is left, all are too short, none has a labelled window, or training fails.
    pub fn classifier(
        &self,
        all: &[LabelledSeries],
        copies: &Copies,
        report: Report<'_>,
    ) -> Result<CommonClassifier, ProtocolError> {
        let start = Instant::now();
        let (learned, _) = classifiable(all.len(), copies);
        let lessons: Vec<Lesson> = learned
            .into_iter()
            .map(|series| Lesson {
                series,
                rows: all[series].train_points,
            })
            .collect();
        let datasets = with_labels(all, copies, &lessons)?;
        let settings = TrainingSettings {
            hidden_size: self.learning.classifier_hidden_size,
            ..self.settings(self.learning.classifier_steps)
        };
        let detector = training::train_classifier(&settings, &datasets, report)?;
        Ok(CommonClassifier {
            detector,
            train_s: start.elapsed().as_secs_f64(),
        })
    }
}

/// The shipped detector of an architecture as it is, for windows of the series' length.
///
/// # Errors
/// When it has seen rows that are judged, or is of another format than this build.
pub fn shipped(
    architecture: Architecture,
    series: &LabelledSeries,
) -> Result<Prepared, ProtocolError> {
    let start = Instant::now();
    let name = |file: &str| Path::new(file).file_name().map(OsStr::to_owned);
    let mut all_seen = shipped::seen_series().into_iter();
    let seen = all_seen.find(|seen| name(&seen.file) == name(&series.file));
    if let Some(seen) = seen
        .as_ref()
        .filter(|seen| seen.windows > series.train_points)
    {
        return Err(ProtocolError::SeenByShipped {
            file: series.file.clone(),
            windows: seen.windows,
            train_points: series.train_points,
        });
    }
    let metrics = series.metric_names.clone();
    let resolutions = resolutions_of(series, vec![1.0; metrics.len()]);
    let detector = shipped::load(architecture)?;
    let detector = detector.bound_to(metrics, step_micros(series), resolutions)?;
    Ok(Prepared {
        detector: Arc::new(detector),
        calibrated: Calibrated::Others,
        train_s: start.elapsed().as_secs_f64(),
        has_seen_history: Some(seen.is_some()),
    })
}

/// Whether a training range cannot be learned from, or not calibrated on, for what it is.
fn is_too_short(error: &TrainingError) -> bool {
    matches!(
        error,
        TrainingError::TooLittleData { .. } | TrainingError::NoUsableSeries { .. }
    )
}

/// The smallest changes of the metrics of a series: those given, but what is no count has none.
fn resolutions_of(series: &LabelledSeries, mut given: Vec<f64>) -> Vec<f64> {
    for (resolution, values) in given.iter_mut().zip(&series.metrics) {
        let history = &values[..series.train_points];
        let mut finite = history.iter().filter(|value| value.is_finite());
        if finite.any(|value| *value < 0.0 || value.fract() != 0.0) {
            *resolution = 0.0;
        }
    }
    given
}

const fn step_micros(series: &LabelledSeries) -> i64 {
    series.step_seconds as i64 * 1_000_000
}
