//! The two ways in which sums are measured: as counts, and as logarithms.

use serde::{Deserialize, Serialize};

use super::counts::{self, CountMoments, Counts};
use super::logs::{LogMoments, Logs};
use super::span::{Observation, SpanSum};

/// The measure of sums.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Statistic {
    Counts(Counts),
    Logs(Box<Logs>),
}

impl Statistic {
    pub(super) const fn decay(&self) -> f64 {
        match self {
            Self::Counts(_) => Counts::DECAY,
            Self::Logs(_) => Logs::DECAY,
        }
    }

    pub(super) const fn first_variance(&self) -> f64 {
        match self {
            Self::Counts(_) => counts::LEVEL_VARIANCE,
            Self::Logs(_) => 0.0,
        }
    }

    pub(super) fn observe(
        &self,
        value: f64,
        seasonal_mean: f64,
        level: f64,
        slot: usize,
    ) -> Observation {
        match self {
            Self::Counts(_) => Counts::observe(value, seasonal_mean),
            Self::Logs(logs) => logs.observe(value, seasonal_mean, level, slot),
        }
    }

    pub(super) fn expected(&self, seasonal_mean: f64, level: f64) -> f64 {
        match self {
            Self::Counts(_) => Counts::expected(seasonal_mean, level),
            Self::Logs(logs) => logs.expected(seasonal_mean, level),
        }
    }

    /// A seasonal mean moved by a base.
    pub(super) fn moved(&self, seasonal_mean: f64, base: f64) -> f64 {
        match self {
            Self::Counts(_) => seasonal_mean * base.exp(),
            Self::Logs(_) => seasonal_mean + base,
        }
    }

    /// How far a window, which is known, lies above the base, on a logarithmic scale: right on average.
    pub(super) fn above(&self, observation: Observation) -> f64 {
        match self {
            Self::Counts(_) => Counts::above(observation),
            Self::Logs(_) => Logs::above(observation),
        }
    }

    /// How far some windows, of which some are known, lie above the base, on a logarithmic scale.
    pub(super) fn distance(&self, windows: &[Observation]) -> f64 {
        match self {
            Self::Counts(_) => Counts::distance(windows),
            Self::Logs(_) => Logs::distance(windows),
        }
    }

    /// How far out a single window is, where that is told apart from the sums.
    pub(super) fn single(&self, observation: Observation, level: f64) -> Option<f64> {
        match self {
            Self::Counts(_) => None,
            Self::Logs(_) => Some(Logs::single(observation, level)),
        }
    }

    /// The z-score of the sum of some windows, which are as many as those of a span, at a level.
    pub(super) fn z_score_at(&self, number: usize, windows: &[Observation], level: f64) -> f64 {
        match self {
            Self::Counts(counts) => counts.z_score_at(number, windows, level),
            Self::Logs(logs) => logs.z_score_at(number, windows, level),
        }
    }

    /// Whether a level is one that traffic may have from now on, and no outage.
    pub(super) fn is_level(&self, distance: f64) -> bool {
        match self {
            Self::Counts(_) => distance > Counts::OUTAGE,
            Self::Logs(_) => true,
        }
    }

    /// The factor by which a level multiplies seasonal means.
    pub(super) fn factor(&self, level: f64) -> f64 {
        match self {
            Self::Counts(_) => level.exp(),
            Self::Logs(_) => 1.0,
        }
    }

    /// Whether the z-score of a sum is surely smaller than a limit, whatever its sign.
    pub(super) fn is_within(&self, sum: &SpanSum, limit: f64) -> bool {
        match self {
            Self::Counts(counts) => counts.is_within(sum, limit),
            Self::Logs(_) => false,
        }
    }

    pub(super) fn z_score(&self, sum: &SpanSum) -> f64 {
        match self {
            Self::Counts(counts) => counts.z_score(sum),
            Self::Logs(logs) => logs.z_score(sum),
        }
    }

    /// The mean distance of the windows of a sum from what was to be expected, on a logarithmic scale.
    pub(super) fn shift(&self, sum: &SpanSum) -> f64 {
        match self {
            Self::Counts(_) => Counts::shift(sum),
            Self::Logs(_) => Logs::shift(sum),
        }
    }

    pub(super) fn forget(&self, level: &mut f64, variance: &mut f64) {
        *level *= self.decay();
        if let Self::Counts(_) = self {
            *variance = Counts::forget(*variance);
        }
    }

    pub(super) fn follow(&self, level: &mut f64, variance: &mut f64, observation: Observation) {
        match self {
            Self::Counts(counts) => counts.follow(level, variance, observation),
            Self::Logs(_) => Logs::follow(level, observation),
        }
    }
}

/// The moments that a round of learning collects.
pub(super) enum Moments {
    Counts(CountMoments),
    Logs(LogMoments),
}

impl Moments {
    pub(super) fn new(statistic: &Statistic) -> Self {
        match statistic {
            Statistic::Counts(_) => Self::Counts(CountMoments::default()),
            Statistic::Logs(_) => Self::Logs(LogMoments::default()),
        }
    }

    pub(super) fn add(&mut self, sum: SpanSum, statistic: &Statistic) {
        match (self, statistic) {
            (Self::Counts(moments), Statistic::Counts(counts)) => moments.add(sum, counts),
            (Self::Logs(moments), Statistic::Logs(logs)) => moments.add(sum, logs),
            _ => {}
        }
    }

    pub(super) fn apply_to(&self, statistic: &mut Statistic) {
        match (self, statistic) {
            (Self::Counts(moments), Statistic::Counts(counts)) => moments.apply_to(counts),
            (Self::Logs(moments), Statistic::Logs(logs)) => moments.apply_to(logs),
            _ => {}
        }
    }
}
