//! What came back at about this time: nightly jobs, weekly batches, the top of the hour.
//!
//! An excess is expected if one as large came at about the same local time in three of the last four
//! days, or on the same weekday in three of the last four weeks. One of more than twice the size is as
//! surprising as ever, and between the two an excess counts in part. So a job alarms three times and is
//! silent from then on; what comes on top of it is still found.
//!
//! Only windows that stand out are remembered, so that little is kept, and chance explains nothing
//! away: it hardly stands out within the same minutes on three of four days.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::clock::Clock;

/// Days and weeks back that are looked at, and of how many of them one may lack it.
const REPEATS: usize = 4;
const LACKING: usize = 1;
/// Windows around the same time that count as the same: ten minutes either side.
const JITTER_MICROS: i64 = 10 * 60_000_000;
/// Windows that are kept of one side: a tenth of four weeks of minutes, more than stand out unless
/// something lasts.
const MOST_KEPT: usize = 4_096;
/// An excess is expected up to so many times what came back: jobs are not always of one size.
const MARGIN: f64 = 1.25;

/// The windows that stood out, as far back as they can be looked at.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Recurrence {
    /// Below and above: the grid index and the excess of each, ascending in time.
    sides: [VecDeque<(i64, f32)>; 2],
}

impl Recurrence {
    /// How much of the excesses below and above came back at this time and so is expected; 0 for an
    /// excess that does not stand out. Then remembers them.
    pub(super) fn step(
        &mut self,
        clock: Clock,
        index: i64,
        sizes: [f64; 2],
        stands_out: f64,
    ) -> [f64; 2] {
        let mut expected = [0.0; 2];
        for (side, size) in sizes.into_iter().enumerate() {
            if size < stands_out || size.is_nan() {
                continue;
            }
            let came_back = self.expected(clock, index, side);
            // All of it up to what came back, nothing from twice that on, and a part between.
            expected[side] = size.min((2.0 * came_back - size).max(0.0));
            let oldest =
                clock.same_time(index, 7 * REPEATS as i64) - clock.windows_in(JITTER_MICROS);
            let windows = &mut self.sides[side];
            while windows.front().is_some_and(|(known, _)| *known < oldest) {
                windows.pop_front();
            }
            if windows.len() == MOST_KEPT {
                windows.pop_front();
            }
            windows.push_back((index, size as f32));
        }
        expected
    }

    fn expected(&self, clock: Clock, index: i64, side: usize) -> f64 {
        let jitter = clock.windows_in(JITTER_MICROS);
        let came_back = |days: i64| {
            let mut sizes = [0.0_f64; REPEATS];
            for (repeat, size) in sizes.iter_mut().enumerate() {
                let then = clock.same_time(index, days * (repeat as i64 + 1));
                *size = self.largest(side, then - jitter, then + jitter);
            }
            sizes.sort_unstable_by(f64::total_cmp);
            sizes[LACKING]
        };
        MARGIN * came_back(1).max(came_back(7))
    }

    /// The largest excess between two windows, both included; 0 where none stood out.
    fn largest(&self, side: usize, first: i64, last: i64) -> f64 {
        let windows = &self.sides[side];
        let begin = windows.partition_point(|(index, _)| *index < first);
        let within = windows
            .range(begin..)
            .take_while(|(index, _)| *index <= last);
        within.fold(0.0, |largest, (_, size)| largest.max(f64::from(*size)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::blocks::BlockLayout;
    use crate::series::time_zone::TimeZone;

    const DAY: i64 = 1_440;
    const STANDS_OUT: f64 = 3.0;

    /// What is left of the excesses above of some windows, which ascend.
    fn beyond(windows: &[(i64, f64)]) -> Vec<f64> {
        let layout = BlockLayout::for_step(60_000_000, vec![1.0]);
        let clock = Clock::new(&layout, Some(TimeZone::UTC));
        let mut recurrence = Recurrence::default();
        let step = |(index, size): &(i64, f64)| {
            let [_, expected] = recurrence.step(clock, *index, [0.0, *size], STANDS_OUT);
            size - expected
        };
        windows.iter().map(step).collect()
    }

    #[test]
    fn the_fourth_night_is_expected_and_more_of_it_is_not() {
        let night = |day: i64, minutes: i64| day * DAY + 120 + minutes;
        let jobs = [
            (night(0, 0), 9.0),
            (night(1, 7), 11.0),
            (night(2, -2), 10.0),
            (night(3, 4), 11.0),
            (night(4, 3), 30.0),
            // One night may lack it.
            (night(6, 0), 10.0),
            (night(7, 60), 10.0),
        ];
        assert_eq!(beyond(&jobs), [9.0, 11.0, 10.0, 0.0, 30.0, 0.0, 10.0]);
    }

    #[test]
    fn the_fourth_week_is_expected() {
        let sundays: Vec<(i64, f64)> = (0..5).map(|week| (week * 7 * DAY + 240, 8.0)).collect();
        assert_eq!(beyond(&sundays), [8.0, 8.0, 8.0, 0.0, 0.0]);
    }

    #[test]
    fn what_does_not_stand_out_explains_nothing() {
        let nights: Vec<(i64, f64)> = (0..9).map(|day| (day * DAY, 2.9)).collect();
        assert_eq!(beyond(&nights), [2.9; 9]);
    }

    #[test]
    fn what_is_half_as_large_again_counts_in_part() {
        let mut nights: Vec<(i64, f64)> = (0..4).map(|day| (day * DAY, 8.0)).collect();
        nights.push((4 * DAY, 15.0));
        // 1.25 times 8 is expected of 15: twice that less 15.
        assert_eq!(beyond(&nights)[4..], [10.0]);
    }
}
