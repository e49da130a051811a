//! Means over the series of a dataset, and what detectors gain over the best floor.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bootstrap::{Interval, mean_interval};
use super::judge::KindFound;
use super::results::{FLOOR, SeriesResult};

/// What a measure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Ranking, without a threshold.
    Areas,
    /// Alarms at a threshold from the training range.
    Alarms,
    /// What it takes.
    Cost,
    /// At thresholds chosen in sight of the labels: upper bounds.
    Oracle,
}

/// A measure of results.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// Its name in JSON.
    pub key: &'static str,
    /// Its name in tables.
    pub title: &'static str,
    /// What it is about.
    pub group: Group,
    /// Whether more is better without regard to the others.
    pub more_is_better: bool,
    /// The figure of a result; `None` where it is not defined.
    pub of: fn(&SeriesResult) -> Option<f64>,
}

const fn measure(
    key: &'static str,
    title: &'static str,
    group: Group,
    more_is_better: bool,
    of: fn(&SeriesResult) -> Option<f64>,
) -> Measure {
    Measure {
        key,
        title,
        group,
        more_is_better,
        of,
    }
}

/// All of them, in the order of tables.
pub const MEASURES: [Measure; 18] = [
    measure("vus_pr", "VUS-PR", Group::Areas, true, |r| {
        Some(r.measures.vus_pr)
    }),
    measure("vus_roc", "VUS-ROC", Group::Areas, true, |r| {
        Some(r.measures.vus_roc)
    }),
    measure("auc_pr", "AUC-PR", Group::Areas, true, |r| {
        Some(r.measures.auc_pr)
    }),
    measure("auc_roc", "AUC-ROC", Group::Areas, true, |r| {
        Some(r.measures.auc_roc)
    }),
    measure("event_recall", "event recall", Group::Alarms, true, |r| {
        r.measures.alarms.event_recall
    }),
    measure(
        "false_alarms_per_week",
        "false alarms a week",
        Group::Alarms,
        false,
        |r| r.measures.alarms.false_alarms_per_week,
    ),
    measure(
        "false_incidents_per_week",
        "false incidents a week",
        Group::Alarms,
        false,
        |r| r.measures.alarms.false_incidents_per_week,
    ),
    measure(
        "delay_windows",
        "delay in windows",
        Group::Alarms,
        false,
        |r| r.measures.alarms.delay_windows,
    ),
    measure("train_s", "training s", Group::Cost, false, |r| {
        Some(r.train_s)
    }),
    measure(
        "score_rows_per_s",
        "windows scored a second",
        Group::Cost,
        false,
        |r| Some(r.score_rows_per_s),
    ),
    measure("params", "weights", Group::Cost, false, |r| {
        Some(r.params as f64)
    }),
    measure(
        "max_rss_bytes",
        "bytes of memory",
        Group::Cost,
        false,
        |r| r.max_rss_bytes.map(|bytes| bytes as f64),
    ),
    measure(
        "event_recall_oracle",
        "event recall",
        Group::Oracle,
        true,
        |r| r.measures.alarms.event_recall_oracle,
    ),
    measure("oracle_f1_point", "point F1", Group::Oracle, true, |r| {
        Some(r.measures.oracle_f1.point)
    }),
    measure("oracle_f1_range", "range F1", Group::Oracle, true, |r| {
        Some(r.measures.oracle_f1.range)
    }),
    measure("oracle_f1_event", "event F1", Group::Oracle, true, |r| {
        Some(r.measures.oracle_f1.event)
    }),
    measure(
        "oracle_f1_affiliation",
        "affiliation F1",
        Group::Oracle,
        true,
        |r| Some(r.measures.oracle_f1.affiliation),
    ),
    measure(
        "point_adjusted_f1",
        "point-adjusted F1",
        Group::Oracle,
        true,
        |r| Some(r.measures.point_adjusted_f1),
    ),
];

/// One candidate on one dataset.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The dataset.
    pub dataset: String,
    /// Architecture, floor or stored detector.
    pub detector: String,
    /// How it learned.
    pub protocol: String,
    /// Series judged.
    pub series: usize,
    /// Seeds tried; figures are means over them before they are means over series.
    pub seeds: usize,
    /// By measure, means with 90 % intervals over series.
    pub measures: BTreeMap<&'static str, Interval>,
    /// By measure where more is better, what it has more than the best floor.
    pub over_best_floor: BTreeMap<&'static str, OverFloor>,
    /// Anomalies found over all series and seeds, by kind, where kinds are known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, KindFound>,
}

/// What a detector has more than the floor with the highest mean.
#[derive(Debug, Clone, Serialize)]
pub struct OverFloor {
    /// The floor.
    pub floor: String,
    /// Mean difference on the series that both were judged on, with its paired interval.
    #[serde(flatten)]
    pub difference: Interval,
}

impl Summary {
    /// Whether it is one of a floor.
    #[must_use]
    pub fn is_floor(&self) -> bool {
        self.protocol == FLOOR
    }
}

/// The results of one candidate on one dataset, by series.
struct Tried<'a> {
    detector: &'a str,
    protocol: &'a str,
    /// All seeds of each series, by its file.
    by_series: BTreeMap<&'a str, Vec<&'a SeriesResult>>,
}

impl Tried<'_> {
    /// By series, the mean over seeds.
    fn figures(&self, measure: &Measure) -> BTreeMap<&str, f64> {
        let mean = |results: &Vec<&SeriesResult>| {
            let figures: Vec<f64> = results.iter().filter_map(|r| (measure.of)(r)).collect();
            let figures: Vec<f64> = figures.into_iter().filter(|f| f.is_finite()).collect();
            (!figures.is_empty()).then(|| figures.iter().sum::<f64>() / figures.len() as f64)
        };
        let by_series = self.by_series.iter();
        by_series
            .filter_map(|(series, results)| Some((*series, mean(results)?)))
            .collect()
    }

    fn kinds(&self) -> BTreeMap<String, KindFound> {
        let mut kinds: BTreeMap<String, KindFound> = BTreeMap::new();
        for (kind, found) in self.by_series.values().flatten().flat_map(|r| &r.kinds) {
            let all = kinds.entry(kind.clone()).or_default();
            all.anomalies += found.anomalies;
            all.found += found.found;
        }
        kinds
    }

    fn interval(&self, measure: &Measure) -> Option<Interval> {
        let figures: Vec<f64> = self.figures(measure).into_values().collect();
        mean_interval(&figures)
    }
}

/// Summarises results: datasets in the order of their first series, and in each floors and
/// detectors in the order of their results.
#[must_use]
pub fn summarise(results: &[SeriesResult]) -> Vec<Summary> {
    let mut summaries = Vec::new();
    for dataset in distinct(results.iter().map(|result| result.dataset.as_str())) {
        let of_dataset = || results.iter().filter(|result| result.dataset == dataset);
        let keys = distinct(of_dataset().map(SeriesResult::candidate));
        let tried: Vec<Tried<'_>> = keys
            .into_iter()
            .map(|(detector, protocol)| {
                let mut by_series: BTreeMap<&str, Vec<&SeriesResult>> = BTreeMap::new();
                let own = of_dataset().filter(|r| r.candidate() == (detector, protocol));
                for result in own {
                    by_series.entry(&result.file).or_default().push(result);
                }
                Tried {
                    detector,
                    protocol,
                    by_series,
                }
            })
            .collect();
        summaries.extend(tried.iter().map(|one| summary(dataset, one, &tried)));
    }
    summaries
}

fn summary(dataset: &str, one: &Tried<'_>, all: &[Tried<'_>]) -> Summary {
    let measures = MEASURES
        .iter()
        .filter_map(|measure| Some((measure.key, one.interval(measure)?)));
    let over = MEASURES
        .iter()
        .filter(|measure| measure.more_is_better && one.protocol != FLOOR)
        .filter_map(|measure| Some((measure.key, over_best_floor(measure, one, all)?)));
    Summary {
        dataset: dataset.to_owned(),
        detector: one.detector.to_owned(),
        protocol: one.protocol.to_owned(),
        series: one.by_series.len(),
        seeds: one.by_series.values().map(Vec::len).max().unwrap_or(0),
        measures: measures.collect(),
        over_best_floor: over.collect(),
        kinds: one.kinds(),
    }
}

fn over_best_floor(measure: &Measure, one: &Tried<'_>, all: &[Tried<'_>]) -> Option<OverFloor> {
    let floors = all.iter().filter(|tried| tried.protocol == FLOOR);
    let (best, _) = floors
        .filter_map(|floor| Some((floor, floor.interval(measure)?.mean)))
        .max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let (own, other) = (one.figures(measure), best.figures(measure));
    let differences: Vec<f64> = own
        .iter()
        .filter_map(|(series, figure)| Some(figure - other.get(series)?))
        .collect();
    Some(OverFloor {
        floor: best.detector.to_owned(),
        difference: mean_interval(&differences)?,
    })
}

/// Each item once, in the order of first appearance.
pub fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::judge::{AlarmMeasures, Measures, OracleF1};

    fn result(file: &str, detector: &str, protocol: &str, vus_pr: f64) -> SeriesResult {
        SeriesResult {
            file: file.to_owned(),
            dataset: "made-up".to_owned(),
            detector: detector.to_owned(),
            protocol: protocol.to_owned(),
            seed: None,
            measures: Measures {
                vus_pr,
                vus_roc: 0.5,
                auc_pr: 0.5,
                auc_roc: 0.5,
                alarms: AlarmMeasures::default(),
                oracle_f1: OracleF1 {
                    point: 0.5,
                    range: 0.5,
                    event: 0.5,
                    affiliation: 0.5,
                },
                point_adjusted_f1: 0.5,
            },
            kinds: BTreeMap::new(),
            budgets: Vec::new(),
            vus_pr_held: None,
            vus_pr_lingering: None,
            agreed: None,
            train_s: 0.0,
            pretrain_s: None,
            score_rows_per_s: 1.0,
            max_rss_bytes: None,
            params: 0,
            calibrated_on: None,
            curves: None,
        }
    }

    #[test]
    fn detectors_are_compared_with_the_best_floor_on_common_series() {
        let results = [
            result("a", "difference", FLOOR, 0.5),
            result("b", "difference", FLOOR, 0.7),
            result("a", "median-11", FLOOR, 0.4),
            result("b", "median-11", FLOOR, 0.1),
            result("a", "lstm", "per-series", 0.6),
            result("a", "lstm", "per-series", 0.8),
            result("c", "lstm", "per-series", 0.9),
        ];
        let summaries = summarise(&results);
        let lstm = &summaries[2];
        assert_eq!(
            (lstm.detector.as_str(), lstm.series, lstm.seeds),
            ("lstm", 2, 2)
        );
        assert!((lstm.measures["vus_pr"].mean - 0.8).abs() < 1e-12);
        assert!(!lstm.measures.contains_key("event_recall"));
        let over = &lstm.over_best_floor["vus_pr"];
        assert_eq!(
            (over.floor.as_str(), over.difference.series),
            ("difference", 1)
        );
        assert!((over.difference.mean - 0.2).abs() < 1e-12);
        assert!(summaries[0].over_best_floor.is_empty() && summaries[0].is_floor());
    }
}
