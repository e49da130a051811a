//! Detectors over time: a challenger is trained when it is due, and scores from then on if it is better.
//!
//! Time is cut into periods of `every`, counted from the Unix epoch. Before the first date of a period
//! is scored, a challenger is trained on the windows before the period, so that none that it will score
//! is among them, and without those of incidents, labels and plans. Of these windows the last fifth is
//! held back. On it both the champion and the challenger forecast, and whoever errs less scores the
//! period.
//!
//! What was decided for a period stays as it is, whatever logs of the time before arrive later: else a
//! late log would have weeks scored anew. Nights in order therefore end in the same bytes as one run
//! over all of them; dates that arrive after a period was decided need not.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use anomalog_engine::detector::DetectorStore;
use anomalog_engine::detector::{
    ArchitectureFilter, Detector, DetectorRef, Manifest, MetricArgument, ThresholdPolicy,
};
use chrono::{Days, NaiveDate};

use super::config::Job;
use super::error::Result;
use crate::detectors::assignment::Assignment;
use crate::detectors::champions::{Backtest, Champions, Decision, DecisionOutcome};
use crate::progress::Progress;
use crate::schema::Table;
use crate::scores::{SERIES, WINDOW_START};
use crate::session::Session;
use crate::training::exclusions::Exclusions;
use crate::training::loader::{self, Sampling, WindowColumns};
use crate::training::{self, Dataset, TrainingError, TrainingSettings};
use crate::units::dates::dates_in;
use crate::units::micros_of;
use crate::warehouse::extra_metrics::{self, ExtraMetric};
use crate::warehouse::tables::partition_file;

/// Least days of windows before a period that there is a challenger for.
const LEAST_HISTORY: u64 = 7;
/// Rows read at most: some series, drawn by the seed, where there are more.
const MAX_ROWS: u64 = 1_000_000;
/// The seed of all that is drawn.
const SEED: u64 = 0;
/// Optimiser steps of a detector that begins with the weights of another.
const FINE_TUNE_STEPS: usize = 60;

/// The first day of the period that a date lies in.
pub(super) fn period_of(date: NaiveDate, every: i64) -> NaiveDate {
    let day = date.signed_duration_since(NaiveDate::default()).num_days();
    NaiveDate::default() + chrono::Duration::days(day.div_euclid(every) * every)
}

/// The first period that something is to be decided for before `dates` can be scored, of windows whose
/// first date is `first`.
pub(super) fn due(
    every: i64,
    champions: &Champions,
    dates: &[NaiveDate],
    first: NaiveDate,
) -> Option<NaiveDate> {
    let least = first.checked_add_days(Days::new(LEAST_HISTORY))?;
    let mut periods = dates.iter().map(|date| period_of(*date, every));
    periods.find(|period| *period >= least && !champions.has(*period))
}

/// Trains a challenger for the period that begins on a date, and decides. A challenger that wins is
/// saved and made current.
pub(super) async fn decide(
    job: &Job,
    session: &Session,
    (champions, assignment): (&Champions, &Assignment),
    period: NaiveDate,
    progress: &dyn Progress,
) -> Result<Decision> {
    let champion = &assignment
        .at(period.pred_opt().unwrap_or(period))
        .1
        .selection
        .chosen;
    let kept = |outcome, backtest| Decision {
        detector: champions.detector(period).map(str::to_owned),
        outcome,
        champion: format!("{}@{}", champion.name, champion.version),
        backtest,
    };
    if champion.forecasting().is_none() {
        let reason = "the champion forecasts nothing: there is no forecast to be better than";
        return Ok(kept(DecisionOutcome::NotTrained(reason.to_owned()), None));
    }
    let dataset = match training_set(job, session, champion, period).await? {
        Ok(dataset) => dataset,
        Err(error) => return Ok(kept(DecisionOutcome::NotTrained(error.to_string()), None)),
    };
    let fought = tokio::task::block_in_place(|| fight(job, session, champion, &dataset, progress));
    let (challenger, backtest) = match fought {
        Ok(fought) => fought,
        Err(Defeat::Untrained(error)) => {
            return Ok(kept(DecisionOutcome::NotTrained(error.to_string()), None));
        }
        Err(Defeat::Failed(error)) => return Err(*error),
    };
    if backtest
        .challenger_error
        .total_cmp(&backtest.champion_error)
        .is_ge()
    {
        return Ok(kept(DecisionOutcome::Kept, Some(backtest)));
    }
    let saved = DetectorStore::save(&job.warehouse.detectors(), &challenger)?;
    Ok(Decision {
        detector: Some(saved.id()),
        ..kept(DecisionOutcome::Promoted, Some(backtest))
    })
}

/// Why there is no challenger.
enum Defeat {
    Untrained(Box<TrainingError>),
    Failed(Box<super::error::Error>),
}

impl From<TrainingError> for Defeat {
    fn from(error: TrainingError) -> Self {
        Self::Untrained(Box::new(error))
    }
}

impl From<anomalog_engine::detector::DetectorError> for Defeat {
    fn from(error: anomalog_engine::detector::DetectorError) -> Self {
        Self::Failed(Box::new(error.into()))
    }
}

/// Trains a challenger, and lets both forecast what was held back.
fn fight(
    job: &Job,
    session: &Session,
    champion: &Manifest,
    dataset: &Dataset,
    progress: &dyn Progress,
) -> std::result::Result<(Detector, Backtest), Defeat> {
    let champion = bound(session, champion)?;
    // It goes on with the weights of the champion.
    let source = &*champion;
    let settings = TrainingSettings {
        name: job.retrain.name.as_str().to_owned(),
        architecture: champion.manifest().architecture,
        hidden_size: source.manifest().hidden_size,
        steps: FINE_TUNE_STEPS,
        seed: SEED,
        began_with: None,
        horizons: None,
        threshold: ThresholdPolicy {
            false_alarms_per_week: job.scores.alarms_per_week,
        },
    };
    let bar = progress.begin("training a challenger", Some(FINE_TUNE_STEPS as u64));
    let mut report = |report: training::StepReport| bar.reach(report.step as u64);
    let challenger = training::train(&settings, dataset, Some(source), &mut report)?;
    let error = |detector: &Detector| -> std::result::Result<(f64, usize), TrainingError> {
        Ok(training::backtest(detector, dataset)?.unwrap_or((f64::INFINITY, 0)))
    };
    let (champion_error, _) = error(&champion)?;
    let (challenger_error, windows) = error(&challenger)?;
    let [champion_error, challenger_error] = [champion_error, challenger_error].map(rounded);
    let split = dataset.split();
    let backtest = Backtest {
        windows,
        from_micros: split.stop_until,
        until_micros: split.until,
        champion_error,
        challenger_error,
    };
    Ok((challenger, backtest))
}

/// Rounded to what is kept: all digits of a number need not come back from JSON.
fn rounded(error: f64) -> f64 {
    (error * 1e6).round() / 1e6
}

/// A detector as it scores, a shipped one for the metrics and the step of the job.
fn bound(
    session: &Session,
    manifest: &Manifest,
) -> std::result::Result<Arc<Detector>, anomalog_engine::detector::DetectorError> {
    let columns = extra_metrics::traffic_windows(&ExtraMetric::ALL.into());
    let is_whole = |metric: &str| {
        let field = columns.field_with_name(metric);
        field.is_ok_and(|field| field.data_type().is_integer())
    };
    let metrics: Vec<MetricArgument> = (manifest.metrics.iter())
        .map(|metric| MetricArgument {
            name: metric.clone(),
            is_column: true,
            is_whole: is_whole(metric),
        })
        .collect();
    let reference = DetectorRef::to(manifest);
    let any = ArchitectureFilter::Any;
    session.detectors().resolve(Some(&reference), any, &metrics)
}

/// The windows that a challenger for a period learns from.
async fn training_set(
    job: &Job,
    session: &Session,
    champion: &Manifest,
    period: NaiveDate,
) -> Result<std::result::Result<Dataset, TrainingError>> {
    let table = job.warehouse.table(Table::TrafficWindows);
    let Range { start: until, .. } = micros_of(period);
    let history = Days::new(job.retrain.history.count().unsigned_abs());
    let from = period.checked_sub_days(history).unwrap_or(NaiveDate::MIN);
    let dates: BTreeSet<NaiveDate> = dates_in(&(from..=period.pred_opt().unwrap_or(period)))
        .filter(|date| partition_file(&table, *date).exists())
        .collect();
    let frame = session.dates_of(Table::TrafficWindows, dates)?;
    let key = WindowColumns {
        series: SERIES,
        window_start: WINDOW_START,
    };
    let sampling = Sampling {
        max_rows: MAX_ROWS,
        seed: SEED,
    };
    let metrics = &champion.metrics;
    let (mut series, _) = loader::load(frame, key, metrics, sampling).await?;
    let known = Exclusions::known(session).await?;
    known.before(until).apply(&mut series);
    for series in &mut series {
        series.time_zone = job.scores.time_zones.of(&series.key);
    }
    Ok(Dataset::new(metrics.clone(), series))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, day).unwrap()
    }

    #[test]
    fn periods_are_counted_from_the_epoch() {
        // 1970-01-01 was a Thursday, as 2026-03-05 is.
        assert_eq!(
            period_of(date(4), 7),
            NaiveDate::from_ymd_opt(2026, 2, 26).unwrap()
        );
        assert_eq!([5, 8, 11].map(|day| period_of(date(day), 7)), [date(5); 3]);
        assert_eq!(period_of(date(9), 1), date(9));
    }

    #[test]
    fn a_period_is_due_once_there_is_a_week_before_it() {
        let mut champions = Champions::default();
        let dates: Vec<NaiveDate> = (5..=25).map(date).collect();
        let due_of = |champions: &Champions, first| due(7, champions, &dates, first);
        assert_eq!(due_of(&champions, date(6)), Some(date(19)));
        assert_eq!(due_of(&champions, date(5)), Some(date(12)));
        let decision = Decision {
            detector: None,
            outcome: DecisionOutcome::Kept,
            champion: String::new(),
            backtest: None,
        };
        champions.decide(date(12), decision.clone());
        assert_eq!(due_of(&champions, date(5)), Some(date(19)));
        champions.decide(date(19), decision);
        assert_eq!(due_of(&champions, date(5)), None);
        assert_eq!(due(7, &Champions::default(), &[], date(1)), None);
    }
}
