//! A series with its rolling medians.

use super::median::RollingMedians;
use super::scale::Scale;
use crate::series::SeriesGrid;
use crate::series::blocks::{BlockLayout, LONG_MEDIAN, SHORT_MEDIAN, YESTERDAY_MEDIAN};
use crate::series::time_zone::TimeZone;

/// A series with its rolling medians, ready to be cut into blocks.
#[derive(Debug)]
pub struct SeriesFeatures<'a> {
    pub(super) layout: &'a BlockLayout,
    pub(super) grid: &'a SeriesGrid,
    /// `None` where grid indices are no real times.
    pub(super) time_zone: Option<TimeZone>,
    /// Windows in 24 hours, where the layout has day inputs.
    day: Option<i64>,
    pub(super) metrics: Vec<MetricMedians<'a>>,
}

/// The rolling medians of one metric.
#[derive(Debug)]
pub(super) struct MetricMedians<'a> {
    pub(super) short: RollingMedians<'a>,
    pub(super) long: RollingMedians<'a>,
    /// Trailing median of [`YESTERDAY_MEDIAN`]: centred on the window two before.
    pub(super) yesterday: RollingMedians<'a>,
    /// Number of values present before each slot, and after the last.
    present_before: Vec<u32>,
}

impl<'a> SeriesFeatures<'a> {
    /// The features of a segment in a zone. There is none for bare lists without timestamps: their
    /// time-of-day inputs are zero.
    #[must_use]
    pub fn new(layout: &'a BlockLayout, grid: &'a SeriesGrid, time_zone: Option<TimeZone>) -> Self {
        Self::with_history(layout, grid, time_zone, grid.first)
    }

    /// The same for a segment of which what is before a grid index is needed for profiles alone, which
    /// may be known.
    pub(crate) fn with_history(
        layout: &'a BlockLayout,
        grid: &'a SeriesGrid,
        time_zone: Option<TimeZone>,
        history_until: i64,
    ) -> Self {
        let split = usize::try_from(history_until - grid.first).unwrap_or(0);
        let of_metric = |values: &'a Vec<f64>| {
            let medians = |width| RollingMedians::new(values, width, split);
            MetricMedians {
                short: medians(SHORT_MEDIAN),
                long: medians(LONG_MEDIAN),
                yesterday: medians(YESTERDAY_MEDIAN),
                present_before: running_count(values),
            }
        };
        let metrics = grid.metrics.iter().map(of_metric).collect();
        Self {
            layout,
            grid,
            // Longer windows than its changes know none.
            time_zone: time_zone.map(|zone| zone.of_windows(layout.step_micros)),
            day: layout.day().map(|day| day as i64),
            metrics,
        }
    }

    /// The layout by which the series is cut into blocks.
    #[must_use]
    pub fn layout(&self) -> &'a BlockLayout {
        self.layout
    }

    /// The segment itself.
    #[must_use]
    pub fn grid(&self) -> &SeriesGrid {
        self.grid
    }

    /// The value of a metric at a grid index; NaN where missing or outside the segment.
    #[must_use]
    pub fn value(&self, metric: usize, index: i64) -> f64 {
        at(&self.grid.metrics[metric], index - self.grid.first)
    }

    /// The trailing median of 11 windows at a grid index; NaN where unknown.
    #[must_use]
    pub fn baseline(&self, metric: usize, index: i64) -> f64 {
        self.metrics[metric].short.at(index - self.grid.first)
    }

    /// The trailing median of 61 windows at a grid index; NaN where unknown.
    #[must_use]
    pub fn long_median(&self, metric: usize, index: i64) -> f64 {
        self.metrics[metric].long.at(index - self.grid.first)
    }

    /// The trailing median of [`YESTERDAY_MEDIAN`] windows at a grid index; NaN where unknown.
    pub(crate) fn yesterday_median(&self, metric: usize, index: i64) -> f64 {
        self.metrics[metric].yesterday.at(index - self.grid.first)
    }

    /// The zone of times of day; `None` where grid indices are no real times.
    #[must_use]
    pub fn time_zone(&self) -> Option<TimeZone> {
        self.time_zone
    }

    /// Windows from a grid index back to the same time yesterday; `None` where the layout has no
    /// day inputs.
    pub(crate) fn day_before(&self, index: i64) -> Option<i64> {
        match self.time_zone {
            None | Some(TimeZone::UTC) => self.day,
            Some(zone) => self.layout.day_before(zone, index),
        }
    }

    /// Whether the level one day before the window is known, as the day inputs need; true where
    /// the layout has no day inputs.
    #[must_use]
    pub fn knows_yesterday(&self, metric: usize, index: i64) -> bool {
        self.day_before(index)
            .is_none_or(|day| self.baseline(metric, index - day).is_finite())
    }

    /// Whether at least half of the lookback before a window has a value.
    #[must_use]
    pub fn is_warm(&self, metric: usize, index: i64) -> bool {
        let counts = &self.metrics[metric].present_before;
        let lookback = self.layout.lookback as i64;
        let (end, begin) = (index - self.grid.first, index - self.grid.first - lookback);
        let (Ok(begin), Ok(end)) = (usize::try_from(begin), usize::try_from(end)) else {
            return false;
        };
        end < counts.len() && (counts[end] - counts[begin]) as usize * 2 >= self.layout.lookback
    }

    /// Whether the whole reach of the block lies inside the series.
    #[must_use]
    pub fn has_full_reach(&self, block_start: i64) -> bool {
        let reach = self.layout.reach(self.time_zone.unwrap_or_default());
        self.grid.series_first <= block_start - reach as i64
    }

    /// The target of a metric at a horizon, seen from a grid index: NaN where it cannot be known.
    #[must_use]
    pub fn target(&self, metric: usize, index: i64, horizon: usize, scale: Option<Scale>) -> f64 {
        scale.map_or(f64::NAN, |scale| {
            let ahead = self.value(metric, index + horizon as i64);
            (ahead - self.baseline(metric, index)) / scale.scale
        })
    }
}

/// A slot's value, NaN outside the segment.
pub(super) fn at(values: &[f64], slot: i64) -> f64 {
    usize::try_from(slot)
        .ok()
        .and_then(|slot| values.get(slot))
        .copied()
        .unwrap_or(f64::NAN)
}

/// Number of finite values before each slot, and in all.
fn running_count(values: &[f64]) -> Vec<u32> {
    let mut count = 0;
    let mut counts = Vec::with_capacity(values.len() + 1);
    counts.push(0);
    for value in values {
        count += u32::from(value.is_finite());
        counts.push(count);
    }
    counts
}
