//! One candidate on one series: all measures, and what plots show.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::agreed::{AgreedMeasures, agreed};
use super::budgets::{ASKED, BudgetOutcome, ThresholdSource, outcomes};
use super::collections::LabelledSeries;
use super::curves::{BUDGETS, Curves};
pub use super::judging_rules::JudgingRules;
use super::peak_hold;
use super::threshold::thresholds;
use crate::measures::alarms::{
    AlarmReport, AlarmRules, alarms_at, alarms_within_each, budget_of, found,
};
use crate::measures::{MeasureError, Metrics, vus_pr};

const SECONDS_PER_DAY: f64 = 86_400.0;
const DAYS_PER_WEEK: f64 = 7.0;

/// All measures of one candidate on one series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// [`crate::measures::vus_pr`], whole series.
    pub vus_pr: f64,
    /// [`crate::measures::vus_roc`], whole series.
    pub vus_roc: f64,
    /// [`crate::measures::auc_pr`], whole series.
    pub auc_pr: f64,
    /// [`crate::measures::auc_roc`], whole series.
    pub auc_roc: f64,
    /// How alarms after the training range fare; without, it holds no event, or nothing else.
    #[serde(flatten)]
    pub alarms: AlarmMeasures,
    /// At thresholds chosen in sight of the labels: an upper bound.
    pub oracle_f1: OracleF1,
    /// [`crate::measures::point_adjusted_f1`], at the oracle threshold: random scores do well in it.
    pub point_adjusted_f1: f64,
}

/// How alarms after the training range fare; `None` where it holds no event, or nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct AlarmMeasures {
    /// Labelled events after the training range.
    pub events: Option<usize>,
    /// The threshold, from the scores of the training range; `None` if that is nothing to go by,
    /// and then there are no alarms.
    pub threshold: Option<f64>,
    /// Share of events found, in [0, 1].
    pub event_recall: Option<f64>,
    /// False-alarm events a week.
    pub false_alarms_per_week: Option<f64>,
    /// [False incidents](crate::measures::alarms::AlarmReport::false_incidents) a week.
    pub false_incidents_per_week: Option<f64>,
    /// Median delay of the events found, in windows.
    pub delay_windows: Option<f64>,
    /// Place of the event that stands out most among all alarms, from 1: how many false-alarm events
    /// score as high or higher, and it. `None` where no window of an event has a score.
    pub hit_rank: Option<usize>,
    /// Share of events found at the lowest threshold that would have kept within the budget.
    pub event_recall_oracle: Option<f64>,
}

/// F1 at the oracle threshold, by what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OracleF1 {
    /// [`crate::measures::point_f1`].
    pub point: f64,
    /// [`crate::measures::range_f1()`].
    pub range: f64,
    /// [`crate::measures::event_f1`].
    pub event: f64,
    /// [`crate::measures::affiliation_f1`].
    pub affiliation: f64,
}

/// Anomalies of one kind after the training range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KindFound {
    /// How many there are.
    pub anomalies: usize,
    /// How many an alarm finds.
    pub found: usize,
}

/// All that is said of one candidate on one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// How good it is.
    pub measures: Measures,
    /// Anomalies found after the training range, by kind, where kinds are known.
    pub kinds: BTreeMap<String, KindFound>,
    /// What comes of budgets at thresholds from the training range; empty where it holds no event
    /// after that, or nothing else.
    pub budgets: Vec<BudgetOutcome>,
    /// [`crate::measures::vus_pr`] with the other hold, if asked for.
    pub vus_pr_held: Option<f64>,
    /// By what a second labelling agrees with, where there is one.
    pub agreed: Option<AgreedMeasures>,
    /// What plots show, if asked for.
    pub curves: Option<Curves>,
}

/// Judges the scores of a series, one per window, NaN for none.
///
/// Areas are over the whole series, as TSB-AD has them; events count after the training range.
///
/// # Errors
/// Where the series [cannot be judged](MeasureError) by any measure.
pub fn judge(
    series: &LabelledSeries,
    scores: &[f64],
    rules: JudgingRules,
) -> Result<Judgement, MeasureError> {
    let vus_pr_held = rules.also_hold.map(|half_life| {
        let held = peak_hold(scores, half_life);
        vus_pr(&series.labels, &held, series.vus_window)
    });
    let held = rules.hold.map(|half_life| peak_hold(scores, half_life));
    let (unheld, scores) = (scores, held.as_deref().unwrap_or(scores));
    let metrics = Metrics::measure(&series.labels, scores, series.vus_window)?;
    let [threshold, of_budgets @ ..] = training_thresholds(series, scores, rules.alarms_per_week);
    let (alarms, budgets) = match alarm_measures(series, scores, threshold, rules) {
        // The areas still have a meaning.
        Err(MeasureError::NoPositive { .. } | MeasureError::AllPositive { .. }) => {
            (AlarmMeasures::default(), Vec::new())
        }
        alarms => {
            let source = ThresholdSource::TrainingRange;
            let budgets = outcomes(series, scores, of_budgets, source, rules.alarms)?;
            (alarms?, budgets.to_vec())
        }
    };
    let measures = Measures {
        vus_pr: metrics.vus_pr,
        vus_roc: metrics.vus_roc,
        auc_pr: metrics.auc_pr,
        auc_roc: metrics.auc_roc,
        alarms,
        oracle_f1: OracleF1 {
            point: metrics.point_f1,
            range: metrics.range_f1,
            event: metrics.event_f1,
            affiliation: metrics.affiliation_f1,
        },
        point_adjusted_f1: metrics.point_adjusted_f1,
    };
    let agreed = match &series.second {
        Some(second) => agreed(series, second, unheld, threshold, rules)?,
        None => None,
    };
    let curves = rules
        .plots
        .then(|| Curves::new(series, scores, threshold, rules.alarms))
        .transpose()?;
    Ok(Judgement {
        measures,
        kinds: kinds_found(series, scores, threshold, rules.alarms),
        budgets,
        vus_pr_held: vus_pr_held.transpose()?,
        agreed,
        curves,
    })
}

fn kinds_found(
    series: &LabelledSeries,
    scores: &[f64],
    threshold: f64,
    rules: AlarmRules,
) -> BTreeMap<String, KindFound> {
    let windows = series.anomalies.iter().map(|anomaly| &anomaly.windows);
    let found = found(windows, scores, series.train_points, threshold, rules);
    let mut kinds: BTreeMap<String, KindFound> = BTreeMap::new();
    for (anomaly, is_found) in series.anomalies.iter().zip(found) {
        if let Some(is_found) = is_found {
            let kind = kinds.entry(anomaly.kind.clone()).or_default();
            kind.anomalies += 1;
            kind.found += usize::from(is_found);
        }
    }
    kinds
}

/// The thresholds that the scores of the training range give for some alarms a week, and for each
/// of [`ASKED`].
fn training_thresholds(
    series: &LabelledSeries,
    scores: &[f64],
    alarms_per_week: f64,
) -> [f64; 1 + ASKED.len()] {
    let step_days = f64::from(series.step_seconds) / SECONDS_PER_DAY;
    let [day, week, month] = ASKED.map(|budget| budget.per_week);
    thresholds(
        &scores[..series.train_points],
        [alarms_per_week, day, week, month].map(|per_week| per_week * step_days / DAYS_PER_WEEK),
        series.train_points as f64 * step_days,
    )
}

fn alarm_measures(
    series: &LabelledSeries,
    scores: &[f64],
    threshold: f64,
    rules: JudgingRules,
) -> Result<AlarmMeasures, MeasureError> {
    let from = series.train_points;
    let report = alarms_at(&series.labels, scores, from, threshold, rules.alarms)?;
    let budget = [series.budget(rules.alarms_per_week)];
    let oracle = alarms_within_each(&series.labels, scores, from, &budget, rules.alarms)?;
    Ok(AlarmMeasures {
        events: Some(report.events()),
        threshold: threshold.is_finite().then_some(threshold),
        event_recall: Some(report.recall()),
        false_alarms_per_week: Some(report.false_alarms as f64 / series.budget(1.0)),
        false_incidents_per_week: Some(report.false_incidents as f64 / series.budget(1.0)),
        delay_windows: report.median_delay(),
        hit_rank: hit_rank(series, scores, rules.alarms)?,
        event_recall_oracle: oracle.first().map(AlarmReport::recall),
    })
}

/// [`AlarmMeasures::hit_rank`].
fn hit_rank(
    series: &LabelledSeries,
    scores: &[f64],
    rules: AlarmRules,
) -> Result<Option<usize>, MeasureError> {
    let from = series.train_points;
    let labelled = series.labels.iter().zip(scores).skip(from);
    let highest = labelled
        .filter(|(is_labelled, score)| **is_labelled && !score.is_nan())
        .map(|(_, score)| *score)
        .max_by(f64::total_cmp);
    let Some(highest) = highest else {
        return Ok(None);
    };
    let report = alarms_at(&series.labels, scores, from, highest, rules)?;
    Ok(Some(report.false_alarms + 1))
}

impl LabelledSeries {
    /// False-alarm events that the windows judged may have, at so many a week.
    pub(super) fn budget(&self, per_week: f64) -> f64 {
        let windows = self.labels.len() - self.train_points;
        budget_of(per_week, windows, self.step_seconds)
    }

    /// The same for each budget of [`BUDGETS`].
    pub(super) fn budgets(&self) -> [f64; BUDGETS.len()] {
        BUDGETS.map(|per_week| self.budget(per_week))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::collections::KnownAnomaly;
    use crate::evaluation::floors::{difference, random};
    use crate::evaluation::made_up;

    const RULES: JudgingRules = JudgingRules {
        plots: true,
        ..made_up::RULES
    };

    /// Two weeks of noise by 5 minutes, with a labelled spike each day of the second.
    fn series() -> LabelledSeries {
        let mut values = random(&vec![0.0; 4_032], 1);
        let mut labels = vec![false; 4_032];
        for day in 7..14 {
            values[day * 288 + 100] += 20.0;
            labels[day * 288 + 100] = true;
        }
        LabelledSeries {
            file: "a".to_owned(),
            dataset: "made-up".to_owned(),
            window_start: (0..4_032).map(|row| row * 300_000_000).collect(),
            metric_names: vec!["value".to_owned()],
            metrics: vec![values],
            labels,
            anomalies: Vec::new(),
            second: None,
            train_points: 2_016,
            vus_window: 10,
            step_seconds: 300,
        }
    }

    #[test]
    fn spikes_are_found_without_false_alarms() {
        let series = series();
        let scores = difference(&series.metrics[0]);
        let Judgement {
            measures, curves, ..
        } = judge(&series, &scores, RULES).unwrap();
        let alarms = measures.alarms;
        assert_eq!(alarms.events, Some(7));
        assert_eq!(alarms.event_recall, Some(1.0));
        assert_eq!(alarms.event_recall_oracle, Some(1.0));
        assert_eq!(alarms.false_alarms_per_week, Some(0.0));
        assert_eq!(alarms.delay_windows, Some(0.0));
        assert!(
            measures.auc_roc > 0.99 && measures.vus_pr > 0.4,
            "{measures:?}"
        );
        assert!(curves.unwrap().recalls.iter().all(|recall| *recall > 0.999));
    }

    #[test]
    fn the_budget_asked_for_has_the_outcome_of_its_alarms() {
        let series = series();
        let scores = difference(&series.metrics[0]);
        for budget in ASKED {
            let rules = JudgingRules {
                alarms_per_week: budget.per_week,
                ..RULES
            };
            let judged = judge(&series, &scores, rules).unwrap();
            let mut outcomes = judged.budgets.iter();
            let own =
                outcomes.find(|outcome| outcome.asked_per_week.total_cmp(&budget.per_week).is_eq());
            let own = own.unwrap();
            let alarms = judged.measures.alarms;
            assert_eq!(Some(own.event_recall), alarms.event_recall);
            assert_eq!(
                Some(own.false_alarms_per_week),
                alarms.false_alarms_per_week
            );
            assert_eq!(own.threshold, ThresholdSource::TrainingRange);
        }
    }

    #[test]
    fn the_event_that_stands_out_most_has_its_place_among_false_alarms() {
        let series = series();
        let mut scores = difference(&series.metrics[0]);
        let rank = |scores: &[f64]| {
            judge(&series, scores, RULES)
                .unwrap()
                .measures
                .alarms
                .hit_rank
        };
        assert_eq!(rank(&scores), Some(1));
        // Two false alarms, of which the first has two windows, and one before the training range.
        for row in [50, 2_500, 2_503, 3_000] {
            scores[row] = 100.0;
        }
        assert_eq!(rank(&scores), Some(3));
    }

    #[test]
    fn anomalies_are_counted_by_kind_after_the_training_range() {
        let mut series = series();
        let known = |row: usize, kind: &str| KnownAnomaly {
            windows: row..row + 1,
            kind: kind.to_owned(),
        };
        let first = 7 * 288 + 100;
        series.anomalies = vec![
            known(first, "spike"),
            known(first + 288, "spike"),
            known(first + 50, "nothing"),
            known(100, "spike"),
        ];
        let scores = difference(&series.metrics[0]);
        let kinds = judge(&series, &scores, RULES).unwrap().kinds;
        let found = |anomalies, found| KindFound { anomalies, found };
        assert_eq!(kinds["spike"], found(2, 2));
        assert_eq!(kinds["nothing"], found(1, 0));
    }

    #[test]
    fn a_range_without_events_leaves_the_areas() {
        let mut series = series();
        series.labels.fill(false);
        series.labels[5] = true;
        let scores = difference(&series.metrics[0]);
        let measures = judge(&series, &scores, RULES).unwrap().measures;
        assert_eq!(measures.alarms, AlarmMeasures::default());
        assert!(measures.auc_roc.is_finite());
        series.labels[5] = false;
        let error = judge(&series, &scores, RULES).unwrap_err();
        assert_eq!(error, MeasureError::NoPositive { windows: 4_032 });
    }

    #[test]
    fn no_training_range_is_no_alarm() {
        let mut series = series();
        series.train_points = 0;
        let scores = difference(&series.metrics[0]);
        let measures = judge(&series, &scores, RULES).unwrap().measures;
        assert_eq!(measures.alarms.threshold, None);
        assert_eq!(measures.alarms.event_recall, Some(0.0));
        assert_eq!(measures.alarms.event_recall_oracle, Some(1.0));
    }

    #[test]
    fn a_hold_is_applied_before_everything() {
        let series = series();
        let scores = difference(&series.metrics[0]);
        let hold = Some(10.0);
        let held = judge(&series, &scores, JudgingRules { hold, ..RULES }).unwrap();
        let by_hand = judge(&series, &peak_hold(&scores, 10.0), RULES).unwrap();
        assert_eq!(held.measures, by_hand.measures);
        let also = JudgingRules {
            also_hold: hold,
            ..RULES
        };
        let also = judge(&series, &scores, also).unwrap();
        assert_eq!(also.vus_pr_held, Some(held.measures.vus_pr));
        assert_eq!(
            also.measures,
            judge(&series, &scores, RULES).unwrap().measures
        );
    }
}
