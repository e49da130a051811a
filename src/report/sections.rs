//! What the page shows besides incidents: series, logs, detectors, the run.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::cards::rounded;
use super::drawing;
use super::error::Result;
use super::overview::{Overview, SeriesOverview};
use super::wording::{grouped, percent, visible};

/// Series with a tall timeline, whose values the script knows.
const MOST_TALL: usize = 50;
/// Series in the table of what is known of each.
pub(super) const MOST_QUALITY: usize = 100;

pub(super) struct SeriesRow {
    pub(super) name: String,
    pub(super) requests: String,
    pub(super) incidents: usize,
    pub(super) is_tall: bool,
    pub(super) number: Option<usize>,
    pub(super) description: String,
    pub(super) drawn: String,
}

pub(super) struct LogRow {
    pub(super) format: String,
    pub(super) files: String,
    pub(super) lines: String,
    pub(super) rejected: String,
}

pub(super) struct RejectedRow {
    pub(super) file: String,
    pub(super) reason: String,
    pub(super) lines: String,
}

pub(super) struct QualityRow {
    pub(super) name: String,
    pub(super) windows: String,
    pub(super) without_log: String,
    pub(super) is_missing: bool,
    pub(super) warm_up: String,
    pub(super) short_history: String,
    pub(super) without_latency: String,
}

pub(super) struct DetectorRow {
    pub(super) name: String,
    pub(super) scored: String,
    pub(super) anomalies: String,
    pub(super) unusual: String,
}

/// Those with the worst incidents first, and their values for the script.
pub(super) fn series(overview: &Overview) -> Result<(Vec<SeriesRow>, Vec<Value>)> {
    let worst = |name: &str| {
        let all = overview.incidents.iter();
        all.clone()
            .position(|incident| incident.incident.site == name)
            .unwrap_or(usize::MAX)
    };
    let mut order: Vec<(usize, &SeriesOverview)> = (overview.series.iter())
        .map(|series| (worst(&series.name), series))
        .collect();
    order.sort_by_key(|(worst, series)| (*worst, Reverse(series.counts.requests)));
    let (mut rows, mut data) = (Vec::new(), Vec::new());
    for (place, (_, series)) in order.into_iter().enumerate() {
        let of_series = overview.incidents.iter();
        let times: Vec<_> = of_series
            .filter(|incident| incident.incident.site == series.name)
            .map(|incident| incident.incident.time())
            .collect();
        let is_tall = place < MOST_TALL;
        let name = visible(&series.name);
        rows.push(SeriesRow {
            requests: grouped(series.counts.requests),
            incidents: times.len(),
            is_tall,
            number: is_tall.then_some(place),
            description: format!(
                "requests of {name} over the range, {} in all, incidents: {}",
                grouped(series.counts.requests),
                times.len()
            ),
            drawn: drawing::timeline(&overview.stretches, &series.requests, &times)?,
            name: name.clone(),
        });
        if is_tall {
            data.push(json!({
                "name": name,
                "metric": "requests",
                "start": overview.stretches.start() / 1_000_000,
                "step": overview.stretches.length / 1_000_000,
                "actual": series.requests.iter().copied().map(rounded).collect::<Vec<_>>(),
            }));
        }
    }
    Ok((rows, data))
}

pub(super) fn logs(overview: &Overview) -> Vec<LogRow> {
    let logs = overview.logs.iter();
    let rows = logs.map(|log| LogRow {
        format: visible(&log.format),
        files: grouped(log.files),
        lines: grouped(log.lines),
        rejected: grouped(log.rejected),
    });
    rows.collect()
}

pub(super) fn rejected(overview: &Overview) -> Vec<RejectedRow> {
    let rejected = overview.rejected.iter();
    let rows = rejected.map(|lines| RejectedRow {
        file: visible(&lines.file),
        reason: visible(&lines.reason),
        lines: grouped(lines.lines),
    });
    rows.collect()
}

/// Those with the most windows without a log first.
pub(super) fn quality(overview: &Overview) -> Vec<QualityRow> {
    let mut series: Vec<&SeriesOverview> = overview.series.iter().collect();
    series.sort_by_key(|series| Reverse(series.counts.without_log));
    let rows = series.into_iter().take(MOST_QUALITY).map(|series| {
        let counts = series.counts;
        QualityRow {
            name: visible(&series.name),
            windows: grouped(counts.windows),
            without_log: grouped(counts.without_log),
            is_missing: counts.without_log > 0,
            warm_up: grouped(counts.warm_up),
            short_history: grouped(counts.short_history),
            without_latency: grouped(counts.without_latency),
        }
    });
    rows.collect()
}

pub(super) fn detectors(overview: &Overview) -> Vec<DetectorRow> {
    let rows = overview.detectors.iter().map(|(name, counts)| DetectorRow {
        name: name.clone(),
        scored: grouped(counts.scored),
        anomalies: grouped(counts.anomalies),
        unusual: percent(counts.unusual as f64 / counts.scored.max(1) as f64),
    });
    rows.collect()
}

pub(super) fn run_fact((name, value): &(String, String)) -> (String, String) {
    let value = match value.parse::<i64>() {
        Ok(number) => grouped(number),
        Err(_) => visible(value),
    };
    (name.replace('_', " "), value)
}
