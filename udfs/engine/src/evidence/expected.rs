//! What is expected of the mean of a span, by what it is held against.

use super::lags::{DAYS, Lags, WEEKS};
use super::sums::Sums;
use super::usual::medians;
use super::vector::{SPAN_COUNT, SPANS};

/// Ways in which a span is held against what is usual: see the table of [`super`].
pub(super) const REFERENCES: usize = 6;
/// The place of the level among the references.
pub(super) const LEVEL: usize = 2;
/// Levels before and now are compared up to so many times.
const MOST_GROWTH: f64 = 5.0;
/// The most that a span is above the level before it for its change to be expected again.
const MOST_CHANGE: f64 = 20.0;

/// Windows before a span whose mean is its level.
pub(super) const fn level_windows(span: usize) -> usize {
    if span < 8 { 30 } else { 4 * span }
}

/// The mean of the level before a span that ends so many windows before the last; NaN where it is not
/// known.
pub(super) fn level_before(sums: &Sums, back: usize, span: usize) -> f64 {
    sums.mean(back + span, level_windows(span))
}

/// How far away the same time of the last days and weeks is, and how the level has changed since.
#[derive(Debug, Clone, Copy)]
pub(super) struct Past {
    pub(super) days: [Then; DAYS],
    pub(super) weeks: [Then; WEEKS],
}

/// The same time of an earlier day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Then {
    /// Windows since.
    pub(super) back: usize,
    /// The level of the last day over that of its day; 1 where it is not known.
    pub(super) growth: f64,
}

impl Past {
    /// That of the last window taken, at `index`; a day has so many windows.
    pub(super) fn new(sums: &Sums, lags: &Lags, index: i64, day: usize) -> Self {
        let before = SPANS[SPAN_COUNT - 1];
        let now = sums.mean(before, day);
        let then = |days: usize| {
            let back = lags.windows(index, days);
            let then = sums.mean(before + back, day);
            let growth = if now > 0.0 && then > 0.0 {
                (now / then).clamp(1.0 / MOST_GROWTH, MOST_GROWTH)
            } else {
                1.0
            };
            Then { back, growth }
        };
        Self {
            days: std::array::from_fn(|age| then(age + 1)),
            weeks: std::array::from_fn(|age| then((age + 1) * Lags::DAYS_OF_WEEK)),
        }
    }

    /// What is expected of the mean of the last windows, by reference; NaN where nothing is.
    pub(super) fn expected(&self, sums: &Sums, span: usize) -> [f64; REFERENCES] {
        let before = level_before(sums, 0, span);
        // Side by side: as it was, at today's level, and by how much it was above the level before it.
        // The fourth fills a register.
        let mut days = [[f64::NAN; 4]; DAYS];
        for (day, &Then { back, growth }) in days.iter_mut().zip(&self.days) {
            if back >= span {
                let then = sums.mean(back, span);
                let before = level_before(sums, back, span);
                let change = if before > 0.0 {
                    then / before
                } else {
                    f64::NAN
                };
                *day = [then, then * growth, change, f64::NAN];
            }
        }
        let mut weeks = [[f64::NAN; 2]; WEEKS];
        for (week, &Then { back, growth }) in weeks.iter_mut().zip(&self.weeks) {
            if back >= span {
                let then = sums.mean(back, span);
                *week = [then, then * growth];
            }
        }
        let [day, day_now, change, _] = medians(&mut days);
        let [week, week_now] = medians(&mut weeks);
        let change = if before > 0.0 {
            before * change.clamp(0.0, MOST_CHANGE)
        } else {
            f64::NAN
        };
        [day, week, before, day_now, week_now, change]
    }
}
