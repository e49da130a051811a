//! Statements as users write them: planned, which shows that they only read, and their results as tables.

use datafusion::arrow::array::RecordBatch;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{DataFrame, SessionContext};
use datafusion::sql::parser::DFParser;
use futures::StreamExt;

use super::error::{Fault, Result};
use crate::cli::printer::Printer;

/// Rows that a table for people shows. Its widths are known only once all its rows are.
const TABLE_ROWS: usize = 10_000;

/// Plans every statement; `SET` takes effect for those after it and has no result.
pub(super) async fn plan(context: &SessionContext, text: &str) -> Result<Vec<DataFrame>> {
    let reads = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false);
    let mut results = Vec::new();
    for statement in DFParser::parse_sql(text)? {
        let written = statement.to_string();
        let plan = context.state().statement_to_plan(statement).await?;
        reads.verify_plan(&plan).map_err(|_| Fault::ReadOnly {
            statement: shorten(&written),
        })?;
        let has_result = !matches!(plan, LogicalPlan::Statement(_));
        let result = context.execute_logical_plan(plan).await?;
        if has_result {
            results.push(result);
        }
    }
    if results.is_empty() {
        return Err(Fault::EmptyQuery.into());
    }
    Ok(results)
}

/// The start of a statement, enough to find it by.
fn shorten(statement: &str) -> String {
    const LENGTH: usize = 60;
    match statement.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &statement[..end]),
        None => statement.to_owned(),
    }
}

pub(super) async fn print_table(printer: Printer, result: DataFrame) -> Result<()> {
    let (batches, is_complete) = collect(result, TABLE_ROWS).await?;
    printer.table(&batches)?;
    if !is_complete {
        printer.warning(format_args!(
            "only the first {TABLE_ROWS} rows are shown; `--format csv` and `-o FILE` write all"
        ));
    }
    Ok(())
}

/// Reads at most `limit` rows, and tells whether those are all. There is at least one batch, so
/// that the columns are known.
pub(super) async fn collect(result: DataFrame, limit: usize) -> Result<(Vec<RecordBatch>, bool)> {
    let mut stream = result.execute_stream().await?;
    let mut batches = vec![RecordBatch::new_empty(stream.schema())];
    let mut room = limit;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        if batch.num_rows() > room {
            batches.push(batch.slice(0, room));
            return Ok((batches, false));
        }
        room -= batch.num_rows();
        batches.push(batch);
    }
    Ok((batches, true))
}
