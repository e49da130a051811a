//! Windows that nothing is learned from: what is known not to be usual would pass for it.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion::error::Result;

use super::dataset::{Series, step_of};
use crate::calendar::EVERY_SITE;
use crate::calendar::labels::{self, Label, UNKNOWN_KIND};
use crate::schema::timestamp_type;
use crate::session::{Session, queries};

/// Times at which series are known not to have been as usual.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exclusions {
    ranges: Vec<Label>,
}

impl Exclusions {
    /// Incidents, labels and what was planned, as a warehouse has them.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn known(session: &Session) -> Result<Self> {
        let rows = queries::known_anomalies(session).await?;
        let mut ranges = Vec::new();
        for batch in rows.collect().await? {
            let sites = cast(batch.column(0), &DataType::Utf8)?;
            let sites = sites.as_string::<i32>();
            let times = |column: usize| cast(batch.column(column), &timestamp_type());
            let (starts, ends) = (times(1)?, times(2)?);
            let (starts, ends) = (
                starts.as_primitive::<TimestampMicrosecondType>(),
                ends.as_primitive::<TimestampMicrosecondType>(),
            );
            ranges.extend((0..batch.num_rows()).map(|row| Label {
                site: sites.value(row).to_owned(),
                start: starts.value(row),
                end: ends.value(row),
                kind: UNKNOWN_KIND.to_owned(),
            }));
        }
        Ok(Self { ranges })
    }

    /// The same without what begins at a time or later, in microseconds since the epoch.
    #[must_use]
    pub fn before(mut self, until: i64) -> Self {
        self.ranges.retain(|range| range.start < until);
        self
    }

    /// Makes the values of the windows that one of these covers a part of missing. Returns how many
    /// windows that are.
    pub fn apply(&self, series: &mut [Series]) -> usize {
        let Some(step) = step_of(series) else {
            return 0;
        };
        let mut windows = 0;
        for series in series {
            let of_site =
                |site: &str| labels::covered(&self.ranges, site, &series.window_start, step);
            let (own, all) = (of_site(&series.key), of_site(EVERY_SITE));
            let covered = own.iter().zip(&all).map(|(own, all)| *own || *all);
            for (row, _) in covered.enumerate().filter(|(_, covered)| *covered) {
                windows += 1;
                for values in &mut series.metrics {
                    values[row] = f64::NAN;
                }
            }
        }
        windows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn range(site: &str, from: i64, to: i64) -> Label {
        Label {
            site: site.to_owned(),
            start: from * MINUTE,
            end: to * MINUTE,
            kind: UNKNOWN_KIND.to_owned(),
        }
    }

    #[test]
    fn values_within_are_missing_and_others_stay() {
        let one = |key: &str| Series {
            key: key.to_owned(),
            window_start: (0..10).map(|row| row * MINUTE).collect(),
            metrics: vec![(0..10).map(f64::from).collect(); 2],
            ..Series::default()
        };
        let mut series = [one("a"), one("b")];
        let exclusions = Exclusions {
            ranges: vec![range("a", 2, 4), range(EVERY_SITE, 3, 5), range("a", 9, 12)],
        };
        assert_eq!(exclusions.clone().before(3 * MINUTE).ranges.len(), 1);
        assert_eq!(exclusions.apply(&mut series), 4 + 2);
        let missing = |series: &Series, metric: usize| -> Vec<usize> {
            let values = series.metrics[metric].iter().enumerate();
            values
                .filter(|(_, value)| value.is_nan())
                .map(|(row, _)| row)
                .collect()
        };
        assert_eq!(missing(&series[0], 0), [2, 3, 4, 9]);
        assert_eq!(missing(&series[0], 1), [2, 3, 4, 9]);
        assert_eq!(missing(&series[1], 0), [3, 4]);
    }
}
