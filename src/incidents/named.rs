//! Incidents as others are told of them: in a summary, by a webhook.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use chrono::NaiveDate;
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Float64Type, Int32Type};
use serde::{Deserialize, Serialize};

use super::SeverityRule;
use super::error::Result;
use super::facts::{requests_of, text_if_any};
use super::kind::IncidentKind;
use crate::schema::Table;
use crate::units::{parse_instant, rfc_3339};
use crate::warehouse::Warehouse;
use crate::warehouse::rows::{self, column, micros, str_of};
use crate::warehouse::tables::partition_file;

/// A cause that explains less of the change than a fifth is no suspect: it is in the table alone.
const LEAST_POWER: f64 = 0.2;
/// A value of a cause is shown up to here.
const MOST_CHARACTERS: usize = 60;

/// One incident and its first cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedIncident<C = NamedCause> {
    /// Its key.
    pub incident_id: String,
    /// Its series.
    pub site: String,
    /// When it starts, RFC 3339.
    pub started_at: String,
    /// When it ends, RFC 3339.
    pub ended_at: String,
    /// How severe it is.
    pub severity: SeverityRule,
    /// What it looks like.
    #[serde(default)]
    pub kind: IncidentKind,
    /// What decided on the kind, in words.
    #[serde(default)]
    pub kind_evidence: String,
    /// `spike` or `dip`.
    pub direction: String,
    /// The metric that shows it.
    pub top_metric: String,
    /// What was expected of it in total.
    pub expected_total: f64,
    /// What there was.
    pub actual_total: f64,
    /// Requests of the series during it, where that is known.
    #[serde(default)]
    pub requests: Option<i64>,
    /// Minutes of usual traffic that were lost or came on top.
    pub impact_minutes: f64,
    /// What explains it best, if anything does.
    pub cause: Option<C>,
}

/// The first cause of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedCause {
    /// What it is a value of, such as `client_ip`.
    pub dimension: String,
    /// The value, as whoever sent the requests wrote it.
    pub value: String,
}

impl NamedCause {
    /// The whole of it as text, such as `client_ip 192.0.2.1`.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{} {}", self.dimension, self.value)
    }
}

/// The incidents that are stored of a date, with their first causes.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn of_date(warehouse: &Warehouse, date: NaiveDate) -> Result<Vec<NamedIncident>> {
    let rows = |table| rows::read_if_there(&partition_file(&warehouse.table(table), date));
    let causes = rows(Table::IncidentCauses)?;
    let incidents = rows(Table::Incidents)?;
    let mut found = Vec::new();
    for incidents in &incidents {
        found.extend(named(incidents, &causes));
    }
    Ok(found)
}

/// Reads the incidents of rows of `incidents`, with their first causes of rows of `incident_causes`.
pub(crate) fn named(
    incidents: &RecordBatch,
    causes: &[RecordBatch],
) -> impl Iterator<Item = NamedIncident> {
    let mut first_causes: BTreeMap<String, NamedCause> = BTreeMap::new();
    for causes in causes {
        let ranks = column(causes, "rank").as_primitive::<Int32Type>();
        let powers = column(causes, "explanatory_power").as_primitive::<Float64Type>();
        let is_named = |row: &usize| ranks.value(*row) == 1 && powers.value(*row) >= LEAST_POWER;
        for row in (0..causes.num_rows()).filter(is_named) {
            let cause = NamedCause {
                dimension: str_of(causes, "dimension", row).to_owned(),
                value: str_of(causes, "value", row).to_owned(),
            };
            first_causes.insert(str_of(causes, "incident_id", row).to_owned(), cause);
        }
    }
    (0..incidents.num_rows()).map(move |row| {
        let number = |name| {
            column(incidents, name)
                .as_primitive::<Float64Type>()
                .value(row)
        };
        let text = |name| str_of(incidents, name, row).to_owned();
        let id = text("incident_id");
        NamedIncident {
            site: text("site"),
            started_at: rfc_3339(micros(incidents, "started_at", row)),
            ended_at: rfc_3339(micros(incidents, "ended_at", row)),
            severity: SeverityRule::of_row(str_of(incidents, "severity", row)),
            kind: IncidentKind::of_row(text_if_any(incidents, "kind", row)),
            kind_evidence: text_if_any(incidents, "kind_evidence", row)
                .unwrap_or_default()
                .to_owned(),
            direction: text("direction"),
            top_metric: text("top_metric"),
            expected_total: number("expected_total"),
            actual_total: number("actual_total"),
            requests: requests_of(incidents, row),
            impact_minutes: number("impact_minutes"),
            cause: first_causes.remove(&id),
            incident_id: id,
        }
    })
}

impl<C> NamedIncident<C> {
    /// The same with its cause told otherwise.
    pub fn map_cause<D>(self, tell: impl FnOnce(C) -> D) -> NamedIncident<D> {
        NamedIncident {
            incident_id: self.incident_id,
            site: self.site,
            started_at: self.started_at,
            ended_at: self.ended_at,
            severity: self.severity,
            kind: self.kind,
            kind_evidence: self.kind_evidence,
            direction: self.direction,
            top_metric: self.top_metric,
            expected_total: self.expected_total,
            actual_total: self.actual_total,
            requests: self.requests,
            impact_minutes: self.impact_minutes,
            cause: self.cause.map(tell),
        }
    }

    /// How many requests it is about: those during it, or those expected if that is more.
    #[must_use]
    pub fn most_requests(&self) -> f64 {
        let of_metric = self.expected_total.max(self.actual_total);
        let during = self.requests.map_or(0.0, |requests| requests as f64);
        if self.top_metric == "requests" {
            during.max(of_metric)
        } else {
            during
        }
    }

    /// From when to when, in microseconds since the epoch.
    #[must_use]
    pub fn time(&self) -> Range<i64> {
        let [start, end] = [&self.started_at, &self.ended_at]
            .map(|time| parse_instant(time).map_or(0, |time| time.timestamp_micros()));
        start..end
    }

    /// Orders the worst first: by severity, impact, start, then name.
    #[must_use]
    pub fn worst_first(&self, other: &Self) -> Ordering {
        (other.severity.cmp(&self.severity))
            .then(other.impact_minutes.total_cmp(&self.impact_minutes))
            .then_with(|| self.started_at.cmp(&other.started_at))
            .then_with(|| self.site.cmp(&other.site))
            .then_with(|| self.incident_id.cmp(&other.incident_id))
    }

    /// What was gained or lost, in words; of latencies, whose sums mean nothing, how they compare.
    #[must_use]
    pub fn change(&self) -> String {
        let metric = &self.top_metric;
        let ratio = self.actual_total / self.expected_total;
        if metric.starts_with("latency") && ratio.is_finite() {
            format!("{metric} {ratio:.1} times the usual")
        } else {
            format!("{:+.0} {metric}", self.actual_total - self.expected_total)
        }
    }
}

impl fmt::Display for NamedIncident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            site,
            started_at,
            ended_at,
            severity,
            kind,
            ..
        } = self;
        let change = self.change();
        write!(
            f,
            "{severity}: {kind} at {site}, {started_at} to {ended_at}, {change}"
        )?;
        match &self.cause {
            Some(cause) => write!(f, ", {cause}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for NamedCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dimension, value } = self;
        match value.char_indices().nth(MOST_CHARACTERS) {
            Some((end, _)) => write!(f, "{dimension} {}…", &value[..end]),
            None => write!(f, "{dimension} {value}"),
        }
    }
}
