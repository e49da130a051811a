//! The inputs of a block's recurrent pass.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into a `target_feature` function is compiled without its \
              instructions"
)]

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use crate::series::blocks::{
    BlockLayout, DAY_MICROS, INPUTS_PER_METRIC, TIME_INPUTS, YESTERDAY_MEDIAN,
};
use crate::series::time_zone::TimeZone;
use anomalog_kernels::{Isa, Simd, Task};

use super::median::RollingMedians;
use super::series_features::at;
use super::{Scale, SeriesFeatures};

/// Microseconds in a week.
const WEEK_MICROS: i64 = 7 * DAY_MICROS;
/// 1970-01-01 was a Thursday: weeks are counted from Monday.
const MONDAY_OFFSET_MICROS: i64 = 3 * DAY_MICROS;
/// Blocks whose time of day is kept.
const KEPT_BLOCKS: usize = 256;

/// Writes the inputs of blocks of any number of series with one layout.
#[derive(Debug, Default)]
pub struct InputWriter {
    /// One column of the recurrent pass after the other.
    columns: Vec<f32>,
    /// By start and zone of the block, which many series share.
    times: HashMap<(i64, TimeZone), BlockTimes>,
}

/// The times of the steps of a block's pass.
#[derive(Debug)]
struct BlockTimes {
    /// `[steps, TIME_INPUTS]`
    inputs: Vec<f32>,
    yesterday: Yesterday,
}

/// The windows from a window back to the same time yesterday.
#[derive(Debug)]
enum Yesterday {
    /// There are no day inputs.
    Unused,
    /// For all steps and horizons.
    Always(i64),
    /// For each window from the first step on, as far as horizons go: clocks change.
    Each(Vec<i64>),
}

impl InputWriter {
    /// Writes the inputs of the block's recurrent pass: `[sequence_length, features]`, row-major.
    ///
    /// Row `i` is the window `block_start − lookback − 1 + i`: the forecast made there at horizon
    /// 1 scores the window after it, so the last `block` rows score the block.
    pub fn write(
        &mut self,
        features: &SeriesFeatures<'_>,
        block_start: i64,
        scales: &[Option<Scale>],
        out: &mut [f32],
    ) {
        let layout = features.layout;
        let steps = layout.sequence_length();
        let width = layout.features();
        let origin = block_start - layout.lookback as i64 - 1;
        let per_metric = INPUTS_PER_METRIC + layout.horizons.len();
        let zone = features.time_zone.unwrap_or_default();
        let key = (block_start, zone);
        if self.times.len() == KEPT_BLOCKS && !self.times.contains_key(&key) {
            self.times.clear();
        }
        let times = (self.times)
            .entry(key)
            .or_insert_with(|| BlockTimes::new(layout, zone, origin));
        for (metric, scale) in scales.iter().enumerate() {
            self.columns.clear();
            match scale {
                Some(scale) => {
                    let yesterday = &times.yesterday;
                    features.metric_columns(metric, origin, *scale, yesterday, &mut self.columns);
                }
                None => self.columns.resize(steps * per_metric, 0.0),
            }
            for (input, column) in self.columns.chunks_exact(steps).enumerate() {
                let places = out[metric * per_metric + input..].iter_mut().step_by(width);
                for (place, value) in places.zip(column) {
                    *place = *value;
                }
            }
        }
        let times = match features.time_zone {
            Some(_) => times.inputs.as_slice(),
            None => &[],
        };
        let rows = out.chunks_exact_mut(width);
        let mut times = times.chunks_exact(TIME_INPUTS);
        for row in rows {
            let place = &mut row[width - TIME_INPUTS..];
            match times.next() {
                Some(time) => place.copy_from_slice(time),
                None => place.fill(0.0),
            }
        }
    }
}

impl BlockTimes {
    fn new(layout: &BlockLayout, zone: TimeZone, origin: i64) -> Self {
        let steps = layout.sequence_length();
        Self {
            inputs: time_inputs(origin, steps, layout.step_micros, zone),
            yesterday: Yesterday::of(layout, zone, origin),
        }
    }
}

impl Yesterday {
    fn of(layout: &BlockLayout, zone: TimeZone, origin: i64) -> Self {
        let Some(first) = layout.day_before(zone, origin) else {
            return Self::Unused;
        };
        if zone.is_utc() {
            return Self::Always(first);
        }
        let longest = layout.horizons.last().copied().unwrap_or(0);
        let windows = (origin..).take(layout.sequence_length() + longest);
        let each: Vec<i64> = windows
            .filter_map(|index| layout.day_before(zone, index))
            .collect();
        if each.iter().all(|windows| *windows == first) {
            Self::Always(first)
        } else {
            Self::Each(each)
        }
    }
}

impl SeriesFeatures<'_> {
    /// The inputs of one metric over the steps of a pass, one column after the other.
    fn metric_columns<'m>(
        &'m self,
        metric: usize,
        origin: i64,
        scale: Scale,
        yesterday: &Yesterday,
        columns: &mut Vec<f32>,
    ) {
        let layout = self.layout;
        let steps = layout.sequence_length();
        let medians = &self.metrics[metric];
        let slots = |shift: i64| {
            let first = origin + shift - self.grid.first;
            first..first + steps as i64
        };
        let values = &self.grid.metrics[metric];
        let (x, before) = (over(values, slots(0)), over(values, slots(-1)));
        let (short, long) = (medians.short.slots(slots(0)), medians.long.slots(slots(0)));
        let mut differences = |a: &[f64], b: &[f64]| {
            let pairs = a.iter().zip(b);
            columns.extend(pairs.map(|(a, b)| ((a - b) / scale.scale) as f32));
        };
        differences(&x, &short);
        differences(&x, &before);
        differences(&short, &long);
        differences(&long, &vec![scale.level; steps]);
        // The values yesterday of the windows so many after each step, and so many after those.
        let day_before = |medians: &'m RollingMedians<'_>, ahead: usize, shift: i64| match yesterday
        {
            Yesterday::Unused => None,
            Yesterday::Always(day) => Some(medians.slots(slots(ahead as i64 + shift - day))),
            Yesterday::Each(days) => {
                let first = origin - self.grid.first + shift;
                let days = days.iter().enumerate().skip(ahead).take(steps);
                let slots = days.map(|(window, day)| first + window as i64 - day);
                Some(slots.map(|slot| medians.at(slot)).collect())
            }
        };
        let base_of_day = day_before(&medians.short, 0, 0);
        if let Some(base) = &base_of_day {
            let half = (YESTERDAY_MEDIAN / 2) as i64;
            for &horizon in &layout.horizons {
                if let Some(centred) = day_before(&medians.yesterday, horizon, half) {
                    differences(&centred, base);
                }
            }
            if let Some(long_of_day) = day_before(&medians.long, 0, 0) {
                differences(&long, &long_of_day);
            }
        }
        signed_log(columns);
        let is_finite = |value: &f64| f32::from(value.is_finite());
        match base_of_day {
            Some(base) => columns.extend(base.iter().map(is_finite)),
            None => columns.resize(columns.len() + (layout.horizons.len() + 2) * steps, 0.0),
        }
        columns.extend(x.iter().map(is_finite));
    }
}

/// Some slots; NaN outside the segment.
fn over(values: &[f64], slots: Range<i64>) -> Cow<'_, [f64]> {
    if slots.start >= 0 && slots.end <= values.len() as i64 {
        return Cow::Borrowed(&values[slots.start as usize..slots.end as usize]);
    }
    Cow::Owned(slots.map(|slot| at(values, slot)).collect())
}

/// `sign v · ln(1 + |v|)`, 0 for NaN; the absolute error is below 1e-7 for results up to 1 and
/// relative beyond. Written so that the compiler makes vectors of it, with the same bits for all: the exponent by bits, the
/// logarithm of the mantissa by the polynomial of Cephes' `logf` (Moshier 1989), and what rounding
/// `1 + |v|` lost added back.
pub(super) fn signed_log(values: &mut [f32]) {
    Isa::best().run(SignedLog { values });
}

struct SignedLog<'a> {
    values: &'a mut [f32],
}

impl Task for SignedLog<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, _simd: S) {
        for value in self.values {
            *value = signed_log_of(*value);
        }
    }
}

#[inline(always)]
fn signed_log_of(value: f32) -> f32 {
    const COEFFICIENTS: [f32; 9] = [
        7.037_683_6e-2,
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    /// ln 2 in two parts, of which the first has few digits.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let v = if value.is_nan() { 0.0 } else { value };
    let size = if v.abs() < f32::MAX {
        v.abs()
    } else {
        f32::MAX
    };
    let sum = 1.0 + size;
    let lost = (size - (sum - 1.0)) / sum;
    let bits = sum.to_bits();
    let mantissa = f32::from_bits(bits & 0x007f_ffff | 0x3f80_0000);
    let is_high = mantissa > std::f32::consts::SQRT_2;
    let mantissa = if is_high { 0.5 * mantissa } else { mantissa };
    let exponent = (bits >> 23) as i32 - 127 + i32::from(is_high);
    let exponent = exponent as f32;
    let x = mantissa - 1.0;
    let mut polynomial = 0.0;
    for coefficient in COEFFICIENTS {
        polynomial = polynomial * x + coefficient;
    }
    let square = x * x;
    let tail = polynomial * x * square + exponent * LN_2[1] - 0.5 * square + lost;
    (x + tail + exponent * LN_2[0]).copysign(v)
}

/// Sine and cosine of the local time of day and of the week, `[steps, 4]`.
fn time_inputs(origin: i64, steps: usize, step_micros: i64, zone: TimeZone) -> Vec<f32> {
    let mut inputs = Vec::with_capacity(steps * TIME_INPUTS);
    for index in (origin..).take(steps) {
        let micros = index * step_micros;
        let micros = micros + zone.offset_micros(micros);
        let angle = |period: i64, offset: i64| {
            let fraction = (micros + offset).rem_euclid(period) as f64 / period as f64;
            (std::f64::consts::TAU * fraction).sin_cos()
        };
        let (day_sin, day_cos) = angle(DAY_MICROS, 0);
        let (week_sin, week_cos) = angle(WEEK_MICROS, MONDAY_OFFSET_MICROS);
        inputs.extend([day_sin, day_cos, week_sin, week_cos].map(|value| value as f32));
    }
    inputs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn log_of(v: f32) -> f32 {
        let mut values = [v];
        signed_log(&mut values);
        values[0]
    }

    proptest! {
        #[test]
        fn the_logarithm_is_within_its_error(exponent in -40.0..38.0f32, sign in any::<bool>()) {
            let v = 10f32.powf(exponent) * if sign { 1.0 } else { -1.0 };
            let expected = f64::from(v).abs().ln_1p().copysign(f64::from(v));
            let error = (f64::from(log_of(v)) - expected).abs();
            prop_assert!(error <= 1e-7 * expected.abs().max(1.0), "{v}: {error}");
        }
    }

    #[test]
    fn the_logarithm_is_defined_everywhere() {
        assert_eq!(log_of(f32::NAN).to_bits(), 0);
        assert_eq!(log_of(0.0).to_bits(), 0);
        assert_eq!(log_of(f32::INFINITY).to_bits(), log_of(f32::MAX).to_bits());
        assert!(log_of(f32::MAX) < 88.8 && log_of(f32::NEG_INFINITY) > -88.8);
    }
}
