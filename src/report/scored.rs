//! The scored windows of a warehouse, of which only the dates in question are read.

use std::collections::BTreeSet;
use std::ops::Range;

use chrono::NaiveDate;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::prelude::DataFrame;

use super::error::{Error, Result};
use crate::schema::Table;
use crate::session::Session;
use crate::units::micros_of;
use crate::warehouse::tables::{self, partition_file};

/// Which dates were scored.
#[derive(Debug)]
pub(super) struct ScoredDates<'a> {
    session: &'a Session,
    dates: BTreeSet<NaiveDate>,
    schema: SchemaRef,
}

impl<'a> ScoredDates<'a> {
    /// Looks which dates there are.
    ///
    /// # Errors
    /// When there are none, or they cannot be read.
    pub(super) async fn of(session: &'a Session) -> Result<Self> {
        let folder = session.warehouse().table(Table::ScoredWindows);
        let mut dates: BTreeSet<NaiveDate> = tables::dates(&folder)?.into_iter().collect();
        dates.retain(|date| partition_file(&folder, *date).exists());
        let schema = match dates.last() {
            Some(last) => session.scored_windows_schema(*last).await?,
            // The query says which command is to be run first.
            None => {
                let table = session.context().table(Table::ScoredWindows.name()).await?;
                SchemaRef::clone(table.schema().inner())
            }
        };
        Ok(Self {
            session,
            dates,
            schema,
        })
    }

    /// From the first moment to after the last, microseconds since the epoch.
    pub(super) fn range(&self) -> Range<i64> {
        let (first, last) = (self.dates.first(), self.dates.last());
        let whole = first.zip(last);
        whole.map_or(0..0, |(first, last)| {
            micros_of(*first).start..micros_of(*last).end
        })
    }

    /// The windows of the dates that some ranges touch.
    pub(super) fn windows(&self, ranges: &[Range<i64>]) -> Result<DataFrame> {
        let touched = self.dates.iter().copied().filter(|date| {
            let date = micros_of(*date);
            let mut ranges = ranges.iter();
            ranges.any(|range| date.start < range.end && date.end > range.start)
        });
        let windows = self.session.scored_windows_of(&self.schema, touched);
        windows.map_err(Error::from)
    }
}
