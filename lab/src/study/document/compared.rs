//! What was compared, on what.

use std::collections::BTreeSet;

use super::Study;
use super::markdown::{header, row};
use crate::evaluation::protocol::Protocol;
use crate::evaluation::study::plan::{CLASSIFY, Plan};
use crate::evaluation::study::records::SeriesFacts;
use crate::evaluation::summary::distinct;
use crate::pretraining::NAB_SHARE;

pub(super) fn section(study: &Study<'_>, absent: &[String]) -> String {
    let mut text = "## What was compared\n\n".to_owned();
    text.push_str(&header(&[
        "dataset",
        "used for",
        "series",
        "windows",
        "windows judged",
        "events judged",
        "history seen by shipped detectors",
        "metrics",
    ]));
    let shipped = study.lines.records().map(|record| &record.result);
    let seen: BTreeSet<&str> = shipped
        .filter(|result| result.has_seen_history == Some(true))
        .map(|result| result.file.as_str())
        .collect();
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
        let seen = own
            .iter()
            .filter(|facts| seen.contains(facts.file.as_str()));
        text.push_str(&row([
            dataset.to_owned(),
            used_for.name().to_owned(),
            own.len().to_string(),
            sum(|facts| facts.windows),
            sum(|facts| facts.windows - facts.train_points),
            sum(|facts| facts.events),
            format!("{} of {}", seen.count(), own.len()),
            own.first()
                .map_or(String::new(), |facts| facts.metrics.join(", ")),
        ]));
    }
    text.push_str(&format!("\n{}", sources(study.plan)));
    text.push_str(&protocols(study));
    if !absent.is_empty() {
        text.push_str(&format!(
            "Not there, and so left out: {}.\n\n",
            absent.join(", ")
        ));
    }
    text
}

fn sources(plan: &Plan) -> String {
    format!(
        "*Development* series are those that the recipe was chosen on; *untouched* ones were not \
         looked at meanwhile, and of these, *copies of development* hold some of the same values. KPI: AIOps challenge of 2018. WSD, IOPS and TODS: cut as TSB-AD cuts \
         them. NAB: Numenta Anomaly Benchmark, the first {:.0} % of each series not judged. Outage: \
         requests per minute of NASA's server in July and August 1995, judged from 24 July on. \
         Simulated attacks: {} days of {} sites by `anomalog simulate --seed {} --scale {}`, ingested \
         as any log, all metrics at once, judged after {} days; a floor of several metrics is the \
         largest of its scores by metric, each divided by its 99 % quantile in the training range.\n\n",
        100.0 * NAB_SHARE,
        plan.simulated_days,
        plan.simulated_sites,
        plan.simulated_seed,
        plan.simulated_scale,
        plan.simulated_training_days,
    )
}

/// How detectors learned, as far as they did.
fn protocols(study: &Study<'_>) -> String {
    let plan = study.plan;
    let used = study.lines.records();
    let used = distinct(used.map(|record| record.result.protocol.as_str()));
    let mut text = String::new();
    for (protocol, about) in [
        (
            Protocol::PerSeries.name(),
            format!(
                "learns from the series' own training range, {} optimiser steps at most",
                plan.steps
            ),
        ),
        (
            Protocol::ZeroShot.name(),
            "learns as long from the training ranges of series in other folds of five; a series that \
             shares values with what is judged is left out"
                .to_owned(),
        ),
        (
            Protocol::FineTuned.name(),
            format!(
                "goes on from there on its own training range, {} steps at most",
                plan.fine_tune_steps
            ),
        ),
        (
            Protocol::Shipped.name(),
            "is the detector that comes with the program, as it is. Its weights come from the training \
             ranges of KPI and of the real series of NAB, and from simulated sites of other seeds; \
             never from windows that are judged, nor from WSD, IOPS, TODS or the outage. For series \
             whose history it has seen, see the table, it is no stranger"
                .to_owned(),
        ),
        (
            CLASSIFY,
            format!(
                "is one classifier for all series, and the only one that sees labels: those of the \
                 training ranges. Where these hold no anomaly, it knows those of the other series \
                 alone. It learns in {} steps at most, with a hidden size of {}, in the form of Kim & \
                 Cho (2018): odds of 60 windows at once",
                plan.classifier_steps,
                2 * plan.hidden_size
            ),
        ),
    ] {
        if used.contains(&protocol) {
            text.push_str(&format!("- `{protocol}` {about}.\n"));
        }
    }
    text.push_str(&format!(
        "\nForecasters have a hidden size of {}, but for the shipped ones, which have their own. \
         Whatever their weights, what is usual for a series is learned from its own past, without \
         labels. Classifiers know no such thing.\n\n",
        plan.hidden_size
    ));
    text
}
