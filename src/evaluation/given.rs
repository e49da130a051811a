//! Detectors that learned before.

use std::sync::Arc;
use std::time::Instant;

use anomalog_engine::detector::{self, Detector};
use anomalog_engine::network::Architecture;

use super::collections::LabelledSeries;
use super::error::ProtocolError;
use super::leak::Leak;
use super::protocol::{Calibrated, Prepared};
use crate::units::rfc_3339;

/// A detector of a store, for a series that it may judge.
///
/// # Errors
/// When it learned from what is judged, or reads another step or other metrics than there are.
pub fn stored(
    detector: &Arc<Detector>,
    series: &LabelledSeries,
) -> Result<Prepared, ProtocolError> {
    let manifest = detector.manifest();
    let since = series.window_start.get(series.train_points).copied();
    let since = since.unwrap_or(i64::MAX);
    if manifest.training.until_micros > since {
        return Err(ProtocolError::Leak(Leak::Stored {
            detector: manifest.id(),
            until: rfc_3339(manifest.training.until_micros),
            file: series.file.clone(),
            since: rfc_3339(since),
        }));
    }
    if detector.gate().is_some() {
        // It reads each metric by itself, whatever it is.
        return Ok(Prepared {
            detector: bound(detector, series)?,
            calibrated: Calibrated::Stored,
            train_s: 0.0,
        });
    }
    let unfit = |expected: String, found: String| ProtocolError::Unfit {
        detector: manifest.id(),
        file: series.file.clone(),
        expected,
        found,
    };
    let names = |metrics: &[String]| format!("the metrics {}", metrics.join(", "));
    if series.metrics_of(&manifest.metrics).is_none() {
        return Err(unfit(names(&manifest.metrics), names(&series.metric_names)));
    }
    let step = series.step_micros();
    if manifest.layout.step_micros != step {
        let seconds = |micros: i64| format!("windows of {} s", micros as f64 / 1e6);
        return Err(unfit(seconds(manifest.layout.step_micros), seconds(step)));
    }
    Ok(Prepared {
        detector: Arc::clone(detector),
        calibrated: Calibrated::Stored,
        train_s: 0.0,
    })
}

/// The shipped detector of an architecture as it is, for windows of the series' length.
///
/// # Errors
/// When it is of another format than this build.
pub fn shipped(
    architecture: Architecture,
    series: &LabelledSeries,
) -> Result<Prepared, ProtocolError> {
    let start = Instant::now();
    let detector = detector::shipped::load(architecture)?;
    Ok(Prepared {
        detector: bound(&detector, series)?,
        calibrated: Calibrated::Others,
        train_s: start.elapsed().as_secs_f64(),
    })
}

/// A detector that serves any metrics and step, for those of a series.
fn bound(detector: &Detector, series: &LabelledSeries) -> Result<Arc<Detector>, ProtocolError> {
    let metrics = series.metric_names.clone();
    let resolutions = series.resolutions(vec![1.0; metrics.len()]);
    let bound = detector.bound_to(metrics, series.step_micros(), resolutions)?;
    Ok(Arc::new(bound))
}
