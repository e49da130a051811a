//! The document and its plots.

mod alarms;
mod compared;
mod cost;
mod differences;
mod markdown;
mod results;
mod summary;
mod threats;

use std::path::Path;

use super::advice::{Advice, BUDGET_FACTOR, advise};
use super::figures::Comparisons;
use super::findings::{Findings, find};
use super::lines::StudyLines;
use super::plan::Plan;
use super::records::Line;
use super::views::{self, View};
use crate::error::Result;
use crate::evaluation::report::PageError;
use markdown::{header, row};

/// The document and its plots.
#[derive(Debug)]
pub struct Document {
    /// Markdown.
    pub markdown: String,
    /// File name and SVG of each plot.
    pub plots: Vec<(String, String)>,
}

/// What sections are written from.
struct Study<'a> {
    lines: &'a StudyLines,
    plan: &'a Plan,
    views: &'a [View<'a>],
    /// Series that nothing was chosen on.
    untouched: Option<View<'a>>,
    findings: &'a Findings,
    advice: &'a [Advice],
    /// Differences that were looked at.
    comparisons: usize,
}

/// Makes both of complete lines.
pub(super) fn make(lines: &StudyLines, plots: &Path) -> Result<Document> {
    let first = lines.all().find_map(|line| match line {
        Line::Study {
            plan,
            machine,
            absent,
            ..
        } => Some((plan, machine, absent)),
        _ => None,
    });
    let Some((plan, machine, absent)) = first.filter(|_| lines.is_complete()) else {
        return Err(PageError::new("the study is not complete").into());
    };
    let views = views::all(lines);
    let comparisons = Comparisons::default();
    let findings = find(&views, &comparisons);
    let advice = advise(&views, plan.alarms_per_week, &comparisons);
    let study = Study {
        lines,
        plan,
        views: &views,
        untouched: views::untouched(lines),
        findings: &findings,
        advice: &advice,
        comparisons: comparisons.count(),
    };
    let mut drawn = Vec::new();
    let mut text = head(&study, machine);
    text.push_str(&summary::section(&study));
    text.push_str(&compared::section(&study, absent));
    text.push_str("## Results\n\n");
    for view in &views {
        text.push_str(&results::part(view, plots, &mut drawn)?);
    }
    text.push_str(&alarms::section(&study, plots, &mut drawn)?);
    text.push_str(&cost::section(&study));
    text.push_str(&differences::section(&study));
    text.push_str(&advice_section(&study));
    text.push_str(&threats::section(&study));
    Ok(Document {
        markdown: text.trim_end().to_owned() + "\n",
        plots: drawn,
    })
}

fn head(study: &Study<'_>, machine: &str) -> String {
    let seconds: f64 = study
        .lines
        .all()
        .filter_map(|line| match line {
            Line::Done { seconds, .. } => Some(*seconds),
            _ => None,
        })
        .sum();
    let results = study.lines.records().count();
    let warning = if *study.plan == Plan::quick() {
        "**Made with `--quick`: the figures mean nothing.**\n\n"
    } else {
        ""
    };
    format!(
        "# Which detector finds what matters\n\n{warning}\
         Made by `anomalog study --data ../shared/data --out STUDY.md` in {:.0} minutes on {machine}: \
         {results} results. No figure below was written by hand, and no sentence with one.\n\n\
         Recurrent networks of four architectures are compared with scores that need no training \
         (floors), on series whose anomalies are known, by areas under curves (VUS-PR, over the whole \
         series) and by what a user feels: the share of labelled events that an alarm finds (event \
         recall), and false alarms. Those come from thresholds for a budget of {} a series and week, set \
         without labels by the scores of the training range, alike for all. What is trained here \
         was trained with {} seeds; figures are means over seeds, then over series, with 90 % bootstrap \
         intervals over series in brackets.\n\n",
        seconds / 60.0,
        study.plan.alarms_per_week,
        study.plan.seeds.len(),
    )
}

fn advice_section(study: &Study<'_>) -> String {
    let mut text = format!(
        "## What to use when\n\nThe rule: of the candidates that a situation allows, those with at \
         most {BUDGET_FACTOR} times the budget of {} false alarms a week; of these, those whose event \
         recall is not below the best's beyond noise; of these the cheapest: floors before detectors, \
         then by seconds of training for a series, then by windows scored a second.\n\n",
        study.plan.alarms_per_week
    );
    text.push_str(&header(&["situation", "advice"]));
    for advice in study.advice {
        text.push_str(&row([advice.situation.to_owned(), advice.text.clone()]));
    }
    text + "\n"
}
