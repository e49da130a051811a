//! What a run does once its tables are in order: it writes the export, and tells others what is new.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::hook;
use super::ledger::{self, Alerts, Ledger};
use super::metrics::MetricsText;
use super::webhook::{self, Message};
use crate::explain::{ExitStatus, Explain, cannot, chain};
use crate::export::follow;
use crate::incidents::SeverityRule;
use crate::intake::SourceFault;
use crate::job::config::Job;
use crate::job::config::outputs::{HookSettings, duration};
use crate::job::error::Result;
use crate::job::summary::RunSummary;
use crate::warehouse::commit::Writer;

/// Writes the export, and tells the webhook of new incidents. Neither fails a run: what could not
/// be done is done by the next.
pub(crate) fn hand_out(job: &Job, writer: &Writer, summary: &mut RunSummary) {
    let warehouse = writer.warehouse();
    if let Some(folder) = &job.export.folder {
        let form = (job.export.format, job.export.cells());
        match follow(warehouse, writer.manifest(), folder, form) {
            Ok(followed) => summary.after.export = followed,
            Err(error) => summary.faults.push(SourceFault {
                path: folder.display().to_string(),
                message: chain(&error),
            }),
        }
    }
    if let Err(error) = tell(job, writer, summary) {
        let why = chain(&error);
        summary
            .warnings
            .push(format!("new incidents could not be told of: {why}"));
    }
}

/// Finds out which incidents are new, and tells the webhook of them.
fn tell(job: &Job, writer: &Writer, summary: &mut RunSummary) -> Result<()> {
    let warehouse = writer.warehouse();
    let known = Ledger::load(warehouse);
    let mut ledger = known.clone();
    let alerts = ledger.look(warehouse, writer.manifest())?;
    if let Some(warning) = post(job, &mut ledger, &alerts, writer)? {
        summary.warnings.push(warning);
    }
    summary.after.alerts = alerts;
    if ledger != known {
        ledger.save(warehouse)?;
    }
    Ok(())
}

/// Posts what the webhook is to know and does not; returns why not, if so.
fn post(
    job: &Job,
    ledger: &mut Ledger,
    alerts: &Alerts,
    writer: &Writer,
) -> Result<Option<String>> {
    let HookSettings {
        webhook: Some(url),
        webhook_severity,
        webhook_timeout,
        ..
    } = &job.hooks
    else {
        ledger.unsent.clear();
        return Ok(None);
    };
    let severe = alerts.worst.iter();
    let severe = severe.filter(|alert| alert.severity >= *webhook_severity);
    ledger.unsent.extend(severe.cloned());
    ledger::sort(&mut ledger.unsent);
    if ledger.unsent.is_empty() {
        return Ok(None);
    }
    let warehouse = writer.warehouse();
    // If this run ends here, the next one posts it.
    ledger.save(warehouse)?;
    let message = Message {
        text: webhook::text(&ledger.unsent),
        warehouse: warehouse.root().display().to_string(),
        incidents: &ledger.unsent,
    };
    let body = serde_json::to_vec(&message)
        .map_err(|error| cannot("write", warehouse.root())(error.into()))?;
    let posted = webhook::post(url, &body, duration(*webhook_timeout));
    Ok(match posted {
        Ok(()) => {
            ledger.unsent.clear();
            None
        }
        Err(error) => Some(format!("{error}; the next run tries again")),
    })
}

/// Writes the metrics and starts the hook for a run that has ended in any way; returns what went
/// wrong with that, for warnings.
#[must_use]
pub(crate) fn announce(
    job: &Job,
    started: DateTime<Utc>,
    ended: &Result<RunSummary>,
) -> Vec<String> {
    // Another run is at work, which will say how it ended.
    if matches!(ended, Err(error) if error.status() == ExitStatus::InUse) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    if let Some(file) = &job.metrics.prometheus {
        let metrics = match ended {
            Ok(summary) => summary
                .row(summary.run_id.as_deref().unwrap_or_default())
                .map(|row| MetricsText::of(&row, &summary.after.alerts)),
            Err(_) => Ok(MetricsText::of_failure(started, Utc::now())),
        };
        let written = metrics.and_then(|metrics| metrics.write(file));
        faults.extend(written.err().map(|error| chain(&error)));
    }
    if let Some(program) = &job.hooks.command {
        let timeout = duration(job.hooks.command_timeout);
        let (environment, input) = told_to_hook(job, ended);
        let run = hook::run(program, timeout, &environment, input);
        faults.extend(run.err().map(|error| error.to_string()));
    }
    faults
}

fn told_to_hook(job: &Job, ended: &Result<RunSummary>) -> (Vec<(&'static str, String)>, String) {
    let alerts = ended.as_ref().map(|summary| &summary.after.alerts).ok();
    let worst = alerts.and_then(|alerts| alerts.severities.keys().next_back());
    let count = alerts.map_or(0, |alerts| alerts.at_least(SeverityRule::Low));
    let run_id = ended
        .as_ref()
        .ok()
        .and_then(|summary| summary.run_id.clone());
    let environment = vec![
        ("ANOMALOG_JOB", job.file.display().to_string()),
        (
            "ANOMALOG_WAREHOUSE",
            job.warehouse.root().display().to_string(),
        ),
        ("ANOMALOG_RUN_ID", run_id.unwrap_or_default()),
        (
            "ANOMALOG_OUTCOME",
            match ended {
                Ok(summary) => summary.outcome.name(),
                Err(_) => "failure",
            }
            .to_owned(),
        ),
        ("ANOMALOG_NEW_INCIDENTS", count.to_string()),
        (
            "ANOMALOG_WORST_SEVERITY",
            worst.map(ToString::to_string).unwrap_or_default(),
        ),
    ];
    let input = match ended {
        Ok(summary) => serde_json::to_string(summary).unwrap_or_default(),
        Err(error) => json!({
            "outcome": "failure",
            "error": chain(error),
            "hint": error.hint(),
        })
        .to_string(),
    };
    (environment, input + "\n")
}
