//! F1 of affiliation (Huet, Navarro & Rossi, "Local Evaluation of Time Series Anomaly Detection
//! Algorithms", KDD 2022).
//!
//! Every point in time belongs to the zone of its nearest event. Within a zone, precision asks how
//! near alarms are to the event, recall how near the event is to alarms; each distance counts as
//! the probability that a uniformly random point of the zone would be farther. Random scores have
//! about 0.67, so only what is above that says anything.
//!
//! Precision is the mean over zones with alarms, recall over all. A window is the interval from its
//! row to the next. All integrands are linear between a few known points, so trapezoids are exact.
//! The definitions are the paper's; the best of the [hundred thresholds](super::levels) is the
//! reference's. Where scores are all the same there is never an alarm, and F1 is 0; the reference
//! says NaN.

use std::ops::Range;

use super::error::MeasureError;
use super::labelled::Labelled;
use super::levels::{LEVELS, Levels, Tally, at_levels, best};

/// What the reference adds to the denominator.
const F1_EPSILON: f64 = 1e-15;

/// Affiliation F1 at the oracle threshold, in [0, 1).
///
/// `labels` and `scores` have one entry per window; a NaN score is never an alarm.
///
/// # Errors
/// Where the series [cannot be judged](MeasureError).
pub fn affiliation_f1(labels: &[bool], scores: &[f64]) -> Result<f64, MeasureError> {
    let labelled = Labelled::new(labels, scores)?;
    Ok(best_affiliation(&labelled, &Levels::new(&labelled)))
}

pub(super) fn best_affiliation(labelled: &Labelled<'_>, levels: &Levels) -> f64 {
    let mut precision = [0.0; LEVELS];
    let mut zones_with_alarms = [0.0; LEVELS];
    let mut recall = [0.0; LEVELS];
    for zone in zones(&labelled.events, labelled.len()) {
        let (length, credit) = zone.alarms(&levels.above);
        let found = zone.recall(&levels.above);
        for level in 0..LEVELS {
            if length[level] > 0.0 {
                precision[level] += credit[level] / length[level];
                zones_with_alarms[level] += 1.0;
            }
            recall[level] += found[level];
        }
    }
    best(|level| {
        let precision = precision[level] / zones_with_alarms[level];
        let recall = recall[level] / labelled.events.len() as f64;
        2.0 * precision * recall / (precision + recall + F1_EPSILON)
    })
}

/// An event and the stretch of time that is nearer to it than to any other.
#[derive(Debug)]
struct Zone {
    start: f64,
    end: f64,
    event: Range<usize>,
}

/// The zones of all events: they meet half-way between events, which may be within a window.
fn zones(events: &[Range<usize>], windows: usize) -> impl Iterator<Item = Zone> {
    let half_way = |pair: &[Range<usize>]| f64::midpoint(pair[0].end as f64, pair[1].start as f64);
    let between = events.windows(2).map(half_way);
    let starts = std::iter::once(0.0).chain(between.clone());
    let ends = between.chain(std::iter::once(windows as f64));
    let zones = starts.zip(ends).zip(events);
    zones.map(|((start, end), event)| Zone {
        start,
        end,
        event: event.clone(),
    })
}

impl Zone {
    /// Windows that lie in the zone, at least in part.
    fn rows(&self) -> Range<usize> {
        self.start as usize..self.end.ceil() as usize
    }

    fn length(&self) -> f64 {
        self.end - self.start
    }

    /// Length of alarms in the zone, and the integral over them of the probability that a random
    /// point of the zone is farther from the event, at each threshold.
    fn alarms(&self, above: &[u8]) -> ([f64; LEVELS], [f64; LEVELS]) {
        let mut lengths: Tally<f64> = [0.0; LEVELS + 1];
        let mut credits: Tally<f64> = [0.0; LEVELS + 1];
        let (event_start, event_end) = (self.event.start as f64, self.event.end as f64);
        for row in self.rows() {
            let (begin, end) = (
                (row as f64).max(self.start),
                ((row + 1) as f64).min(self.end),
            );
            let credit = if self.event.contains(&row) {
                end - begin
            } else if row < self.event.start {
                self.credit_between(event_start - end, event_start - begin)
            } else {
                self.credit_between(begin - event_end, end - event_end)
            };
            lengths[usize::from(above[row])] += end - begin;
            credits[usize::from(above[row])] += credit;
        }
        (at_levels(&lengths), at_levels(&credits))
    }

    /// Integral over distances from the event, all on one side, of the probability that a random
    /// point is farther.
    fn credit_between(&self, nearest: f64, farthest: f64) -> f64 {
        let (start, end) = (self.event.start as f64, self.event.end as f64);
        // Up to the nearer border there are points at each distance on both sides.
        let border = (start - self.start).min(self.end - end);
        let farther =
            |distance: f64| 1.0 - (distance.min(border) + distance + (end - start)) / self.length();
        integral(farther, [nearest, border, farthest])
    }

    /// Mean over the event of the probability that a random point of the zone is farther from it
    /// than the nearest alarm in the zone, at each threshold.
    fn recall(&self, above: &[u8]) -> [f64; LEVELS] {
        let mut recall = [0.0; LEVELS];
        let rows = self.rows();
        let before = first_above(above, (rows.start..self.event.start).rev());
        let after = first_above(above, self.event.end..rows.end);
        for level in 0..LEVELS {
            let last = before[level].map(|row| row + 1);
            recall[level] = self.recall_at(level, above, last, after[level]);
        }
        recall
    }

    /// The recall at one threshold, given where the nearest alarms outside the event end and begin.
    fn recall_at(
        &self,
        level: usize,
        above: &[u8],
        mut last: Option<usize>,
        next: Option<usize>,
    ) -> f64 {
        let mut credit = 0.0;
        let mut begin = self.event.start;
        for row in self
            .event
            .clone()
            .filter(|row| usize::from(above[*row]) > level)
        {
            credit += self.credit_of_gap(begin..row, last, Some(row)) + 1.0;
            begin = row + 1;
            last = Some(begin);
        }
        credit += self.credit_of_gap(begin..self.event.end, last, next);
        credit / self.event.len() as f64
    }

    /// Integral over a part of the event without alarms, between the nearest alarms on either side.
    fn credit_of_gap(&self, gap: Range<usize>, last: Option<usize>, next: Option<usize>) -> f64 {
        if gap.is_empty() {
            return 0.0;
        }
        let (begin, end) = (gap.start as f64, gap.end as f64);
        match (last, next) {
            (None, None) => 0.0,
            (Some(last), None) => self.credit_of_part(begin, end, last as f64),
            (None, Some(next)) => self.credit_of_part(begin, end, next as f64),
            (Some(last), Some(next)) => {
                let (last, next) = (last as f64, next as f64);
                let middle = f64::midpoint(last, next).clamp(begin, end);
                self.credit_of_part(begin, middle, last) + self.credit_of_part(middle, end, next)
            }
        }
    }

    /// Integral over a part of the event of the probability that a random point of the zone is
    /// farther than an alarm, which lies at or beyond one end of the part.
    fn credit_of_part(&self, begin: f64, end: f64, alarm: f64) -> f64 {
        let farther = |time: f64| {
            let distance = (time - alarm).abs();
            let border = (time - self.start).min(self.end - time);
            1.0 - (distance.min(border) + distance) / self.length()
        };
        // Half-way from the alarm to either border of the zone, and half-way between these.
        let to_start = f64::midpoint(self.start, alarm);
        let middle = f64::midpoint(self.start, self.end);
        let to_end = f64::midpoint(self.end, alarm);
        integral(farther, [begin, to_start, middle, to_end, end])
    }
}

/// The first of some rows that is an alarm, at each threshold.
fn first_above(above: &[u8], rows: impl Iterator<Item = usize>) -> [Option<usize>; LEVELS] {
    let mut first = [None; LEVELS];
    let mut known = 0;
    for row in rows {
        let height = usize::from(above[row]);
        if height > known {
            first[known..height].fill(Some(row));
            known = height;
        }
    }
    first
}

/// Integral from the first bound to the last of a function that is linear between the bounds.
/// Those between the first and the last are ascending, and may lie outside.
fn integral<const N: usize>(function: impl Fn(f64) -> f64, bounds: [f64; N]) -> f64 {
    let (begin, end) = (bounds[0], bounds[N - 1]);
    let bounds = bounds.map(|bound| bound.clamp(begin, end));
    let trapezoid = |pair: &[f64]| {
        let mean = f64::midpoint(function(pair[0]), function(pair[1]));
        (pair[1] - pair[0]) * mean
    };
    bounds
        .windows(2)
        .filter(|pair| pair[1] > pair[0])
        .map(trapezoid)
        .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Precision and recall by summing over many points in time, from the paper's definitions.
    fn numeric(zone: &Zone, alarms: &[bool]) -> (Option<f64>, f64) {
        const PER_WINDOW: usize = 200;
        let points = |rows: Range<usize>| {
            let points = rows.start * PER_WINDOW..rows.end * PER_WINDOW;
            points.map(|point| (point as f64 + 0.5) / PER_WINDOW as f64)
        };
        let is_inside = |time: &f64| (zone.start..zone.end).contains(time);
        let all: Vec<f64> = points(zone.rows()).filter(is_inside).collect();
        let distance = |time: f64, rows: &Range<usize>| {
            (rows.start as f64 - time)
                .max(time - rows.end as f64)
                .max(0.0)
        };
        let farther = |from: f64, of: &dyn Fn(f64) -> f64| {
            let count = all.iter().filter(|time| of(**time) >= from).count();
            count as f64 / all.len() as f64
        };
        let alarms: Vec<Range<usize>> = zone
            .rows()
            .filter(|row| alarms[*row])
            .map(|row| row..row + 1)
            .collect();
        let to_event = |time: f64| distance(time, &zone.event);
        let precisions: Vec<f64> = alarms
            .iter()
            .flat_map(|alarm| points(alarm.clone()).filter(is_inside))
            .map(|time| farther(to_event(time), &to_event))
            .collect();
        let recalls = points(zone.event.clone()).map(|time| {
            let nearest = alarms.iter().map(|alarm| distance(time, alarm));
            let nearest = nearest.fold(f64::INFINITY, f64::min);
            if nearest == 0.0 {
                1.0
            } else {
                farther(nearest, &|other: f64| (other - time).abs())
            }
        });
        let recall = recalls.sum::<f64>() / (zone.event.len() * PER_WINDOW) as f64;
        let precision = precisions.iter().sum::<f64>() / precisions.len() as f64;
        ((!precisions.is_empty()).then_some(precision), recall)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn closed_forms_equal_the_definition(
            rows in prop::collection::vec((prop::bool::weighted(0.3), prop::bool::weighted(0.3)), 2..16),
        ) {
            let (labels, alarms): (Vec<bool>, Vec<bool>) = rows.into_iter().unzip();
            // Scores that are all the same are below every threshold.
            prop_assume!(alarms.contains(&false));
            let scores: Vec<f64> = alarms.iter().map(|alarm| f64::from(*alarm)).collect();
            let Ok(labelled) = Labelled::new(&labels, &scores) else { return Ok(()) };
            let levels = Levels::new(&labelled);
            for zone in zones(&labelled.events, labels.len()) {
                let (precision, recall) = numeric(&zone, &alarms);
                let (length, credit) = zone.alarms(&levels.above);
                let found = (length[0] > 0.0).then(|| credit[0] / length[0]);
                prop_assert_eq!(found.is_some(), precision.is_some());
                let error = found.unwrap_or(0.0) - precision.unwrap_or(0.0);
                prop_assert!(error.abs() < 0.01, "{found:?} {precision:?}");
                let found = zone.recall(&levels.above)[0];
                prop_assert!((found - recall).abs() < 0.01, "{found} {recall}");
            }
        }
    }
}
