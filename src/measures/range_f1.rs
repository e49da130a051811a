//! F1 of ranges (Tatbul et al., "Precision and Recall for Time Series", Neural Information
//! Processing Systems 2018).
//!
//! An event earns credit for being found at all and for how much of it is covered, less where it
//! is covered in pieces; a run of alarms likewise for how much of it lies in events. The terms are
//! the reference's: weight of existence α = 0.2 for recall and 0 for precision, flat positional
//! bias, cardinality factor 1/x; and the best of its [hundred thresholds](super::levels).

use std::ops::Range;

use super::error::MeasureError;
use super::labelled::Labelled;
use super::levels::{LEVELS, Levels, Tally, at_levels, best};

/// Weight of finding an event at all, against covering it.
const EXISTENCE: f64 = 0.2;

/// Range-based F1 at the oracle threshold, in [0, 1].
///
/// `labels` and `scores` have one entry per window; a NaN score is never an alarm.
///
/// # Errors
/// Where the series [cannot be judged](MeasureError).
pub fn range_f1(labels: &[bool], scores: &[f64]) -> Result<f64, MeasureError> {
    let labelled = Labelled::new(labels, scores)?;
    Ok(best_range(&labelled, &Levels::new(&labelled)))
}

pub(super) fn best_range(labelled: &Labelled<'_>, levels: &Levels) -> f64 {
    let recall = recall(labelled, levels);
    let precision = precision(labelled, levels);
    best(|level| {
        let sum = recall[level] + precision[level];
        if sum > 0.0 {
            2.0 * recall[level] * precision[level] / sum
        } else {
            0.0
        }
    })
}

/// Mean credit of events, at each threshold.
fn recall(labelled: &Labelled<'_>, levels: &Levels) -> [f64; LEVELS] {
    let mut credit = [0.0; LEVELS];
    for event in &labelled.events {
        let rows = &levels.above[event.clone()];
        let mut covered = [0_usize; LEVELS + 1];
        for &above in rows {
            covered[usize::from(above)] += 1;
        }
        let covered = at_levels(&covered);
        let mut pieces = [0_usize; LEVELS];
        each_run(rows, |_, at| {
            for pieces in &mut pieces[at] {
                *pieces += 1;
            }
        });
        for level in 0..levels.highest(event.clone()) {
            let share = covered[level] as f64 / event.len() as f64;
            credit[level] += EXISTENCE + (1.0 - EXISTENCE) * share / pieces[level] as f64;
        }
    }
    credit.map(|credit| credit / labelled.events.len() as f64)
}

/// Mean credit of runs of alarms, at each threshold; 0 without alarms.
fn precision(labelled: &Labelled<'_>, levels: &Levels) -> [f64; LEVELS] {
    // Number and credit of the runs that there are at each threshold, as differences from the
    // threshold before.
    let mut runs: Tally<isize> = [0; LEVELS + 1];
    let mut credit: Tally<f64> = [0.0; LEVELS + 1];
    let before = positives_before(labelled.labels);
    each_run(&levels.above, |run, at| {
        runs[at.start] += 1;
        runs[at.end] -= 1;
        let covered = before[run.end] - before[run.start];
        if covered > 0 {
            let first = labelled
                .events
                .partition_point(|event| event.end <= run.start);
            let end = labelled
                .events
                .partition_point(|event| event.start < run.end);
            let share = f64::from(covered) / run.len() as f64 / (end - first) as f64;
            credit[at.start] += share;
            credit[at.end] -= share;
        }
    });
    let (mut runs_here, mut credit_here) = (0, 0.0);
    std::array::from_fn(|level| {
        runs_here += runs[level];
        credit_here += credit[level];
        if runs_here > 0 {
            credit_here / runs_here as f64
        } else {
            0.0
        }
    })
}

/// Labelled windows before each row, and in all.
fn positives_before(labels: &[bool]) -> Vec<u32> {
    let mut count = 0;
    let after = labels.iter().map(|label| {
        count += u32::from(*label);
        count
    });
    std::iter::once(0).chain(after).collect()
}

/// Calls back with every distinct run of alarms and the thresholds at which it is maximal.
///
/// Runs at a lower threshold contain those at a higher one: they are found in one pass with a
/// stack of those that have begun, as the rectangles under a histogram are.
fn each_run(above: &[u8], mut with: impl FnMut(Range<usize>, Range<usize>)) {
    // First row and number of thresholds, which rises from the bottom of the stack to its top.
    let mut begun: Vec<(usize, u8)> = Vec::new();
    for (row, height) in above.iter().copied().chain([0]).enumerate() {
        let mut start = row;
        while let Some(&(first, high)) = begun.last() {
            if high <= height {
                break;
            }
            begun.pop();
            let below = begun.last().map_or(0, |(_, high)| *high).max(height);
            with(first..row, usize::from(below)..usize::from(high));
            start = first;
        }
        if begun.last().map_or(0, |(_, high)| *high) < height {
            begun.push((start, height));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs of alarms at one threshold.
    fn runs_at(above: &[u8], level: u8) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for row in (0..above.len()).filter(|row| above[*row] > level) {
            match runs.last_mut() {
                Some(run) if run.end == row => run.end += 1,
                _ => runs.push(row..row + 1),
            }
        }
        runs
    }

    proptest! {
        #[test]
        fn runs_of_one_pass_are_those_of_each_threshold(
            above in prop::collection::vec(prop_oneof![0u8..5, Just(LEVELS as u8 - 1)], 0..60),
        ) {
            let mut found = vec![Vec::new(); LEVELS];
            each_run(&above, |run, at| {
                for level in at {
                    found[level].push(run.clone());
                }
            });
            for (level, mut runs) in found.into_iter().enumerate() {
                runs.sort_by_key(|run| run.start);
                prop_assert_eq!(runs, runs_at(&above, level as u8));
            }
        }
    }
}
