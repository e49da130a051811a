//! `detector.json`: everything about a detector except its weights.

use serde::{Deserialize, Serialize};

use crate::layout::BlockLayout;
use crate::models::{Architecture, ForecasterConfig};
use crate::scoring::Comparison;

/// The format this build writes and the newest it reads.
pub const FORMAT_VERSION: u32 = 2;

/// How a detector was trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// Forecasts the next windows, without labels; surprise is the forecast error.
    Forecast,
}

/// The manifest of one detector version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format of this file and of the weights: [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Name, the same as the folder's.
    pub name: String,
    /// Version, the same as the folder's; counts from 1.
    pub version: u32,
    /// Recurrent architecture.
    pub architecture: Architecture,
    /// What it was trained for.
    pub objective: Objective,
    /// Width of the recurrent state.
    pub hidden_size: usize,
    /// Metrics in the order in which they are given to the SQL functions.
    pub metrics: Vec<String>,
    /// Window step, lookback, block, horizons and scale history.
    pub layout: BlockLayout,
    /// How its errors compare with those of the difference to the window before.
    pub comparison: Comparison,
    /// When a score is an anomaly.
    pub threshold: ThresholdPolicy,
    /// What it was trained on.
    pub training: Training,
    /// How well it forecasts beside what needs no model, on the calibration range.
    pub validation: Validation,
    /// Version of the crate that wrote it.
    pub crate_version: String,
    /// SHA-256 of `model.safetensors`, hexadecimal.
    pub weights_sha256: String,
}

impl Manifest {
    /// The shape of its forecaster.
    #[must_use]
    pub fn forecaster_config(&self) -> ForecasterConfig {
        ForecasterConfig {
            architecture: self.architecture,
            features: self.layout.features(),
            hidden_size: self.hidden_size,
            targets: self.metrics.len() * self.layout.horizons.len(),
        }
    }

    /// `name@version`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// Why the manifest cannot be used, if so.
    pub(super) fn defect(&self) -> Option<&'static str> {
        let layout = &self.layout;
        if self.metrics.is_empty() {
            Some("it has no metrics")
        } else if layout.resolutions.len() != self.metrics.len() {
            Some("`layout.resolutions` has not one entry per metric")
        } else if layout.step_micros <= 0
            || layout.block == 0
            || layout.horizons.first() != Some(&1)
        {
            Some("`layout` needs a positive step, a positive block and a first horizon of 1")
        } else if [&self.comparison.errors, &self.comparison.excess]
            .iter()
            .any(|per_metric| per_metric.len() != self.metrics.len())
        {
            Some("`comparison` has not one entry per metric")
        } else if !self.comparison.is_positive() {
            Some("`comparison` needs positive numbers")
        } else {
            None
        }
    }
}

/// A budget of false alarms, from which thresholds and severities follow.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdPolicy {
    /// Alarms per series and week that may be raised by chance; windows close to each other are
    /// one alarm.
    pub false_alarms_per_week: f64,
}

impl ThresholdPolicy {
    /// Windows of `step_micros` in a week.
    fn windows_per_week(step_micros: i64) -> f64 {
        7.0 * 86_400e6 / step_micros as f64
    }

    /// One false alarm a day.
    pub(crate) const DAILY: Self = Self {
        false_alarms_per_week: 7.0,
    };

    /// The budget in alarms per window.
    #[must_use]
    pub fn rate(&self, step_micros: i64) -> f64 {
        self.false_alarms_per_week / Self::windows_per_week(step_micros)
    }

    /// Severity of an anomalous window by return period, from how many alarms per window are at
    /// least as unusual: `high` for once a year or rarer, `medium` for once a month or rarer, else
    /// `low`.
    #[must_use]
    pub fn severity(alarms_per_window: f64, step_micros: i64) -> Severity {
        let per_week = alarms_per_window * Self::windows_per_week(step_micros);
        if per_week <= 7.0 / 365.25 {
            Severity::High
        } else if per_week <= 7.0 * 12.0 / 365.25 {
            Severity::Medium
        } else {
            Severity::Low
        }
    }
}

impl Default for ThresholdPolicy {
    fn default() -> Self {
        Self {
            false_alarms_per_week: 1.0,
        }
    }
}

/// How rare an anomalous window is in normal traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Beyond the threshold.
    Low,
    /// Once a month or rarer.
    Medium,
    /// Once a year or rarer.
    High,
}

impl Severity {
    /// The value in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// The input and the settings of a training run. Times are microseconds since the epoch, UTC;
/// ranges are half open and do not overlap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// First window read.
    pub from_micros: i64,
    /// End of the range that weights were fitted to.
    pub fit_until_micros: i64,
    /// End of the range that chose when to stop.
    pub stop_until_micros: i64,
    /// End of the calibration range, and of everything the detector has seen.
    pub until_micros: i64,
    /// Series that took part.
    pub series: usize,
    /// Rows read.
    pub rows: usize,
    /// Seed of weights and batches.
    pub seed: u64,
    /// The detector whose weights training began with, `name@version`; new ones without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_with: Option<String>,
    /// Optimiser steps taken.
    pub steps: usize,
    /// SHA-256 over keys, times and values of the rows read, hexadecimal.
    pub input_sha256: String,
}

/// Mean absolute one-window-ahead error over the metrics, in scales.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// Windows of the calibration range that were forecast.
    pub windows: usize,
    /// Of the detector.
    pub detector: f64,
    /// Of the trailing median of 11 windows.
    pub trailing_median: f64,
    /// Of the previous value.
    pub previous_value: f64,
    /// Laplace negative log-likelihood of the detector on the stopping range.
    pub stop_loss: f64,
    /// The same of the untrained forecaster, which is the trailing median.
    pub untrained_stop_loss: f64,
}

impl Validation {
    /// The detector's error as a share of the trailing median's.
    #[must_use]
    pub fn relative_error(&self) -> f64 {
        self.detector / self.trailing_median
    }
}
