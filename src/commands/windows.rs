//! `anomalog windows`: builds `traffic_windows` from `access_logs`.
//!
//! The table is written beside the old one, one file per UTC date, which then take their names
//! together. Rows stream from the query to the files.

use super::error::Result;
use super::settings::Settings;
use crate::cli::WindowsArgs;
use crate::incremental::Staged;
use crate::progress::Counter;
use crate::progress::Progress;
use crate::schema::Table;
use crate::session::Session;
use crate::warehouse::commit::{Partition, Writer};
use crate::warehouse::extra_metrics::ExtraMetrics;
use crate::warehouse::settings::WindowSettings;
use crate::warehouse::tables;
use crate::warehouse::tables::partition_file;
use crate::windows::step::refuse_if_retired;
use crate::windows::{self, WindowsSummary};

/// Runs `anomalog windows`.
///
/// # Errors
/// As [`build`].
pub async fn run(settings: &Settings, args: WindowsArgs) -> Result<()> {
    let session = settings.open().await?;
    let progress = settings.printer.begin("building traffic_windows", None);
    let mut writer = settings.writer("anomalog windows").await?;
    let summary = build(&session, &mut writer, args, &*progress).await?;
    Ok(settings.printer.summary(&summary)?)
}

/// Builds `traffic_windows`, with the settings of the last build where `args` leaves them open.
///
/// # Errors
/// When there are no access logs, the series key does not fit them, or a file cannot be written.
pub async fn build(
    session: &Session,
    writer: &mut Writer,
    args: WindowsArgs,
    progress: &dyn Counter,
) -> windows::Result<WindowsSummary> {
    let warehouse = session.warehouse();
    refuse_if_retired(warehouse)?;
    let remembered = WindowSettings::load(warehouse)?;
    let settings = WindowSettings {
        step: args.step.unwrap_or(remembered.step),
        series_key: args.series_key.unwrap_or(remembered.series_key),
        extra_metrics: match args.extra_metrics {
            Some(ExtraMetrics(metrics)) => metrics,
            None => remembered.extra_metrics,
        },
    };
    let mut staged = Staged::begin(writer)?;
    let folder = staged.folder().join("windows");
    let built = windows::build_all(session, &settings, &folder, progress).await?;
    let Some((dates, summary)) = built else {
        return Err(windows::Error::NoLogs {
            warehouse: warehouse.root().to_owned(),
        });
    };
    for date in dates.iter().copied() {
        let file = partition_file(&folder, date);
        staged.put(Table::TrafficWindows, date, &file, Partition::empty())?;
    }
    for date in tables::dates(&warehouse.table(Table::TrafficWindows))? {
        if !dates.contains(&date) {
            staged.remove(Table::TrafficWindows, date)?;
        }
    }
    let file = settings.save(staged.folder())?;
    staged.place(&file, &WindowSettings::path(warehouse))?;
    staged.commit(writer).await?;
    Ok(summary)
}
