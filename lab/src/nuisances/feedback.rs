//! What a few labels are worth: false incidents of two weeks are labelled, and two later weeks are judged.

use std::ops::Range;
use std::sync::Arc;

use anomalog::incidents::IncidentRules;
use anomalog::training::dataset::Series;
use anomalog::training::{Dataset, Feedback, TrainingSettings, tune_gate};
use anomalog_engine::detector::{Detector, ThresholdPolicy, shipped};
use anomalog_engine::network::Architecture;
use serde::Serialize;

use super::detectors::Judged;
use super::error::JudgeError;
use super::inject::{self, STRENGTHS};
use super::judge::{Scored, anomalous, beyond, incidents, outcome, overlap, own_events};
use super::kind::Nuisance;
use super::make;
use super::site::{DAY, DAYS, MINUTE_MICROS, Site};

/// Days of the weeks that are labelled; the weeks after them are judged.
const LABELLED_UNTIL: usize = 42;
/// Labels of a site at most.
const LABELS: usize = 10;
/// Optimiser steps.
const STEPS: usize = 300;

/// What came of a site before and after.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Learned {
    pub(crate) nuisance: Nuisance,
    pub(crate) seed: u64,
    pub(crate) minutes: usize,
    /// False incidents that were labelled.
    pub(crate) labels: usize,
    /// False incidents of the later weeks, before and after.
    pub(crate) false_incidents: [usize; 2],
    /// Anomalies of the middle strength in the later weeks: how many were found before and after, of how
    /// many.
    pub(crate) found: [usize; 2],
    pub(crate) anomalies: usize,
}

/// Labels the false incidents of a shipped detector on a site, and judges what it learns from that; `None`
/// where there is none.
///
/// # Errors
/// When windows cannot be scored, or nothing can be learned from them.
pub(crate) fn learn(
    architecture: Architecture,
    nuisance: Nuisance,
    seed: u64,
    minutes: usize,
    rules: &IncidentRules,
) -> Result<Option<Learned>, JudgeError> {
    let site = make::make(nuisance, 0, seed);
    let step = minutes as i64 * MINUTE_MICROS;
    let shipped = shipped::load(architecture)?;
    let before = Judged::of("before", Arc::clone(&shipped));
    let until = site.micros(&(LABELLED_UNTIL * DAY..DAYS * DAY)).start;
    let clean = Scored::new(&site, &site.values, minutes, std::slice::from_ref(&before))?;
    let own = own_events(&site, step);
    let found = incidents(&site, &clean.starts, &clean.scores[0], step, rules);
    let is_own = |incident: &Range<i64>| own.iter().any(|event| overlap(event, incident));
    let labelled: Vec<Range<i64>> = found
        .iter()
        .filter(|incident| incident.end <= until && !is_own(incident))
        .take(LABELS)
        .cloned()
        .collect();
    if labelled.is_empty() {
        return Ok(None);
    }
    let tuned = tuned(&site, minutes, &shipped, &labelled)?;
    let judged = [before, Judged::of("after", Arc::new(tuned))];
    let clean = Scored::new(&site, &site.values, minutes, &judged)?;
    let placed = inject::place(&site);
    let (_, deviations) = STRENGTHS[STRENGTHS.len() / 2];
    let (values, mut injected) = inject::inject(&site, &placed, deviations, minutes);
    injected.retain(|anomaly| site.micros(&anomaly.minutes).start >= until);
    let scored = Scored::new(&site, &values, minutes, &judged)?;
    let mut learned = Learned {
        nuisance,
        seed,
        minutes,
        labels: labelled.len(),
        false_incidents: [0; 2],
        found: [0; 2],
        anomalies: injected.len(),
    };
    let scores = clean.scores.iter().zip(&scored.scores);
    for (of, (clean_scores, scores)) in scores.enumerate() {
        let found = incidents(&site, &clean.starts, clean_scores, step, rules);
        let later: Vec<Range<i64>> = found.into_iter().filter(|one| one.start >= until).collect();
        learned.false_incidents[of] = beyond(&later, &own).0;
        let known: Vec<i64> = anomalous(&clean.starts, clean_scores).collect();
        let new: Vec<i64> = anomalous(&scored.starts, scores)
            .filter(|start| known.binary_search(start).is_err())
            .collect();
        let found = incidents(&site, &scored.starts, scores, step, rules);
        let outcome = outcome(&site, &injected, &found, &new, step);
        learned.found[of] = outcome.anomalies.iter().filter(|(_, found)| *found).count();
    }
    Ok(Some(learned))
}

/// A detector that learned that the labelled times are normal, from the windows of the weeks before the
/// judged ones.
fn tuned(
    site: &Site,
    minutes: usize,
    source: &Detector,
    labelled: &[Range<i64>],
) -> Result<Detector, JudgeError> {
    let step = minutes as i64 * MINUTE_MICROS;
    let until = site.micros(&(LABELLED_UNTIL * DAY..DAYS * DAY)).start;
    let (starts, values) = site.windows(&site.values, minutes);
    let rows = starts.partition_point(|start| *start < until);
    let labels = starts[..rows].iter().map(|start| {
        let window = *start..*start + step;
        let is_labelled = labelled.iter().any(|time| overlap(time, &window));
        is_labelled.then_some(false)
    });
    let labels = vec![labels.collect()];
    let series = Series {
        key: "site".to_owned(),
        window_start: starts[..rows].to_vec(),
        metrics: vec![values[..rows].to_vec()],
        time_zone: site.time_zone,
    };
    let dataset = Dataset::new(vec![site.nuisance.metric().to_owned()], vec![series])?;
    let settings = TrainingSettings {
        name: "ours".to_owned(),
        architecture: source.manifest().architecture,
        hidden_size: source.manifest().hidden_size,
        steps: STEPS,
        seed: site.seed,
        began_with: None,
        horizons: None,
        threshold: ThresholdPolicy::default(),
    };
    let feedback = Feedback { dataset, labels };
    Ok(tune_gate(&settings, source, &feedback, &mut |_| ())?)
}
