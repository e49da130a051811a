//! The page on what happened, which every run writes to the warehouse unless the job says otherwise.

use std::path::PathBuf;

use crate::explain::chain;
use crate::job::config::Job;
use crate::job::error::Result;
use crate::job::summary::RunSummary;
use crate::report::{self, ReportRange};
use crate::schema::Table;
use crate::session::{Session, SessionOptions};
use crate::warehouse::tables;

/// Writes the page. That fails no run: what stands in the way is a warning.
pub(crate) async fn write(job: &Job, options: &SessionOptions, summary: &mut RunSummary) {
    if !job.report.write {
        return;
    }
    match written(job, options).await {
        Ok(path) => summary.after.report = path,
        Err(error) => {
            let why = chain(&error);
            let warning = format!("the report could not be written: {why}");
            summary.warnings.push(warning);
        }
    }
}

/// The page, if there is anything to show.
async fn written(job: &Job, options: &SessionOptions) -> Result<Option<PathBuf>> {
    let warehouse = &job.warehouse;
    if tables::dates(&warehouse.table(Table::ScoredWindows))?.is_empty() {
        return Ok(None);
    }
    let session = Session::open(warehouse, options).await?;
    let range = ReportRange {
        days: job.report.history.count(),
        ..ReportRange::default()
    };
    let path = report::path(warehouse);
    let written = report::write(&session, &range, &path).await?;
    Ok(Some(written.path))
}
