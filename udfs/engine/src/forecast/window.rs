//! The forecasts of one window.

use std::sync::Arc;

use crate::baseline::{Evidence, Profile};

/// The value of one metric of one window, and the forecasts and evidence it is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricForecast {
    /// The observed value.
    pub value: f64,
    /// Trailing median one window before: the forecast of an untrained forecaster.
    pub baseline: f64,
    /// The scale of the forecaster's inputs; positive.
    pub scale: f64,
    /// The detector's forecast.
    pub forecast: f64,
    /// The evidence that needs no detector.
    pub evidence: Evidence,
}

/// The profile that holds for a window, and its time of day.
#[derive(Debug, Clone)]
pub struct Normal {
    /// The series' profile.
    pub profile: Arc<Profile>,
    /// The time of day.
    pub slot: usize,
}

/// The forecasts of one window: one per metric, `None` where a metric takes no part.
#[derive(Debug, Clone, Copy)]
pub struct WindowForecast<'a> {
    /// One per metric.
    pub metrics: &'a [Option<MetricForecast>],
    /// The profile that holds there.
    pub normal: &'a Normal,
}
