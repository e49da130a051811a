//! Plots of a view, as SVG.

use anomalog::evaluation::budgets::ASKED;
use anomalog::evaluation::curves::BUDGETS;
use anomalog::evaluation::report::charts::{ChartError, Line, recall_by_alarms};
use anomalog::evaluation::results::FLOOR;
use anomalog::evaluation::summary::{Summary, distinct};

use super::calibration::Kept;
use super::charts::{Mark, asked_and_got, intervals};
use super::views::{View, name};

/// Floors in a plot of lines, at most: more are no longer told apart.
const SHOWN_FLOORS: usize = 3;

/// VUS-PR of all candidates, the best first.
pub(super) fn volumes(view: &View<'_>) -> Result<String, ChartError> {
    let mut summaries = view.summaries();
    summaries.retain(|summary| summary.measures.contains_key("vus_pr"));
    let mean = |summary: &Summary| summary.measures["vus_pr"].mean;
    summaries.sort_by(|a, b| mean(b).total_cmp(&mean(a)));
    let mark = |summary: &Summary| {
        let interval = summary.measures["vus_pr"];
        Mark {
            name: name(&summary.detector, &summary.protocol),
            mean: interval.mean,
            ends: interval.low.zip(interval.high),
            is_floor: summary.is_floor(),
        }
    };
    let marks: Vec<Mark> = summaries.iter().map(mark).collect();
    intervals(&marks, "VUS-PR, mean over series with its 90 % interval")
}

/// Recall against false alarms of the best architecture of each protocol, and of the best floors.
pub(super) fn recalls(view: &View<'_>) -> Result<String, ChartError> {
    let candidates = view.candidates();
    let mut shown = Vec::new();
    for protocol in distinct(candidates.iter().map(|(_, protocol)| *protocol)) {
        let own = candidates.iter().filter(|(_, other)| *other == protocol);
        let points = own.map(|candidate| (*candidate, view.recalls(*candidate, &BUDGETS)));
        let mut lines: Vec<_> = points.filter(|(_, points)| !points.is_empty()).collect();
        let area = |points: &[(f64, f64)]| points.iter().map(|(_, recall)| recall).sum::<f64>();
        lines.sort_by(|(_, a), (_, b)| area(b).total_cmp(&area(a)));
        lines.truncate(if protocol == FLOOR { SHOWN_FLOORS } else { 1 });
        shown.extend(lines);
    }
    let lines: Vec<Line> = shown
        .into_iter()
        .map(|((detector, protocol), points)| Line {
            name: name(detector, protocol),
            points,
            is_floor: protocol == FLOOR,
        })
        .collect();
    recall_by_alarms(&lines)
}

/// False alarms that were asked for, and those that there were.
pub(super) fn budgets(kept: &[Kept]) -> Result<String, ChartError> {
    let lines: Vec<Line> = kept
        .iter()
        .map(|kept| Line {
            name: kept.name.clone(),
            points: ASKED
                .iter()
                .zip(&kept.alarms)
                .map(|(budget, got)| (budget.per_week, got.mean * budget.per_week))
                .collect(),
            is_floor: false,
        })
        .collect();
    asked_and_got(&lines)
}
