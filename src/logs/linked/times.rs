//! Times as columns hold them: which unit numbers have, and which time a file is of.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::values::{numbers, texts};
use crate::logs::timestamp;

/// Microseconds in a day.
const DAY: i64 = timestamp::DAY;

/// The unit of a number since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EpochUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

impl EpochUnit {
    pub(super) const ALL: [Self; 4] = [Self::Seconds, Self::Millis, Self::Micros, Self::Nanos];

    /// How mappings name it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Millis => "ms",
            Self::Micros => "us",
            Self::Nanos => "ns",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.name() == name)
    }

    /// How many of them a second has.
    const fn per_second(self) -> i64 {
        match self {
            Self::Seconds => 1,
            Self::Millis => 1_000,
            Self::Micros => 1_000_000,
            Self::Nanos => 1_000_000_000,
        }
    }

    const fn of_arrow(self) -> TimeUnit {
        match self {
            Self::Seconds => TimeUnit::Second,
            Self::Millis => TimeUnit::Millisecond,
            Self::Micros => TimeUnit::Microsecond,
            Self::Nanos => TimeUnit::Nanosecond,
        }
    }

    /// The one in which a number is a time that a request can have. There is no other: from 1990
    /// to 2099 is a factor of seven, and from unit to unit one of a thousand.
    fn of(number: f64) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| {
            let micros = number / unit.per_second() as f64 * 1e6;
            timestamp::is_plausible(micros as i64)
        })
    }
}

/// How many numbers of a file are times in each unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UnitVotes([u64; 4]);

impl UnitVotes {
    /// Counts the numbers of a column, which may be text.
    ///
    /// # Errors
    /// When the column is of no type that is read as numbers.
    pub(super) fn of(column: &ArrayRef) -> Result<Self, ArrowError> {
        let mut votes = Self::default();
        for number in numbers(column)?.iter().flatten() {
            if let Some(unit) = EpochUnit::of(number) {
                votes.0[unit as usize] += 1;
            }
        }
        Ok(votes)
    }

    pub(super) fn add(&mut self, other: Self) {
        for (sum, votes) in self.0.iter_mut().zip(other.0) {
            *sum += votes;
        }
    }

    pub(super) fn count(self) -> u64 {
        self.0.iter().sum()
    }

    /// The unit that most have.
    pub(super) fn winner(self) -> Option<EpochUnit> {
        let most = self.0.iter().max().filter(|most| **most > 0)?;
        EpochUnit::ALL
            .into_iter()
            .find(|unit| self.0[*unit as usize] == *most)
    }
}

/// Whether numbers are what a column holds, so that their unit must be known.
pub(super) fn are_numbers(found: &DataType) -> bool {
    match found {
        DataType::Dictionary(_, values) => are_numbers(values),
        _ => found.is_numeric(),
    }
}

/// Reads times from a column of timestamps, dates, numbers or text, or from one of dates and one of
/// times of day. NULL is what cannot be read.
///
/// # Errors
/// When a column is of no such type.
pub fn times(
    columns: &[ArrayRef],
    unit: Option<EpochUnit>,
) -> Result<TimestampMicrosecondArray, ArrowError> {
    match columns {
        [date, time] => date_and_time(date, time),
        [column] => single(column, unit),
        _ => Err(ArrowError::ComputeError(
            "a time is read from one column or two".into(),
        )),
    }
    .map(|times| times.with_timezone("UTC"))
}

fn single(
    column: &ArrayRef,
    unit: Option<EpochUnit>,
) -> Result<TimestampMicrosecondArray, ArrowError> {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    match column.data_type() {
        DataType::Dictionary(_, values) => single(&cast(column, values)?, unit),
        DataType::Timestamp(found, _) => {
            // The zone says how to show a time, not which it is.
            let plain = cast(column, &DataType::Int64)?;
            let plain = cast(&plain, &DataType::Timestamp(*found, None))?;
            Ok(cast(&plain, &micros)?.as_primitive().clone())
        }
        DataType::Date32 | DataType::Date64 => Ok(cast(column, &micros)?.as_primitive().clone()),
        found if found.is_integer() || matches!(found, DataType::Decimal128(_, 0)) => {
            let whole = cast(column, &DataType::Int64)?;
            Ok(match unit {
                Some(unit) => {
                    let times = cast(&whole, &DataType::Timestamp(unit.of_arrow(), None))?;
                    cast(&times, &micros)?.as_primitive().clone()
                }
                None => (whole.as_primitive::<Int64Type>().iter())
                    .map(|value| timestamp::epoch(value?))
                    .collect(),
            })
        }
        found if found.is_numeric() => Ok(numbers(column)?
            .iter()
            .map(|value| epoch_float(value?, unit))
            .collect()),
        _ => {
            let texts = texts(column)?;
            let read = |text: &str| match (unit, text.trim().parse::<f64>()) {
                (Some(unit), Ok(number)) => epoch_float(number, Some(unit)),
                _ => timestamp::read(text.trim_matches(['[', ']', '"'])),
            };
            Ok(texts.iter().map(|text| read(text?)).collect())
        }
    }
}

fn epoch_float(value: f64, unit: Option<EpochUnit>) -> Option<i64> {
    match unit {
        Some(unit) => {
            let micros = value * (1e6 / unit.per_second() as f64);
            // Beyond 2⁵³ a number is no whole microsecond any more, and no time either.
            (micros.abs() < 9e15).then(|| micros.round() as i64)
        }
        None => timestamp::epoch_float(value),
    }
}

fn date_and_time(
    date: &ArrayRef,
    time: &ArrayRef,
) -> Result<TimestampMicrosecondArray, ArrowError> {
    let days = single(date, None)?;
    let clocks = clocks(time)?;
    Ok(days
        .iter()
        .zip(clocks)
        .map(|(day, clock)| Some(day?.div_euclid(DAY) * DAY + clock?))
        .collect())
}

/// Microseconds since midnight, from a time of day or text of one.
fn clocks(column: &ArrayRef) -> Result<Vec<Option<i64>>, ArrowError> {
    let micros = DataType::Time64(TimeUnit::Microsecond);
    Ok(match column.data_type() {
        DataType::Time32(_) | DataType::Time64(_) => {
            let clocks = cast(&cast(column, &micros)?, &DataType::Int64)?;
            clocks.as_primitive::<Int64Type>().iter().collect()
        }
        DataType::Timestamp(..) => {
            let times = single(column, None)?;
            times
                .iter()
                .map(|time| Some(time?.rem_euclid(DAY)))
                .collect()
        }
        _ => texts(column)?.iter().map(|text| clock(text?)).collect(),
    })
}

/// Microseconds since midnight of `10:00:00`, `10:00:00.123` or a whole time of which that is a part.
fn clock(text: &str) -> Option<i64> {
    let text = text.trim();
    match timestamp::read(&format!("1970-01-01T{text}")) {
        Some(clock) => Some(clock),
        None => timestamp::read(text).map(|time| time.rem_euclid(DAY)),
    }
}

/// Whether most texts of a column are times of day, and so need a date.
///
/// # Errors
/// When the column is of no type that is read as text.
pub(super) fn are_clocks(column: &ArrayRef) -> Result<bool, ArrowError> {
    let texts = texts(column)?;
    let clocks = texts.iter().flatten();
    let clocks =
        clocks.filter(|text| timestamp::read(&format!("1970-01-01T{}", text.trim())).is_some());
    let present = texts.len() - texts.null_count();
    Ok(present > 0 && clocks.count() * 2 > present)
}

/// The times that are there.
pub(super) fn known(times: &TimestampMicrosecondArray) -> Vec<i64> {
    let times = times.iter().flatten();
    times
        .filter(|time| timestamp::is_plausible(*time))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{
        BinaryArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int64Array,
        NullArray, StringArray, Time32SecondArray, TimestampMillisecondArray,
        TimestampNanosecondArray,
    };
    use datafusion::arrow::datatypes::Int32Type;
    use proptest::prelude::*;

    use super::*;

    /// 2026-01-05T10:00:00Z.
    const NOON: i64 = 1_767_607_200_000_000;

    fn read(column: ArrayRef, unit: Option<EpochUnit>) -> Vec<Option<i64>> {
        times(&[column], unit).unwrap().iter().collect()
    }

    #[test]
    fn one_time_in_every_type_and_unit() {
        let number = |micros: i64, unit: EpochUnit| micros / 1_000_000 * unit.per_second();
        for unit in EpochUnit::ALL {
            let whole = number(NOON, unit);
            let columns: [ArrayRef; 4] = [
                Arc::new(Int64Array::from(vec![whole])),
                Arc::new(Float64Array::from(vec![whole as f64])),
                Arc::new(
                    Decimal128Array::from(vec![i128::from(whole)])
                        .with_precision_and_scale(38, 0)
                        .unwrap(),
                ),
                Arc::new(StringArray::from(vec![whole.to_string()])),
            ];
            for column in columns {
                let told = UnitVotes::of(&column).unwrap().winner();
                assert_eq!(told, Some(unit), "{column:?}");
                assert_eq!(read(Arc::clone(&column), told), [Some(NOON)], "{column:?}");
                assert_eq!(read(column, None), [Some(NOON)]);
            }
        }
        let text = "05/Jan/2026:10:00:00 +0000";
        let words: DictionaryArray<Int32Type> = [text].into_iter().collect();
        let columns: [ArrayRef; 6] = [
            Arc::new(
                TimestampMillisecondArray::from(vec![NOON / 1_000]).with_timezone("Asia/Tokyo"),
            ),
            Arc::new(TimestampNanosecondArray::from(vec![NOON * 1_000])),
            Arc::new(StringArray::from(vec!["2026-01-05 10:00:00"])),
            Arc::new(StringArray::from(vec!["[05/Jan/2026:11:00:00 +0100]"])),
            Arc::new(BinaryArray::from_vec(vec![text.as_bytes()])),
            Arc::new(words),
        ];
        for column in columns {
            assert_eq!(read(Arc::clone(&column), None), [Some(NOON)], "{column:?}");
        }
    }

    #[test]
    fn what_is_no_time_is_null() {
        let texts = StringArray::from(vec![Some("-"), Some(""), None, Some("soon")]);
        assert_eq!(read(Arc::new(texts), None), [None; 4]);
        assert_eq!(read(Arc::new(NullArray::new(2)), None), [None; 2]);
        let floats = Float64Array::from(vec![f64::NAN, f64::INFINITY, 1e300]);
        assert_eq!(read(Arc::new(floats), Some(EpochUnit::Seconds)), [None; 3]);
        let whole = Int64Array::from(vec![i64::MAX, i64::MIN]);
        assert_eq!(read(Arc::new(whole), Some(EpochUnit::Seconds)), [None; 2]);
    }

    #[test]
    fn dates_and_clocks_make_times() {
        let dates: [ArrayRef; 3] = [
            Arc::new(Date32Array::from(vec![20_458])),
            Arc::new(StringArray::from(vec!["2026-01-05"])),
            Arc::new(TimestampNanosecondArray::from(vec![20_458 * DAY * 1_000])),
        ];
        let clocks: [ArrayRef; 3] = [
            Arc::new(Time32SecondArray::from(vec![36_000])),
            Arc::new(StringArray::from(vec!["10:00:00"])),
            Arc::new(StringArray::from(vec!["10:00:00.000"])),
        ];
        for date in &dates {
            for clock in &clocks {
                let both = times(&[Arc::clone(date), Arc::clone(clock)], None).unwrap();
                assert_eq!(
                    both.iter().collect::<Vec<_>>(),
                    [Some(NOON)],
                    "{date:?} {clock:?}"
                );
            }
        }
        assert!(are_clocks(&clocks[1]).unwrap() && !are_clocks(&dates[1]).unwrap());
    }

    #[test]
    fn few_wrong_numbers_do_not_change_the_unit() {
        let numbers = vec![0, 1_767_607_200_000, 1_767_607_260_000, 1_767_607_200, -1];
        let column: ArrayRef = Arc::new(Int64Array::from(numbers));
        let votes = UnitVotes::of(&column).unwrap();
        assert_eq!(
            (votes.winner(), votes.count()),
            (Some(EpochUnit::Millis), 3)
        );
        assert_eq!(UnitVotes::default().winner(), None);
    }

    proptest! {
        #[test]
        fn a_plausible_time_has_one_unit(seconds in 631_152_000_i64..4_102_444_800) {
            for unit in EpochUnit::ALL {
                let number = seconds as f64 * unit.per_second() as f64;
                prop_assert_eq!(EpochUnit::of(number), Some(unit));
            }
        }
    }
}
