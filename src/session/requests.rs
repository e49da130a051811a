//! Requests with the series that each belongs to.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNode;
use datafusion::datasource::listing::{ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::Result as QueryResult;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::prelude::{DataFrame, Expr, cast, col, ident, lit};

use super::files::{file_url, listing_options};
use super::names::{INGESTED_LOGS, LINKED_LOGS};
use super::site_groups::SiteGroups;
use super::{Error, Result, Session};
use crate::schema::{ACCESS_LOGS, ACCESS_LOGS_READ, DATE_PARTITION, Table};
use crate::units::Span;
use crate::warehouse::settings::SeriesKey;

impl Session {
    /// Returns `access_logs` with the `series` of each request, of all dates or of some: the table
    /// `series_requests` of the queries.
    ///
    /// # Errors
    /// When the key is not an expression over one request that gives text.
    pub async fn series_requests(
        &self,
        key: &SeriesKey,
        dates: Option<&RangeInclusive<NaiveDate>>,
    ) -> Result<DataFrame> {
        let requests = self.requests_of(dates).await?;
        self.keyed(key, requests)
    }

    /// Returns the same over some files of `access_logs`, besides linked sources: what a query reads
    /// and plans does not grow with the number of logs.
    ///
    /// # Errors
    /// When the key is not an expression over one request that gives text, or a file is gone.
    pub async fn series_requests_in(
        &self,
        key: &SeriesKey,
        files: &BTreeSet<PathBuf>,
    ) -> Result<DataFrame> {
        let requests = self.requests_in(files, None).await?;
        self.keyed(key, requests)
    }

    /// Requests of some files, and of linked sources what is of some dates.
    pub(super) async fn requests_in(
        &self,
        files: &BTreeSet<PathBuf>,
        dates: Option<&RangeInclusive<NaiveDate>>,
    ) -> QueryResult<DataFrame> {
        let requests = self.linked_requests_of(dates).await?;
        if files.is_empty() {
            return Ok(requests);
        }
        let url = |file: &PathBuf| ListingTableUrl::parse(file_url(&std::path::absolute(file)?));
        let urls = files.iter().map(url).collect::<QueryResult<_>>()?;
        let config = ListingTableConfig::new_with_multi_paths(urls)
            .with_listing_options(listing_options())
            .with_schema(Arc::clone(&ACCESS_LOGS_READ));
        let table = Arc::new(ListingTable::try_new(config)?);
        let date = cast(col("timestamp"), DataType::Date32);
        let ingested = self.context.read_table(table)?;
        let ingested = ingested.with_column(DATE_PARTITION, date)?;
        ingested.select(request_columns())?.union(requests)
    }

    /// The rows of `access_logs` of all dates or some: folders of ingested logs, and of linked ones what
    /// is of the time.
    async fn requests_of(
        &self,
        dates: Option<&RangeInclusive<NaiveDate>>,
    ) -> QueryResult<DataFrame> {
        let files = self.context.table_provider(INGESTED_LOGS).await?;
        let mut ingested = self.context.read_table(Arc::new(SiteGroups::new(files)))?;
        if let Some(dates) = dates {
            ingested = ingested.filter(is_of(dates))?;
        }
        let mut requests = ingested.select(request_columns())?;
        if !self.linked.is_empty() {
            requests = requests.union(self.linked_requests_of(dates).await?)?;
        }
        // Messages about a key name the table.
        requests.alias(Table::AccessLogs.name())
    }

    async fn linked_requests_of(
        &self,
        dates: Option<&RangeInclusive<NaiveDate>>,
    ) -> QueryResult<DataFrame> {
        let mut linked = self.context.table(LINKED_LOGS).await?;
        if let Some(dates) = dates {
            let time = |days: i64| {
                let micros = Some(days * Span::DAY.micros());
                lit(ScalarValue::TimestampMicrosecond(
                    micros,
                    Some("UTC".into()),
                ))
            };
            let (first, last) = (days_to(*dates.start()), days_to(*dates.end()));
            let timestamp = || col("timestamp");
            linked = linked
                .filter((timestamp().gt_eq(time(first))).and(timestamp().lt(time(last + 1))))?;
        }
        linked.select(request_columns())
    }

    /// Requests with their series; a message about the key names it.
    ///
    /// # Errors
    /// When the key is not an expression over one request that gives text.
    pub fn keyed(&self, key: &SeriesKey, requests: DataFrame) -> Result<DataFrame> {
        self.with_series(key, requests)
            .map_err(|source| Error::SeriesKey {
                expression: key.to_string(),
                message: source.into(),
            })
    }

    fn with_series(&self, key: &SeriesKey, requests: DataFrame) -> QueryResult<DataFrame> {
        let expression = self
            .context
            .parse_sql_expr(key.as_sql(), requests.schema())?;
        require_row_expression(&expression)?;
        // A request whose key is NULL must not vanish from the counts.
        // As a view, which a site is already: a cast would hide that the logs are in its order.
        let series = coalesce(vec![
            cast(expression, DataType::Utf8View),
            lit(ScalarValue::Utf8View(Some(String::new()))),
        ])
        .alias("series");
        let mut columns: Vec<Expr> = requests
            .schema()
            .fields()
            .iter()
            .map(|field| ident(field.name()))
            .collect();
        columns.push(series);
        let frame = requests.select(columns)?;
        // Types are checked by the analyzer; here the message can still name the key.
        self.context.state().optimize(frame.logical_plan())?;
        Ok(frame)
    }
}

/// Whether a row of ingested logs is of some dates.
pub(super) fn is_of(dates: &RangeInclusive<NaiveDate>) -> Expr {
    let date = |date| lit(ScalarValue::Date32(i32::try_from(days_to(date)).ok()));
    col(DATE_PARTITION).between(date(*dates.start()), date(*dates.end()))
}

/// The days from the Unix epoch to a date.
fn days_to(date: NaiveDate) -> i64 {
    date.signed_duration_since(NaiveDate::default()).num_days()
}

/// The columns of `access_logs`.
fn request_columns() -> Vec<Expr> {
    let columns = ACCESS_LOGS.fields().iter();
    let columns = columns.map(|field| field.name().as_str());
    columns.chain([DATE_PARTITION]).map(ident).collect()
}

/// Refuses a series key that is not a function of one request alone.
fn require_row_expression(expression: &Expr) -> QueryResult<()> {
    let beyond_row = expression.exists(|node| {
        Ok(matches!(
            node,
            Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
                | Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
        ))
    })?;
    if beyond_row || expression.is_volatile() {
        return datafusion::common::plan_err!(
            "expected an expression over the columns of one request"
        );
    }
    Ok(())
}
