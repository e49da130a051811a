//! From forecasts and odds to calibrated scores.
//!
//! A forecaster's window has excesses: each metric is held against several forecasts, the network's
//! among them, and the farthest counts (see [`crate::baseline`]). The tail of the series' own past
//! says how rare each excess is. The window is as rare as the rarest of them, times their number
//! (Bonferroni).
//!
//! A classifier's odds are one excess, and the tail of the normal windows that training held back
//! says how rare it is: see [`Tail::of_log_odds`].
//!
//! A [`Judge`] is either of them, or the [`Baseline`]: the forecasts that need no network, alone; or the
//! baseline with a gating network, whose log-odds weigh how rare each excess is (see [`Gating`](crate::detector::Gating)).

mod baseline;
mod by_baseline;
mod gate;
mod judge;
mod open_gate;
mod series_buffer;
mod stream;
mod verdict;
mod workers;

pub use baseline::Baseline;
pub use judge::Judge;
pub use stream::{Call, CallError, Columns, StreamScorer};
pub use verdict::{Direction, Verdict, WindowScore};
pub use workers::Workers;

use crate::baseline::Tail;
use crate::detector::{
    Classifying, Comparison, Detector, Excess, Forecasting, Network, Objective, Severity,
    ThresholdPolicy,
};
use crate::forecast::classify::{SeriesOdds, WindowOdds, classify};
use crate::forecast::{ForecastError, Part, SeriesForecast, Status, WindowForecast, forecast};
use crate::series::Rows;
use open_gate::{MetricGate, OpenGate};

/// The smallest p: below it `1 − p` could no longer be told from 1.
const SMALLEST_P: f64 = 1e-15;

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
            Network::Gate(_) => {
                let scored = parts.iter().map(|part| self.score_gated(part));
                return scored.collect();
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
        let budget = Budget {
            step_micros: manifest.layout.step_micros,
            threshold: manifest.threshold,
        };
        let rarity = Rarity::of(excess, tail, 1.0, budget);
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
            verdict: forecast
                .window(row)
                .and_then(|window| self.verdict(window, Detail::WithBounds)),
        })
    }

    /// Judges the forecasts of one window; `None` for a classifier.
    pub(crate) fn verdict(&self, window: WindowForecast<'_>, detail: Detail) -> Option<Verdict> {
        let manifest = self.manifest();
        let Objective::Forecast(Forecasting { comparison, .. }) = &manifest.objective else {
            return None;
        };
        let budget = Budget {
            step_micros: manifest.layout.step_micros,
            threshold: manifest.threshold,
        };
        budget.verdict(window, comparison, None, detail)
    }
}

/// How much of a verdict is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// All but the bounds, which cost as much as the rest.
    Score,
    /// All.
    WithBounds,
}

/// The alarms that may be raised by chance, and the windows that they are counted in.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Budget {
    step_micros: i64,
    threshold: ThresholdPolicy,
}

impl Budget {
    /// Alarms per window.
    fn rate(self) -> f64 {
        self.threshold.rate(self.step_micros)
    }

    /// Judges the forecasts of one window, of which a gate may let less pass; `None` where no metric takes
    /// part.
    fn verdict(
        self,
        window: WindowForecast<'_>,
        comparison: &Comparison,
        gate: Option<OpenGate<'_>>,
        detail: Detail,
    ) -> Option<Verdict> {
        let rate = self.rate();
        let daily = ThresholdPolicy::DAILY.rate(self.step_micros);
        let mut chances = 0.0;
        let mut rarest: Option<(f64, usize, Excess<'_>)> = None;
        for metric in 0..window.metrics.len() {
            for excess in comparison.excesses(window, metric).into_iter().flatten() {
                chances += excess.weight;
                let excess = excess.with_decayed_peak(rate.max(daily));
                let ln_rate = excess.ln_rate() - excess.weight.ln();
                let ln_rate = gate.map_or(ln_rate, |gate| gate.power(metric) * ln_rate);
                if rarest.as_ref().is_none_or(|(rarest, ..)| ln_rate < *rarest) {
                    rarest = Some((ln_rate, metric, excess));
                }
            }
        }
        let (_, top_metric, excess) = rarest?;
        let chances = chances / excess.weight;
        let gate = gate.map(|gate| gate.of_metric(top_metric));
        let rarity = Rarity::of(excess.size, excess.tail, chances, self);
        let rarity = match gate {
            Some(gate) => rarity.gated(gate, excess.tail, self),
            None => rarity,
        };
        let rate = gate.map_or(rate, |gate| gate.rate_before(rate));
        let direction = if excess.is_up {
            Direction::Spike
        } else {
            Direction::Dip
        };
        if detail == Detail::Score {
            return Some(rarity.verdict(top_metric, direction, excess.expected, None));
        }
        let mut bounds = excess.bounds(rate / chances);
        if rarity.severity.is_some() {
            // What the windows before say makes an anomaly of every value on this side.
            let [below, above] = &mut bounds;
            let value = window.metrics[top_metric].map_or(f64::NAN, |metric| metric.value);
            if excess.is_up && value <= *above {
                *above = excess.expected;
            } else if !excess.is_up && value >= *below {
                *below = excess.expected;
            }
        }
        Some(rarity.verdict(top_metric, direction, excess.expected, Some(bounds)))
    }
}

/// The rarity of an excess, and whether that is an anomaly.
struct Rarity {
    surprise: f64,
    anomaly_score: f64,
    alarms_per_window: f64,
    threshold: f64,
    severity: Option<Severity>,
}

impl Rarity {
    /// The rarest of so many `chances`.
    fn of(excess: f64, tail: &Tail, chances: f64, budget: Budget) -> Self {
        let p_value = (chances * tail.ln_p(excess).exp()).clamp(SMALLEST_P, 1.0);
        Self::at(p_value, excess / tail.level, tail, budget)
    }

    /// What comes of it where a gate lets a part of it pass.
    fn gated(self, gate: MetricGate, tail: &Tail, budget: Budget) -> Self {
        let p_value = tail.p_at_rate(gate.rate_after(self.alarms_per_window));
        let p_value = p_value.clamp(SMALLEST_P, 1.0);
        Self::at(p_value, tail.excess_at(p_value) / tail.level, tail, budget)
    }

    fn at(p_value: f64, surprise: f64, tail: &Tail, budget: Budget) -> Self {
        let anomaly_score = 1.0 - p_value;
        let alarms_per_window = tail.rate_at_p(p_value);
        let threshold = 1.0 - tail.p_at_rate(budget.rate()).max(SMALLEST_P);
        Self {
            surprise,
            anomaly_score,
            alarms_per_window,
            threshold,
            severity: (anomaly_score >= threshold)
                .then(|| ThresholdPolicy::severity(alarms_per_window, budget.step_micros)),
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
mod classify_tests;
#[cfg(test)]
mod stream_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::Detector;
    use crate::fixture::{hours, manifest, traffic};
    use crate::network::{Architecture, init::initialise};
    use crate::series::time_zone::TimeZone;

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
