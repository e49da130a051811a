//! What a report says, whatever its form.

use serde::Serialize;

use crate::evaluation::leak::Copied;
use crate::evaluation::results::{Evaluation, SeriesResult, SkippedResult};
use crate::evaluation::settings::EvaluationSettings;
use crate::evaluation::summary::{Summary, summarise};

/// Results with their summary.
#[derive(Debug, Serialize)]
pub struct Report {
    /// One per series, candidate, protocol and seed.
    pub results: Vec<SeriesResult>,
    /// What is not among them, and why.
    pub skipped: Vec<SkippedResult>,
    /// Histories that weights did not learn from, because they hold rows that are judged.
    pub left_out: Vec<Copied>,
    /// By dataset and candidate.
    pub summary: Vec<Summary>,
    /// How it was judged, in words.
    pub conditions: String,
}

impl Report {
    /// Summarises an evaluation.
    #[must_use]
    pub fn new(evaluation: Evaluation, settings: &EvaluationSettings) -> Self {
        Self {
            summary: summarise(&evaluation.results),
            results: evaluation.results,
            skipped: evaluation.skipped,
            left_out: evaluation.left_out,
            conditions: conditions(settings),
        }
    }
}

fn conditions(settings: &EvaluationSettings) -> String {
    let hold = match settings.rules.hold {
        Some(half_life) => format!("peaks of scores held with a half-life of {half_life} windows"),
        None => "scores as they are".to_owned(),
    };
    let seeds: Vec<String> = settings.seeds.iter().map(u64::to_string).collect();
    format!(
        "Means over series, with 90 % bootstrap intervals over series; {hold}; thresholds from the \
         training range for a budget of false alarms a week of {}; seeds {}.",
        settings.rules.alarms_per_week,
        seeds.join(", ")
    )
}
