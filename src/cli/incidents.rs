//! Arguments of the commands that tell of incidents.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::time::TimeArgs;
use crate::incidents::feedback::Verdict;
use crate::incidents::{IncidentKind, SeverityRule};

/// Arguments of `anomalog incidents`.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Without a subcommand, incidents are listed, the worst first. Those that were labelled false are left \
out, and so are those like one (of the same site and kind at the same time of day, unless clearly worse), \
and those that `[[suppress]]` of the job file suppresses.

Examples:
  anomalog incidents --since yesterday --min-severity medium
  anomalog incidents --site shop --kind flood,scraping
  anomalog incidents show 5c2b91e0
  anomalog incidents label 5c2b91e0 false --note 'the backup'
  anomalog incidents build")]
pub struct IncidentsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<IncidentsCommand>,

    /// What to list.
    #[command(flatten)]
    pub list: ListArgs,
}

/// The subcommands of `anomalog incidents`.
#[derive(Debug, Clone, Subcommand)]
pub enum IncidentsCommand {
    /// Show all that is known of an incident, with a picture of its metric.
    Show {
        /// The incident: its `incident_id`, or as many of its first digits as it takes.
        #[arg(value_name = "ID")]
        incident: String,
    },
    /// Say that an incident was none, or that it was one.
    Label(LabelArgs),
    /// Find incidents in `scored_windows`, and say what caused them.
    Build(BuildArgs),
}

/// Arguments of `anomalog incidents label`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Labels lie in the table `labels`. A false one is of the kind `normal`: `anomalog train --objective gate` \
learns from it, and incidents like it are no longer listed nor told to hooks, unless clearly worse. A \
later label takes the place of an earlier one.

Examples:
  anomalog incidents label 5c2b91e0 false --note 'the backup'
  anomalog incidents label 5c2b91e0 true")]
pub struct LabelArgs {
    /// The incident: its `incident_id`, or as many of its first digits as it takes.
    #[arg(value_name = "ID")]
    pub incident: String,

    /// Whether something was wrong.
    #[arg(value_enum, value_name = "VERDICT")]
    pub verdict: Verdict,

    /// What to remember of it.
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}

/// Arguments of `anomalog incidents build`.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(after_help = "\
Reads `scored_windows` and `access_logs`, and writes the tables `incidents` and `incident_causes`, \
replacing whole UTC dates. An incident begins with an anomalous window, goes on while windows are \
nearly as unusual, and belongs to the date on which it begins. Rules are the defaults of the job; \
`anomalog run` builds incidents by the rules of the job file.

Examples:
  anomalog incidents build
  anomalog incidents build --since 2026-11-01")]
pub struct BuildArgs {
    /// The dates on which incidents begin.
    #[command(flatten)]
    pub time: TimeArgs,
}

/// Which time and series are meant.
#[derive(Debug, Clone, Default, Args)]
pub struct IncidentFilter {
    /// When incidents begin.
    #[command(flatten)]
    pub time: TimeArgs,

    /// Only these series.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub site: Vec<String>,
}

/// Arguments of `anomalog incidents` without a subcommand.
#[derive(Debug, Clone, Default, Args)]
pub struct ListArgs {
    /// When and where.
    #[command(flatten)]
    pub filter: IncidentFilter,

    /// Only incidents of this severity or above.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub min_severity: Option<SeverityRule>,

    /// Only incidents of these kinds.
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',')]
    pub kind: Vec<IncidentKind>,

    /// List those too that were labelled false, are like one that was, or are suppressed.
    #[arg(long)]
    pub all: bool,
}

/// Arguments of `anomalog report`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The page is one file that needs no other and no network. It appears complete or not at all, and the same \
tables are the same bytes. `anomalog run` writes it to the warehouse, unless the job file says otherwise.

Examples:
  anomalog report
  anomalog report --since 24h
  anomalog report --since 2026-11-01 --until 2026-11-07 --site shop -o shop.html")]
pub struct ReportArgs {
    /// When and where [default: the last seven days that were scored, every series].
    #[command(flatten)]
    pub filter: IncidentFilter,

    /// The file to write [default: `report.html` in the warehouse].
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
