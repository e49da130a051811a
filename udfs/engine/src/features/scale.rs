//! Level and scale of a series before a block.

use super::median::median;
use super::{SHORT_MEDIAN, SeriesFeatures};

/// Level and scale of one metric before a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Median of the history.
    pub level: f64,
    /// 1.25 times the mean absolute deviation from the trailing median, clipped at its 99 %
    /// quantile; positive.
    pub scale: f64,
}

/// The scales of consecutive blocks, of which many share one day of history.
#[derive(Debug, Default)]
pub struct ScaleCache {
    /// First window of the day last used, and what it gives.
    anchored: Option<(i64, Vec<Option<Scale>>)>,
    scratch: Vec<f64>,
}

impl ScaleCache {
    /// As [`SeriesFeatures::scales`]; every call must be for the same stretch.
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

/// Scale from absolute deviations: 1.25 (mean absolute deviation to standard deviation of a
/// normal distribution) times their mean, each clipped at the 99 % quantile.
///
/// Floored at 1 % of the level so that a nearly constant series does not turn rounding into
/// surprise, and 1 where even that is 0 (a series that was always zero).
fn scale_of(deviations: impl Iterator<Item = f64>, same_to_reorder: &mut [f64], level: f64) -> f64 {
    let floor = 0.01 * level.abs();
    let count = same_to_reorder.len();
    let mean = if count == 0 {
        0.0
    } else {
        let (_, clip, _) =
            same_to_reorder.select_nth_unstable_by((count - 1) * 99 / 100, f64::total_cmp);
        // Summed in time order, which no way of selecting changes.
        deviations
            .map(|deviation| deviation.min(*clip))
            .sum::<f64>()
            / count as f64
    };
    let scale = (1.25 * mean).max(floor);
    if scale > 0.0 { scale } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_outlier_in_a_hundred_does_not_widen_the_scale() {
        let scale = |deviations: &[f64]| {
            scale_of(deviations.iter().copied(), &mut deviations.to_vec(), 0.0)
        };
        let mut calm: Vec<f64> = (0..200).map(|t| f64::from(t % 2)).collect();
        let before = scale(&calm);
        calm[50] = 1e6;
        assert!(scale(&calm) < 1.1 * before);
    }
}
