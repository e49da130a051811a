//! From forecasts to calibrated scores.
//!
//! The residual of a metric is `|x_t − x̂_t| / s`, in multiples of its mean on normal data.
//! Surprise is the 4-norm mean over the metrics that take part: near the largest of them, yet
//! higher where several move at once. The detector's calibration turns surprise into a score.

use crate::detector::{Detector, Severity, ThresholdPolicy};
use crate::forecasting::{ForecastError, MetricForecast, Scope, SeriesForecast, Status, forecast};
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
    /// Residual over its normal mean; dimensionless, at least 0.
    pub surprise: f64,
    /// Calibrated, in [0, 1).
    pub anomaly_score: f64,
    /// Whether the score reaches the detector's threshold.
    pub is_anomaly: bool,
    /// How rare, if it is an anomaly.
    pub severity: Option<Severity>,
    /// Index of the metric with the largest residual: the following are in its unit.
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

/// Surprise of one window: the 4-norm mean of the residuals of the metrics that take part, each
/// over its normal mean. `None` where no metric does.
#[must_use]
pub fn surprise(metrics: &[Option<MetricForecast>], normal_residual: &[f64]) -> Option<f64> {
    let (sum, count) = residuals(metrics, normal_residual)
        .fold((0.0, 0.0), |(sum, count), (_, residual, _)| {
            (sum + residual.powi(4), count + 1.0)
        });
    (count > 0.0).then(|| f64::powf(sum / count, 0.25))
}

/// Index, signed residual in normal means, and forecast of each metric that takes part.
fn residuals<'a>(
    metrics: &'a [Option<MetricForecast>],
    normal_residual: &'a [f64],
) -> impl Iterator<Item = (usize, f64, MetricForecast)> + 'a {
    metrics
        .iter()
        .zip(normal_residual)
        .enumerate()
        .filter_map(|(index, (part, normal))| {
            let part = (*part)?;
            Some((
                index,
                (part.value - part.expected) / (part.scale * normal),
                part,
            ))
        })
}

impl Detector {
    /// Score at which a window is an anomaly, in (0, 1).
    #[must_use]
    pub fn threshold(&self) -> f64 {
        1.0 - self.threshold_p_value()
    }

    fn threshold_p_value(&self) -> f64 {
        let manifest = self.manifest();
        manifest.threshold.p_value(manifest.layout.step_micros)
    }

    /// Scores the rows of one series: one answer per row, in order.
    ///
    /// # Errors
    /// When rows are out of order, two share a window, none are one window apart, or the forward
    /// pass fails.
    pub fn score(&self, rows: Rows<'_>) -> Result<Vec<WindowScore>, ForecastError> {
        let forecasts = self.forecast(&[rows], Scope::ALL)?;
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
        let forecasts = self.forecast(
            series,
            Scope {
                last_row_only: true,
                knows_time,
            },
        )?;
        let missing = WindowScore::missing(Status::NoData);
        Ok(forecasts
            .iter()
            .map(|forecast| self.judge(forecast).last().unwrap_or(missing))
            .collect())
    }

    fn forecast(
        &self,
        series: &[Rows<'_>],
        scope: Scope,
    ) -> Result<Vec<SeriesForecast>, ForecastError> {
        forecast(self.forecaster(), &self.manifest().layout, series, scope)
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

    fn verdict(&self, metrics: &[Option<MetricForecast>]) -> Option<Verdict> {
        let manifest = self.manifest();
        let surprise = surprise(metrics, &manifest.normal_residual)?;
        let (top_metric, residual, top) =
            residuals(metrics, &manifest.normal_residual).reduce(|top, next| {
                if next.1.abs() > top.1.abs() {
                    next
                } else {
                    top
                }
            })?;
        let p_value = manifest.calibration.p_value(surprise);
        let anomaly_score = 1.0 - p_value;
        let is_anomaly = anomaly_score >= self.threshold();
        let count = metrics.iter().flatten().count() as f64;
        let margin = manifest.calibration.surprise_at(self.threshold_p_value())
            * count.powf(0.25)
            * top.scale
            * manifest.normal_residual[top_metric];
        Some(Verdict {
            surprise,
            anomaly_score,
            is_anomaly,
            severity: is_anomaly
                .then(|| ThresholdPolicy::severity(p_value, manifest.layout.step_micros)),
            top_metric,
            direction: if residual < 0.0 {
                Direction::Dip
            } else {
                Direction::Spike
            },
            expected_value: top.expected,
            lower_bound: top.expected - margin,
            upper_bound: top.expected + margin,
        })
    }
}
