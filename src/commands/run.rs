//! `anomalog run`: brings a warehouse up to date, every night.

use chrono::Utc;

use super::Settings;
use crate::cli::RunArgs;
use crate::error::{ExitStatus, Result};
use crate::job::{DateLimits, Job, Night, Outcome};

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
    let summary = night.run().await?;
    settings.printer.summary(&summary)?;
    Ok(match summary.outcome {
        Outcome::Success => ExitStatus::Success,
        Outcome::Partial => ExitStatus::Partial,
    })
}
