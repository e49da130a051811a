//! The extractor against plain computing from the whole past of a series.

use proptest::prelude::*;

use super::daily_scale::of_day;
use super::expected::level_windows;
use super::{EvidenceExtractor, INPUTS, SPANS, names};
use crate::series::time_zone::TimeZone;

const HOUR: i64 = 3_600_000_000;
const MINUTE: i64 = 60_000_000;

/// The inputs of each window of a series without holes.
fn inputs(values: &[f64], step: i64, resolution: f64) -> Vec<[f32; INPUTS]> {
    let mut evidence = EvidenceExtractor::new(step, resolution, TimeZone::UTC);
    let pushed = values.iter().enumerate().map(|(index, value)| {
        let inputs = evidence.push(index as i64, *value);
        inputs.expect("what is known has inputs")
    });
    pushed.collect()
}

fn input(inputs: &[f32; INPUTS], name: &str) -> f64 {
    let place = names().iter().position(|known| known == name);
    f64::from(inputs[place.expect("an input has such a name")])
}

/// Rhythm of a day, deterministic noise, and a job from `job` on for two hours.
fn traffic(days: usize, job: usize) -> Vec<f64> {
    let hours = 0..24 * days;
    let mut state = 7_u64;
    let values = hours.map(|hour| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let noise = (state >> 40) as f64 / f64::from(1 << 24) - 0.5;
        let day = (hour as f64 / 24.0 * std::f64::consts::TAU).sin();
        let of_job = if (job..job + 2).contains(&(hour % 24)) {
            400.0
        } else {
            0.0
        };
        100.0 + 50.0 * day + 20.0 * noise + of_job
    });
    values.collect()
}

/// The mean of `span` windows that end at `end`, which is left out.
fn mean(values: &[f64], end: usize, span: usize) -> Option<f64> {
    let begin = end.checked_sub(span)?;
    Some(values[begin..end].iter().sum::<f64>() / span as f64)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        len if len % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// What `day`, `week` and `level` expect at the window before `end`.
fn expected(values: &[f64], end: usize, span: usize, day: usize) -> [Option<f64>; 3] {
    let at = |back: usize| (back >= span && back < end).then(|| mean(values, end - back, span));
    let of = |backs: Vec<usize>| median(backs.into_iter().filter_map(at).flatten().collect());
    [
        of((1..=7).map(|age| age * day).collect()),
        of((1..=4).map(|age| age * 7 * day).collect()),
        end.checked_sub(span)
            .and_then(|end| mean(values, end, level_windows(span))),
    ]
}

/// The level at a window, from the days before it.
fn level(values: &[f64], end: usize, day: usize) -> f64 {
    let today = (end - 1) / day;
    let of_day = |number: usize| {
        let of_day = &values[number * day..((number + 1) * day).min(end)];
        of_day.iter().map(|value| value.abs()).sum::<f64>() / of_day.len() as f64
    };
    let mut days: Vec<f64> = (today.saturating_sub(7)..today).map(of_day).collect();
    if days.is_empty() {
        return of_day(0);
    }
    days.sort_by(f64::total_cmp);
    days[days.len() / 2]
}

fn unit(expected: f64, level: f64) -> f64 {
    (expected.abs().max(0.05 * level) * level).sqrt()
}

/// `z` of the first references of a span at the last window, as they enter, all from the start.
fn plain(values: &[f64], span: usize, day: usize, resolution: f64) -> [f64; 3] {
    let end = values.len();
    let today = (end - 1) / day;
    std::array::from_fn(|reference| {
        let mut scales = Vec::new();
        for number in today.saturating_sub(40)..today {
            let mut residuals = Vec::new();
            for end in number * day + 1..=(number + 1) * day {
                let of_day = level(values, end, day);
                let expected = expected(values, end, span, day)[reference];
                if let (Some(mean), Some(expected)) = (mean(values, end, span), expected) {
                    residuals.push(((mean - expected) / unit(expected, of_day)) as f32);
                }
            }
            if residuals.len() >= 12 {
                scales.push(of_day(&residuals));
            }
        }
        let mut scales = scales.split_off(scales.len().saturating_sub(21));
        scales.sort_by(f64::total_cmp);
        let expected = expected(values, end, span, day)[reference];
        let (Some(scale), Some(mean), Some(expected)) = (
            scales.get(scales.len() / 2),
            mean(values, end, span),
            expected,
        ) else {
            return 0.0;
        };
        let level = level(values, end, day);
        let least = (0.5 * resolution / (span as f64).sqrt()).max(0.002 * level);
        let z = (mean - expected) / (scale * unit(expected, level)).max(least);
        z / (1.0 + z.abs() / 10.0)
    })
}

#[test]
fn incremental_is_what_plain_computing_says() {
    let values = traffic(45, 3);
    let all = inputs(&values, HOUR, 1.0);
    for end in [30, 200, 24 * 30 + 4, 24 * 40 + 17, values.len()] {
        for span in SPANS {
            let plain = plain(&values[..end], span, 24, 1.0);
            for (name, plain) in ["day", "week", "level"].into_iter().zip(plain) {
                let found = input(&all[end - 1], &format!("{name}:{span}"));
                assert!(
                    (found - plain).abs() < 1e-4,
                    "{end} {name}:{span}: {found} {plain}"
                );
            }
        }
    }
}

#[test]
fn what_comes_back_every_night_is_told_from_what_does_not() {
    let mut values = traffic(35, 3);
    let night = 24 * 34 + 3;
    let evening = 24 * 34 + 15;
    values[evening] += 400.0;
    let all = inputs(&values, HOUR, 1.0);
    // Both stand out from the hours before.
    for window in [night, evening] {
        assert!(input(&all[window], "level:1") > 1.5);
    }
    assert!(input(&all[night], "day:1").abs() < 3.0);
    assert!(input(&all[evening], "day:1") > 6.0);
    assert!(input(&all[night], "excess:1").abs() < 1.0);
    assert!(input(&all[evening], "excess:1") > 1.5);
    assert!(input(&all[night], "around-any-day:1").abs() < 1e-12);
    assert!(input(&all[evening], "around-any-day:1") > 4.0);
    assert!(input(&all[night], "came-back-typical:days") > 0.5);
}

#[test]
fn constants_zeros_and_jumps_give_finite_inputs() {
    let mut jump = vec![0.0; 24 * 30];
    jump[24 * 29] = 3.0;
    for values in [
        vec![0.0; 24 * 30],
        vec![3.127; 24 * 30],
        vec![-5.0; 24 * 30],
        jump,
    ] {
        for resolution in [0.0, 1.0] {
            for inputs in inputs(&values, HOUR, resolution) {
                assert!(inputs.iter().all(|input| input.is_finite()), "{inputs:?}");
            }
        }
    }
    // The first error of a site that never had one.
    let mut zero = vec![0.0; 24 * 30];
    zero[24 * 29] = 3.0;
    let all = inputs(&zero, HOUR, 1.0);
    assert!(input(&all[24 * 29 - 1], "excess:1").abs() < 1e-12);
    assert!(input(&all[24 * 29], "excess:1") > 3.0);
    let mut constant = vec![3.127; 24 * 30];
    constant[24 * 29] = 4.0;
    let all = inputs(&constant, HOUR, 0.0);
    for (at, name) in names().iter().enumerate().take(7 * SPANS.len()) {
        let before = all[24 * 29 - 1][at];
        assert!(before.abs() < 1e-3, "{name}: {before}");
    }
    assert!(input(&all[24 * 29], "excess:1") > 9.0);
}

#[test]
fn nothing_looks_ahead_and_holes_say_nothing() {
    let values = traffic(20, 3);
    let all = inputs(&values, HOUR, 1.0);
    let first = inputs(&values[..300], HOUR, 1.0);
    assert_eq!(first, all[..300]);
    let mut evidence = EvidenceExtractor::new(HOUR, 1.0, TimeZone::UTC);
    assert!(evidence.push(0, f64::NAN).is_none());
    assert!(evidence.push(5, 1.0).is_some());
    // A hole as long as the memory: all is new.
    let after = evidence.push(5 + 24 * 29, 1.0);
    let new = EvidenceExtractor::new(HOUR, 1.0, TimeZone::UTC).push(0, 1.0);
    assert_eq!(after, new);
}

#[test]
fn local_time_is_what_comes_back_where_clocks_change() {
    let zone: TimeZone = "Europe/Berlin".parse().unwrap();
    // A job at three in the morning, local time, for 35 days around 25 October 2026.
    let first = 1_791_244_800_000_000 / HOUR;
    let values = (first..first + 24 * 35).map(|index| {
        let local = index + zone.offset_micros(index * HOUR) / HOUR;
        (
            index,
            if local.rem_euclid(24) == 3 {
                500.0
            } else {
                100.0 + (index % 7) as f64
            },
        )
    });
    let mut with_zone = EvidenceExtractor::new(HOUR, 1.0, zone);
    let mut without = EvidenceExtractor::new(HOUR, 1.0, TimeZone::UTC);
    let (mut most, mut most_without) = (0.0_f64, 0.0_f64);
    for (number, (index, value)) in values.enumerate() {
        let inputs = with_zone.push(index, value).unwrap();
        let of_utc = without.push(index, value).unwrap();
        if number > 24 * 10 {
            most = most.max(input(&inputs, "day:1").abs());
            most_without = most_without.max(input(&of_utc, "day:1").abs());
        }
    }
    assert!(most < 5.0 && most_without > 8.0, "{most} {most_without}");
}

proptest! {
    #[test]
    fn inputs_do_not_depend_on_the_unit(factor in 1e-3..1e6_f64) {
        let values = traffic(12, 3);
        let scaled: Vec<f64> = values.iter().map(|value| value * factor).collect();
        let (plain, scaled) = (inputs(&values, HOUR, 0.0), inputs(&scaled, HOUR, 0.0));
        for (plain, scaled) in plain.iter().zip(&scaled) {
            for (one, other) in plain.iter().zip(scaled) {
                prop_assert!((one - other).abs() < 1e-2, "{one} {other}");
            }
        }
    }

    #[test]
    fn what_is_learned_is_what_is_pushed(
        values in prop::collection::vec(prop_oneof![
            1 => Just(f64::NAN), 1 => Just(0.0), 1 => 0.0..1e3_f64, 9 => 80.0..120.0_f64
        ], 900..1_500),
        minutes in prop_oneof![Just(1_i64), Just(10), Just(60)],
        learned in prop::collection::vec(any::<bool>(), 40),
        zone in prop_oneof![Just(TimeZone::UTC), Just("Europe/Berlin".parse().unwrap())],
    ) {
        // Days around 25 October 2026, when clocks are put back.
        let first = 1_792_700_000_000_000 / (minutes * MINUTE);
        let mut pushed = EvidenceExtractor::new(minutes * MINUTE, 1.0, zone);
        let mut partly = pushed.clone();
        for (number, value) in values.iter().enumerate() {
            // In windows of a minute, days from one visit to the next.
            let index = first + number as i64 + 500 * (number / 300) as i64;
            let inputs = pushed.push(index, *value);
            if learned[number / 38] {
                partly.learn(index, *value);
            } else {
                prop_assert_eq!(partly.push(index, *value), inputs, "window {}", number);
            }
        }
    }

    #[test]
    fn whatever_comes_inputs_are_finite(
        values in prop::collection::vec(prop_oneof![
            Just(f64::NAN), Just(0.0), -1e12..1e12_f64, 0.0..3.0_f64
        ], 1..400)
    ) {
        let mut evidence = EvidenceExtractor::new(10 * MINUTE, 0.0, TimeZone::UTC);
        for (index, value) in values.iter().enumerate() {
            let inputs = evidence.push(index as i64, *value);
            prop_assert_eq!(inputs.is_none(), value.is_nan());
            prop_assert!(inputs.iter().flatten().all(|input| input.is_finite()));
        }
    }
}
