//! `anomalog study`: all architectures and floors on labelled data, as a document.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::{Duration, NaiveDate, NaiveTime};
use serde::Serialize;

use super::Settings;
use super::evaluate::{show, windows};
use super::ingest;
use super::windows_input;
use crate::calendar::labels;
use crate::cli::printer::Printer;
use crate::cli::{IngestArgs, LogFormatArg, StudyArgs, WindowsArgs, WindowsInputArgs};
use crate::error::{Error, Result};
use crate::evaluation::study::{self, ATTACKS, Group, Plan, StudyLines, data};
use crate::evaluation::warehouse;
use crate::scores::SERIES;
use crate::simulation::{self, Simulation, simulate};
use crate::warehouse::Warehouse;
use crate::warehouse::publish;

/// What simulated attacks show in.
const METRICS: [&str; 5] = [
    "requests",
    "unique_clients",
    "client_errors",
    "server_errors",
    "latency_p95",
];
/// First day of simulated logs: a Monday.
const START: NaiveDate = NaiveDate::from_ymd_opt(2026, 3, 2).expect("a day of the calendar");

/// What was written.
#[derive(Debug, Serialize)]
struct Studied {
    out: PathBuf,
    plots: usize,
}

impl fmt::Display for Studied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrote `{}` and {} plots", self.out.display(), self.plots)
    }
}

/// Runs `anomalog study`.
///
/// # Errors
/// When data cannot be read, results are of another study, or a file cannot be written.
pub async fn run(settings: &Settings, args: StudyArgs) -> Result<()> {
    let plan = if args.quick {
        Plan::quick()
    } else {
        Plan::full()
    };
    publish::resolve(&args.out)?;
    let mut lines = StudyLines::open(args.results.as_deref(), &plan)?;
    if !lines.is_complete() {
        let (groups, absent) = gather(settings, &plan, &args.data).await?;
        lines.begin(&plan, &absent)?;
        let bar = settings.printer.progress("studying", Some(0));
        // Plain computing: other tasks of the runtime may go on meanwhile.
        let judged =
            tokio::task::block_in_place(|| study::run(&plan, &groups, &mut lines, &show(&bar)));
        bar.finish_and_clear();
        judged?;
    }
    let document = study::document(&lines, &args.plots)?;
    let folder = args.out.parent().unwrap_or(Path::new("")).join(&args.plots);
    fs::create_dir_all(&folder).map_err(Error::io("write", &folder))?;
    for (name, svg) in &document.plots {
        publish::write(&folder.join(name), svg)?;
    }
    publish::write(&args.out, &document.markdown)?;
    settings.printer.summary(&Studied {
        out: args.out,
        plots: document.plots.len(),
    })
}

/// All series, and what is not there.
async fn gather(
    settings: &Settings,
    plan: &Plan,
    folder: &Path,
) -> Result<(Vec<Group>, Vec<String>)> {
    fs::metadata(folder).map_err(Error::io("read", folder))?;
    let found = data::read(folder)?;
    let mut groups = Vec::new();
    if !found.series.is_empty() {
        groups.push(Group {
            name: "series",
            series: found.series,
        });
    }
    groups.push(simulated(settings, plan).await?);
    Ok((groups, found.absent))
}

/// Simulates logs, ingests them into a warehouse of their own, and labels its windows.
async fn simulated(settings: &Settings, plan: &Plan) -> Result<Group> {
    let temporary = tempfile::tempdir().map_err(Error::io("write", &std::env::temp_dir()))?;
    let sample = temporary.path().join("sample");
    let simulation = Simulation {
        days: plan.simulated_days,
        sites: plan.simulated_sites,
        seed: plan.simulated_seed,
        start: START,
        scale: plan.simulated_scale,
    };
    let bar = settings
        .printer
        .progress("simulating days", Some(plan.simulated_days.into()));
    simulate(&simulation, &sample, &mut |day, _| {
        bar.set_position(day.into());
    })?;
    bar.finish_and_clear();
    let own = Settings {
        warehouse: Warehouse::new(temporary.path().join("warehouse")),
        session: settings.session,
        wait: settings.wait,
        printer: Printer::new(false, true),
    };
    ingest::ingest(&own, ingest_arguments(&sample)).await?;
    let session = own.open().await?;
    let input = WindowsInputArgs {
        windows: None,
        series_column: SERIES.to_owned(),
    };
    let input = windows_input::open(&session, &input).await?;
    let metrics = METRICS.map(str::to_owned);
    let windows = windows(input.frame, &metrics).await?;
    let labels = labels::read(&sample.join(simulation::LABELS))?;
    let since = START + Duration::days(plan.simulated_training_days.into());
    let since = since.and_time(NaiveTime::MIN).and_utc().timestamp_micros();
    Ok(Group {
        name: "logs",
        series: warehouse::label(ATTACKS, &metrics, &windows, &labels, since)?,
    })
}

fn ingest_arguments(sample: &Path) -> IngestArgs {
    IngestArgs {
        inputs: vec![sample.join(simulation::LOGS)],
        format: LogFormatArg::Auto,
        site: None,
        columns: None,
        delimiter: None,
        windows: WindowsArgs {
            step: None,
            series_key: None,
        },
        no_windows: false,
    }
}
