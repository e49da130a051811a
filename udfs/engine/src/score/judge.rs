//! Who judges the windows of a call: a detector, or the baseline alone.

use std::sync::Arc;

use super::{Baseline, Detail, Verdict, WindowScore};
use crate::detector::{
    Comparison, Detector, DetectorError, DetectorRef, DetectorStore, Gating, MetricArgument,
};
use crate::forecast::classify::WindowOdds;
use crate::forecast::gates::Gate;
use crate::forecast::{ForecastError, WindowForecast};
use crate::network::{ClassifierPredictor, Predictor};
use crate::series::Rows;
use crate::series::blocks::BlockLayout;

/// The judge of a series' windows.
#[derive(Debug, Clone)]
pub enum Judge {
    /// A detector, whose network takes part.
    Detector(Arc<Detector>),
    /// The statistics of the series alone.
    Baseline(Arc<Baseline>),
}

impl Judge {
    /// The baseline for the metrics of a call, as a shipped detector would be bound to them: in the
    /// step of the reference or else of the store, and with the threshold of the store.
    ///
    /// # Errors
    /// When the reference names something else, or other metrics than the call has.
    pub fn baseline(
        store: &DetectorStore,
        reference: Option<&DetectorRef>,
        metrics: &[MetricArgument],
    ) -> Result<Self, DetectorError> {
        if let Some(other) = reference.filter(|reference| !Baseline::is_named(reference)) {
            return Err(DetectorError::NotBaseline {
                found: other.to_string(),
            });
        }
        let binding = store.binding(reference, metrics);
        if !binding.takes(metrics) {
            return Err(DetectorError::Metrics {
                name: Baseline::NAME.to_owned(),
                expected: binding.names(),
                found: metrics.iter().map(|metric| metric.name.clone()).collect(),
            });
        }
        let threshold = store.threshold().unwrap_or_default();
        let named = binding.names().into_iter().zip(binding.resolutions());
        let baseline = Baseline::new(binding.step_micros, named, threshold);
        Ok(Self::Baseline(Arc::new(baseline)))
    }

    /// The name in plans: `name@version` of a detector.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Detector(detector) => detector.manifest().id(),
            Self::Baseline(_) => Baseline::NAME.to_owned(),
        }
    }

    /// The reference that leads back to the judge as it is.
    #[must_use]
    pub fn reference(&self) -> DetectorRef {
        match self {
            Self::Detector(detector) => DetectorRef::to(detector.manifest()),
            Self::Baseline(baseline) => baseline.reference(),
        }
    }

    /// The metrics, in the order in which they are given.
    #[must_use]
    pub fn metrics(&self) -> &[String] {
        match self {
            Self::Detector(detector) => &detector.manifest().metrics,
            Self::Baseline(baseline) => baseline.metrics(),
        }
    }

    /// How series are cut, and how much history is read.
    #[must_use]
    pub fn layout(&self) -> &BlockLayout {
        match self {
            Self::Detector(detector) => &detector.manifest().layout,
            Self::Baseline(baseline) => baseline.layout(),
        }
    }

    /// Scores the rows of one series: one answer per row, in order.
    ///
    /// # Errors
    /// As [`Detector::score`].
    pub fn score(&self, rows: Rows<'_>) -> Result<Vec<WindowScore>, ForecastError> {
        match self {
            Self::Detector(detector) => detector.score(rows),
            Self::Baseline(baseline) => baseline.score(rows),
        }
    }

    /// Scores the last row of each series, of which none is empty, as [`Self::score`] would.
    ///
    /// # Errors
    /// As [`Self::score`].
    pub fn score_last(&self, series: &[Rows<'_>]) -> Result<Vec<WindowScore>, ForecastError> {
        match self {
            Self::Detector(detector) => detector.score_last(series),
            Self::Baseline(baseline) => series
                .iter()
                .map(|rows| baseline.score_last(*rows))
                .collect(),
        }
    }

    /// Whether the scores of both are the same wherever their inputs are.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Detector(one), Self::Detector(other)) => Arc::ptr_eq(one, other),
            (Self::Baseline(one), Self::Baseline(other)) => one == other,
            _ => false,
        }
    }

    /// The network that forecasts, if it has one.
    pub(super) fn forecaster(&self) -> Option<&Predictor> {
        match self {
            Self::Detector(detector) => detector.forecaster(),
            Self::Baseline(_) => None,
        }
    }

    /// The network that classifies, if it has one.
    pub(super) fn classifier(&self) -> Option<&ClassifierPredictor> {
        match self {
            Self::Detector(detector) => detector.classifier(),
            Self::Baseline(_) => None,
        }
    }

    /// The network that gates the baseline, if it has one, and how its word is taken.
    pub(super) fn gating(&self) -> Option<(Gate<'_>, &Gating)> {
        match self {
            Self::Detector(detector) => detector.gating(),
            Self::Baseline(_) => None,
        }
    }

    /// Judges one window by the baseline and what a gating network says; `None` for what has no gate.
    pub(super) fn verdict_of_gate(
        &self,
        window: WindowForecast<'_>,
        comparison: &Comparison,
        log_odds: &[f32],
        detail: Detail,
    ) -> Option<Verdict> {
        match self {
            Self::Detector(detector) => {
                detector.verdict_of_gate(window, comparison, log_odds, detail)
            }
            Self::Baseline(_) => None,
        }
    }

    /// Judges the odds of one window; `None` for what is no classifier.
    pub(super) fn verdict_of_odds(&self, window: &WindowOdds) -> Option<Verdict> {
        match self {
            Self::Detector(detector) => detector.verdict_of_odds(window),
            Self::Baseline(_) => None,
        }
    }

    /// Judges the forecasts of one window; `None` for a classifier.
    pub(super) fn verdict(&self, window: WindowForecast<'_>, detail: Detail) -> Option<Verdict> {
        match self {
            Self::Detector(detector) => detector.verdict(window, detail),
            Self::Baseline(baseline) => baseline.verdict(window, detail),
        }
    }
}
