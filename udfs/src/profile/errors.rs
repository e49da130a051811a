//! How large the errors of forecasts usually are.
//!
//! A window is held against the one before, which sees what is sudden, and against a robust
//! [`level`](super::level), which sees what lasts. Each error is divided by the usual error at that
//! time of day and by how far the usual errors of that side reach; the larger quotient is the
//! **excess**.

use super::History;
use super::clock::SLOTS;
use super::level::LevelFilter;
use super::scale::StreamScale;
use super::tail::Tail;
use crate::features::SeriesFeatures;

/// Usual errors of one metric.
#[derive(Debug, Clone)]
pub struct ErrorProfile {
    /// The usual difference between neighbours by time of day, in the metric's unit: what the
    /// level may move by.
    pub(super) usual: [f64; SLOTS],
    /// Of the difference to the window before.
    pub difference: StreamScale,
    /// Of the difference to the robust level.
    pub level: StreamScale,
    /// How rare excesses are.
    pub tail: Tail,
}

impl ErrorProfile {
    pub(super) fn learn(
        features: &SeriesFeatures<'_>,
        metric: usize,
        history: &History,
    ) -> Option<Self> {
        let smallest = features.layout().smallest_scale(metric);
        let History { range, slots, days } = history;
        let value = |index| features.value(metric, index);
        let differences: Vec<f64> = (range.clone())
            .map(|index| value(index) - value(index - 1))
            .collect();
        let difference = StreamScale::fit(&differences, slots, *days, smallest)?;
        let usual = difference.means;
        let levels = LevelFilter::new(features, metric, &usual).levels(range.clone());
        let errors: Vec<f64> = (range.clone().zip(levels))
            .map(|(index, level)| value(index) - level)
            .collect();
        let level = StreamScale::fit(&errors, slots, *days, smallest)?;
        let excess: Vec<f64> = (differences.iter().zip(&errors).zip(slots))
            .map(|((of_difference, of_level), slot)| {
                // `max` takes the other where one is NaN.
                let of_difference = difference.excess(*slot, *of_difference);
                of_difference.max(level.excess(*slot, *of_level))
            })
            .collect();
        Some(Self {
            tail: Tail::of_excesses(&excess, *days)?,
            usual,
            difference,
            level,
        })
    }
}
