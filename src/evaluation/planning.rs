//! What is checked and counted before anything long begins.

use std::sync::Arc;

use anomalog_engine::detector::Detector;

use super::collections::LabelledSeries;
use super::copies::Copies;
use super::error::ProtocolError;
use super::given::stored;
use super::leak::{Copied, named};
use super::look_alikes::LookAlikes;
use super::protocol::{self, Prepared, Protocol, classifiable, others};
use super::results::SkippedResult;
use super::settings::EvaluationSettings;
use crate::measures::labelled::positives;

/// What judging one series counts as in a [`Counter`](crate::progress::Counter), in optimiser steps.
pub(super) const JUDGING: u64 = 10;

/// Series whose labels have a meaning, by their places, and the reasons of the others.
pub(super) fn usable(all: &[LabelledSeries]) -> (Vec<usize>, Vec<SkippedResult>) {
    let (mut usable, mut skipped) = (Vec::new(), Vec::new());
    for (number, series) in all.iter().enumerate() {
        let mut skip = |missing: &str, reason: String| {
            skipped.push(SkippedResult {
                file: series.file.clone(),
                dataset: series.dataset.clone(),
                detector: None,
                protocol: None,
                seed: None,
                missing: missing.to_owned(),
                reason,
            });
        };
        if let Err(error) = positives(&series.labels) {
            skip("all", error.to_string());
            continue;
        }
        if let Err(error) = positives(&series.labels[series.train_points..]) {
            skip("events", format!("after the training range, {error}"));
        }
        usable.push(number);
    }
    (usable, skipped)
}

/// What is needed to learn from several series.
#[derive(Debug, Default)]
pub(super) struct Lessons {
    /// Which histories share rows with what is judged of other series.
    pub(super) copies: Copies,
    /// The series of each fold; none where no weights are transferred.
    pub(super) folds: Vec<Vec<usize>>,
    /// Histories that are left out of the lessons.
    pub(super) left_out: Vec<Copied>,
}

/// What is needed to transfer weights between series; checks that it is allowed.
///
/// # Errors
/// When weights would know what they must not, or there are too few series.
pub(super) fn check_transfer(
    all: &[LabelledSeries],
    settings: &EvaluationSettings,
) -> Result<Lessons, ProtocolError> {
    let protocols = &settings.protocols;
    let transfer = protocols.iter().copied().find(|p| p.transfer().is_some());
    let is_classifying = protocols.contains(&Protocol::Classify);
    if (transfer.is_none() && !is_classifying) || settings.architectures().is_empty() {
        return Ok(Lessons::default());
    }
    let found = all.len();
    if let Some(protocol) = transfer.filter(|_| found < 2) {
        return Err(ProtocolError::TooFewSeries { protocol, found });
    }
    let copies = Copies::find(all);
    let mut left_out = Vec::new();
    if is_classifying {
        left_out.extend(named(all, &classifiable(found, &copies).1));
    }
    let mut folds = Vec::new();
    if let Some(protocol) = transfer {
        folds = protocol::folds(&LookAlikes::find(all));
        if folds.len() < 2 {
            return Err(ProtocolError::AllAlike { protocol, found });
        }
        for fold in &folds {
            others(all, &copies, fold)?;
            let learned = (0..found).filter(|series| !fold.contains(series));
            left_out.extend(named(all, &copies.shared(fold, learned)));
        }
    }
    Ok(Lessons {
        copies,
        folds,
        left_out,
    })
}

/// Stored detectors, for each series that is judged.
///
/// # Errors
/// When one learned from what is judged, or reads something else.
pub(super) fn check_stored(
    detectors: &[Arc<Detector>],
    all: &[LabelledSeries],
    usable: &[usize],
) -> Result<Vec<Vec<(usize, Prepared)>>, ProtocolError> {
    let of_series = |detector, number: usize| Ok((number, stored(detector, &all[number])?));
    let of_detector = |detector| usable.iter().map(|n| of_series(detector, *n)).collect();
    detectors.iter().map(of_detector).collect()
}

/// All there is to do in so many folds, with so many series that are judged, in optimiser steps.
pub(super) fn planned(settings: &EvaluationSettings, folds: usize, usable: usize) -> u64 {
    let usable = usable as u64;
    let learning = settings.learning;
    let (steps, fine_tune_steps) = (learning.steps as u64, learning.fine_tune_steps as u64);
    let protocols = settings.protocols.iter();
    let of_protocol = |protocol: &Protocol| match protocol {
        Protocol::PerSeries => usable * (JUDGING + steps),
        Protocol::ZeroShot => usable * JUDGING,
        // Once for all seeds.
        Protocol::Shipped => 0,
        Protocol::FineTuned => usable * (JUDGING + fine_tune_steps),
        Protocol::Classify => usable * JUDGING + learning.classifier_steps as u64,
    };
    let transfers = protocols.clone().any(|p| p.transfer().is_some());
    let pretraining = u64::from(transfers) * folds as u64 * steps;
    let subjects = settings.architectures().len() * settings.seeds.len();
    let shipped = if protocols.clone().any(|p| *p == Protocol::Shipped) {
        settings.architectures().len()
    } else {
        0
    };
    let baseline = usize::from(settings.has_baseline());
    let given = baseline + settings.floors().len() + settings.stored.len();
    subjects as u64 * (protocols.map(of_protocol).sum::<u64>() + pretraining)
        + (given + shipped) as u64 * usable * JUDGING
}
