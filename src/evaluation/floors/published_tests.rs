//! Floors on series of others, against what is known of them.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Floor, difference, from_trailing_median};
use crate::evaluation::collections::{LIST, SeriesRows};
use crate::evaluation::peak_hold;
use crate::measures::alarms::{AlarmRules, alarms_within, budget_of};
use crate::measures::{shared_data, vus_pr};

/// Rows of a `series.csv`: file, points to train on, sliding window, step in seconds.
fn listed(folder: &Path, dataset: &str) -> Vec<(PathBuf, usize, usize, u32)> {
    let text = fs::read_to_string(folder.join(LIST)).unwrap();
    let rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    rows.filter(|row| row[1] == dataset)
        .map(|row| {
            (
                folder.join(row[0]),
                row[2].parse().unwrap(),
                row[3].parse().unwrap(),
                row[4].parse().unwrap(),
            )
        })
        .collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Figures measured elsewhere, with another implementation: see the data's README.
#[test]
fn floors_have_the_published_volumes() {
    let (Some(tsbad), Some(kpi)) = (shared_data::folder("tsbad"), shared_data::folder("kpi"))
    else {
        return;
    };
    for (series, plain, held) in [
        (listed(&tsbad, "WSD"), 0.282, 0.702),
        (listed(&kpi, "KPI"), 0.275, 0.607),
    ] {
        let volumes: Vec<[f64; 2]> = series
            .iter()
            .map(|(path, _, window, _)| {
                let rows = SeriesRows::read(path).unwrap();
                let scores = from_trailing_median(&rows.metrics[0], 11);
                let volume = |scores: &[f64]| vus_pr(&rows.labels, scores, *window).unwrap();
                [volume(&scores), volume(&peak_hold(&scores, 10.0))]
            })
            .collect();
        let mean_of = |which: usize| mean(&volumes.iter().map(|v| v[which]).collect::<Vec<_>>());
        for (found, expected) in [(mean_of(0), plain), (mean_of(1), held)] {
            assert!(
                (found - expected).abs() < 6e-4,
                "{found}, expected {expected}"
            );
        }
    }
}

#[test]
fn floors_find_the_events_that_they_are_known_to_find() {
    let Some(kpi) = shared_data::folder("kpi") else {
        return;
    };
    let recall = |score: &dyn Fn(&[f64]) -> Vec<f64>, per_week: f64| {
        let recalls = listed(&kpi, "KPI")
            .into_iter()
            .map(|(path, from, _, step)| {
                let SeriesRows {
                    metrics, labels, ..
                } = SeriesRows::read(&path).unwrap();
                let scores = score(&metrics[0]);
                let budget = budget_of(per_week, labels.len() - from, step);
                let rules = AlarmRules::default();
                alarms_within(&labels, &scores, from, budget, rules)
                    .unwrap()
                    .recall()
            });
        mean(&recalls.collect::<Vec<_>>())
    };
    // The README's figures are up to 0.014 lower: they come from a grid of thresholds.
    let month = 7.0 / 30.0;
    for (found, expected) in [
        (recall(&difference, 1.0), 0.8409),
        (recall(&difference, month), 0.7862),
        (
            recall(&|values| from_trailing_median(values, 11), 1.0),
            0.8303,
        ),
        (
            recall(&|values| from_trailing_median(values, 11), month),
            0.7674,
        ),
        (
            recall(&|values| from_trailing_median(values, 31), 1.0),
            0.7817,
        ),
        (
            recall(&|values| from_trailing_median(values, 31), month),
            0.6871,
        ),
    ] {
        assert!(
            (found - expected).abs() < 1e-4,
            "{found}, expected {expected}"
        );
    }
    let random = recall(&|values| Floor::Random.score(values, 60, 1), 1.0);
    assert!(random < 0.05, "{random}");
}
