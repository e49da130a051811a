//! Where the detector that judges a series comes from.
//!
//! ```text
//! per-series   own training range ──▶ weights, calibration
//! zero-shot    training ranges of others ──▶ weights    own training range ──▶ calibration
//! fine-tuned   those weights ──▶ some steps more on the own training range ──▶ calibration
//! shipped      the detector that comes with the program, as it is
//! ```
//!
//! "Others" are the other folds: series are dealt into five folds in turn, and the weights that
//! judge a fold were trained on the rest. [`Lessons`] see to it that nothing leaks.
//!
//! A detector with weights from elsewhere is fitted to the step of the series judged by training it
//! there, with no steps for zero-shot. Where the training range is too short for that, the
//! zero-shot detector keeps the calibration of the others, and only its layout changes.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Instant;

use anomalog_udfs::detector::{Detector, DetectorError, ThresholdPolicy, shipped};
use anomalog_udfs::models::Architecture;
use candle_core::Tensor;
use serde::Serialize;

use super::collection::LabelledSeries;
use super::lessons::{Copies, Leak, Lesson, LessonError, Lessons};
use crate::training::{self, TrainingError, TrainingSettings, Weights};

/// Folds of series.
const FOLDS: usize = 5;

/// What a detector learns from before it judges a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// The training range of that series.
    PerSeries,
    /// The training ranges of other series.
    ZeroShot,
    /// Those, then that of the series.
    FineTuned,
    /// What the shipped detector learned from: nothing here.
    Shipped,
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
        }
    }

    /// Whether weights go from some of the series to others.
    #[must_use]
    pub const fn transfers(self) -> bool {
        matches!(self, Self::ZeroShot | Self::FineTuned)
    }
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Calibrated {
    /// The training range of the series judged.
    Own,
    /// Those of other series: because that is too short, or the detector is taken as it is.
    Others,
}

/// A detector that may judge one series.
#[derive(Debug)]
pub struct Prepared {
    /// The detector, with the step of the series.
    pub detector: Detector,
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

impl Subject {
    fn settings(&self, steps: usize) -> TrainingSettings {
        TrainingSettings {
            name: self.architecture.to_string(),
            architecture: self.architecture,
            hidden_size: self.learning.hidden_size,
            steps,
            seed: self.seed,
            began_with: None,
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
    ) -> Result<Detector, TrainingError> {
        let datasets = lessons.datasets();
        training::train_on_all(&self.settings(steps), &datasets, initial, &mut |_| {})
    }

    /// A detector that learns from the series' own training range alone.
    ///
    /// # Errors
    /// When that is too short or holds nothing to learn, or training fails.
    pub fn per_series(&self, series: &LabelledSeries) -> Result<Prepared, ProtocolError> {
        let start = Instant::now();
        let lessons = Lessons::own(series, series.train_points)?;
        Ok(Prepared {
            detector: self.train(&lessons, self.learning.steps, None)?,
            calibrated: Calibrated::Own,
            train_s: start.elapsed().as_secs_f64(),
            has_seen_history: None,
        })
    }

    /// Weights that know nothing of the series of a fold: trained on all others.
    ///
    /// # Errors
    /// When one of the others shares rows with what is judged, all of them are too short, or
    /// training fails.
    pub fn pretrained(
        &self,
        all: &[LabelledSeries],
        copies: &Copies,
        fold: &[usize],
    ) -> Result<Pretrained, ProtocolError> {
        let start = Instant::now();
        let others = (0..all.len()).filter(|series| !fold.contains(series));
        let lessons: Vec<Lesson> = others
            .map(|series| Lesson {
                series,
                rows: all[series].train_points,
            })
            .collect();
        let lessons = Lessons::of_others(all, copies, fold, &lessons)?;
        let detector = self.train(&lessons, self.learning.steps, None)?;
        Ok(Pretrained {
            weights: detector.tensors()?,
            detector,
            train_s: start.elapsed().as_secs_f64(),
        })
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
        let own =
            lessons.and_then(|lessons| Ok(self.train(&lessons, 0, Some(&pretrained.weights))?));
        let (detector, calibrated) = match own {
            Err(ProtocolError::Training(error)) if is_too_short(&error) => {
                let resolutions = pretrained.detector.manifest().layout.resolutions.clone();
                let detector = laid_out_for(&pretrained.detector, series, resolutions)?;
                (detector, Calibrated::Others)
            }
            own => (own?, Calibrated::Own),
        };
        Ok(Prepared {
            detector,
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
    ) -> Result<Prepared, ProtocolError> {
        let start = Instant::now();
        let lessons = Lessons::own(series, series.train_points)?;
        let steps = self.learning.fine_tune_steps;
        Ok(Prepared {
            detector: self.train(&lessons, steps, Some(&pretrained.weights))?,
            calibrated: Calibrated::Own,
            train_s: start.elapsed().as_secs_f64(),
            has_seen_history: None,
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
    let detector = laid_out_for(&*shipped::load(architecture)?, series, vec![1.0])?;
    Ok(Prepared {
        detector,
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

/// A detector as it is, for windows of the length of a series, whose values may be no counts.
fn laid_out_for(
    detector: &Detector,
    series: &LabelledSeries,
    mut resolutions: Vec<f64>,
) -> Result<Detector, DetectorError> {
    let step_micros = i64::from(series.step_seconds) * 1_000_000;
    let history = &series.values[..series.train_points];
    // What is no count has no smallest change.
    let mut finite = history.iter().filter(|value| value.is_finite());
    if finite.any(|value| *value < 0.0 || value.fract() != 0.0) {
        resolutions.fill(0.0);
    }
    detector.laid_out_for(step_micros, resolutions)
}
