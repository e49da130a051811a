//! From forecasts to calibrated scores.
//!
//! Each metric of a window is held against several forecasts; each error is divided by what is
//! usual for the series, and the largest quotient is the excess of the metric: see
//! [`crate::profile`]. How rare an excess is says the tail of the series' own past. A window is as
//! rare as its rarest metric, times the number of metrics that had the chance (Bonferroni).

use serde::{Deserialize, Serialize};

use crate::detector::{Detector, Severity, ThresholdPolicy};
use crate::forecasting::{ForecastError, Part, SeriesForecast, Status, WindowForecast, forecast};
use crate::profile::{Stabiliser, Stream, Tail};
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
    /// The excess of the rarest metric, in multiples of what its alarms reach about twelve times a
    /// day of minutes; dimensionless, at least 0.
    pub surprise: f64,
    /// 1 − p, in [0, 1), where p is the share of the series' windows at least as unusual.
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
    /// Per metric, the excess that alarms reach as often as without the detector's forecast, as a
    /// multiple of that; positive.
    pub excess: Vec<f64>,
}

impl Comparison {
    /// A detector whose errors are those of the difference.
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

    /// The excess of a metric over its streams; `None` where it takes no part.
    #[must_use]
    pub fn excess(&self, window: WindowForecast<'_>, metric: usize) -> Option<Excess> {
        let forecast = window.metrics[metric].as_ref()?;
        let profile = window.normal.profile.metrics[metric].as_ref()?;
        let slot = window.normal.slot;
        let mut largest: Option<Excess> = None;
        for stream in Stream::ALL {
            let (scale, share) = match stream {
                Stream::Forecast => (&profile.difference, self.errors[metric]),
                Stream::Difference => (&profile.difference, 1.0),
                Stream::Level => (&profile.level, 1.0),
            };
            let expected = forecast.expected[stream as usize];
            let error = profile.stabiliser.error(forecast.value, expected);
            let size = scale.excess(slot, error) / share / self.excess[metric];
            if !size.is_nan() && largest.is_none_or(|largest| size > largest.size) {
                let reach = |is_up| share * self.excess[metric] * scale.reach(slot, is_up);
                largest = Some(Excess {
                    size,
                    error,
                    expected,
                    reach: [reach(false), reach(true)],
                    stabiliser: profile.stabiliser,
                });
            }
        }
        largest
    }
}

/// The excess of one metric of a window.
#[derive(Debug, Clone, Copy)]
pub struct Excess {
    /// In reaches of usual errors; at least 0.
    pub size: f64,
    error: f64,
    expected: f64,
    /// Below and above, as errors are compared.
    reach: [f64; 2],
    stabiliser: Stabiliser,
}

impl Excess {
    /// The values whose excess would be `size`, below and above the forecast.
    fn bounds(&self, size: f64) -> [f64; 2] {
        let expected = self.stabiliser.apply(self.expected);
        let [below, above] = self.reach.map(|reach| reach * size);
        [expected - below, expected + above].map(|bound| self.stabiliser.invert(bound))
    }
}

/// What is rarest in a window.
struct Rarest<'a> {
    metric: usize,
    excess: Excess,
    tail: &'a Tail,
    ln_p: f64,
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
        let mut metrics = 0.0;
        let mut rarest: Option<Rarest<'_>> = None;
        for (metric, profile) in window.normal.profile.metrics.iter().enumerate() {
            let excess = manifest.comparison.excess(window, metric);
            let Some((excess, profile)) = excess.zip(profile.as_ref()) else {
                continue;
            };
            metrics += 1.0;
            let tail = &profile.tail;
            let ln_p = tail.ln_p(excess.size);
            if rarest.as_ref().is_none_or(|rarest| ln_p < rarest.ln_p) {
                rarest = Some(Rarest {
                    metric,
                    excess,
                    tail,
                    ln_p,
                });
            }
        }
        let Rarest {
            metric,
            excess,
            tail,
            ln_p,
        } = rarest?;
        let p_value = (metrics * ln_p.exp()).clamp(SMALLEST_P, 1.0);
        let anomaly_score = 1.0 - p_value;
        let step_micros = manifest.layout.step_micros;
        let rate = manifest.threshold.rate(step_micros);
        let threshold_p = tail.p_at_rate(rate).max(SMALLEST_P);
        let threshold = 1.0 - threshold_p;
        let is_anomaly = anomaly_score >= threshold;
        let [lower_bound, upper_bound] = excess.bounds(tail.excess_at(threshold_p / metrics));
        Some(Verdict {
            surprise: excess.size / tail.level,
            anomaly_score,
            threshold,
            is_anomaly,
            severity: is_anomaly
                .then(|| ThresholdPolicy::severity(tail.rate_at_p(p_value), step_micros)),
            top_metric: metric,
            direction: if excess.error < 0.0 {
                Direction::Dip
            } else {
                Direction::Spike
            },
            expected_value: excess.expected,
            lower_bound,
            upper_bound,
        })
    }
}
