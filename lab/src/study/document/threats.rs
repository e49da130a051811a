//! Why the figures may mislead.

use std::collections::{BTreeMap, BTreeSet};

use super::Study;
use super::markdown::list;
use crate::evaluation::study::lines::StudyLines;
use crate::evaluation::study::plan::VARIANTS_TRIED;
use crate::evaluation::study::records::{Line, Use};
use crate::evaluation::study::views::name;
use crate::pretraining::LEFT_OUT;

pub(super) fn section(study: &Study<'_>) -> String {
    let lines = study.lines;
    let (web, simulated) = VARIANTS_TRIED;
    let mut threats = vec![format!(
        "**Tuned on a part.** {web} variants of the recipe were tried on the development series and \
         {simulated} on simulated logs of other seeds before any figure above was made. Figures of \
         development series are therefore optimistic; those of untouched series are not. Shown are the \
         figures of the recipe as it is in this version."
    )];
    threats.extend(files_by_use(lines));
    let sizes: Vec<String> = study
        .views
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
        study.comparisons
    ));
    threats.extend(copies(lines));
    threats.extend(not_judged(lines));
    threats.extend(FIXED.map(str::to_owned));
    format!("## Threats to validity\n\n{}", list(&threats, "None."))
}

/// Which series of web services were used for what.
fn files_by_use(lines: &StudyLines) -> Vec<String> {
    let mut threats = Vec::new();
    for dataset in ["KPI", "WSD", "IOPS"] {
        for wanted in [Use::Development, Use::Copies, Use::Untouched] {
            let files: Vec<String> = lines
                .series()
                .filter(|facts| facts.used_for == wanted && facts.dataset == dataset)
                .map(|facts| format!("`{}`", facts.file))
                .collect();
            if !files.is_empty() {
                let files = files.join(", ");
                threats.push(format!("{dataset}, {}: {files}.", wanted.name()));
            }
        }
    }
    threats
}

/// Series of different datasets that hold the same values.
fn copies(lines: &StudyLines) -> Vec<String> {
    let mut threats = Vec::new();
    let pairs = |of: fn(&Line) -> Option<String>| -> BTreeSet<String> {
        lines.all().filter_map(of).collect()
    };
    let left_out = pairs(|line| match line {
        Line::LeftOut { copied } => Some(format!("`{}` ⊂ `{}`", copied.judged, copied.learned)),
        _ => None,
    });
    if !left_out.is_empty() {
        let count = left_out.len();
        threats.push(format!(
            "**Copies.** Of {count} pairs of series, rows on which one is judged lie in the history of \
             the other, which was left out of what was learned then: {}. KPI and WSD are not independent.",
            Vec::from_iter(left_out).join(", ")
        ));
    }
    let shared = pairs(|line| match line {
        Line::Shared { one, other } => Some(format!("`{one}` and `{other}`")),
        _ => None,
    });
    if !shared.is_empty() {
        let count = shared.len();
        let never = LEFT_OUT.map(|file| format!("`{file}…`")).join(" and ");
        threats.push(format!(
            "**Same values twice.** {count} pairs of series share runs of values somewhere: {}. What is \
             judged twice counts twice in pooled figures. The shipped detectors never saw {never}, whose \
             histories hold values of WSD.",
            Vec::from_iter(shared).join(", ")
        ));
    }
    threats
}

/// What is missing among the results.
fn not_judged(lines: &StudyLines) -> Option<String> {
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
    let counts: Vec<String> = skipped
        .iter()
        .map(|(what, count)| format!("{what} {count}"))
        .collect();
    (!counts.is_empty()).then(|| {
        format!(
            "**Not judged.** Results that are missing because a series is too short to learn from, or \
             has no scores, over all seeds: {}. Candidates are compared on series that both have.",
            counts.join(", ")
        )
    })
}

/// What has no figure.
const FIXED: [&str; 7] = [
    "**Shipped detectors have met some series.** Their weights learned from the history, never from the \
     judged part, of the KPI and NAB series that the table of data counts. There `shipped` is no \
     zero-shot figure; on WSD, IOPS, TODS, the outage and the study's simulated sites it is one.",
    "**Oracle columns** choose a threshold in sight of the labels. They are upper bounds, stand in \
     footnotes, and nothing above follows from them.",
    "**Labels.** Those of KPI and WSD often extend beyond what is seen; those of TODS are dense \
     points, on which random scores do well; those of the outage and of NAB say when, not where.",
    "**Simulated attacks** are what we think attacks look like. They are neither as varied nor as \
     adaptive as real ones.",
    "**Volumes** depend on post-processing more than on models: compare only columns of one hold. \
     Published results with held or smoothed scores compare with the held column at best.",
    "**Alarms.** An event counts as found within five windows of it; false alarms less than ten \
     windows apart are one. Other rules shift all candidates. An anomaly that nobody labelled counts as \
     a false alarm.",
    "**Cost** was measured once, on a machine that may have done other things.",
];
