//! Budgets of false alarms: asked for against got.

use anomalog::evaluation::budgets::{ASKED, ThresholdSource};

use super::error::TablesError;
use super::markdown::{header, rate, row};
use super::source::Study;
use crate::study::calibration::{Kept, by_floor, by_protocol, of_detectors};
use crate::study::data::NAB;
use crate::study::plots;
use crate::study::views::{ATTACKS, Scope, View};

const PLOT: &str = "asked-and-got.svg";

pub(super) fn section(
    study: &Study<'_>,
    drawn: &mut Vec<(String, String)>,
) -> Result<String, TablesError> {
    let mut text = "## False alarms: asked for and got\n\n".to_owned();
    if let Some(untouched) = &study.untouched {
        text.push_str(&by_threshold(untouched));
        text.push_str(&by_dataset(study, untouched));
        let svg = plots::budgets(&by_protocol(untouched)).map_err(TablesError::Chart)?;
        text.push_str(&format!("![asked for and got]({PLOT})\n\n"));
        drawn.push((PLOT.to_owned(), svg));
    }
    text.push_str("### By dataset and way to learn, at own thresholds\n\n");
    text.push_str(&heading("dataset and protocol"));
    for view in study.views.iter().filter(|view| view.is_evidence()) {
        for mut kept in by_protocol(view) {
            kept.name = format!("{}: `{}`", view.title, kept.name);
            text.push_str(&line(&kept));
        }
    }
    Ok(text + "\n")
}

fn heading(first: &str) -> String {
    let alarms = ASKED.map(|budget| format!("false alarms a {}", budget.period));
    let recalls = ASKED.map(|budget| format!("event recall at one a {}", budget.period));
    let mut names = vec![first, "series"];
    names.extend(alarms.iter().chain(&recalls).map(String::as_str));
    header(&names)
}

fn line(kept: &Kept) -> String {
    let alarms = kept.alarms.iter().map(rate);
    let recalls = kept
        .recalls
        .iter()
        .map(|recall| format!("{:.3}", recall.mean));
    let first = [kept.name.clone(), kept.series.to_string()];
    row(first.into_iter().chain(alarms).chain(recalls))
}

/// On all series that nothing was chosen on, by who set the threshold.
fn by_threshold(view: &View<'_>) -> String {
    let mut text = "### Untouched series, by threshold\n\n".to_owned();
    text.push_str(&heading("threshold"));
    for mut kept in by_protocol(view) {
        kept.name = format!("own: `{}`", kept.name);
        text.push_str(&line(&kept));
    }
    for source in [ThresholdSource::Own, ThresholdSource::TrainingRange] {
        if let Some(mut kept) = of_detectors(view, source) {
            kept.name = match source {
                ThresholdSource::Own => "own: all detectors".to_owned(),
                ThresholdSource::TrainingRange => "training range: all detectors".to_owned(),
            };
            text.push_str(&line(&kept));
        }
    }
    for mut kept in by_floor(view) {
        kept.name = format!("training range: `{}`", kept.name);
        text.push_str(&line(&kept));
    }
    text + "\n"
}

/// All detectors at their own thresholds, on each dataset that nothing was chosen on.
fn by_dataset(study: &Study<'_>, untouched: &View<'_>) -> String {
    let periods = ASKED.map(|budget| format!("a {}", budget.period));
    let mut names = vec!["untouched series of", "series"];
    names.extend(periods.iter().map(String::as_str));
    let mut text =
        "### Untouched series by dataset, all detectors at own thresholds\n\n".to_owned();
    text.push_str(&header(&names));
    let is_untouched =
        |view: &&View<'_>| view.scope == Scope::Untouched || view.is(NAB) || view.is(ATTACKS);
    let own = study.views.iter().filter(is_untouched);
    for view in own.chain([untouched]) {
        if let Some(kept) = of_detectors(view, ThresholdSource::Own) {
            let first = [view.title.clone(), kept.series.to_string()];
            text.push_str(&row(first.into_iter().chain(kept.alarms.iter().map(rate))));
        }
    }
    text + "\n"
}
