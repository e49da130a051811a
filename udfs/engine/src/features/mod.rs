//! From a series to what a forecaster reads and predicts.
//!
//! Everything is relative to a causal rolling median and divided by a scale of the series' own
//! recent past, so one set of weights serves every series, whatever its level or unit. With
//! `m11`, `m61` the trailing medians of 11 and 61 windows, `c` and `s` the level and scale of the
//! history before the block, and `slog v = sign v · ln(1 + |v|)`, the inputs at window `t` are,
//! per metric:
//!
//! | # | input |
//! |---|---|
//! | 1 | `slog((x_t − m11_t) / s)` |
//! | 2 | `slog((x_t − x_{t−1}) / s)` |
//! | 3 | `slog((m11_t − m61_t) / s)` |
//! | 4 | `slog((m61_t − c) / s)` |
//! | one per horizon `h` | `slog((x̃_{t+h−day} − m11_{t−day}) / s)`, `x̃` a centred median of 5 |
//! | next | `slog((m61_t − m61_{t−day}) / s)` |
//! | next | 1 where the day before is known, else 0 |
//! | next | 1 where `x_t` is known, else 0 |
//!
//! followed by sine and cosine of the time of day and of the week. Both are local, as is the day
//! before: `t − day` is the same [local time](TimeZone) yesterday, and of `t + h − day` that of
//! `t + h`. A missing value contributes 0.
//! The target at horizon `h` is `(x_{t+h} − m11_t) / s`: a forecaster whose head is zero predicts
//! the trailing median, and training can only improve on that.
//!
//! A classifier reads less: see [`write_window`].
//!
//! Invariant: what is written for a block depends on the `reach` windows before the block and on
//! the block itself, never on anything later or earlier, so a score is the same in any query that
//! holds that much history.

mod inputs;
mod median;
mod scale;
mod window;

pub use inputs::InputWriter;
pub use scale::{Scale, ScaleCache};
pub use window::write_window;

use crate::series::SeriesGrid;
use crate::series::blocks::{
    BlockLayout, DAY_MICROS, INPUTS_PER_METRIC, LONG_MEDIAN, SHORT_MEDIAN, TIME_INPUTS,
    YESTERDAY_MEDIAN,
};
use crate::series::time_zone::TimeZone;
use median::RollingMedians;

/// A series with its rolling medians, ready to be cut into blocks.
#[derive(Debug)]
pub struct SeriesFeatures<'a> {
    layout: &'a BlockLayout,
    grid: &'a SeriesGrid,
    /// `None` where grid indices are no real times.
    time_zone: Option<TimeZone>,
    /// Windows in 24 hours, where the layout has day inputs.
    day: Option<i64>,
    metrics: Vec<MetricMedians<'a>>,
}

#[derive(Debug)]
struct MetricMedians<'a> {
    short: RollingMedians<'a>,
    long: RollingMedians<'a>,
    /// Trailing median of [`YESTERDAY_MEDIAN`]: centred on the window two before.
    yesterday: RollingMedians<'a>,
    /// Number of values present before each slot, and after the last.
    present_before: Vec<u32>,
}

impl<'a> SeriesFeatures<'a> {
    /// The features of a stretch in a zone. There is none for bare lists without timestamps: their
    /// time-of-day inputs are zero.
    #[must_use]
    pub fn new(layout: &'a BlockLayout, grid: &'a SeriesGrid, time_zone: Option<TimeZone>) -> Self {
        Self::with_history(layout, grid, time_zone, grid.first)
    }

    /// The same for a stretch of which what is before a grid index is needed for profiles alone, which
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

    /// How the series is cut into blocks.
    #[must_use]
    pub fn layout(&self) -> &'a BlockLayout {
        self.layout
    }

    /// The stretch itself.
    #[must_use]
    pub fn grid(&self) -> &SeriesGrid {
        self.grid
    }

    /// The value of a metric at a grid index; NaN where missing or outside the stretch.
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

    /// Level and scale of each metric for a block; `None` where the history holds too little.
    ///
    /// Taken from the day before the block's own day, or, where the series is younger, from what
    /// there is before the block.
    #[must_use]
    pub fn scales(&self, block_start: i64) -> Vec<Option<Scale>> {
        ScaleCache::default().of_block(self, block_start)
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

/// A slot's value, NaN outside the stretch.
fn at(values: &[f64], slot: i64) -> f64 {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn median_of(values: &[f64]) -> f64 {
        RollingMedians::new(values, values.len(), 0).at(values.len() as i64 - 1)
    }

    fn grid(first: i64, values: Vec<f64>) -> SeriesGrid {
        let row_slots = (0..values.len()).collect();
        SeriesGrid {
            first,
            series_first: first,
            metrics: vec![values],
            row_slots,
        }
    }

    fn layout() -> BlockLayout {
        BlockLayout {
            step_micros: 3_600_000_000,
            lookback: 8,
            block: 4,
            horizons: vec![1, 3],
            scale_windows: 24,
            profile_windows: 48,
            resolutions: vec![0.0],
        }
    }

    fn block_inputs(layout: &BlockLayout, grid: &SeriesGrid, block: i64) -> Vec<f32> {
        block_inputs_in(TimeZone::UTC, layout, grid, block)
    }

    fn block_inputs_in(
        zone: TimeZone,
        layout: &BlockLayout,
        grid: &SeriesGrid,
        block: i64,
    ) -> Vec<f32> {
        let features = SeriesFeatures::new(layout, grid, Some(zone));
        let mut out = vec![0.0; layout.sequence_length() * layout.features()];
        let scales = features.scales(block);
        InputWriter::default().write(&features, block, &scales, &mut out);
        out
    }

    proptest! {
        #[test]
        fn a_block_depends_on_its_reach_only(
            values in prop::collection::vec(prop_oneof![9 => 0.0..50.0f64, 1 => Just(f64::NAN)], 200..260),
            cut in 0usize..60,
        ) {
            let layout = layout();
            let block = 160;
            let full = block_inputs(&layout, &grid(0, values.clone()), block);
            // Drop history beyond the reach and everything after the block.
            let begin = cut.min(block as usize - layout.reach(TimeZone::UTC));
            let end = block as usize + layout.block;
            let cut = block_inputs(&layout, &grid(begin as i64, values[begin..end].to_vec()), block);
            prop_assert_eq!(full, cut);
        }
    }

    /// Hours since the epoch until 2026-10-26T00:00:00Z, a day after clocks changed in Berlin.
    const AFTER_CHANGE: i64 = 498_048;

    proptest! {
        #[test]
        fn a_block_depends_on_its_reach_only_in_a_zone(
            values in prop::collection::vec(0.0..50.0f64, 250..300),
            cut in 0usize..60,
            days in -3i64..3,
        ) {
            let layout = layout();
            let zone: TimeZone = "Europe/Berlin".parse().unwrap();
            let block = layout.block_of(AFTER_CHANGE) + 24 * days;
            let first = block - 200;
            let full = block_inputs_in(zone, &layout, &grid(first, values.clone()), block);
            let begin = cut.min(200 - layout.reach(zone));
            let end = 200 + layout.block;
            let cut = grid(first + begin as i64, values[begin..end].to_vec());
            prop_assert_eq!(full, block_inputs_in(zone, &layout, &cut, block));
        }
    }

    #[test]
    fn yesterday_is_local() {
        let layout = layout();
        let first = AFTER_CHANGE - 120;
        let values: Vec<f64> = (0..160).map(|t| f64::from(t * 31 % 97)).collect();
        let grid = grid(first, values.clone());
        let zone: TimeZone = "Europe/Berlin".parse().unwrap();
        let features = SeriesFeatures::new(&layout, &grid, Some(zone));
        let width = layout.features();
        let slog = |v: f64| v.abs().ln_1p().copysign(v) as f32;
        // Clocks changed 23 hours before, and so yesterday is 25 hours before for one hour more.
        for block in [AFTER_CHANGE, AFTER_CHANGE + 4] {
            let scale = features.scales(block)[0].unwrap().scale;
            let inputs = block_inputs_in(zone, &layout, &grid, block);
            for (row, t) in (block - layout.lookback as i64 - 1..).enumerate().take(12) {
                let day = |t: i64| {
                    if (AFTER_CHANGE - 23..=AFTER_CHANGE).contains(&t) {
                        25
                    } else {
                        24
                    }
                };
                let base = features.baseline(0, t - day(t));
                let centred = |t: i64| {
                    let middle = (t - day(t) - first) as usize;
                    median_of(&values[middle - 2..=middle + 2])
                };
                let long = features.long_median(0, t) - features.long_median(0, t - day(t));
                let expected = [centred(t + 1) - base, centred(t + 3) - base, long];
                let found = &inputs[row * width + 4..][..3];
                for (found, expected) in found.iter().zip(expected) {
                    let expected = slog(expected / scale);
                    assert!(
                        (found - expected).abs() < 1e-6,
                        "{block} {t}: {found} {expected}"
                    );
                }
                let local = (t + if t >= AFTER_CHANGE - 23 { 1 } else { 2 }).rem_euclid(24) as f64;
                let angle = (local / 24.0 * std::f64::consts::TAU) as f32;
                let time = &inputs[row * width + width - 4..][..2];
                assert!((time[0] - angle.sin()).abs() < 1e-5, "{t}");
                assert!((time[1] - angle.cos()).abs() < 1e-5, "{t}");
            }
        }
    }

    #[test]
    fn inputs_are_the_documented_formulas() {
        let layout = layout();
        let values: Vec<f64> = (0..120)
            .map(|t| f64::from(t % 24) + f64::from(t % 7))
            .collect();
        let grid = grid(0, values.clone());
        let features = SeriesFeatures::new(&layout, &grid, Some(TimeZone::UTC));
        let scales = features.scales(96);
        let scale = scales[0].unwrap();
        let inputs = block_inputs(&layout, &grid, 96);
        let width = layout.features();
        let (row, t) = (9usize, 96);
        let at = &inputs[row * width..(row + 1) * width];
        let m11 = |t: usize| median_of(&values[t - 10..=t]);
        let m61 = |t: usize| median_of(&values[t - 60..=t]);
        let slog = |v: f64| {
            let v = v / scale.scale;
            (v.abs().ln_1p().copysign(v)) as f32
        };
        let expected = [
            slog(values[t] - m11(t)),
            slog(values[t] - values[t - 1]),
            slog(m11(t) - m61(t)),
            slog(m61(t) - scale.level),
            slog(median_of(&values[t - 25..=t - 21]) - m11(t - 24)),
            slog(median_of(&values[t - 23..=t - 19]) - m11(t - 24)),
            slog(m61(t) - m61(t - 24)),
        ];
        for (found, expected) in at.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{at:?}");
        }
        assert_eq!(at[7..9], [1.0, 1.0]);
        // 96 h after Thursday midnight is Monday midnight.
        assert_eq!(at[9..13], [0.0, 1.0, 0.0, 1.0]);
        let target = features.target(0, 96, 3, scales[0]);
        assert!((target - (values[99] - m11(96)) / scale.scale).abs() < 1e-12);
    }

    #[test]
    fn constant_and_empty_history_have_a_positive_scale_or_none() {
        let layout = layout();
        let zero = grid(0, vec![0.0; 60]);
        let scale = SeriesFeatures::new(&layout, &zero, Some(TimeZone::UTC)).scales(48)[0].unwrap();
        assert_eq!(
            scale,
            Scale {
                level: 0.0,
                scale: 1.0
            }
        );
        let missing = grid(0, vec![f64::NAN; 60]);
        assert_eq!(
            SeriesFeatures::new(&layout, &missing, Some(TimeZone::UTC)).scales(48),
            [None]
        );
    }
}
