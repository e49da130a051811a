//! From a series to what a forecaster reads and predicts.
//!
//! Everything is relative to a causal rolling median and divided by a scale of the series' own
//! recent past, so one set of weights serves every series, whatever its level or unit. With
//! `m11`, `m61` the trailing medians of 11 and 61 windows, `c` and `s` the level and scale of the
//! history before the block, and `slog v = sign v · ln(1 + |v|)`, the inputs at window `t` are,
//! per metric, all values read through the metric's [`Transform`]:
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
//! followed by sine and cosine of the time of day and of the week. A missing value contributes 0.
//! The target at horizon `h` is `(x_{t+h} − m11_t) / s`: a forecaster whose head is zero predicts
//! the trailing median, and training can only improve on that.
//!
//! Invariant: what is written for a block depends on the `reach` windows before the block and on
//! the block itself, never on anything later or earlier, so a score is the same in any query that
//! holds that much history.

use serde::{Deserialize, Serialize};

use crate::series::SeriesGrid;

/// Microseconds in a day and a week.
const DAY_MICROS: i64 = 86_400_000_000;
const WEEK_MICROS: i64 = 7 * DAY_MICROS;
/// 1970-01-01 was a Thursday: weeks are counted from Monday.
const MONDAY_OFFSET_MICROS: i64 = 3 * DAY_MICROS;

/// Widths of the trailing medians.
const SHORT_MEDIAN: usize = 11;
const LONG_MEDIAN: usize = 61;
/// Width of the centred median around the same time yesterday.
const YESTERDAY_MEDIAN: usize = 5;

/// Most horizons a layout can have.
pub const MAX_HORIZONS: usize = 4;

/// Inputs of a metric besides one per horizon.
const INPUTS_PER_METRIC: usize = 7;
/// Sine and cosine of the time of day and of the time of week.
const TIME_INPUTS: usize = 4;

/// How the values of a metric are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transform {
    /// As they are.
    Identity,
    /// `√(x + 3/8)`, which makes the spread of latencies and sizes less dependent on their level;
    /// continued linearly below 0.
    Sqrt,
    /// The same for whole numbers: it makes the spread of counts independent of their level, with
    /// a standard deviation of 1/2 if they are Poisson distributed (Anscombe 1948). No scale is
    /// smaller than that, so that a rare count of one is no surprise of any size.
    Count,
}

impl Transform {
    const SHIFT: f64 = 0.375;

    /// The transformed value; NaN and infinite values stay what they are. Increasing.
    #[must_use]
    pub fn apply(self, value: f64) -> f64 {
        match self {
            Self::Identity => value,
            Self::Sqrt | Self::Count if value < 0.0 => {
                Self::SHIFT.sqrt() + value / (2.0 * Self::SHIFT.sqrt())
            }
            Self::Sqrt | Self::Count => (value + Self::SHIFT).sqrt(),
        }
    }

    /// The value that was transformed.
    #[must_use]
    pub fn invert(self, transformed: f64) -> f64 {
        let zero = Self::SHIFT.sqrt();
        match self {
            Self::Identity => transformed,
            Self::Sqrt | Self::Count if transformed < zero => (transformed - zero) * 2.0 * zero,
            Self::Sqrt | Self::Count => transformed * transformed - Self::SHIFT,
        }
    }

    /// The smallest scale of a series, in transformed units.
    #[must_use]
    pub const fn smallest_scale(self) -> f64 {
        match self {
            Self::Identity | Self::Sqrt => 0.0,
            Self::Count => 0.5,
        }
    }
}

/// How a detector cuts series into blocks and how much history it reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockLayout {
    /// Length of a window in microseconds.
    pub step_micros: i64,
    /// Windows of burn-in before a block, from the zero state.
    pub lookback: usize,
    /// Windows scored per block; blocks start at multiples of this many windows since the epoch.
    pub block: usize,
    /// Forecast horizons in windows, ascending from 1; at most [`MAX_HORIZONS`].
    pub horizons: Vec<usize>,
    /// Per horizon, the windows over which forecast errors are averaged before they are judged:
    /// a long horizon with a wide average sees what lasts, the shortest what is sudden.
    pub widths: Vec<usize>,
    /// Windows of history from which level and scale are taken.
    pub scale_windows: usize,
    /// How each metric is read.
    pub transforms: Vec<Transform>,
}

impl BlockLayout {
    /// The layout of a detector for windows of `step_micros`: blocks of 60 after 60 windows of
    /// burn-in, horizons 1, 10 and 30, scale from the day before (at least 360 windows).
    #[must_use]
    pub fn for_step(step_micros: i64, transforms: Vec<Transform>) -> Self {
        let day = (DAY_MICROS / step_micros).clamp(360, 2_880) as usize;
        Self {
            step_micros,
            lookback: 60,
            block: 60,
            horizons: vec![1, 10, 30],
            widths: vec![1, 5, 15],
            transforms,
            scale_windows: day,
        }
    }

    /// Steps of the recurrent pass over one block.
    #[must_use]
    pub fn sequence_length(&self) -> usize {
        self.lookback + self.block
    }

    /// Steps at the start of the recurrent pass whose forecasts no window of the block is judged
    /// by.
    #[must_use]
    pub fn unused_steps(&self) -> usize {
        let spans = self.horizons.iter().zip(&self.widths);
        let longest = spans.map(|(horizon, width)| horizon + width).max();
        (self.lookback + 2).saturating_sub(longest.unwrap_or(2))
    }

    /// Number of metrics.
    #[must_use]
    pub fn metrics(&self) -> usize {
        self.transforms.len()
    }

    /// Inputs per step.
    #[must_use]
    pub fn features(&self) -> usize {
        self.metrics() * (INPUTS_PER_METRIC + self.horizons.len()) + TIME_INPUTS
    }

    /// Windows in a day, if a day is a whole number of them and long enough for the horizons.
    fn day(&self) -> Option<usize> {
        let windows = (DAY_MICROS / self.step_micros) as usize;
        let longest = self.horizons.last().copied().unwrap_or(1);
        (DAY_MICROS % self.step_micros == 0 && windows > longest + YESTERDAY_MEDIAN)
            .then_some(windows)
    }

    /// Blocks that share one scale: about as many as fill `scale_windows`.
    fn blocks_per_scale(&self) -> i64 {
        (self.scale_windows / self.block).max(1) as i64
    }

    /// First window of the history that gives a block its scale, and the window after its last.
    fn scale_range(&self, block_start: i64) -> (i64, i64) {
        let span = self.blocks_per_scale() * self.block as i64;
        let anchor = block_start.div_euclid(span) * span;
        (anchor - self.scale_windows as i64, anchor)
    }

    /// Windows before a block's first on which its scores can depend.
    #[must_use]
    pub fn reach(&self) -> usize {
        let scale = self.blocks_per_scale() as usize * self.block + self.scale_windows;
        let features = self.lookback + 1 + self.day().unwrap_or(0) + LONG_MEDIAN;
        scale.max(features) + SHORT_MEDIAN
    }

    /// Start of the block that holds a grid index.
    #[must_use]
    pub fn block_of(&self, index: i64) -> i64 {
        index.div_euclid(self.block as i64) * self.block as i64
    }
}

/// Level and scale of one metric before a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Median of the history.
    pub level: f64,
    /// 1.25 times the mean absolute deviation from the trailing median, clipped at its 99 %
    /// quantile; positive.
    pub scale: f64,
}

/// A series with its rolling medians, ready to be cut into blocks.
#[derive(Debug)]
pub struct SeriesFeatures<'a> {
    layout: &'a BlockLayout,
    grid: &'a SeriesGrid,
    knows_time: bool,
    metrics: Vec<MetricMedians>,
}

#[derive(Debug)]
struct MetricMedians {
    short: Vec<f64>,
    long: Vec<f64>,
    /// Trailing median of [`YESTERDAY_MEDIAN`]: centred on the window two before.
    yesterday: Vec<f64>,
    /// Number of values present before each slot, and after the last.
    present_before: Vec<u32>,
}

impl<'a> SeriesFeatures<'a> {
    /// Computes the rolling medians of a stretch. `knows_time` is false for bare lists without
    /// timestamps: their time-of-day inputs are zero.
    #[must_use]
    pub fn new(layout: &'a BlockLayout, grid: &'a SeriesGrid, knows_time: bool) -> Self {
        let metrics = grid
            .metrics
            .iter()
            .map(|values| MetricMedians {
                short: rolling_median(values, SHORT_MEDIAN),
                long: rolling_median(values, LONG_MEDIAN),
                yesterday: rolling_median(values, YESTERDAY_MEDIAN),
                present_before: running_count(values),
            })
            .collect();
        Self {
            layout,
            grid,
            knows_time,
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
        at(&self.metrics[metric].short, index - self.grid.first)
    }

    /// Whether the level one day before the window is known, as the day inputs need; true where
    /// the layout has no day inputs.
    #[must_use]
    pub fn knows_yesterday(&self, metric: usize, index: i64) -> bool {
        self.layout
            .day()
            .is_none_or(|day| self.baseline(metric, index - day as i64).is_finite())
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
        self.grid.series_first <= block_start - self.layout.reach() as i64
    }

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
        let short = &self.metrics[metric].short;
        let first = begin.max(1);
        let deviations = || {
            let before = &short[first - 1..end.max(first) - 1];
            let pairs = values[first..end.max(first)].iter().zip(before);
            pairs
                .map(|(value, median)| (value - median).abs())
                .filter(|deviation| deviation.is_finite())
        };
        scratch.clear();
        scratch.extend(deviations());
        Some(Scale {
            level,
            scale: scale_of(deviations(), scratch, level)
                .max(self.layout.transforms[metric].smallest_scale()),
        })
    }

    /// Writes the inputs of the block's recurrent pass: `[sequence_length, features]`, row-major.
    ///
    /// Row `i` is the window `block_start − lookback − 1 + i`: the forecast made there at horizon
    /// 1 scores the window after it, so the last `block` rows score the block.
    pub fn write_inputs(&self, block_start: i64, scales: &[Option<Scale>], out: &mut [f32]) {
        let width = self.layout.features();
        let origin = block_start - self.layout.lookback as i64 - 1;
        for (row, inputs) in out.chunks_exact_mut(width).enumerate() {
            self.write_window(origin + row as i64, scales, inputs);
        }
    }

    fn write_window(&self, index: i64, scales: &[Option<Scale>], inputs: &mut [f32]) {
        let slot = index - self.grid.first;
        let per_metric = INPUTS_PER_METRIC + self.layout.horizons.len();
        let (metric_inputs, time_inputs) = inputs.split_at_mut(scales.len() * per_metric);
        for (metric, out) in metric_inputs.chunks_exact_mut(per_metric).enumerate() {
            match scales[metric] {
                Some(scale) => self.write_metric(metric, slot, scale, out),
                None => out.fill(0.0),
            }
        }
        if self.knows_time {
            write_time(index * self.layout.step_micros, time_inputs);
        } else {
            time_inputs.fill(0.0);
        }
    }

    fn write_metric(&self, metric: usize, slot: i64, scale: Scale, out: &mut [f32]) {
        let values = &self.grid.metrics[metric];
        let medians = &self.metrics[metric];
        let input = |difference: f64| signed_log(difference / scale.scale);
        let (x, short, long) = (
            at(values, slot),
            at(&medians.short, slot),
            at(&medians.long, slot),
        );
        out[0] = input(x - short);
        out[1] = input(x - at(values, slot - 1));
        out[2] = input(short - long);
        out[3] = input(long - scale.level);
        let (by_horizon, rest) = out[4..].split_at_mut(self.layout.horizons.len());
        if let Some(day) = self.layout.day() {
            let yesterday = slot - day as i64;
            let base = at(&medians.short, yesterday);
            let half = (YESTERDAY_MEDIAN / 2) as i64;
            for (out, &horizon) in by_horizon.iter_mut().zip(&self.layout.horizons) {
                let centred = at(&medians.yesterday, yesterday + horizon as i64 + half);
                *out = input(centred - base);
            }
            rest[0] = input(long - at(&medians.long, yesterday));
            rest[1] = f32::from(base.is_finite());
        } else {
            by_horizon.fill(0.0);
            rest[..2].fill(0.0);
        }
        rest[2] = f32::from(x.is_finite());
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

/// A slot's value, NaN outside the stretch.
fn at(values: &[f64], slot: i64) -> f64 {
    usize::try_from(slot)
        .ok()
        .and_then(|slot| values.get(slot))
        .copied()
        .unwrap_or(f64::NAN)
}

/// `sign v · ln(1 + |v|)`, 0 for NaN.
fn signed_log(v: f64) -> f32 {
    if v.is_nan() {
        0.0
    } else {
        v.abs().ln_1p().copysign(v) as f32
    }
}

fn write_time(micros: i64, out: &mut [f32]) {
    let angle = |period: i64, offset: i64| {
        let fraction = (micros + offset).rem_euclid(period) as f64 / period as f64;
        (std::f64::consts::TAU * fraction).sin_cos()
    };
    let (day_sin, day_cos) = angle(DAY_MICROS, 0);
    let (week_sin, week_cos) = angle(WEEK_MICROS, MONDAY_OFFSET_MICROS);
    out.copy_from_slice(&[
        day_sin as f32,
        day_cos as f32,
        week_sin as f32,
        week_cos as f32,
    ]);
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

/// Median of at least one value, which it reorders.
fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    let is_odd = values.len() % 2 == 1;
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = below.iter().copied().max_by(f64::total_cmp);
    match lower {
        Some(lower) if !is_odd => f64::midpoint(lower, *upper),
        _ => *upper,
    }
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

/// Median of the last `width` slots at each slot, over the values present; NaN where there are
/// none. The mean of the middle two for an even count.
fn rolling_median(values: &[f64], width: usize) -> Vec<f64> {
    let mut sorted: Vec<f64> = Vec::with_capacity(width + 1);
    let mut medians = Vec::with_capacity(values.len());
    for (slot, &value) in values.iter().enumerate() {
        if slot >= width {
            let leaving = values[slot - width];
            if leaving.is_finite() {
                let position = sorted.partition_point(|&x| x < leaving);
                sorted.remove(position);
            }
        }
        if value.is_finite() {
            let position = sorted.partition_point(|&x| x < value);
            sorted.insert(position, value);
        }
        medians.push(sorted_median(&sorted));
    }
    medians
}

/// Median of ascending values; NaN where there are none.
fn sorted_median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn transforms_increase_and_invert(a in -1e3..1e6f64, b in -1e3..1e6f64) {
            for transform in [Transform::Identity, Transform::Sqrt, Transform::Count] {
                prop_assert_eq!(a < b, transform.apply(a) < transform.apply(b));
                let back = transform.invert(transform.apply(a));
                prop_assert!((back - a).abs() <= 1e-9 * a.abs().max(1.0));
            }
        }
    }

    fn naive_median(values: &[f64]) -> f64 {
        let mut present: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
        present.sort_by(f64::total_cmp);
        sorted_median(&present)
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
            widths: vec![1, 2],
            transforms: vec![Transform::Identity],
            scale_windows: 24,
        }
    }

    fn block_inputs(layout: &BlockLayout, grid: &SeriesGrid, block: i64) -> Vec<f32> {
        let features = SeriesFeatures::new(layout, grid, true);
        let mut out = vec![0.0; layout.sequence_length() * layout.features()];
        features.write_inputs(block, &features.scales(block), &mut out);
        out
    }

    proptest! {
        #[test]
        fn rolling_median_equals_sorting_each_window(
            values in prop::collection::vec(prop_oneof![Just(f64::NAN), -5.0..5.0f64, Just(1.0)], 0..80),
            width in 1usize..12,
        ) {
            let fast = rolling_median(&values, width);
            for (slot, median) in fast.iter().enumerate() {
                let expected = naive_median(&values[(slot + 1).saturating_sub(width)..=slot]);
                prop_assert!(median.to_bits() == expected.to_bits());
            }
        }

        #[test]
        fn median_equals_that_of_sorted_values(values in prop::collection::vec(-5.0..5.0f64, 1..40)) {
            let fast = median(&mut values.clone());
            prop_assert_eq!(fast.to_bits(), naive_median(&values).to_bits());
        }

        #[test]
        fn a_block_depends_on_its_reach_only(
            values in prop::collection::vec(prop_oneof![9 => 0.0..50.0f64, 1 => Just(f64::NAN)], 200..260),
            cut in 0usize..60,
        ) {
            let layout = layout();
            let block = 160;
            let full = block_inputs(&layout, &grid(0, values.clone()), block);
            // Drop history beyond the reach and everything after the block.
            let begin = cut.min(block as usize - layout.reach());
            let end = block as usize + layout.block;
            let cut = block_inputs(&layout, &grid(begin as i64, values[begin..end].to_vec()), block);
            prop_assert_eq!(full, cut);
        }
    }

    #[test]
    fn inputs_are_the_documented_formulas() {
        let layout = layout();
        let values: Vec<f64> = (0..120)
            .map(|t| f64::from(t % 24) + f64::from(t % 7))
            .collect();
        let grid = grid(0, values.clone());
        let features = SeriesFeatures::new(&layout, &grid, true);
        let scales = features.scales(96);
        let scale = scales[0].unwrap();
        let inputs = block_inputs(&layout, &grid, 96);
        let width = layout.features();
        let (row, t) = (9usize, 96);
        let at = &inputs[row * width..(row + 1) * width];
        let m11 = |t: usize| naive_median(&values[t - 10..=t]);
        let m61 = |t: usize| naive_median(&values[t - 60..=t]);
        let slog = |v: f64| signed_log(v / scale.scale);
        let expected = [
            slog(values[t] - m11(t)),
            slog(values[t] - values[t - 1]),
            slog(m11(t) - m61(t)),
            slog(m61(t) - scale.level),
            slog(naive_median(&values[t - 25..=t - 21]) - m11(t - 24)),
            slog(naive_median(&values[t - 23..=t - 19]) - m11(t - 24)),
            slog(m61(t) - m61(t - 24)),
        ];
        assert_eq!(at[..7], expected);
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
        let scale = SeriesFeatures::new(&layout, &zero, true).scales(48)[0].unwrap();
        assert_eq!(
            scale,
            Scale {
                level: 0.0,
                scale: 1.0
            }
        );
        let missing = grid(0, vec![f64::NAN; 60]);
        assert_eq!(
            SeriesFeatures::new(&layout, &missing, true).scales(48),
            [None]
        );
    }

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
