//! The nuisance benchmark: what comes back, never changes or was announced must not be an anomaly, and
//! what is none of that must be found all the same.
//!
//! ```text
//! kind, seed ──make──▶ site ──inject──▶ with anomalies ──judge──▶ results ──figures──▶ tables
//! ```
//!
//! Every site has eight weeks of a metric, and is judged in the last four. It is scored as it is, and
//! with anomalies of the simulator's kinds at three strengths (see [`inject()`]). Incidents are those of
//! the program's rules. Where something happens to a site that is an incident, as an outage, the first
//! incident that covers a part of it is no false one; all others are.
//!
//! Invariant: the same benchmark has the same results, on any number of threads.

mod detectors;
mod error;
mod feedback;
mod figures;
mod inject;
mod judge;
mod kind;
mod make;
mod rhythm;
mod site;
#[cfg(test)]
mod site_tests;
mod sparse;
mod table;
mod usual;

use anomalog::incidents::IncidentRules;
use rayon::prelude::*;

pub(crate) use detectors::Judged;
pub(crate) use error::JudgeError;
pub(crate) use feedback::{Learned, learn};
pub(crate) use figures::{Figures, figures};
pub(crate) use inject::{Injected, Placed, inject, place};
pub(crate) use judge::SiteResult;
pub(crate) use kind::Nuisance;
pub(crate) use make::make;
pub(crate) use site::{DAY, DAYS, MINUTE_MICROS, Site};
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
    /// Each site by kind, number among those of its kind and seed, and seed.
    fn sites(&self) -> Vec<(Nuisance, u32, u64)> {
        let mut sites = Vec::new();
        for &nuisance in &self.nuisances {
            let of_seed = match nuisance {
                Nuisance::Control => self.controls,
                _ => 1,
            };
            for &seed in &self.seeds {
                sites.extend((0..of_seed).map(|number| (nuisance, number, seed)));
            }
        }
        sites
    }

    /// The number of sites.
    pub(crate) fn len(&self) -> usize {
        self.sites().len()
    }

    /// Judges every site; `progress` is told of each that is done.
    ///
    /// # Errors
    /// When windows cannot be scored.
    pub(crate) fn run(&self, progress: &(dyn Fn() + Sync)) -> Result<Vec<SiteResult>, JudgeError> {
        let sites = self.sites();
        let judged = sites.par_iter().map(|&(nuisance, number, seed)| {
            let site = make::make(nuisance, number, seed);
            let mut results = Vec::new();
            for &minutes in &self.minutes {
                results.extend(judge::judge(&site, minutes, &self.detectors, &self.rules)?);
            }
            progress();
            Ok(results)
        });
        let judged: Vec<Vec<SiteResult>> = judged.collect::<Result<_, JudgeError>>()?;
        Ok(judged.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_the_same_on_any_number_of_threads() {
        let mut detectors = Judged::all().unwrap();
        detectors.truncate(2);
        let benchmark = Benchmark {
            nuisances: vec![Nuisance::Control, Nuisance::Outage],
            seeds: vec![1, 2],
            controls: 2,
            minutes: vec![60],
            detectors,
            rules: IncidentRules::default(),
        };
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let results = pool
                .build()
                .unwrap()
                .install(|| benchmark.run(&|| ()))
                .unwrap();
            serde_json::to_string(&results).unwrap()
        };
        let results = run(1);
        assert_eq!(run(3), results);
        let results: serde_json::Value = serde_json::from_str(&results).unwrap();
        assert_eq!(results.as_array().unwrap().len(), 2 * benchmark.len());
        assert_eq!(benchmark.len(), 6);
        let done = std::sync::atomic::AtomicUsize::new(0);
        let progress = || {
            done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        };
        let tables = text(&figures(&benchmark.run(&progress).unwrap()));
        assert_eq!(done.into_inner(), benchmark.len());
        for row in ["control", "outage", "all but control", "one in a"] {
            assert!(tables.contains(&format!("\n{row} ")), "{tables}");
        }
    }
}
