//! Medians, and the level of the last days.

use std::collections::VecDeque;

/// Days that a level is the median of.
const DAYS: usize = 7;

/// The median of what is not NaN, the mean of the middle two; what is given is put in order.
pub(super) fn median<const N: usize>(values: &mut [f64; N]) -> Option<f64> {
    // Insertion: there are seven at most. NaN goes to the end.
    for at in 1..N {
        let value = values[at];
        let mut place = at;
        while place > 0 && (values[place - 1] > value || values[place - 1].is_nan()) {
            values[place] = values[place - 1];
            place -= 1;
        }
        values[place] = value;
    }
    let known = values.iter().position(|value| value.is_nan()).unwrap_or(N);
    (known > 0).then(|| f64::midpoint(values[(known - 1) / 2], values[known / 2]))
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
        assert_eq!(median(&mut [3.0, f64::NAN, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [f64::NAN, 3.0, 1.0, 2.0, 7.0]), Some(2.5));
        assert_eq!(median(&mut [f64::NAN; 4]), None);
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
