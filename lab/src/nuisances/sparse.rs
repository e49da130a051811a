//! Sites that are no counts around a mean: few visits, probes, and what hardly ever changes.

use anomalog::simulation::random::{Random, cos_turn};

use super::kind::Nuisance;
use super::site::{DAY, DAYS};
use super::usual::Usual;

/// The least standard deviation of a window of a latency that never changes, as a share of it.
const LEAST_OF_CONSTANT: f64 = 0.05;
/// The same of counts: half of the smallest change.
const LEAST_OF_COUNTS: f64 = 0.5;

/// What is usual there, and the minutes.
pub(super) fn make(nuisance: Nuisance, random: &mut Random) -> (Usual, Vec<f64>) {
    match nuisance {
        Nuisance::QuietVisits => {
            let chance = random.between(0.01, 0.03);
            let peak = random.unit();
            visits(random, 12, |minute| {
                let time = (minute % DAY) as f64 / DAY as f64;
                chance * (1.0 + 0.9 * cos_turn(time - peak))
            })
        }
        Nuisance::Handful => {
            let a_day = random.between(4.0, 8.0);
            visits(random, 3, |_| a_day / DAY as f64)
        }
        Nuisance::HealthChecks => probes(random),
        Nuisance::TwoValued => {
            let chance = random.between(0.3, 0.7);
            let values = minutes().map(|_| if random.chance(chance) { 2.0 } else { 1.0 });
            let values = values.collect();
            (counted(1.0 + chance, chance * (1.0 - chance)), values)
        }
        Nuisance::Constant => {
            let value = constant(random);
            let usual = Usual {
                least: LEAST_OF_CONSTANT * value,
                is_mean: true,
                ..counted(value, 0.0)
            };
            (usual, vec![value; DAYS * DAY])
        }
        _ => (counted(0.0, 0.0), vec![0.0; DAYS * DAY]),
    }
}

/// A latency in milliseconds.
pub(super) fn constant(random: &mut Random) -> f64 {
    // No whole number: what is no sum of powers of two is where rounding shows.
    (random.between(3.0, 60.0) * 1e3).round() / 1e3
}

fn minutes() -> std::ops::Range<usize> {
    0..DAYS * DAY
}

/// Counts that are the same at any time.
fn counted(mean: f64, variance: f64) -> Usual {
    Usual {
        mean: vec![mean; DAYS * DAY],
        variance: vec![variance; DAYS * DAY],
        wander: 0.0,
        least: LEAST_OF_COUNTS,
        is_mean: false,
    }
}

/// Visits of 1 to `most` requests, which come with a chance in each minute.
fn visits(random: &mut Random, most: u32, chance: impl Fn(usize) -> f64) -> (Usual, Vec<f64>) {
    let (mut usual, most_of_one) = (counted(0.0, 0.0), f64::from(most));
    let mean = f64::midpoint(1.0, most_of_one);
    let square = (most_of_one + 1.0) * (2.0 * most_of_one + 1.0) / 6.0;
    let mut values = Vec::with_capacity(DAYS * DAY);
    for minute in minutes() {
        let chance = chance(minute);
        usual.mean[minute] = chance * mean;
        usual.variance[minute] = chance * square - (chance * mean).powi(2);
        let size = 1 + random.below(most);
        let comes = random.chance(chance);
        values.push(if comes { f64::from(size) } else { 0.0 });
    }
    (usual, values)
}

/// A probe that asks a little less or more often than once a minute: now and then a minute has none, or two.
fn probes(random: &mut Random) -> (Usual, Vec<f64>) {
    let drift = random.between(2e-4, 8e-4);
    let period = if random.chance(0.5) {
        1.0 + drift
    } else {
        1.0 - drift
    };
    let mut values = vec![0.0; DAYS * DAY];
    let mut at = random.unit();
    while let Some(value) = values.get_mut(at as usize) {
        *value += 1.0;
        at += period;
    }
    (counted(1.0 / period, drift), values)
}
