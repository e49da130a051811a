//! The detectors that are judged: those shipped, and the baseline, which has no network.

use std::sync::Arc;

use anomalog::evaluation::candidate::BASELINE;
use anomalog_engine::detector::{Detector, DetectorError, ThresholdPolicy, shipped};
use anomalog_engine::forecast::ForecastError;
use anomalog_engine::network::Architecture;
use anomalog_engine::score::{
    Baseline, Call, CallError, Columns, Judge, StreamScorer, WindowScore,
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

/// The windows of a series of one metric.
#[derive(Debug, Clone)]
pub(super) struct SeriesWindows<'a> {
    pub(super) metric: &'a str,
    /// The smallest change that it can show.
    pub(super) resolution: f64,
    pub(super) time_zone: TimeZone,
    /// Microseconds of a window.
    pub(super) step: i64,
    /// Microseconds since the epoch.
    pub(super) starts: Vec<i64>,
    pub(super) values: Vec<f64>,
}

impl Judged {
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
        let (step, metric) = (windows.step, windows.metric.to_owned());
        Ok(match &self.detector {
            Some(detector) => {
                let bound = detector.bound_to(vec![metric], step, vec![windows.resolution])?;
                Judge::Detector(Arc::new(bound))
            }
            None => {
                let named = [(metric, windows.resolution)];
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
            metrics: vec![0],
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
        metrics: vec![windows.values.clone()],
    };
    let mut scorer = StreamScorer::new(calls, from);
    scorer.push(&columns, 0..rows)?;
    scorer.end_series()?;
    scorer.flush()?;
    let scores = scorer.take(rows).into_iter();
    Ok(scores.map(|scores| scores.to_vec()).collect())
}
