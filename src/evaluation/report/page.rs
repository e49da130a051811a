//! One HTML page that needs nothing else: tables and charts.

use super::charts::{self, Line};
use super::contents::Report;
use super::html::escape;
use super::tables::tables;
use crate::evaluation::curves::{BUDGETS, RECALLS};
use crate::evaluation::results::{FLOOR, SeriesResult};
use crate::evaluation::summary::{Summary, distinct};
use crate::explain::Explain;

const STYLE: &str = "\
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1100px;padding:0 1rem;color:#1c1c1c}\
table{border-collapse:collapse;margin:.5rem 0 1.5rem;font-size:13px}\
th,td{border-bottom:1px solid #ddd;padding:.25rem .6rem;text-align:left;vertical-align:top}\
svg{max-width:100%;height:auto}figure{margin:1rem 0}figcaption{font-size:13px;color:#444}";

/// A chart that cannot be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw a chart: {0}")]
pub struct PageError(String);

impl Explain for PageError {}

/// The whole page.
///
/// Charts need results with curves, and are left out without.
///
/// # Errors
/// When a chart cannot be drawn.
pub fn html_page(report: &Report) -> Result<String, PageError> {
    let mut body = format!(
        "<h1>anomalog evaluate</h1>\n<p>{}</p>\n",
        escape(&report.conditions)
    );
    for dataset in distinct(report.summary.iter().map(|s| s.dataset.as_str())) {
        body.push_str(&curves(report, dataset)?);
    }
    body.push_str("<h2>Tables</h2>\n");
    for table in tables(report) {
        body.push_str(&table.html());
    }
    for dataset in distinct(report.summary.iter().map(|s| s.dataset.as_str())) {
        body.push_str(&traces(report, dataset)?);
    }
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>anomalog evaluate</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n\
         </html>\n"
    ))
}

/// Precision–recall, and recall against false alarms, of one dataset: a line per candidate, each a
/// mean over series and seeds.
fn curves(report: &Report, dataset: &str) -> Result<String, PageError> {
    let of_dataset = || {
        let results = report.results.iter();
        results.filter(|result| result.dataset == dataset && result.curves.is_some())
    };
    let keys = distinct(of_dataset().map(SeriesResult::candidate));
    if keys.is_empty() {
        return Ok(String::new());
    }
    let (mut precisions, mut recalls) = (Vec::new(), Vec::new());
    for (detector, protocol) in keys {
        let own = of_dataset().filter(|r| r.candidate() == (detector, protocol));
        let curves: Vec<_> = own.filter_map(|result| result.curves.as_ref()).collect();
        let name = name(detector, protocol);
        let is_floor = protocol == FLOOR;
        let precision: [f64; RECALLS + 1] =
            std::array::from_fn(|place| mean(curves.iter().map(|c| c.precisions[place])));
        precisions.push(Line {
            name: name.clone(),
            points: charts::precision_points(&precision),
            is_floor,
        });
        let recall = |place: usize| mean(curves.iter().map(|c| c.recalls[place]));
        let points = BUDGETS.iter().enumerate();
        recalls.push(Line {
            name,
            points: points
                .map(|(place, budget)| (*budget, recall(place)))
                .filter(|(_, recall)| recall.is_finite())
                .collect(),
            is_floor,
        });
    }
    let figure = |svg: &str, caption: &str| {
        format!("<figure>\n{svg}\n<figcaption>{caption}</figcaption>\n</figure>\n")
    };
    let mut html = format!("<h2>{}</h2>\n", escape(dataset));
    html.push_str(&figure(
        &charts::precision_recall(&precisions).map_err(failed)?,
        "Highest precision at each recall or more, by windows, whole series; mean over series.",
    ));
    html.push_str(&figure(
        &charts::recall_by_alarms(&recalls).map_err(failed)?,
        "Share of events found after the training range, at the lowest threshold that keeps within \
         so many false alarms; mean over series.",
    ));
    Ok(html)
}

/// The scores of each series, by the best floor and the best detector of its dataset.
fn traces(report: &Report, dataset: &str) -> Result<String, PageError> {
    let best = |floors: bool| {
        let summaries = report.summary.iter();
        let candidates = summaries.filter(|s| s.dataset == dataset && s.is_floor() == floors);
        let volume = |summary: &Summary| summary.measures.get("vus_pr").map(|i| i.mean);
        candidates
            .max_by(|a, b| {
                volume(a)
                    .partial_cmp(&volume(b))
                    .unwrap_or(std::cmp::Ordering::Equal)
            })
            .map(|summary| (summary.detector.as_str(), summary.protocol.as_str()))
    };
    let shown: Vec<_> = [best(false), best(true)].into_iter().flatten().collect();
    let results: Vec<&SeriesResult> = report
        .results
        .iter()
        .filter(|result| result.dataset == dataset && result.curves.is_some())
        .collect();
    let mut html = String::new();
    for file in distinct(results.iter().map(|result| result.file.as_str())) {
        for &(detector, protocol) in &shown {
            // One seed is enough to look at.
            let result = results
                .iter()
                .find(|r| r.file == file && r.candidate() == (detector, protocol));
            let Some((result, curves)) =
                result.and_then(|result| Some((result, result.curves.as_ref()?)))
            else {
                continue;
            };
            html.push_str(&format!(
                "<figure>\n{}\n<figcaption>{}, {}: VUS-PR {:.3}</figcaption>\n</figure>\n",
                charts::trace(curves).map_err(failed)?,
                escape(file),
                name(detector, protocol),
                result.measures.vus_pr
            ));
        }
    }
    if html.is_empty() {
        return Ok(html);
    }
    let title = escape(dataset);
    Ok(format!(
        "<h2>{title}: scores and labels</h2>\n<p>Blue: the score, on a root scale. Red: labelled \
         windows. Dashed: the end of the training range, and the threshold where it is in sight.</p>\n\
         {html}"
    ))
}

fn name(detector: &str, protocol: &str) -> String {
    if protocol == FLOOR {
        detector.to_owned()
    } else {
        format!("{detector} {protocol}")
    }
}

/// The mean of what is there; NaN without.
fn mean(figures: impl Iterator<Item = f64>) -> f64 {
    let figures: Vec<f64> = figures.filter(|figure| figure.is_finite()).collect();
    figures.iter().sum::<f64>() / figures.len() as f64
}

fn failed(error: impl std::fmt::Display) -> PageError {
    PageError(error.to_string())
}
