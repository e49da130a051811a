//! A series that can be judged: a label and a score per window.

use std::ops::Range;

use super::error::MeasureError;

/// The largest score: beyond, the difference of two scores could overflow.
const LARGEST_SCORE: f64 = f64::MAX / 4.0;

/// Labels and scores that every measure is defined for.
#[derive(Debug, Clone)]
pub(crate) struct Labelled<'a> {
    /// Whether each window is labelled an anomaly: at least one is, at least one is not.
    pub(crate) labels: &'a [bool],
    /// One per window, NaN where there is none; at least one is there, and all are finite.
    pub(crate) scores: &'a [f64],
    /// Maximal runs of labelled windows, in order.
    pub(crate) events: Vec<Range<usize>>,
    /// Labelled windows.
    pub(crate) positives: usize,
}

impl<'a> Labelled<'a> {
    pub(crate) fn new(labels: &'a [bool], scores: &'a [f64]) -> Result<Self, MeasureError> {
        Self::from_row(labels, scores, 0)
    }

    /// The rows from one on; there may be none.
    pub(crate) fn from_row(
        labels: &'a [bool],
        scores: &'a [f64],
        from: usize,
    ) -> Result<Self, MeasureError> {
        if labels.len() != scores.len() {
            return Err(MeasureError::LengthsDiffer {
                labels: labels.len(),
                scores: scores.len(),
            });
        }
        let from = from.min(labels.len());
        let (labels, scores) = (&labels[from..], &scores[from..]);
        let windows = labels.len();
        let positives = positives(labels)?;
        if scores.iter().all(|score| score.is_nan()) {
            return Err(MeasureError::NoScore { windows });
        }
        if let Some(row) = scores.iter().position(|score| score.abs() > LARGEST_SCORE) {
            return Err(MeasureError::Infinite {
                row: from + row,
                score: scores[row],
            });
        }
        Ok(Self {
            labels,
            scores,
            events: runs(labels),
            positives,
        })
    }

    /// Number of windows.
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }
}

/// Number of labelled windows, if there are some of either kind.
pub(crate) fn positives(labels: &[bool]) -> Result<usize, MeasureError> {
    let windows = labels.len();
    match labels.iter().filter(|label| **label).count() {
        _ if windows == 0 => Err(MeasureError::Empty),
        0 => Err(MeasureError::NoPositive { windows }),
        found if found == windows => Err(MeasureError::AllPositive { windows }),
        found => Ok(found),
    }
}

/// Maximal runs of true, in order.
fn runs(flags: &[bool]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for row in (0..flags.len()).filter(|row| flags[*row]) {
        match runs.last_mut() {
            Some(run) if run.end == row => run.end += 1,
            _ => runs.push(row..row + 1),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Explain;

    const NAN: f64 = f64::NAN;

    fn error(labels: &[bool], scores: &[f64]) -> MeasureError {
        Labelled::new(labels, scores).unwrap_err()
    }

    #[test]
    fn what_cannot_be_judged_is_an_error() {
        assert_eq!(
            error(&[true, false], &[0.0]),
            MeasureError::LengthsDiffer {
                labels: 2,
                scores: 1
            }
        );
        assert_eq!(error(&[], &[]), MeasureError::Empty);
        assert_eq!(
            error(&[false; 3], &[0.0; 3]),
            MeasureError::NoPositive { windows: 3 }
        );
        assert_eq!(
            error(&[true; 3], &[0.0; 3]),
            MeasureError::AllPositive { windows: 3 }
        );
        assert_eq!(
            error(&[true, false], &[NAN, NAN]),
            MeasureError::NoScore { windows: 2 }
        );
        assert_eq!(
            error(&[true, false], &[NAN, f64::NEG_INFINITY]),
            MeasureError::Infinite {
                row: 1,
                score: f64::NEG_INFINITY
            }
        );
    }

    #[test]
    fn messages_say_what_was_expected() {
        let messages = [
            (
                error(&[true], &[]).to_string(),
                "1 labels but 0 scores, expected one of each per window",
            ),
            (error(&[], &[]).to_string(), "no windows to judge"),
            (
                error(&[false], &[0.0]).to_string(),
                "none of 1 windows is labelled an anomaly, expected at least one",
            ),
            (
                error(&[true], &[0.0]).to_string(),
                "all 1 windows are labelled anomalies, expected at least one that is normal",
            ),
            (
                error(&[true, false], &[NAN, NAN]).to_string(),
                "none of 2 windows has a score, expected at least one",
            ),
            (
                error(&[true, false], &[f64::INFINITY, NAN]).to_string(),
                "the score of row 0 is inf, expected a finite number or NaN for none",
            ),
        ];
        for (found, expected) in messages {
            assert_eq!(found, expected);
        }
        assert!(error(&[false], &[0.0]).hint().is_some());
        assert!(error(&[true], &[]).hint().is_none());
    }

    #[test]
    fn rows_before_the_first_are_not_judged() {
        let labels = [true, true, false, true];
        let scores = [f64::INFINITY, 1.0, 2.0, f64::INFINITY];
        let labelled = Labelled::from_row(&labels, &scores[..3], 1);
        assert!(matches!(labelled, Err(MeasureError::LengthsDiffer { .. })));
        assert_eq!(
            Labelled::from_row(&labels, &scores, 1).unwrap_err(),
            MeasureError::Infinite {
                row: 3,
                score: f64::INFINITY
            }
        );
        assert_eq!(
            Labelled::from_row(&labels, &scores, 9).unwrap_err(),
            MeasureError::Empty
        );
        let labelled = Labelled::from_row(&labels[..3], &scores[..3], 1).unwrap();
        assert_eq!((labelled.events.len(), labelled.positives), (1, 1));
    }

    #[test]
    fn runs_reach_both_ends() {
        let flags = [true, true, false, true, false, true];
        assert_eq!(runs(&flags), [0..2, 3..4, 5..6]);
        assert!(runs(&[false; 2]).is_empty());
    }
}
