//! Which series share rows, whatever they are called.
//!
//! That is told from their values: timestamps of published series are often made up. A run of 64
//! values, 32 of them distinct, is not met twice by chance.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::collections::LabelledSeries;
use super::leak::{Leak, named};

/// Values of a run that tells one series from all others, …
const RUN: usize = 64;
/// … and distinct values that it must have for that: zeros and steps are everywhere.
const DISTINCT: usize = 32;
/// Multiplier of the rolling hash: the golden ratio, as of [`mix`].
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// Which histories share rows with what is judged of other series.
#[derive(Debug, Default)]
pub struct Copies {
    /// History and series judged.
    pairs: HashSet<(usize, usize)>,
}

impl Copies {
    /// Compares the values of all series.
    #[must_use]
    pub fn find(all: &[LabelledSeries]) -> Self {
        let mut pairs = HashSet::new();
        let bits = bits(all);
        let judged_bits = |series: usize| {
            let from = all[series].train_points;
            bits[series].iter().map(move |values| &values[from..])
        };
        // Series of few distinct values have no telling runs: equal ones are found whole.
        for one in 0..all.len() {
            let is_constant =
                judged_bits(one).all(|values| values.iter().all(|value| *value == values[0]));
            for other in (0..all.len()).filter(|other| *other != one) {
                let is_equal = || judged_bits(one).eq(judged_bits(other));
                if bits[one] == bits[other] || (!is_constant && is_equal()) {
                    pairs.insert((one, other));
                }
            }
        }
        let mut runs = Runs::default();
        for judged in 0..all.len() {
            for values in judged_bits(judged) {
                runs.add(judged, values);
            }
        }
        for (learned, series) in all.iter().enumerate() {
            for values in &bits[learned] {
                let judged = runs.others_with(learned, &values[..series.train_points]);
                pairs.extend(judged.into_iter().map(|judged| (learned, judged)));
            }
        }
        Self { pairs }
    }

    /// The histories among some that share rows with what is judged, each with the first series
    /// judged that it does so with.
    #[must_use]
    pub fn shared(
        &self,
        judged: &[usize],
        learned: impl IntoIterator<Item = usize>,
    ) -> Vec<(usize, usize)> {
        let shared = |learned: usize| {
            let with = judged
                .iter()
                .find(|judged| self.pairs.contains(&(learned, **judged)));
            with.map(|judged| (learned, *judged))
        };
        learned.into_iter().filter_map(shared).collect()
    }

    /// Refuses to learn from series judged and from those that share rows with what is judged.
    ///
    /// # Errors
    /// Naming all that leak.
    pub fn refuse(
        &self,
        all: &[LabelledSeries],
        judged: &[usize],
        learned: impl IntoIterator<Item = usize> + Clone,
    ) -> Result<(), Leak> {
        let mut known = learned.clone().into_iter();
        if let Some(known) = known.find(|learned| judged.contains(learned)) {
            let file = all[known].file.clone();
            return Err(Leak::Known { file });
        }
        let pairs = self.shared(judged, learned);
        if pairs.is_empty() {
            return Ok(());
        }
        Err(Leak::Copies {
            pairs: named(all, &pairs),
        })
    }
}

/// Pairs of series that hold the same values over some run, anywhere, each once.
#[must_use]
pub fn overlaps(all: &[LabelledSeries]) -> Vec<(usize, usize)> {
    let bits = bits(all);
    let mut runs = Runs::default();
    for (series, values) in bits.iter().enumerate() {
        for values in values {
            runs.add(series, values);
        }
    }
    let mut pairs = BTreeSet::new();
    for (series, values) in bits.iter().enumerate() {
        let others = values
            .iter()
            .flat_map(|values| runs.others_with(series, values));
        pairs.extend(others.map(|other| (series.min(other), series.max(other))));
    }
    pairs.into_iter().collect()
}

/// The bits of all values, by series and metric.
fn bits(all: &[LabelledSeries]) -> Vec<Vec<Vec<u64>>> {
    let of_metric = |values: &Vec<f64>| values.iter().map(|value| value.to_bits()).collect();
    let of_series = |series: &LabelledSeries| series.metrics.iter().map(of_metric).collect();
    all.iter().map(of_series).collect()
}

/// Runs of values that tell a series from others, by their hash, with the series that have them.
#[derive(Debug, Default)]
struct Runs {
    series: HashMap<u64, Vec<usize>>,
}

impl Runs {
    /// Adds every [`RUN`] values of a series.
    fn add(&mut self, series: usize, values: &[u64]) {
        for run in values.chunks_exact(RUN) {
            if run.iter().collect::<HashSet<_>>().len() >= DISTINCT {
                let found = self.series.entry(hash(run)).or_default();
                if found.last() != Some(&series) {
                    found.push(series);
                }
            }
        }
    }

    /// Other series with a run that lies somewhere in the values of one.
    fn others_with(&self, series: usize, values: &[u64]) -> HashSet<usize> {
        let hashes = rolling_hashes(values).into_iter();
        let found = hashes.filter_map(|hash| self.series.get(&hash)).flatten();
        found.copied().filter(|other| *other != series).collect()
    }
}

/// Spreads the bits of a value (the finaliser of `SplitMix64`).
const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Polynomial hash of values (Karp & Rabin 1987).
fn hash(run: &[u64]) -> u64 {
    run.iter().fold(0, |hash, value| {
        hash.wrapping_mul(BASE).wrapping_add(mix(*value))
    })
}

/// The hash of every run.
fn rolling_hashes(values: &[u64]) -> Vec<u64> {
    let Some(first) = values.get(..RUN) else {
        return Vec::new();
    };
    let oldest = BASE.wrapping_pow(RUN as u32 - 1);
    let mut current = hash(first);
    let mut hashes = vec![current];
    for (leaving, entering) in values.iter().zip(&values[RUN..]) {
        current = current
            .wrapping_sub(mix(*leaving).wrapping_mul(oldest))
            .wrapping_mul(BASE)
            .wrapping_add(mix(*entering));
        hashes.push(current);
    }
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::made_up::{noise, series};

    fn refused(all: &[LabelledSeries], judged: usize, learned: usize) -> Result<(), String> {
        let refused = Copies::find(all).refuse(all, &[judged], [learned]);
        refused.map_err(|leak| leak.to_string())
    }

    #[test]
    fn copies_are_found_by_their_values() {
        let values = noise(1);
        // The first's judged rows from 2300 on, as the history of another.
        let mut shifted = noise(2);
        shifted[..300].copy_from_slice(&values[2_300..2_600]);
        let all = [
            series("one", values.clone(), 2_000),
            series("again", values, 3_000),
            series("part", shifted, 2_000),
            series("other", noise(3), 2_000),
        ];
        insta::assert_snapshot!(refused(&all, 0, 1).unwrap_err(), @"`again` holds rows on which `one` is judged");
        insta::assert_snapshot!(refused(&all, 0, 2).unwrap_err(), @"`part` holds rows on which `one` is judged");
        assert_eq!(refused(&all, 0, 3), Ok(()));
        assert_eq!(refused(&all, 2, 0), Ok(()), "only one way");
        assert_eq!(overlaps(&all), [(0, 1), (0, 2), (1, 2)], "either way");
    }

    #[test]
    fn equal_series_of_few_values_are_copies_and_flat_ones_are_not() {
        let spikes = |every: usize| (0..4_000).map(|row| f64::from(row % every == 0)).collect();
        let all = [
            series("one", spikes(7), 2_000),
            series("again", spikes(7), 2_000),
            series("other", spikes(9), 2_000),
        ];
        assert!(refused(&all, 0, 1).is_err());
        assert_eq!(refused(&all, 0, 2), Ok(()));
        let mut flat = [noise(1), noise(2)];
        for values in &mut flat {
            values[2_000..].fill(1.0);
        }
        let all = flat.map(|values| series("flat", values, 2_000));
        assert_eq!(refused(&all, 0, 1), Ok(()));
    }
}
