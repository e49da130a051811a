//! Scores of a stream against those of whole series.

use std::sync::Arc;

use super::{Baseline, Call, Columns, Detail, Judge, StreamScorer, WindowScore, Workers};
use crate::detector::{DetectorStore, MetricArgument, ThresholdPolicy, shipped};
use crate::fixture::{HOUR, detector_laid_out, hours, traffic};
use crate::network::Architecture;
use crate::series::Rows;
use crate::series::blocks::BlockLayout;
use crate::series::time_zone::TimeZone;

/// One series: its times, and two metrics.
struct Series {
    times: Vec<i64>,
    metrics: [Vec<f64>; 2],
}

/// A series longer than what is judged at once, with a hole and values that are not known, then short
/// ones.
fn all_series() -> Vec<Series> {
    [(30_000, 29_900), (700, 650), (1, 0), (130, 100)]
        .into_iter()
        .map(|(rows, spike)| {
            let times = hours(480_000, rows);
            let requests = traffic(rows, spike);
            let mut errors: Vec<f64> = (0..rows).map(|row| (row * 7 % 5) as f64).collect();
            for row in (3..rows).step_by(90) {
                errors[row] = f64::NAN;
            }
            let is_there = |row: &usize| !(400..420).contains(row);
            let kept = |values: Vec<f64>| -> Vec<f64> {
                (0..rows).filter(is_there).map(|row| values[row]).collect()
            };
            Series {
                times: (0..rows).filter(is_there).map(|row| times[row]).collect(),
                metrics: [kept(requests), kept(errors)],
            }
        })
        .collect()
}

fn argument(name: &str) -> MetricArgument {
    MetricArgument {
        name: name.to_owned(),
        is_column: true,
        is_whole: true,
    }
}

fn baseline(metrics: &[&str]) -> Judge {
    let store = DetectorStore::open("no such folder").with_step(HOUR);
    let metrics: Vec<_> = metrics.iter().map(|name| argument(name)).collect();
    Judge::baseline(&store, None, &metrics).unwrap()
}

/// A network that forecasts, untrained, in the layout of the baseline.
fn forecaster(metrics: &[&str]) -> Judge {
    let layout = BlockLayout::for_step(HOUR, vec![1.0; metrics.len()]);
    let detector = detector_laid_out("lstm", Architecture::Lstm, metrics, layout);
    Judge::Detector(Arc::new(detector))
}

/// The shipped gated detector of an architecture.
fn gated(architecture: Architecture, metrics: &[&str]) -> Judge {
    let names = metrics.iter().map(|name| (*name).to_owned()).collect();
    let shipped = shipped::load(architecture).unwrap();
    let bound = shipped.bound_to(names, HOUR, vec![1.0; metrics.len()]);
    Judge::Detector(Arc::new(bound.unwrap()))
}

fn call(judge: &Judge, metrics: &[usize]) -> Call {
    Call {
        judge: judge.clone(),
        times: 0,
        time_zone: TimeZone::UTC,
        metrics: metrics.to_vec(),
        detail: Detail::WithBounds,
    }
}

/// The scores of each call, for the rows of all series, and the forward passes of blocks that they took.
fn streamed(calls: &[Call], from: i64, rows_at_once: usize) -> (Vec<Vec<WindowScore>>, usize) {
    // What is held against it is judged by one thread.
    let workers = Arc::new(Workers::new(3));
    let mut scorer = StreamScorer::new(calls, from).with_workers(&workers);
    let mut scores = vec![Vec::new(); calls.len()];
    for series in all_series() {
        let rows = series.times.len();
        let columns = Columns {
            times: vec![series.times.into_iter().map(Some).collect()],
            metrics: series.metrics.to_vec(),
        };
        for begin in (0..rows).step_by(rows_at_once) {
            let end = rows.min(begin + rows_at_once);
            scorer.push(&columns, begin..end).unwrap();
            take(&mut scorer, &mut scores);
        }
        scorer.end_series().unwrap();
    }
    scorer.flush().unwrap();
    take(&mut scorer, &mut scores);
    (scores, scorer.blocks())
}

fn take(scorer: &mut StreamScorer, scores: &mut [Vec<WindowScore>]) {
    let ready = scorer.ready();
    for (scores, taken) in scores.iter_mut().zip(scorer.take(ready)) {
        scores.extend(taken.iter());
    }
}

/// The scores of all series, each by itself and as a whole.
fn whole(judge: &Judge, metrics: &[usize]) -> Vec<WindowScore> {
    let of_series = |series: Series| {
        let metrics: Vec<_> = metrics
            .iter()
            .map(|&metric| series.metrics[metric].clone())
            .collect();
        let rows = Rows {
            window_start: &series.times,
            metrics: &metrics,
            time_zone: Some(TimeZone::UTC),
        };
        judge.score(rows).unwrap()
    };
    all_series().into_iter().flat_map(of_series).collect()
}

#[test]
fn the_baseline_streams_what_it_says_of_whole_series() {
    let (one, two) = (
        baseline(&["requests"]),
        baseline(&["requests", "server_errors"]),
    );
    let of_one = whole(&one, &[0]);
    let of_two = whole(&two, &[0, 1]);
    assert_ne!(of_one, of_two);
    let known = |scores: &[WindowScore]| scores.iter().filter(|s| s.verdict.is_some()).count();
    assert!(known(&of_one) > 29_000, "{}", known(&of_one));
    let calls = [call(&one, &[0]), call(&two, &[0, 1]), call(&one, &[1])];
    for rows_at_once in [97, 8_192] {
        let (scores, blocks) = streamed(&calls, i64::MIN, rows_at_once);
        assert!(scores[0] == of_one, "one metric, {rows_at_once} at once");
        assert!(scores[1] == of_two, "two metrics, {rows_at_once} at once");
        assert!(scores[2] != of_one, "another column");
        assert_eq!(blocks, 0);
    }
}

#[test]
fn beside_a_network_the_baseline_says_the_same_and_takes_no_pass() {
    let (baseline, lstm) = (baseline(&["requests"]), forecaster(&["requests"]));
    // Else they would not be judged together.
    assert_eq!(baseline.layout(), lstm.layout());
    let (alone, passes) = streamed(&[call(&lstm, &[0])], i64::MIN, 5_000);
    for order in [[&baseline, &lstm], [&lstm, &baseline]] {
        let calls = order.map(|judge| call(judge, &[0]));
        let (scores, blocks) = streamed(&calls, i64::MIN, 5_000);
        for (judge, scores) in order.iter().zip(&scores) {
            let expected = match judge {
                Judge::Detector(_) => &alone[0],
                Judge::Baseline(_) => &whole(&baseline, &[0]),
            };
            assert!(scores == expected, "{}", judge.id());
        }
        assert_ne!(scores[0], scores[1], "the network says something too");
        assert_eq!(blocks, passes);
    }
}

#[test]
fn gated_detectors_stream_what_they_say_of_whole_series() {
    let one = gated(Architecture::Lstm, &["requests"]);
    let two = gated(Architecture::Lstm, &["requests", "server_errors"]);
    let other = gated(Architecture::Gru, &["requests"]);
    let expected = [whole(&one, &[0]), whole(&two, &[0, 1]), whole(&other, &[0])];
    assert_ne!(expected[0], expected[2]);
    assert_ne!(expected[0], whole(&baseline(&["requests"]), &[0]));
    let calls = [call(&one, &[0]), call(&two, &[0, 1]), call(&other, &[0])];
    for rows_at_once in [97, 8_192] {
        let (scores, blocks) = streamed(&calls, i64::MIN, rows_at_once);
        for (number, expected) in expected.iter().enumerate() {
            assert!(scores[number] == *expected, "{number}, {rows_at_once}");
        }
        assert!(blocks > 0);
    }
}

#[test]
fn what_lies_before_a_time_is_history() {
    for judge in [
        baseline(&["requests"]),
        gated(Architecture::Rnn, &["requests"]),
    ] {
        // In the first days of the longest series, and after some epochs of evidence.
        for from in [600, 25_000] {
            let from = (480_000 + from) * HOUR;
            let (scores, _) = streamed(&[call(&judge, &[0])], from, 1_000);
            let times = all_series().into_iter().flat_map(|series| series.times);
            let expected = whole(&judge, &[0]);
            let mut spared = 0;
            for (row, time) in times.enumerate() {
                if time >= from {
                    assert_eq!(scores[0][row], expected[row], "{row}");
                } else if scores[0][row].verdict.is_none() {
                    spared += usize::from(expected[row].verdict.is_some());
                }
            }
            assert!(spared > 500, "{spared}");
        }
    }
}

#[test]
fn columns_of_the_baseline_share_their_scores() {
    // Judges of two calls are two values.
    let judges = [baseline(&["requests"]), baseline(&["requests"])];
    let mut scorer = StreamScorer::new(&judges.map(|judge| call(&judge, &[0])), i64::MIN);
    let scores = scorer.take(0);
    assert!(Arc::ptr_eq(&scores[0], &scores[1]));
    let other = Judge::Baseline(Arc::new(Baseline::new(
        HOUR,
        [("requests".to_owned(), 1.0)],
        ThresholdPolicy {
            false_alarms_per_week: 7.0,
        },
    )));
    let calls = [call(&baseline(&["requests"]), &[0]), call(&other, &[0])];
    let scores = StreamScorer::new(&calls, i64::MIN).take(0);
    assert!(!Arc::ptr_eq(&scores[0], &scores[1]));
}

#[test]
fn the_last_of_a_history_scores_as_it_does_in_the_series() {
    let metrics = ["requests", "server_errors"];
    let series = &all_series()[1];
    for judge in [baseline(&metrics), gated(Architecture::Clstm, &metrics)] {
        for rows in [1, 60, 300, 500, 680] {
            let metrics: Vec<Vec<f64>> =
                series.metrics.iter().map(|m| m[..rows].to_vec()).collect();
            let history = Rows {
                window_start: &series.times[..rows],
                metrics: &metrics,
                time_zone: Some(TimeZone::UTC),
            };
            let all = judge.score(history).unwrap();
            let last = judge.score_last(&[history]).unwrap();
            assert_eq!(last, all[rows - 1..], "{rows}");
        }
    }
}

#[test]
fn a_reference_leads_back_to_the_baseline() {
    let store = DetectorStore::open("no such folder").with_step(HOUR);
    let metrics = [argument("requests"), argument("bytes")];
    let named = "baseline:5m".parse().unwrap();
    let judge = Judge::baseline(&store, Some(&named), &metrics).unwrap();
    assert_eq!(judge.id(), "baseline");
    let reference = judge.reference();
    assert_eq!(
        reference.to_string(),
        r#"baseline:300s["requests","bytes"]"#
    );
    let again = Judge::baseline(&store, Some(&reference), &metrics).unwrap();
    assert!(judge.is_same(&again));
    assert_eq!(judge.layout().step_micros, 300_000_000);
    let hourly = Judge::baseline(&store, None, &metrics).unwrap();
    assert_eq!(hourly.layout().step_micros, HOUR);
}

#[test]
fn what_is_not_the_baseline_is_refused() {
    let store = DetectorStore::open("no such folder");
    let fault = |reference: &str| {
        let reference = reference.parse().unwrap();
        let error = Judge::baseline(&store, Some(&reference), &[argument("requests")]);
        let error = error.unwrap_err();
        format!("{error}\nhint: {}", error.hint().unwrap())
    };
    insta::assert_snapshot!(fault("pretrained-lstm:5m"), @r"
    the function asks for `baseline`, which has no versions, found `pretrained-lstm:300s`
    hint: leave it out, or, for windows of 5 minutes, write 'baseline:5m'; `anomaly_score` takes any detector
    ");
    insta::assert_snapshot!(fault("baseline@1"), @r"
    the function asks for `baseline`, which has no versions, found `baseline@1`
    hint: leave it out, or, for windows of 5 minutes, write 'baseline:5m'; `anomaly_score` takes any detector
    ");
    insta::assert_snapshot!(fault(r#"baseline:5m["bytes"]"#), @r"
    detector `baseline` takes (bytes), found (requests)
    hint: give the metrics as (window_start, bytes)
    ");
}
