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

use anomalog_udfs::DetectorStore;
use anomalog_udfs::detector::{
    ArchitectureFilter, Detector, DetectorRef, Manifest, MetricArgument, ThresholdPolicy,
    is_valid_name, shipped,
};
use chrono::{Days, NaiveDate};
use serde::Deserialize;

use super::config::Job;
use crate::cli::printer::Printer;
use crate::detectors::assignment::Terms;
use crate::detectors::champions::{Backtest, Champions, Decision, DecisionOutcome};
use crate::job::Result;
use crate::job::config::outputs::whole_days;
use crate::progress::Progress;
use crate::schema::{TRAFFIC_WINDOWS, Table};
use crate::scores::{SERIES, WINDOW_START};
use crate::session::Session;
use crate::training::exclusions::Exclusions;
use crate::training::loader::{self, Key, Sampling};
use crate::training::{self, Dataset, TrainingError, TrainingSettings};
use crate::units::dates::dates_in;
use crate::units::micros_of;
use crate::warehouse::tables::partition_file;

/// When detectors are trained anew.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrainSettings {
    /// How often a challenger is trained; never if absent.
    pub every: Option<PeriodDays>,
    /// Days before that it learns from.
    pub history: PeriodDays,
    /// Its name.
    pub name: DetectorName,
}

impl Default for RetrainSettings {
    fn default() -> Self {
        Self {
            every: None,
            history: PeriodDays(28),
            name: DetectorName("nightly".to_owned()),
        }
    }
}

/// A number of days, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PeriodDays(i64);

impl PeriodDays {
    /// How many.
    #[must_use]
    pub const fn count(self) -> i64 {
        self.0
    }
}

impl TryFrom<String> for PeriodDays {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        whole_days(&text)
            .filter(|days| *days > 0)
            .map(Self)
            .ok_or("expected whole days, such as `7d`")
    }
}

/// The name of a detector that is trained.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct DetectorName(String);

impl DetectorName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DetectorName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if shipped::is_shipped(&text) {
            Err("expected a name that no shipped detector has, such as `nightly`")
        } else if is_valid_name(&text) {
            Ok(Self(text))
        } else {
            Err("expected ASCII letters, digits, `_`, `-` and `.`, such as `nightly`")
        }
    }
}

/// The windows that a challenger learns from.
const WINDOWS: &str = "windows_to_learn_from";

/// Least days of windows before a period that there is a challenger for.
const LEAST_HISTORY: u64 = 7;
/// Rows read at most: some series, drawn by the seed, where there are more.
const MAX_ROWS: u64 = 1_000_000;
/// The seed of all that is drawn.
const SEED: u64 = 0;
/// Optimiser steps of a detector that begins with shipped weights.
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
    (champions, terms): (&Champions, &Terms),
    period: NaiveDate,
    printer: Printer,
) -> Result<Decision> {
    let champion = &terms
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
        let reason = "the champion is a classifier, and forecasts nothing";
        return Ok(kept(DecisionOutcome::NotTrained(reason.to_owned()), None));
    }
    let dataset = match lessons(job, session, champion, period).await? {
        Ok(dataset) => dataset,
        Err(error) => return Ok(kept(DecisionOutcome::NotTrained(error.to_string()), None)),
    };
    let fought = tokio::task::block_in_place(|| fight(job, session, champion, &dataset, printer));
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
    Failed(Box<crate::job::Error>),
}

impl From<TrainingError> for Defeat {
    fn from(error: TrainingError) -> Self {
        Self::Untrained(Box::new(error))
    }
}

impl From<anomalog_udfs::DetectorError> for Defeat {
    fn from(error: anomalog_udfs::DetectorError) -> Self {
        Self::Failed(Box::new(error.into()))
    }
}

/// Trains a challenger, and lets both forecast what was held back.
fn fight(
    job: &Job,
    session: &Session,
    champion: &Manifest,
    dataset: &Dataset,
    printer: Printer,
) -> std::result::Result<(Detector, Backtest), Defeat> {
    let champion = bound(session, champion)?;
    // Of several metrics it forecasts each by itself, as the shipped detector does.
    let source = shipped::load(champion.manifest().architecture)?;
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
    let bar = printer.begin("training a challenger", Some(FINE_TUNE_STEPS as u64));
    let mut progress = |report: training::StepReport| bar.reach(report.step as u64);
    let challenger = training::train(&settings, dataset, Some(&source), &mut progress)?;
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
) -> std::result::Result<Arc<Detector>, anomalog_udfs::DetectorError> {
    let is_whole = |metric: &str| {
        let field = TRAFFIC_WINDOWS.field_with_name(metric);
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

/// What a challenger for a period learns from.
async fn lessons(
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
    session.register_dates(WINDOWS, Table::TrafficWindows, dates)?;
    let frame = session.context().table(WINDOWS).await?;
    let key = Key {
        series: SERIES,
        window_start: WINDOW_START,
    };
    let sampling = Sampling {
        max_rows: MAX_ROWS,
        seed: SEED,
    };
    let metrics = &champion.metrics;
    let (mut series, _) = loader::load(frame, key, metrics, sampling).await?;
    session.context().deregister_table(WINDOWS)?;
    let known = Exclusions::known(session.context()).await?;
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
