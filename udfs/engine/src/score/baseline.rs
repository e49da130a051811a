//! Scores of the baseline: the statistics of a series alone, with no network and nothing to train.

use super::{Budget, Verdict, WindowScore};
use crate::detector::{BASELINE, Comparison, DetectorRef, ThresholdPolicy};
use crate::forecast::{ForecastError, SeriesSlice, Status, WindowForecast};
use crate::series::blocks::BlockLayout;
use crate::series::{Rows, grid_indices};

/// Judges windows by what is usual for their series.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    layout: BlockLayout,
    metrics: Vec<String>,
    budget: Budget,
    comparison: Comparison,
}

impl Baseline {
    /// The name by which queries and plans know it.
    pub const NAME: &str = BASELINE;

    /// The baseline for windows of a length and metrics of some names and resolutions, as in
    /// [`BlockLayout::resolutions`].
    #[must_use]
    pub fn new(
        step_micros: i64,
        metrics: impl IntoIterator<Item = (String, f64)>,
        threshold: ThresholdPolicy,
    ) -> Self {
        let (metrics, resolutions): (Vec<_>, Vec<_>) = metrics.into_iter().unzip();
        let layout = BlockLayout::for_step(step_micros, resolutions);
        Self {
            budget: Budget {
                step_micros,
                threshold,
            },
            comparison: Comparison::none(layout.metrics()),
            metrics,
            layout,
        }
    }

    /// Whether a reference names the baseline, which has no versions.
    #[must_use]
    pub fn is_named(reference: &DetectorRef) -> bool {
        reference.name == Self::NAME && reference.version.is_none()
    }

    /// The reference that leads back to it, with step and metrics.
    #[must_use]
    pub fn reference(&self) -> DetectorRef {
        DetectorRef {
            name: Self::NAME.to_owned(),
            version: None,
            step_micros: Some(self.layout.step_micros),
            metrics: Some(self.metrics.clone()),
        }
    }

    /// The metrics, in the order in which they are given.
    #[must_use]
    pub fn metrics(&self) -> &[String] {
        &self.metrics
    }

    /// How series are cut, and how much history is read.
    #[must_use]
    pub fn layout(&self) -> &BlockLayout {
        &self.layout
    }

    /// Scores the rows of one series: one answer per row, in order.
    ///
    /// # Errors
    /// When rows are out of order, two share a window, or none are one window apart.
    pub fn score(&self, rows: Rows<'_>) -> Result<Vec<WindowScore>, ForecastError> {
        self.score_from(rows, 0)
    }

    /// Scores the last row of a series, which is not empty, as [`Self::score`] would.
    ///
    /// # Errors
    /// As [`Self::score`].
    pub fn score_last(&self, rows: Rows<'_>) -> Result<WindowScore, ForecastError> {
        let last = rows.window_start.len().saturating_sub(1);
        let scores = self.score_from(rows, last)?;
        let missing = WindowScore::missing(Status::NoData);
        Ok(scores.last().copied().unwrap_or(missing))
    }

    /// One score per row from `first_row` on; those before are history.
    fn score_from(
        &self,
        rows: Rows<'_>,
        first_row: usize,
    ) -> Result<Vec<WindowScore>, ForecastError> {
        let indices = grid_indices(rows.window_start, &self.layout)?;
        let slice = SeriesSlice::of_series(rows, &indices, first_row);
        let ids: Vec<usize> = (0..indices.len() - first_row).collect();
        let mut status = vec![Status::Warmup; ids.len()];
        let mut verdicts = vec![None; ids.len()];
        slice.without_network(&self.layout, &ids, &mut status, &mut |row, window| {
            verdicts[row] = self.verdict(window);
        });
        let scores = status.into_iter().zip(verdicts);
        let scores = scores.map(|(status, verdict)| WindowScore { status, verdict });
        Ok(scores.collect())
    }

    /// Judges one window by all but the forecast of a network; `None` where no metric takes part.
    pub(super) fn verdict(&self, window: WindowForecast<'_>) -> Option<Verdict> {
        self.budget.verdict(window, &self.comparison)
    }
}
