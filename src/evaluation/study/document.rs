//! The document and its plots.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::findings::{Findings, find};
use super::lines::{Line, StudyLines, Use};
use super::plan::{HOLD, Plan, VARIANTS_TRIED};
use super::plots;
use super::views::{self, View, name};
use crate::error::{Error, Result};
use crate::evaluation::bootstrap::Interval;
use crate::evaluation::report::PageError;
use crate::evaluation::summary::{Summary, distinct};

/// The document and its plots.
#[derive(Debug)]
pub struct Document {
    /// Markdown.
    pub markdown: String,
    /// File name and SVG of each plot.
    pub plots: Vec<(String, String)>,
}

/// Makes both of complete lines.
pub(super) fn make(lines: &StudyLines, plots: &Path) -> Result<Document> {
    let views = views::all(lines);
    let plan = lines.all().find_map(|line| match line {
        Line::Study {
            plan,
            machine,
            absent,
            ..
        } => Some((plan, machine, absent)),
        _ => None,
    });
    let Some((plan, machine, absent)) = plan.filter(|_| lines.is_complete()) else {
        return Err(PageError::new("the study is not complete").into());
    };
    let findings = find(&views, plan.alarms_per_week);
    let mut drawn = Vec::new();
    let mut text = String::new();
    head(&mut text, lines, plan, machine);
    summary(&mut text, &findings);
    compared(&mut text, lines, plan, absent);
    text.push_str("## Results\n\n");
    for view in &views {
        results(&mut text, view, plots, &mut drawn)?;
    }
    cost(&mut text, &views);
    noise(&mut text, &findings);
    advice(&mut text, &findings, plan);
    threats(&mut text, lines, &findings, &views);
    Ok(Document {
        markdown: text.trim_end().to_owned() + "\n",
        plots: drawn,
    })
}

fn head(text: &mut String, lines: &StudyLines, plan: &Plan, machine: &str) {
    let seconds: f64 = lines
        .all()
        .filter_map(|line| match line {
            Line::Done { seconds, .. } => Some(*seconds),
            _ => None,
        })
        .sum();
    let results = lines.records().count();
    let warning = if *plan == Plan::quick() {
        "**Made with `--quick`: the figures mean nothing.**\n\n"
    } else {
        ""
    };
    text.push_str(&format!(
        "# Which detector finds what matters\n\n{warning}\
         Made by `anomalog study --data ../shared/data --out STUDY.md` in {:.0} minutes on {machine}: \
         {results} results. No figure below was written by hand, and no sentence with one.\n\n\
         Recurrent networks of four architectures are compared with scores that need no training \
         (floors), on series whose anomalies are known. Detectors learn without labels from windows \
         before those judged. Each was trained with {} seeds; figures are means over seeds, then over \
         series, with 90 % bootstrap intervals over series. Thresholds come from scores of the \
         training range alone, for a budget of {} false alarms per series and week.\n\n",
        seconds / 60.0,
        plan.seeds.len(),
        plan.alarms_per_week
    ));
}

fn list(text: &mut String, items: &[String], otherwise: &str) {
    for item in items {
        text.push_str(&format!("- {item}\n"));
    }
    if items.is_empty() {
        text.push_str(&format!("- {otherwise}\n"));
    }
    text.push('\n');
}

fn summary(text: &mut String, findings: &Findings) {
    text.push_str("## Summary\n\nA detector is ahead of every floor, beyond noise:\n\n");
    list(text, &findings.detectors, "Nowhere.");
    text.push_str("The best floor is ahead of every detector, or within noise of the best:\n\n");
    list(text, &findings.floors, "Nowhere.");
    text.push_str("What to use:\n\n");
    let advice: Vec<String> = findings
        .advice
        .iter()
        .map(|(situation, advice)| format!("*{situation}*: {advice}"))
        .collect();
    list(text, &advice, "Nothing follows.");
}

fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells
        .into_iter()
        .map(|cell| cell.replace('|', "\\|"))
        .collect();
    format!("| {} |\n", cells.join(" | "))
}

fn header(names: &[&str]) -> String {
    let rule = "---|".repeat(names.len());
    row(names.iter().map(|name| (*name).to_owned())) + &format!("|{rule}\n")
}

fn compared(text: &mut String, lines: &StudyLines, plan: &Plan, absent: &[String]) {
    text.push_str("## What was compared\n\n");
    text.push_str(&header(&[
        "dataset",
        "used for",
        "series",
        "windows",
        "windows judged",
        "events judged",
        "metrics",
    ]));
    let keys = distinct(
        lines
            .series()
            .map(|facts| (facts.dataset.as_str(), facts.used_for)),
    );
    for (dataset, used_for) in keys {
        let own: Vec<_> = lines
            .series()
            .filter(|facts| (facts.dataset.as_str(), facts.used_for) == (dataset, used_for))
            .collect();
        let sum = |of: fn(&super::lines::SeriesFacts) -> usize| -> String {
            own.iter().map(|facts| of(facts)).sum::<usize>().to_string()
        };
        text.push_str(&row([
            dataset.to_owned(),
            used_for.name().to_owned(),
            own.len().to_string(),
            sum(|facts| facts.windows),
            sum(|facts| facts.windows - facts.train_points),
            sum(|facts| facts.events),
            own.first()
                .map_or(String::new(), |facts| facts.metrics.join(", ")),
        ]));
    }
    text.push_str(&format!(
        "\nKPI: AIOps challenge of 2018. WSD, IOPS and TODS: cut as TSB-AD cuts them. NAB: Numenta \
         Anomaly Benchmark, the first part of each series for training. Outage: requests per minute \
         of NASA's server in July and August 1995, judged from 24 July on. Simulated attacks: \
         {} days of {} sites by `anomalog simulate --seed {} --scale {}`, ingested as any log, all \
         metrics at once, judged after {} days; a floor of several metrics is the largest of its \
         scores by metric, each divided by its 99 % quantile in the training range.\n\n\
         Protocols: `per-series` learns from the series' own training range ({} optimiser steps at \
         most), `zero-shot` from those of series in other folds of five, `fine-tuned` goes on from \
         there on its own ({} steps). Hidden size {}. Series that share values with what is judged \
         were left out of what was learned.\n\n",
        plan.simulated_days,
        plan.simulated_sites,
        plan.simulated_seed,
        plan.simulated_scale,
        plan.simulated_training_days,
        plan.steps,
        plan.fine_tune_steps,
        plan.hidden_size,
    ));
    if !absent.is_empty() {
        text.push_str(&format!(
            "Not there, and so left out: {}.\n\n",
            absent.join(", ")
        ));
    }
}

/// Columns of the table of results: its heading, the measure, and whether it is a footnote.
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

fn results(
    text: &mut String,
    view: &View<'_>,
    folder: &Path,
    drawn: &mut Vec<(String, String)>,
) -> Result<()> {
    text.push_str(&format!("### {}\n\n", view.title));
    let held = format!("VUS-PR, peaks held {HOLD:.0}");
    let mut names = vec!["detector", "series"];
    names.extend(COLUMNS.iter().map(|(name, _)| *name));
    names.insert(3, &held);
    text.push_str(&header(&names));
    let summaries = view.summaries();
    for summary in &summaries {
        let mut cells = vec![
            name(&summary.detector, &summary.protocol),
            summary.series.to_string(),
        ];
        cells.extend(
            COLUMNS
                .iter()
                .map(|(_, key)| cell(summary.measures.get(key))),
        );
        let candidate = (summary.detector.as_str(), summary.protocol.as_str());
        let figures = view.figures("", candidate, |result| result.vus_pr_held);
        let figures: Vec<f64> = figures.into_values().collect();
        let held = crate::evaluation::bootstrap::mean_interval(&figures);
        cells.insert(3, cell(held.as_ref()));
        text.push_str(&row(cells));
    }
    text.push_str(
        "\n† At a threshold chosen in sight of the labels: an upper bound that nobody gets. Random \
         scores do well once points are adjusted.\n\n",
    );
    kinds(text, &summaries);
    if view.has_wide_labels() {
        text.push_str(
            "Its labels are wide windows around an anomaly, so that recall of events means more here \
             than volumes.\n\n",
        );
    }
    if !view.is_evidence() {
        text.push_str(
            "Too few events, or labels that random scores do well on: nothing follows from it alone.\n\n",
        );
    }
    for (kind, svg) in [
        ("volumes", plots::volumes(view)),
        ("recalls", plots::recalls(view)),
    ] {
        let svg = svg.map_err(|error| Error::from(PageError::new(error)))?;
        let file = format!("{}-{kind}.svg", slug(&view.title));
        let path = folder.join(&file);
        text.push_str(&format!("![{}: {kind}]({})\n", view.title, path.display()));
        drawn.push((file, svg));
    }
    text.push('\n');
    Ok(())
}

/// A title as a file name.
fn slug(title: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    title
        .chars()
        .map(plain)
        .collect::<String>()
        .replace("--", "-")
}

fn cell(interval: Option<&Interval>) -> String {
    match interval {
        None => "–".to_owned(),
        Some(interval) => match interval.low.zip(interval.high) {
            Some((low, high)) => format!("{:.3} [{low:.2}, {high:.2}]", interval.mean),
            None => format!("{:.3}", interval.mean),
        },
    }
}

/// Share of anomalies found by kind, where kinds are known.
fn kinds(text: &mut String, summaries: &[Summary]) {
    let kinds: BTreeSet<&String> = summaries.iter().flat_map(|s| s.kinds.keys()).collect();
    if kinds.is_empty() {
        return;
    }
    let mut names = vec!["share found"];
    names.extend(kinds.iter().map(|kind| kind.as_str()));
    text.push_str(&header(&names));
    for summary in summaries {
        let share = |kind: &&String| match summary.kinds.get(*kind) {
            None => "–".to_owned(),
            Some(kind) => format!("{:.2}", kind.found as f64 / kind.anomalies as f64),
        };
        let detector = name(&summary.detector, &summary.protocol);
        text.push_str(&row([detector].into_iter().chain(kinds.iter().map(share))));
    }
    text.push('\n');
}

fn cost(text: &mut String, views: &[View<'_>]) {
    text.push_str(
        "## What it costs\n\nMeans over series. Training is that for one series; of `zero-shot` it is \
         its calibration. Memory is the peak of the whole process, which holds all series of the \
         study, while it trained or scored. Scoring is by one thread.\n\n",
    );
    let web = views
        .iter()
        .find(|view| view.scope == views::Scope::WebServices);
    let attacks = views.iter().find(|view| view.is(views::ATTACKS));
    let views: Vec<&View<'_>> = [web, attacks].into_iter().flatten().collect();
    text.push_str(&header(&[
        "series",
        "detector",
        "weights",
        "training, s",
        "of others before, s",
        "windows scored a second",
        "memory, MB",
    ]));
    for view in views {
        for summary in view.summaries() {
            let mean = |key: &str| summary.measures.get(key).map(|interval| interval.mean);
            let number = |figure: Option<f64>, digits: usize| {
                figure.map_or("–".to_owned(), |figure| format!("{figure:.digits$}"))
            };
            let candidate = (summary.detector.as_str(), summary.protocol.as_str());
            let before = view.figures("", candidate, |result| result.pretrain_s);
            let before: Vec<f64> = before.into_values().collect();
            let before = crate::evaluation::bootstrap::mean_interval(&before);
            text.push_str(&row([
                view.title.clone(),
                name(&summary.detector, &summary.protocol),
                number(mean("params"), 0),
                number(mean("train_s"), 2),
                number(before.map(|interval| interval.mean), 1),
                number(mean("score_rows_per_s"), 0),
                number(mean("max_rss_bytes").map(|bytes| bytes / 1e6), 0),
            ]));
        }
    }
    text.push('\n');
}

fn noise(text: &mut String, findings: &Findings) {
    text.push_str(
        "## What differs beyond noise, and what does not\n\nTwo differ beyond noise if the 90 % paired \
         bootstrap interval of their difference over series excludes 0.\n\n### Beyond noise\n\n",
    );
    list(text, &findings.beyond, "Nothing.");
    text.push_str("### Within noise\n\n");
    list(text, &findings.within, "Nothing.");
}

fn advice(text: &mut String, findings: &Findings, plan: &Plan) {
    text.push_str(&format!(
        "## What to use when\n\nThe rule: of the candidates that a situation allows, those with at \
         most twice the {} false alarms a week asked for; of these, those whose event recall is not \
         below the best's beyond noise; of these the cheapest: floors before detectors, then by \
         seconds of training for a series, then by windows scored a second.\n\n",
        plan.alarms_per_week
    ));
    text.push_str(&header(&["situation", "advice"]));
    for (situation, advice) in &findings.advice {
        text.push_str(&row([situation.clone(), advice.clone()]));
    }
    text.push('\n');
}

fn threats(text: &mut String, lines: &StudyLines, findings: &Findings, views: &[View<'_>]) {
    text.push_str("## Threats to validity\n\n");
    let files = |wanted: Use, dataset: &str| -> Vec<&str> {
        lines
            .series()
            .filter(|facts| facts.used_for == wanted && facts.dataset == dataset)
            .map(|facts| facts.file.as_str())
            .collect()
    };
    let (web, simulated) = VARIANTS_TRIED;
    let mut threats = vec![format!(
        "**Tuned on a part.** {web} variants of the recipe were tried on the development series and \
         {simulated} on simulated logs of other seeds before any figure above was made. Figures of \
         development series are therefore optimistic; the table of untouched web services is not. \
         Shown are the figures of the recipe as it is in this version."
    )];
    for dataset in ["KPI", "WSD", "IOPS"] {
        for wanted in [Use::Development, Use::Untouched] {
            let files = files(wanted, dataset);
            if !files.is_empty() {
                let files: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
                threats.push(format!(
                    "{dataset}, {}: {}.",
                    wanted.name(),
                    files.join(", ")
                ));
            }
        }
    }
    let sizes: Vec<String> = views
        .iter()
        .map(|view| format!("{} {}", view.title, view.series.len()))
        .collect();
    threats.push(format!(
        "**Few series.** Series by table: {}. Percentile intervals over few series are too narrow, \
         and series of one dataset are not independent.",
        sizes.join(", ")
    ));
    threats.push(format!(
        "**Many comparisons.** {} differences were looked at, each with a 90 % interval: of differences \
         that are none, one in ten is beyond noise by chance. The best of many candidates looks \
         better than it is.",
        findings.comparisons
    ));
    let pairs: BTreeSet<String> = lines
        .all()
        .filter_map(|line| match line {
            Line::LeftOut { copied } => Some(format!("`{}` ⊂ `{}`", copied.judged, copied.learned)),
            _ => None,
        })
        .collect();
    if !pairs.is_empty() {
        let pairs: Vec<String> = pairs.into_iter().collect();
        threats.push(format!(
            "**Copies.** Of {} pairs of series, rows on which one is judged lie in the history of the \
             other, which was left out of what was learned then: {}. KPI and WSD are not independent.",
            pairs.len(),
            pairs.join(", ")
        ));
    }
    let mut skipped: BTreeMap<String, usize> = BTreeMap::new();
    for line in lines.all() {
        if let Line::Skipped { skipped: skip, .. } = line
            && skip.missing == "all"
        {
            let what = match (&skip.detector, &skip.protocol) {
                (Some(detector), Some(protocol)) => name(detector, protocol),
                _ => "all candidates".to_owned(),
            };
            *skipped.entry(what).or_default() += 1;
        }
    }
    if !skipped.is_empty() {
        let counts: Vec<String> = skipped
            .iter()
            .map(|(what, count)| format!("{what} {count}"))
            .collect();
        threats.push(format!(
            "**Not judged.** Results that are missing because a series is too short to learn from, or \
             has no scores, over all seeds: {}. Candidates are compared on series that both have.",
            counts.join(", ")
        ));
    }
    threats.extend(FIXED_THREATS.map(str::to_owned));
    list(text, &threats, "None.");
}

/// What has no figure.
const FIXED_THREATS: [&str; 5] = [
    "**Labels.** Those of KPI and WSD often extend beyond what is seen; those of TODS are dense \
     points, on which random scores do well; those of the outage and of NAB say when, not where.",
    "**Simulated attacks** are what we think attacks look like. They are neither as varied nor as \
     adaptive as real ones.",
    "**Volumes** depend on post-processing more than on models: compare only columns of one hold. \
     Published results with held or smoothed scores compare with the held column at best.",
    "**Alarms.** An event counts as found within five windows of it; false alarms less than ten \
     windows apart are one. Other rules shift all candidates.",
    "**Cost** was measured once, on a machine that may have done other things.",
];
