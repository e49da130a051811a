//! Incidents as others are told of them: in a summary, by a webhook.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Float64Type, Int32Type};
use serde::{Deserialize, Serialize};

use super::SeverityRule;
use crate::units::rfc_3339;
use crate::warehouse::rows::{column, micros, str_of};

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
    /// `spike` or `dip`.
    pub direction: String,
    /// The metric that shows it.
    pub top_metric: String,
    /// What was expected of it in total.
    pub expected_total: f64,
    /// What there was.
    pub actual_total: f64,
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

/// Reads the incidents of rows of `incidents`, with their first causes of rows of `incident_causes`.
pub(crate) fn named(
    incidents: &RecordBatch,
    causes: &[RecordBatch],
) -> impl Iterator<Item = NamedIncident> {
    let mut first_causes: BTreeMap<String, NamedCause> = BTreeMap::new();
    for causes in causes {
        let ranks = column(causes, "rank").as_primitive::<Int32Type>();
        for row in (0..causes.num_rows()).filter(|row| ranks.value(*row) == 1) {
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
            direction: text("direction"),
            top_metric: text("top_metric"),
            expected_total: number("expected_total"),
            actual_total: number("actual_total"),
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
            direction: self.direction,
            top_metric: self.top_metric,
            expected_total: self.expected_total,
            actual_total: self.actual_total,
            impact_minutes: self.impact_minutes,
            cause: self.cause.map(tell),
        }
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
            ..
        } = self;
        let change = self.change();
        write!(
            f,
            "{severity}: {site}, {started_at} to {ended_at}, {change}"
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
