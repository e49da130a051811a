//! What is no longer kept: old requests and scores, deleted on purpose.
//!
//! Deleting must change nothing else. The windows of dates whose requests are gone cannot be counted
//! again, so from then on they are what they were: [`Retired`] says which dates these are, and the
//! plans of the tables pass over them. Which dates are old is counted back from the last date of
//! `traffic_windows`, not from the clock: a job that stands still for a year loses nothing.
//!
//! Only files that the warehouse made are deleted: of requests those of logs in `log_files`, of
//! scores the partitions in the manifest.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::explain::cannot;
use crate::logs;
use crate::schema::Table;
use crate::units::Span;
use crate::warehouse::Result;
use crate::warehouse::Warehouse;
use crate::warehouse::commit::{Retired, Writer};
use crate::warehouse::tables::{self, date_folder, partition_file};

/// Least days that requests and scores are kept: incidents are compared with the week before, and a
/// site without logs counts as silent for a week.
const LEAST_DAYS: i64 = 14;

/// How long rows are kept, counted back from the last date of the windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionSettings {
    /// Requests; for ever if absent.
    pub access_logs: Option<Days>,
    /// Scored windows; for ever if absent.
    pub scored_windows: Option<Days>,
}

/// A number of days, at least fourteen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub struct Days(i64);

impl Days {
    /// How many.
    #[must_use]
    pub const fn count(self) -> i64 {
        self.0
    }
}

impl TryFrom<String> for Days {
    type Error = &'static str;

    fn try_from(text: String) -> std::result::Result<Self, &'static str> {
        text.parse()
            .ok()
            .and_then(Span::whole_days)
            .filter(|days| *days >= LEAST_DAYS)
            .map(Self)
            .ok_or("expected whole days, at least 14, such as `90d`")
    }
}

/// Deletes what is older than is to be kept, in one commit; returns how many dates went, by table.
///
/// All dates must be up to date: what is not built yet could not be built any more.
pub(crate) async fn retire(
    settings: &RetentionSettings,
    writer: &mut Writer,
) -> Result<BTreeMap<&'static str, usize>> {
    let warehouse = writer.warehouse().clone();
    let before = Retired::load(&warehouse)?;
    let windows = warehouse.table(Table::TrafficWindows);
    let dates = tables::dates(&windows)?;
    let Some(last) = dates.last() else {
        return Ok(BTreeMap::new());
    };
    let mut retired = before.clone();
    for (table, days) in [
        (Table::AccessLogs, settings.access_logs),
        (Table::ScoredWindows, settings.scored_windows),
    ] {
        let first_kept = days
            .and_then(|days| {
                last.checked_sub_days(chrono::Days::new(days.count().unsigned_abs() - 1))
            })
            .filter(|first| dates.first().is_some_and(|oldest| oldest < first));
        if let Some(first_kept) = first_kept {
            retired.raise(table, first_kept);
        }
    }
    let mut change = writer.change()?;
    let mut manifest = writer.manifest().clone();
    let mut gone = BTreeMap::new();
    let ingested = logs::ingested_logs(&warehouse);
    let ingested = ingested.map_err(cannot("read", &warehouse.table(Table::LogFiles)))?;
    for date in old_dates(&warehouse, &retired, Table::AccessLogs)? {
        let folder = date_folder(&warehouse.table(Table::AccessLogs), date);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(cannot("read", &folder))? {
            let path = entry.map_err(cannot("read", &folder))?.path();
            let digest = path
                .file_name()
                .and_then(|name| name.to_str()?.split(['.', '-']).next());
            if digest.is_some_and(|digest| ingested.contains_key(digest)) {
                files.push(path);
            }
        }
        files.sort_unstable();
        if !files.is_empty() {
            *gone.entry(Table::AccessLogs.name()).or_default() += 1;
        }
        for file in files {
            change.delete(&file)?;
        }
    }
    let scores = warehouse.table(Table::ScoredWindows);
    let stored = writer.manifest().partitions(Table::ScoredWindows);
    for (date, _) in stored.filter(|(date, _)| retired.covers(Table::ScoredWindows, *date)) {
        *gone.entry(Table::ScoredWindows.name()).or_default() += 1;
        manifest.remove(Table::ScoredWindows, date);
        change.delete(&partition_file(&scores, date))?;
    }
    if retired != before {
        let staged = retired.save(change.staging())?;
        // Moves come before deletions: what goes is known to go.
        change.replace(&staged, &Retired::path(&warehouse))?;
    }
    writer.commit(change, manifest).await?;
    Ok(gone)
}

/// The dates with a folder that are no longer kept.
fn old_dates(warehouse: &Warehouse, retired: &Retired, table: Table) -> Result<Vec<NaiveDate>> {
    let folder = warehouse.table(table);
    let mut dates = tables::dates(&folder)?;
    dates.retain(|date| retired.covers(table, *date));
    Ok(dates)
}
