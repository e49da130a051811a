//! The usual errors of forecasts of single windows.
//!
//! A window is held against the one before, which sees what is sudden, against a robust
//! [`level`](super::level), which sees what lasts, and against a [`linear`](super::linear)
//! forecast, which knows how the series moves. Each error is divided by the usual error at that
//! time of day and by how far the usual errors of that side reach; the largest quotient is the
//! **excess**.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use super::clock::{Clock, SLOTS};
use super::decaying_peak::DecayingPeak;
use super::history::{History, MIN_WINDOWS};
use super::level::LevelFilter;
use super::linear::LinearForecast;
use super::quantile::quantile;
use super::recurrence::Recurrence;
use super::scale::StreamScale;
use super::tail::Tail;
use crate::features::SeriesFeatures;

/// No usual error is smaller than so many of the smallest changes: one request more or less is
/// nothing, even where there were none.
const LEAST_CHANGES: f64 = 1.5;
/// Nor smaller than this share of the median value, to which numbers are computed: what never moves
/// but for its last digits does not move.
const LEAST_SHARE: f64 = 1e-6;
/// The errors of the last day, of so many windows at least, say whether the series has become more
/// restless; by so many times at most.
const LEAST_MEMORY: usize = 60;
const LARGEST_UNREST: f64 = 2.0;
/// Where values are not larger as well, what makes it restless may be what is to be found: it counts
/// by its root, and up to here.
const LARGEST_ALONE: f64 = 1.3;
/// A value is near 0 below this share of the median of its time of day.
const NEAR_ZERO: f64 = 0.1;
/// An excess that stands out: where the usual ends.
const STANDS_OUT: f64 = 1.0;

/// Usual errors of one metric.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErrorProfile {
    /// The usual difference between neighbours by time of day, in the metric's unit: what the
    /// level may move by.
    #[serde(with = "BigArray")]
    pub(super) usual: [f64; SLOTS],
    /// Scale of the differences to the window before.
    pub difference: StreamScale,
    /// Scale of the differences to the robust level.
    pub level: StreamScale,
    /// The linear forecast and the scale of its errors, where there is one.
    linear: Option<(LinearForecast, StreamScale)>,
    /// The distribution of excesses.
    pub tail: Tail,
    /// Of a metric that is never below 0: what is near 0 at each time of day, and the distribution
    /// of how long it lies there.
    low: Option<Low>,
    /// The mean difference that does not stand out, in usual ones.
    calm: f64,
    /// The mean size of values; positive.
    size: f64,
    /// At the end of the history.
    state: ErrorState,
}

/// When a metric that is never below 0 lies near 0, as it does in an outage.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Low {
    /// A value is near 0 up to here, by time of day.
    #[serde(with = "BigArray")]
    near: [f64; SLOTS],
    /// The distribution of the windows in a row that are.
    tail: Tail,
}

impl Low {
    /// Learns from a history; the windows in a row at its end that are near 0 come with it.
    fn learn(values: &[f64], history: &History) -> Option<(Self, f64)> {
        let known = || values.iter().filter(|value| value.is_finite());
        if known().any(|value| *value < 0.0) {
            return None;
        }
        let mut of_slots = vec![Vec::new(); SLOTS];
        for (value, slot) in values.iter().zip(&history.slots) {
            if value.is_finite() {
                of_slots[*slot].push(*value);
            }
        }
        let mut near = [0.0; SLOTS];
        for (near, values) in near.iter_mut().zip(&mut of_slots) {
            if !values.is_empty() {
                *near = NEAR_ZERO * quantile(values, 0.5);
            }
        }
        let mut run = 0.0;
        let runs: Vec<f64> = (values.iter().zip(&history.slots))
            .map(|(value, slot)| {
                run = next_run(run, *value, near[*slot]);
                run
            })
            .collect();
        let tail = Tail::of_excesses(&runs, history.days)?;
        Some((Self { near, tail }, run))
    }
}

/// The windows in a row that are near 0, with the next one; a window without a value adds nothing.
fn next_run(run: f64, value: f64, near: f64) -> f64 {
    if value.is_nan() {
        run
    } else if value < near {
        run + 1.0
    } else {
        0.0
    }
}

/// What is known of the windows before one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct ErrorState {
    /// The mean difference of the last day that does not stand out, as a multiple of that of the
    /// history.
    unrest: f64,
    /// The mean size of the values of the last day, as a multiple of that of the history.
    height: f64,
    /// Windows in a row that are near 0.
    low_run: f64,
    peak: DecayingPeak,
    recurrence: Recurrence,
}

impl ErrorState {
    /// By how much errors now are larger than in the history; at least 1.
    fn unrest(&self) -> f64 {
        let both = self.unrest.min(self.height);
        let alone = self.unrest.sqrt().min(LARGEST_ALONE);
        both.max(alone).clamp(1.0, LARGEST_UNREST)
    }

    /// Takes how far out the next window is below and above, NaN where that is not known, and its
    /// difference as a multiple of a calm one; returns how much of either was to be expected, and the
    /// decayed peak before.
    fn step(
        &mut self,
        clock: Clock,
        index: i64,
        sizes: [f64; 2],
        difference: f64,
        height: f64,
    ) -> ([f64; 2], f64) {
        let expected = self.recurrence.step(clock, index, sizes, STANDS_OUT);
        let peak = self.peak.step(largest(sizes, expected));
        if sizes.iter().all(|size| *size < STANDS_OUT || size.is_nan()) && difference.is_finite() {
            let share = 1.0 / clock.windows_per_day().max(LEAST_MEMORY) as f64;
            self.unrest += share * (difference - self.unrest);
            self.height += share * (height - self.height);
        }
        (expected, peak)
    }
}

/// The largest excess beyond what was expected; NaN where none is known.
fn largest(sizes: [f64; 2], expected: [f64; 2]) -> f64 {
    let beyond = |side: usize| (sizes[side] - expected[side]).max(0.0);
    if sizes[0].is_nan() && sizes[1].is_nan() {
        f64::NAN
    } else {
        // `max` takes the other where one is NaN.
        beyond(0).max(beyond(1))
    }
}

/// The forecasts of a window that need no detector, in the metric's unit; NaN where not known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ErrorEvidence {
    /// The value of the window before.
    pub previous: f64,
    /// The robust level before the window.
    pub level: f64,
    /// The linear forecast.
    pub linear: f64,
    /// The largest excess of the windows before, decayed; at least 0.
    pub decayed_peak: f64,
    /// Windows in a row that are near 0, of a metric that rarely is.
    pub low_run: f64,
    /// By how much errors are larger now than in the history; at least 1. Excesses are that much
    /// smaller.
    pub unrest: f64,
    /// The excess below and above that came back at this time of day or week.
    pub expected: [f64; 2],
}

impl ErrorEvidence {
    /// The mean of the detector's and the linear forecast, where there is one: what all series and
    /// what this one teach err differently, and less together (Bates & Granger 1969).
    #[must_use]
    pub fn combined(&self, forecast: f64) -> f64 {
        if self.linear.is_nan() {
            forecast
        } else {
            f64::midpoint(forecast, self.linear)
        }
    }
}

/// One error, and what it is measured with.
#[derive(Debug, Clone, Copy)]
pub struct ScaledError<'a> {
    /// The forecast, in the metric's unit.
    pub expected: f64,
    /// The usual size of errors of such forecasts.
    pub scale: &'a StreamScale,
}

impl ErrorProfile {
    pub(super) fn learn(
        features: &SeriesFeatures<'_>,
        metric: usize,
        history: &History,
    ) -> Option<Self> {
        let History { range, slots, days } = history;
        let value = |index| features.value(metric, index);
        let sizes = range.clone().map(|index| value(index).abs());
        let mut sizes: Vec<f64> = sizes.filter(|size| size.is_finite()).collect();
        let values: Vec<f64> = range.clone().map(value).collect();
        if sizes.len() < MIN_WINDOWS {
            return None;
        }
        let size = (sizes.iter().sum::<f64>() / sizes.len() as f64).max(f64::MIN_POSITIVE);
        let smallest = (LEAST_CHANGES * features.layout().resolutions[metric])
            .max(LEAST_SHARE * quantile(&mut sizes, 0.5));
        let scale = |errors: &[f64]| StreamScale::fit(errors, slots, *days, smallest);
        let differences: Vec<f64> = (range.clone())
            .map(|index| value(index) - value(index - 1))
            .collect();
        let difference = scale(&differences)?;
        let usual = difference.means.map(|mean| mean.max(smallest));
        let levels = LevelFilter::new(features, metric, &usual).levels(range.clone());
        let mut streams = vec![differences];
        let errors = range.clone().zip(levels);
        streams.push(errors.map(|(index, level)| value(index) - level).collect());
        let level = scale(&streams[1])?;
        let linear = LinearForecast::learn(features, metric, range).and_then(|linear| {
            let error = |index| value(index) - linear.forecast(features, metric, index);
            let errors: Vec<f64> = range.clone().map(error).collect();
            let scale = scale(&errors)?;
            streams.push(errors);
            Some((linear, scale))
        });
        let scales = [
            Some(&difference),
            Some(&level),
            linear.as_ref().map(|(_, scale)| scale),
        ];
        let mut sides = vec![[f64::NAN; 2]; slots.len()];
        for (errors, scale) in streams.iter().zip(scales.into_iter().flatten()) {
            for ((sides, error), slot) in sides.iter_mut().zip(errors).zip(slots) {
                let side = &mut sides[usize::from(*error > 0.0)];
                // `max` takes the other where one is NaN.
                *side = side.max(scale.excess(*slot, *error));
            }
        }
        let clock = Clock::new(features.layout(), features.time_zone());
        let relative = |window: usize| difference.relative(slots[window], streams[0][window].abs());
        let of_calm = sides.iter().enumerate().filter(|(_, sizes)| {
            let mut known = sizes.iter().filter(|size| !size.is_nan()).peekable();
            known.peek().is_some() && known.all(|size| *size < STANDS_OUT)
        });
        let of_calm = of_calm.map(|(window, _)| relative(window));
        let of_calm: Vec<f64> = of_calm.filter(|relative| relative.is_finite()).collect();
        let calm = of_calm.iter().sum::<f64>() / of_calm.len().max(1) as f64;
        let mut state = ErrorState {
            unrest: 1.0,
            height: 1.0,
            ..ErrorState::default()
        };
        let excess: Vec<f64> = (range.clone().zip(sides).enumerate())
            .map(|(window, (index, sizes))| {
                let sizes = sizes.map(|size| size / state.unrest());
                let difference = relative(window) / calm;
                let (expected, _) =
                    state.step(clock, index, sizes, difference, value(index).abs() / size);
                largest(sizes, expected)
            })
            .collect();
        let low = Low::learn(&values, history).map(|(low, run)| {
            state.low_run = run;
            low
        });
        Some(Self {
            calm,
            size,
            low,
            state,
            tail: Tail::of_excesses(&excess, *days)?,
            usual,
            difference,
            level,
            linear,
        })
    }

    /// The state at the end of the history.
    pub(super) fn state(&self) -> ErrorState {
        self.state.clone()
    }

    /// The forecasts of consecutive windows, after those that the state has seen.
    pub(super) fn evidence<'a>(
        &'a self,
        state: &'a mut ErrorState,
        features: &'a SeriesFeatures<'_>,
        metric: usize,
        windows: Range<i64>,
    ) -> impl Iterator<Item = ErrorEvidence> + 'a {
        let clock = Clock::new(features.layout(), features.time_zone());
        let levels = LevelFilter::new(features, metric, &self.usual).levels(windows.clone());
        windows.zip(levels).map(move |(index, level)| {
            let linear = self.linear.as_ref();
            let mut evidence = ErrorEvidence {
                previous: features.value(metric, index - 1),
                level,
                linear: linear.map_or(f64::NAN, |(linear, _)| {
                    linear.forecast(features, metric, index)
                }),
                decayed_peak: 0.0,
                low_run: 0.0,
                unrest: state.unrest(),
                expected: [0.0; 2],
            };
            let value = features.value(metric, index);
            let slot = clock.slot(index);
            if let Some(low) = &self.low {
                if evidence.linear < 0.0 {
                    evidence.linear = 0.0;
                }
                state.low_run = next_run(state.low_run, value, low.near[slot]);
                evidence.low_run = state.low_run;
            }
            let mut sizes = [f64::NAN; 2];
            for error in self.errors(&evidence) {
                let side = &mut sizes[usize::from(value > error.expected)];
                *side = side.max(error.excess(slot, value) / evidence.unrest);
            }
            let difference = (value - evidence.previous).abs();
            let difference = self.difference.relative(slot, difference) / self.calm;
            (evidence.expected, evidence.decayed_peak) =
                state.step(clock, index, sizes, difference, value.abs() / self.size);
            evidence
        })
    }

    /// The distribution of the windows in a row that are near 0; `None` of a metric that may be below.
    #[must_use]
    pub fn low_tail(&self) -> Option<&Tail> {
        self.low.as_ref().map(|low| &low.tail)
    }

    /// What is near 0 at a time of day; `None` of a metric that may be below.
    #[must_use]
    pub fn near_zero(&self, slot: usize) -> Option<f64> {
        self.low.as_ref().map(|low| low.near[slot])
    }

    /// The median of a time of day; `None` of a metric that may be below 0.
    #[must_use]
    pub fn usual_value(&self, slot: usize) -> Option<f64> {
        self.near_zero(slot).map(|near| near / NEAR_ZERO)
    }

    /// Each forecast with the scale of its errors: from the window before, from the level, and linear.
    #[must_use]
    pub fn errors(&self, evidence: &ErrorEvidence) -> [ScaledError<'_>; 3] {
        let linear = self.linear.as_ref();
        [
            (evidence.previous, &self.difference),
            (evidence.level, &self.level),
            (
                evidence.linear,
                linear.map_or(&self.level, |(_, scale)| scale),
            ),
        ]
        .map(|(expected, scale)| ScaledError { expected, scale })
    }
}

impl ScaledError<'_> {
    fn excess(self, slot: usize, value: f64) -> f64 {
        self.scale.excess(slot, value - self.expected)
    }
}
