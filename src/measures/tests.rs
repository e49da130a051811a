//! All measures together: against the reference's values, against plain twins, and what must hold
//! of any score.

use std::fs::{self, File};
use std::path::Path;

use parquet::column::reader::ColumnReader;
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::prelude::*;
use serde::Deserialize;

use super::alarms::{AlarmRules, alarms_within};
use super::*;

/// One column of a Parquet file as numbers, NaN for NULL.
fn column(path: &Path, name: &str) -> Vec<f64> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let schema = reader.metadata().file_metadata().schema_descr();
    let column = schema
        .columns()
        .iter()
        .position(|column| column.name() == name);
    let mut numbers = Vec::new();
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).unwrap();
        let rows = group.metadata().num_rows() as usize;
        let (mut floats, mut integers, mut levels) = (Vec::new(), Vec::new(), Vec::new());
        match group.get_column_reader(column.unwrap()).unwrap() {
            ColumnReader::DoubleColumnReader(mut reader) => {
                reader
                    .read_records(rows, Some(&mut levels), None, &mut floats)
                    .unwrap();
            }
            ColumnReader::Int32ColumnReader(mut reader) => {
                reader
                    .read_records(rows, Some(&mut levels), None, &mut integers)
                    .unwrap();
            }
            _ => panic!("`{name}` is neither DOUBLE nor INT32"),
        }
        floats.extend(integers.into_iter().map(f64::from));
        let mut present = floats.into_iter();
        numbers.extend(levels.iter().map(|level| match level {
            0 => f64::NAN,
            _ => present.next().unwrap(),
        }));
    }
    numbers
}

fn labels(path: &Path) -> Vec<bool> {
    column(path, "label")
        .into_iter()
        .map(|label| label > 0.0)
        .collect()
}

/// What the reference returns, by its own names.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Expected {
    #[serde(rename = "AUC-ROC")]
    auc_roc: f64,
    #[serde(rename = "AUC-PR")]
    auc_pr: f64,
    #[serde(rename = "VUS-ROC")]
    vus_roc: f64,
    #[serde(rename = "VUS-PR")]
    vus_pr: f64,
    #[serde(rename = "Standard-F1")]
    point_f1: f64,
    #[serde(rename = "PA-F1")]
    point_adjusted_f1: f64,
    #[serde(rename = "Event-based-F1")]
    event_f1: f64,
    #[serde(rename = "R-based-F1")]
    range_f1: f64,
    #[serde(rename = "Affiliation-F")]
    affiliation_f1: f64,
}

impl Expected {
    /// Differences of measures from these, by name.
    fn errors(&self, found: &Metrics) -> [(&'static str, f64); 9] {
        [
            ("auc_roc", found.auc_roc - self.auc_roc),
            ("auc_pr", found.auc_pr - self.auc_pr),
            ("vus_roc", found.vus_roc - self.vus_roc),
            ("vus_pr", found.vus_pr - self.vus_pr),
            ("point_f1", found.point_f1 - self.point_f1),
            (
                "point_adjusted_f1",
                found.point_adjusted_f1 - self.point_adjusted_f1,
            ),
            ("event_f1", found.event_f1 - self.event_f1),
            ("range_f1", found.range_f1 - self.range_f1),
            ("affiliation_f1", found.affiliation_f1 - self.affiliation_f1),
        ]
    }
}

/// The largest errors so far, by measure.
#[derive(Debug, Default)]
struct Worst([(&'static str, f64); 9]);

impl Worst {
    fn take(&mut self, errors: [(&'static str, f64); 9]) {
        for (worst, (name, error)) in self.0.iter_mut().zip(errors) {
            *worst = (name, worst.1.max(error.abs()));
        }
    }

    fn assert_below(&self, bound: f64) {
        eprintln!("largest errors: {:?}", self.0);
        for (name, error) in self.0 {
            assert!(error < bound, "{name} is off by {error}");
        }
    }
}

#[test]
fn measures_of_real_series_are_the_references() {
    #[derive(Deserialize)]
    struct Case {
        file: String,
        score: String,
        vus_window: usize,
        #[serde(flatten)]
        expected: Expected,
    }
    let Some(folder) = shared_data::folder("metrics_reference") else {
        return;
    };
    let expected = fs::read(folder.join("expected.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&expected).unwrap();
    assert_eq!(cases.len(), 18);
    let mut worst = Worst::default();
    for case in cases {
        let path = folder.join(&case.file);
        let (labels, scores) = (labels(&path), column(&path, &case.score));
        let found = Metrics::measure(&labels, &scores, case.vus_window).unwrap();
        worst.take(case.expected.errors(&found));
    }
    worst.assert_below(1e-9);
}

#[test]
fn measures_of_small_series_are_the_references() {
    #[derive(Deserialize)]
    struct Case {
        labels: String,
        scores: Vec<f64>,
        sliding_window: usize,
        expected: Expected,
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/metrics.json");
    let cases: Vec<Case> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let mut worst = Worst::default();
    for case in cases {
        let labels: Vec<bool> = case.labels.chars().map(|label| label == '1').collect();
        let found = Metrics::measure(&labels, &case.scores, case.sliding_window).unwrap();
        let errors = case.expected.errors(&found);
        for (name, error) in errors {
            assert!(
                error.abs() < 1e-9,
                "{name} is off by {error}: {} {:?}",
                case.labels,
                case.scores
            );
        }
        worst.take(errors);
    }
    worst.assert_below(1e-9);
}

/// Labels and scores of a short series, many of them tied or missing.
fn series() -> impl Strategy<Value = (Vec<bool>, Vec<f64>)> {
    let score = prop_oneof![
        3 => (0..4u8).prop_map(f64::from),
        3 => -1.0..5.0f64,
        1 => Just(f64::NAN),
    ];
    prop::collection::vec((prop::bool::weighted(0.3), score), 2..60)
        .prop_map(|rows| rows.into_iter().unzip())
        .prop_filter(
            "cannot be judged",
            |(labels, scores): &(Vec<bool>, Vec<f64>)| Labelled::new(labels, scores).is_ok(),
        )
}

fn all(metrics: &Metrics) -> [f64; 9] {
    let Metrics {
        auc_roc,
        auc_pr,
        vus_roc,
        vus_pr,
        point_f1,
        point_adjusted_f1,
        event_f1,
        range_f1,
        affiliation_f1,
    } = *metrics;
    [
        auc_roc,
        auc_pr,
        vus_roc,
        vus_pr,
        point_f1,
        point_adjusted_f1,
        event_f1,
        range_f1,
        affiliation_f1,
    ]
}

/// No score as a number below all others.
fn known(scores: &[f64]) -> Vec<f64> {
    scores
        .iter()
        .map(|score| if score.is_nan() { -1e3 } else { *score })
        .collect()
}

/// By pairs of windows.
fn plain_auc_roc(labels: &[bool], scores: &[f64]) -> f64 {
    let scores = known(scores);
    let (mut wins, mut pairs) = (0.0, 0.0);
    for (_, hit) in labels.iter().zip(&scores).filter(|row| *row.0) {
        for (_, miss) in labels.iter().zip(&scores).filter(|row| !row.0) {
            pairs += 1.0;
            wins += f64::from(u8::from(hit > miss)) / 2.0 + f64::from(u8::from(hit >= miss)) / 2.0;
        }
    }
    wins / pairs
}

/// By trying every threshold: average precision and the best F1.
fn plain_pr(labels: &[bool], scores: &[f64]) -> (f64, f64) {
    let known = known(scores);
    let mut thresholds = known.clone();
    thresholds.sort_by(|a, b| b.total_cmp(a));
    thresholds.dedup();
    let positives = labels.iter().filter(|label| **label).count() as f64;
    let (mut area, mut best, mut last) = (0.0, 0.0_f64, 0.0);
    for threshold in thresholds {
        let alarms = known.iter().map(|score| *score >= threshold);
        let found = alarms
            .clone()
            .zip(labels)
            .filter(|row| row.0 && *row.1)
            .count() as f64;
        let (precision, recall) = (
            found / alarms.filter(|alarm| *alarm).count() as f64,
            found / positives,
        );
        area += (recall - last) * precision;
        last = recall;
        if threshold > -1e3 {
            best = best.max(2.0 * precision * recall / (precision + recall + 1e-5));
        }
    }
    (area, best)
}

/// By building the soft labels of every width and applying every threshold to them.
fn plain_volumes(labels: &[bool], scores: &[f64], sliding_window: usize) -> (f64, f64) {
    let (scores, len) = (known(scores), labels.len());
    let events = Labelled::new(labels, &scores).unwrap().events;
    let mut sorted = scores.clone();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let positives = labels.iter().filter(|label| **label).count() as f64;
    let (mut roc, mut pr) = (0.0, 0.0);
    for width in 0..=sliding_window {
        let mut soft: Vec<f64> = labels.iter().map(|label| f64::from(*label)).collect();
        let mut group = vec![None; len];
        let mut groups = 0;
        for event in &events {
            let reach = event.start.saturating_sub(width / 2)..(event.end + width / 2).min(len);
            groups += usize::from(group[reach.start].is_none());
            for row in reach {
                group[row] = Some(groups);
                let distance = event
                    .start
                    .saturating_sub(row)
                    .max((row + 1).saturating_sub(event.end));
                if distance > 0 {
                    soft[row] += (1.0 - distance as f64 / width as f64).sqrt();
                }
            }
        }
        let (mut last_tpr, mut last_fpr) = (0.0, 0.0);
        for point in 0..250 {
            let rank = if point == 249 {
                len - 1
            } else {
                (f64::from(point) * ((len - 1) as f64 / 249.0)) as usize
            };
            let alarms: Vec<usize> = (0..len)
                .filter(|row| scores[*row] >= sorted[rank])
                .collect();
            let found: f64 = alarms.iter().map(|row| soft[*row].min(1.0)).sum();
            let in_events = alarms.iter().filter(|row| labels[**row]).count() as f64;
            let mut reached: Vec<usize> = alarms.iter().filter_map(|row| group[*row]).collect();
            reached.sort_unstable();
            reached.dedup();
            let all = positives + (found - in_events) / 2.0;
            let tpr = (found / all).min(1.0) * reached.len() as f64 / groups as f64;
            let fpr = (alarms.len() as f64 - found) / (len as f64 - all);
            roc += (fpr - last_fpr) * (tpr + last_tpr) / 2.0;
            pr += (tpr - last_tpr) * found / alarms.len() as f64;
            (last_tpr, last_fpr) = (tpr, fpr);
        }
        roc += (1.0 - last_fpr) * (1.0 + last_tpr) / 2.0;
    }
    let widths = (sliding_window + 1) as f64;
    (roc / widths, pr / widths)
}

proptest! {
    #[test]
    fn measures_lie_between_0_and_1((labels, scores) in series(), window in 0..30usize) {
        let metrics = Metrics::measure(&labels, &scores, window).unwrap();
        for measure in all(&metrics) {
            prop_assert!((-1e-12..=1.0 + 1e-12).contains(&measure), "{metrics:?}");
        }
    }

    #[test]
    fn measures_together_are_those_alone((labels, scores) in series(), window in 0..12usize) {
        let metrics = Metrics::measure(&labels, &scores, window).unwrap();
        let alone = [
            auc_roc(&labels, &scores),
            auc_pr(&labels, &scores),
            vus_roc(&labels, &scores, window),
            vus_pr(&labels, &scores, window),
            point_f1(&labels, &scores),
            point_adjusted_f1(&labels, &scores),
            event_f1(&labels, &scores),
            range_f1(&labels, &scores),
            affiliation_f1(&labels, &scores),
        ];
        for (together, alone) in all(&metrics).into_iter().zip(alone) {
            prop_assert_eq!(together.to_bits(), alone.unwrap().to_bits());
        }
    }

    #[test]
    fn ranking_measures_equal_their_plain_twins((labels, scores) in series(), window in 0..14usize) {
        let metrics = Metrics::measure(&labels, &scores, window).unwrap();
        let (area, best) = plain_pr(&labels, &scores);
        let (roc, pr) = plain_volumes(&labels, &scores, window);
        for (found, expected) in [
            (metrics.auc_roc, plain_auc_roc(&labels, &scores)),
            (metrics.auc_pr, area),
            (metrics.point_f1, best),
            (metrics.vus_roc, roc),
            (metrics.vus_pr, pr),
        ] {
            prop_assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    #[test]
    fn ranking_measures_depend_on_the_order_of_scores_alone(
        (labels, scores) in series(),
        window in 0..12usize,
    ) {
        let rising: Vec<f64> = scores.iter().map(|score| score.exp() * 3.0 - 100.0).collect();
        let before = Metrics::measure(&labels, &scores, window).unwrap();
        let after = Metrics::measure(&labels, &rising, window).unwrap();
        for (before, after) in all(&before).into_iter().zip(all(&after)).take(5) {
            prop_assert_eq!(before.to_bits(), after.to_bits());
        }
    }

    #[test]
    fn all_measures_are_the_same_in_another_unit((labels, scores) in series(), window in 0..12usize) {
        // A power of 2, so that no score moves across a threshold by rounding.
        let scaled: Vec<f64> = scores.iter().map(|score| score * 1024.0).collect();
        let before = Metrics::measure(&labels, &scores, window).unwrap();
        prop_assert_eq!(before, Metrics::measure(&labels, &scaled, window).unwrap());
    }

    #[test]
    fn areas_and_point_f1_do_not_depend_on_the_order_of_windows(
        (labels, scores, shuffled) in series().prop_flat_map(|(labels, scores)| {
            let rows: Vec<(bool, f64)> = labels.iter().copied().zip(scores.iter().copied()).collect();
            (Just(labels), Just(scores), Just(rows).prop_shuffle())
        }),
    ) {
        let (other_labels, other_scores): (Vec<bool>, Vec<f64>) = shuffled.into_iter().unzip();
        for measure in [auc_roc, auc_pr, point_f1] {
            let before = measure(&labels, &scores).unwrap();
            let after = measure(&other_labels, &other_scores).unwrap();
            prop_assert_eq!(before.to_bits(), after.to_bits());
        }
    }

    #[test]
    fn windows_without_a_score_rank_as_if_below_all(
        (labels, scores) in series(),
        window in 0..12usize,
    ) {
        let known = known(&scores);
        let found = Metrics::measure(&labels, &scores, window).unwrap();
        let expected = Metrics::measure(&labels, &known, window).unwrap();
        for (found, expected) in all(&found).into_iter().zip(all(&expected)).take(4) {
            prop_assert_eq!(found.to_bits(), expected.to_bits());
        }
    }
}

#[test]
fn a_perfect_score_is_perfect() {
    let labels: Vec<bool> = (0..100).map(|row| (40..50).contains(&row)).collect();
    let scores: Vec<f64> = labels.iter().map(|label| f64::from(*label)).collect();
    let metrics = Metrics::measure(&labels, &scores, 0).unwrap();
    for measure in all(&metrics) {
        assert!(measure > 0.99999, "{metrics:?}");
    }
}

#[test]
fn the_same_score_everywhere_never_alarms() {
    let labels = [false, true, true, false];
    let metrics = Metrics::measure(&labels, &[2.5; 4], 2).unwrap();
    for measure in all(&metrics).into_iter().skip(5) {
        assert_eq!(measure.to_bits(), 0.0_f64.to_bits());
    }
    assert!((metrics.auc_roc - 0.5).abs() < 1e-12);
}

#[test]
fn every_measure_rejects_what_cannot_be_judged() {
    for (labels, scores) in [
        (vec![true, false], vec![1.0]),
        (vec![], vec![]),
        (vec![false; 2], vec![1.0; 2]),
        (vec![true; 2], vec![1.0; 2]),
        (vec![true, false], vec![f64::NAN; 2]),
        (vec![true, false], vec![f64::INFINITY, 0.0]),
    ] {
        let expected = Labelled::new(&labels, &scores).unwrap_err();
        for measure in [
            auc_roc,
            auc_pr,
            point_f1,
            point_adjusted_f1,
            event_f1,
            range_f1,
            affiliation_f1,
        ] {
            assert_eq!(
                measure(&labels, &scores).unwrap_err().to_string(),
                expected.to_string()
            );
        }
        for measure in [vus_roc, vus_pr] {
            assert_eq!(
                measure(&labels, &scores, 3).unwrap_err().to_string(),
                expected.to_string()
            );
        }
        let error = Metrics::measure(&labels, &scores, 3).unwrap_err();
        assert_eq!(error.to_string(), expected.to_string());
        let error = alarms_within(&labels, &scores, 0, 1.0, AlarmRules::default()).unwrap_err();
        assert_eq!(error.to_string(), expected.to_string());
    }
}
