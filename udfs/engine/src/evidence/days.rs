//! What each day was like: its highest and lowest, and how much it was like the days before.

use std::collections::VecDeque;

/// Days that are remembered.
const DAYS: usize = 28;
/// Windows of a day that make a correlation.
const LEAST_WINDOWS: f64 = 12.0;

/// The highest and lowest values of the last complete days.
#[derive(Debug, Clone)]
pub(super) struct DailyExtremes {
    today: Option<[f64; 2]>,
    days: VecDeque<[f64; 2]>,
    usual: Option<UsualExtremes>,
}

/// What days reach.
#[derive(Debug, Clone, Copy)]
pub(super) struct UsualExtremes {
    /// The median of the highest, and of the lowest.
    pub(super) median: [f64; 2],
    /// The second highest of the highest, and the second lowest of the lowest; of one day its own.
    pub(super) second: [f64; 2],
}

impl DailyExtremes {
    pub(super) const fn new() -> Self {
        Self {
            today: None,
            days: VecDeque::new(),
            usual: None,
        }
    }

    pub(super) fn push(&mut self, value: f64) {
        let [highest, lowest] = self.today.unwrap_or([value, value]);
        self.today = Some([highest.max(value), lowest.min(value)]);
    }

    pub(super) fn usual(&self) -> Option<UsualExtremes> {
        self.usual
    }

    pub(super) fn end_day(&mut self) {
        let Some(today) = self.today.take() else {
            return;
        };
        if self.days.len() == DAYS {
            self.days.pop_front();
        }
        self.days.push_back(today);
        let sorted = |side: usize| {
            let mut sorted: Vec<f64> = self.days.iter().map(|day| day[side]).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            sorted
        };
        let (highest, lowest) = (sorted(0), sorted(1));
        let days = highest.len();
        self.usual = Some(UsualExtremes {
            median: [highest[days / 2], lowest[(days - 1) / 2]],
            second: [highest[days.saturating_sub(2)], lowest[1.min(days - 1)]],
        });
    }
}

/// The correlation of a day with an earlier one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DailyCorrelation {
    windows: f64,
    sums: [f64; 2],
    squares: [f64; 2],
    products: f64,
    /// Of the last complete day; 0 where it is not known.
    pub(super) of_yesterday: f64,
}

impl DailyCorrelation {
    /// Takes a value and the one of the same time on the earlier day.
    pub(super) fn push(&mut self, now: f64, then: f64) {
        self.windows += 1.0;
        for (side, value) in [now, then].into_iter().enumerate() {
            self.sums[side] += value;
            self.squares[side] += value * value;
        }
        self.products += now * then;
    }

    pub(super) fn end_day(&mut self) {
        let n = self.windows;
        let variance = |side: usize| self.squares[side] - self.sums[side] * self.sums[side] / n;
        let product = self.products - self.sums[0] * self.sums[1] / n;
        let (now, then) = (variance(0), variance(1));
        // A variance that is but rounding is none.
        let is_known =
            n >= LEAST_WINDOWS && now > 1e-9 * self.squares[0] && then > 1e-9 * self.squares[1];
        *self = Self {
            of_yesterday: if is_known {
                (product / (now * then).sqrt()).clamp(-1.0, 1.0)
            } else {
                0.0
            },
            ..Self::default()
        };
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "small whole numbers are exact")]
mod tests {
    use super::*;

    #[test]
    fn one_wild_day_is_not_usual() {
        let mut extremes = DailyExtremes::new();
        assert!(extremes.usual().is_none());
        for day in 0..28 {
            let highest = if day == 20 {
                1e3
            } else {
                10.0 + f64::from(day)
            };
            for value in [2.0, highest, 1.0] {
                extremes.push(value);
            }
            extremes.end_day();
        }
        let usual = extremes.usual().unwrap();
        assert_eq!(usual.median, [24.0, 1.0]);
        assert_eq!(usual.second, [37.0, 1.0]);
    }

    #[test]
    fn days_alike_correlate_and_constants_do_not() {
        let correlation = |of: fn(f64) -> [f64; 2]| {
            let mut days = DailyCorrelation::default();
            (0..24).for_each(|hour| {
                let [now, then] = of(f64::from(hour));
                days.push(now, then);
            });
            days.end_day();
            days.of_yesterday
        };
        assert!((correlation(|hour| [hour, 2.0 * hour]) - 1.0).abs() < 1e-9);
        assert!((correlation(|hour| [hour, -hour]) + 1.0).abs() < 1e-9);
        assert!(correlation(|hour| [hour, 3.127]).abs() < 1e-12);
    }
}
