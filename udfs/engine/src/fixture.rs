//! Detectors and traffic for tests, of this crate and of those above it: small, seeded, untrained.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a broken fixture may end the test run"
)]

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use crate::baseline::Tail;
use crate::detector::Comparison;
use crate::detector::{
    ClassifierValidation, Classifying, Detector, FORMAT_VERSION, Forecasting, Manifest, Objective,
    ThresholdPolicy, Training, Validation,
};
use crate::network::{Architecture, init::initialise};
use crate::series::blocks::BlockLayout;

/// Step of the detectors: long, so that a day of history is short.
pub const HOUR: i64 = 3_600_000_000;

/// A detector whose head is not zero, so that its scores depend on every weight.
#[must_use]
pub fn detector(name: &str, architecture: Architecture, metrics: &[&str]) -> Detector {
    let layout = manifest(name, architecture, metrics).layout;
    detector_laid_out(name, architecture, metrics, layout)
}

/// The same in a layout.
#[must_use]
pub fn detector_laid_out(
    name: &str,
    architecture: Architecture,
    metrics: &[&str],
    layout: BlockLayout,
) -> Detector {
    let manifest = Manifest {
        layout,
        ..manifest(name, architecture, metrics)
    };
    let mut weights = initialise(&manifest.forecaster_config(), 7).unwrap();
    fill_head(&mut weights);
    Detector::new(manifest, &weights).unwrap()
}

/// A classifier of hours, with weights that nobody trained and a tail of their odds on traffic.
#[must_use]
pub fn classifier(name: &str, architecture: Architecture, metrics: &[&str]) -> Detector {
    let layout = BlockLayout {
        step_micros: HOUR,
        lookback: 23,
        block: 12,
        horizons: Vec::new(),
        scale_windows: 48,
        profile_windows: 0,
        evidence_windows: 0,
        resolutions: vec![1.0; metrics.len()],
    };
    let log_odds: Vec<f64> = (0..500)
        .map(|row| f64::from(row * 7_919 % 500) / 1e3)
        .collect();
    let classifying = Classifying {
        dense_size: 4,
        tail: Tail::of_log_odds(&log_odds, 20.0).unwrap(),
        validation: ClassifierValidation {
            windows: 500,
            anomalous: 0,
            found: 0,
            false_alarms: 0,
            stop_loss: None,
            untrained_stop_loss: None,
        },
    };
    let manifest = Manifest {
        objective: Objective::Classify(classifying.clone()),
        layout,
        ..manifest(name, architecture, metrics)
    };
    let weights = initialise(&manifest.classifier_config(&classifying), 7).unwrap();
    Detector::new(manifest, &weights).unwrap()
}

fn fill_head(weights: &mut HashMap<String, Tensor>) {
    for (name, tensor) in weights.iter_mut() {
        if name.starts_with("location.weight") {
            let values: Vec<f32> = (0..tensor.elem_count()).map(|i| (i as f32).sin()).collect();
            *tensor = Tensor::from_vec(values, tensor.shape(), &Device::Cpu).unwrap();
        }
    }
}

/// The manifest of such a detector: of hours, with half a day a block.
#[must_use]
pub fn manifest(name: &str, architecture: Architecture, metrics: &[&str]) -> Manifest {
    let layout = BlockLayout {
        step_micros: HOUR,
        lookback: 24,
        block: 12,
        horizons: vec![1, 5],
        scale_windows: 48,
        profile_windows: 72,
        evidence_windows: 0,
        resolutions: vec![1.0; metrics.len()],
    };
    Manifest {
        format_version: FORMAT_VERSION,
        name: name.to_owned(),
        version: 1,
        architecture,
        objective: Objective::Forecast(Forecasting {
            comparison: Comparison::none(metrics.len()),
            validation: Validation {
                windows: 1,
                detector: 1.0,
                trailing_median: 1.0,
                previous_value: 1.0,
                stop_loss: 1.0,
                untrained_stop_loss: 1.0,
            },
        }),
        hidden_size: 8,
        metrics: metrics.iter().map(|metric| (*metric).to_owned()).collect(),
        for_each_metric: false,
        layout,
        threshold: ThresholdPolicy::default(),
        training: Training {
            from_micros: 0,
            fit_until_micros: 0,
            stop_until_micros: 0,
            until_micros: 0,
            series: 1,
            rows: 1,
            seed: 7,
            began_with: None,
            steps: 0,
            input_sha256: String::new(),
        },
        crate_version: env!("CARGO_PKG_VERSION").to_owned(),
        weights_sha256: String::new(),
    }
}

/// Traffic with a rhythm of 90 windows, a little noise and one spike.
pub fn traffic(rows: usize, spike: usize) -> Vec<f64> {
    (0..rows)
        .map(|row| {
            let angle = row as f64 / 90.0 * std::f64::consts::TAU;
            let noise = (row * 7_919 % 13) as f64;
            100.0 + 30.0 * angle.sin() + noise + if row == spike { 400.0 } else { 0.0 }
        })
        .map(f64::round)
        .collect()
}

/// Starts of consecutive windows from the `first` hour since the epoch.
#[must_use]
pub fn hours(first: i64, rows: usize) -> Vec<i64> {
    (0..rows as i64).map(|row| (first + row) * HOUR).collect()
}

/// A store with one `lstm` detector on `requests`.
#[must_use]
pub fn store() -> Arc<crate::detector::DetectorStore> {
    let store = crate::detector::DetectorStore::default();
    store.insert(detector("lstm", Architecture::Lstm, &["requests"]));
    store.insert(detector(
        "edge",
        Architecture::Gru,
        &["requests", "server_errors"],
    ));
    Arc::new(store)
}
