//! Window after window, what speaks for and against an anomaly.

use super::daily_scale::DailyScale;
use super::days::{DailyCorrelation, DailyExtremes};
use super::lags::{DAYS, Lags, WEEKS};
use super::slots::{Around, SlotLayout, Slots};
use super::sums::Sums;
use super::usual::{LevelOfDays, median};
use super::vector::{INPUTS, Inputs, LEVELS, SLOTTED, SPAN_COUNT, SPANS};
use crate::series::time_zone::TimeZone;

/// Ways in which a span is held against what is usual: see the table of [`super`].
const REFERENCES: usize = 6;
/// Of windows of a few minutes or less, scales are made of every seventh: no job keeps step with that.
const RESIDUAL_EVERY: usize = 7;
/// Windows of a day from which on that is so.
const MANY_WINDOWS: usize = 48 * RESIDUAL_EVERY;
/// The least scale, as a share of the level: smaller differences are of no interest.
const LEAST_SHARE: f64 = 0.002;
/// The least expected value that a scale is made for, as a share of the level.
const LEAST_EXPECTED: f64 = 0.05;
/// Levels before and now are compared up to so many times.
const MOST_GROWTH: f64 = 5.0;
/// An excess beyond so many standard deviations is an excursion.
const EXCURSION: f64 = 4.0;
/// What came back is said to, if it was out by so many standard deviations.
const OUT: f64 = 3.0;
/// Standard deviations of what has no scale.
const BOUNDLESS: f64 = 1e6;

/// The evidence of one series.
#[derive(Debug, Clone)]
pub struct EvidenceExtractor {
    step_micros: i64,
    resolution: f64,
    time_zone: TimeZone,
    /// Windows of a day.
    day: usize,
    slot_layout: SlotLayout,
    /// Place on the grid of the last window.
    last: Option<i64>,
    local_day: Option<i64>,
    sums: Sums,
    lags: Lags,
    level: LevelOfDays,
    /// By span and reference.
    scales: Vec<[DailyScale; REFERENCES]>,
    /// Of the spans [`SLOTTED`].
    slots: [Slots; SLOTTED.len()],
    /// Of the deviation of five windows from the level before them.
    out: Slots,
    around: Option<(i64, AroundNow)>,
    /// Of the spans [`LEVELS`].
    extremes: [DailyExtremes; LEVELS.len()],
    correlations: [DailyCorrelation; 2],
    since_excursion: u32,
}

/// What is usual around the present slot.
#[derive(Debug, Clone, Copy)]
struct AroundNow {
    /// By span: median and farthest of days, then of weeks, each highest and lowest.
    spans: [[[f64; 2]; 4]; SLOTTED.len()],
    out_days: Around<DAYS>,
    out_weeks: Around<WEEKS>,
}

/// How far away the same time of the last days and weeks is, and how the level has changed since.
#[derive(Debug, Clone, Copy)]
struct Past<const N: usize> {
    windows: [usize; N],
    growth: [f64; N],
}

impl EvidenceExtractor {
    /// The evidence of windows of a length, whose values have a smallest change, or 0. The step is at
    /// most a day.
    #[must_use]
    pub fn new(step_micros: i64, resolution: f64, time_zone: TimeZone) -> Self {
        let day = (86_400_000_000 / step_micros).max(1) as usize;
        let slot_layout = SlotLayout::new(day);
        let longest = SPANS[SPAN_COUNT - 1];
        let level = level_windows(longest);
        Self {
            step_micros,
            resolution,
            time_zone: time_zone.of_windows(step_micros),
            day,
            slot_layout,
            last: None,
            local_day: None,
            sums: Sums::new((WEEKS * Lags::DAYS_OF_WEEK + 2) * day + longest + level),
            lags: Lags::new(day),
            level: LevelOfDays::new(),
            scales: vec![<[DailyScale; REFERENCES]>::default(); SPAN_COUNT],
            slots: std::array::from_fn(|_| Slots::new(slot_layout)),
            out: Slots::new(slot_layout),
            around: None,
            extremes: std::array::from_fn(|_| DailyExtremes::new()),
            correlations: [DailyCorrelation::default(); 2],
            since_excursion: u32::MAX,
        }
    }

    /// The evidence of such windows before the first.
    pub(crate) fn begun_anew(&self) -> Self {
        Self::new(self.step_micros, self.resolution, self.time_zone)
    }

    /// Takes the window at a place on the grid, after all before it, and says what speaks for and
    /// against an anomaly. Windows that were left out are not known, and so is NaN, of which nothing is
    /// said.
    ///
    /// A hole as long as the memory makes a new series of what comes after it.
    pub fn push(&mut self, index: i64, value: f64) -> Option<[f32; INPUTS]> {
        if let Some(last) = self.last {
            if index - last > ((WEEKS * Lags::DAYS_OF_WEEK) * self.day) as i64 {
                *self = Self::new(self.step_micros, self.resolution, self.time_zone);
            } else {
                for missing in last + 1..index {
                    self.take(missing, f64::NAN);
                }
            }
        }
        self.take(index, value)
    }

    fn take(&mut self, index: i64, value: f64) -> Option<[f32; INPUTS]> {
        self.last = Some(index);
        let ahead = self.time_zone.windows_ahead(index, self.step_micros);
        let local = index + ahead;
        let local_day = local.div_euclid(self.day as i64);
        if self.local_day.is_some_and(|last| last < local_day) {
            self.end_day();
        }
        self.local_day = Some(self.local_day.map_or(local_day, |last| last.max(local_day)));
        self.sums.push(value);
        self.lags.push(index, ahead);
        self.since_excursion = self.since_excursion.saturating_add(1);
        if value.is_nan() {
            return None;
        }
        self.level.push(value);
        let inputs = self.inputs(index, local);
        Some(inputs.finish())
    }

    fn end_day(&mut self) {
        self.level.end_day();
        self.scales
            .iter_mut()
            .flatten()
            .for_each(DailyScale::end_day);
        self.extremes.iter_mut().for_each(DailyExtremes::end_day);
        self.correlations
            .iter_mut()
            .for_each(DailyCorrelation::end_day);
        // What is usual around a slot is looked up again.
        self.around = None;
    }

    fn inputs(&mut self, index: i64, local: i64) -> Inputs {
        let mut inputs = Inputs::new();
        let slot = local.div_euclid(self.slot_layout.windows as i64);
        let level = self.level.level();
        let days: Past<DAYS> = self.past(index, 1);
        let weeks: Past<WEEKS> = self.past(index, Lags::DAYS_OF_WEEK);
        let means = SPANS.map(|span| self.sums.mean(0, span));
        self.around_now(slot, &days, &weeks);

        let (mut out, mut excess_of_five) = (0.0, 0.0);
        let mut deviation = [f64::NAN; SPAN_COUNT];
        let every = if self.day < MANY_WINDOWS {
            1
        } else {
            RESIDUAL_EVERY
        };
        let is_residual = index.rem_euclid(every as i64) == 0;
        for (number, span) in SPANS.into_iter().enumerate() {
            let least = self.least(span, level);
            let Some(mean) = means[number] else { continue };
            let expected = self.expected(span, &days, &weeks);
            let mut z = [f64::NAN; REFERENCES];
            for (reference, expected) in expected.into_iter().enumerate() {
                let Some(expected) = expected else { continue };
                let unit = unit(expected, level);
                let scale = &mut self.scales[number][reference];
                if let Some(scale) = scale.scale() {
                    let deviation_of_one = (scale * unit).max(least);
                    z[reference] = deviations(mean - expected, deviation_of_one);
                    if reference == 0 {
                        deviation[number] = deviation_of_one;
                    }
                }
                if is_residual {
                    // What was never but zero has a scale of zero, not none.
                    scale.push(if unit > 0.0 {
                        (mean - expected) / unit
                    } else {
                        0.0
                    });
                }
            }
            let excess = smallest(&z);
            inputs.span(number, &z, excess);
            if span == SPANS[1] {
                excess_of_five = excess;
                out = if z[LEVEL].is_nan() { 0.0 } else { z[LEVEL] };
            }
        }
        self.beyond(&mut inputs, &means, &deviation, out);
        self.context(&mut inputs, &means, level, &days, &weeks);
        self.remember(slot, &means, out, excess_of_five, level, &days);
        inputs
    }

    /// The least standard deviation of the mean of a span.
    fn least(&self, span: usize, level: f64) -> f64 {
        (0.5 * self.resolution / (span as f64).sqrt()).max(LEAST_SHARE * level)
    }

    fn past<const N: usize>(&self, index: i64, days_apart: usize) -> Past<N> {
        let windows: [usize; N] =
            std::array::from_fn(|age| self.lags.windows(index, (age + 1) * days_apart));
        let before = SPANS[SPAN_COUNT - 1];
        let now = self.sums.mean(before, self.day);
        let growth = windows.map(
            |back| match (now, self.sums.mean(before + back, self.day)) {
                (Some(now), Some(then)) if now > 0.0 && then > 0.0 => {
                    (now / then).clamp(1.0 / MOST_GROWTH, MOST_GROWTH)
                }
                _ => 1.0,
            },
        );
        Past { windows, growth }
    }

    /// What is expected of the mean of a span, by reference.
    fn expected(
        &self,
        span: usize,
        days: &Past<DAYS>,
        weeks: &Past<WEEKS>,
    ) -> [Option<f64>; REFERENCES] {
        let (day, day_now) = self.same_time(span, days);
        let (week, week_now) = self.same_time(span, weeks);
        let before = self.sums.mean(span, level_windows(span));
        let change = before.filter(|before| *before > 0.0).and_then(|before| {
            let mut changes = [f64::NAN; DAYS];
            for (change, &back) in changes.iter_mut().zip(&days.windows) {
                if back < span {
                    continue;
                }
                let then = self.sums.mean(back, span);
                let before = self.sums.mean(back + span, level_windows(span));
                if let (Some(then), Some(before)) = (then, before.filter(|before| *before > 0.0)) {
                    *change = then / before;
                }
            }
            median(&mut changes).map(|change| before * change.clamp(0.0, 20.0))
        });
        [day, week, before, day_now, week_now, change]
    }

    /// The median of a span at the same time of earlier days, as it was and at today's level.
    fn same_time<const N: usize>(&self, span: usize, past: &Past<N>) -> (Option<f64>, Option<f64>) {
        let (mut then, mut now) = ([f64::NAN; N], [f64::NAN; N]);
        for age in 0..N {
            let back = past.windows[age];
            if back >= span
                && let Some(mean) = self.sums.mean(back, span)
            {
                then[age] = mean;
                now[age] = mean * past.growth[age];
            }
        }
        (median(&mut then), median(&mut now))
    }

    /// Looks up what is usual around a slot, once for each.
    fn around_now(&mut self, slot: i64, days: &Past<DAYS>, weeks: &Past<WEEKS>) {
        if self.around.as_ref().is_some_and(|(of, _)| *of == slot) {
            return;
        }
        let spans = std::array::from_fn(|stream| {
            let slots = &self.slots[stream];
            let day = typical_and_farthest(slots.days(slot), &days.growth);
            let week = typical_and_farthest(slots.weeks(slot), &weeks.growth);
            [day[0], day[1], week[0], week[1]]
        });
        let now = AroundNow {
            spans,
            out_days: self.out.days(slot),
            out_weeks: self.out.weeks(slot),
        };
        self.around = Some((slot, now));
    }

    /// How far spans are beyond what is usual around this time, and beyond what days reach; how far
    /// this time was out before.
    fn beyond(
        &self,
        inputs: &mut Inputs,
        means: &[Option<f64>; SPAN_COUNT],
        deviation: &[f64; SPAN_COUNT],
        out: f64,
    ) {
        let Some((_, around)) = &self.around else {
            return;
        };
        for (stream, &number) in SLOTTED.iter().enumerate() {
            if let Some(mean) = means[number] {
                let of_one = deviation[number];
                inputs.around(
                    stream,
                    around.spans[stream].map(|limits| outside(mean, limits, of_one)),
                );
            }
        }
        for (stream, &number) in LEVELS.iter().enumerate() {
            if let (Some(mean), Some(usual)) = (means[number], self.extremes[stream].usual()) {
                let of_one = deviation[number];
                inputs.reach(
                    stream,
                    [usual.median, usual.second].map(|limits| outside(mean, limits, of_one)),
                );
            }
        }
        inputs.came_back(
            came_back(&around.out_days, out),
            came_back(&around.out_weeks, out),
        );
    }

    /// What kind of series it is, and where it is.
    fn context(
        &self,
        inputs: &mut Inputs,
        means: &[Option<f64>; SPAN_COUNT],
        level: f64,
        days: &Past<DAYS>,
        weeks: &Past<WEEKS>,
    ) {
        let known = |windows: &[usize]| {
            let known = windows
                .iter()
                .filter(|back| self.sums.mean(**back, 1).is_some());
            known.count() as f64 / windows.len() as f64
        };
        let scale = self.scales[0][LEVEL].scale().unwrap_or(0.0);
        let of_five = self.scales[1][LEVEL].scale().unwrap_or(0.0);
        let share = |mean: Option<f64>, of: f64| match mean {
            Some(mean) if of > 0.0 => (mean.max(0.0) / of + 0.05).ln(),
            _ => 0.0,
        };
        let day = self.sums.mean(0, self.day);
        let week = self.sums.mean(0, Lags::DAYS_OF_WEEK * self.day);
        inputs.context([
            known(&days.windows),
            known(&weeks.windows),
            self.sums.known(self.day),
            (scale + 1e-3).ln(),
            (of_five + 1e-3).ln(),
            if self.resolution > 0.0 {
                (level / self.resolution + 1e-3).ln()
            } else {
                8.0
            },
            share(means[SPAN_COUNT - 1], level),
            share(day, level),
            share(day, week.unwrap_or(0.0)),
            self.correlations[0].of_yesterday,
            self.correlations[1].of_yesterday,
            (f64::from(self.since_excursion.min(100_000)) + 1.0).ln(),
        ]);
    }

    /// Takes what later windows are held against.
    fn remember(
        &mut self,
        slot: i64,
        means: &[Option<f64>; SPAN_COUNT],
        out: f64,
        excess: f64,
        level: f64,
        days: &Past<DAYS>,
    ) {
        for (slots, &number) in self.slots.iter_mut().zip(&SLOTTED) {
            if let Some(mean) = means[number] {
                slots.push(slot, mean);
            }
        }
        self.out.push(slot, out);
        for (extremes, &number) in self.extremes.iter_mut().zip(&LEVELS) {
            if let Some(mean) = means[number] {
                extremes.push(mean);
            }
        }
        if let Some(now) = means[1] {
            for (number, back) in [days.windows[0], days.windows[DAYS - 1]]
                .into_iter()
                .enumerate()
            {
                if let Some(then) = self.sums.mean(back, SPANS[1]) {
                    self.correlations[number].push(now - level, then - level);
                }
            }
        }
        if excess.abs() > EXCURSION {
            self.since_excursion = 0;
        }
    }
}

/// The place of the level among the references.
const LEVEL: usize = 2;

/// Windows before a span whose mean is its level.
pub(super) const fn level_windows(span: usize) -> usize {
    if span < 8 { 30 } else { 4 * span }
}

/// What residuals of an expected value are measured in: with its square root, between chance, whose
/// variance is that of the mean, and shares of it.
fn unit(expected: f64, level: f64) -> f64 {
    (expected.abs().max(LEAST_EXPECTED * level) * level).sqrt()
}

/// A difference in standard deviations, of which there may be none.
fn deviations(difference: f64, deviation: f64) -> f64 {
    if difference == 0.0 {
        0.0
    } else if deviation > 0.0 {
        (difference / deviation).clamp(-BOUNDLESS, BOUNDLESS)
    } else {
        BOUNDLESS.copysign(difference)
    }
}

/// The smallest of those that agree on a side; 0 where they do not.
fn smallest(z: &[f64; REFERENCES]) -> f64 {
    let known = || z.iter().copied().filter(|z| !z.is_nan());
    let lowest = known().fold(f64::INFINITY, f64::min);
    let highest = known().fold(f64::NEG_INFINITY, f64::max);
    if lowest > 0.0 && lowest < f64::INFINITY {
        lowest
    } else if highest < 0.0 && highest > f64::NEG_INFINITY {
        highest
    } else {
        0.0
    }
}

/// Standard deviations by which a mean lies above the highest or below the lowest.
fn outside(mean: f64, [highest, lowest]: [f64; 2], deviation: f64) -> f64 {
    if deviation.is_nan() {
        0.0
    } else if mean > highest {
        deviations(mean - highest, deviation)
    } else if mean < lowest {
        deviations(mean - lowest, deviation)
    } else {
        0.0
    }
}

/// The medians of highest and lowest at today's level, and the farthest of them.
fn typical_and_farthest<const N: usize>(around: Around<N>, growth: &[f64; N]) -> [[f64; 2]; 2] {
    let mut highest = around.highest;
    let mut lowest = around.lowest;
    for age in 0..N {
        highest[age] *= growth[age];
        lowest[age] *= growth[age];
    }
    let farthest = [
        highest.iter().copied().fold(f64::NAN, f64::max),
        lowest.iter().copied().fold(f64::NAN, f64::min),
    ];
    let typical = [&mut highest, &mut lowest].map(|side| median(side).unwrap_or(f64::NAN));
    [typical, farthest]
}

/// How far out this time was before, to the side where it is now: the median, the most, and the share
/// of those far out.
fn came_back<const N: usize>(around: &Around<N>, out: f64) -> [f64; 3] {
    let mut before = if out >= 0.0 {
        around.highest
    } else {
        around.lowest.map(|lowest| -lowest)
    };
    let known = before.iter().filter(|before| !before.is_nan()).count();
    if known == 0 {
        return [0.0; 3];
    }
    let most = before.iter().copied().fold(f64::NAN, f64::max);
    let far = before.iter().filter(|before| **before > OUT).count();
    let typical = median(&mut before).unwrap_or(0.0);
    [typical, most, far as f64 / known as f64]
}
