//! The time of day of a window.

use super::stored::stored;
use crate::layout::{BlockLayout, DAY_MICROS};

/// Times of day that are told apart: quarters of an hour.
pub const SLOTS: usize = 96;

/// Tells the time of day of grid indices.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    step_micros: i64,
    knows_time: bool,
    /// Windows per day, where a day is a whole number of them.
    whole_day: Option<i64>,
}

stored!(Clock {
    step_micros,
    knows_time,
    whole_day
});

impl Clock {
    /// The clock of a series; `knows_time` says whether grid indices are real times.
    #[must_use]
    pub const fn new(layout: &BlockLayout, knows_time: bool) -> Self {
        Self {
            step_micros: layout.step_micros,
            knows_time,
            whole_day: if DAY_MICROS % layout.step_micros == 0 {
                Some(DAY_MICROS / layout.step_micros)
            } else {
                None
            },
        }
    }

    /// Windows in a day, rounded down; at least 1.
    #[must_use]
    pub fn windows_per_day(self) -> usize {
        (DAY_MICROS / self.step_micros).max(1) as usize
    }

    /// The day of a window, counted from the epoch.
    #[must_use]
    pub fn day(self, index: i64) -> i64 {
        match self.whole_day {
            Some(windows) => index.div_euclid(windows),
            None => self.micros(index).div_euclid(i128::from(DAY_MICROS)) as i64,
        }
    }

    /// The slot of a window in a day of [`SLOTS`]: 0 for all where the time is not known.
    #[must_use]
    pub fn slot(self, index: i64) -> usize {
        if self.knows_time {
            self.slot_of(index, SLOTS)
        } else {
            0
        }
    }

    /// Slots that windows fill: fewer than [`SLOTS`] where windows are longer, one where the time
    /// is not known.
    #[must_use]
    pub fn filled_slots(self) -> usize {
        if self.knows_time {
            self.windows_per_day().min(SLOTS)
        } else {
            1
        }
    }

    /// The slot of a window in a day of so many.
    #[must_use]
    pub fn slot_of(self, index: i64, slots: usize) -> usize {
        (self.time_of_day(index) * slots as i64 / DAY_MICROS) as usize
    }

    /// Where the middle of a window lies between the middles of slots: the slot before, the slot
    /// after, and the weight of the latter.
    #[must_use]
    pub fn between(self, index: i64, slots: usize) -> (usize, usize, f64) {
        let middle = self.time_of_day(index) as f64 + self.step_micros as f64 / 2.0;
        let place = middle * slots as f64 / DAY_MICROS as f64 - 0.5;
        let before = place.floor();
        let wrap = |slot: f64| (slot as i64).rem_euclid(slots as i64) as usize;
        (wrap(before), wrap(before + 1.0), place - before)
    }

    fn micros(self, index: i64) -> i128 {
        i128::from(index) * i128::from(self.step_micros)
    }

    /// Microseconds since midnight.
    fn time_of_day(self, index: i64) -> i64 {
        match self.whole_day {
            Some(windows) => index.rem_euclid(windows) * self.step_micros,
            None => self.micros(index).rem_euclid(i128::from(DAY_MICROS)) as i64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(step_seconds: i64, knows_time: bool) -> Clock {
        let layout = BlockLayout::for_step(step_seconds * 1_000_000, vec![1.0]);
        Clock::new(&layout, knows_time)
    }

    #[test]
    fn minutes_have_quarters_of_an_hour() {
        let minutes = clock(60, true);
        assert_eq!(
            (minutes.windows_per_day(), minutes.filled_slots()),
            (1_440, 96)
        );
        assert_eq!(
            [0, 14, 15, 1_439, 1_440, -1].map(|i| minutes.slot(i)),
            [0, 0, 1, 95, 0, 95]
        );
        assert_eq!([0, 1_439, 1_440, -1].map(|i| minutes.day(i)), [0, 0, 1, -1]);
        // The eighth minute holds the middle of its quarter.
        assert_eq!(minutes.between(7, 96), (0, 1, 0.0));
        let (before, after, weight) = minutes.between(0, 96);
        assert_eq!((before, after), (95, 0));
        assert!((weight - 8.0 / 15.0).abs() < 1e-12);
    }

    #[test]
    fn hours_fill_their_own_slots() {
        let hours = clock(3_600, true);
        assert_eq!(hours.filled_slots(), 24);
        assert_eq!(hours.between(5, 24), (5, 6, 0.0));
        assert_eq!(hours.slot_of(29, 24), 5);
    }

    #[test]
    fn without_time_there_is_one_slot() {
        let unknown = clock(60, false);
        assert_eq!((unknown.filled_slots(), unknown.slot(700)), (1, 0));
        let (before, after, _) = unknown.between(700, 1);
        assert_eq!((before, after), (0, 0));
    }
}
