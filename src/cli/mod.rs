//! The command line: clap types only.
//!
//! These are the arguments as written. What a command does with them, and which defaults depend
//! on the warehouse, is resolved in [`crate::commands`].

mod detectors;
mod evaluate;
mod incidents;
pub mod printer;
mod tables;
pub mod values;

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use detectors::{DetectorsArgs, DetectorsCommand, TrainArgs, WindowsInputArgs};
pub use evaluate::{Candidates, EvaluateArgs};
pub use incidents::{
    BuildArgs, IncidentFilter, IncidentsArgs, IncidentsCommand, LabelArgs, ListArgs, ReportArgs,
};
pub use tables::{IngestArgs, RunArgs, ScoreArgs, WindowsArgs};

use crate::export::ExportFormat;
use crate::units::ByteSize;
use printer::MessageFormat;
use values::at_least_one;

/// Finds anomalies in web traffic: access logs in, anomaly scores as SQL columns out.
#[derive(Debug, Parser)]
#[command(
    name = "anomalog",
    version,
    propagate_version = true,
    max_term_width = 100
)]
#[command(after_help = "\
Examples:
  anomalog ingest /var/log/nginx/access.log*.gz --site shop
  anomalog train
  anomalog score --out scored.parquet
  anomalog sql 'SELECT site, count(*) FROM access_logs GROUP BY site'

Exit status:
  0  success
  1  the data, the query or the machine stood in the way
  2  the command line was not understood; nothing was done
  3  `run` or `ingest` did what it could: some logs could not be read, or the export not written
  4  another command is changing the warehouse; nothing was done
  5  `run --fail-on`: all was done, and there are new incidents")]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalArgs,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Folder that holds the tables and the detectors [default: `warehouse`, for the demo
    /// `target/demo`].
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "ANOMALOG_WAREHOUSE",
        hide_env_values = true
    )]
    pub warehouse: Option<PathBuf>,

    /// Print the command's summary as one JSON object on standard output.
    #[arg(long, global = true)]
    pub json: bool,

    /// Print nothing but data and errors.
    #[arg(long, short, global = true)]
    pub quiet: bool,

    /// How to write standard error: `text`, or `json` for one object a line, with progress.
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORM",
        hide_possible_values = true,
        default_value_t,
        env = "ANOMALOG_LOG_FORMAT",
        hide_env_values = true
    )]
    pub log_format: MessageFormat,

    /// Memory that queries may use before they spill to disk, such as `1GB` [default: no limit].
    #[arg(long, global = true, value_name = "SIZE")]
    pub memory_limit: Option<ByteSize>,

    /// Wait while another command changes the warehouse, instead of refusing.
    #[arg(long, global = true)]
    pub wait: bool,

    /// Countries of addresses for the SQL function `country`, in MaxMind's format (.mmdb).
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ANOMALOG_COUNTRY_DATABASE",
        hide_env_values = true
    )]
    pub country_database: Option<PathBuf>,

    /// Autonomous systems of addresses for the SQL function `asn`, in MaxMind's format (.mmdb).
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ANOMALOG_ASN_DATABASE",
        hide_env_values = true
    )]
    pub asn_database: Option<PathBuf>,

    /// User agents of your own for the SQL function `user_agent_class`: a class and a pattern a line.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ANOMALOG_USER_AGENTS",
        hide_env_values = true
    )]
    pub user_agents: Option<PathBuf>,

    /// Patterns of paths for the SQL function `path_group`, such as `/blog/{title}`, one a line.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ANOMALOG_PATH_GROUPS",
        hide_env_values = true
    )]
    pub path_groups: Option<PathBuf>,

    /// Threads that work at once [default: one per core].
    #[arg(long, global = true, value_name = "N", value_parser = at_least_one())]
    pub threads: Option<u32>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring a warehouse up to date with its logs: what a scheduler starts every night.
    Run(RunArgs),
    /// Write a job file for `anomalog run`.
    Init(InitArgs),
    /// Read access logs into the warehouse, or link Parquet logs in place.
    Ingest(IngestArgs),
    /// Count traffic per series and time window, gaps filled.
    Windows(WindowsArgs),
    /// Train detectors on the traffic windows.
    Train(TrainArgs),
    /// Score every traffic window.
    Score(ScoreArgs),
    /// List incidents, the worst first; show one, label one, or find them.
    Incidents(IncidentsArgs),
    /// Write a page on what happened: incidents with pictures and causes, all series, the data.
    Report(ReportArgs),
    /// Write the tables for BI tools to one folder.
    Export(ExportArgs),
    /// Query the warehouse.
    Sql(SqlArgs),
    /// List the detectors, or show one.
    Detectors(DetectorsArgs),
    /// Write made-up access logs with labelled anomalies.
    Simulate(SimulateArgs),
    /// Judge detectors on series whose anomalies are known, beside scores that need no training.
    Evaluate(EvaluateArgs),
    /// Ingest and score a sample of simulated logs, and show what was found.
    #[command(after_help = "\
Example:
  anomalog demo --warehouse /tmp/demo")]
    Demo,
}

/// Arguments of `anomalog init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  anomalog init --logs /var/log/nginx
  anomalog init --logs '/srv/logs/*.gz' --job /etc/anomalog/job.toml")]
pub struct InitArgs {
    /// Log files, folders of them, or patterns.
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    pub logs: Vec<PathBuf>,

    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "job.toml")]
    pub job: PathBuf,
}

/// Arguments of `anomalog export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Writes one file each of traffic_windows, scored_windows, incidents, incident_causes, detectors and \
runs, with `README.md` and `columns.csv`, which say what every column means, and `star.sql`, with views \
for DuckDB; with `--format sqlite`, all tables in one database. Windows are those of the dates asked \
for, incidents those that begin on them; detectors and runs come whole. The folder appears complete \
or not at all, and the same tables are the same bytes.

Examples:
  anomalog export --out export
  anomalog export --out march --from 2026-03-01 --to 2026-03-31 --format csv
  anomalog export --out database --format sqlite
  anomalog export --out export --overwrite")]
pub struct ExportArgs {
    /// Folder to write.
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,

    /// How to write rows.
    #[arg(long, value_enum, default_value_t)]
    pub format: ExportFormat,

    /// Only this UTC date.
    #[arg(long, value_name = "DATE", conflicts_with_all = ["from", "to"])]
    pub date: Option<NaiveDate>,

    /// Only dates from this one on.
    #[arg(long, value_name = "DATE")]
    pub from: Option<NaiveDate>,

    /// Only dates up to this one.
    #[arg(long, value_name = "DATE")]
    pub to: Option<NaiveDate>,

    /// Replace an earlier export.
    #[arg(long)]
    pub overwrite: bool,
}

/// Arguments of `anomalog sql`.
#[derive(Debug, Args)]
#[command(after_help = "\
Queries only read. Several statements are separated by `;` and run in order; `table` prints every \
result, the other formats hold one. `--json` without `--out` means `--format json`.

Examples:
  anomalog sql 'SHOW TABLES'
  anomalog sql --format csv 'SELECT * FROM traffic_windows ORDER BY site, window_start'
  anomalog sql -f report.sql --out report.parquet
  echo 'SELECT count(*) FROM access_logs' | anomalog sql -f -")]
pub struct SqlArgs {
    /// The query.
    #[arg(value_name = "QUERY", required_unless_present = "file")]
    pub query: Option<String>,

    /// Read the query from a file, `-` for standard input.
    #[arg(long, short, value_name = "FILE", conflicts_with = "query")]
    pub file: Option<PathBuf>,

    /// How to write the result [default: by the ending of --out, else table].
    #[arg(long, value_enum)]
    pub format: Option<ResultFormat>,

    /// File to write the result to.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// How a query result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ResultFormat {
    /// A table for people.
    Table,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON array of objects.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// Parquet; needs --out.
    Parquet,
}

/// Arguments of `anomalog simulate`.
#[derive(Debug, Args)]
#[command(after_help = "\
The same arguments write the same bytes.

Examples:
  anomalog simulate --out sample --days 14 --sites 3 --seed 7 --start 2026-11-01
  anomalog simulate --out busy --days 1 --sites 1 --seed 1 --start 2026-11-01 --scale 20")]
pub struct SimulateArgs {
    /// Folder to write the logs and labels to.
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,

    /// Days of traffic.
    #[arg(long, value_name = "N", default_value_t = 14, value_parser = at_least_one())]
    pub days: u32,

    /// Number of sites.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_one())]
    pub sites: u32,

    /// Seed of every random choice.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// First day, UTC.
    #[arg(long, value_name = "DATE", default_value = "2026-01-05")]
    pub start: NaiveDate,

    /// Traffic in proportion to the default.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub scale: f64,
}
