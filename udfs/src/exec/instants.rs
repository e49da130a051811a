//! Whether two expressions are the same instants, be it in different time zones.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema, TimeUnit};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;

use super::operator::AnomalyScoreExec;
use super::passing::passes_rows_on;

/// Whether an expression over the rows of a plan has the instants of one of their columns.
pub(super) fn are_those_of(
    plan: &Arc<dyn ExecutionPlan>,
    times: &Arc<dyn PhysicalExpr>,
    column: usize,
) -> bool {
    let Some(times) = column_of(times, &plan.schema()) else {
        return false;
    };
    times == column || origin(plan, times) == origin(plan, column)
}

/// Where a column of a plan comes from, as far as rows are only passed on: how many nodes below,
/// and which column there. A query that names `window_start AT TIME ZONE 'Europe/Berlin'` several
/// times has it computed in a projection below, or while files are read.
fn origin(plan: &Arc<dyn ExecutionPlan>, column: usize) -> (usize, usize) {
    let (mut plan, mut column, mut depth) = (plan, column, 0);
    loop {
        let [input] = plan.children()[..] else {
            return match column_of_file(plan, column) {
                Some(column) => (depth + 1, column),
                None => (depth, column),
            };
        };
        let below = match plan.downcast_ref::<ProjectionExec>() {
            Some(projection) => column_of(&projection.expr()[column].expr, &input.schema()),
            // The scores of an operator come behind the columns of its input.
            None if plan.is::<AnomalyScoreExec>() => {
                (column < input.schema().fields().len()).then_some(column)
            }
            None => passes_rows_on(plan).then_some(column),
        };
        let Some(below) = below else {
            return (depth, column);
        };
        (plan, column, depth) = (input, below, depth + 1);
    }
}

/// The column of files whose instants a column of a scan has.
fn column_of_file(plan: &Arc<dyn ExecutionPlan>, column: usize) -> Option<usize> {
    let scan = plan.downcast_ref::<DataSourceExec>()?.data_source();
    let source = scan.downcast_ref::<FileScanConfig>()?.file_source();
    let projected = source.projection()?.as_ref().get(column)?;
    column_of(&projected.expr, source.table_schema().table_schema())
}

/// The column whose instants an expression has.
fn column_of(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<usize> {
    if let Some(column) = expr.downcast_ref::<Column>() {
        return Some(column.index());
    }
    let cast = expr.downcast_ref::<CastExpr>()?;
    let of = column_of(cast.expr(), schema)?;
    // A time without a zone is one of another instant in each, and seconds are rounded.
    let keeps_instants = matches!(
        (schema.field(of).data_type(), cast.cast_type()),
        (
            DataType::Timestamp(_, Some(_)),
            DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, Some(_)),
        )
    );
    keeps_instants.then_some(of)
}
