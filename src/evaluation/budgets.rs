//! Budgets of false alarms: what was asked for, and what came of it.
//!
//! A threshold for a budget comes without labels, in one of two ways:
//! - **own**: what a detector says of each window, [how many alarms are at least as
//!   unusual](anomalog_engine::score::Verdict::alarms_per_window), by its calibration. It is what
//!   `is_anomaly` follows from.
//! - **training range**: [the tail of the scores](super::threshold) before the first window that is
//!   judged. Any score has one, floors too.

use anomalog_engine::detector::ThresholdPolicy;
use serde::{Deserialize, Serialize};

use super::collections::LabelledSeries;
use crate::measures::MeasureError;
use crate::measures::alarms::{AlarmRules, alarms_at};

/// A budget that has a name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// The time in which there may be one false alarm: `day`.
    pub period: &'static str,
    /// False-alarm events a week.
    pub per_week: f64,
}

/// What is tried: one false alarm a day, a week and a month.
pub const ASKED: [Budget; 3] = [
    Budget {
        period: "day",
        per_week: 7.0,
    },
    Budget {
        period: "week",
        per_week: 1.0,
    },
    Budget {
        period: "month",
        // Twelve a year.
        per_week: 7.0 * 12.0 / 365.25,
    },
];

/// Where a threshold comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdSource {
    /// The detector's calibration.
    Own,
    /// The scores of the training range.
    TrainingRange,
}

/// What came of a budget on one series, after the training range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BudgetOutcome {
    /// False-alarm events a week that the threshold was for.
    pub asked_per_week: f64,
    /// Where the threshold comes from.
    pub threshold: ThresholdSource,
    /// False-alarm events a week that there were.
    pub false_alarms_per_week: f64,
    /// Share of events found, in [0, 1].
    pub event_recall: f64,
}

impl Budget {
    /// Alarms per window of so many seconds.
    fn per_window(self, step_seconds: u32) -> f64 {
        let policy = ThresholdPolicy {
            false_alarms_per_week: self.per_week,
        };
        policy.rate(i64::from(step_seconds) * 1_000_000)
    }
}

/// What comes of each budget at the detector's own threshold.
///
/// `alarms_per_window` has an entry per window: how many alarms are at least as unusual, NaN where
/// the window is not scored.
///
/// # Errors
/// Where the windows after the training range [cannot be judged](MeasureError).
pub fn at_own_thresholds(
    series: &LabelledSeries,
    alarms_per_window: &[f64],
    rules: AlarmRules,
) -> Result<[BudgetOutcome; ASKED.len()], MeasureError> {
    // The rarer, the higher.
    let scores: Vec<f64> = alarms_per_window.iter().map(|rate| -rate).collect();
    let thresholds = ASKED.map(|budget| -budget.per_window(series.step_seconds));
    outcomes(series, &scores, thresholds, ThresholdSource::Own, rules)
}

/// What comes of each budget at given thresholds.
///
/// # Errors
/// Where the windows after the training range [cannot be judged](MeasureError).
pub(super) fn outcomes(
    series: &LabelledSeries,
    scores: &[f64],
    thresholds: [f64; ASKED.len()],
    source: ThresholdSource,
    rules: AlarmRules,
) -> Result<[BudgetOutcome; ASKED.len()], MeasureError> {
    let mut outcomes = ASKED.map(|budget| BudgetOutcome {
        asked_per_week: budget.per_week,
        threshold: source,
        false_alarms_per_week: 0.0,
        event_recall: 0.0,
    });
    for (outcome, threshold) in outcomes.iter_mut().zip(thresholds) {
        let report = alarms_at(
            &series.labels,
            scores,
            series.train_points,
            threshold,
            rules,
        )?;
        outcome.false_alarms_per_week = report.false_alarms as f64 / series.budget(1.0);
        outcome.event_recall = report.recall();
    }
    Ok(outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four weeks of 5 minutes, of which the first is not judged; one event.
    fn series() -> LabelledSeries {
        let windows = 4 * 2_016;
        let mut labels = vec![false; windows];
        labels[5_000] = true;
        LabelledSeries {
            file: "a".to_owned(),
            dataset: "made-up".to_owned(),
            window_start: (0..windows as i64).map(|row| row * 300_000_000).collect(),
            metric_names: vec!["value".to_owned()],
            metrics: vec![vec![0.0; windows]],
            labels,
            anomalies: Vec::new(),
            second: None,
            train_points: 2_016,
            vus_window: 10,
            step_seconds: 300,
        }
    }

    #[test]
    fn each_budget_has_the_alarms_that_are_rare_enough() {
        let series = series();
        let rate = |budget: usize| ASKED[budget].per_window(300);
        let mut rates = vec![1.0; series.labels.len()];
        rates[100] = 1e-9;
        rates[2_500] = f64::NAN;
        // Just rare enough for the day; for the week, which makes three of the day and none of the
        // month; and the event.
        rates[3_000] = rate(0);
        rates[3_100] = rate(0) * 1.001;
        rates[3_200] = rate(1);
        rates[3_205] = rate(1);
        rates[7_000] = rate(1) * 0.9;
        rates[5_003] = rate(2);
        let outcomes = at_own_thresholds(&series, &rates, AlarmRules::default()).unwrap();
        let found = outcomes.map(|outcome| (3.0 * outcome.false_alarms_per_week).round() as usize);
        assert_eq!(found, [3, 2, 0], "{outcomes:?}");
        assert!(outcomes.iter().all(|outcome| outcome.event_recall > 0.999));
        assert_eq!(outcomes[2].threshold, ThresholdSource::Own);
    }

    #[test]
    fn a_month_is_the_twelfth_part_of_a_year() {
        let per_year = ASKED[2].per_week * 365.25 / 7.0;
        assert!((per_year - 12.0).abs() < 1e-12);
        assert!((ASKED[0].per_window(60) - 1.0 / 1_440.0).abs() < 1e-15);
    }

    #[test]
    fn without_events_nothing_is_judged() {
        let mut series = series();
        series.labels.fill(false);
        let rates = vec![1.0; series.labels.len()];
        let error = at_own_thresholds(&series, &rates, AlarmRules::default()).unwrap_err();
        assert!(matches!(error, MeasureError::NoPositive { .. }));
    }
}
