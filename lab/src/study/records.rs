//! What the lines of a study say.

use anomalog::evaluation::collections::LabelledSeries;
use anomalog::evaluation::leak::Copied;
use anomalog::evaluation::results::{SeriesResult, SkippedResult};
use serde::{Deserialize, Serialize};

use super::data::{CLOUD, SERVERS};
use super::plan::Plan;

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub(super) enum Line {
    /// The first.
    Study {
        format: u32,
        version: String,
        machine: String,
        plan: Plan,
        /// Parts of the data that were not there.
        absent: Vec<String>,
    },
    Series(SeriesFacts),
    Result(Box<Record>),
    Skipped {
        group: String,
        skipped: SkippedResult,
    },
    /// A history that was not learned from.
    LeftOut {
        copied: Copied,
    },
    /// Two series that hold the same values somewhere.
    Shared {
        one: String,
        other: String,
    },
    /// The end of a unit of work.
    Done {
        unit: String,
        seconds: f64,
    },
    /// The last.
    Complete,
}

/// Whether series were used to choose anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Use {
    /// The recipe was chosen on it.
    Development,
    /// It was not looked at while choosing, but holds values of a series that was.
    Copies,
    /// It was not looked at while choosing.
    Untouched,
}

impl Use {
    /// KPI, cloud monitoring, servers, and every other series of WSD and IOPS in the order of the list,
    /// from the first on.
    fn of(series: &LabelledSeries, all: &[LabelledSeries]) -> Self {
        let before = all
            .iter()
            .take_while(|other| other.file != series.file)
            .filter(|other| other.dataset == series.dataset)
            .count();
        match series.dataset.as_str() {
            "KPI" | CLOUD | SERVERS => Self::Development,
            "WSD" | "IOPS" if before.is_multiple_of(2) => Self::Development,
            _ => Self::Untouched,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Copies => "copies of development",
            Self::Untouched => "untouched",
        }
    }
}

/// What is said of a series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SeriesFacts {
    pub(super) group: String,
    pub(super) file: String,
    pub(super) dataset: String,
    pub(super) windows: usize,
    pub(super) train_points: usize,
    pub(super) step_seconds: u32,
    pub(super) metrics: Vec<String>,
    /// Labelled events after the training range.
    pub(super) events: usize,
    /// Start of the first of them, microseconds since the epoch.
    pub(super) first_event_micros: Option<i64>,
    pub(super) used_for: Use,
}

impl SeriesFacts {
    pub(super) fn new(group: &str, series: &LabelledSeries, all: &[LabelledSeries]) -> Self {
        let judged = &series.labels[series.train_points..];
        let begins = |row: &usize| judged[*row] && (*row == 0 || !judged[row - 1]);
        let first = (0..judged.len()).find(begins);
        Self {
            group: group.to_owned(),
            file: series.file.clone(),
            dataset: series.dataset.clone(),
            windows: series.labels.len(),
            train_points: series.train_points,
            step_seconds: series.step_seconds,
            metrics: series.metric_names.clone(),
            events: (0..judged.len()).filter(begins).count(),
            first_event_micros: first.map(|row| series.window_start[series.train_points + row]),
            used_for: Use::of(series, all),
        }
    }
}

/// One candidate on one series, with what plots need.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) group: String,
    #[serde(flatten)]
    pub(super) result: SeriesResult,
    /// Share of events found within each budget of
    /// [`BUDGETS`](anomalog::evaluation::curves::BUDGETS).
    pub(super) recalls: Vec<Option<f64>>,
}

impl Record {
    pub(super) fn new(group: &str, mut result: SeriesResult) -> Self {
        let curves = result.curves.take();
        let recalls = curves.map_or(Vec::new(), |curves| curves.recalls.to_vec());
        Self {
            group: group.to_owned(),
            result,
            recalls: recalls
                .into_iter()
                .map(|recall| recall.is_finite().then_some(recall))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_series_of_a_dataset_was_used_for_development() {
        let series = |file: &str, dataset: &str| LabelledSeries {
            file: file.to_owned(),
            dataset: dataset.to_owned(),
            window_start: vec![0, 1],
            metric_names: Vec::new(),
            metrics: Vec::new(),
            labels: vec![true, true],
            anomalies: Vec::new(),
            second: None,
            train_points: 1,
            vus_window: 1,
            step_seconds: 60,
        };
        let all = [
            series("a", "WSD"),
            series("b", "KPI"),
            series("c", "WSD"),
            series("d", "WSD"),
            series("e", "TODS"),
        ];
        let uses: Vec<&str> = all.iter().map(|one| Use::of(one, &all).name()).collect();
        let (development, untouched) = ("development", "untouched");
        assert_eq!(
            uses,
            [development, development, untouched, development, untouched]
        );
        let facts = SeriesFacts::new("series", &all[0], &all);
        assert_eq!((facts.events, facts.first_event_micros), (1, Some(1)));
    }
}
