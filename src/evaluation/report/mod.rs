//! What an evaluation says: for people, as Markdown, as one HTML page.

pub mod charts;
mod html;
mod page;
mod tables;

use std::fmt;

use serde::Serialize;

use super::lessons::Copied;
use super::run::{EvaluationSettings, SeriesResult, SkippedResult};
use super::summary::Summary;

pub use page::{PageError, html_page};
use tables::{Table, tables};

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
    pub fn new(evaluation: super::run::Evaluation, settings: &EvaluationSettings) -> Self {
        Self {
            summary: super::summary::summarise(&evaluation.results),
            results: evaluation.results,
            skipped: evaluation.skipped,
            left_out: evaluation.left_out,
            conditions: conditions(settings),
        }
    }

    /// Its tables as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!("{}\n", self.conditions);
        for table in tables(self) {
            text.push_str(&format!("\n{}", table.markdown()));
        }
        text
    }
}

/// The tables for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.conditions)?;
        for table in tables(self) {
            write!(f, "\n\n{}", Table::text(&table))?;
        }
        Ok(())
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
