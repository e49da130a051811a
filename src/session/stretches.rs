//! Rows of some series and stretches of time. A query that joins its tables with what it asks for finds
//! the same, but only after all of them have been read.

use std::collections::BTreeSet;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::prelude::{DataFrame, Expr, col, lit};

/// So many stretches are told apart; where there are more, the shortest gaps between them are read as well.
const MOST_STRETCHES: usize = 32;

/// Stretches of time, each from its first microsecond to the one after its last: in order, and apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretches(Vec<(i64, i64)>);

impl Stretches {
    /// Those of the columns `range_start` and `range_end`.
    pub(super) async fn of(ranges: &DataFrame) -> Result<Self> {
        let ranges = ranges.clone();
        let ranges = ranges.select_columns(&["range_start", "range_end"])?;
        let mut all = Vec::new();
        for batch in ranges.collect().await? {
            let [starts, ends] = [0, 1].map(|column| {
                let times = batch.column(column);
                times.as_primitive::<TimestampMicrosecondType>().clone()
            });
            all.extend((0..starts.len()).map(|row| (starts.value(row), ends.value(row))));
        }
        Ok(Self::joined(all))
    }

    fn joined(mut stretches: Vec<(i64, i64)>) -> Self {
        stretches.sort_unstable();
        let mut apart: Vec<(i64, i64)> = Vec::new();
        for (start, end) in stretches {
            match apart.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => apart.push((start, end)),
            }
        }
        let mut gaps: Vec<i64> = apart.windows(2).map(|two| two[1].0 - two[0].1).collect();
        gaps.sort_unstable();
        if let Some(longest_joined) = gaps.len().checked_sub(MOST_STRETCHES) {
            let joined = gaps[longest_joined];
            apart.dedup_by(|next, last| {
                let is_near = next.0 - last.1 <= joined;
                if is_near {
                    last.1 = next.1;
                }
                is_near
            });
        }
        Self(apart)
    }

    /// Rows whose time lies in one of them.
    pub(super) fn have(&self, time: &str) -> Expr {
        let moment = |micros| {
            lit(ScalarValue::TimestampMicrosecond(
                Some(micros),
                Some("UTC".into()),
            ))
        };
        let stretches = self.0.iter().map(|(start, end)| {
            let (start, end) = (moment(*start), moment(*end));
            col(time).gt_eq(start).and(col(time).lt(end))
        });
        stretches.reduce(Expr::or).unwrap_or_else(|| lit(false))
    }
}

/// Rows whose column has one of the texts of a column of others.
pub(super) fn is_one_of(column: &str, others: &RecordBatch, theirs: &str) -> Result<Expr> {
    let texts = others.column_by_name(theirs).expect("others have it");
    let texts = cast(texts, &DataType::Utf8View)?;
    let texts: BTreeSet<&str> = texts.as_string_view().iter().flatten().collect();
    let text = |text: &str| lit(ScalarValue::Utf8View(Some(text.to_owned())));
    Ok(col(column).in_list(texts.into_iter().map(text).collect(), false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_that_meet_are_one() {
        let joined = Stretches::joined(vec![(5, 7), (0, 3), (2, 4), (4, 5), (9, 10), (6, 6)]);
        assert_eq!(joined, Stretches(vec![(0, 7), (9, 10)]));
        assert_eq!(Stretches::joined(Vec::new()), Stretches(Vec::new()));
    }

    #[test]
    fn of_too_many_the_shortest_gaps_go() {
        let many = (0..1000).map(|n| (n * 100 + n % 7, n * 100 + 50)).collect();
        let Stretches(joined) = Stretches::joined(many);
        assert!(joined.len() <= MOST_STRETCHES, "{}", joined.len());
        assert_eq!((joined[0].0, joined.last().unwrap().1), (0, 99_950));
        assert!(joined.windows(2).all(|two| two[0].1 < two[1].0));
        let few: Vec<_> = (0..MOST_STRETCHES as i64)
            .map(|n| (n * 10, n * 10 + 9))
            .collect();
        assert_eq!(Stretches::joined(few.clone()), Stretches(few));
    }
}
