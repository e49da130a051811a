//! Injects anomalies of the simulator's kinds into a site, as strong as asked for.
//!
//! **Strength.** An anomaly of strength `s` moves the total of its best stretch by `s` standard
//! deviations. A stretch is consecutive windows that last an hour at most (one window, where windows
//! are as long); the standard deviation is that of the same stretch without the anomaly, of chance and
//! the wandering of the level together ([`Usual::deviation`]); the best is that with the most. A total
//! outage cannot be more than that: it lasts as long as it takes to be as strong as asked for. An
//! anomaly that cannot be as strong, as a loss of traffic where there is hardly any, is left out.

use std::ops::Range;

use anomalog::simulation::random::{Purpose, Random};
use anomalog::simulation::{AnomalyKind, ramp_height};

use super::site::{DAY, DAYS, HISTORY_DAYS, Site};
use super::usual::Usual;

/// The strengths by name, weakest first, in standard deviations. The weakest is what a test of every
/// hour of a year, at one false alarm, would just find; the others are 1.5 and 3 times that.
pub(crate) const STRENGTHS: [(&str, f64); 3] = [("weak", 6.5), ("middle", 10.0), ("strong", 20.0)];

/// Minutes of the longest stretch that strength is measured over.
const STRETCH: usize = 60;
/// Minutes of a slot, which holds one anomaly. What comes more often than false alarms are asked for, one
/// a week, is usual by that alone.
const SLOT: usize = 7 * DAY;
/// Minutes from an anomaly to the end of its slot, and from its start.
const MARGIN: usize = DAY / 2;
/// Places that are tried for an anomaly.
const TRIES: usize = 16;
/// The largest share of the traffic that an anomaly short of an outage takes away.
const MOST_LOST: f64 = 0.95;

/// An anomaly that has a place, but no strength yet.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) kind: AnomalyKind,
    is_up: bool,
    /// Its minutes; those of an outage, at most.
    minutes: Range<usize>,
    slot: usize,
}

/// An anomaly as it was injected.
#[derive(Debug, Clone)]
pub(super) struct Injected {
    pub(super) kind: AnomalyKind,
    pub(super) minutes: Range<usize>,
}

/// The kinds that show in a metric.
fn kinds(metric: &str) -> Vec<AnomalyKind> {
    let shows = |kind: &AnomalyKind| match kind.metric() {
        // What attackers ask for are requests, too.
        "client_errors" => metric == "requests",
        shown => shown == metric,
    };
    AnomalyKind::ALL.into_iter().filter(shows).collect()
}

/// Places the anomalies of a site: one a slot, kinds by turns.
pub(super) fn place(site: &Site) -> Vec<Placed> {
    let kinds = kinds(site.nuisance.metric());
    let from = HISTORY_DAYS * DAY;
    let slots = (DAYS * DAY - from) / SLOT;
    let first = site.seed as usize + 3 * site.number as usize + site.nuisance as usize;
    let placed = (0..slots).filter_map(|slot| {
        let stream = site.nuisance as u32 + 100 * site.number;
        let mut random = Random::new(site.seed, stream, slot as i64, Purpose::Schedule);
        let kind = kinds[(first + slot) % kinds.len()];
        let (shortest, longest) = kind.duration();
        let length = match kind {
            AnomalyKind::Outage => longest,
            _ => shortest + random.below(longest - shortest + 1),
        } as usize;
        let is_up = match kind {
            AnomalyKind::Outage | AnomalyKind::TrafficDrop => false,
            AnomalyKind::LevelShift => random.chance(0.5),
            _ => true,
        };
        let begin = from + slot * SLOT + MARGIN;
        let room = SLOT - 2 * MARGIN - length;
        let minutes = (0..TRIES)
            .map(|_| begin + random.below(room as u32) as usize)
            .map(|start| start..start + length)
            .find(|minutes| site.closed.iter().all(|closed| are_apart(closed, minutes)))?;
        Some(Placed {
            kind,
            is_up,
            minutes,
            slot,
        })
    });
    placed.collect()
}

fn are_apart(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.end <= other.start || other.end <= one.start
}

/// The minutes of the site with its anomalies, and those of them that can be as strong in windows of
/// so many minutes.
pub(super) fn inject(
    site: &Site,
    placed: &[Placed],
    strength: f64,
    window: usize,
) -> (Vec<f64>, Vec<Injected>) {
    let mut values = site.values.clone();
    let mut injected = Vec::new();
    for anomaly in placed {
        let Some((minutes, change)) = changes(&site.usual, anomaly, strength, window) else {
            continue;
        };
        let stream = site.nuisance as u32 + 100 * site.number;
        let day = anomaly.slot as i64;
        let mut random = Random::new(site.seed, stream, day, Purpose::Anomalies);
        for (value, change) in values[minutes.clone()].iter_mut().zip(change) {
            *value = change.applied(*value, site.usual.is_mean, &mut random);
        }
        let kind = anomaly.kind;
        injected.push(Injected { kind, minutes });
    }
    (values, injected)
}

/// What an anomaly does to a minute.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// So much more is expected.
    More(f64),
    /// Each request gets lost with this chance.
    Less(f64),
}

impl Change {
    fn applied(self, value: f64, is_mean: bool, random: &mut Random) -> f64 {
        match self {
            Self::More(more) if is_mean => value + more,
            Self::More(more) => value + f64::from(random.poisson(more)),
            Self::Less(chance) => {
                let lost = (0..value as u32).filter(|_| random.chance(chance)).count();
                value - lost as f64
            }
        }
    }
}

/// The minutes of an anomaly and what it does to each; `None` where it cannot be as strong.
fn changes(
    usual: &Usual,
    anomaly: &Placed,
    strength: f64,
    window: usize,
) -> Option<(Range<usize>, Vec<Change>)> {
    let all = &anomaly.minutes;
    if anomaly.kind == AnomalyKind::Outage {
        let (shortest, _) = anomaly.kind.duration();
        let lengths = shortest as usize..=all.len();
        let mut ranges = lengths.map(|length| all.start..all.start + length);
        let minutes = ranges.find(|minutes| {
            let lost = &usual.mean[minutes.clone()];
            best_stretch(usual, minutes.start, lost, window) >= strength
        })?;
        let change = vec![Change::Less(1.0); minutes.len()];
        return Some((minutes, change));
    }
    let shape: Vec<f64> = all.clone().map(|minute| shape(usual, anomaly, minute)).collect();
    let of_one = best_stretch(usual, all.start, &shape, window);
    let height = strength / of_one;
    if !height.is_finite() || (!anomaly.is_up && height > MOST_LOST) {
        return None;
    }
    let change = shape.iter().map(|shape| {
        if anomaly.is_up {
            Change::More(height * shape)
        } else {
            Change::Less(height)
        }
    });
    Some((all.clone(), change.collect()))
}

/// What an anomaly of height 1 moves a minute by.
fn shape(usual: &Usual, anomaly: &Placed, minute: usize) -> f64 {
    let mean = usual.mean[minute];
    match anomaly.kind {
        AnomalyKind::SlowRamp => {
            let place = (minute - anomaly.minutes.start) as u32;
            mean * ramp_height(place, anomaly.minutes.len() as u32)
        }
        AnomalyKind::LevelShift | AnomalyKind::TrafficDrop => mean,
        _ => 1.0,
    }
}

/// The standard deviations by which the best stretch of minutes from `start` on is moved.
fn best_stretch(usual: &Usual, start: usize, moved: &[f64], window: usize) -> f64 {
    let longest = (STRETCH / window).max(1);
    let first = start / window;
    let end = (start + moved.len()).div_ceil(window);
    let by_window: Vec<f64> = (first..end)
        .map(|number| {
            let minutes = (number * window).max(start)..((number + 1) * window).min(start + moved.len());
            let of_window = &moved[minutes.start - start..minutes.end - start];
            of_window.iter().sum::<f64>() * usual.share(window)
        })
        .collect();
    let mut best: f64 = 0.0;
    for begin in 0..by_window.len() {
        for length in 1..=longest.min(by_window.len() - begin) {
            let total: f64 = by_window[begin..begin + length].iter().sum();
            let windows = first + begin..first + begin + length;
            best = best.max(total / usual.deviation(windows, window));
        }
    }
    best
}
