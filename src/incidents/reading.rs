//! Rows of incidents as columns.

use datafusion::arrow::array::{AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use datafusion::prelude::DataFrame;

use super::error::Result;
use crate::warehouse::tables::conform;

/// A column of text that no row lacks.
pub(super) fn text<'a>(rows: &'a RecordBatch, name: &str) -> &'a StringArray {
    let column = rows.column_by_name(name);
    column
        .expect("rows have the columns of their table")
        .as_string()
}

/// A column of times, in microseconds since the epoch.
pub(super) fn times(incidents: &RecordBatch, name: &str) -> Vec<i64> {
    let column = incidents.column_by_name(name);
    let times = column.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    times.map_or_else(Vec::new, |times| times.values().to_vec())
}

/// All rows of a query in the exact types of a table.
pub(super) async fn collect(frame: DataFrame, schema: &SchemaRef) -> Result<RecordBatch> {
    let batches = frame.collect().await?;
    let rows = batches.iter().map(|batch| conform(batch, schema));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    Ok(concat_batches(schema, &rows)?)
}
