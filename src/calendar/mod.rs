//! What is planned, and so no incident: maintenance, events, holidays.
//!
//! A calendar is a CSV or Parquet file with the columns of [labels]: `site` (`*` stands for every
//! one), `start` (inclusive), `end` (exclusive) and `kind`:
//!
//! | kind | windows that are no incident |
//! |---|---|
//! | `maintenance` | all |
//! | `event` | those with more than expected |
//! | `holiday` | those with less than expected |
//!
//! Dates and times without an offset are those that the clocks of the site show; for `*`, those of the
//! zone of all sites that are not named to be elsewhere. Of a time that clocks show twice, an entry
//! begins with the first and ends with the last; of one that they skip, nothing is planned.
//!
//! Planned windows are scored all the same. They begin no incident and are no part of one, and no
//! detector learns from them.

mod error;
pub mod labels;

pub use error::{Error, Result};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use serde_json::json;

use crate::calendar::labels::{Label, LabelsError};
use crate::explain::TableFileError;
use crate::schema::{CALENDAR, Table};
use crate::units::zones::SeriesTimeZones;
use crate::warehouse::Warehouse;
use crate::warehouse::commit::Change;
use crate::warehouse::tables::TableFileWriter;

/// The site that stands for every one.
pub const EVERY_SITE: &str = "*";

/// Kinds of entries.
const KINDS: [&str; 3] = ["maintenance", "event", "holiday"];

/// Microseconds in a day.
const DAY_MICROS: i64 = 86_400_000_000;

/// What is planned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    /// By start.
    entries: Vec<Label>,
}

impl Calendar {
    /// Reads a calendar. One without entries is a calendar too. Times without an offset are those of
    /// the zone of their site.
    ///
    /// # Errors
    /// When the file cannot be read, lacks a column, or has an entry that makes no sense, naming
    /// its row.
    pub fn read(
        path: &Path,
        time_zones: &SeriesTimeZones,
    ) -> std::result::Result<Self, LabelsError> {
        let local = |site: &str, shown: i64| time_zones.of(site).micros_of_local(shown);
        let mut entries = match labels::read_local(path, &local) {
            Err(LabelsError::Empty { .. }) => Vec::new(),
            read => read?,
        };
        for (row, entry) in entries.iter().enumerate() {
            if !KINDS.contains(&entry.kind.as_str()) {
                let error = TableFileError::Entry {
                    path: path.to_owned(),
                    row: row + 1,
                    column: "kind",
                    found: entry.kind.clone(),
                    expected: format!("`{}`", KINDS.join("`, `")),
                };
                return Err(error.into());
            }
        }
        entries.sort_by(|one, other| {
            let key = |entry: &Label| (entry.start, entry.end);
            key(one)
                .cmp(&key(other))
                .then_with(|| (&one.site, &one.kind).cmp(&(&other.site, &other.kind)))
        });
        Ok(Self { entries })
    }

    /// Whether nothing is planned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is planned for each UTC date that anything is planned for, as text.
    #[must_use]
    pub fn by_date(&self) -> BTreeMap<NaiveDate, String> {
        let mut dates: BTreeMap<NaiveDate, String> = BTreeMap::new();
        for entry in &self.entries {
            let (first, last) = (
                entry.start.div_euclid(DAY_MICROS),
                (entry.end - 1).div_euclid(DAY_MICROS),
            );
            for day in first..=last {
                let date = i32::try_from(day).ok().and_then(NaiveDate::from_epoch_days);
                let text = dates.entry(date.unwrap_or_default()).or_default();
                let Label {
                    site,
                    start,
                    end,
                    kind,
                } = entry;
                text.push_str(&json!([site, start, end, kind]).to_string());
            }
        }
        dates
    }

    /// The file of the table in a warehouse.
    #[must_use]
    pub fn path(warehouse: &Warehouse) -> PathBuf {
        warehouse.table(Table::Calendar).join("calendar.parquet")
    }

    /// Stages the table `calendar` where it is not what this calendar is. Says whether it was not.
    ///
    /// # Errors
    /// When the table cannot be read or the file not be written.
    pub fn stage(&self, warehouse: &Warehouse, change: &mut Change) -> Result<bool> {
        let destination = Self::path(warehouse);
        let stored = if destination.exists() {
            // All of it are instants.
            Self::read(&destination, &SeriesTimeZones::default())?
        } else {
            Self::default()
        };
        if stored == *self {
            return Ok(false);
        }
        if self.is_empty() {
            change.delete(&destination)?;
            return Ok(true);
        }
        let staged = change.staging().join("calendar.parquet");
        let mut file = TableFileWriter::create(&staged, Arc::clone(&CALENDAR))?;
        file.write(&self.rows()?)?;
        file.finish()?;
        change.replace(&staged, &destination)?;
        Ok(true)
    }

    fn rows(&self) -> Result<RecordBatch> {
        let texts = |of: fn(&Label) -> &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(self.entries.iter().map(of)))
        };
        let times = |of: fn(&Label) -> i64| -> ArrayRef {
            let times = TimestampMicrosecondArray::from_iter_values(self.entries.iter().map(of));
            Arc::new(times.with_timezone("UTC"))
        };
        let columns = vec![
            texts(|entry| &entry.site),
            times(|entry| entry.start),
            times(|entry| entry.end),
            texts(|entry| &entry.kind),
        ];
        Ok(RecordBatch::try_new(Arc::clone(&CALENDAR), columns)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> std::result::Result<Calendar, LabelsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calendar.csv");
        std::fs::write(&path, text).unwrap();
        let elsewhere = [("us".to_owned(), "America/New_York".parse().unwrap())];
        let zones = SeriesTimeZones::new("Europe/Berlin".parse().unwrap(), elsewhere.into());
        Calendar::read(&path, &zones)
    }

    #[test]
    fn times_without_an_offset_are_local() {
        let calendar = read(
            "site,start,end,kind\n\
             *,2026-12-25,2026-12-26,holiday\n\
             us,2026-11-26,2026-11-27,holiday\n\
             de,2026-07-01 06:00,2026-07-01T08:00:00,maintenance\n\
             us,2026-07-02T06:00:00Z,2026-07-02T09:00:00+02:00,event\n",
        );
        let times = |entry: &Label| {
            let [start, end] = [entry.start, entry.end].map(crate::units::rfc_3339);
            format!("{} {start} {end}", entry.site)
        };
        let found: Vec<String> = calendar.unwrap().entries.iter().map(times).collect();
        insta::assert_snapshot!(found.join("\n"), @"
        de 2026-07-01T04:00:00Z 2026-07-01T06:00:00Z
        us 2026-07-02T06:00:00Z 2026-07-02T07:00:00Z
        us 2026-11-26T05:00:00Z 2026-11-27T05:00:00Z
        * 2026-12-24T23:00:00Z 2026-12-25T23:00:00Z
        ");
    }

    #[test]
    fn a_change_of_clocks_makes_entries_longer_or_none() {
        let calendar = read(
            "site,start,end,kind\n\
             de,2026-03-29 02:00,2026-03-29 03:00,maintenance\n\
             de,2026-03-29 02:30,2026-03-29 03:15,maintenance\n\
             de,2026-03-29 02:00,2026-03-29 03:15,maintenance\n\
             de,2026-10-25 02:00,2026-10-25 02:30,maintenance\n",
        );
        let times = |entry: &Label| [entry.start, entry.end].map(crate::units::rfc_3339);
        let found: Vec<_> = calendar.unwrap().entries.iter().map(times).collect();
        let spring = ["2026-03-29T01:00:00Z", "2026-03-29T01:15:00Z"];
        let autumn = ["2026-10-25T00:00:00Z", "2026-10-25T01:30:00Z"];
        assert_eq!(found, [spring, spring, autumn]);
        let refused = read("site,start,end,kind\nde,2026-07-01 08:00,2026-07-01 06:00,event\n");
        let error = refused.unwrap_err().to_string();
        let expected =
            "`end` is 2026-07-01T06:00:00, expected a time after `start`, 2026-07-01T08:00:00";
        assert!(error.ends_with(expected), "{error}");
    }

    #[test]
    fn timestamps_without_a_zone_are_local_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calendar.parquet");
        let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
        let time =
            |micros: i64| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(vec![micros])) };
        let hour = 3_600_000_000;
        let rows = RecordBatch::try_from_iter([
            ("site", text("shop")),
            ("start", time(0)),
            ("end", time(hour)),
            ("kind", text("event")),
        ])
        .unwrap();
        let file = std::fs::File::create(&path).unwrap();
        let mut writer =
            datafusion::parquet::arrow::ArrowWriter::try_new(file, rows.schema(), None).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();
        let zones = SeriesTimeZones::all_in("+02:00".parse().unwrap());
        let calendar = Calendar::read(&path, &zones).unwrap();
        let entry = &calendar.entries[0];
        assert_eq!((entry.start, entry.end), (-2 * hour, -hour));
    }

    #[test]
    fn entries_are_found_by_date() {
        let calendar = read(
            "site,start,end,kind\n\
             shop,2026-03-02T22:00:00Z,2026-03-03T02:00:00Z,maintenance\n\
             *,2026-03-01T00:00:00Z,2026-03-02T00:00:00Z,holiday\n",
        )
        .unwrap();
        let dates: Vec<String> = calendar.by_date().keys().map(ToString::to_string).collect();
        assert_eq!(dates, ["2026-03-01", "2026-03-02", "2026-03-03"]);
        assert!(read("site,start,end,kind\n").unwrap().is_empty());
    }

    #[test]
    fn an_unknown_kind_names_its_row() {
        let error = read(
            "site,start,end,kind\n\
             *,2026-03-01,2026-03-02,holiday\n\
             shop,2026-03-02,2026-03-03,party\n",
        )
        .unwrap_err()
        .to_string();
        let (_, fault) = error.split_once("row 2 of ").unwrap_or(("", &error));
        assert!(
            fault.ends_with("`kind` is party, expected `maintenance`, `event`, `holiday`"),
            "{error}"
        );
    }
}
