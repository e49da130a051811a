//! `anomalog run`: brings a warehouse up to date, every night.

use std::sync::Arc;

use chrono::Utc;

use super::error::Result;
use super::settings::Settings;
use crate::cli::RunArgs;
use crate::explain::ExitStatus;
use crate::job::{Job, JobRun};
use crate::units::dates::DateLimits;

/// Runs `anomalog run`. A warehouse that the command line names goes before that of the job file.
///
/// # Errors
/// When the job file has a fault, the warehouse is in use, or a step fails.
pub async fn run(settings: &Settings, args: &RunArgs, has_warehouse: bool) -> Result<ExitStatus> {
    let mut job = Job::read(&args.job, &args.set)?;
    if has_warehouse {
        job.warehouse = settings.warehouse.clone();
    }
    let run = JobRun {
        job: &job,
        session: settings.session.clone(),
        limits: DateLimits {
            from: args.date.or(args.from),
            to: args.date.or(args.to),
        },
        wait: settings.wait,
        now: Utc::now(),
        progress: Arc::new(settings.printer),
    };
    if args.check {
        let checked = run.check().await?;
        settings.printer.answer(&checked)?;
        return Ok(if checked.faults.is_empty() {
            ExitStatus::Success
        } else {
            ExitStatus::Partial
        });
    }
    let ended = run.run().await;
    for fault in run.announce(&ended) {
        settings.printer.warning(fault);
    }
    let summary = ended?;
    settings.printer.summary(&summary)?;
    let fail_on = args.fail_on;
    let status = summary.exit_status(fail_on);
    if let (ExitStatus::Incidents, Some(severity)) = (status, fail_on) {
        settings.printer.warning(format_args!(
            "{} new incidents of severity `{severity}` or above",
            summary.after.alerts.at_least(severity)
        ));
    }
    Ok(status)
}
