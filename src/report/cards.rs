//! Incidents as the page shows them: with a picture, or as a row.

use chrono::DateTime;
use serde_json::{Value, json};

use super::drawing::{Drawn, draw};
use super::error::Result;
use super::further;
use super::overview::Overview;
use super::pictures::{HOUR, Picture, Point};
use super::wording::{
    capital, change, duration, metric_words, moment, percent, short, visible, when,
};
use crate::incidents::{IncidentCause, ListedIncident, SeverityRule};
use crate::units::printable::escape_controls;

/// So many values are shown of who or what stands out.
const MOST_CAUSES: usize = 12;
/// Labels below a picture.
const MOST_HOURS: i64 = 8;

/// An incident with its picture.
pub(super) struct Card {
    pub(super) id: String,
    pub(super) number: usize,
    pub(super) severity: SeverityRule,
    pub(super) kind: String,
    pub(super) site: String,
    pub(super) started_at: String,
    pub(super) when: String,
    pub(super) length: String,
    pub(super) change: String,
    pub(super) evidence: String,
    pub(super) metric: String,
    pub(super) description: String,
    pub(super) top: String,
    pub(super) curve: String,
    pub(super) strip: String,
    pub(super) hours: Vec<String>,
    pub(super) causes: Vec<CauseRow>,
    pub(super) nobody: &'static str,
    pub(super) queries: Vec<String>,
}

pub(super) struct CauseRow {
    pub(super) dimension: &'static str,
    pub(super) value: String,
    pub(super) before: String,
    pub(super) during: String,
    pub(super) power: String,
}

/// An incident in a table.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) severity: SeverityRule,
    pub(super) kind: String,
    pub(super) site: String,
    pub(super) when: String,
    pub(super) change: String,
    pub(super) cause: String,
}

pub(super) fn card(
    overview: &Overview,
    number: usize,
    listed: &ListedIncident,
    picture: &Picture,
) -> Result<Card> {
    let incident = &listed.incident;
    let drawn = draw(picture)?;
    let metric = metric_words(&picture.metric);
    let unit = duration(picture.step);
    let time = incident.time();
    Ok(Card {
        id: incident.incident_id.clone(),
        number,
        severity: incident.severity,
        kind: capital(incident.kind.words()),
        site: visible(&incident.site),
        started_at: incident.started_at.clone(),
        when: when(listed),
        length: format!("for {}", duration(time.end - time.start)),
        change: change(listed),
        evidence: capital(&incident.kind_evidence).replace(" %", "\u{a0}%"),
        metric: format!("{metric}, in windows of {unit}"),
        description: description(listed, picture, &drawn),
        top: short(drawn.top),
        curve: drawn.curve,
        strip: drawn.strip,
        hours: hours(picture),
        causes: listed
            .causes
            .iter()
            .take(MOST_CAUSES)
            .map(cause_row)
            .collect(),
        nobody: "Nobody stands out: all traffic changed alike.",
        queries: (further::queries(listed, &overview.series_key).iter())
            .map(|query| visible_query(query))
            .collect(),
    })
}

/// A query, whose lines stay.
fn visible_query(query: &str) -> String {
    let lines: Vec<String> = query.split('\n').map(escape_controls).collect();
    lines.join("\n")
}

/// What a picture shows, for those who do not see it.
fn description(listed: &ListedIncident, picture: &Picture, drawn: &Drawn) -> String {
    let incident = &listed.incident;
    let metric = metric_words(&picture.metric);
    let during = picture.points.iter().zip(0_i64..).filter(|(_, place)| {
        let time = picture.range.start + place * picture.step;
        picture.incident.contains(&time)
    });
    let values: Vec<f64> = during.filter_map(|(point, _)| point.actual).collect();
    let range = match (
        values.iter().copied().reduce(f64::min),
        values.iter().copied().reduce(f64::max),
    ) {
        (Some(least), Some(most)) => format!("from {} to {}", short(least), short(most)),
        _ => "not known".to_owned(),
    };
    format!(
        "{metric} at {}, {} to {}, on a scale up to {}. During the incident {range}.",
        visible(&incident.site),
        moment(picture.range.start),
        moment(picture.range.end),
        short(drawn.top)
    )
}

fn cause_row(cause: &IncidentCause) -> CauseRow {
    CauseRow {
        dimension: dimension_words(&cause.dimension),
        value: visible(&cause.value),
        before: percent(cause.share_before),
        during: percent(cause.share_during),
        power: percent(cause.explanatory_power),
    }
}

/// Labels below a picture: every so many hours, in cells of one width.
fn hours(picture: &Picture) -> Vec<String> {
    let count = (picture.range.end - picture.range.start) / HOUR;
    let every = (1..=count.max(1))
        .find(|every| count % every == 0 && count / every <= MOST_HOURS)
        .unwrap_or(count.max(1));
    (0..count / every)
        .map(|cell| {
            let time = picture.range.start + cell * every * HOUR;
            let time = DateTime::from_timestamp_micros(time).unwrap_or_default();
            let is_midnight = time.format("%H").to_string() == "00";
            let form = if is_midnight { "%e %b" } else { "%H:%M" };
            time.format(form).to_string().trim().to_owned()
        })
        .collect()
}

/// What a value is of, in a word.
pub(super) fn dimension_words(dimension: &str) -> &'static str {
    match dimension {
        "client_ip" => "client",
        "client_network" => "network",
        "path" => "path",
        "path_folder" => "folder",
        "user_agent" => "user agent",
        "status" => "status",
        "method" => "method",
        _ => "value",
    }
}

pub(super) fn row(listed: &ListedIncident) -> Row {
    let incident = &listed.incident;
    let cause = incident.cause.as_ref();
    Row {
        id: incident.incident_id.clone(),
        severity: incident.severity,
        kind: incident.kind.to_string(),
        site: visible(&incident.site),
        when: when(listed),
        change: change(listed),
        cause: cause.map_or_else(String::new, |cause| {
            let words = dimension_words(&cause.dimension);
            visible(&format!("{words} {}", cause.value))
        }),
    }
}

pub(super) fn picture_data(picture: &Picture) -> Value {
    let values = |of: fn(&Point) -> Option<f64>| -> Vec<Value> {
        picture.points.iter().map(of).map(rounded).collect()
    };
    let scores: Vec<Value> = (picture.points.iter())
        .map(|point| {
            point
                .score
                .map_or(Value::Null, |score| json!((score * 1e4).floor() / 1e4))
        })
        .collect();
    json!({
        "metric": metric_words(&picture.metric),
        "start": picture.range.start / 1_000_000,
        "step": picture.step / 1_000_000,
        "actual": values(|point| point.actual),
        "expected": values(|point| point.expected),
        "lower": values(|point| point.lower.filter(|_| point.upper.is_some())),
        "upper": values(|point| point.upper.filter(|_| point.lower.is_some())),
        "score": scores,
    })
}

/// A number with as many digits as are read.
pub(super) fn rounded(value: Option<f64>) -> Value {
    match value {
        Some(value) if value.abs() >= 100.0 => json!(value.round() as i64),
        Some(value) if value.is_finite() => json!((value * 100.0).round() / 100.0),
        _ => Value::Null,
    }
}
