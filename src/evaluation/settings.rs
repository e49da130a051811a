//! What is judged, and how.

use std::sync::Arc;

use anomalog_engine::detector::Detector;
use anomalog_engine::network::Architecture;

use super::candidate::Candidate;
use super::floors::Floor;
use super::judge::JudgingRules;
use super::protocol::{Learning, Protocol};

/// What to judge, and how.
#[derive(Debug, Clone)]
pub struct EvaluationSettings {
    /// Architectures, the baseline and floors.
    pub candidates: Vec<Candidate>,
    /// Detectors that are trained already.
    pub stored: Vec<Arc<Detector>>,
    /// How architectures learn before they judge.
    pub protocols: Vec<Protocol>,
    /// Each architecture and the random floor are tried with each.
    pub seeds: Vec<u64>,
    /// How architectures learn.
    pub learning: Learning,
    /// How all are judged.
    pub rules: JudgingRules,
}

impl EvaluationSettings {
    /// The architectures among the candidates.
    pub(super) fn architectures(&self) -> Vec<Architecture> {
        let candidates = self.candidates.iter();
        candidates
            .filter_map(|candidate| match candidate {
                Candidate::Architecture(architecture) => Some(*architecture),
                Candidate::Baseline | Candidate::Floor(_) => None,
            })
            .collect()
    }

    /// Whether the baseline is among the candidates.
    pub(super) fn has_baseline(&self) -> bool {
        self.candidates.contains(&Candidate::Baseline)
    }

    /// The floors, and the random one once per seed.
    pub(super) fn floors(&self) -> Vec<(Floor, Option<u64>)> {
        let mut floors = Vec::new();
        for candidate in &self.candidates {
            match *candidate {
                Candidate::Architecture(_) | Candidate::Baseline => {}
                Candidate::Floor(Floor::Random) => {
                    let seeds = self.seeds.iter();
                    floors.extend(seeds.map(|seed| (Floor::Random, Some(*seed))));
                }
                Candidate::Floor(floor) => floors.push((floor, None)),
            }
        }
        floors
    }
}
