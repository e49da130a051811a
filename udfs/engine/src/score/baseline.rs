//! Scores of the baseline: the statistics of a series alone, with no network and nothing to train.

use super::{Budget, Detail, Verdict, WindowScore};
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
            verdicts[row] = self.verdict(window, Detail::WithBounds);
        });
        let scores = status.into_iter().zip(verdicts);
        let scores = scores.map(|(status, verdict)| WindowScore { status, verdict });
        Ok(scores.collect())
    }

    /// Judges one window by all but the forecast of a network; `None` where no metric takes part.
    pub(super) fn verdict(&self, window: WindowForecast<'_>, detail: Detail) -> Option<Verdict> {
        self.budget.verdict(window, &self.comparison, None, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::MERGE;
    use crate::score::{Direction, Verdict};
    use crate::series::time_zone::TimeZone;

    const MINUTE: i64 = 60_000_000;
    const DAY: usize = 1_440;

    /// The verdicts on a metric that need no network.
    fn verdicts(values: Vec<f64>) -> Vec<Option<Verdict>> {
        let window_start: Vec<i64> = (0..values.len() as i64).map(|row| row * MINUTE).collect();
        let rows = Rows {
            window_start: &window_start,
            metrics: &[values],
            time_zone: Some(TimeZone::UTC),
        };
        let baseline = Baseline::new(MINUTE, [("m".to_owned(), 0.0)], ThresholdPolicy::default());
        let scores = baseline.score(rows).unwrap();
        scores.into_iter().map(|score| score.verdict).collect()
    }

    fn anomalous(verdicts: &[Option<Verdict>]) -> Vec<usize> {
        let is_anomaly = |row: &usize| verdicts[*row].is_some_and(|verdict| verdict.is_anomaly);
        (0..verdicts.len()).filter(is_anomaly).collect()
    }

    #[test]
    fn a_constant_says_nothing_until_it_jumps() {
        let noise = |row: usize| (row * 7_919 % 101) as f64 * 1e-12;
        let mut values: Vec<f64> = (0..8 * DAY).map(|row| 0.05 + noise(row)).collect();
        values[7 * DAY..7 * DAY + 20].fill(0.06);
        let found = verdicts(values);
        let scores = found[..7 * DAY].iter().flatten();
        assert!(
            scores
                .map(|verdict| verdict.anomaly_score)
                .all(|score| score < 0.5)
        );
        let anomalous = anomalous(&found);
        assert_eq!(anomalous.first(), Some(&(7 * DAY)));
        // The way back belongs to it: it is one alarm, and soon over.
        assert!(anomalous.is_sorted_by(|before, after| after - before < MERGE));
        assert!(*anomalous.last().unwrap() < 7 * DAY + 60, "{anomalous:?}");
    }

    #[test]
    fn what_is_always_zero_says_nothing_until_it_is_not() {
        let mut values = vec![0.0; 8 * DAY];
        values[7 * DAY] = 3.0;
        let found = verdicts(values);
        let scores = found[..7 * DAY]
            .iter()
            .flatten()
            .map(|verdict| verdict.anomaly_score);
        assert!(scores.fold(0.0, f64::max) < 0.5);
        assert!(anomalous(&found).contains(&(7 * DAY)));
    }

    #[test]
    fn an_outage_is_an_anomaly_however_wild_the_history_is() {
        let wave = |row: usize| (row as f64 / DAY as f64 * std::f64::consts::TAU).sin();
        let usual = |row: usize| 5e3 + 2e3 * wave(row) + (row * 7_919 % 101) as f64;
        let mut values: Vec<f64> = (0..15 * DAY).map(usual).collect();
        for row in (600..14 * DAY).step_by(97) {
            values[row] *= 4.0;
        }
        let outage = 14 * DAY + 300..14 * DAY + 600;
        values[outage.clone()].fill(0.0);
        let found = verdicts(values);
        let within: Vec<&Verdict> = found[outage].iter().flatten().collect();
        assert!(within.iter().skip(10).all(|verdict| verdict.is_anomaly));
        let last = within[within.len() - 1];
        assert_eq!(last.direction, Direction::Dip);
        assert!(last.expected_value > 3e3, "{last:?}");
        let [below, _] = last.bounds.unwrap();
        assert!(below > 0.0, "{last:?}");
        let bounds = found.iter().flatten().filter_map(|verdict| verdict.bounds);
        assert!(bounds.map(|[below, _]| below).fold(0.0, f64::min) >= 0.0);
    }
}
