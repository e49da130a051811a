//! Incidents that nobody has been told of yet.
//!
//! [`Ledger`] remembers, in the warehouse, which incidents earlier runs have seen and how severe they
//! were. New are those that it does not know, and those that are more severe by now; it does not
//! matter which command built them, or when. An incident that a webhook did not take is remembered
//! too and sent again by the next run: it may be told twice, and is never lost.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::incidents::{NamedIncident, SeverityRule, Silence, Untold, of_date};
use crate::incremental::partitions::identity;
use crate::job::error::Result;
use crate::schema::Table;
use crate::warehouse::Warehouse;
use crate::warehouse::commit::{Manifest, PartitionDate};
use crate::warehouse::remembered;
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

/// One incident, as others are told of it: with the value that explains it best as text.
pub type Alert = NamedIncident<String>;

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
    alerts.sort_by(Alert::worst_first);
    alerts.truncate(MOST_NAMED);
}

/// The incidents that runs have seen, and those that were told of.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ledger {
    dates: BTreeMap<PartitionDate, SeenDate>,
    /// The incidents that the webhook has not accepted yet.
    pub(crate) unsent: Vec<Alert>,
}

/// The incidents of a date as they were.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeenDate {
    /// The key of what the partition was made from.
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

    /// The incidents that are new and are to be told, which are new no longer; one that a rule suppresses is
    /// told when it has grown out of that. Only dates that were built since are read.
    pub(crate) fn look(&mut self, warehouse: &Warehouse, manifest: &Manifest) -> Result<Alerts> {
        let table = warehouse.table(Table::Incidents);
        let untold = Untold::load(warehouse)?;
        let mut alerts = Alerts::default();
        let mut there = BTreeSet::new();
        for date in tables::dates(&table)? {
            let file = partition_file(&table, date);
            if !file.exists() {
                continue;
            }
            there.insert(PartitionDate(date));
            let made_from = identity(warehouse, manifest, Table::Incidents, date)?;
            let made_from = made_from.unwrap_or_default();
            let known = self.dates.entry(PartitionDate(date)).or_default();
            if known.made_from == made_from {
                continue;
            }
            let mut severities = BTreeMap::new();
            for incident in of_date(warehouse, date)? {
                let alert = incident.map_cause(|cause| cause.text());
                let told = known.severities.get(&alert.incident_id).copied();
                let why = untold.why(&alert);
                if matches!(why, Some(Silence::Rule(_))) {
                    severities.extend(told.map(|told| (alert.incident_id.clone(), told)));
                    continue;
                }
                let worst = told.map_or(alert.severity, |told| told.max(alert.severity));
                severities.insert(alert.incident_id.clone(), worst);
                let is_new = told.is_none_or(|told| told < alert.severity);
                if is_new && why.is_none() {
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
