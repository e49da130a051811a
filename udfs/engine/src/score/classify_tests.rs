use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::detector::Detector;
use crate::features::{SeriesFeatures, write_window};
use crate::fixture::{HOUR, classifier, hours, traffic};
use crate::forecast::classify::{Window, window_inputs};
use crate::network::Architecture;
use crate::score::{Direction, WindowScore};
use crate::series::time_zone::TimeZone;
use crate::series::{Rows, grid_indices, segments};

/// Classifies one window by itself: its inputs by the features alone, one forward pass.
fn alone(detector: &Detector, rows: Rows<'_>, row: usize) -> Option<f64> {
    let layout = &detector.manifest().layout;
    let indices = grid_indices(rows.window_start, layout).unwrap();
    let mut begin = 0;
    for grid in &segments(&indices, rows.metrics, indices[0], layout, TimeZone::UTC) {
        let end = begin + grid.row_slots.len();
        if !(begin..end).contains(&row) {
            begin = end;
            continue;
        }
        let features = SeriesFeatures::new(layout, grid, Some(TimeZone::UTC));
        let scales = features.scales(layout.block_of(indices[row]));
        let window = Window {
            features: &features,
            scales: &scales,
            index: indices[row],
        };
        let mut inputs = vec![0.0; window_inputs(layout)];
        write_window(&features, indices[row], &scales, &mut inputs);
        let classifier = detector.classifier().unwrap();
        let odds = classifier
            .log_odds(&inputs, layout.lookback + 1, 1)
            .unwrap();
        return window.is_judged().then(|| f64::from(odds[0]));
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn windows_are_judged_as_if_alone(
        gaps in prop::collection::vec(prop_oneof![30 => Just(1i64), 1 => 2..30i64, 1 => 300..400i64], 700),
        values in prop::collection::vec(prop_oneof![20 => 0.0..90.0f64, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)], 700),
        architecture in prop::sample::select(Architecture::ALL.to_vec()),
    ) {
        let detector = classifier("a", architecture, &["requests"]);
        let starts = gaps.iter().scan(480_000, |hour, gap| {
            *hour += gap;
            Some(*hour * HOUR)
        });
        let window_start: Vec<i64> = starts.collect();
        let metrics = [values];
        let rows = Rows {
            window_start: &window_start,
            metrics: &metrics,
            time_zone: Some(TimeZone::UTC),
        };
        let part = Part { rows, first_row: 0 };
        let layout = &detector.manifest().layout;
        let found = classify(detector.classifier().unwrap(), layout, &[part]).unwrap();
        for row in (0..700).step_by(7) {
            let batch = found[0].windows[row].map(|window| window.log_odds.to_bits());
            prop_assert_eq!(batch, alone(&detector, rows, row).map(f64::to_bits), "row {}", row);
        }
    }
}

/// Scores of two metrics, the second a multiple of the first with the spike elsewhere.
fn scores(metrics: &[Vec<f64>], first_hour: i64) -> Vec<WindowScore> {
    let detector = classifier("both", Architecture::Gru, &["requests", "bytes"]);
    let window_start = hours(first_hour, metrics[0].len());
    let rows = Rows {
        window_start: &window_start,
        metrics,
        time_zone: Some(TimeZone::UTC),
    };
    detector.score(rows).unwrap()
}

#[test]
fn the_metric_farthest_from_its_level_is_named_with_level_and_side() {
    let mut bytes: Vec<f64> = traffic(600, 700).iter().map(|value| 9.0 * value).collect();
    bytes[550] = 0.0;
    let scores = scores(&[traffic(600, 500), bytes], 480_000);
    let verdict = |row: usize| scores[row].verdict.unwrap();
    let (spike, dip) = (verdict(500), verdict(550));
    assert_eq!((spike.top_metric, spike.direction), (0, Direction::Spike));
    assert_eq!((dip.top_metric, dip.direction), (1, Direction::Dip));
    assert!((60.0..150.0).contains(&spike.expected_value), "{spike:?}");
    assert!((540.0..1_350.0).contains(&dip.expected_value), "{dip:?}");
    assert_eq!(spike.bounds, None);
    for score in scores.iter().filter_map(|score| score.verdict) {
        assert!((0.0..1.0).contains(&score.anomaly_score), "{score:?}");
        assert_eq!(score.is_anomaly, score.anomaly_score >= score.threshold);
        assert_eq!(score.is_anomaly, score.severity.is_some());
    }
}

#[test]
fn statuses_say_what_is_missing() {
    let mut metrics = [traffic(600, 700), traffic(600, 700)];
    for values in &mut metrics {
        values[400] = f64::NAN;
    }
    metrics[0][401] = f64::INFINITY;
    metrics[0][402..].fill(f64::NAN);
    let scores = scores(&metrics, 480_000);
    let statuses = |range: Range<usize>| -> Vec<Status> {
        let statuses = scores[range].iter().map(|score| score.status);
        let mut statuses: Vec<Status> = statuses.collect();
        statuses.dedup();
        statuses
    };
    assert_eq!(statuses(0..23), [Status::Warmup]);
    assert_eq!(statuses(23..200), [Status::ShortHistory, Status::Ok]);
    assert_eq!(statuses(400..600), [Status::NoData, Status::NullInput]);
    // By the other metric.
    assert!(scores[401..].iter().all(|score| score.verdict.is_some()));
    assert_eq!(scores[400].verdict, None);
}

#[test]
fn an_ok_score_does_not_depend_on_earlier_history() {
    let metrics = [traffic(600, 500), traffic(600, 300)];
    let all = scores(&metrics, 480_000);
    let later = metrics.map(|values| values[150..].to_vec());
    let later = scores(&later, 480_150);
    let mut compared = 0;
    for (all, later) in all[150..].iter().zip(&later) {
        if later.status == Status::Ok {
            assert_eq!(all, later);
            compared += 1;
        }
    }
    assert!(compared > 250, "{compared}");
}

#[test]
fn the_last_window_of_a_list_has_the_score_that_it_has_in_a_series() {
    let detector = classifier("a", Architecture::Lstm, &["requests"]);
    let metrics = [traffic(600, 599)];
    let window_start = hours(480_000, 600);
    let rows = Rows {
        window_start: &window_start,
        metrics: &metrics,
        time_zone: Some(TimeZone::UTC),
    };
    let last = detector.score_last(&[rows, rows]).unwrap();
    let all = detector.score(rows).unwrap();
    assert_eq!(last, [all[599], all[599]]);
}
