//! Volumes under curves whose labels have soft borders (Paparrizos et al., "Volume Under the
//! Surface: A New Accuracy Evaluation Measure for Time-Series Anomaly Detection", VLDB 2022).
//!
//! Around each event the label falls from 1 to 0 over a border of ℓ/2 windows, at distance d as
//! √(1 − d/ℓ); curves are drawn for every ℓ from 0 to the sliding window, and their areas
//! averaged. A recall also counts only so far as events are found at all.
//!
//! Where the reference (TSB-AD 1.5, `RangeAUC_volume_opt`) departs from the paper, it is followed:
//! - curves have 250 points, at evenly spaced ranks, not one per distinct score;
//! - the number of positives is that of labels plus half of what is *found* in the borders, where
//!   the paper takes half of the borders whole, so it changes along the curve;
//! - where borders of two events overlap, labels are added, up to 1, and events whose borders
//!   overlap count as one when it is asked whether they are found.
//!
//! An alarm outside of all events is worth the same at every threshold, so borders are summed by
//! the point of the curve at which each window becomes an alarm: one pass per ℓ, not 250.

use std::ops::Range;

use super::error::MeasureError;
use super::labelled::Labelled;
use super::ranking::Ranking;

/// Points of each curve, as in the reference.
const POINTS: usize = 250;

/// Volume under the receiver operating characteristics of all border widths, in [0, 1].
///
/// `labels` and `scores` have one entry per window; a NaN score ranks below all others.
/// `sliding_window` is the widest ℓ, in windows; 0 leaves borders out.
///
/// # Errors
/// Where the series [cannot be judged](MeasureError).
pub fn vus_roc(
    labels: &[bool],
    scores: &[f64],
    sliding_window: usize,
) -> Result<f64, MeasureError> {
    let labelled = Labelled::new(labels, scores)?;
    Ok(Volumes::new(&labelled, &Ranking::new(&labelled), sliding_window).roc)
}

/// Volume under the precision-recall curves of all border widths, in [0, 1].
///
/// `labels` and `scores` have one entry per window; a NaN score ranks below all others.
/// `sliding_window` is the widest ℓ, in windows; 0 leaves borders out.
///
/// # Errors
/// Where the series [cannot be judged](MeasureError).
pub fn vus_pr(labels: &[bool], scores: &[f64], sliding_window: usize) -> Result<f64, MeasureError> {
    let labelled = Labelled::new(labels, scores)?;
    Ok(Volumes::new(&labelled, &Ranking::new(&labelled), sliding_window).pr)
}

/// Both volumes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Volumes {
    pub(super) roc: f64,
    pub(super) pr: f64,
}

impl Volumes {
    pub(super) fn new(labelled: &Labelled<'_>, ranking: &Ranking, sliding_window: usize) -> Self {
        let points = Points::new(labelled, ranking);
        // Soft labels of the rows around events; all 0 between widths.
        let mut soft = vec![0.0; labelled.len()];
        let mut slope = Vec::new();
        let (mut roc, mut pr) = (0.0, 0.0);
        let mut stretches = Vec::new();
        let mut reached = [0.0; POINTS];
        for width in 0..=sliding_window {
            let border = width / 2;
            // Even widths and the odd ones after them have the same border.
            if width % 2 == 0 {
                stretches = merged(&labelled.events, border, labelled.len());
                reached = points.share_reached(&stretches);
            }
            slope.clear();
            let reach = 1..=border.min(labelled.len());
            slope.extend(reach.map(|d| (1.0 - d as f64 / width as f64).sqrt()));
            add_slopes(&mut soft, &labelled.events, &slope);
            let mut in_borders = [0.0; POINTS];
            for row in stretches.iter().cloned().flatten() {
                if !labelled.labels[row] {
                    in_borders[points.of_row(row)] += soft[row].min(1.0);
                }
                soft[row] = 0.0;
            }
            accumulate(&mut in_borders);
            let (area, precision) = points.areas(labelled, &in_borders, &reached);
            roc += area;
            pr += precision;
        }
        let widths = sliding_window as f64 + 1.0;
        Self {
            roc: roc / widths,
            pr: pr / widths,
        }
    }
}

/// The points that all curves have in common: each is a rank, and takes its ties along.
#[derive(Debug)]
struct Points {
    /// By row, the first point at which it is an alarm.
    first: Vec<u8>,
    /// Alarms at each point.
    alarms: [f64; POINTS],
    /// Labelled alarms at each point.
    found: [f64; POINTS],
}

impl Points {
    fn new(labelled: &Labelled<'_>, ranking: &Ranking) -> Self {
        let last = ranking.rows.len() - 1;
        // Multiplied in this order, as NumPy's `linspace` is, which decides how ranks are rounded.
        let spacing = last as f64 / (POINTS - 1) as f64;
        let rank = |point: usize| match point {
            point if point + 1 == POINTS => last,
            point => (point as f64 * spacing) as usize,
        };
        let mut points = Self {
            first: vec![0; labelled.len()],
            alarms: [0.0; POINTS],
            found: [0.0; POINTS],
        };
        let (mut point, mut begin) = (0, 0);
        for step in &ranking.steps {
            // Points before this step have taken up what lies before it.
            for row in &ranking.rows[begin..step.windows] {
                points.first[*row] = point as u8;
            }
            while point < POINTS && rank(point) < step.windows {
                points.alarms[point] = step.windows as f64;
                points.found[point] = step.found as f64;
                point += 1;
            }
            begin = step.windows;
        }
        points
    }

    fn of_row(&self, row: usize) -> usize {
        usize::from(self.first[row])
    }

    /// The share of stretches with an alarm, at each point.
    fn share_reached(&self, stretches: &[Range<usize>]) -> [f64; POINTS] {
        let mut reached = [0.0; POINTS];
        for stretch in stretches {
            let first = self.first[stretch.clone()].iter().min();
            if let Some(first) = first {
                reached[usize::from(*first)] += 1.0;
            }
        }
        accumulate(&mut reached);
        reached.map(|count| count / stretches.len() as f64)
    }

    /// Areas under the two curves of one width, from the soft labels found in borders and the share
    /// of events that are reached, at each point.
    fn areas(
        &self,
        labelled: &Labelled<'_>,
        in_borders: &[f64; POINTS],
        reached: &[f64; POINTS],
    ) -> (f64, f64) {
        let (mut roc, mut pr) = (0.0, 0.0);
        let (mut last_tpr, mut last_fpr) = (0.0, 0.0);
        for point in 0..POINTS {
            let found = self.found[point] + in_borders[point];
            let positives = labelled.positives as f64 + in_borders[point] / 2.0;
            let negatives = labelled.len() as f64 - positives;
            let tpr = (found / positives).min(1.0) * reached[point];
            let fpr = (self.alarms[point] - found) / negatives;
            roc += (fpr - last_fpr) * f64::midpoint(tpr, last_tpr);
            pr += (tpr - last_tpr) * found / self.alarms[point];
            (last_tpr, last_fpr) = (tpr, fpr);
        }
        // Soft labels keep the curve from the corner, where it must end.
        roc += (1.0 - last_fpr) * f64::midpoint(1.0, last_tpr);
        (roc, pr)
    }
}

/// Running sums, in place.
fn accumulate(counts: &mut [f64; POINTS]) {
    let mut sum = 0.0;
    for count in counts {
        sum += *count;
        *count = sum;
    }
}

/// Events with their borders, those whose borders overlap as one.
fn merged(events: &[Range<usize>], border: usize, len: usize) -> Vec<Range<usize>> {
    let mut merged: Vec<Range<usize>> = Vec::new();
    for event in events {
        let begin = event.start.saturating_sub(border);
        let end = event.end.saturating_add(border).min(len);
        match merged.last_mut() {
            Some(last) if begin < last.end => last.end = end,
            _ => merged.push(begin..end),
        }
    }
    merged
}

/// Adds the borders of events to soft labels: `slope` at distances 1, 2, … on both sides.
fn add_slopes(soft: &mut [f64], events: &[Range<usize>], slope: &[f64]) {
    for event in events {
        for (soft, value) in soft[event.end..].iter_mut().zip(slope) {
            *soft += value;
        }
        for (soft, value) in soft[..event.start].iter_mut().rev().zip(slope) {
            *soft += value;
        }
    }
}
