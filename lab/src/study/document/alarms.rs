//! Budgets of false alarms: asked for against got.

use std::path::Path;

use super::Study;
use super::markdown::{header, rate, row};
use crate::error::{Error, Result};
use crate::evaluation::budgets::{ASKED, ThresholdSource};
use crate::evaluation::report::PageError;
use crate::evaluation::study::advice::BUDGET_FACTOR;
use crate::evaluation::study::calibration::{Kept, by_floor, by_protocol, of_detectors};
use crate::evaluation::study::plots;
use crate::evaluation::study::views::View;
use crate::evaluation::summary::distinct;

const PLOT: &str = "asked-and-got.svg";

pub(super) fn section(
    study: &Study<'_>,
    folder: &Path,
    drawn: &mut Vec<(String, String)>,
) -> Result<String> {
    let mut text = format!(
        "## False alarms: asked for and got\n\n\
         Who uses a detector asks for a number of false alarms. Thresholds for one a day, a week and a \
         month were set without labels, and the false-alarm events after the training range counted: \
         mean per series with 90 % bootstrap intervals over series. As one is asked for, each figure is \
         also the ratio of what was got to what was asked for; within a factor of {BUDGET_FACTOR} is \
         the goal. *Own* thresholds follow from a detector's calibrated scores, as `is_anomaly` does; \
         floors have none, and are given thresholds by the tail of their scores in the training range, \
         as all candidates are in the [results](#results).\n\n\
         `severity` says the same of a single anomaly: `high` if normal traffic has its like once a \
         year or more rarely, `medium` once a month, else `low`. So the column of the month is also how \
         often `medium` or `high` was false. What happens once a year cannot be checked on series of \
         weeks and months.\n\n"
    );
    if let Some(untouched) = &study.untouched {
        text.push_str(&overall(untouched));
        let svg = plots::budgets(&by_protocol(untouched))
            .map_err(|error| Error::from(PageError::new(error)))?;
        let path = folder.join(PLOT);
        text.push_str(&format!("![asked for and got]({})\n\n", path.display()));
        drawn.push((PLOT.to_owned(), svg));
    }
    text.push_str("### By dataset, at the detectors' own thresholds\n\n");
    text.push_str(&heading("dataset and protocol"));
    for view in study.views.iter().filter(|view| view.is_evidence()) {
        for mut kept in by_protocol(view) {
            kept.name = format!("{}: `{}`", view.title, kept.name);
            text.push_str(&line(&kept));
        }
    }
    text.push_str(
        "\nMeans over architectures. Left out are series that say nothing of rates: the single outage, \
         and TODS, which lasts for hours.\n\n",
    );
    Ok(text)
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

/// On all series that were used for nothing else.
fn overall(view: &View<'_>) -> String {
    let mut text = "### On data used for nothing else\n\n".to_owned();
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
    let datasets: Vec<String> = distinct(view.series.iter().map(|facts| facts.dataset.as_str()))
        .into_iter()
        .map(|dataset| {
            let own = view.series.iter().filter(|facts| facts.dataset == dataset);
            format!("{} of {dataset}", own.count())
        })
        .collect();
    text + &format!(
        "\nSeries that neither recipe nor calibration was chosen on: {}. The sites are simulated with \
         another seed than those of development, but by the same program; of NAB the shipped detectors \
         know the history before the windows judged.\n\n",
        datasets.join(", ")
    )
}
