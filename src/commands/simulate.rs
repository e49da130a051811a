//! `anomalog simulate`: writes made-up logs with labelled anomalies.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::error::Result;
use super::settings::Settings;
use crate::cli::SimulateArgs;
use crate::progress::Progress;
use crate::simulation::{Simulation, SimulationSummary, simulate};

/// What was simulated, and where it lies.
#[derive(Debug, Serialize)]
struct Simulated {
    out: PathBuf,
    #[serde(flatten)]
    summary: SimulationSummary,
}

impl fmt::Display for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SimulationSummary {
            files,
            lines,
            anomalies,
            sites,
            ..
        } = &self.summary;
        write!(
            f,
            "wrote {lines} requests of {} sites in {files} files and {anomalies} labelled \
             anomalies to `{}`",
            sites.len(),
            self.out.display()
        )
    }
}

/// Runs `anomalog simulate`.
///
/// # Errors
/// When a setting is out of range or the folder cannot be written.
pub fn run(settings: &Settings, args: SimulateArgs) -> Result<()> {
    let simulation = Simulation {
        days: args.days,
        sites: args.sites,
        seed: args.seed,
        start: args.start,
        scale: args.scale,
    };
    let progress = settings
        .printer
        .begin("simulating days", Some(args.days.into()));
    let summary = simulate(&simulation, &args.output, &mut |day, _| {
        progress.reach(day.into());
    })?;
    Ok(settings.printer.summary(&Simulated {
        out: args.output,
        summary,
    })?)
}
