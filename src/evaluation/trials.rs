//! Candidates as they are tried: each learns, scores and is judged.

use std::time::Instant;

use anomalog_engine::baseline::PEAK_HALF_LIFE;
use anomalog_engine::detector::{Detector, ThresholdPolicy};
use anomalog_engine::network::Architecture;
use anomalog_engine::score::{Baseline, Verdict, WindowScore};
use anomalog_engine::series::Rows;
use anomalog_engine::series::time_zone::TimeZone;
use rayon::prelude::*;

use super::budgets::at_own_thresholds;
use super::candidate::BASELINE;
use super::collections::LabelledSeries;
use super::copies::Copies;
use super::error::ProtocolError;
use super::floors::Floor;
use super::given::shipped;
use super::judge::judge;
use super::memory;
use super::peak_hold;
use super::planning::{JUDGING, Lessons};
use super::protocol::{Prepared, Protocol, Transfer};
use super::results::{FLOOR, Judged, Placed, STORED, SeriesResult, SkippedResult};
use super::settings::EvaluationSettings;
use super::subject::{Report, Subject};
use crate::measures::vus_pr;
use crate::progress::Counter;

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

/// What is known before a series is scored.
struct Ready {
    prepared: Result<Prepared, String>,
    peak: Option<u64>,
}

/// The windows of a series with some metrics.
fn rows<'a>(series: &'a LabelledSeries, metrics: &'a [Vec<f64>]) -> Rows<'a> {
    Rows {
        window_start: &series.window_start,
        metrics,
        time_zone: Some(TimeZone::UTC),
    }
}

/// Detectors that learned before, for some series.
fn ready(prepared: Vec<(usize, Prepared)>) -> Vec<(usize, Ready)> {
    let of_series = |(number, prepared)| {
        let (prepared, peak) = (Ok(prepared), None);
        (number, Ready { prepared, peak })
    };
    prepared.into_iter().map(of_series).collect()
}

/// All candidates on all series.
pub(super) struct Run<'a> {
    pub(super) series: &'a [LabelledSeries],
    pub(super) settings: &'a EvaluationSettings,
    pub(super) progress: &'a dyn Counter,
    /// Whether scores are handed on with the results.
    pub(super) keeps_scores: bool,
}

impl Run<'_> {
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
    pub(super) fn floor(&self, floor: Floor, seed: Option<u64>, usable: &[usize]) -> Vec<Placed> {
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
            let lingering = self.lingering(series, &scores);
            let judged = self.judge(&trial, series, scores, seconds);
            let judged = judged.map(|mut judged| {
                judged.0.vus_pr_lingering = lingering;
                judged
            });
            (number, judged)
        };
        usable.par_iter().map(of_series).collect()
    }

    /// Whether volumes are compared under several holds.
    fn compares_holds(&self) -> bool {
        let rules = self.settings.rules;
        rules.hold.is_none() && rules.also_hold.is_some()
    }

    /// The volume of scores whose peaks linger as those of detectors do, if asked for.
    fn lingering(&self, series: &LabelledSeries, scores: &[f64]) -> Option<f64> {
        if !self.compares_holds() {
            return None;
        }
        let held = peak_hold(scores, PEAK_HALF_LIFE);
        vus_pr(&series.labels, &held, series.vus_window).ok()
    }

    /// The baseline on all series, side by side. It learns nothing, as a floor, and has thresholds of its
    /// own, as a detector.
    pub(super) fn baseline(&self, usable: &[usize]) -> Vec<Placed> {
        let trial = Trial {
            detector: BASELINE.to_owned(),
            protocol: FLOOR,
            seed: None,
        };
        self.progress.say(format!("judging {BASELINE}"));
        memory::reset_peak();
        let threshold = ThresholdPolicy {
            false_alarms_per_week: self.settings.learning.alarms_per_week,
        };
        let of_series = |&number: &usize| {
            let series = &self.series[number];
            let resolutions = series.resolutions(vec![1.0; series.metrics.len()]);
            let names = series.metric_names.iter().cloned();
            let named = names.zip(resolutions);
            let baseline = Baseline::new(series.step_micros(), named, threshold);
            let start = Instant::now();
            let judged = match baseline.score(rows(series, &series.metrics)) {
                Ok(scored) => {
                    let seconds = start.elapsed().as_secs_f64();
                    self.judge_windows(&trial, series, &scored, seconds)
                }
                Err(error) => self.failed(&trial, series, &error),
            };
            (number, judged)
        };
        usable.par_iter().map(of_series).collect()
    }

    /// A detector of a store on all series.
    pub(super) fn stored(
        &self,
        detector: &Detector,
        prepared: Vec<(usize, Prepared)>,
    ) -> Vec<Placed> {
        let trial = Trial {
            detector: detector.manifest().id(),
            protocol: STORED,
            seed: None,
        };
        self.progress.say(format!("judging {}", trial.detector));
        self.score(&trial, ready(prepared), None)
    }

    /// The shipped detector of an architecture as it is, the same for all seeds.
    pub(super) fn shipped(
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
        let of_series =
            |&number: &usize| Ok((number, shipped(architecture, &self.series[number])?));
        let prepared: Result<Vec<_>, ProtocolError> = usable.iter().map(of_series).collect();
        Ok(self.score(&trial, ready(prepared?), None))
    }

    /// One architecture with one seed, by all protocols but that of shipped detectors.
    pub(super) fn subject(
        &self,
        subject: Subject,
        usable: &[usize],
        lessons: &Lessons,
    ) -> Result<Vec<Placed>, ProtocolError> {
        let Lessons { copies, folds, .. } = lessons;
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
        let failed = |reason: &dyn ToString| self.failed(trial, series, reason);
        let prepared = match ready.prepared {
            Ok(prepared) => prepared,
            Err(error) => return failed(&error),
        };
        let metrics = series.metrics_of(&prepared.detector.manifest().metrics);
        let Some(metrics) = metrics else {
            return failed(&"it lacks a metric of the detector");
        };
        let start = Instant::now();
        let scored = prepared.detector.score(rows(series, &metrics));
        let seconds = start.elapsed().as_secs_f64();
        let scored = match scored {
            Ok(scored) => scored,
            Err(error) => return failed(&error),
        };
        let params = match prepared.params() {
            Ok(params) => params,
            Err(error) => return failed(&error),
        };
        let mut judged = self.judge_windows(trial, series, &scored, seconds)?;
        let result = &mut judged.0;
        result.train_s = prepared.train_s;
        result.pretrain_s = pretrain_s;
        result.params = params;
        result.calibrated_on = Some(prepared.calibrated);
        result.max_rss_bytes = result.max_rss_bytes.max(ready.peak);
        Ok(judged)
    }

    fn failed(&self, trial: &Trial, series: &LabelledSeries, reason: &dyn ToString) -> Judged {
        self.progress.advance(JUDGING);
        Err(Box::new(trial.skip(series, &reason.to_string())))
    }

    /// Judges what has scores and thresholds of its own.
    fn judge_windows(
        &self,
        trial: &Trial,
        series: &LabelledSeries,
        scored: &[WindowScore],
        seconds: f64,
    ) -> Judged {
        let verdicts = |of: fn(Verdict) -> f64| -> Vec<f64> {
            let of_window = |window: &WindowScore| window.verdict.map_or(f64::NAN, of);
            scored.iter().map(of_window).collect()
        };
        let rates = verdicts(|verdict| verdict.alarms_per_window);
        let scores = verdicts(|verdict| verdict.surprise);
        let mut judged = self.judge(trial, series, scores, seconds)?;
        if self.compares_holds() {
            judged.0.vus_pr_lingering = Some(judged.0.measures.vus_pr);
        }
        // Where there is no event to judge by, the skipped results say so.
        if let Ok(own) = at_own_thresholds(series, &rates, self.settings.rules.alarms) {
            judged.0.budgets.extend(own);
        }
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
            vus_pr_lingering: None,
            agreed: judged.agreed,
            train_s: 0.0,
            pretrain_s: None,
            score_rows_per_s: scores.len() as f64 / seconds.max(f64::EPSILON),
            max_rss_bytes: memory::peak(),
            params: 0,
            calibrated_on: None,
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
