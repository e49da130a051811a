//! Tables, in three forms.

use std::collections::BTreeSet;

use super::contents::Report;
use super::html::escape;
use crate::evaluation::bootstrap::Interval;
use crate::evaluation::leak::Copied;
use crate::evaluation::results::SkippedResult;
use crate::evaluation::summary::{Group, MEASURES, Measure, Summary, distinct};

/// A table with a title.
pub(super) struct Table {
    title: String,
    header: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

/// One cell: its text, and whether it is the best of its column.
struct Cell {
    text: String,
    is_best: bool,
}

impl Cell {
    fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_best: false,
        }
    }
}

/// All tables of a report: by dataset, then what could not be judged.
pub(super) fn tables(report: &Report) -> Vec<Table> {
    let mut tables = Vec::new();
    for dataset in distinct(report.summary.iter().map(|s| s.dataset.as_str())) {
        let summaries: Vec<&Summary> = report
            .summary
            .iter()
            .filter(|summary| summary.dataset == dataset)
            .collect();
        let of_group = |title: &str, group| measures(dataset, title, group, &summaries);
        tables.push(of_group("ranking", Group::Areas));
        tables.push(of_group("alarms", Group::Alarms));
        tables.extend(kinds(dataset, &summaries));
        tables.extend(gains(dataset, &summaries));
        tables.push(of_group("cost", Group::Cost));
        tables.push(of_group(
            "footnote, at oracle thresholds: upper bounds that nobody gets",
            Group::Oracle,
        ));
    }
    if !report.left_out.is_empty() {
        tables.push(left_out(&report.left_out));
    }
    if !report.skipped.is_empty() {
        tables.push(skipped(&report.skipped));
    }
    tables
}

fn of_group(group: Group) -> impl Iterator<Item = &'static Measure> {
    MEASURES
        .iter()
        .filter(move |measure| measure.group == group)
}

fn measures(dataset: &str, title: &str, group: Group, summaries: &[&Summary]) -> Table {
    let mut header: Vec<String> = ["detector", "protocol", "series"].map(String::from).into();
    header.extend(of_group(group).map(|measure| measure.title.to_owned()));
    let best = |measure: &Measure| {
        let means = summaries.iter().filter_map(|s| s.measures.get(measure.key));
        let best = means.map(|i| i.mean).fold(f64::NEG_INFINITY, f64::max);
        (measure.more_is_better && best > 0.0).then_some(best)
    };
    let row = |summary: &&Summary| {
        let mut row = vec![
            Cell::plain(&summary.detector),
            Cell::plain(&summary.protocol),
            Cell::plain(summary.series.to_string()),
        ];
        row.extend(
            of_group(group).map(|measure| match summary.measures.get(measure.key) {
                None => Cell::plain("–"),
                Some(interval) => Cell {
                    text: figure(interval, group),
                    is_best: best(measure) == Some(interval.mean),
                },
            }),
        );
        row
    };
    Table {
        title: format!("{dataset}: {title}"),
        header,
        rows: summaries.iter().map(row).collect(),
    }
}

/// What detectors have more than the best floor; none without both.
fn gains(dataset: &str, summaries: &[&Summary]) -> Option<Table> {
    let shown = [Group::Areas, Group::Alarms];
    let measures: Vec<&Measure> = MEASURES
        .iter()
        .filter(|measure| measure.more_is_better && shown.contains(&measure.group))
        .collect();
    let compared: Vec<&&Summary> = summaries
        .iter()
        .filter(|summary| !summary.over_best_floor.is_empty())
        .collect();
    if compared.is_empty() {
        return None;
    }
    let mut header: Vec<String> = [
        "detector",
        "protocol",
        "measure",
        "best floor",
        "difference",
    ]
    .map(String::from)
    .into();
    header.push("series".to_owned());
    let rows = compared
        .iter()
        .flat_map(|summary| {
            measures.iter().filter_map(|measure| {
                let over = summary.over_best_floor.get(measure.key)?;
                Some(vec![
                    Cell::plain(&summary.detector),
                    Cell::plain(&summary.protocol),
                    Cell::plain(measure.title),
                    Cell::plain(&over.floor),
                    Cell {
                        text: difference(&over.difference),
                        // Beyond noise, at least over these series.
                        is_best: over.difference.low.is_some_and(|low| low > 0.0),
                    },
                    Cell::plain(over.difference.series.to_string()),
                ])
            })
        })
        .collect();
    Some(Table {
        title: format!("{dataset}: difference to the best floor (marked where above 0)"),
        header,
        rows,
    })
}

/// What is found of each kind of anomaly; none where kinds are not known.
fn kinds(dataset: &str, summaries: &[&Summary]) -> Option<Table> {
    let kinds: BTreeSet<&String> = summaries.iter().flat_map(|s| s.kinds.keys()).collect();
    if kinds.is_empty() {
        return None;
    }
    let mut header: Vec<String> = ["detector", "protocol"].map(String::from).into();
    header.extend(kinds.iter().map(|kind| (*kind).clone()));
    let row = |summary: &&Summary| {
        let mut row = vec![
            Cell::plain(&summary.detector),
            Cell::plain(&summary.protocol),
        ];
        row.extend(kinds.iter().map(|kind| match summary.kinds.get(*kind) {
            None => Cell::plain("–"),
            Some(kind) => Cell::plain(format!("{} of {}", kind.found, kind.anomalies)),
        }));
        row
    };
    Some(Table {
        title: format!("{dataset}: anomalies found by kind, over series and seeds"),
        header,
        rows: summaries.iter().map(row).collect(),
    })
}

/// What was not learned from.
fn left_out(left_out: &[Copied]) -> Table {
    let row = |copied: &Copied| vec![Cell::plain(&copied.learned), Cell::plain(&copied.judged)];
    Table {
        title: "left out of the lessons, as it holds rows that are judged".to_owned(),
        header: ["left out", "judged"].map(String::from).into(),
        rows: left_out.iter().map(row).collect(),
    }
}

fn skipped(skipped: &[SkippedResult]) -> Table {
    let row = |skip: &SkippedResult| {
        let all = "all";
        vec![
            Cell::plain(&skip.file),
            Cell::plain(skip.detector.as_deref().unwrap_or(all)),
            Cell::plain(skip.protocol.as_deref().unwrap_or(all)),
            Cell::plain(skip.seed.map_or(String::new(), |seed| seed.to_string())),
            Cell::plain(&skip.missing),
            Cell::plain(&skip.reason),
        ]
    };
    Table {
        title: "not judged".to_owned(),
        header: ["file", "detector", "protocol", "seed", "measures", "reason"]
            .map(String::from)
            .into(),
        rows: skipped.iter().map(row).collect(),
    }
}

fn figure(interval: &Interval, group: Group) -> String {
    if group == Group::Cost {
        return match interval.mean {
            mean if mean >= 1e6 => format!("{:.1} M", mean / 1e6),
            mean if mean >= 1e4 => format!("{:.0} k", mean / 1e3),
            mean if mean >= 100.0 || mean == 0.0 => format!("{mean:.0}"),
            mean => format!("{mean:.2}"),
        };
    }
    match interval.low.zip(interval.high) {
        Some((low, high)) => format!("{:.3} [{low:.2}, {high:.2}]", interval.mean),
        None => format!("{:.3}", interval.mean),
    }
}

fn difference(interval: &Interval) -> String {
    match interval.low.zip(interval.high) {
        Some((low, high)) => format!("{:+.3} [{low:+.3}, {high:+.3}]", interval.mean),
        None => format!("{:+.3}", interval.mean),
    }
}

impl Table {
    /// Columns in line, the best marked by an asterisk.
    pub(super) fn text(&self) -> String {
        let texts = |cell: &Cell| format!("{}{}", cell.text, if cell.is_best { " *" } else { "" });
        let mut lines = vec![self.header.clone()];
        lines.extend(self.rows.iter().map(|row| row.iter().map(texts).collect()));
        let widths: Vec<usize> = (0..self.header.len())
            .map(|column| {
                let of_column = lines.iter().map(|line| line[column].chars().count());
                of_column.max().unwrap_or(0)
            })
            .collect();
        let mut text = self.title.clone();
        for (number, line) in lines.iter().enumerate() {
            let cells = line.iter().zip(&widths);
            let cells: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            text.push_str(&format!("\n{}", cells.join("  ").trim_end()));
            if number == 0 {
                let rules: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
                text.push_str(&format!("\n{}", rules.join("  ")));
            }
        }
        text
    }

    /// A GitHub-flavoured table, the best in bold.
    pub(super) fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let plain = |text: &str| text.replace('\\', "\\\\").replace('|', "\\|");
        let mut text = format!("### {}\n\n", plain(&self.title));
        text.push_str(&line(self.header.clone()));
        text.push_str(&format!("|{}\n", "---|".repeat(self.header.len())));
        for row in &self.rows {
            let cell = |cell: &Cell| {
                let text = plain(&cell.text);
                if cell.is_best {
                    format!("**{text}**")
                } else {
                    text
                }
            };
            text.push_str(&line(row.iter().map(cell).collect()));
        }
        text
    }

    /// A section of the page.
    pub(super) fn html(&self) -> String {
        let cells = |tag: &str, texts: Vec<String>| {
            let cells = texts.iter().map(|text| format!("<{tag}>{text}</{tag}>"));
            format!("<tr>{}</tr>\n", cells.collect::<String>())
        };
        let header = self.header.iter().map(|text| escape(text)).collect();
        let mut text = format!("<h3>{}</h3>\n<table>\n", escape(&self.title));
        text.push_str(&format!(
            "<thead>{}</thead>\n",
            cells("th", header).trim_end()
        ));
        for row in &self.rows {
            let cell = |cell: &Cell| {
                let text = escape(&cell.text);
                if cell.is_best {
                    format!("<strong>{text}</strong>")
                } else {
                    text
                }
            };
            text.push_str(&cells("td", row.iter().map(cell).collect()));
        }
        text.push_str("</table>\n");
        text
    }
}
