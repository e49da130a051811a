//! Window after window, what speaks for and against an anomaly.

use super::daily_scale::DailyScale;
use super::days::{DailyCorrelation, DailyExtremes};
use super::deviations::{came_back, deviations, outside, smallest, typical_and_farthest, unit};
use super::expected::{LEVEL, Past, REFERENCES, Then, level_before, level_windows};
use super::lags::{DAYS, Lags, WEEKS};
use super::slots::{Around, SlotLayout, Slots};
use super::sums::Sums;
use super::usual::LevelOfDays;
use super::vector::{INPUTS, Inputs, LEVELS, SLOTTED, SPAN_COUNT, SPANS};
use crate::series::time_zone::TimeZone;

/// Of windows of a few minutes or less, scales are made of every seventh: no job keeps step with that.
const RESIDUAL_EVERY: usize = 7;
/// Windows of a day from which on that is so.
const MANY_WINDOWS: usize = 48 * RESIDUAL_EVERY;
/// The least scale, as a share of the level: smaller differences are of no interest.
const LEAST_SHARE: f64 = 0.002;
/// An excess beyond so many standard deviations is an excursion.
const EXCURSION: f64 = 4.0;
/// The place among the spans of that which excursions are of, and what came back.
const FIVE: usize = 1;

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
    around: Option<AroundSlot>,
    /// Of the spans [`LEVELS`].
    extremes: [DailyExtremes; LEVELS.len()],
    correlations: [DailyCorrelation; 2],
    since_excursion: u32,
}

/// The present slot, as its first window found it, and what is usual around it once that is asked.
#[derive(Debug, Clone, Copy)]
struct AroundSlot {
    slot: i64,
    past: Past,
    usual: Option<AroundNow>,
}

/// What is usual around the present slot.
#[derive(Debug, Clone, Copy)]
struct AroundNow {
    /// By span: median and farthest of days, then of weeks, each highest and lowest.
    spans: [[[f64; 2]; 4]; SLOTTED.len()],
    out_days: Around<DAYS>,
    out_weeks: Around<WEEKS>,
}

/// One window with what it is held against.
#[derive(Debug)]
struct Window {
    slot: i64,
    /// The mean of each span; NaN where it is not known.
    means: [f64; SPAN_COUNT],
    level: f64,
    past: Past,
    /// Whether scales are made of it.
    is_residual: bool,
}

/// A span in standard deviations.
#[derive(Debug, Clone, Copy)]
struct Stands {
    /// By reference; NaN where that is not known.
    z: [f64; REFERENCES],
    /// What one is, by the same time of the days before.
    deviation: f64,
}

impl Stands {
    const UNKNOWN: Self = Self {
        z: [f64::NAN; REFERENCES],
        deviation: f64::NAN,
    };
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
        let window = self.next(index, value)?;
        let stands = std::array::from_fn(|span| self.stands(&window, span));
        let mut inputs = Inputs::new();
        for (number, Stands { z, .. }) in stands.iter().enumerate() {
            if !window.means[number].is_nan() {
                inputs.span(number, z, smallest(z));
            }
        }
        let out = out(&stands[FIVE]);
        self.beyond(&mut inputs, &window, &stands, out);
        self.context(&mut inputs, &window);
        self.remember(&window, out, smallest(&stands[FIVE].z));
        Some(inputs.finish())
    }

    /// Takes a window as [`Self::push`] does, and says nothing of it: that costs a fraction.
    pub fn learn(&mut self, index: i64, value: f64) {
        let Some(window) = self.next(index, value) else {
            return;
        };
        let five = if window.is_residual {
            let stands: [Stands; SPAN_COUNT] =
                std::array::from_fn(|span| self.stands(&window, span));
            stands[FIVE]
        } else {
            self.stands_out(&window)
        };
        self.remember(&window, out(&five), smallest(&five.z));
    }

    /// Takes the next window; `None` where it is not known.
    fn next(&mut self, index: i64, value: f64) -> Option<Window> {
        if let Some(last) = self.last {
            if index - last > ((WEEKS * Lags::DAYS_OF_WEEK) * self.day) as i64 {
                *self = Self::new(self.step_micros, self.resolution, self.time_zone);
            } else {
                for missing in last + 1..index {
                    self.take(missing, f64::NAN);
                }
            }
        }
        let local = self.take(index, value);
        if value.is_nan() {
            return None;
        }
        self.level.push(value);
        let slot = local.div_euclid(self.slot_layout.windows as i64);
        let past = Past::new(&self.sums, &self.lags, index, self.day);
        if self.around.is_none_or(|around| around.slot != slot) {
            self.around = Some(AroundSlot {
                slot,
                past,
                usual: None,
            });
        }
        let every = if self.day < MANY_WINDOWS {
            1
        } else {
            RESIDUAL_EVERY
        };
        Some(Window {
            slot,
            means: SPANS.map(|span| self.sums.mean(0, span)),
            level: self.level.level(),
            past,
            is_residual: index.rem_euclid(every as i64) == 0,
        })
    }

    /// Takes a value, or that there is none; returns its place on the grid of local time.
    fn take(&mut self, index: i64, value: f64) -> i64 {
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
        local
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

    /// Holds a span against all references, and makes scales of it where its window is for that.
    fn stands(&mut self, window: &Window, number: usize) -> Stands {
        let (span, mean) = (SPANS[number], window.means[number]);
        if mean.is_nan() {
            return Stands::UNKNOWN;
        }
        let least = self.least(span, window.level);
        let expected = window.past.expected(&self.sums, span);
        let mut stands = Stands::UNKNOWN;
        for (reference, expected) in expected.into_iter().enumerate() {
            if expected.is_nan() {
                continue;
            }
            let unit = unit(expected, window.level);
            let scale = &mut self.scales[number][reference];
            if let Some(scale) = scale.scale() {
                let deviation = (scale * unit).max(least);
                stands.z[reference] = deviations(mean - expected, deviation);
                if reference == 0 {
                    stands.deviation = deviation;
                }
            }
            if window.is_residual {
                // What was never but zero has a scale of zero, not none.
                scale.push(if unit > 0.0 {
                    (mean - expected) / unit
                } else {
                    0.0
                });
            }
        }
        stands
    }

    /// What later windows need to know of a span of five that no scale is made of: how far it is from its
    /// level, and the rest only if that is far.
    fn stands_out(&mut self, window: &Window) -> Stands {
        let (span, mean) = (SPANS[FIVE], window.means[FIVE]);
        let expected = level_before(&self.sums, 0, span);
        let mut stands = Stands::UNKNOWN;
        if mean.is_nan() || expected.is_nan() {
            return self.stands(window, FIVE);
        }
        if let Some(scale) = self.scales[FIVE][LEVEL].scale() {
            let least = self.least(span, window.level);
            let deviation = (scale * unit(expected, window.level)).max(least);
            stands.z[LEVEL] = deviations(mean - expected, deviation);
        }
        if stands.z[LEVEL].abs() <= EXCURSION {
            stands
        } else {
            self.stands(window, FIVE)
        }
    }

    /// The least standard deviation of the mean of a span.
    fn least(&self, span: usize, level: f64) -> f64 {
        (0.5 * self.resolution / (span as f64).sqrt()).max(LEAST_SHARE * level)
    }

    /// What is usual around the present slot, looked up once for each.
    fn around_now(&mut self) -> Option<AroundNow> {
        let around = self.around.as_mut()?;
        if around.usual.is_none() {
            let (slot, past) = (around.slot, &around.past);
            let spans = std::array::from_fn(|stream| {
                let slots = &self.slots[stream];
                let day = typical_and_farthest(slots.days(slot), &past.days);
                let week = typical_and_farthest(slots.weeks(slot), &past.weeks);
                [day[0], day[1], week[0], week[1]]
            });
            around.usual = Some(AroundNow {
                spans,
                out_days: self.out.days(slot),
                out_weeks: self.out.weeks(slot),
            });
        }
        around.usual
    }

    /// How far spans are beyond what is usual around this time, and beyond what days reach; how far
    /// this time was out before.
    fn beyond(
        &mut self,
        inputs: &mut Inputs,
        window: &Window,
        stands: &[Stands; SPAN_COUNT],
        out: f64,
    ) {
        let Some(around) = self.around_now() else {
            return;
        };
        for (stream, &number) in SLOTTED.iter().enumerate() {
            let (mean, of_one) = (window.means[number], stands[number].deviation);
            if !mean.is_nan() {
                inputs.around(
                    stream,
                    around.spans[stream].map(|limits| outside(mean, limits, of_one)),
                );
            }
        }
        for (stream, &number) in LEVELS.iter().enumerate() {
            let (mean, of_one) = (window.means[number], stands[number].deviation);
            if let Some(usual) = self.extremes[stream].usual().filter(|_| !mean.is_nan()) {
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
    fn context(&self, inputs: &mut Inputs, window: &Window) {
        let known = |then: &[Then]| {
            let known = then
                .iter()
                .filter(|then| !self.sums.mean(then.back, 1).is_nan());
            known.count() as f64 / then.len() as f64
        };
        let level = window.level;
        let scale = self.scales[0][LEVEL].scale().unwrap_or(0.0);
        let of_five = self.scales[FIVE][LEVEL].scale().unwrap_or(0.0);
        let share = |mean: f64, of: f64| {
            if !mean.is_nan() && of > 0.0 {
                (mean.max(0.0) / of + 0.05).ln()
            } else {
                0.0
            }
        };
        let day = self.sums.mean(0, self.day);
        let week = self.sums.mean(0, Lags::DAYS_OF_WEEK * self.day);
        inputs.context([
            known(&window.past.days),
            known(&window.past.weeks),
            self.sums.known(self.day),
            (scale + 1e-3).ln(),
            (of_five + 1e-3).ln(),
            if self.resolution > 0.0 {
                (level / self.resolution + 1e-3).ln()
            } else {
                8.0
            },
            share(window.means[SPAN_COUNT - 1], level),
            share(day, level),
            share(day, if week.is_nan() { 0.0 } else { week }),
            self.correlations[0].of_yesterday,
            self.correlations[1].of_yesterday,
            (f64::from(self.since_excursion.min(100_000)) + 1.0).ln(),
        ]);
    }

    /// Takes what later windows are held against.
    fn remember(&mut self, window: &Window, out: f64, excess: f64) {
        for (slots, &number) in self.slots.iter_mut().zip(&SLOTTED) {
            if !window.means[number].is_nan() {
                slots.push(window.slot, window.means[number]);
            }
        }
        self.out.push(window.slot, out);
        for (extremes, &number) in self.extremes.iter_mut().zip(&LEVELS) {
            if !window.means[number].is_nan() {
                extremes.push(window.means[number]);
            }
        }
        let now = window.means[FIVE];
        if !now.is_nan() {
            let days = &window.past.days;
            let then = [days[0], days[DAYS - 1]];
            for (correlation, then) in self.correlations.iter_mut().zip(then) {
                let then = self.sums.mean(then.back, SPANS[FIVE]);
                if !then.is_nan() {
                    correlation.push(now - window.level, then - window.level);
                }
            }
        }
        if excess.abs() > EXCURSION {
            self.since_excursion = 0;
        }
    }
}

/// How far a span is from the level before it; 0 where that is not known.
fn out(stands: &Stands) -> f64 {
    if stands.z[LEVEL].is_nan() {
        0.0
    } else {
        stands.z[LEVEL]
    }
}
