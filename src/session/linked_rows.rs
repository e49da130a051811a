//! What became of the rows of linked files.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::NaiveDate;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{DataType, Date32Type, Int64Type};
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::prelude::{cast, col, lit};

use super::Session;
use super::linked::{REASON, fates, rows_of};
use super::names::LINKED_LOGS;
use crate::logs::linked::LinkedFile;
use crate::schema::DATE_PARTITION;

/// Rows of a file by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileRows {
    /// All of them.
    pub rows: u64,
    /// Those that are no requests, by the reason.
    pub set_aside: BTreeMap<String, u64>,
}

impl FileRows {
    /// Adds the rows of another file.
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        for (reason, rows) in &other.set_aside {
            *self.set_aside.entry(reason.clone()).or_default() += rows;
        }
    }

    /// Whether there are rows, and none is a request.
    #[must_use]
    pub fn are_no_requests(&self) -> bool {
        self.rows > 0 && self.rows == self.set_aside.values().sum::<u64>()
    }

    /// How many rows are set aside, and why; nothing if none are.
    #[must_use]
    pub fn reasons(&self) -> Option<String> {
        let count = self.set_aside.values().sum::<u64>();
        if count == 0 {
            return None;
        }
        let mut text = format!("{count} of {} rows are set aside", self.rows);
        for (place, (reason, rows)) in self.set_aside.iter().enumerate() {
            let _ = write!(
                text,
                "{} {rows} × {reason}",
                if place == 0 { ":" } else { ";" }
            );
        }
        Some(text)
    }

    /// The same of a file.
    #[must_use]
    pub fn said_of(&self, file: &str) -> Option<String> {
        let reasons = self.reasons()?;
        Some(format!("`{file}`: {reasons} (see the table `quarantine`)"))
    }
}

impl Session {
    /// Each file of linked sources and each date that it has requests of, in order.
    ///
    /// # Errors
    /// When a source cannot be read.
    pub async fn linked_dates(&self) -> Result<Vec<(String, NaiveDate)>> {
        let rows = self.context.table(LINKED_LOGS).await?;
        let rows = rows
            .select(vec![
                cast(col("source"), DataType::Utf8).alias("source"),
                col(DATE_PARTITION),
            ])?
            .distinct()?
            .sort_by(vec![col("source"), col(DATE_PARTITION)])?;
        let mut found = Vec::new();
        for batch in rows.collect().await? {
            let sources = compute::cast(batch.column(0), &DataType::Utf8)?;
            let days = batch.column(1).as_primitive::<Date32Type>();
            for (row, source) in sources.as_string::<i32>().iter().enumerate() {
                let date = Date32Type::to_naive_date_opt(days.value(row));
                found.extend(source.map(str::to_owned).zip(date));
            }
        }
        Ok(found)
    }

    /// What became of the rows of some linked files, by the names of the files. They need not be those
    /// that the session reads.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub async fn linked_rows(&self, files: &[&LinkedFile]) -> Result<BTreeMap<String, FileRows>> {
        let mut found: BTreeMap<String, FileRows> = BTreeMap::new();
        if files.is_empty() {
            return Ok(found);
        }
        let rows = fates(rows_of(&self.context, files.iter().copied())?)?.aggregate(
            vec![col("source"), col(REASON)],
            vec![count(lit(1)).alias("rows")],
        )?;
        for batch in rows.collect().await? {
            let text = |column: usize| compute::cast(batch.column(column), &DataType::Utf8);
            let (sources, reasons) = (text(0)?, text(1)?);
            let counts = batch.column(2).as_primitive::<Int64Type>();
            let sources = sources.as_string::<i32>().iter();
            let reasons = reasons.as_string::<i32>().iter();
            for ((source, reason), rows) in sources.zip(reasons).zip(counts.values()) {
                let rows = u64::try_from(*rows).unwrap_or_default();
                let file = found
                    .entry(source.unwrap_or_default().to_owned())
                    .or_default();
                file.rows += rows;
                if let Some(reason) = reason {
                    *file.set_aside.entry(reason.to_owned()).or_default() += rows;
                }
            }
        }
        Ok(found)
    }
}
