//! Where the same local time of earlier days lies.

use std::collections::VecDeque;

/// Days before that are looked at.
pub(super) const DAYS: usize = 7;
/// Weeks before that are looked at; the first is the seventh day.
pub(super) const WEEKS: usize = 4;

/// How many windows ago the same local time of earlier days was.
#[derive(Debug, Clone)]
pub(super) struct Lags {
    /// Windows of a day.
    day: usize,
    /// From which window on local time is so many windows ahead, as far back as is looked.
    ahead: VecDeque<(i64, i64)>,
}

impl Lags {
    /// Days of a week.
    pub(super) const DAYS_OF_WEEK: usize = 7;

    pub(super) const fn new(day: usize) -> Self {
        Self {
            day,
            ahead: VecDeque::new(),
        }
    }

    /// Takes the next window and how far ahead its local time is, in windows.
    pub(super) fn push(&mut self, index: i64, ahead: i64) {
        if self.ahead.back().is_none_or(|(_, last)| *last != ahead) {
            self.ahead.push_back((index, ahead));
        }
        let oldest = index - ((WEEKS * Self::DAYS_OF_WEEK + 1) * self.day) as i64;
        while self.ahead.get(1).is_some_and(|(from, _)| *from < oldest) {
            self.ahead.pop_front();
        }
    }

    /// How many windows before `index`, the last, the same local time was `days` days before.
    pub(super) fn windows(&self, index: i64, days: usize) -> usize {
        let back = (days * self.day) as i64;
        let (now, then) = match self.ahead.len() {
            0 | 1 => return back as usize,
            _ => {
                let of = |index: i64| {
                    let since = self.ahead.iter().rev().find(|(from, _)| *from <= index);
                    since.or(self.ahead.front()).map_or(0, |(_, ahead)| *ahead)
                };
                (of(index), of(index - back))
            }
        };
        (back - now + then).max(1) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_more_or_less_where_clocks_changed() {
        let mut lags = Lags::new(24);
        (0..100).for_each(|index| lags.push(index, 1));
        assert_eq!(lags.windows(99, 2), 48);
        (100..=150).for_each(|index| lags.push(index, 2));
        assert_eq!(lags.windows(150, 1), 24);
        // Two hours before, local time was one hour less ahead: an hour later on the grid.
        assert_eq!(lags.windows(150, 3), 71);
    }
}
