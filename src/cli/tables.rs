//! Arguments of the commands that build the tables of a warehouse.

use std::path::PathBuf;

use anomalog_engine::series::time_zone::TimeZone;
use chrono::NaiveDate;
use clap::Args;

use super::detectors::WindowsInputArgs;
use super::time::TimeArgs;
use super::values::{JOB_FILE, JOB_VARIABLE};
use crate::incidents::SeverityRule;
use crate::logs::{FieldMap, LogFormat, TimeLimits, TrustedNetwork};
use crate::units::zones::parse_time_zone;
use crate::units::{Span, UnitError, WindowStep};
use crate::warehouse::extra_metrics::ExtraMetrics;
use crate::warehouse::settings::SeriesKey;

/// Arguments of `anomalog run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads new logs, builds the dates of traffic_windows, scored_windows, incidents and incident_causes \
that would come out otherwise, and no others, and says which incidents are new. It may be run twice, \
late, for past days, after a crash: the tables are the same. Nothing new ends at once. For `--fail-on` \
and hooks, incidents are new that no run has seen, or not so severe. With `--since` and `--until` only \
those UTC dates are built that the range touches; new logs are read whole all the same.

Examples:
  anomalog run
  anomalog run --job /etc/anomalog/job.toml --wait
  anomalog run --check
  anomalog run --every 1m
  anomalog run --since 2026-11-03 --until 2026-11-03 --set scores.alarms_per_week=0.5")]
pub struct RunArgs {
    /// The job file.
    #[arg(
        long,
        value_name = "FILE",
        default_value = JOB_FILE,
        env = JOB_VARIABLE,
        hide_env_values = true
    )]
    pub job: PathBuf,

    /// Which dates to build.
    #[command(flatten)]
    pub time: TimeArgs,

    /// Go on until stopped, and bring everything up to date again after so long; the job file is read
    /// again each time.
    #[arg(long, value_name = "DURATION", value_parser = parse_every, conflicts_with_all = ["check", "fail_on"])]
    pub every: Option<Span>,

    /// Say what would be done, and whether the job file is in order; change nothing.
    #[arg(long)]
    pub check: bool,

    /// Override a setting of the job file, such as `windows.step=5m`.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// End with exit status 5 if there are new incidents of this severity or above.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub fail_on: Option<SeverityRule>,
}

/// Logs, and how they are read.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Log files (plain, gzip or zstd), folders of them, Parquet files, or `-` for standard input.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,

    /// How the lines are written: nginx' `log_format`, Apache's `LogFormat`, or a name such as
    /// `combined`, `json`, `w3c`, `alb` or `haproxy` [default: told from the lines].
    #[arg(value_parser = parse_format, long, value_name = "FORMAT", default_value_t = LogFormat::Auto, hide_default_value = true)]
    pub format: LogFormat,

    /// Networks of proxies that may say who the client is, such as `10.0.0.0/8`.
    #[arg(long, value_name = "NETWORK,…", value_delimiter = ',')]
    pub trusted_proxies: Vec<TrustedNetwork>,

    /// Site of every request [default: the virtual host of the line, else the folder or file name].
    #[arg(long, value_name = "NAME")]
    pub site: Option<String>,

    /// Which column of the input holds which of ours, such as `timestamp=ts,status=code`.
    #[arg(long, value_name = "OURS=THEIRS,…")]
    pub columns: Option<FieldMap>,

    /// Character between two columns of a CSV or TSV log.
    #[arg(long, value_name = "CHARACTER")]
    pub delimiter: Option<char>,
}

impl LogArgs {
    /// One log whose lines tell how it is read.
    #[must_use]
    pub fn of(input: PathBuf) -> Self {
        Self {
            inputs: vec![input],
            format: LogFormat::Auto,
            trusted_proxies: Vec::new(),
            site: None,
            columns: None,
            delimiter: None,
        }
    }
}

/// Arguments of `anomalog ingest`.
#[derive(Debug, Args)]
#[command(after_help = "\
Reading a log again changes nothing, so a nightly job may name every log it finds; one that has grown \
takes the place of what was read of it. Lines that are no requests go to the table `quarantine`. \
Afterwards the traffic windows are rebuilt.

Examples:
  anomalog ingest --explain access.log
  anomalog ingest --format '$remote_addr [$time_local] \"$request\" $status $request_time' access.log
  anomalog ingest access.log access.log.1.gz --site shop
  anomalog ingest --format tsv --columns timestamp=time,client_ip=host,status=response log.tsv
  anomalog ingest --columns timestamp=ts,status=code requests.parquet")]
pub struct IngestArgs {
    /// Which logs, and how they are read.
    #[command(flatten)]
    pub logs: LogArgs,

    /// File with a key: clients' addresses are kept as pseudonyms that share the prefixes which the
    /// addresses share, and no line that is rejected is kept.
    #[arg(
        long,
        value_name = "KEYFILE",
        env = "ANOMALOG_PSEUDONYMISE",
        hide_env_values = true
    )]
    pub pseudonymise: Option<PathBuf>,

    /// Which times cannot be right.
    #[command(flatten)]
    pub limits: TimeLimitArgs,

    /// How to cut traffic windows.
    #[command(flatten)]
    pub windows: WindowsArgs,

    /// Leave the traffic windows as they are.
    #[arg(long)]
    pub no_windows: bool,

    /// Say how each log would be read, and why, with a few of its rows; write nothing.
    #[arg(long)]
    pub explain: bool,

    /// Read logs anew that were read before in another format, with other columns or another site.
    #[arg(long)]
    pub again: bool,
}

impl IngestArgs {
    /// Those that read logs and count their windows, without further options.
    #[must_use]
    pub fn of(logs: LogArgs) -> Self {
        Self {
            logs,
            pseudonymise: None,
            limits: TimeLimitArgs::default(),
            windows: WindowsArgs {
                step: None,
                series_key: None,
                extra_metrics: None,
            },
            no_windows: false,
            explain: false,
            again: false,
        }
    }
}

/// Arguments of `anomalog try`.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads logs into a warehouse that is removed at the end, scores them with the shipped detectors, lists \
incidents, the worst first, and writes the page that `anomalog report` writes. Nothing is configured and \
nothing kept but the page; with `--warehouse` the tables stay, for `anomalog incidents` and `anomalog sql`.

Examples:
  anomalog try /var/log/nginx
  anomalog try access.log* --site shop -o shop.html
  zcat access.log.*.gz | anomalog try -
  anomalog --warehouse w try --format '$remote_addr [$time_local] \"$request\" $status' access.log")]
pub struct TryArgs {
    /// Which logs, and how they are read.
    #[command(flatten)]
    pub logs: LogArgs,

    /// Length of a window, such as `1m`, `5m` or `1h`.
    #[arg(long, value_name = "DURATION", default_value_t)]
    pub step: WindowStep,

    /// The page to write.
    #[arg(long, short, value_name = "FILE", default_value = "report.html")]
    pub output: PathBuf,
}

/// Rows of logs whose times cannot be right are set aside.
#[derive(Debug, Clone, Copy, Args)]
pub struct TimeLimitArgs {
    /// Set aside rows before this date.
    #[arg(long, value_name = "DATE", default_value_t = TimeLimits::EARLIEST)]
    pub earliest: NaiveDate,

    /// Set aside rows so much later than their file was last written.
    #[arg(long, value_name = "DURATION", default_value_t = TimeLimits::AHEAD_OF_FILE)]
    pub ahead_of_file: Span,

    /// Set aside rows so much earlier than most of the first rows of their log.
    #[arg(long, value_name = "DURATION", default_value_t = TimeLimits::BEFORE_LOG)]
    pub before_log: Span,
}

impl Default for TimeLimitArgs {
    fn default() -> Self {
        TimeLimits::default().into()
    }
}

impl From<TimeLimits> for TimeLimitArgs {
    fn from(limits: TimeLimits) -> Self {
        let TimeLimits {
            earliest,
            ahead_of_file,
            before_log,
        } = limits;
        Self {
            earliest,
            ahead_of_file,
            before_log,
        }
    }
}

impl From<TimeLimitArgs> for TimeLimits {
    fn from(args: TimeLimitArgs) -> Self {
        let TimeLimitArgs {
            earliest,
            ahead_of_file,
            before_log,
        } = args;
        Self {
            earliest,
            ahead_of_file,
            before_log,
        }
    }
}

/// Arguments of `anomalog windows`.
#[derive(Debug, Args)]
#[command(after_help = "\
All options are remembered in the warehouse and hold for later builds.

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

    /// Further metrics of windows: `unique_paths`, `top_client_share` and `bot_requests`; `none` for
    /// none [default: the last build's, or none].
    #[arg(long, value_name = "METRICS")]
    pub extra_metrics: Option<ExtraMetrics>,
}

/// Arguments of `anomalog score`.
#[derive(Debug, Args)]
#[command(after_help = "\
Writes the table `scored_windows`, replacing whole UTC dates; `--output` writes the rows of exactly \
the range asked for to one Parquet file instead. Where no detector was trained for the columns there, \
the shipped ones score, in the step of the windows; `--detector pretrained-lstm:5m` tells them another.

Examples:
  anomalog score
  anomalog score --since 2026-11-01 -o scored.parquet
  anomalog score --windows metrics.parquet --series-column host --detector hosts -o out.parquet")]
pub struct ScoreArgs {
    /// Where the windows come from.
    #[command(flatten)]
    pub input: WindowsInputArgs,

    /// Parquet file to write instead of the warehouse's table.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,

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

    /// Which windows to score.
    #[command(flatten)]
    pub time: TimeArgs,
}

impl Default for ScoreArgs {
    /// All windows of the warehouse.
    fn default() -> Self {
        Self {
            input: WindowsInputArgs {
                windows: None,
                series_column: "site".to_owned(),
            },
            output: None,
            detector: None,
            metrics: Vec::new(),
            time_zone: TimeZone::UTC,
            time: TimeArgs::default(),
        }
    }
}

/// Reads a length of time that is not none.
fn parse_every(text: &str) -> Result<Span, UnitError> {
    let span: Span = text.parse()?;
    Some(span)
        .filter(|span| span.micros() > 0)
        .ok_or(UnitError::Span)
}

/// Reads a format; the error says what is expected, too.
fn parse_format(text: &str) -> Result<LogFormat, String> {
    LogFormat::try_from(text.to_owned())
}
