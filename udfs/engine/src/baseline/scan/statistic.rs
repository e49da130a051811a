//! The two ways in which sums are measured: as counts, and as logarithms.

use serde::{Deserialize, Serialize};

use super::counts::{self, CountMoments, Counts};
use super::logs::{LogMoments, Logs};
use super::span::{Observation, SpanSum};

/// How sums are measured.
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

    pub(super) fn observe(&self, value: f64, habit: f64, level: f64, slot: usize) -> Observation {
        match self {
            Self::Counts(_) => Counts::observe(value, habit),
            Self::Logs(logs) => logs.observe(value, habit, level, slot),
        }
    }

    pub(super) fn expected(&self, habit: f64, level: f64) -> f64 {
        match self {
            Self::Counts(_) => Counts::expected(habit, level),
            Self::Logs(logs) => logs.expected(habit, level),
        }
    }

    /// What a level multiplies habits by.
    pub(super) fn factor(&self, level: f64) -> f64 {
        match self {
            Self::Counts(_) => level.exp(),
            Self::Logs(_) => 1.0,
        }
    }

    /// Whether a sum is surely less than so many deviates out.
    pub(super) fn is_within(&self, sum: &SpanSum, deviates: f64) -> bool {
        match self {
            Self::Counts(counts) => counts.is_within(sum, deviates),
            Self::Logs(_) => false,
        }
    }

    pub(super) fn deviate(&self, sum: &SpanSum) -> f64 {
        match self {
            Self::Counts(counts) => counts.deviate(sum),
            Self::Logs(logs) => logs.deviate(sum),
        }
    }

    /// How far the windows of a sum are off on average, on a logarithmic scale.
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

/// What a round of learning finds out.
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
