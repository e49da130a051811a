use anomalog_engine::detector::ThresholdPolicy;
use anomalog_engine::network::Architecture;

use super::*;
use crate::training::dataset::{Dataset, Series};

const MINUTE: i64 = 60_000_000;

fn settings() -> TrainingSettings {
    TrainingSettings {
        name: "a".to_owned(),
        architecture: Architecture::Gru,
        hidden_size: 8,
        steps: 300,
        seed: 1,
        began_with: None,
        horizons: None,
        threshold: ThresholdPolicy::default(),
    }
}

/// Noise with a dip of five windows every 200, all of which are labelled.
fn dips(key: &str, rows: usize, labelled: impl Fn(usize) -> bool) -> LabelledDataset {
    let is_dip = |row: usize| row % 200 >= 195;
    let value = |row: usize| {
        let noise = (row * row * 31 + row * 7_919) % 1_009;
        (if is_dip(row) { 20.0 } else { 90.0 }) + noise as f64 / 50.0
    };
    let series = Series {
        key: key.to_owned(),
        window_start: (0..rows as i64).map(|row| row * MINUTE).collect(),
        metrics: vec![(0..rows).map(value).collect()],
        ..Series::default()
    };
    let dataset = Dataset::new(vec!["requests".to_owned()], vec![series]).unwrap();
    LabelledDataset::new(dataset, |series| {
        let rows = 0..series.window_start.len();
        rows.map(|row| is_dip(row) && labelled(row)).collect()
    })
}

#[test]
fn what_is_labelled_is_learned_and_the_same_each_time() {
    let train = || train_classifier(&settings(), &[dips("a", 6_000, |_| true)], &mut |_| {});
    let detector = train().unwrap();
    let Objective::Classify(classifying) = &detector.manifest().objective else {
        panic!("{:?}", detector.manifest());
    };
    let validation = classifying.validation;
    // Of 1200 windows held back, 6 dips.
    assert_eq!((validation.windows, validation.anomalous), (1_200, 30));
    assert_eq!(validation.found, 30, "{validation:?}");
    assert!(validation.false_alarms <= 2, "{validation:?}");
    assert!(validation.stop_loss.unwrap() < 0.5 * validation.untrained_stop_loss.unwrap());
    assert_eq!(detector.weights(), train().unwrap().weights());
}

#[test]
fn series_of_other_steps_are_learned_together() {
    let minutes = dips("a", 4_000, |_| true);
    let detector = train_classifier(&settings(), &[minutes.clone(), minutes], &mut |_| {});
    let detector = detector.unwrap();
    assert_eq!(detector.manifest().training.series, 2);
    let other = detector.laid_out_for(5 * MINUTE, vec![0.0]).unwrap();
    let layout = BlockLayout::for_classifier(5 * MINUTE, vec![0.0]);
    assert_eq!(other.manifest().layout, layout);
    assert_eq!(other.weights(), detector.weights());
}

#[test]
fn labels_must_be_of_both_kinds() {
    let refused = |labelled: fn(usize) -> bool| {
        let error = train_classifier(&settings(), &[dips("a", 6_000, labelled)], &mut |_| {});
        error.unwrap_err().to_string()
    };
    insta::assert_snapshot!(refused(|_| false), @"no window from 1970-01-01T00:00:00Z to 1970-01-03T22:00:00Z, which is the fit range, is labelled as an anomaly");
    insta::assert_snapshot!(refused(|row| row > 4_200), @"no window from 1970-01-01T00:00:00Z to 1970-01-03T22:00:00Z, which is the fit range, is labelled as an anomaly");
    let all = dips("a", 6_000, |_| true).dataset().clone();
    let all = LabelledDataset::new(all, |series| vec![true; series.window_start.len()]);
    let error = train_classifier(&settings(), &[all], &mut |_| {}).unwrap_err();
    insta::assert_snapshot!(error, @"every window from 1970-01-01T00:00:00Z to 1970-01-03T22:00:00Z, which is the fit range, is labelled as an anomaly");
}

/// Without labels in the stopping range there is nothing to stop by.
#[test]
fn no_label_to_stop_by_takes_all_steps() {
    let dataset = dips("a", 6_000, |row| row < 4_200);
    let mut reports = Vec::new();
    let detector = train_classifier(&settings(), &[dataset], &mut |report| reports.push(report));
    let detector = detector.unwrap();
    assert_eq!(detector.manifest().training.steps, 300);
    assert!(reports.iter().all(|report| report.stop_loss.is_none()));
    let Objective::Classify(classifying) = &detector.manifest().objective else {
        panic!("{:?}", detector.manifest());
    };
    assert_eq!(classifying.validation.stop_loss, None);
    assert_eq!(classifying.validation.anomalous, 0);
}

#[test]
fn a_label_is_an_input() {
    let with = |labelled: fn(usize) -> bool| dips("a", 3_000, labelled).sha256();
    assert_ne!(with(|_| true), with(|row| row != 199));
    assert_eq!(with(|_| true), with(|row| row != 0));
}

#[test]
fn odds_beside_labels_are_no_normal_ones() {
    let mut labels = vec![false; 100];
    labels[50] = true;
    let held = || Held {
        log_odds: vec![1.0; 100],
        labels: labels.clone(),
        windows_per_day: 50.0,
    };
    let (normal, days) = normal_odds(&[held(), held()]);
    assert!((days - 4.0).abs() < 1e-12);
    assert_eq!(normal.len(), 2 * (100 + MERGE));
    let kept: Vec<usize> = (0..110).filter(|row| !normal[*row].is_nan()).collect();
    let expected: Vec<usize> = (0..40).chain(61..100).collect();
    assert_eq!(kept, expected);
}
