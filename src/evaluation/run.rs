//! All candidates on all series.

use super::collections::LabelledSeries;
use super::error::RunError;
use super::planning;
use super::protocol::Protocol;
use super::results::{Evaluation, ScoreSink};
use super::settings::EvaluationSettings;
use super::subject::Subject;
use super::trials::Run;
use crate::progress::Counter;

/// Judges all candidates on all series; tells `progress` how far it is, and gives the scores of
/// each candidate on each series to `sink`, in the order of the results.
///
/// # Errors
/// When weights would know what they must not, there are too few series to transfer between,
/// nothing can be judged at all, or the sink fails.
pub fn evaluate<E: From<RunError>>(
    series: &[LabelledSeries],
    settings: &EvaluationSettings,
    progress: &dyn Counter,
    mut sink: Option<ScoreSink<'_, E>>,
) -> Result<Evaluation, E> {
    let run = Run {
        series,
        settings,
        progress,
        keeps_scores: sink.is_some(),
    };
    let (usable, skipped) = planning::usable(series);
    // Before anything long: leaks and too few series.
    let lessons = planning::check_transfer(series, settings);
    let mut lessons = lessons.map_err(RunError::from)?;
    let stored = planning::check_stored(&settings.stored, series, &usable);
    let stored = stored.map_err(RunError::from)?;
    progress.expect(planning::planned(
        settings,
        lessons.folds.len(),
        usable.len(),
    ));
    let mut evaluation = Evaluation {
        results: Vec::new(),
        skipped,
        left_out: std::mem::take(&mut lessons.left_out),
    };
    for (floor, seed) in settings.floors() {
        evaluation.take(run.floor(floor, seed, &usable), series, &mut sink)?;
    }
    if settings.has_baseline() {
        evaluation.take(run.baseline(&usable), series, &mut sink)?;
    }
    for (detector, prepared) in settings.stored.iter().zip(stored) {
        evaluation.take(run.stored(detector, prepared), series, &mut sink)?;
    }
    for architecture in settings.architectures() {
        if settings.protocols.contains(&Protocol::Shipped) {
            let judged = run.shipped(architecture, &usable);
            evaluation.take(judged.map_err(RunError::from)?, series, &mut sink)?;
        }
        for &seed in &settings.seeds {
            let subject = Subject {
                architecture,
                seed,
                learning: settings.learning,
            };
            let judged = run.subject(subject, &usable, &lessons);
            evaluation.take(judged.map_err(RunError::from)?, series, &mut sink)?;
        }
    }
    if evaluation.results.is_empty() {
        return Err(RunError::Nothing(evaluation.skipped).into());
    }
    Ok(evaluation)
}
