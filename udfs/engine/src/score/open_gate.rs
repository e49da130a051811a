//! How far a gate is open at one window.

use crate::detector::Gating;

/// What the network says of one window.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenGate<'a> {
    pub(super) gating: &'a Gating,
    /// Its log-odds, one per metric.
    pub(super) log_odds: &'a [f32],
}

impl OpenGate<'_> {
    /// The power to which the rate of a metric's alarms is raised.
    pub(super) fn power(&self, metric: usize) -> f64 {
        self.gating.power(f64::from(self.log_odds[metric]))
    }

    pub(super) fn of_metric(&self, metric: usize) -> MetricGate {
        MetricGate {
            power: self.power(metric),
            allowance: self.gating.allowance,
        }
    }
}

/// What the network says of one metric of a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct MetricGate {
    power: f64,
    allowance: f64,
}

impl MetricGate {
    /// The alarms per window after the gate, of those before it.
    pub(super) fn rate_after(self, before: f64) -> f64 {
        before.powf(self.power) / self.allowance
    }

    /// The alarms per window before the gate, of those after it.
    pub(super) fn rate_before(self, after: f64) -> f64 {
        (after * self.allowance).powf(self.power.recip())
    }
}
