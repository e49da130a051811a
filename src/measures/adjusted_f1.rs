//! F1 measures that give an event credit for a single alarm in it, at the best of the
//! [hundred thresholds](super::levels).

use super::error::MeasureError;
use super::labelled::Labelled;
use super::levels::{LEVELS, Levels, at_levels, best};

/// What the reference adds to the denominator of its event-based F1.
const F1_EPSILON: f64 = 1e-15;

/// Point-adjusted F1 at the oracle threshold, in [0, 1]: an event with one alarm counts as found in
/// all its windows (Xu et al., "Unsupervised Anomaly Detection via Variational Auto-Encoder for
/// Seasonal KPIs", WWW 2018).
///
/// It flatters: random scores do well where events are long (Kim et al., AAAI 2022). As in the
/// reference, the first window of the series is not adjusted.
/// `labels` and `scores` have one entry per window; a NaN score is never an alarm.
///
/// # Errors
/// Where the series [cannot be judged](MeasureError).
pub fn point_adjusted_f1(labels: &[bool], scores: &[f64]) -> Result<f64, MeasureError> {
    let labelled = Labelled::new(labels, scores)?;
    Ok(best_point_adjusted(&labelled, &Levels::new(&labelled)))
}

/// Event-based F1 at the oracle threshold, in [0, 1): of the share of events with an alarm, and the
/// share of alarms, by windows, that are labelled; the composite F-score of Garg et al., "An
/// Evaluation of Anomaly Detection and Diagnosis in Multivariate Time Series" (TNNLS 2021).
///
/// As in the reference, an event that reaches the end of the series is found without regard to its
/// last window: if that is all there is, it is never found.
/// `labels` and `scores` have one entry per window; a NaN score is never an alarm.
///
/// # Errors
/// Where the series [cannot be judged](MeasureError).
pub fn event_f1(labels: &[bool], scores: &[f64]) -> Result<f64, MeasureError> {
    let labelled = Labelled::new(labels, scores)?;
    Ok(best_event(&labelled, &Levels::new(&labelled)))
}

/// Windows that are alarms at each threshold, of those with a label or without.
fn alarms(labelled: &Labelled<'_>, levels: &Levels, label: bool) -> [usize; LEVELS] {
    let mut tally = [0; LEVELS + 1];
    for (&above, _) in levels
        .above
        .iter()
        .zip(labelled.labels)
        .filter(|row| *row.1 == label)
    {
        tally[usize::from(above)] += 1;
    }
    at_levels(&tally)
}

pub(super) fn best_point_adjusted(labelled: &Labelled<'_>, levels: &Levels) -> f64 {
    let mut tally = [0; LEVELS + 1];
    for event in &labelled.events {
        let first_row = usize::from(event.start == 0);
        tally[levels.highest(event.clone())] += event.len() - first_row;
        tally[usize::from(levels.above[event.start])] += first_row;
    }
    let found = at_levels(&tally);
    let false_alarms = alarms(labelled, levels, false);
    best(|level| {
        let all = found[level] + false_alarms[level] + labelled.positives;
        2.0 * found[level] as f64 / all as f64
    })
}

pub(super) fn best_event(labelled: &Labelled<'_>, levels: &Levels) -> f64 {
    let mut tally = [0_usize; LEVELS + 1];
    for event in &labelled.events {
        let end = event.end.min(labelled.len() - 1);
        tally[levels.highest(event.start..end)] += 1;
    }
    let events_found = at_levels(&tally);
    let found = alarms(labelled, levels, true);
    let false_alarms = alarms(labelled, levels, false);
    best(|level| {
        let recall = events_found[level] as f64 / labelled.events.len() as f64;
        let alarms = found[level] + false_alarms[level];
        let precision = found[level] as f64 / alarms.max(1) as f64;
        2.0 * recall * precision / (recall + precision + F1_EPSILON)
    })
}
