//! Which series look alike, so that weights which judge one of them must not have learned from another.
//!
//! Series of one service share incidents: a detector that learned from one knows when the others fail.
//! Two look alike if they hold the same values somewhere ([`overlaps`]), or if the labels of their common
//! time overlap: the time that both are labelled is more than 0.3 of the time that either is.

use std::ops::Range;

use super::collections::LabelledSeries;
use super::copies::overlaps;

/// Share of the labelled time that both have, above which labels are of the same incidents. Of the fifteen
/// KPI series three pairs have 0.35 to 0.68, all others less than 0.2.
const SAME_INCIDENTS: f64 = 0.3;

/// The look-alikes among some series: every series once, in groups by its first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookAlikes {
    groups: Vec<Vec<usize>>,
}

impl LookAlikes {
    /// Compares all series with each other; who looks like a look-alike is one too.
    #[must_use]
    pub fn find(all: &[LabelledSeries]) -> Self {
        let mut group: Vec<usize> = (0..all.len()).collect();
        let mut join = |one: usize, other: usize| {
            let (kept, joined) = (group[one].min(group[other]), group[one].max(group[other]));
            for group in &mut group {
                if *group == joined {
                    *group = kept;
                }
            }
        };
        for (one, other) in overlaps(all) {
            join(one, other);
        }
        let events: Vec<Vec<Range<i64>>> = all.iter().map(events).collect();
        for one in 0..all.len() {
            for other in one + 1..all.len() {
                if have_same_incidents([&all[one], &all[other]], [&events[one], &events[other]]) {
                    join(one, other);
                }
            }
        }
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); all.len()];
        for (series, group) in group.into_iter().enumerate() {
            groups[group].push(series);
        }
        groups.retain(|group| !group.is_empty());
        Self { groups }
    }

    /// As many folds as that, or fewer: groups go, the largest first, to the smallest fold, so that folds
    /// are of about one size. Series without look-alikes are dealt in turn. Folds are in order, and so are
    /// the series in each.
    #[must_use]
    pub fn folds(&self, most: usize) -> Vec<Vec<usize>> {
        let mut folds: Vec<Vec<usize>> = vec![Vec::new(); most.min(self.groups.len())];
        let mut groups: Vec<&Vec<usize>> = self.groups.iter().collect();
        // Stable: groups of a size stay in order.
        groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
        for group in groups {
            if let Some(fold) = folds.iter_mut().min_by_key(|fold| fold.len()) {
                fold.extend(group);
            }
        }
        for fold in &mut folds {
            fold.sort_unstable();
        }
        folds.sort();
        folds
    }
}

/// The times of the labels of a series, in order.
fn events(series: &LabelledSeries) -> Vec<Range<i64>> {
    let step = series.step_micros();
    let mut events: Vec<Range<i64>> = Vec::new();
    for (start, is_labelled) in series.window_start.iter().zip(&series.labels) {
        if *is_labelled {
            match events.last_mut().filter(|last| last.end == *start) {
                Some(last) => last.end = start + step,
                None => events.push(*start..start + step),
            }
        }
    }
    events
}

fn have_same_incidents(series: [&LabelledSeries; 2], events: [&[Range<i64>]; 2]) -> bool {
    let range = |series: &LabelledSeries| {
        let first = series.window_start.first().copied().unwrap_or_default();
        let last = series.window_start.last().copied().unwrap_or_default();
        first..last + series.step_micros()
    };
    let [one, other] = series.map(range);
    let common = one.start.max(other.start)..one.end.min(other.end);
    let [one, other] = events.map(|events| within(events, &common));
    let both = both(&one, &other);
    let either = length(&one) + length(&other) - both;
    both as f64 > SAME_INCIDENTS * either as f64
}

/// The parts of times that lie in a range.
fn within(times: &[Range<i64>], range: &Range<i64>) -> Vec<Range<i64>> {
    let part = |time: &Range<i64>| time.start.max(range.start)..time.end.min(range.end);
    times
        .iter()
        .map(part)
        .filter(|time| time.start < time.end)
        .collect()
}

fn length(times: &[Range<i64>]) -> i64 {
    times.iter().map(|time| time.end - time.start).sum()
}

/// The time that both have, each in order.
fn both(one: &[Range<i64>], other: &[Range<i64>]) -> i64 {
    let (mut place, mut shared) = (0, 0);
    for time in one {
        while place < other.len() && other[place].end <= time.start {
            place += 1;
        }
        let later = other[place..]
            .iter()
            .take_while(|other| other.start < time.end);
        let parts = later.map(|other| time.end.min(other.end) - time.start.max(other.start));
        shared += parts.sum::<i64>();
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::made_up::{noise, series};

    /// A series of its own values with labels at some windows.
    fn labelled(seed: u64, labels: &[Range<usize>]) -> LabelledSeries {
        let mut series = series("a", noise(seed), 2_000);
        for label in labels {
            series.labels[label.clone()].fill(true);
        }
        series
    }

    #[test]
    fn series_with_the_same_incidents_or_values_look_alike() {
        let mut all = vec![
            labelled(1, &[100..130, 900..930]),
            labelled(2, &[300..310, 310..400]),
            // 45 of 75 minutes are those of the first.
            labelled(3, &[100..130, 915..945]),
            labelled(4, &[]),
            labelled(5, &[]),
        ];
        let groups = |all: &[LabelledSeries]| LookAlikes::find(all).groups;
        assert_eq!(groups(&all), [vec![0, 2], vec![1], vec![3], vec![4]]);
        // The same values are another reason, and look-alikes of look-alikes are some too.
        all[3].metrics = all[2].metrics.clone();
        assert_eq!(groups(&all), [vec![0, 2, 3], vec![1], vec![4]]);
        // At other times, labels are others.
        for start in &mut all[0].window_start {
            *start += 500_000_000_000_000;
        }
        assert_eq!(groups(&all), [vec![0], vec![1], vec![2, 3], vec![4]]);
    }

    #[test]
    fn a_few_common_minutes_are_chance() {
        let all = [
            labelled(1, &[100..130, 900..930]),
            labelled(2, &[125..150, 150..190]),
        ];
        assert_eq!(LookAlikes::find(&all).groups.len(), 2);
    }

    #[test]
    fn look_alikes_are_in_one_fold_and_folds_of_about_one_size() {
        let of = |groups: &[&[usize]]| LookAlikes {
            groups: groups.iter().map(|group| group.to_vec()).collect(),
        };
        let alone = of(&[&[0], &[1], &[2], &[3], &[4], &[5], &[6]]);
        assert_eq!(alone.folds(3), [vec![0, 3, 6], vec![1, 4], vec![2, 5]]);
        let alike = of(&[&[0], &[1, 4, 5], &[2], &[3], &[6]]);
        assert_eq!(alike.folds(3), [vec![0, 3], vec![1, 4, 5], vec![2, 6]]);
        assert_eq!(alike.folds(9).len(), 5);
        assert!(of(&[]).folds(5).is_empty());
    }
}
