//! `anomalog run`: brings a warehouse up to date, every night.

use chrono::Utc;

use super::Settings;
use super::error::Result;
use crate::cli::RunArgs;
use crate::explain::ExitStatus;
use crate::incidents::SeverityRule;
use crate::job::{Job, Night};
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
    let night = Night {
        job: &job,
        session: settings.session,
        limits: DateLimits {
            from: args.date.or(args.from),
            to: args.date.or(args.to),
        },
        wait: settings.wait,
        now: Utc::now(),
        printer: settings.printer,
    };
    if args.check {
        let checked = night.check().await?;
        settings.printer.answer(&checked)?;
        return Ok(if checked.faults.is_empty() {
            ExitStatus::Success
        } else {
            ExitStatus::Partial
        });
    }
    let ended = night.run().await;
    for fault in night.announce(&ended) {
        settings.printer.warning(fault);
    }
    let summary = ended?;
    settings.printer.summary(&summary)?;
    let fail_on = args.fail_on.map(SeverityRule::from);
    let status = Night::exit_status(&summary, fail_on);
    if let (ExitStatus::Incidents, Some(severity)) = (status, fail_on) {
        settings.printer.warning(format_args!(
            "{} new incidents of severity `{severity}` or above",
            summary.after.alerts.at_least(severity)
        ));
    }
    Ok(status)
}
