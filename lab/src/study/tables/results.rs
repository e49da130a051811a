//! Tables and plots of each view.

use std::collections::BTreeSet;

use anomalog::evaluation::agreed::AgreedMeasures;
use anomalog::evaluation::results::SeriesResult;
use anomalog::evaluation::summary::Summary;

use super::error::TablesError;
use super::markdown::{cell, cell_of, header, number, row, slug};
use crate::study::data::OUTAGE;
use crate::study::outage;
use crate::study::plan::HOLD;
use crate::study::plots;
use crate::study::views::{View, name};

/// Columns of the table of results: its heading and the measure; footnotes last.
const COLUMNS: [(&str, &str); 9] = [
    ("VUS-PR", "vus_pr"),
    ("AUC-PR", "auc_pr"),
    ("event recall", "event_recall"),
    ("false alarms a week", "false_alarms_per_week"),
    ("false incidents a week", "false_incidents_per_week"),
    ("delay in windows", "delay_windows"),
    ("† event recall, oracle", "event_recall_oracle"),
    ("† range F1, oracle", "oracle_f1_range"),
    ("† point-adjusted F1, oracle", "point_adjusted_f1"),
];

/// The part on one view; adds its plots to those drawn.
pub(super) fn part(
    view: &View<'_>,
    drawn: &mut Vec<(String, String)>,
) -> Result<String, TablesError> {
    let mut text = format!("### {}\n\n", view.title);
    let held = format!("† VUS-PR, peaks held {HOLD:.0}");
    let mut names = vec!["detector", "series"];
    names.extend(COLUMNS.iter().map(|(name, _)| *name));
    names.push(&held);
    names.push("† VUS-PR, peaks linger for all");
    text.push_str(&header(&names));
    let summaries = view.summaries();
    for summary in &summaries {
        let candidate = (summary.detector.as_str(), summary.protocol.as_str());
        let measures = COLUMNS.iter().map(|(_, key)| summary.measures.get(key));
        let mut cells = vec![
            name(&summary.detector, &summary.protocol),
            summary.series.to_string(),
        ];
        cells.extend(measures.map(cell));
        for of in [
            |result: &SeriesResult| result.vus_pr_held,
            |result: &SeriesResult| result.vus_pr_lingering,
        ] {
            cells.push(cell_of(&view.figures(candidate, of)));
        }
        text.push_str(&row(cells));
    }
    text.push('\n');
    text.push_str(&kinds(&summaries));
    text.push_str(&agreed(view));
    if view.is(OUTAGE) {
        text.push_str(&of_outage(view));
    }
    for (kind, svg) in [
        ("volumes", plots::volumes(view)),
        ("recalls", plots::recalls(view)),
    ] {
        let svg = svg.map_err(TablesError::Chart)?;
        let file = format!("{}-{kind}.svg", slug(&view.title));
        text.push_str(&format!("![{}: {kind}]({file})\n", view.title));
        drawn.push((file, svg));
    }
    text.push('\n');
    Ok(text)
}

/// Share of anomalies found by kind, where kinds are known.
fn kinds(summaries: &[Summary]) -> String {
    let kinds: BTreeSet<&String> = summaries.iter().flat_map(|s| s.kinds.keys()).collect();
    if kinds.is_empty() {
        return String::new();
    }
    let mut names = vec!["share found"];
    names.extend(kinds.iter().map(|kind| kind.as_str()));
    let mut text = header(&names);
    for summary in summaries {
        let share = |kind: &&String| {
            let found = summary.kinds.get(*kind);
            number(found.map(|of| of.found as f64 / of.anomalies as f64), 2)
        };
        let detector = name(&summary.detector, &summary.protocol);
        text.push_str(&row([detector].into_iter().chain(kinds.iter().map(share))));
    }
    text + "\n"
}

/// A figure of the events that both labellings know.
type AgreedFigure = fn(&AgreedMeasures) -> Option<f64>;

/// The same by events that a second labelling knows too, where there is one.
fn agreed(view: &View<'_>) -> String {
    let of: [(&str, AgreedFigure); 5] = [
        ("events", |agreed| Some(agreed.events as f64)),
        ("VUS-PR", |agreed| Some(agreed.vus_pr)),
        ("event recall", |agreed| Some(agreed.event_recall)),
        ("false alarms a week", |agreed| {
            Some(agreed.false_alarms_per_week)
        }),
        ("† event recall, oracle", |agreed| {
            agreed.event_recall_oracle
        }),
    ];
    let figures = |candidate, of: AgreedFigure| {
        view.figures(candidate, |result| result.agreed.as_ref().and_then(of))
    };
    let mut rows = String::new();
    for (detector, protocol) in view.candidates() {
        let candidate = (detector, protocol);
        let series = figures(candidate, of[0].1).len();
        if series > 0 {
            let cells = of.map(|(_, of)| cell_of(&figures(candidate, of)));
            let name = [name(detector, protocol), series.to_string()];
            rows.push_str(&row(name.into_iter().chain(cells)));
        }
    }
    if rows.is_empty() {
        return rows;
    }
    let names: Vec<&str> = ["confirmed by a second labelling", "series"]
        .into_iter()
        .chain(of.map(|(name, _)| name))
        .collect();
    header(&names) + &rows + "\n"
}

/// When the outage was found, and its rank.
fn of_outage(view: &View<'_>) -> String {
    let mut text = header(&[
        "detector",
        "first alarm (UTC)",
        "windows after its start",
        "seeds that found it",
        "rank among all alarms",
        "false alarms a week",
    ]);
    for found in outage::found(view) {
        let first = found.first_alarm.as_ref();
        text.push_str(&row([
            found.name,
            first.map_or("missed".to_owned(), |first| first.at.clone()),
            number(first.map(|first| first.windows), 1),
            first.map_or("none".to_owned(), |first| {
                format!("{:.0} %", 100.0 * first.share)
            }),
            number(found.rank, 1),
            number(found.false_alarms_per_week, 2),
        ]));
    }
    text + "\n"
}
