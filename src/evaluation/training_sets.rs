//! What a detector may learn before it judges a series.
//!
//! Invariant: [`TrainingSets`] are made by [`TrainingSets::own`] and [`TrainingSets::of_others`] alone,
//! those with labels by [`with_labels`], training in an evaluation takes nothing else, and all refuse
//! what leaks:
//! - a row at or after `train_points` of its series, which is judged;
//! - for weights that must not know the series judged: that series, under whatever name, or one
//!   that shares rows with what is judged. [`super::protocol::others`] leaves those out;
//! - for weights that judge all series they learn from, a history that shares rows with what is
//!   judged of another.

use super::collections::LabelledSeries;
use super::copies::Copies;
use super::leak::{Leak, named};
use crate::training::dataset::Series;
use crate::training::labelled::LabelledDataset;
use crate::training::{Dataset, TrainingError};

/// The first rows of a series, to learn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainingRange {
    /// The series, by its place in the list.
    pub series: usize,
    /// How many rows.
    pub rows: usize,
}

impl TrainingRange {
    /// All of a series that may be learned from.
    #[must_use]
    pub fn history(all: &[LabelledSeries], series: usize) -> Self {
        let rows = all[series].train_points;
        Self { series, rows }
    }
}

/// Rows that a detector may learn from: see the module.
#[derive(Debug)]
pub struct TrainingSets {
    datasets: Vec<Dataset>,
}

impl TrainingSets {
    /// A series' own history, for a detector that judges the rest of it.
    ///
    /// # Errors
    /// When it leaks, or is not enough to learn from.
    pub fn own(series: &LabelledSeries, rows: usize) -> Result<Self, TrainingSetError> {
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
        ranges: &[TrainingRange],
    ) -> Result<Self, TrainingSetError> {
        copies.refuse(all, judged, ranges.iter().map(|range| range.series))?;
        let mut datasets = Vec::new();
        let mut refusal = None;
        for range in ranges {
            let series = &all[range.series];
            check_rows(series, range.rows)?;
            match dataset(series, range.rows) {
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
    ranges: &[TrainingRange],
) -> Result<Vec<LabelledDataset>, TrainingSetError> {
    let judged: Vec<usize> = (0..all.len()).collect();
    let pairs = copies.shared(&judged, ranges.iter().map(|range| range.series));
    if !pairs.is_empty() {
        let pairs = named(all, &pairs);
        return Err(Leak::Copies { pairs }.into());
    }
    let mut labelled = Vec::new();
    let mut refusal = None;
    for range in ranges {
        let series = &all[range.series];
        check_rows(series, range.rows)?;
        match dataset(series, range.rows) {
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

/// Why there are no training sets.
#[derive(Debug, thiserror::Error)]
pub enum TrainingSetError {
    /// They would leak.
    #[error(transparent)]
    Leak(#[from] Leak),
    /// They are not enough.
    #[error(transparent)]
    Training(Box<TrainingError>),
}

impl From<TrainingError> for TrainingSetError {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::made_up::{noise, series};

    fn of_others(
        all: &[LabelledSeries],
        judged: usize,
        range: TrainingRange,
    ) -> Result<(), String> {
        let sets = TrainingSets::of_others(all, &Copies::find(all), &[judged], &[range]);
        sets.map(drop).map_err(|error| error.to_string())
    }

    fn first(series: usize) -> TrainingRange {
        TrainingRange {
            series,
            rows: 2_000,
        }
    }

    #[test]
    fn rows_that_are_judged_are_not_learned_from() {
        let one = series("one", noise(1), 2_000);
        assert!(TrainingSets::own(&one, 2_000).is_ok());
        insta::assert_snapshot!(TrainingSets::own(&one, 2_001).unwrap_err(), @"a detector would learn from 2001 rows of `one`, of which those after the first 2000 are judged");
        let all = [one, series("two", noise(2), 2_000)];
        assert_eq!(of_others(&all, 0, first(1)), Ok(()));
        let late = TrainingRange {
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
    fn labelled_rows_are_those_of_the_history_and_no_copies() {
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
        let given = |ranges: &[TrainingRange]| {
            with_labels(&all, &copies, ranges).map_err(|error| error.to_string())
        };
        let labelled = given(&[first(0), first(2)]).unwrap();
        assert_eq!(labelled.len(), 2);
        let (learned, labels) = labelled[0].series().next().unwrap();
        assert_eq!((learned.window_start.len(), labels.len()), (2_000, 2_000));
        assert_eq!(labels.iter().filter(|label| **label).count(), 10);
        insta::assert_snapshot!(given(&[first(0), first(1)]).unwrap_err(), @"`part` holds rows on which `one` is judged");
        let late = TrainingRange {
            series: 2,
            rows: 2_001,
        };
        insta::assert_snapshot!(given(&[late]).unwrap_err(), @"a detector would learn from 2001 rows of `other`, of which those after the first 2000 are judged");
        let short = TrainingRange { series: 2, rows: 9 };
        assert!(given(&[short]).is_err());
        assert_eq!(given(&[short, first(0)]).unwrap().len(), 1);
    }
}
