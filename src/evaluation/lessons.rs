//! What a detector may learn before it judges a series.
//!
//! Invariant: [`Lessons`] are made by [`Lessons::own`] and [`Lessons::of_others`] alone, those with
//! labels by [`with_labels`], training in an evaluation takes nothing else, and all refuse what leaks:
//! - a row at or after `train_points` of its series, which is judged;
//! - for weights that must not know the series judged: that series, under whatever name, or one
//!   that shares rows with what is judged. [`super::run`] leaves those out of the lessons;
//! - for weights that judge all series they learn from, a history that shares rows with what is
//!   judged of another.
//!
//! That two series share rows is told from their values: timestamps of published series are often
//! made up. A run of 64 values, 32 of them distinct, is not met twice by chance.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::training::dataset::Series;
use crate::training::labelled::LabelledDataset;
use crate::training::{Dataset, TrainingError};

use super::collection::LabelledSeries;

/// Values of a run that tells one series from all others, …
const RUN: usize = 64;
/// … and distinct values that it must have for that: zeros and steps are everywhere.
const DISTINCT: usize = 32;
/// Multiplier of the rolling hash: the golden ratio, as of [`mix`].
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// Why a detector may not learn something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Leak {
    /// The range that is judged.
    #[error(
        "a detector would learn from {rows} rows of `{file}`, of which those after the first \
         {train_points} are judged"
    )]
    Future {
        /// The series.
        file: String,
        /// Rows to learn from.
        rows: usize,
        /// Rows that may be learned from.
        train_points: usize,
    },
    /// The series judged, for weights that must not know it.
    #[error("a detector that must not know `{file}` would learn from it")]
    Known {
        /// The series.
        file: String,
    },
    /// Copies of what is judged, or of a part of it.
    #[error("{}", copies(.pairs))]
    Copies {
        /// All of them.
        pairs: Vec<Copied>,
    },
    /// A stored detector that was trained on what is judged.
    #[error(
        "detector `{detector}` learned from windows before {until}, and `{file}` is judged from {since} on"
    )]
    Stored {
        /// The detector.
        detector: String,
        /// End of what it learned from, RFC 3339.
        until: String,
        /// The series.
        file: String,
        /// Its first window that is judged, RFC 3339.
        since: String,
    },
}

/// A history that holds rows on which another series is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// The series to learn from.
    pub learned: String,
    /// The series judged.
    pub judged: String,
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { learned, judged } = self;
        write!(f, "`{learned}` holds rows on which `{judged}` is judged")
    }
}

fn copies(pairs: &[Copied]) -> String {
    let texts: Vec<String> = pairs.iter().map(Copied::to_string).collect();
    texts.join("; ")
}

/// Pairs of a history and a series judged, by name.
pub(super) fn named(all: &[LabelledSeries], pairs: &[(usize, usize)]) -> Vec<Copied> {
    let name = |series: usize| all[series].file.clone();
    let named = |&(learned, judged): &(usize, usize)| Copied {
        learned: name(learned),
        judged: name(judged),
    };
    pairs.iter().map(named).collect()
}

impl Leak {
    /// What the user can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Stored { .. } => {
                "judge a later range with `--since`, or train with `--until` before it"
            }
            Self::Future { .. } | Self::Known { .. } | Self::Copies { .. } => {
                "list each series once, or use `--protocol per-series`, which learns from the \
                 training range of the series judged alone"
            }
        }
    }
}

/// The first rows of a series, to learn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lesson {
    /// The series, by its place in the list.
    pub series: usize,
    /// How many rows.
    pub rows: usize,
}

/// Rows that a detector may learn from: see the module.
#[derive(Debug)]
pub struct Lessons {
    datasets: Vec<Dataset>,
}

impl Lessons {
    /// A series' own history, for a detector that judges the rest of it.
    ///
    /// # Errors
    /// When it leaks, or is not enough to learn from.
    pub fn own(series: &LabelledSeries, rows: usize) -> Result<Self, LessonError> {
        check_rows(series, rows)?;
        let datasets = vec![dataset(series, rows)?];
        Ok(Self { datasets })
    }

    /// Histories of other series, for weights that must not know those judged. What is not enough
    /// to learn from is left out.
    ///
    /// # Errors
    /// When it leaks, or nothing is enough to learn from.
    pub fn of_others(
        all: &[LabelledSeries],
        copies: &Copies,
        judged: &[usize],
        lessons: &[Lesson],
    ) -> Result<Self, LessonError> {
        copies.refuse(all, judged, lessons.iter().map(|lesson| lesson.series))?;
        let mut datasets = Vec::new();
        let mut refusal = None;
        for lesson in lessons {
            let series = &all[lesson.series];
            check_rows(series, lesson.rows)?;
            match dataset(series, lesson.rows) {
                Ok(dataset) => datasets.push(dataset),
                Err(error) => refusal = Some(error),
            }
        }
        match refusal {
            Some(error) if datasets.is_empty() => Err(error.into()),
            _ => Ok(Self { datasets }),
        }
    }

    /// One per series.
    #[must_use]
    pub fn datasets(&self) -> Vec<&Dataset> {
        self.datasets.iter().collect()
    }
}

/// The histories of some series with their labels, for weights that judge what comes after in all
/// series. What is not enough to learn from is left out.
///
/// # Errors
/// When it leaks, or nothing is enough to learn from.
pub fn with_labels(
    all: &[LabelledSeries],
    copies: &Copies,
    lessons: &[Lesson],
) -> Result<Vec<LabelledDataset>, LessonError> {
    let judged: Vec<usize> = (0..all.len()).collect();
    let pairs = copies.shared(&judged, lessons.iter().map(|lesson| lesson.series));
    if !pairs.is_empty() {
        let pairs = named(all, &pairs);
        return Err(Leak::Copies { pairs }.into());
    }
    let mut labelled = Vec::new();
    let mut refusal = None;
    for lesson in lessons {
        let series = &all[lesson.series];
        check_rows(series, lesson.rows)?;
        match dataset(series, lesson.rows) {
            Ok(dataset) => labelled.push(LabelledDataset::new(dataset, |learned| {
                series.labels[..learned.window_start.len()].to_vec()
            })),
            Err(error) => refusal = Some(error),
        }
    }
    match refusal {
        Some(error) if labelled.is_empty() => Err(error.into()),
        _ => Ok(labelled),
    }
}

/// Why lessons cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum LessonError {
    /// They would leak.
    #[error(transparent)]
    Leak(#[from] Leak),
    /// They are not enough.
    #[error(transparent)]
    Training(Box<TrainingError>),
}

impl From<TrainingError> for LessonError {
    fn from(error: TrainingError) -> Self {
        Self::Training(Box::new(error))
    }
}

fn check_rows(series: &LabelledSeries, rows: usize) -> Result<(), Leak> {
    let train_points = series.train_points;
    if rows > train_points {
        let file = series.file.clone();
        return Err(Leak::Future {
            file,
            rows,
            train_points,
        });
    }
    Ok(())
}

fn dataset(series: &LabelledSeries, rows: usize) -> Result<Dataset, TrainingError> {
    let names = series.metric_names.clone();
    let metrics = series.metrics.iter().map(|values| values[..rows].to_vec());
    let series = Series {
        key: series.file.clone(),
        window_start: series.window_start[..rows].to_vec(),
        metrics: metrics.collect(),
        ..Series::default()
    };
    Dataset::new(names, vec![series])
}

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
    use crate::evaluation::floors::random;

    const MINUTE: i64 = 60_000_000;

    fn series(file: &str, values: Vec<f64>, train_points: usize) -> LabelledSeries {
        LabelledSeries {
            file: file.to_owned(),
            dataset: "made-up".to_owned(),
            window_start: (0..values.len() as i64).map(|row| row * MINUTE).collect(),
            labels: vec![false; values.len()],
            metric_names: vec!["value".to_owned()],
            metrics: vec![values],
            anomalies: Vec::new(),
            train_points,
            vus_window: 10,
            step_seconds: 60,
        }
    }

    fn noise(seed: u64) -> Vec<f64> {
        random(&vec![0.0; 4_000], seed)
    }

    fn of_others(all: &[LabelledSeries], judged: usize, lesson: Lesson) -> Result<(), String> {
        let lessons = Lessons::of_others(all, &Copies::find(all), &[judged], &[lesson]);
        lessons.map(drop).map_err(|error| error.to_string())
    }

    fn first(series: usize) -> Lesson {
        Lesson {
            series,
            rows: 2_000,
        }
    }

    #[test]
    fn rows_that_are_judged_are_no_lessons() {
        let one = series("one", noise(1), 2_000);
        assert!(Lessons::own(&one, 2_000).is_ok());
        insta::assert_snapshot!(Lessons::own(&one, 2_001).unwrap_err(), @"a detector would learn from 2001 rows of `one`, of which those after the first 2000 are judged");
        let all = [one, series("two", noise(2), 2_000)];
        assert_eq!(of_others(&all, 0, first(1)), Ok(()));
        let late = Lesson {
            series: 1,
            rows: 2_001,
        };
        insta::assert_snapshot!(of_others(&all, 0, late).unwrap_err(), @"a detector would learn from 2001 rows of `two`, of which those after the first 2000 are judged");
    }

    #[test]
    fn the_series_judged_teaches_nothing_that_must_not_know_it() {
        let all = [series("one", noise(1), 2_000)];
        insta::assert_snapshot!(of_others(&all, 0, first(0)).unwrap_err(), @"a detector that must not know `one` would learn from it");
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
        insta::assert_snapshot!(of_others(&all, 0, first(1)).unwrap_err(), @"`again` holds rows on which `one` is judged");
        insta::assert_snapshot!(of_others(&all, 0, first(2)).unwrap_err(), @"`part` holds rows on which `one` is judged");
        assert_eq!(of_others(&all, 0, first(3)), Ok(()));
        assert_eq!(of_others(&all, 2, first(0)), Ok(()), "only one way");
        assert_eq!(overlaps(&all), [(0, 1), (0, 2), (1, 2)], "either way");
    }

    #[test]
    fn lessons_with_labels_are_those_of_the_history_and_no_copies() {
        let values = noise(1);
        let mut shifted = noise(2);
        shifted[..300].copy_from_slice(&values[2_300..2_600]);
        let mut all = [
            series("one", values, 2_000),
            series("part", shifted, 2_000),
            series("other", noise(3), 2_000),
        ];
        all[0].labels[1_990..2_010].fill(true);
        let copies = Copies::find(&all);
        let given = |lessons: &[Lesson]| {
            with_labels(&all, &copies, lessons).map_err(|error| error.to_string())
        };
        let labelled = given(&[first(0), first(2)]).unwrap();
        assert_eq!(labelled.len(), 2);
        let (learned, labels) = labelled[0].series().next().unwrap();
        assert_eq!((learned.window_start.len(), labels.len()), (2_000, 2_000));
        assert_eq!(labels.iter().filter(|label| **label).count(), 10);
        insta::assert_snapshot!(given(&[first(0), first(1)]).unwrap_err(), @"`part` holds rows on which `one` is judged");
        let late = Lesson {
            series: 2,
            rows: 2_001,
        };
        insta::assert_snapshot!(given(&[late]).unwrap_err(), @"a detector would learn from 2001 rows of `other`, of which those after the first 2000 are judged");
        let short = Lesson { series: 2, rows: 9 };
        assert!(given(&[short]).is_err());
        assert_eq!(given(&[short, first(0)]).unwrap().len(), 1);
    }

    #[test]
    fn equal_series_of_few_values_are_copies_and_flat_ones_are_not() {
        let spikes = |every: usize| (0..4_000).map(|row| f64::from(row % every == 0)).collect();
        let all = [
            series("one", spikes(7), 2_000),
            series("again", spikes(7), 2_000),
            series("other", spikes(9), 2_000),
        ];
        assert!(of_others(&all, 0, first(1)).is_err());
        assert_eq!(of_others(&all, 0, first(2)), Ok(()));
        let mut flat = [noise(1), noise(2)];
        for values in &mut flat {
            values[2_000..].fill(1.0);
        }
        let all = flat.map(|values| series("flat", values, 2_000));
        assert_eq!(of_others(&all, 0, first(1)), Ok(()));
    }
}
