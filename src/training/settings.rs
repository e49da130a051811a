//! How one detector is trained.

use anomalog_engine::detector::ThresholdPolicy;
use anomalog_engine::network::Architecture;

/// How to train one detector.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingSettings {
    /// Name of the detector.
    pub name: String,
    /// Recurrent architecture.
    pub architecture: Architecture,
    /// Width of the recurrent state.
    pub hidden_size: usize,
    /// Optimiser steps at most.
    pub steps: usize,
    /// Seed of weights and batches.
    pub seed: u64,
    /// The detector whose weights it begins with, for the manifest.
    pub began_with: Option<String>,
    /// Forecast horizons in windows, ascending from 1; those of the layout unless given.
    pub horizons: Option<Vec<usize>>,
    /// When a score is an anomaly.
    pub threshold: ThresholdPolicy,
}
