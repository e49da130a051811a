//! What comes of an evaluation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::agreed::AgreedMeasures;
use super::budgets::BudgetOutcome;
use super::collections::LabelledSeries;
use super::curves::Curves;
use super::judge::{KindFound, Measures};
use super::leak::Copied;
use super::protocol::Calibrated;

/// The protocol of candidates that learn nothing.
pub const FLOOR: &str = "floor";
/// The protocol of detectors that learned before.
pub const STORED: &str = "stored";

/// One candidate on one series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeriesResult {
    /// File of the series, or its site.
    pub file: String,
    /// Its dataset.
    pub dataset: String,
    /// Architecture, floor or stored detector.
    pub detector: String,
    /// How it learned; `floor` for floors.
    pub protocol: String,
    /// Seed; `None` where nothing is drawn.
    pub seed: Option<u64>,
    /// How good it is.
    #[serde(flatten)]
    pub measures: Measures,
    /// Anomalies found after the training range, by kind, where kinds are known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, KindFound>,
    /// What comes of budgets of false alarms: at thresholds from the training range, and at a
    /// detector's own, for which nothing is held. Empty where the windows judged hold no event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetOutcome>,
    /// The volume with the other hold, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vus_pr_held: Option<f64>,
    /// The volume where peaks linger for every candidate as they do in the scores of detectors and of the
    /// baseline: of these it is the volume itself. `None` where it is not asked for by another hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vus_pr_lingering: Option<f64>,
    /// By what a second labelling agrees with, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed: Option<AgreedMeasures>,
    /// Seconds of learning and calibrating for this series; 0 for floors.
    pub train_s: f64,
    /// Seconds of training the weights that it began with, once for several series.
    pub pretrain_s: Option<f64>,
    /// Windows scored a second, by one thread.
    pub score_rows_per_s: f64,
    /// The highest memory of the whole process while it learned, and while it judged beside other
    /// series; `None` where the system does not tell.
    pub max_rss_bytes: Option<u64>,
    /// Numbers that were learned.
    pub params: usize,
    /// Where the detector's calibration comes from; `None` for floors.
    pub calibrated_on: Option<Calibrated>,
    /// What plots show, if asked for.
    #[serde(skip)]
    pub curves: Option<Curves>,
}

impl SeriesResult {
    /// Detector and protocol.
    #[must_use]
    pub fn candidate(&self) -> (&str, &str) {
        (&self.detector, &self.protocol)
    }
}

/// A series that could not be judged, or not by all measures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedResult {
    /// File of the series, or its site.
    pub file: String,
    /// Its dataset.
    pub dataset: String,
    /// Architecture, floor or stored detector; `None` for all.
    pub detector: Option<String>,
    /// How it was to learn; `None` for all.
    pub protocol: Option<String>,
    /// Seed; `None` for all.
    pub seed: Option<u64>,
    /// What is missing: `all` measures or those of `events`.
    pub missing: String,
    /// Why.
    pub reason: String,
}

/// All results: floors first, by candidate and then in the order of the series.
#[derive(Debug, Default)]
pub struct Evaluation {
    /// One per series, candidate, protocol and seed.
    pub results: Vec<SeriesResult>,
    /// What is not among them, and why.
    pub skipped: Vec<SkippedResult>,
    /// Histories that weights did not learn from, because they hold rows that are judged.
    pub left_out: Vec<Copied>,
}

/// The scores of one candidate on one series.
#[derive(Debug, Clone, Copy)]
pub struct Scored<'a> {
    /// The series.
    pub series: &'a LabelledSeries,
    /// What came of the scores.
    pub result: &'a SeriesResult,
    /// One per window before any hold; NaN for none.
    pub scores: &'a [f64],
}

/// What becomes of scores.
pub type ScoreSink<'a, E> = &'a mut dyn FnMut(Scored<'_>) -> Result<(), E>;

/// A result with the scores it was judged by, if they are kept; or why there is none.
pub(super) type Judged = Result<Box<(SeriesResult, Vec<f64>)>, Box<SkippedResult>>;

/// What was judged, and the place of its series.
pub(super) type Placed = (usize, Judged);

impl Evaluation {
    /// Adds what was judged, and gives its scores to the sink.
    pub(super) fn take<E>(
        &mut self,
        judged: Vec<Placed>,
        series: &[LabelledSeries],
        sink: &mut Option<ScoreSink<'_, E>>,
    ) -> Result<(), E> {
        for (number, judged) in judged {
            match judged {
                Ok(judged) => {
                    let (result, scores) = *judged;
                    if let Some(sink) = sink {
                        sink(Scored {
                            series: &series[number],
                            result: &result,
                            scores: &scores,
                        })?;
                    }
                    self.results.push(result);
                }
                Err(skip) => self.skipped.push(*skip),
            }
        }
        Ok(())
    }
}
