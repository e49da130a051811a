//! `anomalog-lab study`: all architectures and floors on labelled data, as tables and plots.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anomalog::calendar::labels;
use anomalog::cli::printer::Printer;
use anomalog::cli::{IngestArgs, LogArgs};
use anomalog::commands::Settings;
use anomalog::commands::error::Result;
use anomalog::commands::evaluate::windows;
use anomalog::commands::ingest;
use anomalog::evaluation::collections::labelled_windows;
use anomalog::explain::cannot;
use anomalog::progress::Progress as _;
use anomalog::schema::Table;
use anomalog::session::SessionOptions;
use anomalog::simulation::{self, Simulation, simulate};
use anomalog::warehouse::Warehouse;
use anomalog::warehouse::commit::Wait;
use anomalog::warehouse::publish;
use chrono::{Duration, NaiveDate, NaiveTime};
use serde::Serialize;

use crate::cli::StudyArgs;
use crate::study::{self, ATTACKS, Group, Plan, StudyLines, data};

/// The file of all tables.
const TABLES: &str = "tables.md";
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
        write!(
            f,
            "wrote tables and {} plots to `{}`",
            self.plots,
            self.out.display()
        )
    }
}

/// Runs `anomalog-lab study`.
///
/// # Errors
/// When data cannot be read, results are of another study, or a file cannot be written.
pub(crate) async fn run(printer: Printer, args: StudyArgs) -> Result<()> {
    let plan = if args.quick {
        Plan::quick()
    } else {
        Plan::full()
    };
    let mut lines = StudyLines::open(args.results.as_deref(), &plan)?;
    if !lines.is_complete() {
        let (groups, absent) = gather(printer, &plan, &args.data).await?;
        lines.begin(&plan, &absent)?;
        let bar = printer.begin("studying", Some(0));
        // Plain computing: other tasks of the runtime may go on meanwhile.
        let judged = tokio::task::block_in_place(|| study::run(&plan, &groups, &mut lines, &*bar));
        drop(bar);
        judged?;
    }
    let tables = study::make_tables(&lines)?;
    fs::create_dir_all(&args.output).map_err(cannot("write", &args.output))?;
    for (name, svg) in &tables.plots {
        publish::write(&args.output.join(name), svg)?;
    }
    publish::write(&args.output.join(TABLES), &tables.markdown)?;
    Ok(printer.summary(&Studied {
        out: args.output,
        plots: tables.plots.len(),
    })?)
}

/// All series, and what is not there.
async fn gather(printer: Printer, plan: &Plan, folder: &Path) -> Result<(Vec<Group>, Vec<String>)> {
    fs::metadata(folder).map_err(cannot("read", folder))?;
    let found = data::read(folder)?;
    let mut groups = Vec::new();
    if !found.series.is_empty() {
        groups.push(Group {
            name: "series",
            series: found.series,
        });
    }
    if !found.servers.is_empty() {
        groups.push(Group {
            name: "servers",
            series: found.servers,
        });
    }
    groups.push(simulated(printer, plan).await?);
    Ok((groups, found.absent))
}

/// Simulates logs, ingests them into a warehouse of their own, and labels its windows.
async fn simulated(printer: Printer, plan: &Plan) -> Result<Group> {
    let temporary = tempfile::tempdir().map_err(cannot("write", &std::env::temp_dir()))?;
    let sample = temporary.path().join("sample");
    let simulation = Simulation {
        days: plan.simulated_days,
        sites: plan.simulated_sites,
        seed: plan.simulated_seed,
        start: START,
        scale: plan.simulated_scale,
    };
    let bar = printer.begin("simulating days", Some(plan.simulated_days.into()));
    simulate(&simulation, &sample, &mut |day, _| {
        bar.reach(day.into());
    })?;
    drop(bar);
    let own = Settings {
        warehouse: Warehouse::new(temporary.path().join("warehouse")),
        has_warehouse: true,
        session: SessionOptions::default(),
        wait: Wait::No,
        printer: Printer::new(false, true),
    };
    ingest::ingest(
        &own,
        IngestArgs::of(LogArgs::of(sample.join(simulation::LOGS))),
    )
    .await?;
    let session = own.open().await?;
    let table = session.context().table(Table::TrafficWindows.name());
    let frame = table.await?;
    let metrics = METRICS.map(str::to_owned);
    let windows = windows(frame, &metrics).await?;
    let labels = labels::read(&sample.join(simulation::LABELS))?;
    let since = START + Duration::days(plan.simulated_training_days.into());
    let since = since.and_time(NaiveTime::MIN).and_utc().timestamp_micros();
    Ok(Group {
        name: "logs",
        series: labelled_windows::label(ATTACKS, &metrics, &windows, &labels, since)?,
    })
}
