//! `anomalog windows`: builds `traffic_windows` from `access_logs`.
//!
//! The table is written beside the old one, one file per UTC date, and then takes its place as a
//! whole: no query sees windows of two builds. Rows stream from the query to the files.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use futures::StreamExt;
use indicatif::ProgressBar;
use serde::{Serialize, Serializer};

use super::Settings;
use crate::cli::WindowsArgs;
use crate::error::{Error, Result};
use crate::queries;
use crate::schema::{TRAFFIC_WINDOWS, Table};
use crate::session::{SeriesKey, Session};
use crate::table_files::DatedTableWriter;
use crate::units::WindowStep;
use crate::window_settings::WindowSettings;

/// Places of two columns in [`TRAFFIC_WINDOWS`].
const SITE: usize = 0;
const WINDOW_START: usize = 1;

/// What a build wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WindowsSummary {
    /// Length of a window.
    pub step: WindowStep,
    /// What names the series of a request.
    pub series_key: SeriesKey,
    /// Number of series.
    pub series: usize,
    /// Number of rows.
    pub windows: usize,
    /// Rows whose time no log covers.
    pub unobserved: usize,
    /// Start of the first window.
    #[serde(serialize_with = "rfc_3339")]
    pub first_window: DateTime<Utc>,
    /// Start of the last window.
    #[serde(serialize_with = "rfc_3339")]
    pub last_window: DateTime<Utc>,
}

fn rfc_3339<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

impl fmt::Display for WindowsSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
        write!(
            f,
            "wrote {} windows of {} for {} series, {} to {}, {} of them not observed",
            self.windows,
            self.step,
            self.series,
            format(self.first_window),
            format(self.last_window),
            self.unobserved
        )
    }
}

/// Runs `anomalog windows`.
///
/// # Errors
/// As [`build`].
pub async fn run(settings: &Settings, args: WindowsArgs) -> Result<()> {
    let session = settings.open().await?;
    let progress = settings.printer.progress("building traffic_windows", None);
    let summary = build(&session, args, &progress).await?;
    progress.finish_and_clear();
    settings.printer.summary(&summary)
}

/// Builds `traffic_windows`, with the settings of the last build where `args` leaves them open.
///
/// # Errors
/// When there are no access logs, the series key does not fit them, or a file cannot be written.
pub async fn build(
    session: &Session,
    args: WindowsArgs,
    progress: &ProgressBar,
) -> Result<WindowsSummary> {
    let warehouse = session.warehouse();
    let remembered = WindowSettings::load(warehouse)?;
    let settings = WindowSettings {
        step: args.step.unwrap_or(remembered.step),
        series_key: args.series_key.unwrap_or(remembered.series_key),
    };
    session
        .register_series_requests(&settings.series_key)
        .await?;
    let windows = queries::traffic_windows(session.context(), settings.step).await?;
    let mut rows = windows.execute_stream().await?;

    let staging = warehouse
        .staging()
        .map_err(Error::io("write", warehouse.root()))?;
    let schema = Arc::clone(&TRAFFIC_WINDOWS);
    let mut table = DatedTableWriter::create(staging.path().join("new"), schema, WINDOW_START)?;
    let mut written = None;
    while let Some(batch) = rows.next().await {
        let batch = table.write(&batch?)?;
        Written::count(&mut written, &batch);
        progress.inc(batch.num_rows() as u64);
    }
    table.finish()?;
    let Some(written) = written else {
        return Err(Error::NoLogs {
            warehouse: warehouse.root().to_owned(),
        });
    };
    settings.save(&staging.path().join("new"))?;
    replace(&warehouse.table(Table::TrafficWindows), staging.path())?;
    Ok(WindowsSummary {
        step: settings.step,
        series_key: settings.series_key,
        series: written.series.len(),
        windows: written.windows,
        unobserved: written.unobserved,
        first_window: time(written.first_window),
        last_window: time(written.last_window),
    })
}

/// Puts `staging/new` in the place of `table`.
///
/// A reader finds the old table, for an instant none, and then the new one, never a mixture.
fn replace(table: &Path, staging: &Path) -> Result<()> {
    if table.exists() {
        std::fs::rename(table, staging.join("old")).map_err(Error::io("replace", table))?;
    }
    std::fs::rename(staging.join("new"), table).map_err(Error::io("replace", table))
}

fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros)
        .expect("a window starts at or before a timestamp, and those are read as dates")
}

/// What has been written so far.
#[derive(Debug)]
struct Written {
    series: BTreeSet<String>,
    windows: usize,
    unobserved: usize,
    first_window: i64,
    last_window: i64,
}

impl Written {
    /// Counts a batch in.
    fn count(written: &mut Option<Self>, batch: &RecordBatch) {
        let starts = batch
            .column(WINDOW_START)
            .as_primitive::<TimestampMicrosecondType>()
            .values();
        let (Some(first), Some(last)) = (starts.iter().min(), starts.iter().max()) else {
            return;
        };
        let written = written.get_or_insert(Self {
            series: BTreeSet::new(),
            windows: 0,
            unobserved: 0,
            first_window: *first,
            last_window: *last,
        });
        written.first_window = written.first_window.min(*first);
        written.last_window = written.last_window.max(*last);
        written.windows += batch.num_rows();
        written.unobserved += observed(batch).false_count();
        let mut previous = None;
        for series in batch.column(SITE).as_string::<i32>() {
            if series != previous {
                written.series.extend(series.map(str::to_owned));
            }
            previous = series;
        }
    }
}

fn observed(batch: &RecordBatch) -> &BooleanArray {
    let last = batch.num_columns() - 1;
    batch.column(last).as_boolean()
}
