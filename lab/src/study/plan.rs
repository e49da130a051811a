//! What is compared, and how: the list to add to.

use anomalog::evaluation::candidate::Candidate;
use anomalog::evaluation::floors::Floor;
use anomalog::evaluation::judge::JudgingRules;
use anomalog::evaluation::protocol::{Learning, Protocol};
use anomalog::evaluation::settings::EvaluationSettings;
use anomalog::measures::alarms::AlarmRules;
use anomalog_engine::detector::DetectorError;
use anomalog_engine::network::Architecture;
use serde::{Deserialize, Serialize};

use super::group::Group;
use crate::controls;

/// How architectures learn with each seed: one line each. They forecast, or classify raw windows as Kim & Cho
/// do; gates have learned before.
const PROTOCOLS: &[Protocol] = &[Protocol::PerSeries, Protocol::Classify];
/// Name of the protocol that learns from labelled anomalies.
pub(super) const CLASSIFY: &str = Protocol::Classify.name();
/// Half-life of held peaks, in windows: what published results are commonly post-processed with.
pub(super) const HOLD: f64 = 10.0;

/// How much is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Seeds of weights, batches and the random floor.
    pub(crate) seeds: Vec<u64>,
    /// Optimiser steps of weights, at most.
    pub(crate) steps: usize,
    /// Optimiser steps of fine-tuning, at most.
    pub(crate) fine_tune_steps: usize,
    /// Optimiser steps of classifiers, at most.
    pub(crate) classifier_steps: usize,
    /// Width of the recurrent state; that of classifiers is twice it.
    pub(crate) hidden_size: usize,
    /// False-alarm events a week that thresholds are for.
    pub(crate) alarms_per_week: f64,
    /// Simulated logs: days, …
    pub(crate) simulated_days: u32,
    /// … sites, …
    pub(crate) simulated_sites: u32,
    /// … traffic in proportion to the default, …
    pub(crate) simulated_scale: f64,
    /// … seed, …
    pub(crate) simulated_seed: u64,
    /// … and days before the first that is judged.
    pub(crate) simulated_training_days: u32,
}

impl Plan {
    /// The study.
    #[must_use]
    pub(crate) fn full() -> Self {
        Self {
            seeds: vec![1],
            steps: 60,
            fine_tune_steps: 20,
            classifier_steps: 400,
            hidden_size: 32,
            alarms_per_week: 1.0,
            simulated_days: 14,
            simulated_sites: 6,
            simulated_scale: 0.5,
            // None that anything was chosen on.
            simulated_seed: 1995,
            simulated_training_days: 3,
        }
    }

    /// The same machinery in seconds: its figures mean nothing.
    #[must_use]
    pub(crate) fn quick() -> Self {
        Self {
            seeds: vec![1],
            steps: 4,
            fine_tune_steps: 2,
            classifier_steps: 4,
            hidden_size: 8,
            simulated_days: 4,
            simulated_sites: 2,
            simulated_scale: 0.1,
            simulated_training_days: 2,
            ..Self::full()
        }
    }

    /// Pieces of work on a group, each to be done at once.
    ///
    /// # Errors
    /// When a control cannot be read.
    pub(super) fn units(&self, group: &Group) -> Result<Vec<Unit>, DetectorError> {
        let mut floors = Floor::ALL.map(Candidate::Floor).to_vec();
        floors.push(Candidate::Baseline);
        let mut units = vec![self.unit("floors", floors, self.seeds.clone())];
        // They have learned: there is nothing to draw.
        let architectures = Architecture::ALL.map(Candidate::Architecture).to_vec();
        let mut shipped = self.unit("shipped", architectures, Vec::new());
        shipped.settings.protocols = vec![Protocol::Shipped];
        units.push(shipped);
        let mut controls = self.unit("controls", Vec::new(), Vec::new());
        controls.settings.stored = controls::all()?;
        units.push(controls);
        let protocols: Vec<Protocol> = PROTOCOLS
            .iter()
            .copied()
            // A single series has no others to learn from.
            .filter(|protocol| protocol.transfer().is_none() || group.series.len() > 1)
            .collect();
        for architecture in Architecture::ALL {
            for &seed in &self.seeds {
                let candidates = vec![Candidate::Architecture(architecture)];
                let name = format!("{architecture} {seed}");
                let mut unit = self.unit(&name, candidates, vec![seed]);
                unit.settings.protocols.clone_from(&protocols);
                units.push(unit);
            }
        }
        Ok(units)
    }

    fn unit(&self, name: &str, candidates: Vec<Candidate>, seeds: Vec<u64>) -> Unit {
        Unit {
            name: name.to_owned(),
            settings: EvaluationSettings {
                candidates,
                stored: Vec::new(),
                protocols: Vec::new(),
                seeds,
                learning: Learning {
                    steps: self.steps,
                    fine_tune_steps: self.fine_tune_steps,
                    hidden_size: self.hidden_size,
                    classifier_hidden_size: 2 * self.hidden_size,
                    classifier_steps: self.classifier_steps,
                    horizons: None,
                    alarms_per_week: self.alarms_per_week,
                },
                rules: JudgingRules {
                    hold: None,
                    also_hold: Some(HOLD),
                    alarms_per_week: self.alarms_per_week,
                    alarms: AlarmRules::default(),
                    plots: true,
                },
            },
        }
    }
}

/// Work that is done at once.
pub(super) struct Unit {
    pub(super) name: String,
    pub(super) settings: EvaluationSettings,
}
