//! Labelled series for tests.

use super::collections::LabelledSeries;
use super::floors::random;
use super::judging_rules::JudgingRules;
use crate::measures::alarms::AlarmRules;

const MINUTE: i64 = 60_000_000;

/// Rules by which they are judged, without plots.
pub(super) const RULES: JudgingRules = JudgingRules {
    hold: None,
    also_hold: None,
    alarms_per_week: 1.0,
    alarms: AlarmRules {
        tolerance: 5,
        merge: 10,
    },
    plots: false,
};

/// A series of one metric, a value a minute, without an anomaly.
pub(super) fn series(file: &str, values: Vec<f64>, train_points: usize) -> LabelledSeries {
    LabelledSeries {
        file: file.to_owned(),
        dataset: "made-up".to_owned(),
        window_start: (0..values.len() as i64).map(|row| row * MINUTE).collect(),
        labels: vec![false; values.len()],
        metric_names: vec!["value".to_owned()],
        metrics: vec![values],
        anomalies: Vec::new(),
        second: None,
        train_points,
        vus_window: 10,
        step_seconds: 60,
    }
}

/// 4000 draws.
pub(super) fn noise(seed: u64) -> Vec<f64> {
    random(&vec![0.0; 4_000], seed)
}
