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
    extremes: Vec<Extremes>,
    /// The slot of the latest value, counted in local time.
    latest: Option<i64>,
    /// The slot of the last value, which clocks may have put back, and its place.
    last: (i64, usize),
}

/// The highest and the lowest of a slot.
#[derive(Debug, Clone, Copy)]
struct Extremes {
    highest: f32,
    lowest: f32,
}

impl Extremes {
    const UNKNOWN: Self = Self {
        highest: f32::NAN,
        lowest: f32::NAN,
    };

    /// Minimum and maximum with NaN are the other.
    fn and(self, other: Self) -> Self {
        Self {
            highest: self.highest.max(other.highest),
            lowest: self.lowest.min(other.lowest),
        }
    }
}

/// Highest and lowest around one time of a day or week, in order of age; NaN where nothing is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<const N: usize> {
    pub(super) highest: [f64; N],
    pub(super) lowest: [f64; N],
}

impl Slots {
    pub(super) fn new(layout: SlotLayout) -> Self {
        Self {
            layout,
            extremes: vec![Extremes::UNKNOWN; REMEMBERED_DAYS * layout.day],
            latest: None,
            last: (0, 0),
        }
    }

    fn place(&self, slot: i64) -> usize {
        slot.rem_euclid(self.extremes.len() as i64) as usize
    }

    /// Takes a value of a slot.
    pub(super) fn push(&mut self, slot: i64, value: f64) {
        if self.latest.is_none() || self.last.0 != slot {
            if let Some(latest) = self.latest {
                // Slots that were passed over are those of four weeks ago no longer.
                for passed in (latest + 1..=slot).take(self.extremes.len()) {
                    let place = self.place(passed);
                    self.extremes[place] = Extremes::UNKNOWN;
                }
            }
            self.latest = Some(self.latest.map_or(slot, |latest| latest.max(slot)));
            self.last = (slot, self.place(slot));
        }
        let value = value as f32;
        let extremes = &mut self.extremes[self.last.1];
        *extremes = extremes.and(Extremes {
            highest: value,
            lowest: value,
        });
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
        let tolerance = self.layout.tolerance;
        let mut around = Around {
            highest: [f64::NAN; N],
            lowest: [f64::NAN; N],
        };
        for age in 0..N {
            let center = slot - ((age + 1) * days_apart * self.layout.day) as i64;
            let first = self.place(center - tolerance as i64);
            // Two parts where it goes round the end.
            let near = self.extremes[first..].iter().chain(&self.extremes);
            let found = near
                .take(2 * tolerance + 1)
                .fold(Extremes::UNKNOWN, |found, near| found.and(*near));
            around.highest[age] = f64::from(found.highest);
            around.lowest[age] = f64::from(found.lowest);
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
