//! `incidents` and `incident_causes`, brought up to date: only the dates whose incidents, or what
//! explains them, would come out otherwise.
//!
//! How far an incident reaches is not known before it is found. So the key of a date is a digest over
//! the dates that its rows were [found](crate::incidents::Found::reads) to depend on, which are kept
//! with it: as long as those are what they were, the same rows would be found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::NaiveDate;
use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::{concat_batches, filter_record_batch, not};
use datafusion::arrow::datatypes::{Float64Type, Int32Type, TimestampMicrosecondType};
use serde::Serialize;

use super::error::Result;
use crate::calendar::Calendar;
use crate::incidents::{
    CAUSE_QUERIES, Finder, Found, INCIDENT_QUERIES, IncidentRules, in_order_of, reads_of_causes,
    replace,
};
use crate::incremental::key::Key;
use crate::incremental::partitions::{is_there, made_from};
use crate::incremental::pieces::pieces_of;
use crate::progress::Counter;
use crate::schema::{INCIDENT_CAUSES, Table};
use crate::session::Session;
use crate::units::dates::DateLimits;
use crate::units::rfc_3339;
use crate::warehouse::Warehouse;
use crate::warehouse::commit::{Manifest, Partition, PartitionDate, Retired, Writer};
use crate::warehouse::rows;
use crate::warehouse::settings::WindowSettings;
use crate::warehouse::tables::{self, partition_file};

/// To be raised whenever the same windows, requests and rules would give other rows.
const VERSION: u32 = 1;

/// Most dates whose windows are read at once.
const MOST_DATES: usize = 7;

/// So many incidents are named in a summary.
const MOST_NAMED: usize = 10;
/// Digits of the digest of an input: 64 bits, compared with that of the same date alone.
const INPUT_DIGITS: usize = 16;
/// A value of a cause is shown up to here.
const MOST_CHARACTERS: usize = 60;

/// What is to be done for `incidents` and `incident_causes`.
#[derive(Debug)]
pub(crate) struct IncidentPlan<'a> {
    rules: &'a IncidentRules,
    settings: &'a WindowSettings,
    /// Dates whose incidents are to be found and explained, in order.
    pub(crate) build: Vec<NaiveDate>,
    /// Dates that have no scored windows any more.
    remove: Vec<NaiveDate>,
    /// Files that go with them.
    pub(crate) files_removed: usize,
    /// Dates that would be built, but that the run is limited to others.
    pub(crate) left: usize,
    inputs: Inputs,
}

/// What incidents and their causes are made from, by date.
#[derive(Debug)]
pub(crate) struct Inputs {
    /// Of `scored_windows`.
    pub(crate) scored: BTreeMap<NaiveDate, String>,
    /// Of the requests.
    pub(crate) traffic: BTreeMap<NaiveDate, String>,
    /// What was planned.
    pub(crate) planned: BTreeMap<NaiveDate, String>,
}

/// Incidents that a run found and that were not stored as they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct NewIncidents {
    /// How many by severity: those that were not there before, and those that now last longer or are
    /// of another severity.
    pub severities: BTreeMap<String, usize>,
    /// The worst of them, worst first.
    pub worst: Vec<NamedIncident>,
}

/// One incident of a summary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NamedIncident {
    /// Its name.
    pub incident_id: String,
    /// Its series.
    pub site: String,
    /// When it starts, RFC 3339.
    pub started_at: String,
    /// When it ends, RFC 3339.
    pub ended_at: String,
    /// `low`, `medium` or `high`.
    pub severity: String,
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
    pub cause: Option<NamedCause>,
}

/// The first cause of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedCause {
    /// What it is a value of, such as `client_ip`.
    pub dimension: String,
    /// The value, as whoever sent the requests wrote it.
    pub value: String,
}

impl fmt::Display for NewIncidents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> = ["high", "medium", "low"]
            .into_iter()
            .filter(|severity| self.of(severity) > 0)
            .map(|severity| format!("{} {severity}", self.of(severity)))
            .collect();
        match counts.as_slice() {
            [] => f.write_str("none"),
            counts => f.write_str(&counts.join(", ")),
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

/// What tells the rules from others.
pub(crate) fn digest(rules: &IncidentRules) -> String {
    let mut key = Key::of("incident rules", VERSION);
    key.add_text(&format!("{rules:?}"));
    key.finish()
}

impl Inputs {
    fn incidents_key(
        &self,
        rules: &IncidentRules,
        settings: &WindowSettings,
        reads: &BTreeSet<PartitionDate>,
    ) -> String {
        let mut key = Key::of("incidents", VERSION)
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
            let mut key = Key::of("incident_causes of a date", VERSION)
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
        let mut key = Key::of("incident_causes", VERSION)
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

/// What a date is made from; nothing where there is no such date.
fn text_of(keys: &BTreeMap<NaiveDate, String>, date: NaiveDate) -> &str {
    keys.get(&date).map_or("", String::as_str)
}

fn partition_dates(dates: BTreeSet<NaiveDate>) -> BTreeSet<PartitionDate> {
    dates.into_iter().map(PartitionDate).collect()
}

/// What incidents are made from as things stand; dates of `stale` will be scored again.
pub(crate) fn inputs(
    warehouse: &Warehouse,
    manifest: &Manifest,
    traffic: &BTreeMap<NaiveDate, String>,
    planned: &Calendar,
    stale: &BTreeSet<NaiveDate>,
) -> Result<Inputs> {
    let mut scored = made_from(warehouse, manifest, Table::ScoredWindows)?;
    scored.extend(stale.iter().map(|date| (*date, "stale".to_owned())));
    Ok(Inputs {
        scored,
        traffic: traffic.clone(),
        planned: planned.by_date(),
    })
}

/// Finds out which dates are to be built.
pub(crate) fn plan<'a>(
    warehouse: &Warehouse,
    manifest: &Manifest,
    rules: &'a IncidentRules,
    settings: &'a WindowSettings,
    inputs: Inputs,
    limits: DateLimits,
) -> Result<IncidentPlan<'a>> {
    let stored = |table: Table, date: NaiveDate| {
        manifest
            .partition(table, date)
            .filter(|found| is_there(warehouse, table, date, found))
    };
    // What was found in rows that are no longer kept stays: it could not be found or explained again.
    let retired = Retired::load(warehouse)?;
    let is_gone = |date: &NaiveDate| {
        let tables = [Table::ScoredWindows, Table::AccessLogs];
        tables.iter().any(|table| retired.covers(*table, *date))
    };
    let is_done = |date: NaiveDate| {
        let incidents = stored(Table::Incidents, date);
        let causes = stored(Table::IncidentCauses, date);
        let Some((incidents, causes)) = incidents.zip(causes) else {
            return false;
        };
        let mut reads = incidents.reads.iter().chain(&causes.reads);
        if is_gone(&date) || reads.any(|date| is_gone(&date.0)) {
            return true;
        }
        let incidents_key = inputs.incidents_key(rules, settings, &incidents.reads);
        let causes_key = inputs.causes_key(&incidents_key, settings, &causes.reads);
        incidents.key.as_ref() == Some(&incidents_key) && causes.key.as_ref() == Some(&causes_key)
    };
    let dates = inputs.scored.keys().copied();
    let stale = dates.filter(|date| !is_done(*date));
    let (build, left): (Vec<_>, Vec<_>) = stale.partition(|date| limits.contains(*date));
    let mut remove = BTreeSet::new();
    for table in [Table::Incidents, Table::IncidentCauses] {
        let folder = warehouse.table(table);
        remove.extend(tables::dates(&folder)?);
        remove.extend(manifest.partitions(table).map(|(date, _)| date));
    }
    remove.retain(|date| {
        !inputs.scored.contains_key(date) && !retired.covers(Table::ScoredWindows, *date)
    });
    let files = remove.iter().flat_map(|date| {
        [Table::Incidents, Table::IncidentCauses]
            .map(|table| partition_file(&warehouse.table(table), *date))
    });
    let files_removed = files.filter(|file| file.exists()).count();
    Ok(IncidentPlan {
        rules,
        settings,
        build,
        remove: remove.into_iter().collect(),
        files_removed,
        left: left.len(),
        inputs,
    })
}

impl IncidentPlan<'_> {
    /// Whether there is nothing to be done.
    pub(crate) fn is_empty(&self) -> bool {
        self.build.is_empty() && self.remove.is_empty()
    }

    /// Builds what is to be built, and commits it piece by piece.
    pub(crate) async fn carry_out(
        &self,
        session: &Session,
        writer: &mut Writer,
        progress: &dyn Counter,
    ) -> Result<NewIncidents> {
        let warehouse = session.warehouse().clone();
        let mut new = NewIncidents::default();
        if !self.build.is_empty() {
            let finder = Finder::new(session, self.rules, self.settings).await?;
            let dates = self.build.iter().map(|date| (*date, ()));
            for (dates, ()) in pieces_of(dates, MOST_DATES) {
                let found = finder.find(&dates).await?;
                let mut change = writer.change()?;
                let mut manifest = writer.manifest().clone();
                for (date, Found { incidents, reads }) in found {
                    let causes_read = partition_dates(reads_of_causes(&incidents));
                    let inputs = self.inputs.of_causes(self.settings, &causes_read);
                    let stored = Stored::read(&warehouse, &manifest, date)?;
                    let (kept, to_explain) = stored.causes_of(&incidents, &inputs)?;
                    let explained = finder.explain(&to_explain, &|| progress.advance(1)).await?;
                    let causes = in_order_of(&incidents, &[kept, explained])?;
                    new.count(&incidents, &causes, &stored);
                    let reads = partition_dates(reads);
                    let key = self.inputs.incidents_key(self.rules, self.settings, &reads);
                    let causes_key = self.inputs.causes_key(&key, self.settings, &causes_read);
                    for (table, rows, key, reads, inputs) in [
                        (Table::Incidents, &incidents, key, reads, BTreeMap::new()),
                        (
                            Table::IncidentCauses,
                            &causes,
                            causes_key,
                            causes_read,
                            inputs,
                        ),
                    ] {
                        let made = Partition {
                            key: Some(key),
                            reads,
                            inputs,
                            ..Partition::empty()
                        };
                        replace(
                            &warehouse,
                            &mut change,
                            &mut manifest,
                            table,
                            date,
                            rows,
                            made,
                        )?;
                    }
                }
                writer.commit(change, manifest).await?;
            }
        }
        if !self.remove.is_empty() {
            let mut change = writer.change()?;
            let mut manifest = writer.manifest().clone();
            for date in &self.remove {
                for table in [Table::Incidents, Table::IncidentCauses] {
                    manifest.remove(table, *date);
                    let file = partition_file(&warehouse.table(table), *date);
                    if file.exists() {
                        change.delete(&file)?;
                    }
                }
            }
            writer.commit(change, manifest).await?;
        }
        Ok(new)
    }
}

/// The incidents of a date that are stored, and what explains them.
#[derive(Debug, Default)]
struct Stored {
    incidents: BTreeSet<IncidentFacts>,
    causes: Vec<RecordBatch>,
    /// What the dates were that decided what explains them.
    inputs: BTreeMap<PartitionDate, String>,
}

/// All of an incident that what explains it depends on, and its severity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct IncidentFacts {
    id: String,
    ended_at: i64,
    severity: String,
    direction: String,
    top_metric: String,
    /// Bits of the totals.
    totals: [u64; 2],
}

impl IncidentFacts {
    fn of(incidents: &RecordBatch, row: usize) -> Self {
        let text = |name| text(incidents, name, row).to_owned();
        let total = |name| {
            let totals = column(incidents, name).as_primitive::<Float64Type>();
            totals.value(row).to_bits()
        };
        Self {
            id: text("incident_id"),
            ended_at: time(incidents, "ended_at", row),
            severity: text("severity"),
            direction: text("direction"),
            top_metric: text("top_metric"),
            totals: ["expected_total", "actual_total"].map(total),
        }
    }
}

impl Stored {
    fn read(warehouse: &Warehouse, manifest: &Manifest, date: NaiveDate) -> Result<Self> {
        let rows = |table| {
            let path = partition_file(&warehouse.table(table), date);
            if path.exists() {
                rows::read(&path)
            } else {
                Ok(Vec::new())
            }
        };
        let mut incidents = BTreeSet::new();
        for batch in rows(Table::Incidents)? {
            incidents.extend((0..batch.num_rows()).map(|row| IncidentFacts::of(&batch, row)));
        }
        let causes = manifest
            .partition(Table::IncidentCauses, date)
            .filter(|found| is_there(warehouse, Table::IncidentCauses, date, found));
        Ok(Self {
            incidents,
            inputs: causes
                .map(|causes| causes.inputs.clone())
                .unwrap_or_default(),
            causes: match causes {
                Some(_) => rows(Table::IncidentCauses)?,
                None => Vec::new(),
            },
        })
    }

    /// Whether an incident is stored with this end and severity.
    fn has(&self, incidents: &RecordBatch, row: usize) -> bool {
        let found = IncidentFacts::of(incidents, row);
        self.incidents.iter().any(|stored| {
            (&stored.id, stored.ended_at, &stored.severity)
                == (&found.id, found.ended_at, &found.severity)
        })
    }

    /// What is stored of the causes of some incidents and still holds, and the incidents that are to be
    /// explained.
    fn causes_of(
        &self,
        incidents: &RecordBatch,
        inputs: &BTreeMap<PartitionDate, String>,
    ) -> Result<(RecordBatch, RecordBatch)> {
        let holds = |row: usize| {
            let dates = partition_dates(reads_of_causes(&incidents.slice(row, 1)));
            self.incidents.contains(&IncidentFacts::of(incidents, row))
                && dates.iter().all(|date| {
                    let before = self.inputs.get(date);
                    before.is_some() && before == inputs.get(date)
                })
        };
        let held: BooleanArray = (0..incidents.num_rows())
            .map(|row| Some(holds(row)))
            .collect();
        let kept: BTreeSet<&str> = (0..incidents.num_rows())
            .filter(|row| held.value(*row))
            .map(|row| text(incidents, "incident_id", row))
            .collect();
        let stored = concat_batches(&INCIDENT_CAUSES, &self.causes)?;
        let is_kept: BooleanArray = (0..stored.num_rows())
            .map(|row| Some(kept.contains(text(&stored, "incident_id", row))))
            .collect();
        let causes = filter_record_batch(&stored, &is_kept)?;
        Ok((causes, filter_record_batch(incidents, &not(&held)?)?))
    }
}

impl NewIncidents {
    /// Counts in what another step found.
    pub(crate) fn add(&mut self, other: Self) {
        for (severity, incidents) in other.severities {
            *self.severities.entry(severity).or_default() += incidents;
        }
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
    pub fn of(&self, severity: &str) -> usize {
        self.severities.get(severity).copied().unwrap_or(0)
    }

    /// Counts in the incidents of a date.
    fn count(&mut self, incidents: &RecordBatch, causes: &RecordBatch, stored: &Stored) {
        let first_causes: BTreeMap<&str, NamedCause> = (0..causes.num_rows())
            .filter(|row| {
                column(causes, "rank")
                    .as_primitive::<Int32Type>()
                    .value(*row)
                    == 1
            })
            .map(|row| {
                let cause = NamedCause {
                    dimension: text(causes, "dimension", row).to_owned(),
                    value: text(causes, "value", row).to_owned(),
                };
                (text(causes, "incident_id", row), cause)
            })
            .collect();
        for row in 0..incidents.num_rows() {
            if stored.has(incidents, row) {
                continue;
            }
            let number = |name| {
                column(incidents, name)
                    .as_primitive::<Float64Type>()
                    .value(row)
            };
            let of_row = |name| text(incidents, name, row).to_owned();
            let id = of_row("incident_id");
            let incident = NamedIncident {
                site: of_row("site"),
                started_at: rfc_3339(time(incidents, "started_at", row)),
                ended_at: rfc_3339(time(incidents, "ended_at", row)),
                severity: of_row("severity"),
                direction: of_row("direction"),
                top_metric: of_row("top_metric"),
                expected_total: number("expected_total"),
                actual_total: number("actual_total"),
                impact_minutes: number("impact_minutes"),
                cause: first_causes.get(id.as_str()).cloned(),
                incident_id: id,
            };
            *self
                .severities
                .entry(incident.severity.clone())
                .or_default() += 1;
            self.worst.push(incident);
        }
        self.keep_worst();
    }
}

impl NamedIncident {
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

    fn worst_first(&self, other: &Self) -> std::cmp::Ordering {
        let rank = |incident: &Self| match incident.severity.as_str() {
            "high" => 0,
            "medium" => 1,
            _ => 2,
        };
        rank(self)
            .cmp(&rank(other))
            .then(other.impact_minutes.total_cmp(&self.impact_minutes))
            .then_with(|| self.started_at.cmp(&other.started_at))
            .then_with(|| self.site.cmp(&other.site))
    }
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> &'a datafusion::arrow::array::ArrayRef {
    rows.column_by_name(name)
        .expect("rows have the columns of their table")
}

fn text<'a>(rows: &'a RecordBatch, name: &str, row: usize) -> &'a str {
    column(rows, name).as_string::<i32>().value(row)
}

fn time(rows: &RecordBatch, name: &str, row: usize) -> i64 {
    let times = column(rows, name).as_primitive::<TimestampMicrosecondType>();
    times.value(row)
}
