//! `anomalog report`: writes the page on what happened.

use std::fmt;

use serde::Serialize;

use super::error::Result;
use super::settings::Settings;
use crate::cli::ReportArgs;
use crate::report::{self, ReportRange, Written};

/// Days of a report unless told otherwise.
pub const DEFAULT_DAYS: i64 = 7;

/// A page that was written.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Reported(Written);

impl fmt::Display for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Written {
            path,
            bytes,
            incidents,
            series,
        } = &self.0;
        write!(
            f,
            "wrote `{}`: {incidents} incidents, {series} series, {} kB",
            path.display(),
            bytes.div_ceil(1_000)
        )
    }
}

/// Runs `anomalog report`.
///
/// # Errors
/// When nothing was scored, a series that is asked for is not there, a table cannot be read or the file
/// not be written.
pub async fn run(settings: &Settings, args: ReportArgs) -> Result<()> {
    let session = settings.open().await?;
    let micros = |time: chrono::DateTime<chrono::Utc>| time.timestamp_micros();
    let range = ReportRange {
        since: args.filter.time.since.map(micros),
        until: args.filter.time.until.map(micros),
        days: DEFAULT_DAYS,
        series: args.filter.site,
    };
    let path = args
        .output
        .unwrap_or_else(|| report::path(&settings.warehouse));
    let written = report::write(&session, &range, &path).await?;
    Ok(settings.printer.summary(&Reported(written))?)
}
