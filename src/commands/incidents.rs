//! `anomalog incidents`: writes `incidents` and `incident_causes`.
//!
//! Whole UTC dates are replaced, so that a range built again leaves no row twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{NaiveDate, NaiveTime};
use datafusion::arrow::array::{AsArray, RecordBatch};
use serde::Serialize;

use super::error::Result;
use super::settings::Settings;
use crate::cli::IncidentsArgs;
use crate::incidents::{Finder, IncidentRules};
use crate::incremental::Staged;
use crate::progress::Progress;
use crate::schema::Table;
use crate::units::{time_range, whole_dates};
use crate::warehouse::commit::{Partition, Retired};
use crate::warehouse::settings::WindowSettings;

/// What `anomalog incidents` found and wrote.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct IncidentsBuilt {
    /// Incidents written.
    pub incidents: usize,
    /// Incidents by severity.
    pub severities: BTreeMap<String, usize>,
    /// Incidents that have a cause.
    pub explained: usize,
}

impl fmt::Display for IncidentsBuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            incidents,
            severities,
            explained,
        } = self;
        write!(f, "found {incidents} incidents")?;
        let counts: Vec<_> = ["high", "medium", "low"]
            .iter()
            .filter_map(|name| Some(format!("{} {name}", severities.get(*name)?)))
            .collect();
        if counts.is_empty() {
            return Ok(());
        }
        write!(
            f,
            " ({}), and causes of {explained} of them",
            counts.join(", ")
        )
    }
}

/// Runs `anomalog incidents`.
///
/// # Errors
/// When there are no scored windows, or a table cannot be read or written.
pub async fn run(settings: &Settings, args: IncidentsArgs) -> Result<()> {
    let found = build(settings, args).await?;
    Ok(settings.printer.summary(&found)?)
}

/// Builds both tables for the dates asked for.
///
/// # Errors
/// As [`run`].
pub async fn build(settings: &Settings, args: IncidentsArgs) -> Result<IncidentsBuilt> {
    let session = settings.open().await?;
    let mut range = whole_dates(&time_range(args.since, args.until));
    // Incidents of windows that are no longer kept stay as they are.
    let kept = Retired::load(&settings.warehouse)?.first_kept(Table::ScoredWindows);
    if let Some(first) = kept {
        let first = first.and_time(NaiveTime::MIN).and_utc().timestamp_micros();
        range.start = range.start.max(first);
        range.end = range.end.max(range.start);
    }
    let is_asked_for = |date: &NaiveDate| {
        let midnight = date.and_time(NaiveTime::MIN).and_utc();
        range.contains(&midnight.timestamp_micros())
    };
    let rules = IncidentRules::default();
    let windows = WindowSettings::load(&settings.warehouse)?;
    let finder = Finder::new(&session, &rules, &windows).await?;
    let bar = settings.printer.begin("explaining incidents", None);
    let mut writer = settings.writer("anomalog incidents").await?;
    let mut staged = Staged::begin(&writer)?;
    let mut summary = IncidentsBuilt::default();
    let dates = finder.dates().iter().filter(|date| is_asked_for(date));
    let dates: BTreeSet<NaiveDate> = dates.copied().collect();
    if let (Some(first), Some(last)) = (dates.first(), dates.last()) {
        let found = finder.find(&(*first..=*last)).await?;
        for (date, found) in found.into_iter().filter(|(date, _)| dates.contains(date)) {
            let causes = finder.explain(&found.incidents, &|| bar.advance(1)).await?;
            summary.count(&found.incidents, &causes);
            for (table, rows) in [
                (Table::Incidents, &found.incidents),
                (Table::IncidentCauses, &causes),
            ] {
                staged.put_rows(table, date, rows, Partition::empty())?;
            }
        }
    }
    for table in [Table::Incidents, Table::IncidentCauses] {
        let stored = staged.manifest().partitions(table).map(|(date, _)| date);
        let is_gone = |date: &NaiveDate| is_asked_for(date) && !dates.contains(date);
        let gone: Vec<NaiveDate> = stored.filter(is_gone).collect();
        for date in gone {
            staged.remove(table, date)?;
        }
    }
    staged.commit(&mut writer).await?;
    Ok(summary)
}

impl IncidentsBuilt {
    /// Counts in the incidents of a date and their causes.
    fn count(&mut self, incidents: &RecordBatch, causes: &RecordBatch) {
        let texts = |batch: &RecordBatch, name: &str| -> Vec<String> {
            let column = batch.column_by_name(name);
            let column = column.and_then(|column| column.as_string_opt::<i32>());
            let texts = column.into_iter().flatten();
            texts.flatten().map(str::to_owned).collect()
        };
        for severity in texts(incidents, "severity") {
            *self.severities.entry(severity).or_default() += 1;
        }
        let mut explained = texts(causes, "incident_id");
        // Causes of one incident stand together.
        explained.dedup();
        self.incidents += incidents.num_rows();
        self.explained += explained.len();
    }
}
