//! Scans find what lasts, and forget what is over.

use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::baseline::{Evidence, ProfileCache};
use crate::features::SeriesFeatures;
use crate::series::SeriesGrid;
use crate::series::blocks::BlockLayout;
use crate::series::time_zone::TimeZone;

const DAY: usize = 1_440;

/// A number between 0 and 1 from another (`SplitMix64`).
fn uniform(seed: u64) -> f64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(77);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z >> 11) as f64 / (1u64 << 53) as f64
}

/// Poisson counts by inversion: 12 a minute on average, twice that at noon and little at night.
fn counts(minutes: usize, seed: u64) -> Vec<f64> {
    let count = |minute: usize| {
        let hour = (minute % DAY) as f64 / DAY as f64 * std::f64::consts::TAU;
        let rate = 12.0 * (1.0 - 0.8 * hour.cos());
        let mut chance = (-rate).exp();
        let mut left = uniform(seed * 1_000_003 + minute as u64) - chance;
        let mut count = 0.0;
        while left > 0.0 && count < 200.0 {
            count += 1.0;
            chance *= rate / count;
            left -= chance;
        }
        count
    };
    (0..minutes).map(count).collect()
}

fn grid(first: i64, values: Vec<f64>) -> SeriesGrid {
    SeriesGrid {
        first,
        series_first: first,
        row_slots: (0..values.len()).collect(),
        metrics: vec![values],
    }
}

fn layout() -> BlockLayout {
    BlockLayout::for_step(60_000_000, vec![1.0])
}

/// The z-scores of the windows from one on, block by block.
fn scan(values: &[f64], from: usize) -> Vec<ZScores> {
    let layout = layout();
    let grid = grid(0, values.to_vec());
    let features = SeriesFeatures::new(&layout, &grid, Some(TimeZone::UTC));
    let mut cache = ProfileCache::default();
    let mut found = Vec::new();
    for start in (from..values.len()).step_by(layout.block) {
        let block = cache.of_block(&features, start as i64).unwrap();
        for window in 0..layout.block.min(values.len() - start) {
            match block.evidence(0, window) {
                Some(Evidence::Scan(z_scores)) => found.push(z_scores),
                other => panic!("{other:?}"),
            }
        }
    }
    found
}

#[test]
fn chance_is_about_standard_normal() {
    let found = scan(&counts(10 * DAY, 1), 7 * DAY);
    let above = |limit: f64| {
        let beyond = found.iter().filter(|z_scores| z_scores.largest[1] > limit);
        beyond.count() as f64 / found.len() as f64
    };
    // The largest of five that overlap: between one and five times the share of one.
    assert!((0.001..0.03).contains(&above(2.5)), "{}", above(2.5));
    assert!(above(4.0) < 0.001, "{}", above(4.0));
    let noon = found[DAY / 2].expected;
    assert!((noon / 21.6 - 1.0).abs() < 0.15, "{noon}");
}

#[test]
fn an_outage_is_found_at_once_and_over_when_it_is_over() {
    let mut values = counts(9 * DAY, 2);
    let noon = 8 * DAY + DAY / 2;
    values[noon..noon + 40].fill(0.0);
    let found = scan(&values, 8 * DAY);
    let at = |minute: usize| found[minute - 8 * DAY];
    assert!(at(noon + 1).largest[0] > 5.0, "{:?}", at(noon + 1));
    // The level has not learned the outage.
    assert!(at(noon + 39).largest[0] > 10.0);
    assert!(at(noon + 39).expected > 15.0);
    assert!(!at(noon + 45).is_calm);
    // The sums of an hour still hold it, and are cut.
    assert!(at(noon + 46).largest[0] < 3.5, "{:?}", at(noon + 46));
    assert!(at(noon + 46).decayed_peaks[0] > 5.0);
}

#[test]
fn a_few_requests_more_are_found_after_a_while() {
    let mut values = counts(9 * DAY, 3);
    let noon = 8 * DAY + DAY / 2;
    // A third more for an hour: no single minute says so.
    for (place, value) in values[noon..noon + 60].iter_mut().enumerate() {
        *value += if place % 2 == 0 { 9.0 } else { 5.0 };
    }
    let found = scan(&values, 8 * DAY);
    let within = &found[noon - 8 * DAY..noon + 60 - 8 * DAY];
    let largest = within.iter().map(|z_scores| z_scores.largest[1]);
    assert!(largest.fold(0.0, f64::max) > 6.0);
}

#[test]
fn a_lasting_change_becomes_usual() {
    let mut values = counts(11 * DAY, 4);
    for value in &mut values[8 * DAY..10 * DAY] {
        *value = (*value * 1.5).round();
    }
    let found = scan(&values, 8 * DAY);
    let alarms = |minutes: Range<usize>| {
        let beyond = found[minutes]
            .iter()
            .filter(|z_scores| z_scores.largest.into_iter().any(|z_score| z_score > 5.0));
        beyond.count()
    };
    // At night, 1.5 times little is little: it takes until morning.
    assert!(alarms(0..DAY) > 20, "{}", alarms(0..DAY));
    assert_eq!(alarms(DAY..2 * DAY), 0);
    // And to go back to the level before is no anomaly.
    assert_eq!(alarms(2 * DAY..3 * DAY), 0);
}

#[test]
fn an_outage_does_not_become_usual() {
    let mut values = counts(10 * DAY, 5);
    let morning = 8 * DAY + 480;
    values[morning..morning + 720].fill(0.0);
    let found = scan(&values, 8 * DAY);
    for minute in [10, 300, 600, 719] {
        let z_scores = found[480 + minute];
        assert!(z_scores.largest[0] > 8.0, "{minute}: {z_scores:?}");
        assert!(z_scores.expected > 6.0, "{minute}: {z_scores:?}");
    }
    let after = &found[480 + 720 + 10..];
    let largest = after.iter().map(|z_scores| z_scores.largest[1]);
    assert!(largest.fold(0.0, f64::max) < 5.0);
}

#[test]
fn a_nightly_job_is_silent_from_the_fourth_night_on() {
    let mut values = counts(12 * DAY, 6);
    for day in 0..12 {
        let begin = day * DAY + 120 + day * 7 % 5;
        values[begin..begin + 5]
            .iter_mut()
            .for_each(|value| *value += 60.0);
    }
    // What comes on another day at another time is found as ever.
    let noon = 11 * DAY + 720;
    values[noon..noon + 5]
        .iter_mut()
        .for_each(|value| *value += 60.0);
    let found = scan(&values, 7 * DAY);
    let largest = |minutes: Range<usize>| {
        let sizes = found[minutes].iter().map(|z_scores| z_scores.largest[1]);
        sizes.fold(0.0, f64::max)
    };
    for day in 0..5 {
        let night = largest(day * DAY + 100..day * DAY + 200);
        assert!(night < 4.5, "{day}: {night}");
    }
    assert!(largest(4 * DAY + 720..4 * DAY + 725) > 8.0);
}

#[test]
fn restless_latency_is_judged_by_sums_of_logarithms() {
    let latency = |minute: usize| {
        let normal: f64 = (0..12)
            .map(|k| uniform((minute * 12 + k) as u64))
            .sum::<f64>()
            - 6.0;
        80.0 * (0.4 * normal).exp()
    };
    let mut values: Vec<f64> = (0..6 * DAY).map(latency).collect();
    let begin = 5 * DAY + 600;
    values[begin..begin + 60]
        .iter_mut()
        .for_each(|value| *value *= 1.6);
    // One absurd value is no more than one that is high in a sum, and far out by itself.
    values[5 * DAY + 300] = 1e9;
    let found = scan(&values, 5 * DAY);
    let largest = |minutes: Range<usize>| {
        let sizes = found[minutes].iter().map(|z_scores| z_scores.largest[1]);
        sizes.fold(0.0, f64::max)
    };
    assert!(largest(0..590) < 4.5, "{}", largest(0..590));
    let (single, _) = found[300].single.unwrap();
    assert!(single[1] > 20.0, "{single:?}");
    assert!(largest(600..660) > 6.0, "{}", largest(600..660));
    assert!((found[100].expected / 80.0 - 1.0).abs() < 0.2);
}

#[test]
fn offices_rest_two_days_a_week() {
    let mut values = counts(28 * DAY, 7);
    for (minute, value) in values.iter_mut().enumerate() {
        let is_working = (480..1_080).contains(&(minute % DAY)) && minute / DAY % 7 < 5;
        if !is_working {
            *value = (*value / 10.0).floor();
        }
    }
    let found = scan(&values, 21 * DAY);
    let expected = |day: usize| found[day * DAY + 720].expected;
    assert!(expected(1) > 15.0, "{}", expected(1));
    assert!(
        expected(5) < 5.0 && expected(6) < 5.0,
        "{} {}",
        expected(5),
        expected(6)
    );
    let alarms = found.iter().filter(|z_scores| z_scores.largest[0] > 6.0);
    assert_eq!(alarms.count(), 0);
}

#[test]
fn a_seasonal_series_is_not_scanned() {
    let layout = layout();
    let smooth = |minute: usize| 500.0 + 300.0 * (minute as f64 / 200.0).sin();
    let grid = grid(0, (0..3 * DAY).map(smooth).collect());
    let features = SeriesFeatures::new(&layout, &grid, Some(TimeZone::UTC));
    assert!(ScanProfile::learn(&features, 0, &(0..2 * DAY as i64)).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Whichever blocks were asked for before, and whatever comes after.
    #[test]
    fn a_block_is_the_same_however_it_is_reached(seed in 0..100u64, skipped in 1..20usize) {
        let mut values = counts(4 * DAY, seed);
        values[3 * DAY + 100..3 * DAY + 130].fill(f64::NAN);
        let whole = scan(&values, 3 * DAY);
        let from = 3 * DAY + skipped * 60;
        prop_assert_eq!(&scan(&values, from)[..], &whole[skipped * 60..]);
        let cut = scan(&values[..from + 60], from);
        prop_assert_eq!(&cut[..], &whole[skipped * 60..][..60]);
    }
}
