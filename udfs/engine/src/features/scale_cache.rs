//! Level and scale of the history before each block of a series.

use super::SeriesFeatures;
use super::median::median;
use super::scale::{Scale, scale_of};
use crate::series::blocks::SHORT_MEDIAN;

/// The scales of consecutive blocks, of which many share one day of history.
#[derive(Debug, Default)]
pub struct ScaleCache {
    /// First window of the day last used, and what it gives.
    anchored: Option<(i64, Vec<Option<Scale>>)>,
    scratch: Vec<f64>,
}

impl ScaleCache {
    /// As [`SeriesFeatures::scales`]; every call must be for the same segment.
    pub fn of_block(
        &mut self,
        features: &SeriesFeatures<'_>,
        block_start: i64,
    ) -> Vec<Option<Scale>> {
        let Self { anchored, scratch } = self;
        let layout = features.layout;
        let metrics = 0..features.grid.metrics.len();
        let (begin, end) = layout.scale_range(block_start);
        if anchored.as_ref().is_none_or(|(cached, _)| *cached != begin) {
            let is_full = features.grid.series_first <= begin - SHORT_MEDIAN as i64;
            let least = layout.scale_windows / 4;
            let scales = metrics.clone().map(|metric| {
                is_full
                    .then(|| features.scale_over(metric, begin, end, least, scratch))
                    .flatten()
            });
            *anchored = Some((begin, scales.collect()));
        }
        let anchored = anchored.iter().flat_map(|(_, scales)| scales);
        let span = layout.scale_windows as i64;
        let least = layout.lookback / 2;
        metrics
            .zip(anchored)
            .map(|(metric, anchored)| {
                anchored.or_else(|| {
                    features.scale_over(metric, block_start - span, block_start, least, scratch)
                })
            })
            .collect()
    }
}

impl SeriesFeatures<'_> {
    /// Level and scale of each metric for a block; `None` where the history holds too little.
    ///
    /// Taken from the day before the block's own day, or, where the series is younger, from what
    /// there is before the block.
    #[must_use]
    pub fn scales(&self, block_start: i64) -> Vec<Option<Scale>> {
        ScaleCache::default().of_block(self, block_start)
    }

    /// Level and scale over `[begin, end)`, if at least `least` windows there have a value.
    fn scale_over(
        &self,
        metric: usize,
        begin: i64,
        end: i64,
        least: usize,
        scratch: &mut Vec<f64>,
    ) -> Option<Scale> {
        let slot = |index: i64| (index - self.grid.first).clamp(0, self.grid.len() as i64) as usize;
        let (begin, end) = (slot(begin), slot(end));
        let values = &self.grid.metrics[metric];
        scratch.clear();
        scratch.extend(values[begin..end].iter().filter(|x| x.is_finite()));
        if scratch.len() < least.max(1) {
            return None;
        }
        let level = median(scratch);
        let first = begin.max(1);
        let before = first as i64 - 1..end.max(first) as i64 - 1;
        let before = self.metrics[metric].short.slots(before);
        let deviations = || {
            let before = before.iter();
            let pairs = values[first..end.max(first)].iter().zip(before);
            pairs
                .map(|(value, median)| (value - median).abs())
                .filter(|deviation| deviation.is_finite())
        };
        scratch.clear();
        scratch.extend(deviations());
        Some(Scale {
            level,
            scale: scale_of(deviations(), scratch, level).max(self.layout.smallest_scale(metric)),
        })
    }
}
