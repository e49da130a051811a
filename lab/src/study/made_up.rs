//! Lines for tests.

use std::collections::BTreeMap;

use anomalog::evaluation::budgets::{ASKED, BudgetOutcome, ThresholdSource};
use anomalog::evaluation::judge::{AlarmMeasures, Measures, OracleF1};
use anomalog::evaluation::results::SeriesResult;

use super::lines::StudyLines;
use super::records::{Line, Record, SeriesFacts, Use};

/// A series of a dataset.
pub(super) fn series(file: &str, dataset: &str) -> Line {
    Line::Series(SeriesFacts {
        group: "series".to_owned(),
        file: file.to_owned(),
        dataset: dataset.to_owned(),
        windows: 100,
        train_points: 50,
        step_seconds: 60,
        metrics: vec!["value".to_owned()],
        events: 2,
        first_event_micros: None,
        used_for: Use::Development,
    })
}

/// What a candidate, detector and protocol, reached on it.
pub(super) fn result(file: &str, candidate: (&str, &str), vus_pr: f64, event_recall: f64) -> Line {
    let measures = Measures {
        vus_pr,
        vus_roc: 0.5,
        auc_pr: 0.5,
        auc_roc: 0.5,
        alarms: AlarmMeasures {
            event_recall: Some(event_recall),
            false_alarms_per_week: Some(0.5),
            ..AlarmMeasures::default()
        },
        oracle_f1: OracleF1 {
            point: 0.5,
            range: 0.5,
            event: 0.5,
            affiliation: 0.5,
        },
        point_adjusted_f1: 0.5,
    };
    let result = SeriesResult {
        file: file.to_owned(),
        dataset: "KPI".to_owned(),
        detector: candidate.0.to_owned(),
        protocol: candidate.1.to_owned(),
        seed: Some(1),
        measures,
        kinds: BTreeMap::new(),
        budgets: ASKED
            .map(|budget| BudgetOutcome {
                asked_per_week: budget.per_week,
                threshold: ThresholdSource::TrainingRange,
                false_alarms_per_week: 0.5 * budget.per_week,
                event_recall,
            })
            .to_vec(),
        vus_pr_held: None,
        vus_pr_lingering: None,
        agreed: None,
        train_s: 1.0,
        pretrain_s: None,
        score_rows_per_s: 1e6,
        max_rss_bytes: None,
        params: 10,
        calibrated_on: None,
        curves: None,
    };
    Line::Result(Box::new(Record::new("series", result)))
}

impl StudyLines {
    /// Five series of a web service with the VUS-PR and event recall of some candidates.
    pub(super) fn made_up(candidates: &[(&str, &str, f64, f64)]) -> Self {
        let mut lines = Self::in_memory();
        for number in 0..5 {
            let file = format!("{number}.parquet");
            let mut of_series = vec![series(&file, "KPI")];
            for &(detector, protocol, volume, recall) in candidates {
                // Series differ more than candidates do, and in the same way.
                let volume = volume + 0.05 * f64::from(number);
                of_series.push(result(&file, (detector, protocol), volume, recall));
            }
            lines.add(of_series).expect("memory takes lines");
        }
        lines
    }
}
