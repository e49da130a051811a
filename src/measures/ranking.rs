//! Measures that depend on the order of scores alone: areas under curves, point F1.
//!
//! Scores are sorted once; equal scores are one step of every curve. A window without a score
//! ranks below all that have one.

use super::error::MeasureError;
use super::labelled::Labelled;

/// What the reference adds to the denominator of its point F1.
const F1_EPSILON: f64 = 1e-5;

/// Area under the receiver operating characteristic, in [0, 1]: the probability that a labelled
/// window scores higher than one that is not, ties counting half (Fawcett 2006).
///
/// `labels` and `scores` have one entry per window; a NaN score ranks below all others.
///
/// # Errors
/// Where the series [cannot be judged](MeasureError).
pub fn auc_roc(labels: &[bool], scores: &[f64]) -> Result<f64, MeasureError> {
    Ok(Ranking::new(&Labelled::new(labels, scores)?).auc_roc())
}

/// Average precision, in [0, 1]: precision at each distinct score, weighted by the recall gained
/// there, without interpolation (Davis & Goadrich 2006 say why).
///
/// `labels` and `scores` have one entry per window; a NaN score ranks below all others.
///
/// # Errors
/// Where the series [cannot be judged](MeasureError).
pub fn auc_pr(labels: &[bool], scores: &[f64]) -> Result<f64, MeasureError> {
    Ok(Ranking::new(&Labelled::new(labels, scores)?).auc_pr())
}

/// F1 of windows at the threshold where it is highest, in [0, 1).
///
/// As the reference, 1e-5 is added to the denominator, so that a perfect score has 0.999995.
/// `labels` and `scores` have one entry per window; a NaN score is never an alarm.
///
/// # Errors
/// Where the series [cannot be judged](MeasureError).
pub fn point_f1(labels: &[bool], scores: &[f64]) -> Result<f64, MeasureError> {
    Ok(Ranking::new(&Labelled::new(labels, scores)?).point_f1())
}

/// The windows from the highest score to the lowest.
#[derive(Debug)]
pub(crate) struct Ranking {
    /// Rows by falling score, those without one last.
    pub(crate) rows: Vec<usize>,
    /// One step per distinct score, then one for all windows without.
    pub(crate) steps: Vec<Step>,
    /// Steps that have a score.
    scored_steps: usize,
    positives: usize,
}

/// The windows that score at least so much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// How many they are.
    pub(crate) windows: usize,
    /// How many of them are labelled.
    pub(crate) found: usize,
}

impl Ranking {
    pub(crate) fn new(labelled: &Labelled<'_>) -> Self {
        // Negative infinity stands for no score, and adding zero makes −0.0, which would sort
        // below it, 0.0.
        let mut ranked: Vec<(f64, usize)> = labelled
            .scores
            .iter()
            .map(|score| {
                if score.is_nan() {
                    f64::NEG_INFINITY
                } else {
                    score + 0.0
                }
            })
            .zip(0..)
            .collect();
        ranked.sort_unstable_by(|(a, _), (b, _)| b.total_cmp(a));
        let mut steps = Vec::new();
        let mut found = 0;
        for (rank, &(score, row)) in ranked.iter().enumerate() {
            found += usize::from(labelled.labels[row]);
            let next = ranked.get(rank + 1);
            if next.is_none_or(|(next, _)| *next < score) {
                steps.push(Step {
                    windows: rank + 1,
                    found,
                });
            }
        }
        let has_unscored = ranked.last().is_some_and(|(score, _)| score.is_infinite());
        Self {
            rows: ranked.into_iter().map(|(_, row)| row).collect(),
            scored_steps: steps.len() - usize::from(has_unscored),
            steps,
            positives: labelled.positives,
        }
    }

    pub(crate) fn auc_roc(&self) -> f64 {
        let mut twice_area = 0.0;
        let (mut found, mut false_alarms) = (0, 0);
        for step in &self.steps {
            let so_far = step.windows - step.found;
            twice_area += ((so_far - false_alarms) * (found + step.found)) as f64;
            (found, false_alarms) = (step.found, so_far);
        }
        twice_area / 2.0 / (found * false_alarms) as f64
    }

    pub(crate) fn auc_pr(&self) -> f64 {
        let mut found = 0;
        let mut sum = 0.0;
        for step in &self.steps {
            sum += (step.found - found) as f64 * step.precision();
            found = step.found;
        }
        sum / self.positives as f64
    }

    pub(crate) fn point_f1(&self) -> f64 {
        let f1 = |step: &Step| {
            let (precision, recall) = (step.precision(), step.found as f64 / self.positives as f64);
            2.0 * precision * recall / (precision + recall + F1_EPSILON)
        };
        let steps = &self.steps[..self.scored_steps];
        steps.iter().map(f1).fold(0.0, f64::max)
    }
}

impl Step {
    fn precision(self) -> f64 {
        self.found as f64 / self.windows as f64
    }
}
