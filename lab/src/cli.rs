//! The command line of the lab.

use std::path::PathBuf;

use anomalog::cli::values::{architecture, at_least_one};
use anomalog::evaluation::candidate::BASELINE;
use anomalog::units::{UnitError, WindowStep};
use anomalog_engine::network::{Architecture, GateCell};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use crate::controls;
use crate::nuisances::Nuisance;

/// Compares detectors of anomalog, and makes those that are compiled into it: for its developers.
#[derive(Debug, Parser)]
#[command(name = "anomalog-lab", version)]
pub(crate) struct Cli {
    /// Print the command's summary as one JSON object on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print nothing but data and errors.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compare all architectures and floors on labelled data; write tables and plots.
    Study(StudyArgs),
    /// Count false alarms on made-up sites, and the anomalies that are found there.
    Nuisances(NuisancesArgs),
    /// Train gates on made-up sites: networks that say what is a nuisance, and their controls.
    Gates(GatesArgs),
}

/// Arguments of `anomalog-lab study`.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads `kpi/series.csv` with `kpi/second_labels.parquet`, `tsbad/series.csv`, `cloudmon/series.csv`, `nab`, \
`asd` and `weblogs/nasa_requests_per_minute.csv`; what is absent is left out. An interrupted study goes on from its results. What follows from the tables is for \
people to write: `docs/study.md`.

Example:
  anomalog-lab study --data ../shared/data --results target/study.jsonl -o docs/study")]
pub(crate) struct StudyArgs {
    /// Folder of labelled data.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: PathBuf,

    /// Folder to write `tables.md` and its plots to.
    #[arg(long, short, value_name = "FOLDER")]
    pub(crate) output: PathBuf,

    /// JSON lines of results, to go on from and to add to [default: kept in memory].
    #[arg(long, value_name = "FILE")]
    pub(crate) results: Option<PathBuf>,

    /// Do so little that it takes seconds: the figures mean nothing.
    #[arg(long)]
    pub(crate) quick: bool,
}

/// Arguments of `anomalog-lab nuisances`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each site has eight weeks of a metric, and is judged in the last four: as it is, and with an anomaly a \
week at each of three strengths. Seeds below 100 are for development; figures that are published come \
from seeds that nothing was chosen on.

Example:
  anomalog-lab nuisances --first-seed 101 --seeds 10 -o target/nuisances.json")]
pub(crate) struct NuisancesArgs {
    /// Kinds of sites [default: all].
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = nuisance(),
        default_values = Nuisance::ALL.map(Nuisance::name),
        hide_default_value = true
    )]
    pub(crate) nuisance: Vec<Nuisance>,

    /// Who is judged: `baseline`, which has no network, shipped detectors, and gates that they are compared
    /// with: logistic regression, the same net without recurrence, and one whose weights are shuffled.
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = judged(),
        default_value = "baseline,rnn,lstm,gru,clstm"
    )]
    pub(crate) detector: Vec<String>,

    /// Lengths of windows, in whole minutes.
    #[arg(
        long,
        value_name = "LENGTH",
        value_delimiter = ',',
        value_parser = whole_minutes,
        default_value = "1m,5m,15m,1h"
    )]
    pub(crate) step: Vec<WindowStep>,

    /// Seeds: sites of each kind.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_one())]
    pub(crate) seeds: u32,

    /// The first of the seeds.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) first_seed: u64,

    /// Say what labels are worth instead: ten false incidents of two weeks are labelled as normal, and what
    /// a detector learns from that is judged on the two weeks after them.
    #[arg(long, value_name = "ARCHITECTURE", value_parser = architecture())]
    pub(crate) labels: Option<Architecture>,

    /// Sites of the kind `control` per seed: budgets are counted on them.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = at_least_one())]
    pub(crate) controls: u32,

    /// JSON file to write all results to.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Accepts the name of a kind of site.
fn nuisance() -> impl TypedValueParser<Value = Nuisance> {
    PossibleValuesParser::new(Nuisance::ALL.map(Nuisance::name)).try_map(|name| {
        let mut kinds = Nuisance::ALL.into_iter();
        kinds
            .find(|kind| kind.name() == name)
            .ok_or("no kind of site")
    })
}

/// Accepts the baseline, shipped detectors by architecture, and controls.
fn judged() -> PossibleValuesParser {
    let architectures = Architecture::ALL
        .iter()
        .map(|architecture| architecture.name());
    let all = [BASELINE].into_iter().chain(architectures);
    PossibleValuesParser::new(all.chain(controls::NAMES))
}

/// Accepts lengths of windows that minutes can be counted in.
fn whole_minutes(text: &str) -> Result<WindowStep, String> {
    let step: WindowStep = text.parse().map_err(|error: UnitError| error.to_string())?;
    if step.seconds().is_multiple_of(60) {
        Ok(step)
    } else {
        Err("expected whole minutes, such as `1m`, `15m` or `1h`".to_owned())
    }
}

/// Arguments of `anomalog-lab gates`.
#[derive(Debug, Args)]
#[command(after_help = "\
Learns from sites whose seeds no benchmark has, in windows of 1, 5, 15 and 60 minutes, with anomalies \
injected. `linear` is logistic regression on the same inputs, `dense` the same net without recurrence.

Example:
  anomalog-lab gates --sites 2 --steps 1500 -o target/gates

Those that are compiled into the program are made as `udfs/engine/pretrained/README.md` says.")]
pub(crate) struct GatesArgs {
    /// Folder to write `<cell>/model.safetensors` and `<cell>/detector.json` to, or that of `--store`.
    #[arg(long, short, value_name = "FOLDER")]
    pub(crate) output: PathBuf,

    /// What gates remember with.
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = cell(),
        default_value = "linear,dense,rnn,gru,lstm"
    )]
    pub(crate) cell: Vec<GateCell>,

    /// Lengths of windows to learn from.
    #[arg(
        long,
        value_name = "LENGTH",
        value_delimiter = ',',
        value_parser = learned_step(),
        default_value = "1m,5m,15m,1h"
    )]
    pub(crate) step: Vec<LearnedStep>,

    /// Sites of each kind in windows of a minute; of longer windows there are more.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = at_least_one())]
    pub(crate) sites: u32,

    /// Optimiser steps.
    #[arg(long, value_name = "N", default_value_t = 1500, value_parser = at_least_one())]
    pub(crate) steps: u32,

    /// Units of the layer before the head.
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = at_least_one())]
    pub(crate) hidden: u32,

    /// Seed of the first weights and of the order of examples.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Version of the detectors: counts up when they change.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one())]
    pub(crate) release: u32,

    /// Write a folder of detectors, `<cell>/<version>/…`, as warehouses have it: controls, which are not
    /// shipped.
    #[arg(long)]
    pub(crate) store: bool,
}

/// A length of windows that gates learn from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LearnedStep {
    name: &'static str,
    pub(crate) minutes: usize,
    /// How many times as many sites as is said have such windows: the shortest are the most.
    pub(crate) times: u64,
}

impl LearnedStep {
    const ALL: [Self; 4] = {
        const fn step(name: &'static str, minutes: usize, times: u64) -> LearnedStep {
            LearnedStep {
                name,
                minutes,
                times,
            }
        }
        [
            step("1m", 1, 2),
            step("5m", 5, 3),
            step("15m", 15, 4),
            step("1h", 60, 8),
        ]
    };
}

/// Accepts the lengths of windows that gates learn from.
fn learned_step() -> impl TypedValueParser<Value = LearnedStep> {
    PossibleValuesParser::new(LearnedStep::ALL.map(|step| step.name)).try_map(|name| {
        let mut steps = LearnedStep::ALL.into_iter();
        steps.find(|step| step.name == name).ok_or("no such length")
    })
}

/// Accepts the name of a cell.
fn cell() -> impl TypedValueParser<Value = GateCell> {
    PossibleValuesParser::new(GateCell::ALL.map(GateCell::name)).try_map(|name| {
        let mut cells = GateCell::ALL.into_iter();
        cells.find(|cell| cell.name() == name).ok_or("no cell")
    })
}
