//! Arguments of the commands that train detectors and keep them.

use std::path::PathBuf;

use anomalog_engine::network::Architecture;
use anomalog_engine::series::time_zone::TimeZone;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::values::{architecture, at_least_one, parse_positive};
use crate::training::Goal;
use crate::units::parse_until;
use crate::units::zones::parse_time_zone;

/// Arguments of `anomalog train`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each architecture becomes one detector over all series; one that comes out other than the current \
version becomes a new one. The end of the training range is held back to calibrate the scores.

With `--objective gate` a shipped detector, or that of `--from`, learns from labels what is a nuisance \
and what is an anomaly. They have the columns site, start, end and kind: `normal` \
where an alarm was none, anything else where something was wrong.

Examples:
  anomalog train
  anomalog train --arch lstm,gru --metrics requests,server_errors --until 2026-10-31
  anomalog train --from nightly --until yesterday
  anomalog train --objective gate --labels labels.csv
  anomalog train --windows metrics.parquet --series-column host --metrics value --arch gru --name hosts")]
pub struct TrainArgs {
    /// Architectures to train [default: rnn,lstm,gru,clstm, that of `--from`, or for `--objective gate`
    /// that of the shipped detector that decides].
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = architecture())]
    pub arch: Vec<Architecture>,

    /// What detectors learn.
    #[arg(long, value_enum, value_name = "NAME", default_value_t = Goal::Forecast)]
    pub objective: Goal,

    /// Labels that `--objective gate` learns from: Parquet or CSV [default: the warehouse's table
    /// `labels`].
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,

    /// Learn from the windows of incidents, labels and the calendar of the warehouse too; gates always
    /// do.
    #[arg(long)]
    pub include_anomalies: bool,

    /// Begin with the weights of a detector.
    #[arg(long, value_name = "DETECTOR")]
    pub from: Option<String>,

    /// Columns to learn.
    #[arg(
        long,
        value_name = "COLUMN",
        value_delimiter = ',',
        default_value = "requests"
    )]
    pub metrics: Vec<String>,

    /// Learn only from windows until this time: a date, which is a part of it, an RFC 3339 time,
    /// `yesterday`, or how long ago, such as `7d`.
    #[arg(long, value_name = "TIME", value_parser = parse_until)]
    pub until: Option<DateTime<Utc>>,

    /// Seed of every random choice.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Optimiser steps per detector at most [default: 200, with `--from` 60, of a gate 300].
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub steps: Option<u32>,

    /// Name of the detector; with several architectures, theirs is added [default: the
    /// architecture, or the name of the detector that it begins with].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Width of the recurrent state of a forecaster [default: 48, or that of `--from`].
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
