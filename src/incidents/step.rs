//! `incidents` and `incident_causes`, brought up to date: only the dates whose incidents, or what
//! explains them, would come out otherwise.
//!
//! How far an incident reaches is not known before it is found. So the key of a date is a digest over
//! the dates that its rows were [found](crate::incidents::IncidentsOfDate::reads) to depend on, which are kept
//! with it: as long as those are what they were, the same rows would be found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;

use async_trait::async_trait;
use chrono::NaiveDate;
use datafusion::arrow::array::RecordBatch;
use serde::Serialize;

use super::error::{Error, Result};
use super::named::{NamedIncident, named};
use super::stored::{Stored, partition_dates};
use super::untold::{Untold, UntoldCounts};
use super::{
    CAUSE_QUERIES, Finder, INCIDENT_QUERIES, IncidentRules, IncidentsOfDate, SeverityRule,
    reads_of_causes,
};
use crate::calendar::Calendar;
use crate::incremental::key::{Key, Made};
use crate::incremental::partitions::made_from;
use crate::incremental::{Staged, Step};
use crate::progress::Counter;
use crate::schema::Table;
use crate::session::Session;
use crate::warehouse::Warehouse;
use crate::warehouse::commit::{Manifest, Partition, PartitionDate, Retired};
use crate::warehouse::settings::WindowSettings;

/// Most dates whose windows are read at once.
const MOST_DATES: usize = 7;

/// So many incidents are named in a summary.
const MOST_NAMED: usize = 10;
/// Digits of the digest of an input: 64 bits, compared with that of the same date alone.
const INPUT_DIGITS: usize = 16;

/// The step that makes `incidents` and `incident_causes`.
#[derive(Debug)]
pub struct IncidentStep<'a> {
    session: &'a Session,
    rules: &'a IncidentRules,
    settings: &'a WindowSettings,
    retired: Retired,
    inputs: IncidentInputs,
    untold: Untold,
}

/// What incidents and their causes are made from, by date.
#[derive(Debug)]
pub(crate) struct IncidentInputs {
    /// Of `scored_windows`.
    scored: BTreeMap<NaiveDate, String>,
    /// Of the requests.
    traffic: BTreeMap<NaiveDate, String>,
    /// What was planned.
    planned: BTreeMap<NaiveDate, String>,
}

/// Incidents that a run found and that were not stored as they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct NewIncidents {
    /// How many by severity: those that were not there before, and those that now last longer or are
    /// of another severity.
    pub severities: BTreeMap<String, usize>,
    /// The worst of them, worst first.
    pub worst: Vec<NamedIncident>,
    /// How many more are not told.
    #[serde(flatten)]
    pub untold: UntoldCounts,
}

impl fmt::Display for NewIncidents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> = [SeverityRule::High, SeverityRule::Medium, SeverityRule::Low]
            .into_iter()
            .filter(|severity| self.count(*severity) > 0)
            .map(|severity| format!("{} {severity}", self.count(severity)))
            .collect();
        match counts.as_slice() {
            [] => f.write_str("none")?,
            counts => f.write_str(&counts.join(", "))?,
        }
        match self.untold.answered {
            0 => {}
            answered => write!(f, ", and {answered} like those labelled false")?,
        }
        match self.untold.suppressed {
            0 => Ok(()),
            suppressed => write!(f, ", and {suppressed} suppressed"),
        }
    }
}

/// What tells the rules from others.
pub(crate) fn digest(rules: &IncidentRules) -> String {
    Key::of(Made::IncidentRules).value(rules).finish()
}

impl IncidentInputs {
    /// What incidents are made from as things stand; dates of `stale` will be scored again.
    ///
    /// # Errors
    /// When the scored windows cannot be listed.
    pub(crate) fn new(
        warehouse: &Warehouse,
        manifest: &Manifest,
        traffic: &BTreeMap<NaiveDate, String>,
        planned: &Calendar,
        stale: &BTreeSet<NaiveDate>,
    ) -> Result<Self> {
        let mut scored = made_from(warehouse, manifest, Table::ScoredWindows)?;
        scored.extend(stale.iter().map(|date| (*date, "stale".to_owned())));
        Ok(Self {
            scored,
            traffic: traffic.clone(),
            planned: planned.by_date(),
        })
    }

    fn incidents_key(
        &self,
        rules: &IncidentRules,
        settings: &WindowSettings,
        reads: &BTreeSet<PartitionDate>,
    ) -> String {
        let mut key = Key::of(Made::Incidents)
            .text(&digest(rules))
            .text(&settings.step.to_string());
        for query in INCIDENT_QUERIES {
            key.add_text(query.text());
        }
        for PartitionDate(date) in reads {
            key.add_text(&date.to_string());
            key.add_text(text_of(&self.scored, *date));
            if let Some(planned) = self.planned.get(date) {
                key.add_text(planned);
            }
        }
        key.finish()
    }

    /// What each date is to the causes of incidents.
    fn of_causes(
        &self,
        settings: &WindowSettings,
        reads: &BTreeSet<PartitionDate>,
    ) -> BTreeMap<PartitionDate, String> {
        let of_date = |PartitionDate(date): &PartitionDate| {
            let mut key = Key::of(Made::CausesOfDate)
                .text(settings.series_key.as_sql())
                .text(text_of(&self.scored, *date))
                .text(text_of(&self.traffic, *date));
            for query in CAUSE_QUERIES {
                key.add_text(query.text());
            }
            let digest = key.finish()[..INPUT_DIGITS].to_owned();
            (PartitionDate(*date), digest)
        };
        reads.iter().map(of_date).collect()
    }

    fn causes_key(
        &self,
        incidents_key: &str,
        settings: &WindowSettings,
        reads: &BTreeSet<PartitionDate>,
    ) -> String {
        let mut key = Key::of(Made::IncidentCauses)
            .text(incidents_key)
            .text(settings.series_key.as_sql());
        for query in CAUSE_QUERIES {
            key.add_text(query.text());
        }
        for PartitionDate(date) in reads {
            key.add_text(&date.to_string());
            key.add_text(text_of(&self.scored, *date));
            key.add_text(text_of(&self.traffic, *date));
        }
        key.finish()
    }
}

/// The key of incidents whose kinds are told: they depend on all that their causes do.
fn told_key(causes_key: &str) -> String {
    Key::of(Made::ToldIncidents).text(causes_key).finish()
}

/// What a date is made from; nothing where there is no such date.
fn text_of(keys: &BTreeMap<NaiveDate, String>, date: NaiveDate) -> &str {
    keys.get(&date).map_or("", String::as_str)
}

impl<'a> IncidentStep<'a> {
    /// Knows what dates should be made from.
    ///
    /// # Errors
    /// When it cannot be read which dates are no longer kept, or which incidents are not told.
    pub(crate) fn open(
        session: &'a Session,
        rules: &'a IncidentRules,
        settings: &'a WindowSettings,
        inputs: IncidentInputs,
    ) -> Result<Self> {
        Ok(Self {
            retired: Retired::load(session.warehouse())?,
            untold: Untold::load(session.warehouse())?,
            session,
            rules,
            settings,
            inputs,
        })
    }

    /// Whether what was found in a date was found in rows that are no longer kept: it could not be
    /// found or explained again.
    fn is_gone(&self, date: NaiveDate) -> bool {
        let tables = [Table::ScoredWindows, Table::AccessLogs];
        tables.iter().any(|table| self.retired.covers(*table, date))
    }

    /// Finds the incidents of a date that are not stored as they are, and explains them.
    async fn build_date(
        &self,
        finder: &Finder<'_>,
        date: NaiveDate,
        found: IncidentsOfDate,
        staged: &mut Staged,
        progress: &dyn Counter,
    ) -> Result<NewIncidents> {
        let IncidentsOfDate { incidents, reads } = found;
        let causes_read = partition_dates(reads_of_causes(&incidents));
        let inputs = self.inputs.of_causes(self.settings, &causes_read);
        let stored = Stored::read(staged.warehouse(), staged.manifest(), date)?;
        let ((kept, kinds), to_explain) = stored.causes_of(&incidents, &inputs)?;
        let explained = finder.explain(&to_explain, &|| progress.advance(1)).await?;
        let explained = explained.and(&kept, kinds, &incidents)?;
        let incidents = explained.tell_kinds(&incidents)?;
        let causes = explained.causes;
        let reads = partition_dates(reads);
        let key = self.inputs.incidents_key(self.rules, self.settings, &reads);
        let causes_key = self.inputs.causes_key(&key, self.settings, &causes_read);
        let made = Partition {
            key: Some(told_key(&causes_key)),
            reads,
            ..Partition::empty()
        };
        staged.put_rows(Table::Incidents, date, &incidents, made)?;
        let made = Partition {
            key: Some(causes_key),
            reads: causes_read,
            inputs,
            ..Partition::empty()
        };
        staged.put_rows(Table::IncidentCauses, date, &causes, made)?;
        Ok(NewIncidents::of(&incidents, causes, &stored, &self.untold))
    }
}

#[async_trait]
impl Step for IncidentStep<'_> {
    const TABLES: &'static [Table] = &[Table::Incidents, Table::IncidentCauses];
    const MOST_DATES: usize = MOST_DATES;
    const TOGETHER: bool = false;
    type Kind = ();
    type Report = NewIncidents;
    type Error = Error;

    fn wanted(&self) -> BTreeMap<NaiveDate, ()> {
        self.inputs.scored.keys().map(|date| (*date, ())).collect()
    }

    fn is_current(&self, date: NaiveDate, stored: &[&Partition]) -> bool {
        let [incidents, causes] = stored else {
            return false;
        };
        let mut reads = incidents.reads.iter().chain(&causes.reads);
        if self.is_gone(date) || reads.any(|date| self.is_gone(date.0)) {
            return true;
        }
        let incidents_key = self
            .inputs
            .incidents_key(self.rules, self.settings, &incidents.reads);
        let causes_key = self
            .inputs
            .causes_key(&incidents_key, self.settings, &causes.reads);
        incidents.key.as_ref() == Some(&told_key(&causes_key))
            && causes.key.as_ref() == Some(&causes_key)
    }

    fn is_kept(&self, date: NaiveDate) -> bool {
        self.retired.covers(Table::ScoredWindows, date)
    }

    async fn build(
        &self,
        dates: RangeInclusive<NaiveDate>,
        (): (),
        staged: &mut Staged,
        new: &mut NewIncidents,
        progress: &dyn Counter,
    ) -> Result<()> {
        let finder = Finder::new(self.session, self.rules, self.settings).await?;
        for (date, found) in finder.find(&dates).await? {
            let of_date = self.build_date(&finder, date, found, staged, progress);
            new.add(of_date.await?);
        }
        Ok(())
    }
}

impl NewIncidents {
    /// Counts in what another step found.
    pub(crate) fn add(&mut self, other: Self) {
        for (severity, incidents) in other.severities {
            *self.severities.entry(severity).or_default() += incidents;
        }
        self.untold.answered += other.untold.answered;
        self.untold.suppressed += other.untold.suppressed;
        self.worst.extend(other.worst);
        self.keep_worst();
    }

    fn keep_worst(&mut self) {
        self.worst.sort_by(NamedIncident::worst_first);
        self.worst.truncate(MOST_NAMED);
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> usize {
        self.severities.values().sum()
    }

    /// How many there are of a severity.
    #[must_use]
    pub fn count(&self, severity: SeverityRule) -> usize {
        let count = self.severities.get(&severity.to_string());
        count.copied().unwrap_or(0)
    }

    /// Those of a date that are not stored as they are.
    fn of(incidents: &RecordBatch, causes: RecordBatch, stored: &Stored, untold: &Untold) -> Self {
        let mut new = Self::default();
        let causes = [causes];
        for (row, incident) in named(incidents, &causes).enumerate() {
            if stored.has(incidents, row) {
                continue;
            }
            if let Some(why) = untold.why(&incident) {
                new.untold.add(why);
                continue;
            }
            let severity = incident.severity.to_string();
            *new.severities.entry(severity).or_default() += 1;
            new.worst.push(incident);
        }
        new.keep_worst();
        new
    }
}
