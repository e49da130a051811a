//! How a detector cuts series into blocks, and what it reads of each.

use serde::{Deserialize, Serialize};

use crate::transform::Transform;

/// Microseconds in a day.
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;

/// Widths of the trailing medians.
pub(crate) const SHORT_MEDIAN: usize = 11;
pub(crate) const LONG_MEDIAN: usize = 61;
/// Width of the centred median around the same time yesterday.
pub(crate) const YESTERDAY_MEDIAN: usize = 5;

/// Most horizons a layout can have.
pub const MAX_HORIZONS: usize = 4;

/// Inputs of a metric besides one per horizon.
pub(crate) const INPUTS_PER_METRIC: usize = 7;
/// Sine and cosine of the time of day and of the time of week.
pub(crate) const TIME_INPUTS: usize = 4;

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
    pub(crate) fn day(&self) -> Option<usize> {
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
    pub(crate) fn scale_range(&self, block_start: i64) -> (i64, i64) {
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
