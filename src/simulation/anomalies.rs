//! Anomalies: when they happen, and what they do to traffic.
//!
//! Invariants: anomalies start and end on full minutes, lie at least two hours apart on one site,
//! and leave the beginning of the range clean, so that detectors have normal traffic to learn.

use std::net::Ipv4Addr;

use super::anomaly_kind::{AnomalyKind, ramp_height};
use super::clients::{Address, OLD_BROWSER, SCANNER, SCRIPT};
use super::random::{Purpose, Random, exp};
use super::site::{DAY, RouteId, SimulatedSite};

/// Normal minutes before and after an anomaly within its slot: two hours between two anomalies.
const MARGIN: u32 = 60;

/// Minutes of a slot, which holds one anomaly: in a short range, where every kind must find a
/// place, and in a long one, where slots shorter than a day wander through its hours. A slot has
/// room for the longest anomaly and its margins.
const SHORT_SLOT: u32 = 420;
const LONG_SLOT: u32 = 1260;

/// From this many days on, two clean days are left at the start; else 60 % of the range.
const LONG_RANGE: u32 = 4;

/// Kinds that a site is ahead of its predecessor: with three sites and four slots each, all ten
/// kinds occur.
const KIND_STRIDE: u32 = 4;

/// Attackers send at least this many requests a minute, however quiet the site is; a scanner,
/// which has a list to work through, more.
const LEAST_ATTACK: f64 = 12.0;
const LEAST_SCAN: f64 = 30.0;

/// Where the requests of an attack come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrafficSource {
    /// Nobody in particular.
    Visitors,
    Client(Ipv4Addr),
    /// The /24 around this address.
    Network(Ipv4Addr),
    Botnet {
        key: u64,
        members: u32,
    },
}

/// One anomaly of one site.
#[derive(Debug, Clone)]
pub(super) struct Anomaly {
    pub(super) kind: AnomalyKind,
    /// First minute, counted from the start of the simulation.
    pub(super) start: u32,
    /// First minute after it.
    pub(super) end: u32,
    pub(super) intensity: f64,
    pub(super) source: TrafficSource,
    /// The page that it is about, where it is about one.
    pub(super) target: Option<RouteId>,
}

/// The changes that anomalies make to a minute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Effect {
    /// Factor of the number of visits.
    pub(super) demand: f64,
    /// Share of the visits that begin at the anomaly's target.
    pub(super) entry: f64,
    /// Share of the requests that fail with a 5xx status.
    pub(super) failing: f64,
    /// Factor of the latency.
    pub(super) slowness: f64,
    /// Share of the clients that do not get through.
    pub(super) lost: f64,
    /// Expected requests of attackers.
    pub(super) attack: f64,
}

impl Effect {
    /// A normal minute.
    pub(super) const NONE: Self = Self {
        demand: 1.0,
        entry: 0.0,
        failing: 0.0,
        slowness: 1.0,
        lost: 0.0,
        attack: 0.0,
    };
}

impl Anomaly {
    /// Returns the changes to one of its minutes when `rate` requests are expected.
    pub(super) fn effect(&self, minute: u32, site: &SimulatedSite, rate: f64) -> Effect {
        let strength = self.intensity;
        // Attackers do not keep the visitors' hours: at night they come by the mean rate.
        let least = if self.kind == AnomalyKind::VulnerabilityScan {
            LEAST_SCAN
        } else {
            LEAST_ATTACK
        };
        let attack = (strength * rate.max(0.5 * site.base)).max(least);
        match self.kind {
            AnomalyKind::Flood => Effect {
                attack,
                slowness: 1.0 + 0.1 * strength,
                failing: 0.01,
                ..Effect::NONE
            },
            AnomalyKind::CredentialStuffing
            | AnomalyKind::Scraper
            | AnomalyKind::VulnerabilityScan => Effect {
                attack,
                ..Effect::NONE
            },
            AnomalyKind::LatencyDegradation => Effect {
                slowness: strength,
                ..Effect::NONE
            },
            AnomalyKind::Outage => Effect {
                lost: 1.0,
                ..Effect::NONE
            },
            AnomalyKind::SlowRamp => {
                let demand = 1.0
                    + (strength - 1.0) * ramp_height(minute - self.start, self.end - self.start);
                Effect {
                    demand,
                    entry: (demand - 1.0) / demand,
                    ..Effect::NONE
                }
            }
            AnomalyKind::ServerErrorBurst => Effect {
                failing: strength,
                ..Effect::NONE
            },
            AnomalyKind::LevelShift => Effect {
                demand: strength,
                ..Effect::NONE
            },
            AnomalyKind::TrafficDrop => Effect {
                lost: strength,
                ..Effect::NONE
            },
        }
    }

    /// The user agent of its attackers.
    pub(super) const fn agent(&self) -> u8 {
        match self.kind {
            AnomalyKind::VulnerabilityScan => SCANNER,
            AnomalyKind::Flood => OLD_BROWSER,
            _ => SCRIPT,
        }
    }

    /// The client, network or path that causes it, as root-cause analysis should name it.
    pub(super) fn culprit(&self, site: &SimulatedSite) -> Option<String> {
        match self.source {
            TrafficSource::Client(address) => Some(address.to_string()),
            TrafficSource::Network(address) => {
                let [a, b, c, _] = address.octets();
                Some(format!("{a}.{b}.{c}.0/24"))
            }
            TrafficSource::Visitors | TrafficSource::Botnet { .. } => self
                .target
                .map(|target| site.routes[usize::from(target)].prefix.clone()),
        }
    }
}

/// Places the anomalies of a site, in time order.
pub(super) fn schedule(seed: u64, site: &SimulatedSite, days: u32) -> Vec<Anomaly> {
    let mut random = Random::new(seed, site.index, 0, Purpose::Schedule);
    let day = DAY as u32;
    let (from, slot) = if days < LONG_RANGE {
        (days * day * 3 / 5, SHORT_SLOT)
    } else {
        (2 * day, LONG_SLOT)
    };
    let available = days * day - from;
    let slots = (available / slot).max(1);
    let length = available / slots;
    (0..slots)
        .map(|number| {
            let kind = kind_for(site, number);
            place(&mut random, site, kind, from + number * length, length)
        })
        .collect()
}

fn kind_for(site: &SimulatedSite, slot: u32) -> AnomalyKind {
    let position = (site.index % 10) * KIND_STRIDE + slot;
    let kind = AnomalyKind::ALL[position as usize % AnomalyKind::ALL.len()];
    if kind == AnomalyKind::LatencyDegradation && !site.format.has_latency() {
        // Its logs could not show it.
        return AnomalyKind::ServerErrorBurst;
    }
    kind
}

fn place(
    random: &mut Random,
    site: &SimulatedSite,
    kind: AnomalyKind,
    slot_start: u32,
    slot_length: u32,
) -> Anomaly {
    let (shortest, longest) = kind.duration();
    let duration = shortest + random.below(longest - shortest + 1);
    let start = pick_start(random, site, kind, slot_start, slot_length, duration);
    Anomaly {
        kind,
        start,
        end: start + duration,
        intensity: kind.intensity(random),
        source: source(random, kind),
        target: match kind {
            AnomalyKind::Flood | AnomalyKind::SlowRamp => Some(site.popular_page(random)),
            AnomalyKind::CredentialStuffing => Some(site.login),
            _ => None,
        },
    }
}

/// Draws some starts and takes the first that suits the kind, else the busiest.
fn pick_start(
    random: &mut Random,
    site: &SimulatedSite,
    kind: AnomalyKind,
    slot_start: u32,
    slot_length: u32,
    duration: u32,
) -> u32 {
    let room = slot_length.saturating_sub(duration + 2 * MARGIN);
    let day = DAY as u32;
    let mut best = (f64::NEG_INFINITY, slot_start + MARGIN);
    for _ in 0..16 {
        let start = slot_start + MARGIN + random.below(room + 1);
        // Logs that rotate at midnight could not tell an outage across it from a lost file.
        let splits = start / day != (start + duration) / day || start % day < 30;
        let rate = site.rate(i64::from(start + duration / 2));
        let mut fitness = if kind.needs_traffic() {
            (rate / site.base).min(1.0)
        } else {
            1.0
        };
        if kind == AnomalyKind::Outage && splits {
            fitness -= 1_000.0;
        }
        if fitness > best.0 {
            best = (fitness, start);
        }
        if best.0 >= 1.0 {
            break;
        }
    }
    best.1
}

fn source(random: &mut Random, kind: AnomalyKind) -> TrafficSource {
    let attacker = Address::of_attacker(random.bits());
    let key = random.bits();
    let has_one = random.chance(0.5);
    match kind {
        AnomalyKind::VulnerabilityScan | AnomalyKind::Scraper => TrafficSource::Client(attacker),
        AnomalyKind::Flood if has_one => TrafficSource::Client(attacker),
        AnomalyKind::CredentialStuffing if has_one => TrafficSource::Network(attacker),
        AnomalyKind::Flood | AnomalyKind::CredentialStuffing => TrafficSource::Botnet {
            key,
            members: random.lognormal(250.0, 0.4) as u32,
        },
        _ => TrafficSource::Visitors,
    }
}

/// Log-intensity of the traffic per minute beyond its rhythm: two AR(1) processes, one with a
/// memory of hours and one of minutes, from the day before `day` to its end.
///
/// A day's process starts from zero one day earlier, which it has forgotten by then (0.995 to
/// the 1440th is 0.07 %): so days are made independently and yet join.
pub(super) fn mood(seed: u64, site: &SimulatedSite, day: i64) -> Vec<f64> {
    const MEMORY: (f64, f64) = (0.995, 0.9);
    const SPREAD: (f64, f64) = (0.12, 0.07);
    let innovation = |memory: f64, spread: f64| spread * (1.0 - memory * memory).sqrt();
    let step = (
        innovation(MEMORY.0, SPREAD.0),
        innovation(MEMORY.1, SPREAD.1),
    );
    let mut state = (0.0, 0.0);
    let mut values = Vec::with_capacity(2 * DAY as usize);
    for day in [day - 1, day] {
        let mut random = Random::new(seed, site.index, day, Purpose::Mood);
        for _ in 0..DAY {
            state.0 = MEMORY.0 * state.0 + step.0 * random.normal();
            state.1 = MEMORY.1 * state.1 + step.1 * random.normal();
            values.push(exp(state.0 + state.1));
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn schedules(seed: u64, sites: u32, days: u32) -> Vec<Vec<Anomaly>> {
        (0..sites)
            .map(|index| schedule(seed, &SimulatedSite::new(seed, index, 1.0, 0), days))
            .collect()
    }

    #[test]
    fn three_sites_and_days_have_every_kind() {
        for seed in 0..20 {
            let kinds: BTreeSet<AnomalyKind> = schedules(seed, 3, 3)
                .iter()
                .flatten()
                .map(|anomaly| anomaly.kind)
                .collect();
            assert_eq!(
                kinds.len(),
                AnomalyKind::ALL.len(),
                "seed {seed}: {kinds:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn anomalies_keep_their_distance(seed: u64, days in 1..40_u32) {
            for anomalies in schedules(seed, 6, days) {
                prop_assert!(!anomalies.is_empty());
                let clean = if days < 4 { days * 864 } else { 2 * 1440 };
                prop_assert!(anomalies[0].start >= clean);
                for anomaly in &anomalies {
                    prop_assert!(anomaly.start < anomaly.end && anomaly.end <= days * 1440);
                    prop_assert!(
                        anomaly.kind != AnomalyKind::Outage
                            || anomaly.start / 1440 == anomaly.end / 1440
                    );
                }
                for pair in anomalies.windows(2) {
                    prop_assert!(pair[1].start >= pair[0].end + 2 * MARGIN);
                }
            }
        }
    }

    #[test]
    fn days_join_in_mood() {
        let site = SimulatedSite::new(5, 1, 1.0, 0);
        let (first, second) = (mood(5, &site, 3), mood(5, &site, 4));
        let difference = (0..1440)
            .map(|minute| (first[1440 + minute] - second[minute]).abs())
            .skip(1300)
            .fold(0.0, f64::max);
        assert!(difference < 2e-3, "the days differ by {difference}");
    }
}
