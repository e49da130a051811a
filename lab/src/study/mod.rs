//! The study: which architecture, trained how, finds anomalies best, at what cost, beside floors.
//!
//! ```text
//! data ─▶ groups of labelled series ┐
//! plan ─▶ units of work ────────────┴─run─▶ lines (JSON, resumable) ─views─▶ tables, plots
//! ```
//!
//! All tables are computed from the lines, so they can be made anew without judging anything again.
//! What follows from them is for people to write. Series are judged by
//! [`anomalog::evaluation::run`], as by `anomalog evaluate`.

mod calibration;
mod charts;
pub(crate) mod data;
mod differences;
mod figures;
mod group;
mod lines;
#[cfg(test)]
mod made_up;
mod outage;
mod plan;
mod plots;
mod records;
mod tables;
mod views;

use std::time::Instant;

use anomalog::commands::error::Result;
use anomalog::evaluation::copies::overlaps;
use anomalog::evaluation::error::RunError;
use anomalog::evaluation::results::Evaluation;
use anomalog::evaluation::run;
use anomalog::progress::Counter;

pub(crate) use group::Group;
pub(crate) use lines::StudyLines;
pub(crate) use plan::Plan;
pub(crate) use tables::make_tables;
pub(crate) use views::ATTACKS;

use plan::Unit;
use records::{Line, Record, SeriesFacts, Use};

/// Judges what the lines do not have yet, and adds it to them.
///
/// `progress` is told what is done, unit by unit.
///
/// # Errors
/// When the lines cannot be written, or nothing of a unit can be judged for another reason than the
/// series themselves.
pub(crate) fn run(
    plan: &Plan,
    groups: &[Group],
    lines: &mut StudyLines,
    progress: &dyn Counter,
) -> Result<()> {
    if !lines.has_series() {
        lines.add(groups.iter().flat_map(facts).collect())?;
    }
    for group in groups {
        for unit in plan.units(group)? {
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
    Ok(lines.complete()?)
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
fn judge(group: &Group, unit: &Unit, progress: &dyn Counter) -> Result<Vec<Line>> {
    let judged = run::evaluate::<RunError>(&group.series, &unit.settings, progress, None);
    let evaluation = match judged {
        Ok(evaluation) => evaluation,
        // A group may hold nothing that an architecture can learn from: the tables say so.
        Err(RunError::Nothing(skipped)) => Evaluation {
            skipped,
            ..Evaluation::default()
        },
        Err(other) => return Err(other.into()),
    };
    let mut lines = Vec::new();
    for result in evaluation.results {
        let record = Record::new(group.name, result);
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

#[cfg(test)]
mod tests {
    use anomalog::evaluation::collections::LabelledSeries;
    use anomalog::evaluation::floors::random;

    use super::*;

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
            second: None,
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
