//! What is trained to judge series.

use std::sync::Arc;
use std::time::Instant;

use anomalog_engine::detector::{Detector, ThresholdPolicy};
use anomalog_engine::network::Architecture;

use super::collections::LabelledSeries;
use super::copies::Copies;
use super::error::ProtocolError;
use super::protocol::{Calibrated, Learning, Prepared, Transfer, classifiable, others};
use super::training_sets::{TrainingRange, TrainingSets, with_labels};
use crate::training::{self, StepReport, TrainingError, TrainingSettings, Weights};

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
        sets: &TrainingSets,
        steps: usize,
        initial: Option<&Weights>,
        report: Report<'_>,
    ) -> Result<Detector, TrainingError> {
        let datasets = sets.datasets();
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
        let sets = TrainingSets::own(series, series.train_points)?;
        let detector = self.train(&sets, self.learning.steps, None, report)?;
        Ok(Prepared {
            detector: Arc::new(detector),
            calibrated: Calibrated::Own,
            train_s: start.elapsed().as_secs_f64(),
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
        let others = others(all, copies, fold)?.into_iter();
        let ranges: Vec<TrainingRange> = others
            .map(|series| TrainingRange::history(all, series))
            .collect();
        let sets = TrainingSets::of_others(all, copies, fold, &ranges)?;
        let detector = self.train(&sets, self.learning.steps, None, report)?;
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
        let sets = TrainingSets::own(series, series.train_points).map_err(ProtocolError::from);
        let weights = Some(&pretrained.weights);
        let own = sets.and_then(|sets| Ok(self.train(&sets, 0, weights, &mut |_| {})?));
        let (detector, calibrated) = match own {
            Err(ProtocolError::Training(error)) if is_too_short(&error) => {
                let others = &pretrained.detector;
                let resolutions = others.manifest().layout.resolutions.clone();
                let resolutions = series.resolutions(resolutions);
                let detector = others.laid_out_for(series.step_micros(), resolutions)?;
                (detector, Calibrated::Others)
            }
            own => (own?, Calibrated::Own),
        };
        Ok(Prepared {
            detector: Arc::new(detector),
            calibrated,
            train_s: start.elapsed().as_secs_f64(),
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
        let sets = TrainingSets::own(series, series.train_points)?;
        let steps = self.learning.fine_tune_steps;
        let detector = self.train(&sets, steps, Some(&pretrained.weights), report)?;
        Ok(Prepared {
            detector: Arc::new(detector),
            calibrated: Calibrated::Own,
            train_s: start.elapsed().as_secs_f64(),
        })
    }

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
        let ranges: Vec<TrainingRange> = learned
            .into_iter()
            .map(|series| TrainingRange::history(all, series))
            .collect();
        let datasets = with_labels(all, copies, &ranges)?;
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

/// Weights that know nothing of some series.
#[derive(Debug)]
pub struct Pretrained {
    detector: Detector,
    weights: Weights,
    /// Seconds of training, once for all series of a fold.
    pub train_s: f64,
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
        let resolutions = series.resolutions(vec![1.0; series.metrics.len()]);
        let detector = self
            .detector
            .laid_out_for(series.step_micros(), resolutions)?;
        Ok(Prepared {
            detector: Arc::new(detector),
            calibrated: Calibrated::All,
            train_s: 0.0,
        })
    }
}

/// Whether a training range cannot be learned from, or not calibrated on, for what it is.
fn is_too_short(error: &TrainingError) -> bool {
    matches!(
        error,
        TrainingError::TooLittleData { .. } | TrainingError::NoUsableSeries { .. }
    )
}
