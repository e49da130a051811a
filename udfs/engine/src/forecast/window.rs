//! The forecasts of one window.

use std::sync::Arc;

use crate::baseline::{Evidence, Profile};

/// What one metric of one window is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricForecast {
    /// What was seen.
    pub value: f64,
    /// Trailing median one window before: the forecast of an untrained forecaster.
    pub baseline: f64,
    /// The scale of the forecaster's inputs; positive.
    pub scale: f64,
    /// The detector's forecast.
    pub forecast: f64,
    /// What needs no detector.
    pub evidence: Evidence,
}

/// What is normal at the time of a window.
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
    /// What is normal there.
    pub normal: &'a Normal,
}
