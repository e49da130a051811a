//! Parquet logs that are read where they lie: their columns as those of `access_logs`.

use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{DataType, Date32Type, Field, Schema};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::datasource::listing::{ListingTable, ListingTableConfig};
use datafusion::error::Result;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::prelude::{DataFrame, Expr, cast, col, ident, lit, when};

use super::Session;
use super::files::{listing_options, parquet_url};
use super::names::LINKED_LOGS;
use crate::logs::LogColumn;
use crate::logs::linked::LinkedSource;
use crate::schema::{ACCESS_LOGS, DATE_PARTITION};

impl Session {
    /// Each linked source and each date that it has requests of, in order.
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
            let sources = datafusion::arrow::compute::cast(batch.column(0), &DataType::Utf8)?;
            let days = batch.column(1).as_primitive::<Date32Type>();
            for (row, source) in sources.as_string::<i32>().iter().enumerate() {
                let date = Date32Type::to_naive_date_opt(days.value(row));
                found.extend(source.map(str::to_owned).zip(date));
            }
        }
        Ok(found)
    }

    pub(super) async fn register_linked_logs(&self) -> super::Result<()> {
        let mut linked: Option<DataFrame> = None;
        for source in LinkedSource::load_all(&self.warehouse)? {
            let requests = self.linked_requests(&source).await?;
            linked = Some(match linked {
                Some(others) => others.union(requests)?,
                None => requests,
            });
        }
        let linked = match linked {
            Some(linked) => linked,
            None => self.empty_frame(&linked_schema())?,
        };
        self.context
            .register_table(LINKED_LOGS, linked.into_view())?;
        Ok(())
    }

    /// The requests of one linked source, in the columns of [`linked_schema`].
    ///
    /// Rows without a timestamp or status are no requests and are left out.
    async fn linked_requests(&self, source: &LinkedSource) -> Result<DataFrame> {
        let (url, extension) = parquet_url(&source.path)?;
        let config = ListingTableConfig::new(url)
            .with_listing_options(listing_options().with_file_extension(extension))
            .infer_schema(&self.context.state())
            .await?;
        let table = self
            .context
            .read_table(Arc::new(ListingTable::try_new(config)?))?;
        let mut columns = Vec::new();
        for field in ACCESS_LOGS.fields() {
            columns.push(linked_column(source, field, table.schema())?.alias(field.name()));
        }
        let columns_and_date = {
            let date = cast(col("timestamp"), DataType::Date32).alias(DATE_PARTITION);
            let names = ACCESS_LOGS.fields().iter().map(|field| ident(field.name()));
            names
                .chain([date, lit(source.name()).alias("source")])
                .collect::<Vec<_>>()
        };
        table
            .select(columns)?
            .filter(
                col("timestamp")
                    .is_not_null()
                    .and(col("status").is_not_null()),
            )?
            .select(columns_and_date)
    }

    /// A relation without rows, which the optimizer drops from unions.
    fn empty_frame(&self, schema: &Schema) -> Result<DataFrame> {
        let schema = Arc::new(DFSchema::try_from(schema.clone())?);
        let plan = LogicalPlan::EmptyRelation(EmptyRelation {
            produce_one_row: false,
            schema,
        });
        Ok(DataFrame::new(self.context.state(), plan))
    }
}

/// The columns of `linked_logs`.
fn linked_schema() -> Schema {
    let fields = ACCESS_LOGS
        .fields()
        .iter()
        .map(|field| field.as_ref().clone());
    let added = [
        Field::new(DATE_PARTITION, DataType::Date32, false),
        Field::new("source", DataType::Utf8, false),
    ];
    Schema::new(fields.chain(added).collect::<Vec<_>>())
}

/// Reads one column of `access_logs` from a linked source.
fn linked_column(source: &LinkedSource, field: &Field, found: &DFSchema) -> Result<Expr> {
    let theirs = |ours: LogColumn| source.columns.get(&ours).map(ident);
    let name = field.name().as_str();
    let value = match name {
        "timestamp" => theirs(LogColumn::Timestamp)
            .map(|column| timestamp(column, found))
            .transpose()?,
        "site" => theirs(LogColumn::Site).or_else(|| source.site.as_deref().map(lit)),
        "latency_ms" => theirs(LogColumn::LatencyMs)
            .or_else(|| theirs(LogColumn::LatencyS).map(|seconds| as_double(seconds) * lit(1e3)))
            .or_else(|| theirs(LogColumn::LatencyUs).map(|micros| as_double(micros) / lit(1e3))),
        _ => name.parse().ok().and_then(theirs),
    };
    let is_text = field.data_type() == &DataType::Utf8;
    let absent = if is_text && !field.is_nullable() {
        lit("")
    } else {
        lit(ScalarValue::Null)
    };
    let value = cast(
        value.unwrap_or_else(|| absent.clone()),
        field.data_type().clone(),
    );
    Ok(if is_text && !field.is_nullable() {
        coalesce(vec![value, absent])
    } else {
        value
    })
}

fn as_double(column: Expr) -> Expr {
    cast(column, DataType::Float64)
}

/// A point in time from a timestamp, RFC 3339 text, or a number since 1970.
///
/// The unit of a number is told by its size: from 1973 to the year 5138, seconds, milliseconds,
/// microseconds and nanoseconds since 1970 do not overlap.
fn timestamp(column: Expr, found: &DFSchema) -> Result<Expr> {
    use datafusion::logical_expr::ExprSchemable;

    let data_type = column.get_type(found)?;
    if !data_type.is_numeric() {
        return Ok(column);
    }
    if data_type.is_floating() {
        // Fractions of seconds; coarser than a microsecond anyway.
        return Ok(cast(column * lit(1e6), DataType::Int64));
    }
    let number = cast(column, DataType::Int64);
    when(
        number.clone().lt(lit(100_000_000_000_i64)),
        number.clone() * lit(1_000_000_i64),
    )
    .when(
        number.clone().lt(lit(100_000_000_000_000_i64)),
        number.clone() * lit(1_000_i64),
    )
    .when(
        number.clone().lt(lit(100_000_000_000_000_000_i64)),
        number.clone(),
    )
    .otherwise(number / lit(1_000_i64))
}
