//! The local time of day of a window.

use serde::{Deserialize, Serialize};

use crate::series::blocks::{BlockLayout, DAY_MICROS};
use crate::series::time_zone::TimeZone;

/// Times of day that are told apart: quarters of an hour.
pub const SLOTS: usize = 96;

/// Tells the time of day of grid indices.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Clock {
    step_micros: i64,
    /// `None` where grid indices are no real times.
    time_zone: Option<TimeZone>,
    /// Windows per day, where a day is a whole number of them.
    whole_day: Option<i64>,
}

impl Clock {
    /// The clock of a series in a zone; `None` where grid indices are no real times.
    #[must_use]
    pub fn new(layout: &BlockLayout, time_zone: Option<TimeZone>) -> Self {
        Self {
            step_micros: layout.step_micros,
            time_zone: time_zone.map(|zone| zone.of_windows(layout.step_micros)),
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

    /// Windows in a time, rounded to the nearest; at least 1.
    #[must_use]
    pub fn windows_in(self, micros: i64) -> i64 {
        ((micros + self.step_micros / 2) / self.step_micros).max(1)
    }

    /// The window at the same local time so many days before, or the one nearest to it where days
    /// are no whole number of windows.
    #[must_use]
    pub fn same_time(self, index: i64, days: i64) -> i64 {
        let back = match self.whole_day {
            Some(windows) => days * windows,
            None => {
                (i128::from(days) * i128::from(DAY_MICROS) / i128::from(self.step_micros)) as i64
            }
        };
        let then = index - back;
        match self.time_zone {
            None | Some(TimeZone::UTC) => then,
            Some(zone) => {
                let ahead = |index| zone.windows_ahead(index, self.step_micros);
                then + ahead(index) - ahead(then)
            }
        }
    }

    /// The day of a window, counted from the epoch. Where clocks are put back at midnight, it may
    /// be one less than that of the window before.
    #[must_use]
    pub fn day(self, index: i64) -> i64 {
        let index = self.local(index);
        match self.whole_day {
            Some(windows) => index.div_euclid(windows),
            None => self.micros(index).div_euclid(i128::from(DAY_MICROS)) as i64,
        }
    }

    /// The weekday of a window, of seven, in the order of days; which is the first is left open.
    #[must_use]
    pub fn weekday(self, index: i64) -> usize {
        self.day(index).rem_euclid(7) as usize
    }

    /// The slot of a window in a day of [`SLOTS`]: 0 for all where the time is not known.
    #[must_use]
    pub fn slot(self, index: i64) -> usize {
        if self.time_zone.is_some() {
            self.slot_of(index, SLOTS)
        } else {
            0
        }
    }

    /// Slots that windows fill: fewer than [`SLOTS`] where windows are longer, one where the time
    /// is not known.
    #[must_use]
    pub fn filled_slots(self) -> usize {
        if self.time_zone.is_some() {
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

    /// The grid index that has in UTC the time that the window has here.
    fn local(self, index: i64) -> i64 {
        match self.time_zone {
            None | Some(TimeZone::UTC) => index,
            Some(zone) => index + zone.windows_ahead(index, self.step_micros),
        }
    }

    fn micros(self, index: i64) -> i128 {
        i128::from(index) * i128::from(self.step_micros)
    }

    /// Microseconds since midnight.
    fn time_of_day(self, index: i64) -> i64 {
        let index = self.local(index);
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
        Clock::new(&layout, knows_time.then_some(TimeZone::UTC))
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

    /// A clock in a zone, and the grid index of a time.
    fn local(step_seconds: i64, zone: &str) -> (Clock, impl Fn(&str) -> i64) {
        let layout = BlockLayout::for_step(step_seconds * 1_000_000, vec![1.0]);
        let index = move |time: &str| {
            let time: chrono::DateTime<chrono::Utc> = time.parse().unwrap();
            time.timestamp().div_euclid(step_seconds)
        };
        (Clock::new(&layout, Some(zone.parse().unwrap())), index)
    }

    #[test]
    fn an_hour_is_skipped_in_spring_and_repeated_in_autumn() {
        let (berlin, at) = local(60, "Europe/Berlin");
        let hour = |time: &str| berlin.slot(at(time)) / 4;
        assert_eq!(
            ["2026-03-29T00:59:00Z", "2026-03-29T01:00:00Z"].map(hour),
            [1, 3]
        );
        assert_eq!(
            ["2026-10-25T00:59:00Z", "2026-10-25T01:00:00Z"].map(hour),
            [2, 2]
        );
        // Days begin at 23:00 UTC in winter and at 22:00 in summer.
        let day = |time: &str| berlin.day(at(time)) - berlin.day(at("2026-10-24T21:59:00Z"));
        assert_eq!(
            [
                "2026-10-24T22:00:00Z",
                "2026-10-25T22:59:00Z",
                "2026-10-25T23:00:00Z"
            ]
            .map(day),
            [1, 1, 2]
        );
    }

    #[test]
    fn zones_may_be_south_of_the_equator_or_half_an_hour_off() {
        let (sydney, at) = local(60, "Australia/Sydney");
        // Clocks are put back in April.
        let hour = |time: &str| sydney.slot(at(time)) / 4;
        assert_eq!(
            ["2026-04-04T15:59:00Z", "2026-04-04T16:00:00Z"].map(hour),
            [2, 2]
        );
        let (kathmandu, at) = local(60, "Asia/Kathmandu");
        assert_eq!(kathmandu.slot(at("2026-01-01T00:00:00Z")), 5 * 4 + 3);
        // Windows of an hour there begin 45 minutes into a local hour, and count as that hour.
        let (hours, at) = local(3_600, "Asia/Kathmandu");
        let index = at("2026-01-01T00:00:00Z");
        assert_eq!(hours.slot_of(index, 24), 5);
        assert_eq!(hours.between(index, 24), (5, 6, 0.0));
    }

    #[test]
    fn windows_longer_than_an_hour_are_those_of_utc() {
        for step in [7_200, 86_400] {
            let (berlin, at) = local(step, "Europe/Berlin");
            let index = at("2026-07-01T00:00:00Z");
            let utc = clock(step, true);
            assert_eq!(berlin.slot(index), utc.slot(index));
            assert_eq!(berlin.day(index), utc.day(index));
        }
    }

    #[test]
    fn a_clock_is_stored_with_its_zone() {
        for zone in ["UTC", "Europe/Berlin", "-03:30"] {
            let (stored, at) = local(60, zone);
            let bytes = postcard::to_allocvec(&stored).unwrap();
            let (loaded, rest): (Clock, _) = postcard::take_from_bytes(&bytes).unwrap();
            assert!(rest.is_empty());
            let index = at("2026-07-01T12:34:00Z");
            assert_eq!(loaded.slot(index), stored.slot(index), "{zone}");
            assert_eq!(loaded.day(index), stored.day(index), "{zone}");
            assert!(postcard::from_bytes::<Clock>(&bytes[..bytes.len() - 1]).is_err());
        }
    }
}
