//! UTC dates: limits on them, and ranges of them.

use std::ops::RangeInclusive;

use chrono::NaiveDate;

/// Dates that a run is limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DateLimits {
    /// The first, if any.
    pub from: Option<NaiveDate>,
    /// The last, if any.
    pub to: Option<NaiveDate>,
}

impl DateLimits {
    /// Those of them that are before a date.
    #[must_use]
    pub fn before(self, date: NaiveDate) -> Self {
        let last = date.pred_opt();
        Self {
            to: match (self.to, last) {
                (Some(to), Some(last)) => Some(to.min(last)),
                (to, last) => to.or(last),
            },
            ..self
        }
    }

    /// Whether a date is one of them.
    #[must_use]
    pub fn contains(&self, date: NaiveDate) -> bool {
        self.from.is_none_or(|from| from <= date) && self.to.is_none_or(|to| date <= to)
    }
}

/// The dates of a range.
pub fn dates_in(range: &RangeInclusive<NaiveDate>) -> impl Iterator<Item = NaiveDate> + use<> {
    let end = *range.end();
    range
        .start()
        .iter_days()
        .take_while(move |date| *date <= end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_both_its_ends() {
        let date = |day: u64| NaiveDate::default() + chrono::Days::new(day);
        let dates: Vec<NaiveDate> = dates_in(&(date(3)..=date(5))).collect();
        assert_eq!(dates, [date(3), date(4), date(5)]);
    }
}
