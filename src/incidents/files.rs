//! The rows of one date take the place of those before.

use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::RecordBatch;

use super::error::Result;
use crate::explain::cannot;
use crate::schema::Table;
use crate::warehouse::Warehouse;
use crate::warehouse::commit::{Change, Manifest, Partition};
use crate::warehouse::tables::{TableFileWriter, date_folder, partition_file};

/// Stages the rows of a date of `incidents` or `incident_causes`, and notes what they were made from.
/// A date without rows has no file.
///
/// # Errors
/// When a file cannot be written.
pub fn replace(
    warehouse: &Warehouse,
    change: &mut Change,
    manifest: &mut Manifest,
    table: Table,
    date: NaiveDate,
    rows: &RecordBatch,
    made: Partition,
) -> Result<()> {
    let destination = partition_file(&warehouse.table(table), date);
    if rows.num_rows() == 0 {
        if destination.exists() {
            change.delete(&destination)?;
        }
        manifest.set(table, date, made);
        return Ok(());
    }
    let folder = change.staging().join(table.name());
    let staged_folder = date_folder(&folder, date);
    std::fs::create_dir_all(&staged_folder).map_err(cannot("write", &staged_folder))?;
    let staged = partition_file(&folder, date);
    let mut file = TableFileWriter::create(&staged, Arc::clone(rows.schema_ref()))?;
    file.write(rows)?;
    file.finish()?;
    let bytes = Partition::by_hand(&staged)?.bytes;
    manifest.set(table, date, Partition { bytes, ..made });
    change.replace(&staged, &destination)?;
    Ok(())
}
