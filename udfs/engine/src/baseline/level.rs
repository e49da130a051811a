//! A level that follows a series and is not dragged along by what is unusual.
//!
//! After each window the level moves a fifth of the way to the value, but never by more than a
//! fifth of the usual error: an anomaly stays an anomaly while it lasts, and a new level of ten
//! usual errors' distance is the usual within about fifty windows. A Kalman filter with Huber's
//! score function (Masreliez & Martin 1977) at a fixed gain.

use std::ops::Range;

use super::clock::{Clock, SLOTS};
use crate::features::SeriesFeatures;

/// Share of the way to a value that the level moves.
const GAIN: f64 = 0.2;

/// The level of one metric, block by block.
#[derive(Debug)]
pub struct LevelFilter<'a> {
    features: &'a SeriesFeatures<'a>,
    metric: usize,
    /// The usual difference between neighbours, by time of day.
    usual: &'a [f64; SLOTS],
}

impl<'a> LevelFilter<'a> {
    /// The filter of a metric; `usual` is the usual difference between neighbours.
    #[must_use]
    pub fn new(features: &'a SeriesFeatures<'a>, metric: usize, usual: &'a [f64; SLOTS]) -> Self {
        Self {
            features,
            metric,
            usual,
        }
    }

    /// The level before each grid index of a range; NaN where it is not known.
    #[must_use]
    pub fn levels(&self, range: Range<i64>) -> Vec<f64> {
        let block = self.features.layout().block as i64;
        let mut levels = Vec::with_capacity((range.end - range.start).max(0) as usize);
        let mut start = self.features.layout().block_of(range.start);
        while start < range.end {
            let part = start.max(range.start)..(start + block).min(range.end);
            self.run_block(start, &part, &mut |level| levels.push(level));
            start += block;
        }
        levels
    }

    /// Runs from a lookback before the block, from the long median there, to the end of `part`.
    fn run_block(&self, block_start: i64, part: &Range<i64>, take: &mut dyn FnMut(f64)) {
        let layout = self.features.layout();
        let origin = block_start - layout.lookback as i64 - 1;
        let clock = Clock::new(layout, self.features.time_zone());
        let mut level = self.features.long_median(self.metric, origin);
        for index in origin + 1..part.end {
            let value = self.features.value(self.metric, index);
            if index >= part.start {
                take(level);
            }
            if !value.is_finite() {
                continue;
            }
            if level.is_nan() {
                level = value;
                continue;
            }
            let usual = self.usual[clock.slot(index)];
            let error = value - level;
            level += GAIN
                * if usual > 0.0 {
                    error.clamp(-usual, usual)
                } else {
                    error
                };
        }
    }
}
