//! `detector.json`: everything about a detector except its weights.

use serde::{Deserialize, Serialize};

use crate::baseline::Tail;
use crate::detector::comparison::Comparison;
use crate::detector::gating::Gating;
use crate::evidence::INPUTS;
use crate::network::{Architecture, ClassifierConfig, ForecasterConfig, GateConfig};
use crate::series::blocks::BlockLayout;

/// The format this build writes and the newest it reads.
pub const FORMAT_VERSION: u32 = 2;

/// The objective of training, with the parts of the manifest that only such a detector has.
#[derive(Debug, Clone, PartialEq)]
pub enum Objective {
    /// Forecasts the next windows, without labels; surprise is the forecast error.
    Forecast(Forecasting),
    /// Tells anomalous windows from normal ones, by labels; surprise is their odds.
    Classify(Classifying),
    /// Tells anomalies from nuisances, by evidence; surprise is that of the baseline, as far as the
    /// network lets it pass.
    Gate(Gating),
}

impl Objective {
    /// The name in manifests and settings.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Forecast(_) => "forecast",
            Self::Classify(_) => "classify",
            Self::Gate(_) => "gate",
        }
    }
}

/// The parts of a manifest that only a forecaster has.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecasting {
    /// Its errors, compared with those of forecasts that need no detector.
    pub comparison: Comparison,
    /// Its losses beside those of forecasts that need no model, on the calibration range.
    pub validation: Validation,
}

/// The parts of a manifest that only a classifier has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classifying {
    /// Width of the layer before the classes.
    pub dense_size: usize,
    /// The distribution of its odds in the normal windows of the calibration range.
    pub tail: Tail,
    /// Its measures on the calibration range.
    pub validation: ClassifierValidation,
}

/// The manifest of one detector version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ManifestFile", into = "ManifestFile")]
pub struct Manifest {
    /// Format of this file and of the weights: [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Name, the same as the folder's.
    pub name: String,
    /// Version, the same as the folder's; counts from 1.
    pub version: u32,
    /// Recurrent architecture.
    pub architecture: Architecture,
    /// The objective of its training.
    pub objective: Objective,
    /// Width of the recurrent state.
    pub hidden_size: usize,
    /// Metrics in the order in which they are given to the SQL functions.
    pub metrics: Vec<String>,
    /// Whether the network is that of one metric, and forecasts each of them by itself.
    pub for_each_metric: bool,
    /// Window step, lookback, block, horizons and scale history.
    pub layout: BlockLayout,
    /// When a score is an anomaly.
    pub threshold: ThresholdPolicy,
    /// The data it was trained on.
    pub training: Training,
    /// Version of the crate that wrote it.
    pub crate_version: String,
    /// SHA-256 of `model.safetensors`, hexadecimal.
    pub weights_sha256: String,
}

/// A manifest as it is written: what belongs to one objective lies beside the rest.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestFile {
    format_version: u32,
    name: String,
    version: u32,
    architecture: Architecture,
    objective: ObjectiveName,
    hidden_size: usize,
    metrics: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    for_each_metric: bool,
    layout: BlockLayout,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comparison: Option<Comparison>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    classification: Option<Classifying>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gate: Option<Gating>,
    threshold: ThresholdPolicy,
    training: Training,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    validation: Option<Validation>,
    crate_version: String,
    weights_sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ObjectiveName {
    Forecast,
    Classify,
    Gate,
}

impl TryFrom<ManifestFile> for Manifest {
    type Error = &'static str;

    fn try_from(file: ManifestFile) -> Result<Self, Self::Error> {
        let ManifestFile {
            objective,
            comparison,
            classification,
            gate,
            validation,
            ..
        } = file;
        let forecast = comparison.zip(validation);
        let objective = match (objective, forecast, classification, gate) {
            (ObjectiveName::Forecast, Some((comparison, validation)), None, None) => {
                Objective::Forecast(Forecasting {
                    comparison,
                    validation,
                })
            }
            (ObjectiveName::Classify, None, Some(classifying), None) => {
                Objective::Classify(classifying)
            }
            (ObjectiveName::Gate, None, None, Some(gating)) => Objective::Gate(gating),
            (ObjectiveName::Forecast, ..) => {
                return Err(
                    "a forecaster has `comparison` and `validation`, no `classification` and no `gate`",
                );
            }
            (ObjectiveName::Classify, ..) => {
                return Err("a classifier has `classification`, no `comparison` and no `gate`");
            }
            (ObjectiveName::Gate, ..) => {
                return Err("a gated detector has `gate`, no `comparison` and no `classification`");
            }
        };
        Ok(Self {
            format_version: file.format_version,
            name: file.name,
            version: file.version,
            architecture: file.architecture,
            objective,
            hidden_size: file.hidden_size,
            metrics: file.metrics,
            for_each_metric: file.for_each_metric,
            layout: file.layout,
            threshold: file.threshold,
            training: file.training,
            crate_version: file.crate_version,
            weights_sha256: file.weights_sha256,
        })
    }
}

impl From<Manifest> for ManifestFile {
    fn from(manifest: Manifest) -> Self {
        let (mut comparison, mut validation, mut classification, mut gate) =
            (None, None, None, None);
        let objective = match manifest.objective {
            Objective::Forecast(forecasting) => {
                comparison = Some(forecasting.comparison);
                validation = Some(forecasting.validation);
                ObjectiveName::Forecast
            }
            Objective::Classify(classifying) => {
                classification = Some(classifying);
                ObjectiveName::Classify
            }
            Objective::Gate(gating) => {
                gate = Some(gating);
                ObjectiveName::Gate
            }
        };
        Self {
            format_version: manifest.format_version,
            name: manifest.name,
            version: manifest.version,
            architecture: manifest.architecture,
            objective,
            hidden_size: manifest.hidden_size,
            metrics: manifest.metrics,
            for_each_metric: manifest.for_each_metric,
            layout: manifest.layout,
            comparison,
            classification,
            gate,
            threshold: manifest.threshold,
            training: manifest.training,
            validation,
            crate_version: manifest.crate_version,
            weights_sha256: manifest.weights_sha256,
        }
    }
}

impl Manifest {
    /// The shape of its network, where it forecasts.
    #[must_use]
    pub fn forecaster_config(&self) -> ForecasterConfig {
        let metrics = self.learned_metrics();
        let layout = BlockLayout {
            resolutions: vec![0.0; metrics],
            ..self.layout.clone()
        };
        ForecasterConfig {
            architecture: self.architecture,
            features: layout.features(),
            hidden_size: self.hidden_size,
            targets: metrics * layout.horizons.len(),
        }
    }

    /// Metrics that the network reads at once.
    #[must_use]
    pub fn learned_metrics(&self) -> usize {
        if self.for_each_metric {
            1
        } else {
            self.metrics.len()
        }
    }

    /// The shape of its network, where it classifies.
    #[must_use]
    pub fn classifier_config(&self, classifying: &Classifying) -> ClassifierConfig {
        ClassifierConfig {
            architecture: self.architecture,
            features: self.metrics.len(),
            hidden_size: self.hidden_size,
            dense_size: classifying.dense_size,
        }
    }

    /// The parts that only a forecaster has, if it is one.
    #[must_use]
    pub fn forecasting(&self) -> Option<&Forecasting> {
        match &self.objective {
            Objective::Forecast(forecasting) => Some(forecasting),
            Objective::Classify(_) | Objective::Gate(_) => None,
        }
    }

    /// The sizes of a gating network.
    #[must_use]
    pub fn gate_config(&self, gating: &Gating) -> GateConfig {
        GateConfig {
            cell: gating.cell,
            inputs: INPUTS,
            hidden_size: self.hidden_size,
        }
    }

    /// A forecaster's error as a share of the trailing median's, or a gating network's loss as a share of
    /// that of a constant.
    #[must_use]
    pub fn relative_error(&self) -> Option<f64> {
        match &self.objective {
            Objective::Forecast(forecasting) => Some(forecasting.validation.relative_error()),
            Objective::Classify(_) => None,
            Objective::Gate(Gating { validation, .. }) => {
                Some(validation.loss / validation.constant_loss)
            }
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
        } else if layout.step_micros <= 0 || layout.block == 0 {
            Some("`layout` needs a positive step and a positive block")
        } else {
            match &self.objective {
                Objective::Forecast(forecasting) => self.defect_of_forecaster(forecasting),
                Objective::Classify(classifying) => self.defect_of_classifier(classifying),
                Objective::Gate(gating) => gating.defect(self.architecture, layout),
            }
        }
    }

    fn defect_of_forecaster(&self, forecasting: &Forecasting) -> Option<&'static str> {
        let Comparison { errors, excess } = &forecasting.comparison;
        let metrics = self.metrics.len();
        if self.layout.horizons.first() != Some(&1) {
            Some("`layout` of a forecaster needs a first horizon of 1")
        } else if errors.len() != metrics || excess.len() != metrics {
            Some("`comparison` has not one entry per metric")
        } else if !forecasting.comparison.is_positive() {
            Some("`comparison` needs positive numbers")
        } else {
            None
        }
    }

    fn defect_of_classifier(&self, classifying: &Classifying) -> Option<&'static str> {
        let layout = &self.layout;
        if self.for_each_metric {
            Some("a classifier reads all metrics at once: it has no `for_each_metric`")
        } else if !layout.horizons.is_empty() || layout.profile_windows != 0 {
            Some("`layout` of a classifier has no horizons and no profile")
        } else if self.architecture.pooled_steps(layout.lookback + 1) == 0 {
            Some("`layout` has too short a lookback for the architecture")
        } else if !classifying.tail.is_sound() {
            Some("`classification.tail` is not that of a calibration")
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

/// The rarity of an anomalous window in normal traffic, in steps.
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

/// Measures of a classifier on the windows of the calibration range, of which it learned none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierValidation {
    /// Windows that were classified.
    pub windows: usize,
    /// Those of them that are labelled.
    pub anomalous: usize,
    /// Labelled ones that reach the threshold.
    pub found: usize,
    /// Others that do, and are not beside a labelled one.
    pub false_alarms: usize,
    /// Cross-entropy on the stopping range, both classes weighing alike; `None` where it does not
    /// have both.
    pub stop_loss: Option<f64>,
    /// The same before training.
    pub untrained_stop_loss: Option<f64>,
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
