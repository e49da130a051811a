//! UTC dates: limits on them, and ranges of them.

use std::ops::RangeInclusive;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// A date in a file, written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WrittenDate(pub NaiveDate);

impl TryFrom<String> for WrittenDate {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let date = text.parse();
        date.map(Self)
            .map_err(|_| "expected a date, such as `2026-11-01`")
    }
}

impl From<WrittenDate> for String {
    fn from(WrittenDate(date): WrittenDate) -> Self {
        date.to_string()
    }
}

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

/// A date as text, such as `2026-11-01`, for `#[serde(with)]`.
pub mod as_text {
    use chrono::NaiveDate;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    /// Writes it.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn serialize<S: Serializer>(date: &NaiveDate, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(date)
    }

    /// Reads it.
    ///
    /// # Errors
    /// When the text is no date.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<NaiveDate, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
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
