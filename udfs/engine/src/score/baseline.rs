//! Scores of the baseline: the statistics of a series alone, with no network and nothing to train.

use super::{Budget, WindowScore};
use crate::detector::{Comparison, ThresholdPolicy};
use crate::forecast::{ForecastError, SeriesSlice, Status};
use crate::series::blocks::BlockLayout;
use crate::series::{Rows, grid_indices};

/// Judges windows by what is usual for their series.
#[derive(Debug, Clone)]
pub struct Baseline {
    layout: BlockLayout,
    budget: Budget,
    comparison: Comparison,
}

impl Baseline {
    /// The baseline for windows of a length and metrics of some resolutions, as in
    /// [`BlockLayout::resolutions`].
    #[must_use]
    pub fn new(step_micros: i64, resolutions: Vec<f64>, threshold: ThresholdPolicy) -> Self {
        let layout = BlockLayout::for_step(step_micros, resolutions);
        Self {
            budget: Budget {
                step_micros,
                threshold,
            },
            comparison: Comparison::none(layout.metrics()),
            layout,
        }
    }

    /// Scores the rows of one series: one answer per row, in order.
    ///
    /// # Errors
    /// When rows are out of order, two share a window, or none are one window apart.
    pub fn score(&self, rows: Rows<'_>) -> Result<Vec<WindowScore>, ForecastError> {
        let indices = grid_indices(rows.window_start, &self.layout)?;
        let slice = SeriesSlice {
            indices: &indices,
            metrics: rows.metrics,
            series_first: indices.first().copied().unwrap_or_default(),
            first_row: 0,
            time_zone: rows.time_zone,
            memo: None,
        };
        let ids: Vec<usize> = (0..indices.len()).collect();
        let mut status = vec![Status::Warmup; indices.len()];
        let mut verdicts = vec![None; indices.len()];
        slice.without_network(&self.layout, &ids, &mut status, &mut |row, window| {
            verdicts[row] = self.budget.verdict(window, &self.comparison);
        });
        let scores = status.into_iter().zip(verdicts);
        let scores = scores.map(|(status, verdict)| WindowScore { status, verdict });
        Ok(scores.collect())
    }
}
