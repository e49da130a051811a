//! `anomalog run`: brings a warehouse up to date, every night or every few minutes.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::time::{Instant, sleep_until};

use super::error::{Fault, Result};
use super::settings::Settings;
use crate::cli::RunArgs;
use crate::explain::ExitStatus;
use crate::job::{Job, JobRun, RunSummary};
use crate::units::date_limits;

/// Runs `anomalog run`. A warehouse that the command line names goes before that of the job file.
///
/// # Errors
/// When the job file has a fault, the warehouse is in use, or a step fails; with `--every` only when the
/// first job file has a fault.
pub async fn run(settings: &Settings, args: &RunArgs) -> Result<ExitStatus> {
    let job = job(settings, args)?;
    if let Some(every) = args.every {
        let every = Duration::from_micros(every.micros().unsigned_abs());
        return again_and_again(settings, args, job, every).await;
    }
    if args.check {
        let checked = job_run(settings, args, &job).check().await?;
        settings.printer.answer(&checked)?;
        return Ok(if checked.faults.is_empty() {
            ExitStatus::Success
        } else {
            ExitStatus::Partial
        });
    }
    let summary = once(settings, args, &job).await?;
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

/// The job as its file and the command line have it.
fn job(settings: &Settings, args: &RunArgs) -> Result<Job> {
    let mut job = Job::read(&args.job, &args.set)?;
    if settings.has_warehouse {
        job.warehouse = settings.warehouse.clone();
    }
    Ok(job)
}

fn job_run<'a>(settings: &Settings, args: &RunArgs, job: &'a Job) -> JobRun<'a> {
    JobRun {
        job,
        session: settings.session.clone(),
        limits: date_limits(args.time.since, args.time.until),
        wait: settings.wait,
        now: Utc::now(),
        progress: Arc::new(settings.printer),
    }
}

/// One run, with all who are told of it.
async fn once(settings: &Settings, args: &RunArgs, job: &Job) -> Result<RunSummary> {
    let run = job_run(settings, args, job);
    let ended = run.run().await;
    for fault in run.announce(&ended) {
        settings.printer.warning(fault);
    }
    Ok(ended?)
}

/// Runs until somebody stops it. A round that fails is told of, and the next one tries again.
async fn again_and_again(
    settings: &Settings,
    args: &RunArgs,
    mut job: Job,
    every: Duration,
) -> Result<ExitStatus> {
    let printer = settings.printer;
    let mut stop = Stop::listen()?;
    let mut told = Vec::new();
    loop {
        let begun = Instant::now();
        match once(settings, args, &job).await {
            Ok(summary) => {
                // What could not be read is told once, and not every round.
                if summary.did_something() || summary.faults != told {
                    printer.summary(&summary)?;
                }
                told = summary.faults;
            }
            Err(error) => printer.error(error.explain()),
        }
        // A round that took longer is followed at once.
        tokio::select! {
            () = stop.wait() => return Ok(ExitStatus::Success),
            () = sleep_until(begun + every) => {}
        }
        // The file may be another by now; with one that has a fault, the job stays as it is.
        match self::job(settings, args) {
            Ok(read) => job = read,
            Err(error) => printer.error(error.explain()),
        }
    }
}

/// Whoever stops the program: Ctrl-C, or the service manager. A round that is under way ends first.
struct Stop {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    #[cfg(unix)]
    fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(Fault::Runtime);
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    #[cfg(not(unix))]
    fn listen() -> Result<Self> {
        Ok(Self {})
    }

    #[cfg(unix)]
    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn wait(&mut self) {
        // Without a way to listen there is no way to be stopped so.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
