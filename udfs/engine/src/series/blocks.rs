//! The layout of blocks: how a detector cuts series, and how much history it reads.

use serde::{Deserialize, Serialize};

use crate::series::time_zone::TimeZone;

/// Microseconds in a day.
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;

/// Widths of the trailing medians.
pub(crate) const SHORT_MEDIAN: usize = 11;
pub(crate) const LONG_MEDIAN: usize = 61;
/// Width of the centred median around the same time yesterday.
pub(crate) const YESTERDAY_MEDIAN: usize = 5;

/// Days of a series' own past from which its profile is learned, and bounds in windows.
const PROFILE_DAYS: i64 = 28;
const PROFILE_WINDOWS: (i64, i64) = (4_032, 40_320);
/// Times that a profile is renewed while its history is renewed once; more often while the history
/// grows, as each day tells something new then.
const RENEWALS_PER_HISTORY: usize = 2;
const RENEWALS_WHILE_YOUNG: usize = 4;

/// Days of evidence before the first window that a gating network reads with it, and days after which
/// evidence begins anew; both in windows, at most.
const EVIDENCE_DAYS: i64 = 35;
const EPOCH_DAYS: i64 = 28;
const EVIDENCE_WINDOWS: i64 = 50_400;

/// Forecast horizons in windows of a minute.
const HORIZONS: [usize; 3] = [1, 10, 30];
const MINUTE_MICROS: i64 = 60_000_000;

/// Windows that a classifier sees at once, the one judged last (Kim & Cho 2018).
pub const CLASSIFIER_WINDOW: usize = 60;

/// Inputs of a metric besides one per horizon.
pub(crate) const INPUTS_PER_METRIC: usize = 7;
/// Sine and cosine of the time of day and of the time of week.
pub const TIME_INPUTS: usize = 4;

/// The layout by which a detector cuts series into blocks and reads their history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockLayout {
    /// Length of a window in microseconds.
    pub step_micros: i64,
    /// Windows of burn-in before a block, from the zero state; for a classifier, those it sees
    /// before the one it judges.
    pub lookback: usize,
    /// Windows scored per block; blocks start at multiples of this many windows since the epoch.
    pub block: usize,
    /// Forecast horizons in windows, ascending from 1: what the forecaster learns. Scores are taken
    /// from the first. A classifier has none.
    pub horizons: Vec<usize>,
    /// Windows of history from which level and scale of the inputs are taken.
    pub scale_windows: usize,
    /// Windows of history from which the profile is learned; a classifier has none.
    pub profile_windows: usize,
    /// Windows of history from which evidence for a gating network is gathered; 0 without one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub evidence_windows: usize,
    /// Per metric the smallest change that its values can show: 1 for counts, 0 where any can.
    pub resolutions: Vec<f64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(windows: &usize) -> bool {
    *windows == 0
}

impl BlockLayout {
    /// The layout of a detector for windows of `step_micros`: blocks of 60 after 60 windows of
    /// burn-in, horizons of the next window, 10 and 30 minutes, scale from the day before (at
    /// least 360 windows), profile from the four weeks before (4,032 to 40,320 windows).
    #[must_use]
    pub fn for_step(step_micros: i64, resolutions: Vec<f64>) -> Self {
        let windows_per_day = DAY_MICROS / step_micros;
        let (least, most) = PROFILE_WINDOWS;
        let block = 60;
        Self {
            step_micros,
            lookback: 60,
            block,
            horizons: rescaled(&HORIZONS, MINUTE_MICROS, step_micros, block),
            scale_windows: windows_per_day.clamp(360, 2_880) as usize,
            profile_windows: (PROFILE_DAYS * windows_per_day).clamp(least, most) as usize,
            evidence_windows: 0,
            resolutions,
        }
    }

    /// The layout of a gated detector for windows of `step_micros`: that of [`Self::for_step`], with the
    /// evidence of the five weeks before (at most 50,400 windows).
    #[must_use]
    pub fn for_gate(step_micros: i64, resolutions: Vec<f64>) -> Self {
        let windows_per_day = DAY_MICROS / step_micros;
        Self {
            evidence_windows: (EVIDENCE_DAYS * windows_per_day).clamp(1, EVIDENCE_WINDOWS) as usize,
            ..Self::for_step(step_micros, resolutions)
        }
    }

    /// The layout of a classifier for windows of `step_micros`: it sees [`CLASSIFIER_WINDOW`] of
    /// them, in the scale of the day before their block.
    #[must_use]
    pub fn for_classifier(step_micros: i64, resolutions: Vec<f64>) -> Self {
        Self {
            lookback: CLASSIFIER_WINDOW - 1,
            horizons: Vec::new(),
            profile_windows: 0,
            ..Self::for_step(step_micros, resolutions)
        }
    }

    /// The same detector's layout for windows of another length.
    #[must_use]
    pub fn with_step(&self, step_micros: i64) -> Self {
        let resolutions = self.resolutions.clone();
        let other = if self.evidence_windows > 0 {
            Self::for_gate(step_micros, resolutions)
        } else {
            Self::for_step(step_micros, resolutions)
        };
        let has_profile = self.profile_windows > 0;
        Self {
            horizons: rescaled(&self.horizons, self.step_micros, step_micros, self.block),
            lookback: self.lookback,
            block: self.block,
            profile_windows: if has_profile {
                other.profile_windows
            } else {
                0
            },
            ..other
        }
    }

    /// Steps of the recurrent pass over one block.
    #[must_use]
    pub fn sequence_length(&self) -> usize {
        self.lookback + self.block
    }

    /// The smallest scale of a metric: half of its resolution, about the spread of a count that is
    /// nearly always 0.
    #[must_use]
    pub fn smallest_scale(&self, metric: usize) -> f64 {
        0.5 * self.resolutions[metric]
    }

    /// Windows between the ends of the histories that profiles are learned from, for a series of
    /// an age in windows: a power of two of blocks, about a quarter of the history, and half of it once
    /// that is whole.
    #[must_use]
    pub fn profile_spacing(&self, age: i64) -> i64 {
        let history = age.clamp(0, self.profile_windows as i64) as usize;
        let renewals = if history < self.profile_windows {
            RENEWALS_WHILE_YOUNG
        } else {
            RENEWALS_PER_HISTORY
        };
        let blocks = history / renewals / self.block;
        let blocks = if blocks > 0 { 1 << blocks.ilog2() } else { 1 };
        (blocks * self.block) as i64
    }

    /// The layout of one metric by itself.
    #[must_use]
    pub fn of_metric(&self, metric: usize) -> Self {
        Self {
            resolutions: vec![self.resolutions[metric]],
            ..self.clone()
        }
    }

    /// Number of metrics.
    #[must_use]
    pub fn metrics(&self) -> usize {
        self.resolutions.len()
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

    /// Windows from a grid index back to the same local time yesterday: 24 hours, or as much more
    /// or less as clocks have changed since. `None` where there are no day inputs.
    pub(crate) fn day_before(&self, time_zone: TimeZone, index: i64) -> Option<i64> {
        let day = self.day()? as i64;
        let time_zone = time_zone.of_windows(self.step_micros);
        if time_zone.is_utc() {
            return Some(day);
        }
        let ahead = |index| time_zone.windows_ahead(index, self.step_micros);
        let change = ahead(index) - ahead(index - day);
        let largest = time_zone.largest_change(self.step_micros) as i64;
        // As in `day`: what a forecast is held against must be known when it is made.
        let longest = self.horizons.last().copied().unwrap_or(1);
        let is_possible =
            change.abs() <= largest && day - change > (longest + YESTERDAY_MEDIAN) as i64;
        Some(if is_possible { day - change } else { day })
    }

    /// Windows from any back to the same time yesterday at most; 0 without day inputs.
    fn longest_day(&self, time_zone: TimeZone) -> usize {
        let change = time_zone.largest_change(self.step_micros);
        self.day().map_or(0, |day| day + change)
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

    /// The windows by which the histories of a metric's profiles end later than those of the first
    /// metric. Metrics take turns, so that no night learns the profiles of all of them.
    #[must_use]
    pub(crate) fn profile_shift(&self, metric: usize, spacing: i64) -> i64 {
        let block = self.block as i64;
        let shift = metric as i64 * spacing / self.metrics().max(1) as i64;
        shift / block * block
    }

    /// Windows before a block's first on which its scores can depend, for a series of a zone.
    #[must_use]
    pub fn reach(&self, time_zone: TimeZone) -> usize {
        let spacing = self.profile_spacing(self.profile_windows as i64) as usize;
        let profile = spacing + self.profile_history(time_zone);
        let evidence = if self.evidence_windows > 0 {
            self.epoch() as usize + self.evidence_windows + 1
        } else {
            0
        };
        profile.max(self.input_reach(time_zone)).max(evidence)
    }

    /// Windows after which evidence begins anew, so that it costs little more than once a window.
    fn epoch(&self) -> i64 {
        (self.evidence_windows as i64 * EPOCH_DAYS / EVIDENCE_DAYS).max(1)
    }

    /// The window with which the evidence of a block begins.
    pub(crate) fn evidence_start(&self, block_start: i64) -> i64 {
        let epoch = self.epoch();
        block_start.div_euclid(epoch) * epoch - self.evidence_windows as i64
    }

    /// The same without what its profile depends on.
    pub(crate) fn input_reach(&self, time_zone: TimeZone) -> usize {
        let scale = self.blocks_per_scale() as usize * self.block + self.scale_windows;
        let features = self.lookback + 1 + self.longest_day(time_zone) + LONG_MEDIAN;
        scale.max(features) + SHORT_MEDIAN
    }

    /// Windows before the end of a profile's history on which it can depend.
    #[must_use]
    pub fn profile_history(&self, time_zone: TimeZone) -> usize {
        // What is before the history and its first windows are held against: the level begins a block
        // and a lookback before it, and the linear forecast knows the day before.
        let before = (self.block + self.lookback).max(self.longest_day(time_zone));
        self.profile_windows + before + YESTERDAY_MEDIAN + LONG_MEDIAN + SHORT_MEDIAN
    }

    /// Start of the block that holds a grid index.
    #[must_use]
    pub fn block_of(&self, index: i64) -> i64 {
        index.div_euclid(self.block as i64) * self.block as i64
    }
}

/// Horizons that are as long in time in windows of another length: the first stays the next
/// window, no two are the same, and none is longer than a block unless that makes two the same.
fn rescaled(horizons: &[usize], from_micros: i64, to_micros: i64, block: usize) -> Vec<usize> {
    if from_micros == to_micros {
        return horizons.to_vec();
    }
    let mut previous = 0;
    let windows = horizons.iter().map(|&horizon| {
        let windows = (horizon as f64 * from_micros as f64 / to_micros as f64).round();
        let longest = if previous == 0 { 1 } else { block };
        previous = (windows as usize).min(longest).max(previous + 1);
        previous
    });
    windows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_renewed_more_rarely_as_the_history_grows() {
        let layout = BlockLayout::for_step(60_000_000, vec![1.0]);
        let spacing = |age| layout.profile_spacing(age);
        assert_eq!([spacing(-5), spacing(0), spacing(479)], [60; 3]);
        assert_eq!(
            [spacing(480), spacing(1_440), spacing(10_080)],
            [120, 240, 1_920]
        );
        assert_eq!(spacing(40_319), 7_680);
        assert_eq!(spacing(40_320), 15_360);
        assert_eq!(spacing(i64::MAX), 15_360);
    }

    #[test]
    fn another_step_changes_what_is_counted_in_time() {
        let minutes = BlockLayout::for_step(60_000_000, vec![0.0]);
        let hours = minutes.with_step(3_600_000_000);
        assert_eq!(
            (minutes.profile_windows, hours.profile_windows),
            (40_320, 4_032)
        );
        assert_eq!(hours, BlockLayout::for_step(3_600_000_000, vec![0.0]));
        let classifier = BlockLayout::for_classifier(60_000_000, vec![0.0]);
        assert_eq!(
            classifier.with_step(3_600_000_000),
            BlockLayout::for_classifier(3_600_000_000, vec![0.0])
        );
    }

    #[test]
    fn horizons_are_minutes() {
        let horizons = |step_micros| BlockLayout::for_step(step_micros, vec![0.0]).horizons;
        assert_eq!(horizons(60_000_000), [1, 10, 30]);
        assert_eq!(horizons(300_000_000), [1, 2, 6]);
        assert_eq!(horizons(3_600_000_000), [1, 2, 3]);
        assert_eq!(horizons(10_000_000), [1, 60, 61]);
        assert_eq!(rescaled(&[1], 60_000_000, 300_000_000, 60), [1]);
    }

    /// Windows back to the same time yesterday.
    fn back(layout: &BlockLayout, zone: &str, time: &str) -> i64 {
        let time: chrono::DateTime<chrono::Utc> = time.parse().unwrap();
        let index = time.timestamp_micros().div_euclid(layout.step_micros);
        layout.day_before(zone.parse().unwrap(), index).unwrap()
    }

    #[test]
    fn yesterday_is_23_or_25_hours_ago_where_clocks_change() {
        let minutes = BlockLayout::for_step(60_000_000, vec![0.0]);
        // Minutes more than 24 hours.
        let more =
            |zone: &str, times: [&str; 4]| times.map(|time| back(&minutes, zone, time) - 1_440);
        let spring = [
            "2026-03-29T00:59:00Z",
            "2026-03-29T01:00:00Z",
            "2026-03-30T00:59:00Z",
            "2026-03-30T01:00:00Z",
        ];
        assert_eq!(more("Europe/Berlin", spring), [0, -60, -60, 0]);
        assert_eq!(more("UTC", spring), [0; 4]);
        assert_eq!(more("+01:00", spring), [0; 4]);
        let autumn = spring.map(|time| time.replace("03-29", "10-25").replace("03-30", "10-26"));
        let autumn = autumn.each_ref().map(String::as_str);
        assert_eq!(more("Europe/Berlin", autumn), [0, 60, 60, 0]);
        // Half an hour, on an island at +11:00 in summer.
        let lord_howe = [
            "2026-04-04T14:59:00Z",
            "2026-04-04T15:00:00Z",
            "2026-04-05T14:59:00Z",
            "2026-04-05T15:00:00Z",
        ];
        assert_eq!(more("Australia/Lord_Howe", lord_howe), [0, 30, 30, 0]);
        // Samoa went without 30 December 2011: the same time yesterday was then.
        assert_eq!(
            back(&minutes, "Pacific/Apia", "2011-12-30T20:00:00Z"),
            1_440
        );
    }

    #[test]
    fn yesterday_is_always_known_when_a_forecast_is_made() {
        let wide = BlockLayout {
            horizons: vec![1, 18],
            ..BlockLayout::for_step(3_600_000_000, vec![0.0])
        };
        // A horizon as long as that leaves no 23 hours.
        assert_eq!(back(&wide, "Europe/Berlin", "2026-03-29T12:00:00Z"), 24);
        assert_eq!(back(&wide, "Europe/Berlin", "2026-10-25T12:00:00Z"), 25);
        let days = BlockLayout::for_step(DAY_MICROS, vec![0.0]);
        assert_eq!(
            days.day_before("Europe/Berlin".parse().unwrap(), 20_000),
            None
        );
    }

    #[test]
    fn only_regions_reach_further_back() {
        let minutes = BlockLayout {
            profile_windows: 0,
            scale_windows: 60,
            ..BlockLayout::for_step(60_000_000, vec![0.0])
        };
        let reach = |zone: &str| minutes.reach(zone.parse().unwrap());
        assert_eq!(reach("UTC"), reach("+05:30"));
        assert_eq!(reach("Europe/Berlin"), reach("UTC") + 180);
    }
}
