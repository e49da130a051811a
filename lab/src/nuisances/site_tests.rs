//! Every made-up site is what its name says.

use std::ops::Range;

use chrono::{DateTime, Datelike as _};

use super::kind::Nuisance;
use super::make::make;
use super::site::{DAY, DAYS, HISTORY_DAYS, MINUTE_MICROS, Site};

const SEEDS: Range<u64> = 1..6;

/// A few sites of a kind.
fn sites(nuisance: Nuisance) -> impl Iterator<Item = Site> {
    SEEDS.map(move |seed| make(nuisance, 0, seed))
}

/// The usual total of a day.
fn day(site: &Site, day: usize) -> f64 {
    site.usual.mean[day * DAY..(day + 1) * DAY].iter().sum()
}

/// The first minutes of stretches that have `times` as much as the hour before them, or less for less
/// than once, in minutes since the start.
fn bursts(site: &Site, times: f64) -> Vec<usize> {
    let mean = &site.usual.mean;
    let is_off = |minute: usize| {
        let before = mean[minute - 60..minute]
            .iter()
            .copied()
            .fold(f64::NAN, f64::min);
        let most = mean[minute - 60..minute]
            .iter()
            .copied()
            .fold(f64::NAN, f64::max);
        if times > 1.0 {
            mean[minute] > times * before
        } else {
            mean[minute] < times * most
        }
    };
    let mut found: Vec<usize> = Vec::new();
    for minute in (60..mean.len()).filter(|minute| is_off(*minute)) {
        if found.last().is_none_or(|last| minute - last > 120) {
            found.push(minute);
        }
    }
    found
}

/// The date of a minute in UTC.
fn date(site: &Site, minute: usize) -> chrono::NaiveDate {
    let micros = site.micros(&(minute..minute)).start;
    DateTime::from_timestamp_micros(micros)
        .unwrap()
        .date_naive()
}

#[test]
fn sites_are_eight_weeks_and_the_same_each_time() {
    for nuisance in Nuisance::ALL {
        let site = make(nuisance, 0, 7);
        assert_eq!(site.values.len(), DAYS * DAY, "{}", nuisance.name());
        assert_eq!(site.usual.mean.len(), DAYS * DAY);
        assert_eq!(site.usual.variance.len(), DAYS * DAY);
        assert_eq!(date(&site, 0).weekday(), chrono::Weekday::Mon);
        // Bits, as NaN is not equal to itself.
        let bits = |site: &Site| {
            site.values
                .iter()
                .map(|value| value.to_bits())
                .collect::<Vec<_>>()
        };
        assert!(bits(&site) == bits(&make(nuisance, 0, 7)));
        let never_changes = nuisance == Nuisance::AlwaysZero;
        assert_eq!(bits(&site) == bits(&make(nuisance, 0, 8)), never_changes);
        assert_eq!(bits(&site) == bits(&make(nuisance, 1, 7)), never_changes);
    }
}

#[test]
fn counts_have_their_means_and_variances() {
    for site in sites(Nuisance::Control).chain(sites(Nuisance::QuietVisits)) {
        // Of hours, so that chance and wandering both show.
        let z_scores: Vec<f64> = (0..DAYS * 24)
            .map(|hour| {
                let total: f64 = site.values[hour * 60..(hour + 1) * 60].iter().sum();
                let windows = hour * 60..(hour + 1) * 60;
                (total - site.usual.total(windows.clone(), 1)) / site.usual.deviation(windows, 1)
            })
            .collect();
        let mean = z_scores.iter().sum::<f64>() / z_scores.len() as f64;
        let square = z_scores.iter().map(|z| z * z).sum::<f64>() / z_scores.len() as f64;
        assert!(mean.abs() < 0.3, "{mean}");
        assert!((0.6..1.5).contains(&square), "{square}");
    }
}

#[test]
fn jobs_come_back() {
    for site in sites(Nuisance::NightlyJob) {
        let found = bursts(&site, 2.5);
        // The first hour of all is compared with nothing.
        assert!(found.len() >= DAYS - 1, "{}", found.len());
        assert!(
            found
                .iter()
                .all(|minute| minute % DAY == found[0] % DAY && minute % DAY < 360)
        );
    }
    for site in sites(Nuisance::JitteryJob) {
        let found = bursts(&site, 2.5);
        assert!(
            (DAYS * 3 / 4..=DAYS).contains(&found.len()),
            "{}",
            found.len()
        );
        let mut times: Vec<usize> = found.iter().map(|minute| minute % DAY).collect();
        times.sort_unstable();
        assert!(times[times.len() - 1] - times[0] < 15);
        times.dedup();
        assert!(times.len() > 3, "{times:?}");
    }
    for site in sites(Nuisance::WeeklyBatch) {
        let found = bursts(&site, 2.0);
        let weekdays = found.iter().map(|minute| date(&site, *minute).weekday());
        assert_eq!(
            weekdays.collect::<Vec<_>>(),
            [chrono::Weekday::Sun; DAYS / 7]
        );
    }
    for site in sites(Nuisance::MonthlyJob) {
        let found = bursts(&site, 2.0);
        let days: Vec<u32> = found
            .iter()
            .map(|minute| date(&site, *minute).day())
            .collect();
        assert_eq!(days, [1, 1]);
        let judged_from = HISTORY_DAYS * DAY;
        assert!(found[0] < judged_from && found[1] > judged_from);
    }
    for site in sites(Nuisance::HourlyCron) {
        let mean = &site.usual.mean;
        let high = (0..24).filter(|hour| {
            let of_hour = &mean[hour * 60..(hour + 1) * 60];
            let most = of_hour.iter().copied().fold(0.0, f64::max);
            most > 1.5 * of_hour.iter().sum::<f64>() / 60.0
        });
        assert_eq!(high.count(), 24);
    }
}

#[test]
fn clocks_change_and_the_job_with_them() {
    for site in sites(Nuisance::ClocksChange) {
        let times: Vec<usize> = bursts(&site, 2.5)
            .iter()
            .map(|minute| minute % DAY)
            .collect();
        assert!(times.len() >= DAYS - 1);
        let change = 34;
        assert_eq!(date(&site, change * DAY).to_string(), "2026-10-25");
        assert!(times[..change - 1].iter().all(|time| *time == times[0]));
        let after = &times[times.len() - 20..];
        assert!(
            after.iter().all(|time| *time == (times[0] + 60) % DAY),
            "{times:?}"
        );
    }
}

#[test]
fn traffic_grows_and_moves_to_other_levels() {
    let week = |site: &Site, week: usize| {
        (7 * week..7 * week + 7)
            .map(|of| day(site, of))
            .sum::<f64>()
    };
    for site in sites(Nuisance::Control) {
        assert!((week(&site, 7) / week(&site, 0) - 1.0).abs() < 1e-9);
        assert!(site.events.is_empty() && site.closed.is_empty());
    }
    for site in sites(Nuisance::Growth) {
        assert!((1.6..2.7).contains(&(week(&site, 7) / week(&site, 0))));
    }
    for (nuisance, factors) in [
        (Nuisance::LevelUp, 1.4..2.3),
        (Nuisance::LevelDown, 0.35..0.7),
    ] {
        for site in sites(nuisance) {
            assert!(factors.contains(&(week(&site, 7) / week(&site, 3))));
            let [event] = &site.events[..] else {
                panic!("there is one event")
            };
            let mean = &site.usual.mean;
            let change = mean[event.start] / mean[event.start - 1];
            assert!(factors.contains(&change), "{change}");
            assert!(event.start > HISTORY_DAYS * DAY && event.len() == DAY);
        }
    }
}

#[test]
fn traffic_fails_to_come() {
    for site in sites(Nuisance::DeployDips) {
        // At midnight a weekend can begin.
        let is_by_day = |minute: &usize| (540..1_080).contains(&(minute % DAY));
        let found: Vec<usize> = bursts(&site, 0.52).into_iter().filter(is_by_day).collect();
        assert!(found.len() > 15, "{}", found.len());
        assert!(
            found
                .iter()
                .all(|minute| date(&site, *minute).weekday().number_from_monday() < 6)
        );
    }
    for site in sites(Nuisance::Outage) {
        let without: Vec<usize> = (0..DAYS * DAY)
            .filter(|at| site.usual.mean[*at] == 0.0)
            .collect();
        assert_eq!(without, site.events[0].clone().collect::<Vec<_>>());
        assert!((60..=480).contains(&without.len()));
        assert!(
            site.values[site.events[0].clone()]
                .iter()
                .all(|value| *value == 0.0)
        );
    }
    for site in sites(Nuisance::Gap) {
        let (times, values) = site.windows(&site.values, 60);
        assert!(values.iter().all(|value| value.is_finite()));
        let longest = times
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .max()
            .unwrap();
        assert!(longest >= 3 * DAY as i64 * MINUTE_MICROS);
    }
    for site in sites(Nuisance::Holiday) {
        let first = site.events[0].start / DAY;
        assert!(date(&site, first * DAY).weekday().number_from_monday() < 6);
        assert!((0.3..0.65).contains(&(day(&site, first) / day(&site, first - 7))));
    }
}

#[test]
fn offices_are_closed_and_crowds_announced() {
    for site in sites(Nuisance::OfficeHours) {
        assert!(day(&site, 5) < 0.5 * day(&site, 4));
    }
    for site in sites(Nuisance::FlashCrowd) {
        assert_eq!(site.announced.len(), 3);
        let judged_from = HISTORY_DAYS * DAY;
        assert!(site.announced[0].end < judged_from && site.announced[1].start > judged_from);
        for minute in 7 * DAY..DAYS * DAY {
            let is_announced = site.announced.iter().any(|event| event.contains(&minute));
            let is_more = site.usual.mean[minute] > 1.01 * site.usual.mean[minute % (7 * DAY)];
            // A crowd grows from nothing and goes to nothing.
            assert!(is_announced || !is_more, "{minute}");
        }
        for event in &site.announced {
            let middle = usize::midpoint(event.start, event.end);
            assert!(site.usual.mean[middle] > 2.5 * site.usual.mean[middle % (7 * DAY)]);
        }
    }
}

#[test]
fn idle_metrics_are_judged_besides() {
    for site in Nuisance::ALL.into_iter().flat_map(sites) {
        let names: Vec<&str> = site.idle.iter().map(|metric| metric.name).collect();
        match site.nuisance {
            Nuisance::IdleMetrics => assert_eq!(names, ["server_errors", "latency_p95"]),
            _ => assert!(names.is_empty()),
        }
    }
}

#[test]
fn some_hardly_ever_change() {
    let per_day = |site: &Site| site.values.iter().sum::<f64>() / DAYS as f64;
    assert!(sites(Nuisance::Quiet).all(|site| (10.0..100.0).contains(&per_day(&site))));
    for site in sites(Nuisance::QuietVisits) {
        let visits = site.values.iter().filter(|value| **value > 0.0).count() / DAYS;
        assert!((10..50).contains(&visits), "{visits}");
    }
    assert!(sites(Nuisance::Handful).all(|site| (4.0..24.0).contains(&per_day(&site))));
    for site in sites(Nuisance::HealthChecks) {
        let others = site
            .values
            .iter()
            .filter(|value| value.to_bits() != 1.0_f64.to_bits())
            .count();
        assert!((5..100).contains(&others), "{others}");
        assert!(site.values.iter().all(|value| (0.0..=2.0).contains(value)));
    }
    for site in sites(Nuisance::Constant) {
        assert!(
            site.values
                .iter()
                .all(|value| value.to_bits() == site.values[0].to_bits() && *value > 0.0)
        );
        let (_, hours) = site.windows(&site.values, 60);
        assert!(
            hours
                .iter()
                .all(|value| (value / site.values[0] - 1.0).abs() < 1e-12)
        );
    }
    for site in sites(Nuisance::TwoValued) {
        assert!(site.values.iter().all(|value| [1.0, 2.0].contains(value)));
        assert!([1.0, 2.0].iter().all(|value| site.values.contains(value)));
    }
    assert!(sites(Nuisance::AlwaysZero).all(|site| site.values.iter().all(|value| *value == 0.0)));
}
