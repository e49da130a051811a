//! `anomalog try`: logs in, incidents and a page out, without a job file or a warehouse that stays.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use serde::Serialize;

use super::error::{Fault, Result};
use super::ingest::{self, Ingested};
use super::settings::Settings;
use super::{incidents, score};
use crate::cli::{BuildArgs, IngestArgs, ListArgs, ScoreArgs, TryArgs};
use crate::explain::{ExitStatus, cannot};
use crate::job::config::ALARMS_PER_WEEK;
use crate::report::{self, ReportRange, Written};
use crate::session::Session;
use crate::units::WindowStep;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// So many sites are named.
const MOST_SITES: usize = 5;

/// What stands in the page of a report and in no other file.
const MARK: &str = "<meta name=\"generator\" content=\"anomalog\">";
/// So far from its start.
const MARK_WITHIN: u64 = 512;

/// What was tried, and what came of it.
#[derive(Debug, Serialize)]
struct Tried {
    ingested: Ingested,
    history: History,
    scored: score::WindowsScored,
    built: incidents::IncidentsBuilt,
    report: Written,
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "report: {}", self.report.path.display())
    }
}

/// Runs `anomalog try`.
///
/// # Errors
/// When no log can be read, or the page not be written.
pub async fn run(settings: &Settings, args: TryArgs) -> Result<ExitStatus> {
    check_output(&args.output)?;
    let mut settings = settings.clone();
    // As a job would have it.
    settings.session.alarms_per_week = Some(ALARMS_PER_WEEK);
    if settings.has_warehouse {
        return look(&settings, args).await;
    }
    let folder = tempfile::Builder::new().prefix("anomalog-try-").tempdir();
    let folder = folder.map_err(cannot("write", &std::env::temp_dir()))?;
    look(&settings.with_warehouse(folder.path()), args).await
}

/// A page of ours is written over, and nothing else.
fn check_output(path: &Path) -> Result<()> {
    let mut start = Vec::new();
    match File::open(path).and_then(|file| file.take(MARK_WITHIN).read_to_end(&mut start)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(cannot("read", path)(error).into()),
        Ok(_) if String::from_utf8_lossy(&start).contains(MARK) => Ok(()),
        Ok(_) => {
            let path = path.to_owned();
            Err(Fault::NotAReport { path }.into())
        }
    }
}

async fn look(settings: &Settings, args: TryArgs) -> Result<ExitStatus> {
    let printer = settings.printer;
    let mut ingest = IngestArgs::of(args.logs);
    ingest.windows.step = Some(args.step);
    let ingested = ingest::ingest(settings, ingest).await?;
    printer.note(Understood(&ingested));
    let status = ingested.exit_status();
    let history = History::of(&settings.open_quietly().await?, args.step).await?;
    if status == ExitStatus::Failure {
        return Ok(status);
    }
    if history.micros == 0 {
        return Err(Fault::NoWindow.into());
    }
    printer.note(history);
    let scored = score::score(settings, ScoreArgs::default()).await?;
    let unscored = ["warmup", "no_data"].map(|status| scored.statuses.get(status).unwrap_or(&0));
    if unscored.into_iter().sum::<usize>() == scored.windows {
        printer.note("too few windows to judge any: of a minute it takes two hours of them, of an hour six days");
    }
    let built = incidents::build(settings, BuildArgs::default()).await?;
    if built.incidents == 0 {
        printer.note("no incident");
    } else if !printer.is_json() {
        incidents::list(settings, &ListArgs::default())?;
    }
    let session = settings.open_quietly().await?;
    let range = ReportRange {
        days: history.micros / DAY + 2,
        ..ReportRange::default()
    };
    let report = report::write(&session, &range, &args.output).await?;
    printer.summary(&Tried {
        ingested,
        history,
        scored,
        built,
        report,
    })?;
    Ok(status)
}

/// What was understood of logs.
struct Understood<'a>(&'a Ingested);

impl fmt::Display for Understood<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ingested {
            logs,
            linked,
            left_out,
            ..
        } = self.0;
        let mut readings: BTreeMap<String, (usize, u64, u64)> = BTreeMap::new();
        let mut sites: BTreeMap<&str, u64> = BTreeMap::new();
        for file in &logs.files {
            let reading = file.reading.as_ref();
            let reading = reading.map_or_else(|| file.format.clone(), ToString::to_string);
            let of_reading = readings.entry(reading).or_default();
            of_reading.0 += 1;
            of_reading.1 += file.lines;
            of_reading.2 += file.rows;
            for (site, rows) in &file.sites {
                *sites.entry(site).or_default() += rows;
            }
        }
        for (reading, (files, lines, rows)) in &readings {
            let files = counted(*files, "file");
            writeln!(
                f,
                "{files} read as {reading}: {rows} of {lines} lines are requests"
            )?;
        }
        for file in &logs.files {
            for warning in &file.warnings {
                writeln!(f, "{}: {warning}", file.file)?;
            }
        }
        for log in linked {
            let path = log.path.display();
            writeln!(
                f,
                "{path}: Parquet, {}, {} rows",
                counted(log.files, "file"),
                log.rows
            )?;
        }
        self.0.write_unread(f)?;
        for file in left_out {
            writeln!(f, "{}: {}", file.path, file.message)?;
        }
        let mut busiest: Vec<(&str, u64)> = sites.into_iter().collect();
        busiest.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
        let named: Vec<&str> = busiest
            .iter()
            .take(MOST_SITES)
            .map(|(site, _)| *site)
            .collect();
        let more = busiest.len().saturating_sub(MOST_SITES);
        match (named.as_slice(), more) {
            ([], _) => f.write_str("no site"),
            (named, 0) => write!(f, "{}: {}", counted(named.len(), "site"), named.join(", ")),
            (named, more) => write!(
                f,
                "{}: {}, and {more} more",
                counted(busiest.len(), "site"),
                named.join(", ")
            ),
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

/// How much of the past the logs have: what is usual is learned from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct History {
    /// From the first window that a log covers to the end of the last, microseconds.
    micros: i64,
}

impl History {
    async fn of(session: &Session, step: WindowStep) -> Result<Self> {
        let rows = session
            .context()
            .sql(
                "SELECT min(window_start) AS first, max(window_start) AS last FROM traffic_windows \
                 WHERE is_observed",
            )
            .await?
            .collect()
            .await?;
        let moment = |name: &str| {
            let column = rows.first()?.column_by_name(name)?;
            let times = column.as_primitive_opt::<TimestampMicrosecondType>()?;
            (times.len() == 1 && times.is_valid(0)).then(|| times.value(0))
        };
        let micros = moment("last").zip(moment("first"));
        Ok(Self {
            micros: micros.map_or(0, |(last, first)| last - first + step.micros()),
        })
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.micros / DAY;
        let long = match self.micros {
            ..HOUR => format!(
                "{} of logs",
                counted((self.micros / 60_000_000) as usize, "minute")
            ),
            HOUR..DAY => format!("{} of logs", counted((self.micros / HOUR) as usize, "hour")),
            _ => format!("{} of logs", counted(days as usize, "day")),
        };
        // What it takes: `docs/guide.md#limits`.
        let known = match self.micros {
            micros if micros < 3 * DAY => "habits of the day are not known yet",
            micros if micros < 21 * DAY => "habits of the week are not known yet",
            _ => "habits of the day and of the week are known",
        };
        write!(f, "{long}: {known}")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn history_says_what_is_not_known_yet() {
        let said: Vec<String> = [0, HOUR, 30 * HOUR, 2 * DAY, 3 * DAY + HOUR, 30 * DAY]
            .map(|micros| History { micros }.to_string())
            .into();
        insta::assert_snapshot!(said.join("\n"), @"
        0 minutes of logs: habits of the day are not known yet
        1 hour of logs: habits of the day are not known yet
        1 day of logs: habits of the day are not known yet
        2 days of logs: habits of the day are not known yet
        3 days of logs: habits of the week are not known yet
        30 days of logs: habits of the day and of the week are known
        ");
    }

    #[test]
    fn only_pages_of_ours_are_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.html");
        assert!(check_output(&path).is_ok());
        fs::write(&path, "<!doctype html><title>mine</title>").unwrap();
        assert!(check_output(&path).is_err());
        fs::write(&path, format!("<!doctype html>\n{MARK}")).unwrap();
        assert!(check_output(&path).is_ok());
    }
}
