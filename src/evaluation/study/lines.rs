//! Results as JSON lines: added to unit by unit, so that an interrupted study goes on.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plan::Plan;
use crate::evaluation::collection::LabelledSeries;
use crate::evaluation::lessons::Copied;
use crate::evaluation::run::{SeriesResult, SkippedResult};

/// Changes when lines do.
const FORMAT: u32 = 1;

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
    LeftOut {
        copied: Copied,
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
    /// It was not looked at while choosing.
    Untouched,
}

impl Use {
    /// KPI, and every other series of WSD and IOPS in the order of the list, from the first on.
    fn of(series: &LabelledSeries, all: &[LabelledSeries]) -> Self {
        let before = all
            .iter()
            .take_while(|other| other.file != series.file)
            .filter(|other| other.dataset == series.dataset)
            .count();
        match series.dataset.as_str() {
            "KPI" => Self::Development,
            "WSD" | "IOPS" if before.is_multiple_of(2) => Self::Development,
            _ => Self::Untouched,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
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
    pub(super) used_for: Use,
}

impl SeriesFacts {
    pub(super) fn new(group: &str, series: &LabelledSeries, all: &[LabelledSeries]) -> Self {
        let judged = &series.labels[series.train_points..];
        let begins = |row: &usize| judged[*row] && (*row == 0 || !judged[row - 1]);
        Self {
            group: group.to_owned(),
            file: series.file.clone(),
            dataset: series.dataset.clone(),
            windows: series.labels.len(),
            train_points: series.train_points,
            step_seconds: series.step_seconds,
            metrics: series.metric_names.clone(),
            events: (0..judged.len()).filter(begins).count(),
            used_for: Use::of(series, all),
        }
    }
}

/// One candidate on one series, with what plots need.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) group: String,
    /// What differs from the recipe; empty for nothing.
    pub(super) variant: String,
    #[serde(flatten)]
    pub(super) result: SeriesResult,
    /// Share of events found within each budget of
    /// [`BUDGETS`](crate::evaluation::curves::BUDGETS).
    pub(super) recalls: Vec<Option<f64>>,
}

impl Record {
    pub(super) fn new(group: &str, variant: &str, mut result: SeriesResult) -> Self {
        let curves = result.curves.take();
        let recalls = curves.map_or(Vec::new(), |curves| curves.recalls.to_vec());
        Self {
            group: group.to_owned(),
            variant: variant.to_owned(),
            result,
            recalls: recalls
                .into_iter()
                .map(|recall| recall.is_finite().then_some(recall))
                .collect(),
        }
    }
}

/// Why lines cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// The file cannot be read or written.
    #[error("cannot {action} `{}`", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line is none.
    #[error("line {number} of `{}` is no result of a study", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        number: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Results of another plan or version.
    #[error("`{}` holds results of another study", .path.display())]
    Other {
        /// The file.
        path: PathBuf,
    },
}

impl LinesError {
    /// What the user can do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io { .. } => None,
            Self::Damaged { .. } => Some("remove the line and those after it, or the file"),
            Self::Other { .. } => Some("name a new file with `--results`, or remove this one"),
        }
    }
}

/// The lines of a study, in memory and, if there is one, in a file.
#[derive(Debug)]
pub struct StudyLines {
    lines: Vec<Line>,
    path: Option<PathBuf>,
}

impl StudyLines {
    /// Reads the lines of a file, which need not exist; without a file they are kept in memory.
    ///
    /// # Errors
    /// When the file cannot be read, or holds results of another plan or version.
    pub fn open(path: Option<&Path>, plan: &Plan) -> Result<Self, LinesError> {
        let mut opened = Self {
            lines: Vec::new(),
            path: path.map(Path::to_owned),
        };
        let Some(path) = path else {
            return Ok(opened);
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(opened),
            Err(source) => {
                return Err(LinesError::Io {
                    action: "read",
                    path: path.to_owned(),
                    source,
                });
            }
        };
        // What was being written when the study was interrupted has no end of line.
        let complete = text.rfind('\n').map_or("", |end| &text[..=end]);
        for (number, line) in complete.lines().enumerate() {
            let line = serde_json::from_str(line).map_err(|source| LinesError::Damaged {
                path: path.to_owned(),
                number: number + 1,
                source,
            })?;
            opened.lines.push(line);
        }
        opened.forget_unfinished();
        let is_ours = match opened.lines.first() {
            None => true,
            Some(Line::Study {
                format,
                version,
                plan: found,
                ..
            }) => *format == FORMAT && version == env!("CARGO_PKG_VERSION") && found == plan,
            Some(_) => false,
        };
        if !is_ours {
            let path = path.to_owned();
            return Err(LinesError::Other { path });
        }
        opened.rewrite()?;
        Ok(opened)
    }

    #[cfg(test)]
    pub(super) fn in_memory() -> Self {
        Self {
            lines: Vec::new(),
            path: None,
        }
    }

    /// Results of a unit without its last line are of no use.
    fn forget_unfinished(&mut self) {
        let is_result = |line: &Line| {
            matches!(
                line,
                Line::Result(_) | Line::Skipped { .. } | Line::LeftOut { .. }
            )
        };
        while self.lines.last().is_some_and(is_result) {
            self.lines.pop();
        }
    }

    /// Begins, unless begun.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin(&mut self, plan: &Plan, absent: &[String]) -> Result<(), LinesError> {
        if !self.lines.is_empty() {
            return Ok(());
        }
        self.add(vec![Line::Study {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            machine: machine(),
            plan: plan.clone(),
            absent: absent.to_vec(),
        }])
    }

    /// Whether all is done.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.lines.last(), Some(Line::Complete))
    }

    pub(super) fn has_series(&self) -> bool {
        self.all().any(|line| matches!(line, Line::Series(_)))
    }

    pub(super) fn is_done(&self, name: &str) -> bool {
        self.all()
            .any(|line| matches!(line, Line::Done { unit, .. } if unit == name))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter()
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.all().filter_map(|line| match line {
            Line::Result(record) => Some(record.as_ref()),
            _ => None,
        })
    }

    pub(super) fn series(&self) -> impl Iterator<Item = &SeriesFacts> {
        self.all().filter_map(|line| match line {
            Line::Series(facts) => Some(facts),
            _ => None,
        })
    }

    pub(super) fn complete(&mut self) -> crate::error::Result<()> {
        if !self.is_complete() {
            self.add(vec![Line::Complete])?;
        }
        Ok(())
    }

    /// Adds lines at the end, of the file too.
    pub(super) fn add(&mut self, lines: Vec<Line>) -> Result<(), LinesError> {
        if let Some(path) = &self.path {
            let text = encode(&lines);
            let mut options = File::options();
            let written = options
                .create(true)
                .append(true)
                .open(path)
                .and_then(|mut file| file.write_all(text.as_bytes()));
            written.map_err(failed(path))?;
        }
        self.lines.extend(lines);
        Ok(())
    }

    /// Writes what was read, without what was unfinished.
    fn rewrite(&self) -> Result<(), LinesError> {
        match &self.path {
            Some(path) => fs::write(path, encode(&self.lines)).map_err(failed(path)),
            None => Ok(()),
        }
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> LinesError {
    move |source| LinesError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    }
}

fn encode(lines: &[Line]) -> String {
    let encode = |line: &Line| serde_json::to_string(line).expect("a line has a JSON form");
    lines.iter().map(|line| encode(line) + "\n").collect()
}

/// Cores, and on Linux the processor.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "model name").then(|| value.trim().to_owned())
    });
    match model {
        Some(model) => format!("{cores} cores of {model}"),
        None => format!("{cores} cores"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Made-up lines.
    pub(in crate::evaluation::study) mod line_of {
        use super::super::*;
        use crate::evaluation::judge::{AlarmMeasures, Measures, OracleF1};

        pub(in crate::evaluation::study) fn series(file: &str, dataset: &str) -> Line {
            Line::Series(SeriesFacts {
                group: "series".to_owned(),
                file: file.to_owned(),
                dataset: dataset.to_owned(),
                windows: 100,
                train_points: 50,
                step_seconds: 60,
                metrics: vec!["value".to_owned()],
                events: 2,
                used_for: Use::Development,
            })
        }

        pub(in crate::evaluation::study) fn result(
            file: &str,
            candidate: (&str, &str),
            vus_pr: f64,
            event_recall: f64,
        ) -> Line {
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
                kinds: std::collections::BTreeMap::new(),
                vus_pr_held: None,
                train_s: 1.0,
                pretrain_s: None,
                score_rows_per_s: 1e6,
                max_rss_bytes: None,
                params: 10,
                calibrated_on: None,
                has_seen_history: None,
                curves: None,
            };
            Line::Result(Box::new(Record::new("series", "", result)))
        }
    }

    fn done(unit: &str) -> Line {
        Line::Done {
            unit: unit.to_owned(),
            seconds: 1.5,
        }
    }

    #[test]
    fn a_study_goes_on_after_the_last_unit_that_was_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.jsonl");
        let plan = Plan::quick();
        let mut lines = StudyLines::open(Some(&path), &plan).unwrap();
        lines.begin(&plan, &["nab".to_owned()]).unwrap();
        lines.add(vec![line_of::series("a", "KPI")]).unwrap();
        let result = || line_of::result("a", ("gru", "zero-shot"), 0.25, 1.0);
        lines.add(vec![result(), done("first")]).unwrap();
        lines.add(vec![result()]).unwrap();
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str("{\"line\":\"resu");
        fs::write(&path, text).unwrap();
        let again = StudyLines::open(Some(&path), &plan).unwrap();
        assert!(again.is_done("first") && again.has_series() && !again.is_complete());
        let records: Vec<&Record> = again.records().collect();
        assert_eq!(records.len(), 1);
        let result = &records[0].result;
        assert_eq!(result.measures.vus_pr.to_bits(), 0.25_f64.to_bits());
        assert_eq!(result.measures.alarms.events, None);
        let other = StudyLines::open(Some(&path), &Plan::full());
        assert!(matches!(other, Err(LinesError::Other { .. })));
    }

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
        assert_eq!(SeriesFacts::new("series", &all[0], &all).events, 1);
    }
}
