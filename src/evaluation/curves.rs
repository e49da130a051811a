//! What plots show of one candidate on one series.

use super::collections::LabelledSeries;
use crate::measures::MeasureError;
use crate::measures::alarms::{AlarmReport, AlarmRules, alarms_within_each};
use crate::measures::labelled::Labelled;
use crate::measures::ranking::Ranking;

/// Pixel columns of a plotted series, at most.
pub const COLUMNS: usize = 900;
/// Steps of recall of a precision–recall curve.
pub const RECALLS: usize = 100;
/// False-alarm events a week at which recall is plotted: from one a year to one an hour.
pub const BUDGETS: [f64; 13] = [
    1.0 / 52.0,
    1.0 / 26.0,
    1.0 / 13.0,
    7.0 / 30.0,
    0.5,
    1.0,
    2.0,
    4.0,
    7.0,
    14.0,
    42.0,
    84.0,
    168.0,
];

/// Curves and the shrunken series.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    /// Highest score of each pixel column; NaN for none.
    pub scores: Vec<f32>,
    /// Whether each pixel column holds a labelled window.
    pub labels: Vec<bool>,
    /// The share of the series that is the training range.
    pub training_share: f64,
    /// The threshold; infinite for none.
    pub threshold: f64,
    /// The highest precision at each recall from 0 to 1 or more, whole series.
    pub precisions: [f64; RECALLS + 1],
    /// Share of events found within each budget, at its oracle threshold; NaN without events.
    pub recalls: [f64; BUDGETS.len()],
}

impl Curves {
    /// # Errors
    /// Where the series cannot be judged.
    pub(super) fn new(
        series: &LabelledSeries,
        scores: &[f64],
        threshold: f64,
        rules: AlarmRules,
    ) -> Result<Self, MeasureError> {
        let labelled = Labelled::new(&series.labels, scores)?;
        let mut recalls = [f64::NAN; BUDGETS.len()];
        let reports = alarms_within_each(
            &series.labels,
            scores,
            series.train_points,
            &series.budgets(),
            rules,
        );
        for (recall, report) in recalls.iter_mut().zip(reports.iter().flatten()) {
            *recall = AlarmReport::recall(report);
        }
        let width = scores.len().div_ceil(COLUMNS).max(1);
        let highest = |column: &[f64]| column.iter().copied().fold(f64::NAN, f64::max) as f32;
        Ok(Self {
            scores: scores.chunks(width).map(highest).collect(),
            labels: series
                .labels
                .chunks(width)
                .map(|column| column.contains(&true))
                .collect(),
            training_share: series.train_points as f64 / scores.len() as f64,
            threshold,
            precisions: precisions(&labelled),
            recalls,
        })
    }
}

/// The highest precision at each recall or more.
fn precisions(labelled: &Labelled<'_>) -> [f64; RECALLS + 1] {
    let mut highest = [0.0_f64; RECALLS + 1];
    for step in &Ranking::new(labelled).steps {
        let recall = step.found as f64 / labelled.positives as f64;
        let place = (recall * RECALLS as f64 + 1e-9).floor() as usize;
        let precision = step.found as f64 / step.windows as f64;
        highest[place] = highest[place].max(precision);
    }
    for place in (0..RECALLS).rev() {
        highest[place] = highest[place].max(highest[place + 1]);
    }
    highest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_is_that_of_the_best_threshold_for_a_recall() {
        let labels = [true, false, true, false];
        let labelled = Labelled::new(&labels, &[4.0, 3.0, 2.0, 1.0]).unwrap();
        let precisions = precisions(&labelled);
        assert_eq!(precisions[..51], [1.0; 51]);
        assert_eq!(precisions[51..], [2.0 / 3.0; 50]);
    }

    #[test]
    fn peaks_and_labels_survive_shrinking() {
        let mut scores = vec![0.5; 5_000];
        let mut labels = vec![false; 5_000];
        (scores[4_321], labels[4_321]) = (9.0, true);
        let series = LabelledSeries {
            file: "a".to_owned(),
            dataset: "made-up".to_owned(),
            window_start: (0..5_000).map(|row| row * 60_000_000).collect(),
            metric_names: vec!["value".to_owned()],
            metrics: vec![scores.clone()],
            labels,
            anomalies: Vec::new(),
            second: None,
            train_points: 2_500,
            vus_window: 10,
            step_seconds: 60,
        };
        let curves = Curves::new(&series, &scores, 3.0, AlarmRules::default()).unwrap();
        assert!(curves.scores.len() <= COLUMNS);
        let peak = curves.scores.iter().position(|score| *score > 8.0).unwrap();
        assert!(curves.labels[peak]);
        assert_eq!(curves.labels.iter().filter(|label| **label).count(), 1);
        assert!(curves.recalls.iter().all(|recall| *recall > 0.999));
    }
}
