//! Made-up sites as a gating network sees them, with labels.

use std::ops::Range;

use anomalog::simulation::random::{Purpose, Random};
use anomalog_engine::evidence::{EvidenceExtractor, INPUTS};
use rayon::prelude::*;

use super::labels::Labels;
use crate::nuisances::{DAY, DAYS, MINUTE_MICROS, Nuisance, Placed, Site, inject, make, place};

/// The first seed of sites to learn from: benchmarks have smaller ones.
pub(crate) const FIRST_SEED: u64 = 1_001;
/// The first seed of sites that are held back.
pub(crate) const FIRST_HELD_BACK: u64 = 2_001;
/// Days before the first window that is learned from.
const FROM_DAY: usize = 17;
/// Days before the first burst.
const BURSTS_FROM_DAY: usize = 20;
/// Strengths of what is injected, in standard deviations.
const STRENGTHS: [f64; 8] = [5.5, 6.5, 7.5, 9.0, 11.0, 15.0, 22.0, 40.0];
/// The least strength of a burst, which is over before much more can be known.
const LEAST_BURST: f64 = 7.5;
/// Copies of a site: how many with anomalies of the simulator's kinds, and how many with bursts.
const COPIES: (u64, u64) = (2, 1);
/// Bursts of a copy.
const BURSTS: usize = 6;
/// Windows of the longest burst.
const LONGEST_BURST: u32 = 8;
/// Windows kept before an anomaly and after it.
const AROUND: (usize, usize) = (150, 200);
/// Inputs are kept as multiples of it.
const GRAIN: f32 = 0.1;

/// Windows of one site in order.
#[derive(Debug, Clone)]
pub(crate) struct Example {
    /// Inputs in [`GRAIN`]s, [`INPUTS`] a window.
    pub(crate) inputs: Vec<i8>,
    pub(crate) is_anomaly: Vec<bool>,
    pub(crate) weight: Vec<f32>,
    /// Where an anomaly begins, if it is here for one.
    pub(crate) anomaly: Option<usize>,
}

impl Example {
    /// The number of windows.
    pub(crate) fn len(&self) -> usize {
        self.weight.len()
    }

    /// The inputs of some windows.
    pub(crate) fn inputs(&self, windows: Range<usize>) -> impl Iterator<Item = f32> + '_ {
        let inputs = &self.inputs[windows.start * INPUTS..windows.end * INPUTS];
        inputs.iter().map(|input| f32::from(*input) * GRAIN)
    }
}

/// The kinds that a gating network learns from: what comes once a month is longer ago than it remembers.
pub(crate) fn kinds() -> Vec<Nuisance> {
    let known = |kind: &Nuisance| *kind != Nuisance::MonthlyJob;
    Nuisance::ALL.into_iter().filter(known).collect()
}

/// The examples of sites of some kinds and seeds in windows of so many minutes.
pub(crate) fn examples(kinds: &[Nuisance], seeds: Range<u64>, minutes: usize) -> Vec<Example> {
    let sites: Vec<(Nuisance, u64)> = kinds
        .iter()
        .flat_map(|kind| seeds.clone().map(move |seed| (*kind, seed)))
        .collect();
    let made = sites
        .par_iter()
        .flat_map_iter(|&(kind, seed)| of_site(kind, seed, minutes));
    made.collect()
}

fn of_site(kind: Nuisance, seed: u64, minutes: usize) -> Vec<Example> {
    let site = make(kind, 0, seed);
    let clean = Labels::of_site(&site, minutes);
    let from = FROM_DAY * DAY / minutes;
    let rows = evidence(&site, &site.values, minutes);
    let mut examples = vec![example(&rows, &clean, from.., None)];
    // The site's own events are anomalies, too.
    for event in &site.events {
        let windows = clean.windows(event);
        let end = (windows.start + 60 + AROUND.1).min(clean.weight.len());
        let around = windows.start.saturating_sub(AROUND.0)..end;
        examples.push(example(&rows, &clean, around, Some(windows.start)));
    }
    for copy in 0..COPIES.0 + COPIES.1 {
        let mut random = Random::new(seed, kind as u32, copy as i64, Purpose::Mood);
        let other = Site {
            seed: seed + 1_000 * (copy + 1),
            ..site.clone()
        };
        let is_bursts = copy >= COPIES.0;
        let placed = if is_bursts {
            bursts(&site, minutes, &mut random)
        } else {
            place(&other)
        };
        let mut strength = random.pick(&STRENGTHS);
        if is_bursts {
            strength = strength.max(LEAST_BURST);
        }
        let (values, injected) = inject(&other, &placed, strength, minutes);
        let mut labels = clean.clone();
        for anomaly in &injected {
            labels.add(&site, &values, anomaly);
        }
        let rows = evidence(&site, &values, minutes);
        for anomaly in &injected {
            let windows = labels.windows(&anomaly.minutes);
            let around = windows.start.saturating_sub(AROUND.0)
                ..(windows.end + AROUND.1).min(labels.weight.len());
            examples.push(example(&rows, &labels, around, Some(windows.start)));
        }
    }
    examples.retain(|example| example.len() > 0);
    examples
}

/// Bursts of a few windows, up or down, where the site is open.
fn bursts(site: &Site, minutes: usize, random: &mut Random) -> Vec<Placed> {
    let mut placed = Vec::new();
    let days = (DAYS - BURSTS_FROM_DAY - 1) / BURSTS;
    for burst in 0..BURSTS {
        let is_up = random.chance(0.6);
        let length = (1 + random.below(LONGEST_BURST) as usize) * minutes;
        let day = BURSTS_FROM_DAY + burst * days;
        let start = day * DAY + random.below((days * DAY - DAY / 2) as u32) as usize;
        let start = start / minutes * minutes;
        let is_open = site
            .closed
            .iter()
            .all(|closed| closed.end <= start || start + length <= closed.start);
        if is_open {
            placed.push(Placed::burst(is_up, start..start + length));
        }
    }
    placed
}

/// The number of each known window, and its inputs.
type Rows = Vec<(usize, [f32; INPUTS])>;

fn evidence(site: &Site, values: &[f64], minutes: usize) -> Rows {
    let (starts, values) = site.windows(values, minutes);
    let step = minutes as i64 * MINUTE_MICROS;
    let mut evidence = EvidenceExtractor::new(step, site.resolution, site.time_zone);
    let windows = starts.into_iter().zip(values);
    let rows = windows.filter_map(|(start, value)| {
        let number = ((start - site.start_micros) / step) as usize;
        let inputs = evidence.push(start.div_euclid(step), value)?;
        Some((number, inputs))
    });
    rows.collect()
}

fn example(
    rows: &Rows,
    labels: &Labels,
    windows: impl std::ops::RangeBounds<usize>,
    anomaly: Option<usize>,
) -> Example {
    let mut example = Example {
        inputs: Vec::new(),
        is_anomaly: Vec::new(),
        weight: Vec::new(),
        anomaly: None,
    };
    for (number, inputs) in rows.iter().filter(|(number, _)| windows.contains(number)) {
        if anomaly.is_some_and(|anomaly| *number >= anomaly) && example.anomaly.is_none() {
            example.anomaly = Some(example.len());
        }
        let grains = inputs.map(|input| (input / GRAIN).round().clamp(-127.0, 127.0) as i8);
        example.inputs.extend(grains);
        example.is_anomaly.push(labels.is_anomaly[*number]);
        example.weight.push(labels.weight[*number]);
    }
    example
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_have_normal_weeks_and_anomalies() {
        let examples = examples(&[Nuisance::Control, Nuisance::LevelUp], 1_001..1_002, 60);
        let clean = examples.iter().filter(|example| example.anomaly.is_none());
        assert_eq!(
            clean.map(Example::len).collect::<Vec<_>>(),
            [(DAYS - FROM_DAY) * 24; 2]
        );
        let with = examples.iter().filter(|example| example.anomaly.is_some());
        assert!(with.clone().count() > 10);
        // Where an anomaly cannot be known, as a weak one among large counts, no window is one.
        let is_known = |example: &&Example| {
            let start = example.anomaly.unwrap();
            example.is_anomaly[start..].contains(&true)
        };
        assert!(with.clone().filter(is_known).count() * 2 > with.clone().count());
        for example in with {
            assert!(example.anomaly.unwrap() > 0);
            assert_eq!(example.inputs(0..2).count(), 2 * INPUTS);
        }
    }

    #[test]
    fn the_same_seeds_make_the_same_examples() {
        let made = || examples(&[Nuisance::NightlyJob], 1_001..1_002, 15);
        let inputs = |made: Vec<Example>| {
            made.into_iter()
                .map(|example| example.inputs)
                .collect::<Vec<_>>()
        };
        assert_eq!(inputs(made()), inputs(made()));
    }
}
