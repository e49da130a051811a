//! Medians, and the level of the last days.

use std::collections::VecDeque;

/// Days that a level is the median of.
const DAYS: usize = 7;

/// The median of what is not NaN, the mean of the middle two; NaN where all is. What is given is put in
/// order.
pub(super) fn median<const N: usize>(values: &mut [f64; N]) -> f64 {
    let mut columns = values.map(|value| [value]);
    let [median] = medians(&mut columns);
    median
}

/// The median of each column of what is not NaN, the mean of the middle two; NaN where all is. Columns are
/// put in order.
pub(super) fn medians<const N: usize, const C: usize>(rows: &mut [[f64; C]; N]) -> [f64; C] {
    let mut known = [0_usize; C];
    for row in rows.iter_mut() {
        for (value, known) in row.iter_mut().zip(&mut known) {
            // To the end of the order.
            if value.is_nan() {
                *value = f64::INFINITY;
            } else {
                *known += 1;
            }
        }
    }
    // Odd-even transposition: the same comparisons whatever the values, so that columns go side by side.
    for round in 0..N {
        for at in (round % 2..N - 1).step_by(2) {
            let (one, other) = (rows[at], rows[at + 1]);
            for column in 0..C {
                let (one, other) = (one[column], other[column]);
                // Written so that each is one instruction, of several columns at once.
                rows[at][column] = if one < other { one } else { other };
                rows[at + 1][column] = if one > other { one } else { other };
            }
        }
    }
    std::array::from_fn(|column| match known[column] {
        0 => f64::NAN,
        known => f64::midpoint(rows[(known - 1) / 2][column], rows[known / 2][column]),
    })
}

/// The median over days of the mean magnitude of a day.
#[derive(Debug, Clone)]
pub(super) struct LevelOfDays {
    today: f64,
    windows: f64,
    days: VecDeque<f64>,
    level: Option<f64>,
}

impl LevelOfDays {
    pub(super) const fn new() -> Self {
        Self {
            today: 0.0,
            windows: 0.0,
            days: VecDeque::new(),
            level: None,
        }
    }

    pub(super) fn push(&mut self, value: f64) {
        self.today += value.abs();
        self.windows += 1.0;
    }

    /// That of the last complete days; on the first, that of its windows so far.
    pub(super) fn level(&self) -> f64 {
        self.level
            .unwrap_or_else(|| self.today / self.windows.max(1.0))
    }

    pub(super) fn end_day(&mut self) {
        if self.windows > 0.0 {
            if self.days.len() == DAYS {
                self.days.pop_front();
            }
            self.days.push_back(self.today / self.windows);
            let mut sorted: Vec<f64> = self.days.iter().copied().collect();
            sorted.sort_unstable_by(f64::total_cmp);
            self.level = Some(sorted[sorted.len() / 2]);
        }
        (self.today, self.windows) = (0.0, 0.0);
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "small whole numbers are exact")]
mod tests {
    use super::*;

    #[test]
    fn medians_leave_out_what_is_not_known() {
        assert_eq!(median(&mut [3.0, f64::NAN, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [f64::NAN, 3.0, 1.0, 2.0, 7.0]), 2.5);
        assert!(median(&mut [f64::NAN; 4]).is_nan());
        let mut rows = [[7.0, 1.0], [5.0, f64::NAN], [6.0, 3.0]];
        assert_eq!(medians(&mut rows), [6.0, 2.0]);
    }

    #[test]
    fn levels_are_of_whole_days() {
        let mut level = LevelOfDays::new();
        for value in [-2.0, 4.0] {
            level.push(value);
        }
        assert_eq!(level.level(), 3.0);
        for mean in [1.0, 2.0, 90.0] {
            level.push(mean);
            level.end_day();
        }
        level.push(1e3);
        // Of 7/3, 2 and 90.
        assert!((level.level() - 7.0 / 3.0).abs() < 1e-12);
    }
}
