//! How the word of a gating network is taken.

use serde::{Deserialize, Serialize};

use crate::network::{Architecture, GateCell};
use crate::series::blocks::BlockLayout;

/// The parts of a manifest that only a gated detector has: how the network's log-odds of an anomaly weigh
/// the alarms of the baseline.
///
/// With `m` the largest log-odds of the last `held` windows, alarms that the baseline expects at a rate
/// `r` per window are expected at `r^g / allowance`, where `g = floor + (ceiling − floor) · σ(m − center)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gating {
    /// What the network remembers with: the architecture, or nothing, as controls do.
    pub cell: GateCell,
    /// The power where the network is sure that nothing is wrong.
    pub floor: f64,
    /// The power where it is sure that something is.
    pub ceiling: f64,
    /// The log-odds halfway between them.
    pub center: f64,
    /// Windows for which the network's word holds.
    pub held: usize,
    /// How many times as many alarms the baseline may raise by chance as the gate lets through.
    pub allowance: f64,
    /// Its losses on sites that it did not learn from.
    pub validation: GateValidation,
}

/// Weighted cross-entropies of a gating network's log-odds, in nats, on sites held back from its training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateValidation {
    /// Windows that count.
    pub windows: usize,
    /// The mean loss of the network.
    pub loss: f64,
    /// That of one that always says the share of anomalies.
    pub constant_loss: f64,
}

impl Gating {
    /// The power to which a rate is raised, by the log-odds.
    #[must_use]
    pub fn power(&self, log_odds: f64) -> f64 {
        let open = 1.0 / (1.0 + (self.center - log_odds).exp());
        self.floor + (self.ceiling - self.floor) * open
    }

    /// What does not fit the architecture or the layout of its detector, if anything.
    pub(super) fn defect(
        &self,
        architecture: Architecture,
        layout: &BlockLayout,
    ) -> Option<&'static str> {
        if matches!(self.cell, GateCell::Recurrent(other) if other != architecture) {
            Some("`gate.cell` is another architecture")
        } else if layout.evidence_windows == 0 {
            Some("`layout` of a gated detector needs evidence")
        } else if self.held > layout.lookback {
            Some("`gate.held` is longer than the lookback")
        } else if !self.is_sound() {
            Some("`gate` needs positive numbers, and a floor below the ceiling")
        } else {
            None
        }
    }

    fn is_sound(&self) -> bool {
        let numbers = [self.floor, self.ceiling, self.allowance];
        numbers
            .iter()
            .all(|number| *number > 0.0 && number.is_finite())
            && self.floor <= self.ceiling
            && self.center.is_finite()
            && self.held > 0
    }
}
