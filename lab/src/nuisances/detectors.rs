//! The detectors that are judged: those shipped, and the baseline, which has no network.

use std::sync::Arc;

use anomalog::evaluation::candidate::BASELINE;
use anomalog_engine::detector::{Detector, DetectorError, ThresholdPolicy, shipped};
use anomalog_engine::forecast::ForecastError;
use anomalog_engine::network::Architecture;
use anomalog_engine::score::{
    Baseline, Call, CallError, Columns, Detail, Judge, StreamScorer, WindowScore,
};
use anomalog_engine::series::time_zone::TimeZone;

/// A detector and its name in tables.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    /// Its name: an architecture, or [`BASELINE`].
    pub(crate) name: &'static str,
    /// `None` for the baseline.
    detector: Option<Arc<Detector>>,
}

/// The windows of a series.
#[derive(Debug, Clone)]
pub(super) struct SeriesWindows<'a> {
    pub(super) metrics: Vec<&'a str>,
    /// The smallest change that each can show.
    pub(super) resolutions: Vec<f64>,
    pub(super) time_zone: TimeZone,
    /// Microseconds of a window.
    pub(super) step: i64,
    /// Microseconds since the epoch.
    pub(super) starts: Vec<i64>,
    /// Of each metric.
    pub(super) values: Vec<Vec<f64>>,
}

impl Judged {
    /// A detector that is not shipped.
    pub(crate) fn of(name: &'static str, detector: Arc<Detector>) -> Self {
        Self {
            name,
            detector: Some(detector),
        }
    }

    /// The baseline, then the shipped detector of each architecture.
    ///
    /// # Errors
    /// When the shipped detectors are of another format.
    pub(crate) fn all() -> Result<Vec<Self>, DetectorError> {
        let mut all = vec![Self {
            name: BASELINE,
            detector: None,
        }];
        for architecture in Architecture::ALL {
            all.push(Self {
                name: architecture.name(),
                detector: Some(shipped::load(architecture)?),
            });
        }
        Ok(all)
    }

    fn bound_to(&self, windows: &SeriesWindows<'_>) -> Result<Judge, DetectorError> {
        let step = windows.step;
        let metrics = windows.metrics.iter().map(|name| (*name).to_owned());
        let resolutions = windows.resolutions.clone();
        Ok(match &self.detector {
            Some(detector) => {
                let bound = detector.bound_to(metrics.collect(), step, resolutions)?;
                Judge::Detector(Arc::new(bound))
            }
            None => {
                let named = metrics.zip(resolutions);
                let baseline = Baseline::new(step, named, ThresholdPolicy::default());
                Judge::Baseline(Arc::new(baseline))
            }
        })
    }
}

/// Why windows were not scored.
#[derive(Debug)]
pub(super) enum ScoreError {
    Detector(DetectorError),
    Windows(ForecastError),
}

/// The scores of each detector, one per window, of which those before `from` may be missing. All share
/// what they can, as in a query.
pub(super) fn scores(
    judged: &[Judged],
    windows: &SeriesWindows<'_>,
    from: i64,
) -> Result<Vec<Vec<WindowScore>>, ScoreError> {
    let calls = judged.iter().map(|judged| {
        judged.bound_to(windows).map(|judge| Call {
            judge,
            times: 0,
            time_zone: windows.time_zone,
            metrics: (0..windows.metrics.len()).collect(),
            detail: Detail::Score,
        })
    });
    let calls: Vec<Call> = calls
        .collect::<Result<_, _>>()
        .map_err(ScoreError::Detector)?;
    streamed(&calls, windows, from).map_err(|error| ScoreError::Windows(error.source))
}

fn streamed(
    calls: &[Call],
    windows: &SeriesWindows<'_>,
    from: i64,
) -> Result<Vec<Vec<WindowScore>>, CallError> {
    let rows = windows.starts.len();
    let columns = Columns {
        times: vec![windows.starts.iter().copied().map(Some).collect()],
        metrics: windows.values.clone(),
    };
    let mut scorer = StreamScorer::new(calls, from);
    scorer.push(&columns, 0..rows)?;
    scorer.end_series()?;
    scorer.flush()?;
    let scores = scorer.take(rows).into_iter();
    Ok(scores.map(|scores| scores.to_vec()).collect())
}
