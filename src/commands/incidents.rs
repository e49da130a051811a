//! `anomalog incidents`: writes `incidents` and `incident_causes`.
//!
//! Whole UTC dates are replaced, so that a range built again leaves no row twice.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use chrono::{NaiveDate, NaiveTime};
use datafusion::arrow::array::{AsArray, RecordBatch};
use serde::Serialize;

use super::Settings;
use crate::cli::IncidentsArgs;
use crate::error::Result;
use crate::incidents::{self, IncidentRules, Incidents};
use crate::schema::Table;
use crate::storage::Partition;
use crate::table_files::{DatedTableWriter, partition_file};
use crate::units::{time_range, whole_dates};

/// What was found.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Incidents written.
    pub incidents: usize,
    /// Of these, by severity.
    pub severities: BTreeMap<String, usize>,
    /// Incidents that something stands out in.
    pub explained: usize,
}

impl fmt::Display for Found {
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
    settings.printer.summary(&found)
}

/// Builds both tables for the dates asked for.
///
/// # Errors
/// As [`run`].
pub async fn build(settings: &Settings, args: IncidentsArgs) -> Result<Found> {
    let session = settings.open().await?;
    let range = whole_dates(&time_range(args.since, args.until));
    let bar = settings.printer.progress("explaining incidents", None);
    let rules = IncidentRules::default();
    let found = incidents::find(&session, &rules, range.clone(), &mut |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    })
    .await?;
    bar.finish_and_clear();
    write(settings, &found, &range).await?;
    Ok(Found::of(&found))
}

impl Found {
    fn of(found: &Incidents) -> Self {
        let texts = |batch: &RecordBatch, name: &str| -> Vec<String> {
            let column = batch.column_by_name(name);
            let column = column.and_then(|column| column.as_string_opt::<i32>());
            let texts = column.into_iter().flatten();
            texts.flatten().map(str::to_owned).collect()
        };
        let mut severities = BTreeMap::new();
        for severity in texts(&found.incidents, "severity") {
            *severities.entry(severity).or_default() += 1;
        }
        let mut explained = texts(&found.causes, "incident_id");
        // Causes of one incident stand together.
        explained.dedup();
        Self {
            incidents: found.incidents.num_rows(),
            severities,
            explained: explained.len(),
        }
    }
}

/// Replaces the dates of a range in both tables.
async fn write(settings: &Settings, found: &Incidents, range: &Range<i64>) -> Result<()> {
    let mut writer = settings.writer("anomalog incidents").await?;
    let mut change = writer.change()?;
    let mut manifest = writer.manifest().clone();
    for (table, rows) in [
        (Table::IncidentCauses, &found.causes),
        (Table::Incidents, &found.incidents),
    ] {
        let folder = settings.warehouse.table(table);
        let staged = change.staging().join(table.name());
        let time_column = rows.schema().index_of("started_at")?;
        let mut files = DatedTableWriter::create(staged.clone(), rows.schema(), time_column)?;
        files.write(rows)?;
        let dates = files.finish()?;
        for &date in &dates {
            let file = partition_file(&staged, date);
            manifest.set(table, date, Partition::by_hand(&file)?);
            change.replace(&file, &partition_file(&folder, date))?;
        }
        let stored: Vec<NaiveDate> = manifest.partitions(table).map(|(date, _)| date).collect();
        for date in stored {
            let midnight = date.and_time(NaiveTime::MIN).and_utc();
            if range.contains(&midnight.timestamp_micros()) && !dates.contains(&date) {
                manifest.remove(table, date);
                change.delete(&partition_file(&folder, date))?;
            }
        }
    }
    Ok(writer.commit(change, manifest).await?)
}
