//! Incidents that nobody has been told of yet.
//!
//! [`Ledger`] remembers, in the warehouse, which incidents earlier runs have seen and how severe they
//! were. New are those that it does not know, and those that are more severe by now; it does not
//! matter which command built them, or when. An incident that a webhook did not take is remembered
//! too and sent again by the next run: it may be told twice, and is never lost.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int32Type;
use serde::{Deserialize, Serialize};

use crate::export::partition_identity;
use crate::incidents::SeverityRule;
use crate::incremental::remembered;
use crate::job::Result;
use crate::schema::Table;
use crate::warehouse::Warehouse;
use crate::warehouse::commit::{Manifest, PartitionDate};
use crate::warehouse::rows::{number, read_if_there, text, time};
use crate::warehouse::tables::{self, partition_file};

/// Most incidents that are kept for a webhook that does not take them, and that one message names.
const MOST_NAMED: usize = 20;

/// Incidents that are new.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Alerts {
    /// How many, by severity.
    pub severities: BTreeMap<SeverityRule, usize>,
    /// The worst of them, worst first.
    #[serde(skip)]
    pub(crate) worst: Vec<Alert>,
}

/// One incident, as others are told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
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
    /// The value that explains it best, such as `client_ip 192.0.2.1`, if any does.
    pub cause: Option<String>,
}

impl Alerts {
    /// How many there are of a severity or above.
    #[must_use]
    pub fn at_least(&self, severity: SeverityRule) -> usize {
        let known = self.severities.iter();
        known
            .filter(|(found, _)| **found >= severity)
            .map(|(_, count)| count)
            .sum()
    }

    fn add(&mut self, alert: Alert) {
        *self.severities.entry(alert.severity).or_default() += 1;
        self.worst.push(alert);
    }
}

/// Worst first, and no more than are named.
pub(crate) fn sort(alerts: &mut Vec<Alert>) {
    alerts.sort_by(|one, other| {
        (other.severity.cmp(&one.severity))
            .then(other.impact_minutes.total_cmp(&one.impact_minutes))
            .then_with(|| one.started_at.cmp(&other.started_at))
            .then_with(|| one.incident_id.cmp(&other.incident_id))
    });
    alerts.truncate(MOST_NAMED);
}

/// What has been seen and told.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ledger {
    dates: BTreeMap<PartitionDate, SeenDate>,
    /// What a webhook has not taken yet.
    pub(crate) unsent: Vec<Alert>,
}

/// The incidents of a date as they were.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeenDate {
    /// What the partition was made from.
    made_from: String,
    severities: BTreeMap<String, SeverityRule>,
}

impl Ledger {
    /// Its file in the warehouse. Without it every incident is new.
    const FILE: &'static str = ".alerts.json";

    pub(crate) fn load(warehouse: &Warehouse) -> Self {
        remembered::load(warehouse, Self::FILE)
    }

    pub(crate) fn save(&self, warehouse: &Warehouse) -> Result<()> {
        Ok(remembered::save(warehouse, Self::FILE, self)?)
    }

    /// The incidents that are new, which are so no longer. Only dates that were built since are read.
    pub(crate) fn look(&mut self, warehouse: &Warehouse, manifest: &Manifest) -> Result<Alerts> {
        let table = warehouse.table(Table::Incidents);
        let mut alerts = Alerts::default();
        let mut there = BTreeSet::new();
        for date in tables::dates(&table)? {
            let file = partition_file(&table, date);
            if !file.exists() {
                continue;
            }
            there.insert(PartitionDate(date));
            let made_from = partition_identity(warehouse, manifest, Table::Incidents, date)?;
            let known = self.dates.entry(PartitionDate(date)).or_default();
            if known.made_from == made_from {
                continue;
            }
            let mut severities = BTreeMap::new();
            for alert in incidents_of(warehouse, date)? {
                let told = known.severities.get(&alert.incident_id).copied();
                let worst = told.map_or(alert.severity, |told| told.max(alert.severity));
                severities.insert(alert.incident_id.clone(), worst);
                if told.is_none_or(|told| told < alert.severity) {
                    alerts.add(alert);
                }
            }
            *known = SeenDate {
                made_from,
                severities,
            };
        }
        self.dates.retain(|date, _| there.contains(date));
        sort(&mut alerts.worst);
        Ok(alerts)
    }
}

/// The incidents of a date with their first causes.
fn incidents_of(warehouse: &Warehouse, date: NaiveDate) -> Result<Vec<Alert>> {
    let file = |table| partition_file(&warehouse.table(table), date);
    let mut causes = BTreeMap::new();
    for rows in read_if_there(&file(Table::IncidentCauses))? {
        let Some(ranks) = rows.column_by_name("rank") else {
            continue;
        };
        let ranks = ranks.as_primitive::<Int32Type>();
        for row in (0..rows.num_rows()).filter(|row| ranks.value(*row) == 1) {
            let (dimension, value) = (text(&rows, "dimension", row), text(&rows, "value", row));
            causes.insert(
                text(&rows, "incident_id", row),
                format!("{dimension} {value}"),
            );
        }
    }
    let mut alerts = Vec::new();
    for rows in read_if_there(&file(Table::Incidents))? {
        for row in 0..rows.num_rows() {
            let incident_id = text(&rows, "incident_id", row);
            alerts.push(Alert {
                site: text(&rows, "site", row),
                started_at: time(&rows, "started_at", row),
                ended_at: time(&rows, "ended_at", row),
                severity: severity(&text(&rows, "severity", row)),
                direction: text(&rows, "direction", row),
                top_metric: text(&rows, "top_metric", row),
                expected_total: number(&rows, "expected_total", row),
                actual_total: number(&rows, "actual_total", row),
                impact_minutes: number(&rows, "impact_minutes", row),
                cause: causes.get(&incident_id).cloned(),
                incident_id,
            });
        }
    }
    Ok(alerts)
}

fn severity(name: &str) -> SeverityRule {
    match name {
        "high" => SeverityRule::High,
        "medium" => SeverityRule::Medium,
        _ => SeverityRule::Low,
    }
}
