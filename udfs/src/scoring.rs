//! From forecasts and odds to calibrated scores.
//!
//! Of a forecaster, each metric of a window is held against several forecasts, and how far out it is at most is its
//! excess: see [`crate::profile`]. How rare an excess is says the tail of the series' own past. A
//! window is as rare as the rarest of its excesses, times the number of those that had the chance
//! (Bonferroni).
//!
//! A classifier's odds are one excess, and how rare it is says the tail of the normal windows that
//! training held back: see [`Tail::of_log_odds`].

use serde::{Deserialize, Serialize};

use crate::classifying::{SeriesOdds, WindowOdds, classify};
use crate::detector::{
    Classifying, Detector, Forecasting, Manifest, Network, Objective, Severity, ThresholdPolicy,
};
use crate::forecasting::{
    ForecastError, MetricForecast, Part, SeriesForecast, Status, WindowForecast, forecast,
};
use crate::profile::errors::ScaledError;
use crate::profile::{
    ErrorEvidence, ErrorProfile, Evidence, MetricProfile, ScanProfile, Tail, lingering,
};
use crate::series::Rows;

/// The smallest p: below it `1 − p` could no longer be told from 1.
const SMALLEST_P: f64 = 1e-15;

/// On which side of the forecast a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Above.
    Spike,
    /// Below.
    Dip,
}

impl Direction {
    /// The value in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::Dip => "dip",
        }
    }
}

/// What a detector says of one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// The excess of the rarest metric, or of the odds, in multiples of what alarms reach about
    /// twelve times a day of minutes; dimensionless, at least 0.
    pub surprise: f64,
    /// 1 − p, in [0, 1), where p is the share of the series' windows at least as unusual.
    pub anomaly_score: f64,
    /// How many alarms per window are at least as unusual; windows close to each other are one
    /// alarm. At most [`ThresholdPolicy::rate`] is what makes an anomaly, so that it tells anomalies
    /// at other budgets too, of one false alarm a day or fewer.
    pub alarms_per_window: f64,
    /// The score from which on a window is an anomaly.
    pub threshold: f64,
    /// Whether the score reaches the threshold.
    pub is_anomaly: bool,
    /// How rare, if it is an anomaly.
    pub severity: Option<Severity>,
    /// Index of the metric with the largest excess: the following are in its unit, of the forecast
    /// that it exceeds. Of a classifier, the metric that lies farthest from its level.
    pub top_metric: usize,
    /// Side of the forecast or level.
    pub direction: Direction,
    /// The forecast, or the level.
    pub expected_value: f64,
    /// The values between which the metric alone is not anomalous; a classifier, which sees a whole
    /// window, has none.
    pub bounds: Option<[f64; 2]>,
}

/// The answer for one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowScore {
    /// Why the verdict is missing or weak.
    pub status: Status,
    /// `None` where the window could not be scored.
    pub verdict: Option<Verdict>,
}

impl WindowScore {
    /// A window without a verdict.
    #[must_use]
    pub const fn missing(status: Status) -> Self {
        Self {
            status,
            verdict: None,
        }
    }
}

/// How usual errors of a detector compare with those that need no detector: of the difference to
/// the window before, or of what a scan expects. Measured in training, pooled over series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Per metric, the reach of the detector's errors as a share of that of the others; positive.
    pub errors: Vec<f64>,
    /// Per metric, the excess that alarms reach as often as without the detector's forecast, as a
    /// multiple of that; positive.
    pub excess: Vec<f64>,
}

impl Comparison {
    /// A detector whose errors are those of the others.
    #[must_use]
    pub fn none(metrics: usize) -> Self {
        Self {
            errors: vec![1.0; metrics],
            excess: vec![1.0; metrics],
        }
    }

    /// Whether every number can be divided by.
    pub(crate) fn is_positive(&self) -> bool {
        let numbers = self.errors.iter().chain(&self.excess);
        numbers
            .copied()
            .all(|number| number > 0.0 && number.is_finite())
    }

    /// How far out a metric is: none where it takes no part, one where its errors are judged, one
    /// per side where sums are.
    #[must_use]
    pub fn excesses<'a>(
        &self,
        window: WindowForecast<'a>,
        metric: usize,
    ) -> [Option<Excess<'a>>; 2] {
        let found = window.metrics[metric].as_ref();
        let Some((found, profile)) = found.zip(window.normal.profile.metrics[metric].as_deref())
        else {
            return [None, None];
        };
        match (profile, found.evidence) {
            (MetricProfile::Errors(profile), Evidence::Errors(evidence)) => {
                let slot = window.normal.slot;
                [
                    self.error_excess(profile, slot, metric, found, &evidence),
                    None,
                ]
            }
            (MetricProfile::Scan(profile), Evidence::Scan(deviates)) => {
                let own = (deviates.is_calm)
                    .then(|| profile.deviate_from(found.value, found.forecast))
                    .flatten();
                let own = own.map_or(f64::NAN, |own| own / self.errors[metric]);
                [false, true].map(|is_up| {
                    let own = if is_up { own } else { -own };
                    // `max` takes the other where one is NaN.
                    let size = deviates.largest[usize::from(is_up)].max(own);
                    Some(Excess {
                        size: size / self.excess[metric],
                        is_up,
                        expected: deviates.expected,
                        tail: profile.tail(is_up),
                        lingering: deviates.lingering[usize::from(is_up)],
                        limits: Limits::Scan {
                            profile,
                            share: self.excess[metric],
                        },
                    })
                })
            }
            _ => [None, None],
        }
    }

    /// The largest excess of the errors of one window; `None` where none is known.
    fn error_excess<'a>(
        &self,
        profile: &'a ErrorProfile,
        slot: usize,
        metric: usize,
        found: &MetricForecast,
        evidence: &ErrorEvidence,
    ) -> Option<Excess<'a>> {
        let own = ScaledError {
            expected: evidence.combined(found.forecast),
            scale: &profile.difference,
        };
        let others = profile.errors(evidence).map(|error| (error, 1.0));
        let mut largest: Option<Excess<'_>> = None;
        for (error, share) in [(own, self.errors[metric])].into_iter().chain(others) {
            let ScaledError { expected, scale } = error;
            let share = share * self.excess[metric];
            let error = found.value - expected;
            let size = scale.excess(slot, error) / share;
            if !size.is_nan() && largest.as_ref().is_none_or(|largest| size > largest.size) {
                let reach = [false, true].map(|is_up| share * scale.reach(slot, is_up));
                largest = Some(Excess {
                    size,
                    is_up: error >= 0.0,
                    expected,
                    tail: &profile.tail,
                    lingering: evidence.lingering,
                    limits: Limits::Errors(reach),
                });
            }
        }
        largest
    }

    /// How large the error of the detector's forecast is, and that of the forecast that needs no
    /// detector and is measured alike; `None` where there is none.
    #[must_use]
    pub fn errors_of(window: WindowForecast<'_>, metric: usize) -> Option<[f64; 2]> {
        let found = window.metrics[metric].as_ref()?;
        match (
            window.normal.profile.metrics[metric].as_deref()?,
            found.evidence,
        ) {
            (MetricProfile::Errors(profile), Evidence::Errors(evidence)) => {
                let size = |expected| {
                    let error = found.value - expected;
                    profile.difference.excess(window.normal.slot, error)
                };
                let own = evidence.combined(found.forecast);
                Some([size(own), size(evidence.previous)])
            }
            (MetricProfile::Scan(profile), Evidence::Scan(deviates)) => {
                let size = |expected| profile.deviate_from(found.value, expected).map(f64::abs);
                Some([size(found.forecast)?, size(deviates.expected)?])
            }
            _ => None,
        }
    }
}

/// How far out a metric of a window is.
#[derive(Debug, Clone, Copy)]
pub struct Excess<'a> {
    /// In reaches of usual errors, or in deviates; at least 0.
    pub size: f64,
    is_up: bool,
    expected: f64,
    tail: &'a Tail,
    lingering: f64,
    limits: Limits<'a>,
}

/// What says which values are as far out as some excess.
#[derive(Debug, Clone, Copy)]
enum Limits<'a> {
    /// An excess of 1, below and above.
    Errors([f64; 2]),
    /// Of the window alone.
    Scan {
        profile: &'a ScanProfile,
        /// Deviates in an excess of 1.
        share: f64,
    },
}

impl Excess<'_> {
    /// The excess with what lingers of those before it, which is no alarm at a rate per window.
    fn remembered(self, alarms_per_window: f64) -> Self {
        if self.lingering <= self.size {
            return self;
        }
        let lingering = lingering(self.tail, self.lingering, alarms_per_window);
        Self {
            size: self.size.max(lingering),
            ..self
        }
    }

    /// ln of the alarms per window that are at least as far out.
    fn ln_rate(&self) -> f64 {
        self.tail.ln_p(self.size) + self.tail.rate_at_p(1.0).ln()
    }

    /// The values that would be alarms at a rate per window, below and above.
    fn bounds(&self, rate: f64) -> [f64; 2] {
        let at_rate = |tail: &Tail| tail.excess_at(tail.p_at_rate(rate));
        match self.limits {
            Limits::Errors([below, above]) => {
                let size = at_rate(self.tail);
                [self.expected - below * size, self.expected + above * size]
            }
            Limits::Scan { profile, share } => {
                let deviates = [false, true].map(|is_up| share * at_rate(profile.tail(is_up)));
                profile.bounds(self.expected, deviates)
            }
        }
    }
}

impl Detector {
    /// Scores the rows of one series: one answer per row, in order.
    ///
    /// # Errors
    /// When rows are out of order, two share a window, none are one window apart, or the forward
    /// pass fails.
    pub fn score(&self, rows: Rows<'_>) -> Result<Vec<WindowScore>, ForecastError> {
        let first_row = 0;
        let scored = self.score_parts(&[Part { rows, first_row }])?;
        Ok(scored.into_iter().flatten().collect())
    }

    /// Scores the last row of each series, of which none is empty, as [`Self::score`] would.
    ///
    /// # Errors
    /// As [`Self::score`].
    pub fn score_last(&self, series: &[Rows<'_>]) -> Result<Vec<WindowScore>, ForecastError> {
        let last = |rows: &Rows<'_>| rows.window_start.len().saturating_sub(1);
        let parts: Vec<Part<'_>> = series
            .iter()
            .map(|rows| Part {
                rows: *rows,
                first_row: last(rows),
            })
            .collect();
        let scored = self.score_parts(&parts)?;
        let missing = WindowScore::missing(Status::NoData);
        Ok(scored
            .iter()
            .map(|scores| scores.last().copied().unwrap_or(missing))
            .collect())
    }

    /// One score per row of each part.
    fn score_parts(&self, parts: &[Part<'_>]) -> Result<Vec<Vec<WindowScore>>, ForecastError> {
        let layout = &self.manifest().layout;
        Ok(match self.network() {
            Network::Forecaster(predictor) => {
                let forecasts = forecast(predictor, layout, parts)?;
                let judged = forecasts
                    .iter()
                    .map(|forecast| self.judge(forecast).collect());
                judged.collect()
            }
            Network::Classifier(classifier) => {
                let odds = classify(classifier, layout, parts)?;
                odds.iter().map(|odds| self.judge_odds(odds)).collect()
            }
        })
    }

    fn judge_odds(&self, odds: &SeriesOdds) -> Vec<WindowScore> {
        let windows = odds.status.iter().zip(&odds.windows);
        let scores = windows.map(|(&status, window)| WindowScore {
            status,
            verdict: window.and_then(|window| self.verdict_of_odds(&window)),
        });
        scores.collect()
    }

    /// Judges the odds of one window; `None` for a forecaster.
    pub(crate) fn verdict_of_odds(&self, window: &WindowOdds) -> Option<Verdict> {
        let manifest = self.manifest();
        let Objective::Classify(Classifying { tail, .. }) = &manifest.objective else {
            return None;
        };
        if window.log_odds.is_nan() {
            return None;
        }
        let excess = Tail::odds_excess(window.log_odds);
        let rarity = Rarity::of(excess, tail, 1.0, manifest);
        let direction = if window.value >= window.level {
            Direction::Spike
        } else {
            Direction::Dip
        };
        Some(rarity.verdict(window.top_metric, direction, window.level, None))
    }

    fn judge<'a>(&'a self, forecast: &'a SeriesForecast) -> impl Iterator<Item = WindowScore> + 'a {
        let rows = forecast.status.iter().enumerate();
        rows.map(|(row, &status)| WindowScore {
            status,
            verdict: forecast.window(row).and_then(|window| self.verdict(window)),
        })
    }

    /// Judges the forecasts of one window; `None` for a classifier.
    pub(crate) fn verdict(&self, window: WindowForecast<'_>) -> Option<Verdict> {
        let manifest = self.manifest();
        let Objective::Forecast(Forecasting { comparison, .. }) = &manifest.objective else {
            return None;
        };
        let step_micros = manifest.layout.step_micros;
        let rate = manifest.threshold.rate(step_micros);
        let daily = ThresholdPolicy::DAILY.rate(step_micros);
        let mut chances = 0.0;
        let mut rarest: Option<(f64, usize, Excess<'_>)> = None;
        for metric in 0..window.metrics.len() {
            for excess in comparison.excesses(window, metric).into_iter().flatten() {
                chances += 1.0;
                let excess = excess.remembered(rate.max(daily));
                let ln_rate = excess.ln_rate();
                if rarest.as_ref().is_none_or(|(rarest, ..)| ln_rate < *rarest) {
                    rarest = Some((ln_rate, metric, excess));
                }
            }
        }
        let (_, top_metric, excess) = rarest?;
        let rarity = Rarity::of(excess.size, excess.tail, chances, manifest);
        let direction = if excess.is_up {
            Direction::Spike
        } else {
            Direction::Dip
        };
        let bounds = Some(excess.bounds(rate / chances));
        Some(rarity.verdict(top_metric, direction, excess.expected, bounds))
    }
}

/// How rare an excess is, and whether that is an anomaly.
struct Rarity {
    surprise: f64,
    anomaly_score: f64,
    alarms_per_window: f64,
    threshold: f64,
    severity: Option<Severity>,
}

impl Rarity {
    /// The rarest of so many `chances`.
    fn of(excess: f64, tail: &Tail, chances: f64, manifest: &Manifest) -> Self {
        let step_micros = manifest.layout.step_micros;
        let p_value = (chances * tail.ln_p(excess).exp()).clamp(SMALLEST_P, 1.0);
        let anomaly_score = 1.0 - p_value;
        let alarms_per_window = tail.rate_at_p(p_value);
        let rate = manifest.threshold.rate(step_micros);
        let threshold = 1.0 - tail.p_at_rate(rate).max(SMALLEST_P);
        Self {
            surprise: excess / tail.level,
            anomaly_score,
            alarms_per_window,
            threshold,
            severity: (anomaly_score >= threshold)
                .then(|| ThresholdPolicy::severity(alarms_per_window, step_micros)),
        }
    }

    fn verdict(
        self,
        top_metric: usize,
        direction: Direction,
        expected_value: f64,
        bounds: Option<[f64; 2]>,
    ) -> Verdict {
        Verdict {
            surprise: self.surprise,
            anomaly_score: self.anomaly_score,
            alarms_per_window: self.alarms_per_window,
            threshold: self.threshold,
            is_anomaly: self.severity.is_some(),
            severity: self.severity,
            top_metric,
            direction,
            expected_value,
            bounds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::Detector;
    use crate::fixture::{hours, manifest, traffic};
    use crate::models::{Architecture, init::initialise};
    use crate::time_zone::TimeZone;

    fn detector(false_alarms_per_week: f64) -> Detector {
        let mut manifest = manifest("gru", Architecture::Gru, &["requests"]);
        manifest.threshold = ThresholdPolicy {
            false_alarms_per_week,
        };
        let weights = initialise(&manifest.forecaster_config(), 7).unwrap();
        Detector::new(manifest, &weights).unwrap()
    }

    #[test]
    fn rates_tell_the_anomalies_of_other_budgets() {
        let mut requests = traffic(3_000, 1_500);
        // Some more that are unusual, each less than the one before.
        for (number, row) in (1_700..2_900).step_by(60).enumerate() {
            requests[row] += 300.0 / (1.0 + number as f64);
        }
        let window_start = hours(0, requests.len());
        let metrics = [requests];
        let rows = Rows {
            window_start: &window_start,
            metrics: &metrics,
            time_zone: Some(TimeZone::UTC),
        };
        let of_default = detector(1.0).score(rows).unwrap();
        let mut counts = Vec::new();
        for per_week in [7.0, 1.0, 0.23, 0.01] {
            let detector = detector(per_week);
            let manifest = detector.manifest();
            let rate = manifest.threshold.rate(manifest.layout.step_micros);
            let told: Vec<bool> = of_default
                .iter()
                .map(|window| window.verdict.is_some_and(|v| v.alarms_per_window <= rate))
                .collect();
            let scored = detector.score(rows).unwrap();
            let judged: Vec<bool> = scored
                .iter()
                .map(|window| window.verdict.is_some_and(|v| v.is_anomaly))
                .collect();
            assert_eq!(told, judged, "{per_week}");
            counts.push(told.iter().filter(|is_anomaly| **is_anomaly).count());
        }
        assert!(
            counts.is_sorted_by(|more, fewer| more >= fewer),
            "{counts:?}"
        );
        assert!(counts[0] > counts[3] && counts[3] > 0, "{counts:?}");
    }
}
