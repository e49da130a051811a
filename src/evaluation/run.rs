//! All candidates on all series.

use std::time::Instant;

use anomalog_udfs::models::Architecture;
use anomalog_udfs::scoring::WindowScore;
use anomalog_udfs::series::Rows;
use rayon::prelude::*;
use serde::Serialize;

use super::candidate::Candidate;
use super::collection::LabelledSeries;
use super::curves::Curves;
use super::floors::Floor;
use super::judge::{JudgingRules, Measures, judge};
use super::labelled::positives;
use super::lessons::Copies;
use super::protocol::{
    Calibrated, Learning, Prepared, Pretrained, Protocol, ProtocolError, Subject, folds, shipped,
};

/// The protocol of candidates that learn nothing.
pub const FLOOR: &str = "floor";

/// What to judge, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationSettings {
    /// Architectures and floors.
    pub candidates: Vec<Candidate>,
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
#[derive(Debug, Clone, Serialize)]
pub struct SeriesResult {
    /// File of the series.
    pub file: String,
    /// Its dataset.
    pub dataset: String,
    /// Architecture or floor.
    pub detector: &'static str,
    /// How it learned; `floor` for floors.
    pub protocol: &'static str,
    /// Seed; `None` where nothing is drawn.
    pub seed: Option<u64>,
    /// How good it is.
    #[serde(flatten)]
    pub measures: Measures,
    /// Seconds of learning and calibrating for this series; 0 for floors.
    pub train_s: f64,
    /// Seconds of training the weights that it began with, once for several series.
    pub pretrain_s: Option<f64>,
    /// Windows scored a second, by one thread.
    pub score_rows_per_s: f64,
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

/// A series that could not be judged, or not by all measures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedResult {
    /// File of the series.
    pub file: String,
    /// Its dataset.
    pub dataset: String,
    /// Architecture or floor; `None` for all.
    pub detector: Option<&'static str>,
    /// How it was to learn; `None` for all.
    pub protocol: Option<&'static str>,
    /// Seed; `None` for all.
    pub seed: Option<u64>,
    /// What is missing: `all` measures or those of `events`.
    pub missing: &'static str,
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
}

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

impl RunError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Protocol(ProtocolError::Leak(leak)) => Some(leak.hint().to_owned()),
            Self::Protocol(ProtocolError::TooFewSeries { .. }) => {
                Some("list more series with `--series`, or use `--protocol per-series`".to_owned())
            }
            Self::Protocol(ProtocolError::SeenByShipped { .. }) => {
                Some("raise its `train_points` in the list".to_owned())
            }
            Self::Protocol(ProtocolError::Training(error)) => error.hint(),
            Self::Protocol(ProtocolError::Detector(error)) => error.hint(),
            Self::Nothing(_) => Some(
                "each file needs anomalies, windows that are none, and values that vary; \
                 detectors need some 1000 windows before `train_points`"
                    .to_owned(),
            ),
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
#[derive(Debug, Clone, Copy)]
struct Trial {
    candidate: Candidate,
    protocol: Option<Protocol>,
    seed: Option<u64>,
}

impl Trial {
    fn protocol_name(self) -> &'static str {
        self.protocol.map_or(FLOOR, Protocol::name)
    }

    fn skip(self, series: &LabelledSeries, reason: &impl ToString) -> SkippedResult {
        SkippedResult {
            file: series.file.clone(),
            dataset: series.dataset.clone(),
            detector: Some(self.candidate.name()),
            protocol: Some(self.protocol_name()),
            seed: self.seed,
            missing: "all",
            reason: reason.to_string(),
        }
    }
}

/// Trials that are to be made on a number of series.
#[must_use]
pub fn trials(settings: &EvaluationSettings, series: usize) -> usize {
    // Nothing of a shipped detector is drawn anew.
    let is_shipped = |protocol: &&Protocol| **protocol == Protocol::Shipped;
    let shipped = settings.protocols.iter().filter(is_shipped).count();
    let trained = (settings.protocols.len() - shipped) * settings.seeds.len();
    (architectures(settings).len() * (trained + shipped) + floors(settings).len()) * series
}

/// Judges all candidates on all series; calls `progress` after each trial.
///
/// # Errors
/// When weights would know what they must not, there are too few series to transfer between, or
/// nothing can be judged at all.
pub fn evaluate(
    series: &[LabelledSeries],
    settings: &EvaluationSettings,
    progress: &(dyn Fn() + Sync),
) -> Result<Evaluation, RunError> {
    let run = Run {
        series,
        settings,
        progress,
    };
    let mut evaluation = Evaluation::default();
    let usable = run.usable(&mut evaluation.skipped);
    // Before anything long: leaks and too few series.
    let copies = run.check_transfer()?;
    let floors = floors(settings);
    let trials: Vec<_> = floors
        .iter()
        .flat_map(|floor| usable.iter().map(|series| (*floor, *series)))
        .collect();
    let judged: Vec<_> = trials
        .into_par_iter()
        .map(|((floor, seed), series)| run.floor(floor, seed, series))
        .collect();
    evaluation.extend(judged);
    for architecture in architectures(settings) {
        if settings.protocols.contains(&Protocol::Shipped) {
            let judged = run.shipped(architecture, &usable)?;
            evaluation.extend(judged);
        }
        for &seed in &settings.seeds {
            let subject = Subject {
                architecture,
                seed,
                learning: settings.learning,
            };
            run.subject(subject, &usable, &copies, &mut evaluation)?;
        }
    }
    if evaluation.results.is_empty() {
        return Err(RunError::Nothing(evaluation.skipped));
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
                floors.extend(
                    settings
                        .seeds
                        .iter()
                        .map(|seed| (Floor::Random, Some(*seed))),
                );
            }
            Candidate::Floor(floor) => floors.push((floor, None)),
        }
    }
    floors
}

impl Evaluation {
    fn extend(&mut self, judged: Vec<Judged>) {
        for judged in judged {
            match judged {
                Ok(result) => self.results.push(*result),
                Err(skip) => self.skipped.push(*skip),
            }
        }
    }
}

type Judged = Result<Box<SeriesResult>, Box<SkippedResult>>;

struct Run<'a> {
    series: &'a [LabelledSeries],
    settings: &'a EvaluationSettings,
    progress: &'a (dyn Fn() + Sync),
}

impl Run<'_> {
    /// Series whose labels have a meaning, and the reasons of the others.
    fn usable(&self, skipped: &mut Vec<SkippedResult>) -> Vec<usize> {
        let mut usable = Vec::new();
        for (number, series) in self.series.iter().enumerate() {
            let mut skip = |missing, reason: String| {
                skipped.push(SkippedResult {
                    file: series.file.clone(),
                    dataset: series.dataset.clone(),
                    detector: None,
                    protocol: None,
                    seed: None,
                    missing,
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
    fn check_transfer(&self) -> Result<Copies, ProtocolError> {
        let protocols = self.settings.protocols.iter();
        let transfer = protocols.copied().find(|protocol| protocol.transfers());
        let Some(protocol) = transfer.filter(|_| !architectures(self.settings).is_empty()) else {
            return Ok(Copies::default());
        };
        let found = self.series.len();
        if found < 2 {
            return Err(ProtocolError::TooFewSeries { protocol, found });
        }
        let copies = Copies::find(self.series);
        for fold in folds(found) {
            let others = (0..found).filter(|series| !fold.contains(series));
            copies.refuse(self.series, &fold, others)?;
        }
        Ok(copies)
    }

    fn floor(&self, floor: Floor, seed: Option<u64>, number: usize) -> Judged {
        let trial = Trial {
            candidate: Candidate::Floor(floor),
            protocol: None,
            seed,
        };
        let series = &self.series[number];
        let start = Instant::now();
        let scores = floor.score(
            &series.values,
            series.step_seconds,
            seed.unwrap_or_default(),
        );
        let seconds = start.elapsed().as_secs_f64();
        self.judge(trial, series, &scores, seconds)
    }

    /// The shipped detector of an architecture as it is, the same for all seeds.
    fn shipped(
        &self,
        architecture: Architecture,
        usable: &[usize],
    ) -> Result<Vec<Judged>, ProtocolError> {
        let trial = Trial {
            candidate: Candidate::Architecture(architecture),
            protocol: Some(Protocol::Shipped),
            seed: None,
        };
        // What it must not have seen is refused before anything is judged.
        for &series in usable {
            shipped(architecture, &self.series[series])?;
        }
        let prepared = |series: &LabelledSeries| {
            shipped(architecture, series).map_err(|error| error.to_string())
        };
        Ok(self.each(trial, usable, prepared, None))
    }

    /// One architecture with one seed, by all protocols but that of shipped detectors.
    fn subject(
        &self,
        subject: Subject,
        usable: &[usize],
        copies: &Copies,
        evaluation: &mut Evaluation,
    ) -> Result<(), ProtocolError> {
        let trial = |protocol| Trial {
            candidate: Candidate::Architecture(subject.architecture),
            protocol: Some(protocol),
            seed: Some(subject.seed),
        };
        let protocols = &self.settings.protocols;
        if protocols.contains(&Protocol::PerSeries) {
            let trial = trial(Protocol::PerSeries);
            let prepared = |series: &LabelledSeries| {
                let prepared = subject.per_series(series);
                prepared.map_err(|error| error.to_string())
            };
            evaluation.extend(self.each(trial, usable, prepared, None));
        }
        let transfers: Vec<Protocol> = protocols
            .iter()
            .copied()
            .filter(|protocol| protocol.transfers())
            .collect();
        if transfers.is_empty() {
            return Ok(());
        }
        let mut judged: Vec<Vec<(usize, Judged)>> = Vec::new();
        judged.resize_with(transfers.len(), Vec::new);
        for fold in folds(self.series.len()) {
            let fold_usable: Vec<usize> = fold
                .iter()
                .copied()
                .filter(|series| usable.contains(series))
                .collect();
            if fold_usable.is_empty() {
                continue;
            }
            let pretrained = match subject.pretrained(self.series, copies, &fold) {
                Err(ProtocolError::Training(error)) => Err(error),
                other => Ok(other?),
            };
            for (place, &protocol) in transfers.iter().enumerate() {
                let trial = trial(protocol);
                let prepared = |series: &LabelledSeries| match &pretrained {
                    Ok(pretrained) => prepare(subject, protocol, pretrained, series)
                        .map_err(|error| error.to_string()),
                    Err(error) => Err(format!("on the others, {error}")),
                };
                let pretrain_s = pretrained.as_ref().ok().map(|weights| weights.train_s);
                let of_fold = self.each(trial, &fold_usable, prepared, pretrain_s);
                judged[place].extend(fold_usable.iter().copied().zip(of_fold));
            }
        }
        for mut judged in judged {
            judged.sort_by_key(|(series, _)| *series);
            evaluation.extend(judged.into_iter().map(|(_, judged)| judged).collect());
        }
        Ok(())
    }

    /// Trains for one series after the other, as training uses all cores and is timed; then scores
    /// and judges them side by side.
    fn each(
        &self,
        trial: Trial,
        numbers: &[usize],
        prepare: impl Fn(&LabelledSeries) -> Result<Prepared, String>,
        pretrain_s: Option<f64>,
    ) -> Vec<Judged> {
        let series = || numbers.iter().map(|number| &self.series[*number]);
        let prepared: Vec<_> = series().map(|series| (series, prepare(series))).collect();
        prepared
            .into_par_iter()
            .map(|(series, prepared)| self.detector(trial, series, prepared, pretrain_s))
            .collect()
    }

    fn detector(
        &self,
        trial: Trial,
        series: &LabelledSeries,
        prepared: Result<Prepared, String>,
        pretrain_s: Option<f64>,
    ) -> Judged {
        let failed = |reason: &dyn ToString| {
            (self.progress)();
            Err(Box::new(trial.skip(series, &reason.to_string())))
        };
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return failed(&error),
        };
        let rows = Rows {
            window_start: &series.window_start,
            metrics: std::slice::from_ref(&series.values),
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
        let surprise = |window: WindowScore| window.verdict.map_or(f64::NAN, |v| v.surprise);
        let scores: Vec<f64> = scored.into_iter().map(surprise).collect();
        let mut result = self.judge(trial, series, &scores, seconds)?;
        result.train_s = prepared.train_s;
        result.pretrain_s = pretrain_s;
        result.params = params;
        result.calibrated_on = Some(prepared.calibrated);
        result.has_seen_history = prepared.has_seen_history;
        Ok(result)
    }

    fn judge(&self, trial: Trial, series: &LabelledSeries, scores: &[f64], seconds: f64) -> Judged {
        let judged = judge(series, scores, self.settings.rules);
        (self.progress)();
        let (measures, curves) = judged.map_err(|error| Box::new(trial.skip(series, &error)))?;
        Ok(Box::new(SeriesResult {
            file: series.file.clone(),
            dataset: series.dataset.clone(),
            detector: trial.candidate.name(),
            protocol: trial.protocol_name(),
            seed: trial.seed,
            measures,
            train_s: 0.0,
            pretrain_s: None,
            score_rows_per_s: scores.len() as f64 / seconds.max(f64::EPSILON),
            params: 0,
            calibrated_on: None,
            has_seen_history: None,
            curves,
        }))
    }
}

fn prepare(
    subject: Subject,
    protocol: Protocol,
    pretrained: &Pretrained,
    series: &LabelledSeries,
) -> Result<Prepared, ProtocolError> {
    match protocol {
        Protocol::PerSeries => subject.per_series(series),
        Protocol::ZeroShot => subject.zero_shot(pretrained, series),
        Protocol::FineTuned => subject.fine_tuned(pretrained, series),
        Protocol::Shipped => shipped(subject.architecture, series),
    }
}
