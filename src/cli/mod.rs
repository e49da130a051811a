//! The command line: clap types only.
//!
//! These are the arguments as written. What a command does with them, and which defaults depend
//! on the warehouse, is resolved in [`crate::commands`].

pub mod printer;

use std::path::PathBuf;

use anomalog_engine::network::Architecture;
use anomalog_engine::series::time_zone::TimeZone;
use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cli::printer::MessageFormat;
use crate::evaluation::candidate::{Candidate, UnknownCandidate};
use crate::evaluation::protocol::Protocol;
use crate::export::ExportFormat;
use crate::incidents::SeverityRule;
use crate::logs::FieldMap;
use crate::units::zones::parse_time_zone;
use crate::units::{ByteSize, WindowStep, parse_instant};
use crate::warehouse::settings::SeriesKey;

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
  3  `run` did what it could: some logs could not be read, or the export not written
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
    /// Group anomalous windows into incidents, and say what caused them.
    Incidents(IncidentsArgs),
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
    /// Ingest, train and score a sample of simulated logs, and show what was found.
    #[command(after_help = "\
Example:
  anomalog demo --warehouse /tmp/demo")]
    Demo,
}

/// Arguments of `anomalog run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads new logs, builds the dates of traffic_windows, scored_windows, incidents and incident_causes \
that would come out otherwise, and no others, and says which incidents are new. It may be run twice, \
late, for past days, after a crash: the tables are the same. Nothing new ends at once. For `--fail-on` \
and hooks, incidents are new that no run has seen, or not so severe.

Examples:
  anomalog run
  anomalog run --job /etc/anomalog/job.toml --wait
  anomalog run --check
  anomalog run --date 2026-11-03 --set scores.alarms_per_week=0.5")]
pub struct RunArgs {
    /// The job file.
    #[arg(long, value_name = "FILE", default_value = "job.toml")]
    pub job: PathBuf,

    /// Build only this UTC date. New logs are read whole all the same.
    #[arg(long, value_name = "DATE", conflicts_with_all = ["from", "to"])]
    pub date: Option<NaiveDate>,

    /// Build only dates from this one on.
    #[arg(long, value_name = "DATE")]
    pub from: Option<NaiveDate>,

    /// Build only dates up to this one.
    #[arg(long, value_name = "DATE")]
    pub to: Option<NaiveDate>,

    /// Say what would be done, and whether the job file is in order; change nothing.
    #[arg(long)]
    pub check: bool,

    /// Override a setting of the job file, such as `windows.step=5m`.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// End with exit status 5 if there are new incidents of this severity or above.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub fail_on: Option<SeverityArg>,
}

/// A severity of incidents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SeverityArg {
    /// Every incident.
    Low,
    /// Medium and high.
    Medium,
    /// High only.
    High,
}

impl From<SeverityArg> for SeverityRule {
    fn from(arg: SeverityArg) -> Self {
        match arg {
            SeverityArg::Low => Self::Low,
            SeverityArg::Medium => Self::Medium,
            SeverityArg::High => Self::High,
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
    #[arg(long, value_name = "FILE", default_value = "job.toml")]
    pub job: PathBuf,
}

/// Arguments of `anomalog ingest`.
#[derive(Debug, Args)]
#[command(after_help = "\
Reading a log again changes nothing, so a nightly job may name every log it finds. Lines that are \
no requests go to the table `quarantine`. Afterwards the traffic windows are rebuilt.

Examples:
  anomalog ingest access.log access.log.1.gz --site shop
  anomalog ingest --format tsv --columns timestamp=time,client_ip=host,status=response log.tsv
  anomalog ingest --columns timestamp=ts,status=code requests.parquet")]
pub struct IngestArgs {
    /// Log files (plain, gzip or zstd), folders of them, Parquet files, or `-` for standard input.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,

    /// How the logs are written.
    #[arg(long, value_enum, default_value_t = LogFormatArg::Auto)]
    pub format: LogFormatArg,

    /// Site of every request [default: the virtual host of the line, else the folder or file name].
    #[arg(long, value_name = "NAME")]
    pub site: Option<String>,

    /// Which column of the input holds which of ours, such as `timestamp=ts,status=code`.
    #[arg(long, value_name = "OURS=THEIRS,…")]
    pub columns: Option<FieldMap>,

    /// Character between two columns of a CSV or TSV log.
    #[arg(long, value_name = "CHARACTER")]
    pub delimiter: Option<char>,

    /// How to cut traffic windows.
    #[command(flatten)]
    pub windows: WindowsArgs,

    /// Leave the traffic windows as they are.
    #[arg(long)]
    pub no_windows: bool,
}

/// How a log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormatArg {
    /// Told from the first lines of each file.
    Auto,
    /// Apache's common log format.
    Common,
    /// Apache's and nginx's combined log format.
    Combined,
    /// One JSON object a line.
    Json,
    /// Tab-separated columns with a header.
    Tsv,
    /// Comma-separated columns with a header.
    Csv,
    /// Parquet, one row per request: linked in place, not copied.
    Parquet,
}

/// Arguments of `anomalog windows`.
#[derive(Debug, Args)]
#[command(after_help = "\
Both options are remembered in the warehouse and hold for later builds.

Examples:
  anomalog windows
  anomalog windows --step 5m
  anomalog windows --series-key \"site || ' ' || CAST(status / 100 AS VARCHAR) || 'xx'\"")]
pub struct WindowsArgs {
    /// Length of a window, such as `30s`, `1m`, `5m` or `1h` [default: the last build's, or 1m].
    #[arg(long, value_name = "DURATION")]
    pub step: Option<WindowStep>,

    /// SQL expression over `access_logs` that names a request's series [default: the last build's,
    /// or site].
    #[arg(long, value_name = "EXPRESSION")]
    pub series_key: Option<SeriesKey>,
}

/// A recurrent architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ArchitectureArg {
    /// Plain recurrent network (Elman).
    Rnn,
    /// Long short-term memory.
    Lstm,
    /// Gated recurrent unit.
    Gru,
    /// Causal convolution in front of an LSTM.
    Clstm,
}

impl ArchitectureArg {
    /// Every architecture, simplest first.
    pub const ALL: [Self; 4] = [Self::Rnn, Self::Lstm, Self::Gru, Self::Clstm];
}

impl From<ArchitectureArg> for Architecture {
    fn from(arg: ArchitectureArg) -> Self {
        match arg {
            ArchitectureArg::Rnn => Self::Rnn,
            ArchitectureArg::Lstm => Self::Lstm,
            ArchitectureArg::Gru => Self::Gru,
            ArchitectureArg::Clstm => Self::Clstm,
        }
    }
}

/// What a detector learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ObjectiveArg {
    /// To forecast normal traffic, without labels.
    Forecast,
    /// To tell anomalous windows from normal ones, by labels.
    Classify,
}

/// Arguments of `anomalog train`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each architecture becomes one detector over all series; one that comes out other than the current \
version becomes a new one. The end of the training range is held back to calibrate the scores.

With `--objective classify` detectors learn from labels to tell anomalous windows from normal ones. \
Labels have the columns site, start and end, as for `anomalog evaluate`.

Examples:
  anomalog train
  anomalog train --arch lstm,gru --metrics requests,server_errors --until 2026-11-01
  anomalog train --from pretrained --arch lstm
  anomalog train --objective classify --labels labels.csv --until 2026-11-01
  anomalog train --windows metrics.parquet --series-column host --metrics value --arch gru --name hosts")]
pub struct TrainArgs {
    /// Architectures to train [default: rnn,lstm,gru,clstm, or that of `--from`].
    #[arg(long, value_enum, value_name = "NAME", value_delimiter = ',')]
    pub arch: Vec<ArchitectureArg>,

    /// What detectors learn.
    #[arg(long, value_enum, value_name = "NAME", default_value_t = ObjectiveArg::Forecast)]
    pub objective: ObjectiveArg,

    /// Labels that `--objective classify` learns from: Parquet or CSV [default: the warehouse's table
    /// `labels`].
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,

    /// Learn from the windows of incidents, labels and the calendar of the warehouse too; classifiers
    /// always do.
    #[arg(long)]
    pub include_anomalies: bool,

    /// Begin with the weights of a detector: `pretrained` for the shipped one of each architecture.
    #[arg(long, value_name = "pretrained|DETECTOR")]
    pub from: Option<String>,

    /// Columns to learn.
    #[arg(
        long,
        value_name = "COLUMN",
        value_delimiter = ',',
        default_value = "requests"
    )]
    pub metrics: Vec<String>,

    /// Learn only from windows before this date or RFC 3339 time.
    #[arg(long, value_name = "TIMESTAMP", value_parser = parse_instant)]
    pub until: Option<DateTime<Utc>>,

    /// Seed of every random choice.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Optimiser steps per detector at most [default: 200, with `--from` 60].
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub steps: Option<u32>,

    /// Name of the detector; with several architectures, theirs is added [default: the
    /// architecture, that and `_classify`, or the name of the detector that it begins with].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Width of the recurrent state [default: 48, of classifiers 64, or that of `--from`].
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub hidden: Option<u32>,

    /// Windows per series and week that may be anomalous by chance: what the threshold is for;
    /// `anomalog run` goes by its job file instead.
    #[arg(long, value_name = "X", default_value = "1", value_parser = parse_positive)]
    pub alarms_per_week: f64,

    /// Windows to read at most; of more, some series are drawn [default: 4000000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_rows: Option<u64>,

    /// Where the users of the series live, such as `Europe/Berlin` or `+02:00`: times of day are
    /// local there, and move when clocks change.
    #[arg(long, value_name = "ZONE", value_parser = parse_time_zone, default_value_t = TimeZone::UTC)]
    pub time_zone: TimeZone,

    /// Where the windows come from.
    #[command(flatten)]
    pub input: WindowsInputArgs,
}

/// Windows that lie outside the warehouse.
#[derive(Debug, Args)]
pub struct WindowsInputArgs {
    /// Parquet file or folder of windows to use instead of `traffic_windows`.
    #[arg(long, value_name = "FILE|FOLDER")]
    pub windows: Option<PathBuf>,

    /// Column of `--windows` that names the series.
    #[arg(
        long,
        value_name = "NAME",
        requires = "windows",
        default_value = "site"
    )]
    pub series_column: String,
}

/// Arguments of `anomalog score`.
#[derive(Debug, Args)]
#[command(after_help = "\
Writes the table `scored_windows`, replacing whole UTC dates; `--out` writes the rows of exactly \
the range asked for to one Parquet file instead. Where no detector was trained for the columns there, \
the shipped ones score; `--detector pretrained-lstm:5m` tells them a step other than the warehouse's.

Examples:
  anomalog score
  anomalog score --since 2026-11-01 --out scored.parquet
  anomalog score --windows metrics.parquet --series-column host --detector hosts --out out.parquet")]
pub struct ScoreArgs {
    /// Where the windows come from.
    #[command(flatten)]
    pub input: WindowsInputArgs,

    /// Parquet file to write instead of the warehouse's table.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Detector that decides `is_anomaly`, as `name` or `name@version` [default: the one with the
    /// most metrics, then the best forecast].
    #[arg(long, value_name = "DETECTOR")]
    pub detector: Option<String>,

    /// Columns that shipped detectors score, where none was trained [default: requests, `client_errors`,
    /// `server_errors` and `latency_p95`, as far as there are such, or the only column].
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub metrics: Vec<String>,

    /// Where the users of the series live, such as `Europe/Berlin` or `+02:00`: times of day are
    /// local there, and move when clocks change.
    #[arg(long, value_name = "ZONE", value_parser = parse_time_zone, default_value_t = TimeZone::UTC)]
    pub time_zone: TimeZone,

    /// Score only windows from this date or RFC 3339 time on.
    #[arg(long, value_name = "TIMESTAMP", value_parser = parse_instant)]
    pub since: Option<DateTime<Utc>>,

    /// Score only windows before this date or RFC 3339 time.
    #[arg(long, value_name = "TIMESTAMP", value_parser = parse_instant)]
    pub until: Option<DateTime<Utc>>,
}

/// Arguments of `anomalog incidents`.
#[derive(Debug, Clone, Copy, Args)]
#[command(after_help = "\
Reads `scored_windows` and `access_logs`, and writes the tables `incidents` and `incident_causes`, \
replacing whole UTC dates. An incident begins with an anomalous window, goes on while windows are \
nearly as unusual, and belongs to the date on which it begins. Rules are the defaults of the job.

Examples:
  anomalog incidents
  anomalog incidents --since 2026-11-01
  anomalog sql 'SELECT * FROM incidents ORDER BY started_at'")]
pub struct IncidentsArgs {
    /// Only incidents that begin on this date or later: a date or an RFC 3339 time.
    #[arg(long, value_name = "TIMESTAMP", value_parser = parse_instant)]
    pub since: Option<DateTime<Utc>>,

    /// Only incidents that begin before the end of the date of this date or RFC 3339 time.
    #[arg(long, value_name = "TIMESTAMP", value_parser = parse_instant)]
    pub until: Option<DateTime<Utc>>,
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

/// Arguments of `anomalog detectors`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  anomalog detectors list
  anomalog detectors show lstm
  anomalog detectors show lstm@3")]
pub struct DetectorsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DetectorsCommand,
}

/// The subcommands of `anomalog detectors`.
#[derive(Debug, Subcommand)]
pub enum DetectorsCommand {
    /// List every detector and version.
    List,
    /// Show how one detector was trained, and how good it is.
    Show {
        /// The detector, as `name` (its current version) or `name@version`.
        #[arg(value_name = "NAME[@VERSION]")]
        detector: String,
    },
    /// Make a version the one that its name alone means, once it has been verified.
    ///
    /// Where `anomalog run` trains challengers of this name, it scores the current period from now on.
    Promote {
        /// The version, as `name@version`.
        #[arg(value_name = "NAME@VERSION")]
        detector: String,
    },
    /// Make the version before the current one current, as `promote` does.
    Rollback {
        /// The detector.
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Check that detectors are whole: manifests, digests and shapes of weights.
    ///
    /// Exits with 1 if one is not.
    Verify {
        /// The detectors, as `name` (all its versions) or `name@version`; all if none is named.
        #[arg(value_name = "NAME[@VERSION]")]
        detectors: Vec<String>,
    },
    /// List which detector has scored from when on, and how its challengers did.
    History,
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

/// Arguments of `anomalog evaluate`.
#[derive(Debug, Args)]
#[command(after_help = "\
`series.csv` has the columns file, dataset, train_points, vus_window and step_seconds; each file is \
Parquet with the columns timestamp, value and label. Detectors learn from the first `train_points` \
rows without labels, and are trained for this alone. With `--protocol shipped`, the detectors that \
come with the program judge as they are; each result says whether they have seen the first rows of \
the series. With `--protocol classify`, one classifier learns from the first rows of all series, with \
their labels. Labels of windows have the columns site, start, end and, if known, kind, as `anomalog \
simulate` writes them; detectors learn from the windows before `--since`.

Detectors: rnn, lstm, gru and clstm are trained; random, difference, median-11, median-31, robust-z, \
yesterday, last-week, ewma and spectral-residual are scores that need no training.

Examples:
  anomalog evaluate --series kpi/series.csv
  anomalog evaluate --series kpi/series.csv --detectors lstm,difference --hold 10 --markdown
  anomalog evaluate --series kpi/series.csv tsbad/series.csv --protocol zero-shot,fine-tuned \
--seed 1,2,3 --html report.html
  anomalog evaluate --labels labels.parquet --since 2026-11-08 --metrics requests,server_errors")]
pub struct EvaluateArgs {
    /// Lists of labelled series.
    #[arg(long, value_name = "FILE", required_unless_present = "labels", num_args = 1..)]
    pub series: Vec<PathBuf>,

    /// Judge the traffic windows instead, with these labels: Parquet or CSV.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "series",
        requires = "since"
    )]
    pub labels: Option<PathBuf>,

    /// Judge windows from this date or RFC 3339 time on; detectors learn from those before.
    #[arg(long, value_name = "TIMESTAMP", value_parser = parse_instant, requires = "labels")]
    pub since: Option<DateTime<Utc>>,

    /// Columns of the windows to judge by, at once.
    #[arg(
        long,
        value_name = "COLUMN",
        value_delimiter = ',',
        default_value = "requests"
    )]
    pub metrics: Vec<String>,

    /// Where the windows come from.
    #[command(flatten)]
    pub input: WindowsInputArgs,

    /// Trained detectors of the warehouse to judge as they are, as `name` or `name@version`.
    #[arg(long, value_name = "DETECTOR", value_delimiter = ',')]
    pub stored: Vec<String>,

    /// Architectures and floors to judge, or `all`.
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "all",
        value_parser = parse_candidates
    )]
    pub detectors: Vec<Candidates>,

    /// What architectures learn from before they judge a series.
    #[arg(
        long,
        value_enum,
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "per-series"
    )]
    pub protocol: Vec<ProtocolArg>,

    /// Hold peaks of all scores with this half-life in windows before judging [default: no hold].
    #[arg(long, value_name = "N", value_parser = parse_positive)]
    pub hold: Option<f64>,

    /// Seeds of every random choice; each is tried.
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "0")]
    pub seed: Vec<u64>,

    /// Optimiser steps per detector at most [default: 200].
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub steps: Option<u32>,

    /// Optimiser steps of fine-tuning at most [default: 60].
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub fine_tune_steps: Option<u32>,

    /// Width of the recurrent state [default: 48, of classifiers 64].
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub hidden: Option<u32>,

    /// False-alarm events per series and week that thresholds are for.
    #[arg(long, value_name = "X", default_value = "1", value_parser = parse_positive)]
    pub alarms_per_week: f64,

    /// Print the tables as Markdown.
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,

    /// Write a page with tables and plots, which needs no network.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// Write the label and the score of every window to a Parquet file.
    #[arg(long, value_name = "FILE")]
    pub scores: Option<PathBuf>,
}

/// What an architecture learns from before it judges a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProtocolArg {
    /// The training range of that series.
    PerSeries,
    /// The training ranges of other series.
    ZeroShot,
    /// Those, then that of the series.
    FineTuned,
    /// What the shipped detectors learned from: they judge as they are.
    Shipped,
    /// The training ranges of all series, with their labels.
    Classify,
}

impl From<ProtocolArg> for Protocol {
    fn from(arg: ProtocolArg) -> Self {
        match arg {
            ProtocolArg::PerSeries => Self::PerSeries,
            ProtocolArg::ZeroShot => Self::ZeroShot,
            ProtocolArg::FineTuned => Self::FineTuned,
            ProtocolArg::Shipped => Self::Shipped,
            ProtocolArg::Classify => Self::Classify,
        }
    }
}

/// One item of `--detectors`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidates {
    /// All there are.
    All,
    /// This one.
    One(Candidate),
}

fn parse_candidates(text: &str) -> Result<Candidates, UnknownCandidate> {
    match text {
        "all" => Ok(Candidates::All),
        name => name.parse().map(Candidates::One),
    }
}

/// Accepts finite numbers above zero.
fn parse_positive(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number
        .filter(|number| *number > 0.0)
        .ok_or("expected a number above 0")
}

/// Accepts whole numbers from one.
fn at_least_one() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}
