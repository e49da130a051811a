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
pub(crate) struct Placed {
    pub(super) kind: AnomalyKind,
    is_up: bool,
    /// Its minutes; those of an outage, at most.
    minutes: Range<usize>,
    slot: usize,
}

impl Placed {
    /// A short burst or loss in some minutes.
    pub(crate) fn burst(is_up: bool, minutes: Range<usize>) -> Self {
        Self {
            kind: if is_up {
                AnomalyKind::Flood
            } else {
                AnomalyKind::TrafficDrop
            },
            is_up,
            slot: minutes.start / SLOT,
            minutes,
        }
    }
}

/// An anomaly as it was injected.
#[derive(Debug, Clone)]
pub(crate) struct Injected {
    pub(crate) kind: AnomalyKind,
    pub(crate) minutes: Range<usize>,
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
pub(crate) fn place(site: &Site) -> Vec<Placed> {
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
pub(crate) fn inject(
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
    let shape: Vec<f64> = all
        .clone()
        .map(|minute| shape(usual, anomaly, minute))
        .collect();
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
            let minutes =
                (number * window).max(start)..((number + 1) * window).min(start + moved.len());
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::nuisances::kind::Nuisance;
    use crate::nuisances::make::make;

    /// Every kind of site, and what is placed there.
    fn sites() -> impl Iterator<Item = (Site, Vec<Placed>)> {
        let kinds = Nuisance::ALL.into_iter();
        let sites = kinds.flat_map(|nuisance| (1..4).map(move |seed| make(nuisance, 0, seed)));
        sites.map(|site| {
            let placed = place(&site);
            (site, placed)
        })
    }

    #[test]
    fn all_kinds_are_placed_where_the_site_is_open_and_judged() {
        let mut kinds = BTreeSet::new();
        for (site, placed) in sites() {
            assert!(placed.len() >= 2, "{}: {placed:?}", site.nuisance.name());
            for anomaly in &placed {
                kinds.insert(anomaly.kind);
                assert!(anomaly.minutes.start > HISTORY_DAYS * DAY);
                assert!(anomaly.minutes.end < DAYS * DAY);
                assert!(
                    site.closed
                        .iter()
                        .all(|closed| are_apart(closed, &anomaly.minutes))
                );
            }
            for pair in placed.windows(2) {
                assert!(pair[1].minutes.start >= pair[0].minutes.end + DAY);
            }
        }
        assert_eq!(kinds.len(), AnomalyKind::ALL.len(), "{kinds:?}");
    }

    #[test]
    fn nothing_but_anomalies_changes() {
        for (site, placed) in sites() {
            let (values, injected) = inject(&site, &placed, 10.0, 5);
            let (again, _) = inject(&site, &placed, 10.0, 5);
            for (minute, (value, before)) in values.iter().zip(&site.values).enumerate() {
                let is_anomaly = injected
                    .iter()
                    .any(|anomaly| anomaly.minutes.contains(&minute));
                assert!(
                    is_anomaly || value.to_bits() == before.to_bits(),
                    "{minute}"
                );
                assert_eq!(value.to_bits(), again[minute].to_bits());
                assert!(value.is_nan() || *value >= 0.0);
            }
        }
    }

    /// The standard deviations by which the best stretch differs from what it was.
    fn measured(site: &Site, values: &[f64], anomaly: &Injected, window: usize) -> f64 {
        let change: Vec<f64> = (anomaly.minutes.clone())
            .map(|minute| (values[minute] - site.values[minute]).abs())
            .collect();
        best_stretch(&site.usual, anomaly.minutes.start, &change, window)
    }

    /// Minutes of a window.
    const WINDOWS: [usize; 4] = [1, 5, 15, 60];

    #[test]
    fn anomalies_are_as_strong_as_asked_for() {
        let mut found = [[0.0; STRENGTHS.len()]; WINDOWS.len()];
        let mut of = [[0; STRENGTHS.len()]; WINDOWS.len()];
        for (site, placed) in sites() {
            for (window, &minutes) in WINDOWS.iter().enumerate() {
                for (strength, (_, deviations)) in STRENGTHS.iter().enumerate() {
                    let (values, injected) = inject(&site, &placed, *deviations, minutes);
                    // Outages are as strong as they are.
                    let others = injected
                        .iter()
                        .filter(|one| one.kind != AnomalyKind::Outage);
                    for anomaly in others {
                        let measured = measured(&site, &values, anomaly, minutes);
                        found[window][strength] += measured / deviations;
                        of[window][strength] += 1;
                    }
                }
            }
        }
        for (found, of) in found.iter().flatten().zip(of.iter().flatten()) {
            let mean = found / f64::from(*of);
            // The best of several stretches is a little more than was meant, by chance.
            assert!(*of > 100 && (0.97..1.1).contains(&mean), "{mean} of {of}");
        }
    }

    /// The goal of the benchmark can be reached: who knows what is usual, and raises an alarm at 4.5
    /// standard deviations, less than once a month by chance, finds what is of middle strength.
    #[test]
    fn middle_anomalies_can_be_found() {
        let (mut found, mut of) = ([0; WINDOWS.len()], [0; WINDOWS.len()]);
        for (site, placed) in sites() {
            for (place, &minutes) in WINDOWS.iter().enumerate() {
                let (values, injected) = inject(&site, &placed, STRENGTHS[1].1, minutes);
                for anomaly in &injected {
                    let off: Vec<f64> = (anomaly.minutes.clone())
                        .map(|minute| values[minute] - site.usual.mean[minute])
                        .collect();
                    let down: Vec<f64> = off.iter().map(|off| -off).collect();
                    let is_out = |off: &[f64]| {
                        best_stretch(&site.usual, anomaly.minutes.start, off, minutes) >= 4.5
                    };
                    found[place] += usize::from(is_out(&off) || is_out(&down));
                    of[place] += 1;
                }
            }
        }
        for (found, of) in found.into_iter().zip(of) {
            assert!(of > 100 && 100 * found > 97 * of, "{found} of {of}");
        }
    }

    #[test]
    fn outages_are_total_and_last_as_long_as_it_takes() {
        let sites: Vec<(Site, Vec<Placed>)> = sites().collect();
        let outages = |strength| {
            let of_site = |(site, placed): &(Site, Vec<Placed>)| {
                let (values, injected) = inject(site, placed, strength, 1);
                let outages = injected
                    .into_iter()
                    .filter(|anomaly| anomaly.kind == AnomalyKind::Outage);
                let outages: Vec<Injected> = outages.collect();
                for outage in &outages {
                    assert!(
                        values[outage.minutes.clone()]
                            .iter()
                            .all(|value| *value == 0.0)
                    );
                    let lost = &site.usual.mean[outage.minutes.clone()];
                    assert!(best_stretch(&site.usual, outage.minutes.start, lost, 1) >= strength);
                }
                outages
            };
            let lengths = sites
                .iter()
                .flat_map(of_site)
                .map(|outage| outage.minutes.len());
            lengths.collect::<Vec<usize>>()
        };
        let (weak, strong) = (outages(6.5), outages(20.0));
        assert!(!strong.is_empty() && strong.len() < weak.len());
    }

    #[test]
    fn what_cannot_stand_out_is_left_out() {
        let site = make(Nuisance::Handful, 0, 1);
        let losses = |anomaly: &Placed| !anomaly.is_up;
        let placed: Vec<Placed> = (0..9)
            .flat_map(|seed| {
                place(&Site {
                    seed,
                    ..site.clone()
                })
            })
            .filter(losses)
            .collect();
        assert!(!placed.is_empty());
        assert!(inject(&site, &placed, 6.5, 1).1.is_empty());
    }
}
