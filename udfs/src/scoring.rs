//! From forecasts to calibrated scores.
//!
//! Each metric of a window is held against several forecasts; each error is divided by what is
//! usual for the series, and the largest quotient is the window's excess: see [`crate::profile`].
//! How rare an excess is says the tail of the series' own past.

use serde::{Deserialize, Serialize};

use crate::detector::{Detector, Severity, ThresholdPolicy};
use crate::forecasting::{ForecastError, Part, SeriesForecast, Status, WindowForecast, forecast};
use crate::profile::Stream;
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
    /// −ln p, where p is the share of the series' windows that are at least as unusual;
    /// dimensionless, at least 0.
    pub surprise: f64,
    /// 1 − p, in [0, 1).
    pub anomaly_score: f64,
    /// The score from which on a window is an anomaly.
    pub threshold: f64,
    /// Whether the score reaches the threshold.
    pub is_anomaly: bool,
    /// How rare, if it is an anomaly.
    pub severity: Option<Severity>,
    /// Index of the metric with the largest excess: the following are in its unit, of the forecast
    /// that it exceeds.
    pub top_metric: usize,
    /// Side of the forecast.
    pub direction: Direction,
    /// The forecast.
    pub expected_value: f64,
    /// The metric alone is not anomalous from here …
    pub lower_bound: f64,
    /// … to here.
    pub upper_bound: f64,
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

/// How usual errors of a detector compare with those of the difference to the window before, which
/// need no detector. Measured in training, pooled over series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Per metric, the reach of the detector's errors as a share of that of the difference's;
    /// positive.
    pub errors: Vec<f64>,
    /// The excess that alarms reach as often as without the detector's forecast, as a multiple of
    /// that; positive.
    pub excess: f64,
}

impl Comparison {
    /// A detector whose errors are those of the difference.
    #[must_use]
    pub fn none(metrics: usize) -> Self {
        Self {
            errors: vec![1.0; metrics],
            excess: 1.0,
        }
    }

    /// Whether every number can be divided by.
    pub(crate) fn is_positive(&self) -> bool {
        let numbers = self.errors.iter().chain([&self.excess]);
        numbers
            .copied()
            .all(|number| number > 0.0 && number.is_finite())
    }

    /// The largest excess over metrics and streams; `None` where no metric takes part.
    #[must_use]
    pub fn largest_excess(&self, window: WindowForecast<'_>) -> Option<Excess> {
        let profile = &window.normal.profile;
        let mut largest: Option<Excess> = None;
        for (metric, (forecast, of_metric)) in
            window.metrics.iter().zip(&profile.metrics).enumerate()
        {
            let Some((forecast, of_metric)) = forecast.as_ref().zip(of_metric.as_ref()) else {
                continue;
            };
            for stream in Stream::ALL {
                let (scale, share) = match stream {
                    Stream::Forecast => (&of_metric.difference, self.errors[metric]),
                    Stream::Difference => (&of_metric.difference, 1.0),
                    Stream::Level => (&of_metric.level, 1.0),
                };
                let error = forecast.value - forecast.expected[stream as usize];
                let size = scale.excess(window.normal.slot, error) / share;
                // False for NaN.
                if largest.is_none_or(|largest| size > largest.size) && !size.is_nan() {
                    let reach = |is_up| share * scale.reach(window.normal.slot, is_up);
                    largest = Some(Excess {
                        size,
                        metric,
                        error,
                        expected: forecast.expected[stream as usize],
                        reach: [reach(false), reach(true)],
                    });
                }
            }
        }
        largest
    }
}

/// The largest excess of a window.
#[derive(Debug, Clone, Copy)]
pub struct Excess {
    /// In reaches of usual errors; at least 0.
    pub size: f64,
    metric: usize,
    error: f64,
    expected: f64,
    /// Below and above.
    reach: [f64; 2],
}

impl Detector {
    /// Scores the rows of one series: one answer per row, in order.
    ///
    /// # Errors
    /// When rows are out of order, two share a window, none are one window apart, or the forward
    /// pass fails.
    pub fn score(&self, rows: Rows<'_>) -> Result<Vec<WindowScore>, ForecastError> {
        let first_row = 0;
        let forecasts = self.forecast(&[Part { rows, first_row }], true)?;
        Ok(forecasts
            .iter()
            .flat_map(|forecast| self.judge(forecast))
            .collect())
    }

    /// Scores the last row of each series, of which none is empty, as [`Self::score`] would.
    ///
    /// # Errors
    /// As [`Self::score`].
    pub fn score_last(
        &self,
        series: &[Rows<'_>],
        knows_time: bool,
    ) -> Result<Vec<WindowScore>, ForecastError> {
        let last = |rows: &Rows<'_>| rows.window_start.len().saturating_sub(1);
        let parts: Vec<Part<'_>> = series
            .iter()
            .map(|rows| Part {
                rows: *rows,
                first_row: last(rows),
            })
            .collect();
        let forecasts = self.forecast(&parts, knows_time)?;
        let missing = WindowScore::missing(Status::NoData);
        Ok(forecasts
            .iter()
            .map(|forecast| self.judge(forecast).last().unwrap_or(missing))
            .collect())
    }

    fn forecast(
        &self,
        parts: &[Part<'_>],
        knows_time: bool,
    ) -> Result<Vec<SeriesForecast>, ForecastError> {
        forecast(self.predictor(), &self.manifest().layout, parts, knows_time)
    }

    fn judge<'a>(&'a self, forecast: &'a SeriesForecast) -> impl Iterator<Item = WindowScore> + 'a {
        let rows = forecast.status.iter().enumerate();
        rows.map(|(row, &status)| WindowScore {
            status,
            verdict: forecast.window(row).and_then(|window| self.verdict(window)),
        })
    }

    /// Judges the forecasts of one window.
    pub(crate) fn verdict(&self, window: WindowForecast<'_>) -> Option<Verdict> {
        let manifest = self.manifest();
        let comparison = &manifest.comparison;
        let tail = &window.normal.profile.tail;
        let top = comparison.largest_excess(window)?;
        let ln_p = tail.ln_p(top.size / comparison.excess);
        let p_value = ln_p.exp().max(SMALLEST_P);
        let anomaly_score = 1.0 - p_value;
        let step_micros = manifest.layout.step_micros;
        let threshold_p = tail
            .p_at_rate(manifest.threshold.rate(step_micros))
            .max(SMALLEST_P);
        let threshold = 1.0 - threshold_p;
        let is_anomaly = anomaly_score >= threshold;
        let alarming = comparison.excess * tail.excess_at(threshold_p);
        let [below, above] = top.reach.map(|reach| reach * alarming);
        Some(Verdict {
            surprise: top.size / (comparison.excess * tail.level),
            anomaly_score,
            threshold,
            is_anomaly,
            severity: is_anomaly
                .then(|| ThresholdPolicy::severity(tail.rate_at_p(p_value), step_micros)),
            top_metric: top.metric,
            direction: if top.error < 0.0 {
                Direction::Dip
            } else {
                Direction::Spike
            },
            expected_value: top.expected,
            lower_bound: top.expected - below,
            upper_bound: top.expected + above,
        })
    }
}
