//! What was compared, on what.

use std::collections::{BTreeMap, BTreeSet};

use anomalog::evaluation::summary::distinct;

use super::markdown::{header, row};
use super::source::Study;
use crate::study::lines::StudyLines;
use crate::study::plan::Plan;
use crate::study::records::{Line, SeriesFacts};
use crate::study::views::{Scope, name};

pub(super) fn section(study: &Study<'_>, absent: &[String]) -> String {
    let mut text = "## Series\n\n".to_owned();
    text.push_str(&datasets(study));
    if !absent.is_empty() {
        let absent = absent.join(", ");
        text.push_str(&format!("Absent: {absent}.\n\n"));
    }
    text.push_str(&web_services(study));
    text.push_str(&common_values(study.lines));
    text.push_str(&not_judged(study.lines));
    text + &settings(study.plan)
}

fn datasets(study: &Study<'_>) -> String {
    let mut text = header(&[
        "dataset",
        "used for",
        "series",
        "windows",
        "windows judged",
        "events judged",
        "metrics",
    ]);
    let keys = study.lines.series();
    for (dataset, used_for) in distinct(keys.map(|facts| (facts.dataset.as_str(), facts.used_for)))
    {
        let own = study.lines.series();
        let own: Vec<_> = own
            .filter(|facts| (facts.dataset.as_str(), facts.used_for) == (dataset, used_for))
            .collect();
        let sum = |of: fn(&SeriesFacts) -> usize| -> String {
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
    text + "\n"
}

/// Which of the pooled series were used for what.
fn web_services(study: &Study<'_>) -> String {
    let mut views = study.views.iter();
    let Some(view) = views.find(|view| view.scope == Scope::WebServices) else {
        return String::new();
    };
    let mut text = "### Files of web services\n\n".to_owned();
    text.push_str(&header(&["dataset", "used for", "file"]));
    for facts in &view.series {
        text.push_str(&row([
            facts.dataset.clone(),
            facts.used_for.name().to_owned(),
            format!("`{}`", facts.file),
        ]));
    }
    text + "\n"
}

/// Series that hold the same values somewhere, and those that were not learned from, because they
/// hold rows on which another is judged.
fn common_values(lines: &StudyLines) -> String {
    let pairs = |of: fn(&Line) -> Option<(&String, &String)>| -> BTreeSet<(String, String)> {
        let pairs = lines.all().filter_map(of);
        pairs
            .map(|(one, other)| (one.clone(), other.clone()))
            .collect()
    };
    let shared = pairs(|line| match line {
        Line::Shared { one, other } => Some((one, other)),
        _ => None,
    });
    let left_out = pairs(|line| match line {
        Line::LeftOut { copied } => Some((&copied.judged, &copied.learned)),
        _ => None,
    });
    let mut text = String::new();
    for (title, names, pairs) in [
        ("Values in common", ["one", "other"], shared),
        (
            "Histories left out",
            ["judged", "not learned from"],
            left_out,
        ),
    ] {
        if !pairs.is_empty() {
            text.push_str(&format!("### {title}\n\n{}", header(&names)));
            for (one, other) in pairs {
                text.push_str(&row([format!("`{one}`"), format!("`{other}`")]));
            }
            text.push('\n');
        }
    }
    text
}

/// What is missing among the results, over all seeds.
fn not_judged(lines: &StudyLines) -> String {
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
    if skipped.is_empty() {
        return String::new();
    }
    let mut text = "### Results that are missing\n\n".to_owned();
    text.push_str(&header(&["candidate", "series and seeds"]));
    for (what, count) in skipped {
        text.push_str(&row([what, count.to_string()]));
    }
    text + "\n"
}

fn settings(plan: &Plan) -> String {
    let mut text = "### Settings\n\n".to_owned();
    text.push_str(&header(&["setting", "value"]));
    let seeds: Vec<String> = plan.seeds.iter().map(u64::to_string).collect();
    for (name, value) in [
        ("seeds", seeds.join(", ")),
        ("steps, at most", plan.steps.to_string()),
        (
            "steps of fine-tuning, at most",
            plan.fine_tune_steps.to_string(),
        ),
        (
            "steps of classifiers, at most",
            plan.classifier_steps.to_string(),
        ),
        ("hidden size", plan.hidden_size.to_string()),
        (
            "hidden size of classifiers",
            (2 * plan.hidden_size).to_string(),
        ),
        (
            "false alarms a week, asked for",
            plan.alarms_per_week.to_string(),
        ),
        ("simulated: days", plan.simulated_days.to_string()),
        (
            "simulated: days before the first judged",
            plan.simulated_training_days.to_string(),
        ),
        ("simulated: sites", plan.simulated_sites.to_string()),
        ("simulated: scale", plan.simulated_scale.to_string()),
        ("simulated: seed", plan.simulated_seed.to_string()),
    ] {
        text.push_str(&row([name.to_owned(), value]));
    }
    text + "\n"
}
