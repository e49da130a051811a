//! The highest and lowest of each slot of the day over the last weeks, looked up with tolerance.

use super::lags::{DAYS, Lags, WEEKS};

/// Minutes of a slot, where windows are shorter.
const SLOT_MINUTES: usize = 5;
/// What comes every day may come so many minutes earlier or later.
const TOLERANCE_MINUTES: usize = 15;
/// Days that are remembered: four weeks, the present day, and a day for what is near midnight.
const REMEMBERED_DAYS: usize = 30;

/// How a day is cut into slots.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotLayout {
    /// Windows of a slot.
    pub(super) windows: usize,
    /// Slots of a day.
    pub(super) day: usize,
    /// Slots before and after that count as the same time.
    pub(super) tolerance: usize,
}

impl SlotLayout {
    pub(super) fn new(day_windows: usize) -> Self {
        let per_minutes = |minutes: usize| minutes * day_windows / (24 * 60);
        let windows = per_minutes(SLOT_MINUTES).max(1);
        Self {
            windows,
            day: day_windows / windows,
            tolerance: per_minutes(TOLERANCE_MINUTES).div_ceil(windows).max(1),
        }
    }
}

/// The extremes of one stream of values.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    layout: SlotLayout,
    /// Highest and lowest by number of the slot modulo the length; NaN where nothing is known.
    highest: Vec<f32>,
    lowest: Vec<f32>,
    /// The slot of the last value, counted in local time.
    last: Option<i64>,
}

/// Highest and lowest around one time of a day or week, in order of age; NaN where nothing is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<const N: usize> {
    pub(super) highest: [f64; N],
    pub(super) lowest: [f64; N],
}

impl Slots {
    pub(super) fn new(layout: SlotLayout) -> Self {
        let places = REMEMBERED_DAYS * layout.day;
        Self {
            layout,
            highest: vec![f32::NAN; places],
            lowest: vec![f32::NAN; places],
            last: None,
        }
    }

    /// Takes a value of a slot.
    pub(super) fn push(&mut self, slot: i64, value: f64) {
        let places = self.highest.len() as i64;
        if let Some(last) = self.last {
            // Slots that were passed over are those of four weeks ago no longer.
            for passed in (last + 1..=slot).take(places as usize) {
                let place = passed.rem_euclid(places) as usize;
                self.highest[place] = f32::NAN;
                self.lowest[place] = f32::NAN;
            }
        }
        self.last = Some(self.last.map_or(slot, |last| last.max(slot)));
        let place = slot.rem_euclid(places) as usize;
        // Minimum and maximum with NaN are the other.
        self.highest[place] = self.highest[place].max(value as f32);
        self.lowest[place] = self.lowest[place].min(value as f32);
    }

    /// Extremes around the time of `slot` on the last days.
    pub(super) fn days(&self, slot: i64) -> Around<DAYS> {
        self.around(slot, 1)
    }

    /// Extremes around the time of `slot` in the last weeks.
    pub(super) fn weeks(&self, slot: i64) -> Around<WEEKS> {
        self.around(slot, Lags::DAYS_OF_WEEK)
    }

    fn around<const N: usize>(&self, slot: i64, days_apart: usize) -> Around<N> {
        let places = self.highest.len() as i64;
        let tolerance = self.layout.tolerance as i64;
        let mut around = Around {
            highest: [f64::NAN; N],
            lowest: [f64::NAN; N],
        };
        for age in 0..N {
            let center = slot - ((age + 1) * days_apart * self.layout.day) as i64;
            let (mut highest, mut lowest) = (f32::NAN, f32::NAN);
            for near in center - tolerance..=center + tolerance {
                let place = near.rem_euclid(places) as usize;
                highest = highest.max(self.highest[place]);
                lowest = lowest.min(self.lowest[place]);
            }
            around.highest[age] = f64::from(highest);
            around.lowest[age] = f64::from(lowest);
        }
        around
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "small whole numbers are exact")]
mod tests {
    use super::*;

    #[test]
    fn extremes_are_those_near_the_time() {
        let layout = SlotLayout::new(1_440);
        assert_eq!((layout.windows, layout.day, layout.tolerance), (5, 288, 3));
        let mut slots = Slots::new(layout);
        for slot in 0..29 * 288 {
            slots.push(slot, 1.0);
            if slot % 288 == 100 + slot / 288 % 3 {
                slots.push(slot, (slot / 288) as f64 + 2.0);
            }
        }
        let now = 28 * 288 + 101;
        let days = slots.days(now);
        assert_eq!(days.highest, [29.0, 28.0, 27.0, 26.0, 25.0, 24.0, 23.0]);
        assert_eq!(days.lowest, [1.0; 7]);
        assert_eq!(slots.weeks(now).highest, [23.0, 16.0, 9.0, 2.0]);
        assert_eq!(slots.days(now + 50).highest, [1.0; 7]);
    }

    #[test]
    fn what_was_passed_over_is_not_known() {
        let mut slots = Slots::new(SlotLayout::new(24));
        (0..24 * 30).for_each(|slot| slots.push(slot, 5.0));
        slots.push(24 * 33, 6.0);
        let days = slots.days(24 * 33);
        assert!(days.highest[..2].iter().all(|highest| highest.is_nan()));
        assert_eq!(days.highest[3], 5.0);
    }
}
