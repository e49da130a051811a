//! What people say of incidents, and which others it answers.
//!
//! `anomalog incidents label` keeps a row per incident in the table `labels`, in a file of its own: of a false
//! one with the kind `normal`, of a true one with the kind of the incident. So whatever learns from labels
//! learns from these, and `incident_id` and the columns after it say what the incident was when it was labelled.
//!
//! **An incident is answered** by a false label of itself, or of one like it: of the same site and kind at the
//! same time of day, give or take an hour, so that clocks which change make no difference. Unless it is
//! clearly worse: of a higher severity, or with at least twice the impact. One that was labelled true is never
//! answered.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::Float64Type;
use serde::Serialize;

use super::SeverityRule;
use super::error::Result;
use super::facts::text_if_any;
use super::kind::IncidentKind;
use super::named::NamedIncident;
use crate::calendar::labels::NORMAL_KIND;
use crate::schema::{INCIDENT_LABELS, Table};
use crate::warehouse::Warehouse;
use crate::warehouse::commit::Change;
use crate::warehouse::rows::{self, column, micros, str_of};
use crate::warehouse::tables::TableFileWriter;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// So many times the impact of an incident that was labelled false is clearly worse.
const WORSE: f64 = 2.0;

/// What a label says of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing was wrong.
    False,
    /// Something was.
    True,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::False => "false",
            Self::True => "true",
        })
    }
}

/// The label of an incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentLabel {
    /// The incident.
    pub incident_id: String,
    /// Its series.
    pub site: String,
    /// When it was, in microseconds since the epoch.
    #[serde(skip)]
    pub time: Range<i64>,
    /// Its kind.
    pub kind: IncidentKind,
    /// Its severity.
    pub severity: SeverityRule,
    /// Its impact.
    pub impact_minutes: f64,
    /// Its metric.
    pub metric: String,
    /// Who caused it.
    pub culprit: Option<String>,
    /// What is said of it.
    pub verdict: Verdict,
    /// And why.
    pub note: Option<String>,
}

impl IncidentLabel {
    /// What is said of an incident.
    #[must_use]
    pub fn of(incident: &NamedIncident, verdict: Verdict, note: Option<String>) -> Self {
        Self {
            incident_id: incident.incident_id.clone(),
            site: incident.site.clone(),
            time: incident.time(),
            kind: incident.kind,
            severity: incident.severity,
            impact_minutes: incident.impact_minutes,
            metric: incident.top_metric.clone(),
            culprit: incident.cause.as_ref().map(|cause| cause.value.clone()),
            verdict,
            note,
        }
    }

    fn answers<C>(&self, incident: &NamedIncident<C>) -> bool {
        let is_worse = incident.severity > self.severity
            || incident.impact_minutes >= WORSE * self.impact_minutes.max(1.0);
        let is_it = self.incident_id == incident.incident_id;
        let is_like_it = self.site == incident.site
            && self.kind == incident.kind
            && at_the_same_time_of_day(&self.time, &incident.time());
        self.verdict == Verdict::False && (is_it || is_like_it) && !is_worse
    }
}

/// Whether two spans share a time of day, give or take an hour.
fn at_the_same_time_of_day(one: &Range<i64>, other: &Range<i64>) -> bool {
    let length = |span: &Range<i64>| (span.end - span.start).min(DAY);
    // How long after the start of the one the other starts, some day.
    let later = (other.start - one.start).rem_euclid(DAY);
    later < length(one) + HOUR || DAY - later < length(other) + HOUR
}

/// The labels of all incidents that have one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IncidentLabels(Vec<IncidentLabel>);

impl IncidentLabels {
    /// The file of the table in a warehouse.
    #[must_use]
    pub fn path(warehouse: &Warehouse) -> PathBuf {
        warehouse.table(Table::Labels).join("incidents.parquet")
    }

    /// Reads the labels of a warehouse.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn load(warehouse: &Warehouse) -> Result<Self> {
        let mut labels = Vec::new();
        for batch in rows::read_if_there(&Self::path(warehouse))? {
            let impacts = column(&batch, "incident_impact").as_primitive::<Float64Type>();
            labels.extend((0..batch.num_rows()).map(|row| {
                let text = |name: &str| text_if_any(&batch, name, row).map(str::to_owned);
                IncidentLabel {
                    incident_id: text("incident_id").unwrap_or_default(),
                    site: str_of(&batch, "site", row).to_owned(),
                    time: micros(&batch, "start", row)..micros(&batch, "end", row),
                    kind: IncidentKind::of_row(text_if_any(&batch, "incident_kind", row)),
                    severity: SeverityRule::of_row(
                        text_if_any(&batch, "incident_severity", row).unwrap_or_default(),
                    ),
                    impact_minutes: if impacts.is_valid(row) {
                        impacts.value(row)
                    } else {
                        0.0
                    },
                    metric: str_of(&batch, "metric", row).to_owned(),
                    culprit: text("culprit"),
                    verdict: if str_of(&batch, "kind", row) == NORMAL_KIND {
                        Verdict::False
                    } else {
                        Verdict::True
                    },
                    note: text("note"),
                }
            }));
        }
        Ok(Self(labels))
    }

    /// The label of an incident.
    #[must_use]
    pub fn of(&self, incident_id: &str) -> Option<&IncidentLabel> {
        self.0.iter().find(|label| label.incident_id == incident_id)
    }

    /// Takes in a label, in the place of one of the same incident; says which it replaced.
    pub fn put(&mut self, label: IncidentLabel) -> Option<IncidentLabel> {
        let place = (self.0.iter()).position(|known| known.incident_id == label.incident_id);
        let replaced = place.map(|place| self.0.swap_remove(place));
        self.0.push(label);
        self.0.sort_by(|one, other| {
            let key = |label: &IncidentLabel| (label.time.start, label.time.end);
            (key(one).cmp(&key(other))).then_with(|| one.incident_id.cmp(&other.incident_id))
        });
        replaced
    }

    /// Whether an incident was labelled true.
    #[must_use]
    pub fn is_true(&self, incident_id: &str) -> bool {
        let own = self.of(incident_id);
        own.is_some_and(|label| label.verdict == Verdict::True)
    }

    /// The false label that answers an incident.
    #[must_use]
    pub fn answer<C>(&self, incident: &NamedIncident<C>) -> Option<&IncidentLabel> {
        let own = self.of(&incident.incident_id);
        if self.is_true(&incident.incident_id) {
            return None;
        }
        let mut labels = own.into_iter().chain(&self.0);
        labels.find(|label| label.answers(incident))
    }

    /// Stages the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn stage(&self, warehouse: &Warehouse, change: &mut Change) -> Result<()> {
        let staged = change.staging().join("incidents.parquet");
        let mut file = TableFileWriter::create(&staged, Arc::clone(&INCIDENT_LABELS))?;
        file.write(&self.rows()?)?;
        file.finish()?;
        Ok(change.replace(&staged, &Self::path(warehouse))?)
    }

    fn rows(&self) -> Result<RecordBatch> {
        let texts = |of: &dyn Fn(&IncidentLabel) -> Option<String>| -> ArrayRef {
            Arc::new(self.0.iter().map(of).collect::<StringArray>())
        };
        let times = |of: fn(&IncidentLabel) -> i64| -> ArrayRef {
            let times = TimestampMicrosecondArray::from_iter_values(self.0.iter().map(of));
            Arc::new(times.with_timezone("UTC"))
        };
        let impacts: Float64Array = (self.0.iter())
            .map(|label| Some(label.impact_minutes))
            .collect();
        let kind = |label: &IncidentLabel| match label.verdict {
            Verdict::False => NORMAL_KIND,
            Verdict::True => label.kind.name(),
        };
        let columns: Vec<ArrayRef> = vec![
            texts(&|label| Some(label.site.clone())),
            times(|label| label.time.start),
            times(|label| label.time.end),
            texts(&|label| Some(kind(label).to_owned())),
            texts(&|label| Some(label.metric.clone())),
            texts(&|label| label.culprit.clone()),
            texts(&|label| Some(label.incident_id.clone())),
            texts(&|label| Some(label.kind.name().to_owned())),
            texts(&|label| Some(label.severity.to_string())),
            Arc::new(impacts),
            texts(&|label| label.note.clone()),
        ];
        Ok(RecordBatch::try_new(Arc::clone(&INCIDENT_LABELS), columns)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{parse_instant, rfc_3339};

    fn incident(id: &str, started_at: &str, minutes: i64) -> NamedIncident {
        let start = parse_instant(started_at).unwrap().timestamp_micros();
        NamedIncident {
            incident_id: id.to_owned(),
            site: "shop".to_owned(),
            started_at: rfc_3339(start),
            ended_at: rfc_3339(start + minutes * 60_000_000),
            severity: SeverityRule::Medium,
            kind: IncidentKind::Surge,
            kind_evidence: String::new(),
            direction: "spike".to_owned(),
            top_metric: "requests".to_owned(),
            expected_total: 100.0,
            actual_total: 300.0,
            requests: None,
            impact_minutes: 20.0,
            cause: None,
        }
    }

    fn labels(verdict: Verdict) -> IncidentLabels {
        let mut labels = IncidentLabels::default();
        let labelled = incident("a", "2026-03-02T23:30:00Z", 20);
        labels.put(IncidentLabel::of(&labelled, verdict, None));
        labels
    }

    #[test]
    fn false_ones_answer_the_like_of_them() {
        let labels = labels(Verdict::False);
        let is_answered = |incident: &NamedIncident| labels.answer(incident).is_some();
        let like = |started_at| incident("b", started_at, 30);
        assert!(is_answered(&incident("a", "2026-03-02T23:30:00Z", 20)));
        // Another day, an hour off, over midnight.
        assert!(is_answered(&like("2026-03-09T23:40:00Z")));
        assert!(is_answered(&like("2026-03-09T22:31:00Z")));
        assert!(is_answered(&like("2026-03-10T00:40:00Z")));
        assert!(!is_answered(&like("2026-03-10T01:00:00Z")));
        assert!(!is_answered(&like("2026-03-09T21:40:00Z")));
        let other = |change: fn(&mut NamedIncident)| {
            let mut incident = like("2026-03-09T23:40:00Z");
            change(&mut incident);
            is_answered(&incident)
        };
        assert!(!other(|incident| incident.site = "blog".to_owned()));
        assert!(!other(|incident| incident.kind = IncidentKind::Flood));
        // Clearly worse.
        assert!(!other(|incident| incident.severity = SeverityRule::High));
        assert!(!other(|incident| incident.impact_minutes = 40.0));
        assert!(other(|incident| incident.impact_minutes = 39.0));
    }

    #[test]
    fn true_ones_answer_nothing() {
        let mut labels = labels(Verdict::True);
        assert_eq!(
            labels.answer(&incident("b", "2026-03-09T23:40:00Z", 20)),
            None
        );
        // Nor is what was labelled true answered by the like of it.
        let other = incident("b", "2026-03-09T23:40:00Z", 20);
        labels.put(IncidentLabel::of(&other, Verdict::False, None));
        assert_eq!(
            labels.answer(&incident("a", "2026-03-02T23:30:00Z", 20)),
            None
        );
        let replaced = labels.put(IncidentLabel::of(&other, Verdict::True, None));
        assert_eq!(replaced.map(|label| label.verdict), Some(Verdict::False));
    }

    #[test]
    fn what_lasts_a_day_is_at_every_time_of_day() {
        assert!(at_the_same_time_of_day(
            &(0..2 * DAY),
            &(15 * HOUR..16 * HOUR)
        ));
        assert!(at_the_same_time_of_day(
            &(15 * HOUR..16 * HOUR),
            &(0..2 * DAY)
        ));
        assert!(!at_the_same_time_of_day(
            &(0..HOUR),
            &(15 * HOUR..16 * HOUR)
        ));
    }
}
