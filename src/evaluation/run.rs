//! All candidates on all series.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anomalog_engine::detector::Detector;
use anomalog_engine::network::Architecture;
use anomalog_engine::score::{Verdict, WindowScore};
use anomalog_engine::series::Rows;
use anomalog_engine::series::time_zone::TimeZone;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::budgets::{BudgetOutcome, at_own_thresholds};
use super::candidate::Candidate;
use super::collection::LabelledSeries;
use super::curves::Curves;
use super::floors::Floor;
use super::judge::{JudgingRules, KindFound, Measures, judge};
use super::lessons::{Copied, Copies, named};
use super::memory;
use super::protocol::{
    Calibrated, Learning, Prepared, Protocol, ProtocolError, Report, Subject, Transfer,
    classifiable, folds, others, shipped, stored,
};
use crate::explain::Explain;
use crate::measures::labelled::positives;
use crate::progress::Counter;

/// The protocol of candidates that learn nothing.
pub const FLOOR: &str = "floor";
/// The protocol of detectors that learned before.
pub const STORED: &str = "stored";

/// What judging one series counts as in a [`Counter`], in optimiser steps.
const JUDGING: u64 = 10;

/// What to judge, and how.
#[derive(Debug, Clone)]
pub struct EvaluationSettings {
    /// Architectures and floors.
    pub candidates: Vec<Candidate>,
    /// Detectors that are trained already.
    pub stored: Vec<Arc<Detector>>,
    /// How architectures learn before they judge.
    pub protocols: Vec<Protocol>,
    /// Each architecture and the random floor are tried with each.
    pub seeds: Vec<u64>,
    /// How architectures learn.
    pub learning: Learning,
    /// How all are judged.
    pub rules: JudgingRules,
}

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
    /// Whether a shipped detector has learned from the training range of this very series; `None`
    /// for other detectors and for floors.
    pub has_seen_history: Option<bool>,
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

/// Why nothing is judged.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Weights would know what they must not, or there are too few series for that.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// No candidate could be judged on any series.
    #[error("no series can be judged: {}", describe(.0))]
    Nothing(Vec<SkippedResult>),
}

impl Explain for RunError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Protocol(ProtocolError::Leak(leak)) => Some(leak.hint().into()),
            Self::Protocol(ProtocolError::TooFewSeries { .. }) => {
                Some("list more series with `--series`, or use `--protocol per-series`".into())
            }
            Self::Protocol(ProtocolError::SeenByShipped { .. }) => {
                Some("raise its `train_points` in the list".into())
            }
            Self::Protocol(ProtocolError::Unfit { .. }) => {
                Some("name the metrics it reads with `--metrics`; `anomalog detectors show` tells them and its step".into())
            }
            Self::Protocol(ProtocolError::Training(error)) => error.hint(),
            Self::Protocol(ProtocolError::Detector(error)) => error.hint().map(Cow::Owned),
            Self::Nothing(_) => Some("each series needs anomalies, windows that are none, and values that vary; \
                 detectors need some 1000 windows before the first that is judged".into()),
        }
    }
}

fn describe(skipped: &[SkippedResult]) -> String {
    const SHOWN: usize = 3;
    let of = |skip: &SkippedResult| format!("`{}`: {}", skip.file, skip.reason);
    let mut texts: Vec<String> = skipped.iter().take(SHOWN).map(of).collect();
    if skipped.len() > SHOWN {
        texts.push(format!("and {} more", skipped.len() - SHOWN));
    }
    texts.join("; ")
}

/// A candidate as it is tried.
#[derive(Debug, Clone)]
struct Trial {
    detector: String,
    protocol: &'static str,
    seed: Option<u64>,
}

impl Trial {
    fn skip(&self, series: &LabelledSeries, reason: &impl ToString) -> SkippedResult {
        SkippedResult {
            file: series.file.clone(),
            dataset: series.dataset.clone(),
            detector: Some(self.detector.clone()),
            protocol: Some(self.protocol.to_owned()),
            seed: self.seed,
            missing: "all".to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// Judges all candidates on all series; tells `progress` how far it is, and gives the scores of
/// each candidate on each series to `sink`, in the order of the results.
///
/// # Errors
/// When weights would know what they must not, there are too few series to transfer between,
/// nothing can be judged at all, or the sink fails.
pub fn evaluate<E: From<RunError>>(
    series: &[LabelledSeries],
    settings: &EvaluationSettings,
    progress: &dyn Counter,
    mut sink: Option<ScoreSink<'_, E>>,
) -> Result<Evaluation, E> {
    let run = Run {
        series,
        settings,
        progress,
        keeps_scores: sink.is_some(),
    };
    let mut evaluation = Evaluation::default();
    let usable = run.usable(&mut evaluation.skipped);
    // Before anything long: leaks and too few series.
    let copies = run
        .check_transfer(&mut evaluation.left_out)
        .map_err(RunError::from)?;
    let ready = run.check_stored(&usable).map_err(RunError::from)?;
    progress.expect(run.planned(usable.len()));
    for (floor, seed) in floors(settings) {
        evaluation.take(run.floor(floor, seed, &usable), series, &mut sink)?;
    }
    for (detector, prepared) in settings.stored.iter().zip(ready) {
        evaluation.take(run.stored(detector, prepared), series, &mut sink)?;
    }
    for architecture in architectures(settings) {
        if settings.protocols.contains(&Protocol::Shipped) {
            let judged = run.shipped(architecture, &usable);
            evaluation.take(judged.map_err(RunError::from)?, series, &mut sink)?;
        }
        for &seed in &settings.seeds {
            let subject = Subject {
                architecture,
                seed,
                learning: settings.learning,
            };
            let judged = run.subject(subject, &usable, &copies);
            evaluation.take(judged.map_err(RunError::from)?, series, &mut sink)?;
        }
    }
    if evaluation.results.is_empty() {
        return Err(RunError::Nothing(evaluation.skipped).into());
    }
    Ok(evaluation)
}

fn architectures(settings: &EvaluationSettings) -> Vec<Architecture> {
    let candidates = settings.candidates.iter();
    candidates
        .filter_map(|candidate| match candidate {
            Candidate::Architecture(architecture) => Some(*architecture),
            Candidate::Floor(_) => None,
        })
        .collect()
}

/// The floors, and the random one once per seed.
fn floors(settings: &EvaluationSettings) -> Vec<(Floor, Option<u64>)> {
    let mut floors = Vec::new();
    for candidate in &settings.candidates {
        match *candidate {
            Candidate::Architecture(_) => {}
            Candidate::Floor(Floor::Random) => {
                let seeds = settings.seeds.iter();
                floors.extend(seeds.map(|seed| (Floor::Random, Some(*seed))));
            }
            Candidate::Floor(floor) => floors.push((floor, None)),
        }
    }
    floors
}

/// A result with the scores it was judged by, if they are kept; or why there is none.
type Judged = Result<Box<(SeriesResult, Vec<f64>)>, Box<SkippedResult>>;

/// What was judged, and the place of its series.
type Placed = (usize, Judged);

impl Evaluation {
    fn take<E>(
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

/// What is known before a series is scored.
struct Ready {
    prepared: Result<Prepared, String>,
    peak: Option<u64>,
}

struct Run<'a> {
    series: &'a [LabelledSeries],
    settings: &'a EvaluationSettings,
    progress: &'a dyn Counter,
    keeps_scores: bool,
}

impl Run<'_> {
    /// Series whose labels have a meaning, and the reasons of the others.
    fn usable(&self, skipped: &mut Vec<SkippedResult>) -> Vec<usize> {
        let mut usable = Vec::new();
        for (number, series) in self.series.iter().enumerate() {
            let mut skip = |missing: &str, reason: String| {
                skipped.push(SkippedResult {
                    file: series.file.clone(),
                    dataset: series.dataset.clone(),
                    detector: None,
                    protocol: None,
                    seed: None,
                    missing: missing.to_owned(),
                    reason,
                });
            };
            if let Err(error) = positives(&series.labels) {
                skip("all", error.to_string());
                continue;
            }
            if let Err(error) = positives(&series.labels[series.train_points..]) {
                skip("events", format!("after the training range, {error}"));
            }
            usable.push(number);
        }
        usable
    }

    /// What is needed to transfer weights between series; checks that it is allowed.
    fn check_transfer(&self, left_out: &mut Vec<Copied>) -> Result<Copies, ProtocolError> {
        let protocols = &self.settings.protocols;
        let transfer = protocols.iter().copied().find(|p| p.transfer().is_some());
        let is_classifying = protocols.contains(&Protocol::Classify);
        if (transfer.is_none() && !is_classifying) || architectures(self.settings).is_empty() {
            return Ok(Copies::default());
        }
        let found = self.series.len();
        if let Some(protocol) = transfer.filter(|_| found < 2) {
            return Err(ProtocolError::TooFewSeries { protocol, found });
        }
        let copies = Copies::find(self.series);
        if is_classifying {
            left_out.extend(named(self.series, &classifiable(found, &copies).1));
        }
        if transfer.is_none() {
            return Ok(copies);
        }
        for fold in folds(found) {
            others(self.series, &copies, &fold)?;
            let learned = (0..found).filter(|series| !fold.contains(series));
            left_out.extend(named(self.series, &copies.shared(&fold, learned)));
        }
        Ok(copies)
    }

    /// The stored detectors, for each series.
    fn check_stored(&self, usable: &[usize]) -> Result<Vec<Vec<(usize, Ready)>>, ProtocolError> {
        let of_series = |detector, number: usize| {
            let prepared = stored(detector, &self.series[number])?;
            let prepared = Ok(prepared);
            Ok((
                number,
                Ready {
                    prepared,
                    peak: None,
                },
            ))
        };
        let detectors = self.settings.stored.iter();
        detectors
            .map(|detector| usable.iter().map(|n| of_series(detector, *n)).collect())
            .collect()
    }

    /// All there is to do, in optimiser steps.
    fn planned(&self, usable: usize) -> u64 {
        let usable = usable as u64;
        let learning = self.settings.learning;
        let (steps, fine_tune_steps) = (learning.steps as u64, learning.fine_tune_steps as u64);
        let protocols = self.settings.protocols.iter();
        let of_protocol = |protocol: &Protocol| match protocol {
            Protocol::PerSeries => usable * (JUDGING + steps),
            Protocol::ZeroShot => usable * JUDGING,
            // Once for all seeds.
            Protocol::Shipped => 0,
            Protocol::FineTuned => usable * (JUDGING + fine_tune_steps),
            Protocol::Classify => usable * JUDGING + learning.classifier_steps as u64,
        };
        let transfers = protocols.clone().any(|p| p.transfer().is_some());
        let pretraining = u64::from(transfers) * folds(self.series.len()).len() as u64 * steps;
        let subjects = architectures(self.settings).len() * self.settings.seeds.len();
        let shipped = if protocols.clone().any(|p| *p == Protocol::Shipped) {
            architectures(self.settings).len()
        } else {
            0
        };
        let given = floors(self.settings).len() + self.settings.stored.len();
        subjects as u64 * (protocols.map(of_protocol).sum::<u64>() + pretraining)
            + (given + shipped) as u64 * usable * JUDGING
    }

    /// Trains, and tells how far it is.
    fn trained<T>(&self, stage: &str, steps: usize, train: impl FnOnce(Report<'_>) -> T) -> T {
        self.progress.say(stage.to_owned());
        let mut done = 0;
        let trained = train(&mut |report| {
            done = report.step;
            self.progress.advance(1);
        });
        // Where training ended early, the rest is done too.
        self.progress.advance(steps.saturating_sub(done) as u64);
        trained
    }

    /// A floor on all series, side by side.
    fn floor(&self, floor: Floor, seed: Option<u64>, usable: &[usize]) -> Vec<Placed> {
        let trial = Trial {
            detector: floor.name().to_owned(),
            protocol: FLOOR,
            seed,
        };
        self.progress.say(format!("judging {}", trial.detector));
        memory::reset_peak();
        let of_series = |&number: &usize| {
            let series = &self.series[number];
            let start = Instant::now();
            let scores = floor.score_all(
                &series.metrics,
                series.train_points,
                series.step_seconds,
                seed.unwrap_or_default(),
            );
            let seconds = start.elapsed().as_secs_f64();
            (number, self.judge(&trial, series, scores, seconds))
        };
        usable.par_iter().map(of_series).collect()
    }

    /// A detector of a store on all series.
    fn stored(&self, detector: &Detector, ready: Vec<(usize, Ready)>) -> Vec<Placed> {
        let trial = Trial {
            detector: detector.manifest().id(),
            protocol: STORED,
            seed: None,
        };
        self.progress.say(format!("judging {}", trial.detector));
        self.score(&trial, ready, None)
    }

    /// The shipped detector of an architecture as it is, the same for all seeds.
    fn shipped(
        &self,
        architecture: Architecture,
        usable: &[usize],
    ) -> Result<Vec<Placed>, ProtocolError> {
        let trial = Trial {
            detector: architecture.to_string(),
            protocol: Protocol::Shipped.name(),
            seed: None,
        };
        self.progress.say(format!("judging shipped {architecture}"));
        let of_series = |&number: &usize| {
            let prepared = Ok(shipped(architecture, &self.series[number])?);
            let peak = None;
            Ok((number, Ready { prepared, peak }))
        };
        // What it must not have seen is refused before anything is judged.
        let ready: Result<Vec<_>, ProtocolError> = usable.iter().map(of_series).collect();
        Ok(self.score(&trial, ready?, None))
    }

    /// One architecture with one seed, by all protocols but that of shipped detectors.
    fn subject(
        &self,
        subject: Subject,
        usable: &[usize],
        copies: &Copies,
    ) -> Result<Vec<Placed>, ProtocolError> {
        let trial = |protocol: Protocol| Trial {
            detector: subject.architecture.to_string(),
            protocol: protocol.name(),
            seed: Some(subject.seed),
        };
        let learning = subject.learning;
        let mut all = Vec::new();
        if self.settings.protocols.contains(&Protocol::PerSeries) {
            let trial = trial(Protocol::PerSeries);
            let prepare = |series: &LabelledSeries, report: Report<'_>| {
                let prepared = subject.per_series(series, report);
                prepared.map_err(|error| error.to_string())
            };
            all.extend(self.each(&trial, usable, learning.steps, prepare, None));
        }
        if self.settings.protocols.contains(&Protocol::Classify) {
            all.extend(self.classifier(&trial(Protocol::Classify), subject, usable, copies)?);
        }
        let protocols = self.settings.protocols.iter();
        let transfers: Vec<_> = protocols
            .filter_map(|protocol| Some((trial(*protocol), protocol.transfer()?)))
            .collect();
        if transfers.is_empty() {
            return Ok(all);
        }
        let mut judged: Vec<Vec<Placed>> = Vec::new();
        judged.resize_with(transfers.len(), Vec::new);
        let folds = folds(self.series.len());
        for (number, fold) in folds.iter().enumerate() {
            let fold_usable: Vec<usize> = fold
                .iter()
                .copied()
                .filter(|series| usable.contains(series))
                .collect();
            let stage = format!(
                "training {} without fold {} of {}",
                subject.architecture,
                number + 1,
                folds.len()
            );
            let pretrained = self.trained(&stage, learning.steps, |report| {
                // Nothing to judge, nothing to learn for.
                (!fold_usable.is_empty())
                    .then(|| subject.pretrained(self.series, copies, fold, report))
            });
            let pretrained = match pretrained {
                None => continue,
                Some(Err(ProtocolError::Training(error))) => Err(error),
                Some(other) => Ok(other?),
            };
            let pretrain_s = pretrained.as_ref().ok().map(|weights| weights.train_s);
            for ((trial, transfer), judged) in transfers.iter().zip(&mut judged) {
                let steps = match transfer {
                    Transfer::AsTheyAre => 0,
                    Transfer::FineTuned => learning.fine_tune_steps,
                };
                let prepare = |series: &LabelledSeries, report: Report<'_>| match &pretrained {
                    Ok(weights) => subject
                        .transferred(*transfer, weights, series, report)
                        .map_err(|error| error.to_string()),
                    Err(error) => Err(format!("on the others, {error}")),
                };
                judged.extend(self.each(trial, &fold_usable, steps, prepare, pretrain_s));
            }
        }
        for mut judged in judged {
            judged.sort_by_key(|(series, _)| *series);
            all.extend(judged);
        }
        Ok(all)
    }

    /// One classifier for all series.
    fn classifier(
        &self,
        trial: &Trial,
        subject: Subject,
        usable: &[usize],
        copies: &Copies,
    ) -> Result<Vec<Placed>, ProtocolError> {
        let stage = format!("training {} to classify", subject.architecture);
        let classifier = self.trained(&stage, subject.learning.classifier_steps, |report| {
            subject.classifier(self.series, copies, report)
        });
        let classifier = match classifier {
            Err(ProtocolError::Training(error)) => Err(error),
            other => Ok(other?),
        };
        let train_s = classifier
            .as_ref()
            .ok()
            .map(|classifier| classifier.train_s);
        let prepare = |series: &LabelledSeries, _: Report<'_>| match &classifier {
            Ok(classifier) => classifier
                .for_series(series)
                .map_err(|error| error.to_string()),
            Err(error) => Err(format!("on all series, {error}")),
        };
        Ok(self.each(trial, usable, 0, prepare, train_s))
    }

    /// Trains for one series after the other, as training uses all cores and is timed; then scores
    /// and judges them side by side.
    fn each(
        &self,
        trial: &Trial,
        numbers: &[usize],
        steps: usize,
        prepare: impl Fn(&LabelledSeries, Report<'_>) -> Result<Prepared, String>,
        pretrain_s: Option<f64>,
    ) -> Vec<Placed> {
        let mut ready = Vec::new();
        for &number in numbers {
            let series = &self.series[number];
            let stage = format!("{} {}: {}", trial.detector, trial.protocol, series.file);
            memory::reset_peak();
            let prepared = self.trained(&stage, steps, |report| prepare(series, report));
            let peak = memory::peak();
            ready.push((number, Ready { prepared, peak }));
        }
        self.score(trial, ready, pretrain_s)
    }

    fn score(
        &self,
        trial: &Trial,
        ready: Vec<(usize, Ready)>,
        pretrain_s: Option<f64>,
    ) -> Vec<Placed> {
        memory::reset_peak();
        let of_series = |(number, ready)| {
            let series = &self.series[number];
            (number, self.detector(trial, series, ready, pretrain_s))
        };
        ready.into_par_iter().map(of_series).collect()
    }

    fn detector(
        &self,
        trial: &Trial,
        series: &LabelledSeries,
        ready: Ready,
        pretrain_s: Option<f64>,
    ) -> Judged {
        let failed = |reason: &dyn ToString| {
            self.progress.advance(JUDGING);
            Err(Box::new(trial.skip(series, &reason.to_string())))
        };
        let prepared = match ready.prepared {
            Ok(prepared) => prepared,
            Err(error) => return failed(&error),
        };
        let metrics = series.metrics_of(&prepared.detector.manifest().metrics);
        let Some(metrics) = metrics else {
            return failed(&"it lacks a metric of the detector");
        };
        let rows = Rows {
            window_start: &series.window_start,
            metrics: &metrics,
            time_zone: Some(TimeZone::UTC),
        };
        let start = Instant::now();
        let scored = prepared.detector.score(rows);
        let seconds = start.elapsed().as_secs_f64();
        let scored = match scored {
            Ok(scored) => scored,
            Err(error) => return failed(&error),
        };
        let params = match prepared.params() {
            Ok(params) => params,
            Err(error) => return failed(&error),
        };
        let verdicts = |of: fn(Verdict) -> f64| -> Vec<f64> {
            let of_window = |window: &WindowScore| window.verdict.map_or(f64::NAN, of);
            scored.iter().map(of_window).collect()
        };
        let rates = verdicts(|verdict| verdict.alarms_per_window);
        let scores = verdicts(|verdict| verdict.surprise);
        let mut judged = self.judge(trial, series, scores, seconds)?;
        let result = &mut judged.0;
        // Where there is no event to judge by, the skipped results say so.
        if let Ok(own) = at_own_thresholds(series, &rates, self.settings.rules.alarms) {
            result.budgets.extend(own);
        }
        result.train_s = prepared.train_s;
        result.pretrain_s = pretrain_s;
        result.params = params;
        result.calibrated_on = Some(prepared.calibrated);
        result.max_rss_bytes = result.max_rss_bytes.max(ready.peak);
        result.has_seen_history = prepared.has_seen_history;
        Ok(judged)
    }

    fn judge(
        &self,
        trial: &Trial,
        series: &LabelledSeries,
        scores: Vec<f64>,
        seconds: f64,
    ) -> Judged {
        let judged = judge(series, &scores, self.settings.rules);
        self.progress.advance(JUDGING);
        let judged = judged.map_err(|error| Box::new(trial.skip(series, &error)))?;
        let result = SeriesResult {
            file: series.file.clone(),
            dataset: series.dataset.clone(),
            detector: trial.detector.clone(),
            protocol: trial.protocol.to_owned(),
            seed: trial.seed,
            measures: judged.measures,
            kinds: judged.kinds,
            budgets: judged.budgets,
            vus_pr_held: judged.vus_pr_held,
            train_s: 0.0,
            pretrain_s: None,
            score_rows_per_s: scores.len() as f64 / seconds.max(f64::EPSILON),
            max_rss_bytes: memory::peak(),
            params: 0,
            calibrated_on: None,
            has_seen_history: None,
            curves: judged.curves,
        };
        let scores = if self.keeps_scores {
            scores
        } else {
            Vec::new()
        };
        Ok(Box::new((result, scores)))
    }
}
