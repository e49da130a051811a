//! `anomalog-lab nuisances`: false alarms on what is no anomaly, and anomalies that are found beside it.

use std::fmt;
use std::path::Path;

use anomalog::cli::printer::Printer;
use anomalog::commands::error::Result;
use anomalog::incidents::IncidentRules;
use anomalog::progress::Progress as _;
use anomalog::warehouse::publish;
use anomalog_engine::network::Architecture;
use rayon::prelude::*;
use serde::Serialize;

use crate::cli::NuisancesArgs;
use crate::controls;
use crate::nuisances::{self, Benchmark, Figures, Judged, Learned, Nuisance, SiteResult};

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
    let minutes: Vec<usize> = args
        .step
        .iter()
        .map(|step| step.seconds() as usize / 60)
        .collect();
    if let Some(architecture) = args.labels {
        return labels(printer, architecture, &args.nuisance, &seeds, &minutes);
    }
    let mut detectors = Judged::all()?;
    let controls = controls::NAMES.into_iter().zip(controls::all()?);
    detectors.extend(controls.map(|(name, control)| Judged::of(name, control)));
    detectors.retain(|judged| args.detector.iter().any(|name| name == judged.name));
    let benchmark = Benchmark {
        nuisances: args.nuisance,
        seeds: seeds.clone(),
        controls: args.controls,
        minutes,
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
    if let Some(path) = args.output {
        write(&path, &nuisances, &sites)?;
    }
    Ok(printer.answer(&nuisances)?)
}

/// What labels of false incidents are worth.
#[derive(Debug, Serialize)]
struct Labels {
    sites: Vec<Learned>,
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |of: &dyn Fn(&Learned) -> usize| self.sites.iter().map(of).sum::<usize>();
        for site in &self.sites {
            writeln!(
                f,
                "{} {}, {} min: {} labels, false incidents {} -> {}, found {} -> {} of {}",
                site.nuisance.name(),
                site.seed,
                site.minutes,
                site.labels,
                site.false_incidents[0],
                site.false_incidents[1],
                site.found[0],
                site.found[1],
                site.anomalies
            )?;
        }
        write!(
            f,
            "{} sites with false incidents, {} labels: false incidents {} -> {}, found {} -> {} of {}",
            self.sites.len(),
            sum(&|site| site.labels),
            sum(&|site| site.false_incidents[0]),
            sum(&|site| site.false_incidents[1]),
            sum(&|site| site.found[0]),
            sum(&|site| site.found[1]),
            sum(&|site| site.anomalies)
        )
    }
}

fn labels(
    printer: Printer,
    architecture: Architecture,
    kinds: &[Nuisance],
    seeds: &[u64],
    minutes: &[usize],
) -> Result<()> {
    let rules = IncidentRules::default();
    let mut all = Vec::new();
    for &nuisance in kinds {
        for &seed in seeds {
            all.extend(minutes.iter().map(|minutes| (nuisance, seed, *minutes)));
        }
    }
    let bar = printer.begin("learning from labels", Some(all.len() as u64));
    let learned: std::result::Result<Vec<_>, _> = tokio::task::block_in_place(|| {
        let of_site = |&(nuisance, seed, minutes): &(Nuisance, u64, usize)| {
            let learned = nuisances::learn(architecture, nuisance, seed, minutes, &rules);
            bar.advance(1);
            learned
        };
        all.par_iter().map(of_site).collect()
    });
    drop(bar);
    let sites = learned?.into_iter().flatten().collect();
    Ok(printer.answer(&Labels { sites })?)
}

fn write(path: &Path, nuisances: &Nuisances, sites: &[SiteResult]) -> Result<()> {
    let report = Report { nuisances, sites };
    let mut text = serde_json::to_string_pretty(&report).expect("figures have a JSON form");
    text.push('\n');
    Ok(publish::write(path, &text)?)
}
