//! The detectors that are judged: those shipped, and the baseline without a network.

use std::sync::Arc;

use anomalog_engine::detector::{
    Comparison, Detector, DetectorError, Forecasting, Objective, shipped,
};
use anomalog_engine::network::Architecture;

/// The name of what has no network.
pub(crate) const BASELINE: &str = "baseline";
/// The tensor that a forecast is shifted by.
const SHIFT: &str = "location.bias";

/// A detector and its name in tables.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    /// Its name: an architecture, or [`BASELINE`].
    pub(crate) name: &'static str,
    detector: Arc<Detector>,
}

impl Judged {
    /// The baseline, then the shipped detector of each architecture.
    ///
    /// # Errors
    /// When the shipped detectors are of another format.
    pub(crate) fn all() -> Result<Vec<Self>, DetectorError> {
        let baseline = Self {
            name: BASELINE,
            detector: Arc::new(without_network()?),
        };
        let mut all = vec![baseline];
        for architecture in Architecture::ALL {
            all.push(Self {
                name: architecture.name(),
                detector: shipped::load(architecture)?,
            });
        }
        Ok(all)
    }

    /// The same for one metric in windows of a step, in microseconds.
    ///
    /// # Errors
    /// When the step is not positive.
    pub(super) fn bound(
        &self,
        metric: &str,
        step: i64,
        resolution: f64,
    ) -> Result<Arc<Detector>, DetectorError> {
        let metrics = vec![metric.to_owned()];
        let detector = self.detector.bound_to(metrics, step, vec![resolution])?;
        Ok(Arc::new(detector))
    }
}

/// A detector whose network says nothing: its forecasts are no numbers, which take no part in a score.
fn without_network() -> Result<Detector, DetectorError> {
    let shipped = shipped::load(Architecture::Rnn)?;
    let mut manifest = shipped.manifest().clone();
    if let Objective::Forecast(Forecasting { comparison, .. }) = &mut manifest.objective {
        *comparison = Comparison::none(1);
    }
    let mut weights = shipped.tensors()?;
    for (name, tensor) in &mut weights {
        if name == SHIFT {
            let nothing = tensor.affine(0.0, f64::NAN);
            *tensor = nothing.map_err(|source| DetectorError::Weights {
                path: SHIFT.into(),
                source,
            })?;
        }
    }
    Detector::new(manifest, &weights)
}
