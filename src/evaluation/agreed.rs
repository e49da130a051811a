//! How a candidate fares by what two labellings agree on.
//!
//! Windows that are [neither](SecondOpinion::is_neither) count for nothing: their scores are taken for
//! missing, so that they raise no false alarm, and what is found there is no event.

use serde::{Deserialize, Serialize};

use super::collections::{LabelledSeries, SecondOpinion};
use super::judging_rules::JudgingRules;
use super::peak_hold;
use crate::measures::alarms::{AlarmReport, alarms_at, alarms_within_each, budget_of};
use crate::measures::{MeasureError, vus_pr};

/// Measures by events that both labellings know, and windows that are normal to both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AgreedMeasures {
    /// Events after the training range.
    pub events: usize,
    /// [`crate::measures::vus_pr`], whole series.
    pub vus_pr: f64,
    /// Share of the events found at the threshold from the training range, in [0, 1].
    pub event_recall: f64,
    /// False-alarm events a week of windows that count.
    pub false_alarms_per_week: f64,
    /// Share of the events found at the lowest threshold that would have kept within the budget.
    pub event_recall_oracle: Option<f64>,
}

/// The measures of scores before any hold; `None` where the windows that count hold no event after the
/// training range, or nothing else.
///
/// # Errors
/// Where the series cannot be judged by any measure.
pub(super) fn agreed(
    series: &LabelledSeries,
    second: &SecondOpinion,
    scores: &[f64],
    threshold: f64,
    rules: JudgingRules,
) -> Result<Option<AgreedMeasures>, MeasureError> {
    let counting = scores.iter().zip(&second.is_neither);
    let mut scores: Vec<f64> = counting
        .map(|(score, is_neither)| if *is_neither { f64::NAN } else { *score })
        .collect();
    if let Some(half_life) = rules.hold {
        scores = peak_hold(&scores, half_life);
    }
    match measure(series, second, &scores, threshold, rules) {
        Ok(measures) => Ok(Some(measures)),
        Err(
            MeasureError::NoPositive { .. }
            | MeasureError::AllPositive { .. }
            | MeasureError::NoScore { .. },
        ) => Ok(None),
        Err(other) => Err(other),
    }
}

fn measure(
    series: &LabelledSeries,
    SecondOpinion { labels, is_neither }: &SecondOpinion,
    scores: &[f64],
    threshold: f64,
    rules: JudgingRules,
) -> Result<AgreedMeasures, MeasureError> {
    let from = series.train_points;
    let counting = is_neither[from..].iter().filter(|is_neither| !**is_neither);
    let weeks = budget_of(1.0, counting.count(), series.step_seconds);
    let report = alarms_at(labels, scores, from, threshold, rules.alarms)?;
    let budget = [rules.alarms_per_week * weeks];
    let oracle = alarms_within_each(labels, scores, from, &budget, rules.alarms)?;
    Ok(AgreedMeasures {
        events: report.events(),
        vus_pr: vus_pr(labels, scores, series.vus_window)?,
        event_recall: report.recall(),
        false_alarms_per_week: report.false_alarms as f64 / weeks,
        event_recall_oracle: oracle.first().map(AlarmReport::recall),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::made_up::{RULES, noise, series};

    #[test]
    fn what_is_disputed_is_neither_an_event_nor_a_false_alarm() {
        let mut scores = noise(1);
        let mut series = series("a", scores.clone(), 1_000);
        for row in [1_500, 2_000, 2_500, 3_000] {
            series.labels[row..row + 10].fill(true);
            scores[row + 2] += 9.0;
        }
        // Of four events the second labelling has two; one of its own has an alarm.
        scores[3_500] += 9.0;
        let second: Vec<(i64, bool)> = series
            .window_start
            .iter()
            .enumerate()
            .map(|(row, start)| (*start, [1_503, 2_003, 3_500].contains(&row)))
            .collect();
        let second = series.second_opinion(&second);
        let found = |scores: &[f64]| {
            agreed(&series, &second, scores, 5.0, RULES)
                .unwrap()
                .unwrap()
        };
        let all = found(&scores);
        assert_eq!((all.events, all.event_recall), (2, 1.0));
        assert!(all.false_alarms_per_week.abs() < 1e-12, "{all:?}");
        assert_eq!(all.event_recall_oracle, Some(1.0));
        scores[2_002] = 0.0;
        scores[3_700] += 9.0;
        let one = found(&scores);
        assert!(
            (one.event_recall - 0.5).abs() < 1e-12 && one.false_alarms_per_week > 2.0,
            "{one:?}"
        );
        assert!(one.vus_pr < all.vus_pr);
        let none = series.second_opinion(&[]);
        assert_eq!(agreed(&series, &none, &scores, 5.0, RULES), Ok(None));
    }
}
