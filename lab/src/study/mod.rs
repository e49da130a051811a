//! The study: which architecture, trained how, finds anomalies best, at what cost, beside floors.
//!
//! ```text
//! data ─▶ groups of labelled series ┐
//! plan ─▶ units of work ────────────┴─run─▶ lines (JSON, resumable) ─views─▶ findings ─▶ document, plots
//! ```
//!
//! Everything in the document but its fixed text is computed from the lines, so it can be made anew
//! without judging anything again. Series are judged by [`super::run`], as `anomalog evaluate` does.

mod advice;
mod calibration;
pub mod data;
mod document;
mod figures;
mod findings;
mod lines;
#[cfg(test)]
mod made_up;
mod outage;
mod plan;
mod plots;
mod records;
mod views;

use std::path::Path;
use std::time::Instant;

use super::collection::LabelledSeries;
use super::lessons::overlaps;
use super::run::{self, Progress, RunError};
use crate::error::{Error, Result};

pub use document::Document;
pub use lines::{LinesError, StudyLines};
pub use plan::Plan;
pub use views::ATTACKS;

use plan::Unit;
use records::{Line, Record, SeriesFacts, Use};

/// Series that are judged together: weights are transferred within a group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name.
    pub name: &'static str,
    /// Its series, all with the same metrics.
    pub series: Vec<LabelledSeries>,
}

/// Judges what the lines do not have yet, and adds it to them.
///
/// `progress` is told what is done, unit by unit.
///
/// # Errors
/// When the lines cannot be written, or nothing of a unit can be judged for another reason than the
/// series themselves.
pub fn run(
    plan: &Plan,
    groups: &[Group],
    lines: &mut StudyLines,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<()> {
    if !lines.has_series() {
        lines.add(groups.iter().flat_map(facts).collect())?;
    }
    for group in groups {
        for unit in plan.units(group) {
            let name = format!("{} {}", group.name, unit.name);
            if !lines.is_done(&name) {
                let start = Instant::now();
                let mut found = judge(group, &unit, progress)?;
                found.push(Line::Done {
                    unit: name,
                    seconds: start.elapsed().as_secs_f64(),
                });
                lines.add(found)?;
            }
        }
    }
    lines.complete()
}

/// What is said of the series of a group.
fn facts(group: &Group) -> Vec<Line> {
    let all = &group.series;
    let facts = |series| SeriesFacts::new(group.name, series, all);
    let mut facts: Vec<SeriesFacts> = all.iter().map(facts).collect();
    let shared = overlaps(all);
    for &(one, other) in &shared {
        for (copy, of) in [(one, other), (other, one)] {
            if facts[of].used_for == Use::Development && facts[copy].used_for == Use::Untouched {
                facts[copy].used_for = Use::Copies;
            }
        }
    }
    let shared = shared.into_iter().map(|(one, other)| Line::Shared {
        one: all[one].file.clone(),
        other: all[other].file.clone(),
    });
    facts.into_iter().map(Line::Series).chain(shared).collect()
}

/// The lines of one unit, but for the last.
fn judge(
    group: &Group,
    unit: &Unit,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Vec<Line>> {
    let judged = run::evaluate::<Error>(&group.series, &unit.settings, progress, None);
    let evaluation = match judged {
        Ok(evaluation) => evaluation,
        // A group may hold nothing that an architecture can learn from: the document says so.
        Err(Error::Evaluation(error)) => match *error {
            RunError::Nothing(skipped) => run::Evaluation {
                skipped,
                ..run::Evaluation::default()
            },
            other @ RunError::Protocol(_) => return Err(other.into()),
        },
        Err(other) => return Err(other),
    };
    let mut lines = Vec::new();
    for result in evaluation.results {
        let record = Record::new(group.name, unit.variant, result);
        lines.push(Line::Result(Box::new(record)));
    }
    let skipped = evaluation.skipped.into_iter();
    lines.extend(skipped.map(|skipped| Line::Skipped {
        group: group.name.to_owned(),
        skipped,
    }));
    let copies = evaluation.left_out.into_iter();
    lines.extend(copies.map(|copied| Line::LeftOut { copied }));
    Ok(lines)
}

/// Makes the document of complete lines.
///
/// `plots` is the folder that the document finds its plots in.
///
/// # Errors
/// When a plot cannot be drawn.
pub fn document(lines: &StudyLines, plots: &Path) -> Result<Document> {
    document::make(lines, plots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::floors::random;

    #[test]
    fn a_series_with_values_of_development_is_not_untouched() {
        let series = |file: &str, dataset: &str, seed: u64| LabelledSeries {
            file: file.to_owned(),
            dataset: dataset.to_owned(),
            window_start: (0..500).collect(),
            metric_names: vec!["value".to_owned()],
            metrics: vec![random(&[0.0; 500], seed)],
            labels: vec![false; 500],
            anomalies: Vec::new(),
            train_points: 100,
            vus_window: 1,
            step_seconds: 60,
        };
        let group = Group {
            name: "series",
            series: vec![
                series("a", "KPI", 1),
                series("b", "NAB", 1),
                series("c", "NAB", 2),
            ],
        };
        let lines = facts(&group);
        let uses: Vec<Use> = lines
            .iter()
            .filter_map(|line| match line {
                Line::Series(facts) => Some(facts.used_for),
                _ => None,
            })
            .collect();
        assert_eq!(uses, [Use::Development, Use::Copies, Use::Untouched]);
        assert!(matches!(&lines[3], Line::Shared { one, other } if one == "a" && other == "b"));
    }
}
