//! From forecasts to calibrated scores.
//!
//! Each metric has one forecast error per horizon: the shortest horizon sees what is sudden, the
//! longest what lasts. Their sizes do not compare (an error in a metric that is nearly always
//! zero, a tenth of the usual traffic missing), but their rarity does: each is ranked among the
//! same errors on held-back normal data, and surprise is −ln p of the rarest. The detector's
//! calibration ranks that in turn, which accounts for how many errors it is the rarest of.

use crate::calibration::Ranker;
use crate::detector::{Detector, Severity, ThresholdPolicy};
use crate::forecasting::{ForecastError, MetricForecast, Part, SeriesForecast, Status, forecast};
use crate::series::Rows;

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
    /// −ln p of the rarest forecast error; dimensionless, at least 0.
    pub surprise: f64,
    /// Calibrated, in [0, 1).
    pub anomaly_score: f64,
    /// Whether the score reaches the detector's threshold.
    pub is_anomaly: bool,
    /// How rare, if it is an anomaly.
    pub severity: Option<Severity>,
    /// Index of the metric with the rarest error: the following are in its unit, at the horizon of
    /// that error.
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

/// The rarest forecast error of a window.
#[derive(Debug, Clone, Copy)]
pub struct RarestError {
    /// −ln p: 0 for the most usual window.
    pub surprise: f64,
    metric: usize,
    horizon: usize,
    forecast: MetricForecast,
}

/// Finds the rarest error among `errors`, `metrics × horizons` rankers, row-major, of calibrations that
/// were fitted to absolute errors. `None` where no metric takes part.
#[must_use]
pub fn rarest_error(
    metrics: &[Option<MetricForecast>],
    errors: &[Option<Ranker>],
) -> Option<RarestError> {
    let horizons = errors.len() / metrics.len().max(1);
    let mut rarest: Option<(f64, usize, usize, MetricForecast)> = None;
    for (metric, forecast) in metrics.iter().enumerate() {
        let Some(forecast) = *forecast else { continue };
        for horizon in 0..horizons {
            let Some(ranker) = &errors[metric * horizons + horizon] else {
                continue;
            };
            let error = forecast.error[horizon].abs();
            if error.is_nan() {
                continue;
            }
            let p_value = ranker.p_value(error);
            if rarest.is_none_or(|(smallest, ..)| p_value < smallest) {
                rarest = Some((p_value, metric, horizon, forecast));
            }
        }
    }
    rarest.map(|(p_value, metric, horizon, forecast)| RarestError {
        surprise: -p_value.ln(),
        metric,
        horizon,
        forecast,
    })
}

impl Detector {
    /// Score at which a window is an anomaly, in (0, 1).
    #[must_use]
    pub fn threshold(&self) -> f64 {
        1.0 - self.manifest().threshold_p_value()
    }

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
        let metrics = forecast.metrics.chunks_exact(self.manifest().metrics.len());
        forecast
            .status
            .iter()
            .zip(metrics)
            .map(|(&status, metrics)| WindowScore {
                status,
                verdict: self.verdict(metrics),
            })
    }

    /// Judges the forecasts of one window, one per metric.
    pub(crate) fn verdict(&self, metrics: &[Option<MetricForecast>]) -> Option<Verdict> {
        let manifest = self.manifest();
        let judgement = self.judgement();
        let top = rarest_error(metrics, &judgement.errors)?;
        let p_value = judgement.surprise.p_value(top.surprise);
        let anomaly_score = 1.0 - p_value;
        let is_anomaly = anomaly_score >= self.threshold();
        let horizons = manifest.layout.horizons.len();
        let alarming = judgement.alarming_errors[top.metric * horizons + top.horizon]?;
        let margin = alarming * top.forecast.scale;
        let transform = manifest.layout.transforms[top.metric];
        let expected = top.forecast.expected[top.horizon];
        Some(Verdict {
            surprise: top.surprise,
            anomaly_score,
            is_anomaly,
            severity: is_anomaly
                .then(|| ThresholdPolicy::severity(p_value, manifest.layout.step_micros)),
            top_metric: top.metric,
            direction: if top.forecast.error[top.horizon] < 0.0 {
                Direction::Dip
            } else {
                Direction::Spike
            },
            expected_value: transform.invert(expected),
            lower_bound: transform.invert(expected - margin),
            upper_bound: transform.invert(expected + margin),
        })
    }
}
