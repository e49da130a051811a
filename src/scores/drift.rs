//! Whether the last date that was scored is what detectors and readers expect: columns of `runs`, and
//! warnings beyond some limits.

use std::sync::Arc;

use chrono::{Days, NaiveDate};
use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::{cast, concat_batches};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use serde::Serialize;

use crate::schema::Table;
use crate::session::Result;
use crate::session::Session;
use crate::session::queries;
use crate::warehouse::commit::PartitionDate;
use crate::warehouse::tables::partition_file;

/// The windows of a week before.
const EARLIER: &str = "windows_a_week_before";

/// More windows than this with a score of at least 0.9, of which there should be a tenth, and the
/// detector no longer knows what is usual.
const MOST_UNUSUAL: f64 = 0.2;
/// Fewer than this, and its scores say little.
const LEAST_UNUSUAL: f64 = 0.02;
/// More windows than this without logs, and what is missing is no exception.
const MOST_MISSING: f64 = 0.1;
/// Requests, as a multiple of those of a week before.
const USUAL_VOLUME: std::ops::RangeInclusive<f64> = 0.5..=2.0;

/// How far a date is from what is expected.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Drift {
    /// The date.
    pub date: PartitionDate,
    /// Share of windows with a score that have one of at least 0.9; a tenth if scores are calibrated.
    /// `None` where no window has a score.
    pub unusual_share: Option<f64>,
    /// Share of windows that no log covers.
    pub missing_share: Option<f64>,
    /// Requests as a multiple of those of a week before, in windows that were observed both times.
    /// `None` where there are none.
    pub volume_ratio: Option<f64>,
}

impl Drift {
    /// Looks at a date of `scored_windows`; `None` if it has no rows.
    ///
    /// What it reads are tables of the session: one call at a time may use a session.
    pub(crate) async fn of(session: &Session, date: NaiveDate) -> Result<Option<Self>> {
        let file = |table, date| partition_file(&session.warehouse().table(table), date);
        if !file(Table::ScoredWindows, date).exists() {
            return Ok(None);
        }
        let schema = session.scored_windows_schema(date).await?;
        session.register_scored_windows_of(&schema, [date])?;
        let earlier = date.checked_sub_days(Days::new(7));
        let earlier = earlier.filter(|date| file(Table::TrafficWindows, *date).exists());
        session.register_dates(EARLIER, Table::TrafficWindows, earlier)?;
        let day = crate::units::micros_of(date);
        let rows = queries::drift(session.context(), &day).await?;
        let schema = Arc::new(rows.schema().as_arrow().clone());
        let row = concat_batches(&schema, &rows.collect().await?)?;
        let number = |name: &str| -> Result<Option<f64>> {
            let Some(column) = row.column_by_name(name) else {
                return Ok(None);
            };
            let column = cast(column, &DataType::Float64)?;
            let numbers = column.as_primitive::<Float64Type>();
            Ok((!numbers.is_empty() && numbers.is_valid(0)).then(|| numbers.value(0)))
        };
        Ok(Some(Self {
            date: PartitionDate(date),
            unusual_share: number("unusual_share")?,
            missing_share: number("missing_share")?,
            volume_ratio: number("volume_ratio")?,
        }))
    }

    /// What is beyond the limits, in words.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let date = self.date.0;
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        let mut warnings = Vec::new();
        if let Some(share) = self.unusual_share.filter(|share| *share > MOST_UNUSUAL) {
            warnings.push(format!(
                "{date}: {} of the windows have a score of at least 0.9, where 10 % are expected: what is \
                 usual has changed, or is not known yet",
                percent(share)
            ));
        }
        if let Some(share) = self.unusual_share.filter(|share| *share < LEAST_UNUSUAL) {
            warnings.push(format!(
                "{date}: only {} of the windows have a score of at least 0.9, where 10 % are expected: \
                 the detector may be too lenient",
                percent(share)
            ));
        }
        if let Some(share) = self.missing_share.filter(|share| *share > MOST_MISSING) {
            warnings.push(format!(
                "{date}: no log covers {} of the windows",
                percent(share)
            ));
        }
        if let Some(ratio) = self
            .volume_ratio
            .filter(|ratio| !USUAL_VOLUME.contains(ratio))
        {
            warnings.push(format!(
                "{date}: {ratio:.2} times as many requests as a week before"
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_beyond_the_limits_is_told() {
        let usual = Drift {
            date: PartitionDate(NaiveDate::from_ymd_opt(2026, 3, 8).unwrap()),
            unusual_share: Some(0.11),
            missing_share: Some(0.0),
            volume_ratio: Some(0.9),
        };
        assert!(usual.warnings().is_empty());
        let unknown = Drift {
            unusual_share: None,
            missing_share: None,
            volume_ratio: None,
            ..usual
        };
        assert!(unknown.warnings().is_empty());
        let strange = Drift {
            unusual_share: Some(0.31),
            missing_share: Some(0.25),
            volume_ratio: Some(0.2),
            ..usual
        };
        insta::assert_snapshot!(strange.warnings().join("\n"), @"
        2026-03-08: 31 % of the windows have a score of at least 0.9, where 10 % are expected: what is usual has changed, or is not known yet
        2026-03-08: no log covers 25 % of the windows
        2026-03-08: 0.20 times as many requests as a week before
        ");
        let lenient = Drift {
            unusual_share: Some(0.01),
            ..usual
        };
        assert_eq!(lenient.warnings().len(), 1);
    }
}
