//! The page: what `templates/report.html` is filled in with.
//!
//! Texts of the logs are escaped by the template and stay text; what a terminal or a reader would obey or
//! not see is written out. The page runs no script but its own and loads nothing: a policy in its head, by
//! digests of its own sheet and script, says so. Data for the script are a block of JSON, in which no `<`
//! stands.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::cards::{Card, Row, card, dimension_words, picture_data, row};
use super::error::Result;
use super::overview::{MOST_PICTURES, Overview, SeriesOverview};
use super::sections::{
    DetectorRow, LogRow, MOST_QUALITY, QualityRow, RejectedRow, SeriesRow, detectors, logs,
    quality, rejected, run_fact, series,
};
use super::wording::{change, duration, grouped, period, visible, when};
use crate::incidents::{ListedIncident, SeverityRule};

const STYLE: &str = include_str!("../../templates/report.css");
const SCRIPT: &str = include_str!("../../templates/report.js");

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    policy: String,
    style: &'static str,
    script: &'static str,
    data: String,
    title: String,
    headline: String,
    range: String,
    lines: Vec<(&'static str, String)>,
    total: usize,
    empty: String,
    cards: Vec<Card>,
    others: Vec<Row>,
    untold: Vec<(Row, String)>,
    stretch: String,
    series: Vec<SeriesRow>,
    logs: Vec<LogRow>,
    rejected: Vec<RejectedRow>,
    quality_title: String,
    quality: Vec<QualityRow>,
    detectors: Vec<DetectorRow>,
    run: Vec<(String, String)>,
    version: &'static str,
}

/// The page of a report.
///
/// # Errors
/// When a picture cannot be drawn.
pub(super) fn page(overview: &Overview) -> Result<String> {
    let mut cards = Vec::new();
    for (number, (incident, picture)) in (overview.incidents.iter())
        .zip(&overview.pictures)
        .enumerate()
    {
        cards.push(card(overview, number, incident, picture)?);
    }
    let (series, series_data) = series(overview)?;
    let pictures: Vec<Value> = overview.pictures.iter().map(picture_data).collect();
    let data = json!({ "pictures": pictures, "series": series_data });
    let others = overview.incidents.iter().skip(MOST_PICTURES);
    let untold = overview.untold.iter();
    let shown = overview.series.len().min(MOST_QUALITY);
    let page = Page {
        policy: policy(),
        style: STYLE,
        script: SCRIPT,
        data: json_block(&data),
        title: period(overview),
        headline: headline(overview),
        range: period(overview),
        lines: lines(overview),
        total: overview.incidents.len(),
        empty: match overview.untold.len() {
            0 => "Nothing stood out for long enough to be an incident.".to_owned(),
            untold => format!("Nothing but {untold} that are not told."),
        },
        cards,
        others: others.map(row).collect(),
        untold: untold
            .map(|(incident, why)| (row(incident), visible(why)))
            .collect(),
        stretch: duration(overview.stretches.length),
        series,
        logs: logs(overview),
        rejected: rejected(overview),
        quality_title: if shown < overview.series.len() {
            format!(
                "What is known of the {shown} series with the most windows without a log, of {}",
                overview.series.len()
            )
        } else {
            "What is known of each series".to_owned()
        },
        quality: quality(overview),
        detectors: detectors(overview),
        run: overview.run.iter().flatten().map(run_fact).collect(),
        version: env!("CARGO_PKG_VERSION"),
    };
    Ok(page.render()?)
}

/// Nothing is loaded, and nothing runs but the sheet and the script of the page.
fn policy() -> String {
    let digest = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        digest(STYLE),
        digest(SCRIPT)
    )
}

/// JSON that cannot end the element that it stands in.
fn json_block(data: &Value) -> String {
    data.to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

fn headline(overview: &Overview) -> String {
    let high = severe(overview, SeverityRule::High);
    match (overview.incidents.len(), high) {
        (0, _) => "Nothing to report".to_owned(),
        (1, 0) => "One incident".to_owned(),
        (1, _) => "One severe incident".to_owned(),
        (total, 0) => format!("{total} incidents"),
        (total, high) => format!("{total} incidents, {high} of them severe"),
    }
}

fn severe(overview: &Overview, severity: SeverityRule) -> usize {
    let all = overview.incidents.iter();
    all.filter(|incident| incident.incident.severity == severity)
        .count()
}

/// What happened, in five lines.
fn lines(overview: &Overview) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let incidents = &overview.incidents;
    let sites: BTreeSet<&str> = (incidents.iter())
        .map(|incident| incident.incident.site.as_str())
        .collect();
    let counts = [SeverityRule::High, SeverityRule::Medium, SeverityRule::Low]
        .map(|severity| (severity, severe(overview, severity)));
    let counts: Vec<String> = (counts.iter())
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| format!("{count} {severity}"))
        .collect();
    lines.push((
        "Incidents",
        if incidents.is_empty() {
            format!("none at {} series", grouped(overview.series.len() as i64))
        } else {
            format!(
                "{}, at {} of {} series",
                counts.join(", "),
                sites.len(),
                overview.series.len()
            )
        },
    ));
    lines.push((
        "The worst",
        incidents.first().map_or_else(
            || "nothing stood out for long enough".to_owned(),
            |worst| {
                let incident = &worst.incident;
                let cause = incident.cause.as_ref().map_or_else(String::new, |cause| {
                    let words = dimension_words(&cause.dimension);
                    format!("; first suspect: {words} {}", visible(&cause.value))
                });
                format!(
                    "{} at {}, {}, {}{cause}",
                    incident.kind,
                    visible(&incident.site),
                    when(worst),
                    change(worst),
                )
            },
        ),
    ));
    lines.push(("By kind", by_kind(incidents)));
    let total = |of: fn(&SeriesOverview) -> i64| overview.series.iter().map(of).sum::<i64>();
    let rejected: i64 = overview.logs.iter().map(|logs| logs.rejected).sum();
    lines.push((
        "Data",
        format!(
            "{} requests in {} windows, {} of them without a log; {} lines rejected",
            grouped(total(|series| series.counts.requests)),
            grouped(total(|series| series.counts.windows)),
            grouped(total(|series| series.counts.without_log)),
            grouped(rejected)
        ),
    ));
    let names: Vec<&str> = overview.detectors.keys().map(String::as_str).collect();
    lines.push((
        "Scores",
        format!(
            "by {}; {} windows anomalous, {} too early to be scored",
            if names.is_empty() {
                "no detector".to_owned()
            } else {
                names.join(", ")
            },
            grouped(total(|series| series.counts.anomalies)),
            grouped(total(|series| series.counts.warm_up))
        ),
    ));
    lines
}

/// How many there are of each kind, the most frequent first.
fn by_kind(incidents: &[ListedIncident]) -> String {
    let mut counts = BTreeMap::new();
    for incident in incidents {
        *counts.entry(incident.incident.kind).or_insert(0_usize) += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(kind, count)| (Reverse(*count), *kind));
    let words: Vec<String> = (counts.iter())
        .map(|(kind, count)| format!("{count} × {kind}"))
        .collect();
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::overview::{Stretches, WindowCounts};

    #[test]
    fn data_cannot_end_their_element() {
        let block = json_block(&json!({ "name": "</script><script>alert(1)</script>&" }));
        assert!(!block.contains('<') && !block.contains('&'), "{block}");
        let read: Value = serde_json::from_str(&block).unwrap();
        assert_eq!(read["name"], "</script><script>alert(1)</script>&");
    }

    #[test]
    fn the_policy_is_that_of_the_sheet_and_the_script() {
        // By `openssl dgst -sha256 -binary | base64` of nothing.
        let nothing = STANDARD.encode(Sha256::digest(b""));
        assert_eq!(nothing, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        assert!(policy().starts_with("default-src 'none'; style-src 'sha256-"));
        // Neither may end its element.
        assert!(!STYLE.contains("</") && !SCRIPT.contains("</"));
    }

    /// An overview of many series, each with an incident or several, over ninety days.
    fn large() -> Overview {
        use crate::incidents::{IncidentKind, NamedIncident};
        use crate::report::pictures::{HOUR, Picture, Point};
        use crate::units::rfc_3339;

        const SERIES: usize = 500;
        let range = 0..90 * 24 * HOUR;
        let stretches = Stretches::of(&range, HOUR / 60);
        let place = |number: usize| (number as i64 * 7 + 9) * HOUR;
        let incidents = (0..SERIES).map(|number| ListedIncident {
            incident: NamedIncident {
                incident_id: format!("{number:016x}"),
                site: format!("site-{number}.example.com"),
                started_at: rfc_3339(place(number)),
                ended_at: rfc_3339(place(number) + HOUR),
                severity: SeverityRule::High,
                kind: IncidentKind::Surge,
                kind_evidence: "4.0 times the usual requests".to_owned(),
                direction: "spike".to_owned(),
                top_metric: "requests".to_owned(),
                expected_total: 1_000.0,
                actual_total: 4_000.0,
                requests: None,
                impact_minutes: 180.0,
                cause: None,
            },
            group_id: String::new(),
            windows: 60,
            peak_score: 0.999_999,
            causes: Vec::new(),
        });
        let point = |minute: i64| {
            let level = 1_000.0 + 400.0 * (minute as f64 / 17.0).sin();
            Point {
                actual: Some(level * 1.01),
                expected: Some(level),
                lower: Some(level * 0.9),
                upper: Some(level * 1.1),
                score: Some(0.9 + 0.09 * (minute as f64 / 5.0).sin()),
            }
        };
        let pictures = (0..MOST_PICTURES).map(|number| Picture {
            metric: "requests".to_owned(),
            incident: place(number)..place(number) + HOUR,
            range: place(number) - 3 * HOUR..place(number) + 4 * HOUR,
            step: HOUR / 60,
            points: (0..7 * 60).map(point).collect(),
        });
        let series = (0..SERIES).map(|number| SeriesOverview {
            name: format!("site-{number}.example.com"),
            counts: WindowCounts::default(),
            requests: (0..168)
                .map(|stretch| Some(f64::from(stretch * 7_919 % 104_729)))
                .collect(),
        });
        Overview {
            range,
            series_key: "site".to_owned(),
            stretches,
            series: series.collect(),
            incidents: incidents.collect(),
            pictures: pictures.collect(),
            untold: Vec::new(),
            detectors: BTreeMap::new(),
            logs: Vec::new(),
            rejected: Vec::new(),
            run: None,
        }
    }

    #[test]
    fn a_quarter_of_500_series_stays_below_ten_megabytes() {
        let page = page(&large()).unwrap();
        assert!(page.len() < 10_000_000, "{} bytes", page.len());
        assert_eq!(page.matches("<article").count(), MOST_PICTURES);
        assert_eq!(page.matches("class=\"line\"").count(), 500);
    }
}
