//! `anomalog-lab nuisances`: false alarms on what is no anomaly, and anomalies that are found beside it.

use std::fmt;
use std::path::Path;

use anomalog::cli::printer::Printer;
use anomalog::commands::error::Result;
use anomalog::incidents::IncidentRules;
use anomalog::progress::Progress as _;
use anomalog::warehouse::publish;
use serde::Serialize;

use crate::cli::NuisancesArgs;
use crate::nuisances::{self, Benchmark, Figures, Judged, SiteResult};

/// What was found.
#[derive(Debug, Serialize)]
struct Nuisances {
    seeds: Vec<u64>,
    figures: Vec<Figures>,
}

impl fmt::Display for Nuisances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(nuisances::text(&self.figures).trim_end())
    }
}

/// Figures with the results that they are made of.
#[derive(Debug, Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    nuisances: &'a Nuisances,
    sites: &'a [SiteResult],
}

/// Runs `anomalog-lab nuisances`.
///
/// # Errors
/// When a site cannot be scored, or the file cannot be written.
pub(crate) fn run(printer: Printer, args: NuisancesArgs) -> Result<()> {
    let seeds: Vec<u64> = (args.first_seed..).take(args.seeds as usize).collect();
    let mut detectors = Judged::all()?;
    detectors.retain(|judged| args.detector.iter().any(|name| name == judged.name));
    let benchmark = Benchmark {
        nuisances: args.nuisance,
        seeds: seeds.clone(),
        controls: args.controls,
        minutes: args
            .step
            .iter()
            .map(|step| step.seconds() as usize / 60)
            .collect(),
        detectors,
        rules: IncidentRules::default(),
    };
    let bar = printer.begin("judging sites", Some(benchmark.len() as u64));
    // Plain computing: other tasks of the runtime may go on meanwhile.
    let judged = tokio::task::block_in_place(|| benchmark.run(&|| bar.advance(1)));
    drop(bar);
    let sites = judged?;
    let nuisances = Nuisances {
        seeds,
        figures: nuisances::figures(&sites),
    };
    if let Some(path) = args.out {
        write(&path, &nuisances, &sites)?;
    }
    Ok(printer.answer(&nuisances)?)
}

fn write(path: &Path, nuisances: &Nuisances, sites: &[SiteResult]) -> Result<()> {
    let report = Report { nuisances, sites };
    let mut text = serde_json::to_string_pretty(&report).expect("figures have a JSON form");
    text.push('\n');
    Ok(publish::write(path, &text)?)
}
