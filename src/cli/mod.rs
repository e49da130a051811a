//! The command line: clap types only.
//!
//! These are the arguments as written. What a command does with them, and which defaults depend
//! on the warehouse, is resolved in [`crate::commands`].

mod detectors;
mod evaluate;
mod incidents;
pub mod printer;
mod tables;
mod time;
pub mod values;

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use detectors::{DetectorsArgs, DetectorsCommand, TrainArgs, WindowsInputArgs};
pub use evaluate::{Candidates, EvaluateArgs};
pub use incidents::{
    BuildArgs, IncidentFilter, IncidentsArgs, IncidentsCommand, LabelArgs, ListArgs, ReportArgs,
};
pub use tables::{IngestArgs, LogArgs, RunArgs, ScoreArgs, TryArgs, WindowsArgs};
pub use time::TimeArgs;

use crate::export::ExportFormat;
use crate::units::ByteSize;
use printer::{ColorMode, MessageFormat};
use values::at_least_one;
pub use values::{CellsArgs, JOB_FILE, JOB_VARIABLE, WAREHOUSE_VARIABLE};

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
  anomalog try /var/log/nginx
  anomalog init --logs /var/log/nginx; anomalog run
  anomalog incidents --since yesterday
  anomalog score -o scored.parquet
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
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub struct GlobalArgs {
    /// Folder that holds the tables and the detectors [default: that of `ANOMALOG_WAREHOUSE`, else
    /// that of the job file in `ANOMALOG_JOB` or the current folder, else `warehouse`].
    // Not `env`: what is only tried must not go into the warehouse that a variable names.
    #[arg(long, global = true, value_name = "PATH")]
    pub warehouse: Option<PathBuf>,

    /// Print the command's summary as one JSON object on standard output.
    #[arg(long, global = true)]
    pub json: bool,

    /// Print nothing but data and errors.
    #[arg(long, short, global = true)]
    pub quiet: bool,

    /// Say what each step did, and how long it took.
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    pub verbose: bool,

    /// How to write messages: `human`, or `json` for one object a line, with progress.
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORM",
        hide_possible_values = true,
        default_value_t,
        env = "ANOMALOG_MESSAGE_FORMAT",
        hide_env_values = true
    )]
    pub message_format: MessageFormat,

    /// When to colour messages: `auto` (on a terminal, unless `NO_COLOR` is set), `always` or `never`.
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        hide_possible_values = true,
        default_value_t
    )]
    pub color: ColorMode,

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
    /// Look at logs at once: incidents on the terminal, and a page; nothing is configured.
    Try(TryArgs),
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
    /// Print what makes a shell complete commands and options.
    #[command(after_help = "\
Example:
  anomalog completions bash > ~/.local/share/bash-completion/completions/anomalog")]
    Completions {
        /// The shell.
        #[arg(value_enum, value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
    /// Write a man page for every command.
    #[command(after_help = "\
Example:
  anomalog man -o ~/.local/share/man/man1")]
    Man {
        /// Folder to write to.
        #[arg(long, short, value_name = "FOLDER")]
        output: PathBuf,
    },
}

impl Command {
    /// The range of time that it is about, if it takes one.
    #[must_use]
    pub const fn time(&self) -> Option<TimeArgs> {
        match self {
            Self::Run(args) => Some(args.time),
            Self::Score(args) => Some(args.time),
            Self::Export(args) => Some(args.time),
            Self::Report(args) => Some(args.filter.time),
            Self::Incidents(args) => match &args.command {
                None => Some(args.list.filter.time),
                Some(IncidentsCommand::Build(args)) => Some(args.time),
                Some(_) => None,
            },
            _ => None,
        }
    }
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
    #[arg(long, value_name = "FILE", default_value = JOB_FILE)]
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
  anomalog export -o export
  anomalog export -o march --since 2026-03-01 --until 2026-03-31 --format csv
  anomalog export -o database --format sqlite
  anomalog export -o export --overwrite")]
pub struct ExportArgs {
    /// Folder to write.
    #[arg(long, short, value_name = "FOLDER")]
    pub output: PathBuf,

    /// How to write rows.
    #[arg(long, value_enum, default_value_t)]
    pub format: ExportFormat,

    /// Which UTC dates: all that the range touches.
    #[command(flatten)]
    pub time: TimeArgs,

    /// Replace an earlier export.
    #[arg(long)]
    pub overwrite: bool,

    /// How cells of CSV are written.
    #[command(flatten)]
    pub cells: CellsArgs,
}

/// Arguments of `anomalog sql`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without a query, statements are read from standard input; on a terminal that is a shell, with \
history and completion. Queries only read. Several statements are separated by `;` and run in order; \
`table` prints every result, the other formats hold one. `--json` without `--output` means `--format json`. \
A query can name files, too: Parquet, CSV with a header, JSON lines.

Examples:
  anomalog sql
  anomalog sql -c 'SHOW TABLES'
  anomalog sql \"SELECT * FROM 'export/*.parquet' LIMIT 10\"
  anomalog sql --format csv 'SELECT * FROM traffic_windows ORDER BY site, window_start'
  anomalog sql -f report.sql -o report.parquet")]
pub struct SqlArgs {
    /// The query [default: a shell on a terminal, else what standard input has].
    #[arg(value_name = "QUERY")]
    pub query: Option<String>,

    /// The query, as other shells take it.
    #[arg(long, short, value_name = "QUERY", conflicts_with = "query")]
    pub command: Option<String>,

    /// Read the query from a file, `-` for standard input.
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["query", "command"])]
    pub file: Option<PathBuf>,

    /// How to write the result [default: by the ending of --output, else table].
    #[arg(long, value_enum)]
    pub format: Option<ResultFormat>,

    /// File to write the result to.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// How cells of CSV are written.
    #[command(flatten)]
    pub cells: CellsArgs,
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
    /// Parquet; needs --output.
    Parquet,
}

/// Arguments of `anomalog simulate`.
#[derive(Debug, Args)]
#[command(after_help = "\
The same arguments write the same bytes.

Examples:
  anomalog simulate -o sample --days 14 --sites 3 --seed 7 --start 2026-11-01
  anomalog simulate -o busy --days 1 --sites 1 --seed 1 --start 2026-11-01 --scale 20")]
pub struct SimulateArgs {
    /// Folder to write the logs and labels to.
    #[arg(long, short, value_name = "FOLDER")]
    pub output: PathBuf,

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
