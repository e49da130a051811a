//! Arguments of `anomalog evaluate`.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;

use super::detectors::WindowsInputArgs;
use super::values::{at_least_one, parse_positive};
use crate::evaluation::candidate::{Candidate, UnknownCandidate};
use crate::evaluation::protocol::Protocol;
use crate::units::parse_since;

/// Arguments of `anomalog evaluate`.
#[derive(Debug, Args)]
#[command(after_help = "\
`series.csv` has the columns file, dataset, train_points, vus_window and step_seconds; each file is \
Parquet with the columns timestamp, value and label. Detectors learn from the first `train_points` \
rows without labels, and are trained for this alone. With `--protocol shipped`, the detectors that \
come with the program judge as they are; they have seen no series but made-up ones. \
Labels of windows have the columns site, start, end and, if known, kind, as `anomalog \
simulate` writes them; detectors learn from the windows before `--since`.

Detectors: rnn, lstm, gru and clstm are trained; baseline is what they judge by besides their network; \
random, difference, median-11, median-31, robust-z, yesterday, last-week, ewma and spectral-residual are \
scores that need no training either.

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

    /// Judge windows from this time on, a date, an RFC 3339 time or how long ago, such as `7d`; detectors
    /// learn from those before.
    #[arg(long, value_name = "TIME", value_parser = parse_since, requires = "labels")]
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
    pub protocol: Vec<Protocol>,

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
