//! The study: which architecture, trained how, finds anomalies best, at what cost, beside floors.
//!
//! ```text
//! data ─▶ groups of labelled series ┐
//! plan ─▶ units of work ────────────┴─run─▶ lines (JSON, resumable) ─▶ findings ─▶ STUDY.md, plots
//! ```
//!
//! Everything in the document but its fixed text is computed from the lines, so it can be made anew
//! without judging anything again. Series are judged by [`super::run`], as `anomalog evaluate` does.

pub mod data;
mod document;
mod findings;
mod lines;
mod plan;
mod plots;
mod views;

use std::path::Path;
use std::time::Instant;

use super::collection::LabelledSeries;
use super::run::{self, Progress, RunError};
use crate::error::{Error, Result};

pub use document::Document;
pub use lines::{LinesError, StudyLines};
pub use plan::Plan;
pub use views::ATTACKS;

use lines::{Line, Record, SeriesFacts};
use plan::Unit;

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
        let facts = groups.iter().flat_map(|group| {
            let facts = |series| SeriesFacts::new(group.name, series, &group.series);
            group.series.iter().map(facts)
        });
        lines.add(facts.map(Line::Series).collect())?;
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
