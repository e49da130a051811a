//! One block of a series, before and while it waits for its forward pass.

use std::sync::Arc;

use super::status::Status;
use super::window::{MetricForecast, Normal};
use crate::baseline::BlockProfile;
use crate::baseline::clock::Clock;
use crate::features::{Scale, SeriesFeatures};
use crate::series::Observed;
use crate::series::blocks::BlockLayout;

/// One block of one series.
pub(super) struct Block<'a> {
    pub(super) layout: &'a BlockLayout,
    pub(super) features: &'a SeriesFeatures<'a>,
    pub(super) start: i64,
    pub(super) scales: Vec<Option<Scale>>,
    pub(super) profile: Option<BlockProfile>,
}

impl Block<'_> {
    pub(super) fn holds(&self, index: i64) -> bool {
        index < self.start + self.layout.block as i64
    }

    /// Whether each metric takes part in a window: it has a value, a level one window before, a
    /// warm lookback, a scale and a profile.
    pub(super) fn takes_part(&self, index: i64) -> impl Iterator<Item = bool> + '_ {
        (0..self.scales.len()).map(move |metric| {
            let block = self.profile.as_ref();
            self.scales[metric].is_some()
                && block.is_some_and(|block| block.profile.metrics[metric].is_some())
                && self.features.value(metric, index).is_finite()
                && self.features.baseline(metric, index - 1).is_finite()
                && self.features.is_warm(metric, index)
        })
    }

    pub(super) fn status(&self, metrics: &[Vec<f64>], row: usize, index: i64) -> Status {
        let values = || metrics.iter().map(|values| values[row]);
        if values().all(f64::is_nan) {
            return Status::NoData;
        }
        if !values().any(f64::is_finite) {
            return Status::NullInput;
        }
        if !self.takes_part(index).any(|takes_part| takes_part) {
            return Status::Warmup;
        }
        let knows_yesterday = self
            .takes_part(index)
            .enumerate()
            .filter(|(_, takes_part)| *takes_part)
            .all(|(metric, _)| self.features.knows_yesterday(metric, index - 1));
        // A metric without a profile is one that the series does not have, as latencies where logs
        // have none: nothing is missing where it is NULL.
        let has_profile = |metric: usize| {
            let block = self.profile.as_ref();
            block.is_some_and(|block| block.profile.metrics[metric].is_some())
        };
        let is_missed = |(metric, value): (usize, f64)| match Observed::decoded(value) {
            Observed::Number(_) => false,
            Observed::NotANumber => true,
            Observed::Null => has_profile(metric),
        };
        if values().enumerate().any(is_missed) {
            Status::NullInput
        } else if knows_yesterday && self.features.has_full_reach(self.start) {
            Status::Ok
        } else {
            Status::ShortHistory
        }
    }

    /// The block as it waits for its forward pass; `None` without a profile.
    pub(super) fn pending(&self, windows: &[PendingWindow]) -> Option<PendingBlock> {
        let block = self.profile.as_ref()?;
        let width = self.scales.len();
        let mut forecasts = vec![None; windows.len() * width];
        for (window, forecasts) in windows.iter().zip(forecasts.chunks_mut(width)) {
            let place = (window.index - self.start) as usize;
            for (metric, forecast) in forecasts.iter_mut().enumerate() {
                let value = self.features.value(metric, window.index);
                let baseline = self.features.baseline(metric, window.index - 1);
                let is_judged = value.is_finite()
                    && baseline.is_finite()
                    && self.features.is_warm(metric, window.index);
                let normal = self.scales[metric].zip(block.evidence(metric, place));
                if let Some((scale, evidence)) = normal.filter(|_| is_judged) {
                    *forecast = Some(MetricForecast {
                        value,
                        baseline,
                        scale: scale.scale,
                        forecast: f64::NAN,
                        evidence,
                    });
                }
            }
        }
        let clock = Clock::new(self.layout, self.features.time_zone());
        Some(PendingBlock {
            windows: windows
                .iter()
                .map(|window| JudgedWindow {
                    row: window.row,
                    step: self.layout.lookback + (window.index - self.start) as usize,
                    normal: Normal {
                        profile: Arc::clone(&block.profile),
                        slot: clock.slot(window.index),
                    },
                })
                .collect(),
            forecasts,
        })
    }
}

/// A window of a block that is to be forecast.
#[derive(Debug, Clone, Copy)]
pub(super) struct PendingWindow {
    /// Number of the row among all that are forecast.
    pub(super) row: usize,
    /// Its place in time.
    pub(super) index: i64,
}

/// A block waiting for its forward pass.
#[derive(Debug)]
pub(super) struct PendingBlock {
    pub(super) windows: Vec<JudgedWindow>,
    /// `windows × metrics`, row-major, without the detector's forecast.
    pub(super) forecasts: Vec<Option<MetricForecast>>,
}

#[derive(Debug)]
pub(super) struct JudgedWindow {
    pub(super) row: usize,
    /// Step of the recurrent pass whose output forecasts the window.
    pub(super) step: usize,
    pub(super) normal: Normal,
}

impl PendingBlock {
    /// Bytes held; the profile is shared by many blocks.
    pub(super) fn size(&self) -> usize {
        self.windows.len() * size_of::<JudgedWindow>()
            + self.forecasts.len() * size_of::<Option<MetricForecast>>()
    }
}
