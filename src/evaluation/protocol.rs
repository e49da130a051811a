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
//! "Others" are the other folds: series are dealt into five folds, [look-alikes](super::look_alikes) into
//! the same, and the weights that judge a fold were trained on the rest.
//! [Training sets](super::training_sets) see to it that nothing leaks.
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

use std::sync::Arc;

use anomalog_engine::detector::{Detector, DetectorError};
use candle_core::Tensor;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::collections::LabelledSeries;
use super::copies::Copies;
use super::leak::Leak;
use super::look_alikes::LookAlikes;

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
    /// The training ranges of all series, with their labels. No user's choice: the lab compares what is
    /// published with it.
    #[value(skip)]
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

/// The series of each fold.
#[must_use]
pub fn folds(look_alikes: &LookAlikes) -> Vec<Vec<usize>> {
    look_alikes.folds(FOLDS)
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
