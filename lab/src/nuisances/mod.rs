//! The nuisance benchmark: what comes back, never changes or was announced must not be an anomaly, and
//! what is none of that must be found all the same.
//!
//! ```text
//! kind, seed ──make──▶ site ──inject──▶ with anomalies ──judge──▶ results ──figures──▶ tables
//! ```
//!
//! Every site has eight weeks of one metric, and is judged in the last four. It is scored as it is, and
//! with anomalies of the simulator's kinds at three strengths (see [`inject`]). Incidents are those of
//! the program's rules. Where something happens to a site that is an incident, as an outage, the first
//! incident that covers a part of it is no false one; all others are.
//!
//! Invariant: the same benchmark has the same results, on any number of threads.

mod detectors;
mod figures;
mod inject;
mod judge;
mod kind;
mod make;
mod rhythm;
mod site;
mod sparse;
mod table;
mod usual;

use std::sync::atomic::{AtomicUsize, Ordering};

use anomalog::incidents::IncidentRules;
use rayon::prelude::*;

pub(crate) use detectors::Judged;
pub(crate) use figures::figures;
pub(crate) use judge::{JudgeError, SiteResult};
pub(crate) use kind::Nuisance;
pub(crate) use table::text;

/// What is judged.
#[derive(Debug, Clone)]
pub(crate) struct Benchmark {
    /// Kinds of sites.
    pub(crate) nuisances: Vec<Nuisance>,
    /// Seeds: sites of each kind.
    pub(crate) seeds: Vec<u64>,
    /// Sites of the control per seed: budgets are counted on them.
    pub(crate) controls: u32,
    /// Minutes of windows.
    pub(crate) minutes: Vec<usize>,
    /// Who is judged.
    pub(crate) detectors: Vec<Judged>,
    /// When unusual windows are an incident.
    pub(crate) rules: IncidentRules,
}

impl Benchmark {
    fn sites(&self) -> Vec<(Nuisance, u32, u64)> {
        let mut sites = Vec::new();
        for &nuisance in &self.nuisances {
            for &seed in &self.seeds {
                let sites_of_seed = if nuisance == Nuisance::Control { self.controls } else { 1 };
                sites.extend((0..sites_of_seed).map(|number| (nuisance, number, seed)));
            }
        }
        sites
    }

    /// Judges every site; `progress` is told sites done and sites in all.
    ///
    /// # Errors
    /// When windows cannot be scored.
    pub(crate) fn run(
        &self,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Vec<SiteResult>, JudgeError> {
        let sites = self.sites();
        let done = AtomicUsize::new(0);
        let judged: Vec<Vec<SiteResult>> = sites
            .par_iter()
            .map(|&(nuisance, number, seed)| {
                let site = make::make(nuisance, number, seed);
                let mut results = Vec::new();
                for &minutes in &self.minutes {
                    results.extend(judge::judge(&site, minutes, &self.detectors, &self.rules)?);
                }
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, sites.len());
                Ok(results)
            })
            .collect::<Result<_, JudgeError>>()?;
        Ok(judged.into_iter().flatten().collect())
    }
}
