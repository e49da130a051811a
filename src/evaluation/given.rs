//! Detectors that learned before.

use std::ffi::OsStr;
use std::path::Path;
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
        has_seen_history: None,
    })
}

/// The shipped detector of an architecture as it is, for windows of the series' length.
///
/// # Errors
/// When it has seen rows that are judged, or is of another format than this build.
pub fn shipped(
    architecture: Architecture,
    series: &LabelledSeries,
) -> Result<Prepared, ProtocolError> {
    let start = Instant::now();
    let name = |file: &str| Path::new(file).file_name().map(OsStr::to_owned);
    let mut all_seen = detector::shipped::seen_series().into_iter();
    let seen = all_seen.find(|seen| name(&seen.file) == name(&series.file));
    if let Some(seen) = seen
        .as_ref()
        .filter(|seen| seen.windows > series.train_points)
    {
        return Err(ProtocolError::SeenByShipped {
            file: series.file.clone(),
            windows: seen.windows,
            train_points: series.train_points,
        });
    }
    let metrics = series.metric_names.clone();
    let resolutions = series.resolutions(vec![1.0; metrics.len()]);
    let detector = detector::shipped::load(architecture)?;
    let detector = detector.bound_to(metrics, series.step_micros(), resolutions)?;
    Ok(Prepared {
        detector: Arc::new(detector),
        calibrated: Calibrated::Others,
        train_s: start.elapsed().as_secs_f64(),
        has_seen_history: Some(seen.is_some()),
    })
}
