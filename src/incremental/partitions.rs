//! What the partitions of a table are, as far as those after them are concerned.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::explain::cannot;
use crate::schema::Table;
use crate::warehouse::Result;
use crate::warehouse::Warehouse;
use crate::warehouse::commit::{Manifest, Partition};
use crate::warehouse::tables::{self, partition_file};

/// Whether the file of a partition is the one that the manifest means, or there is none if it means
/// none.
pub(crate) fn is_there(
    warehouse: &Warehouse,
    table: Table,
    date: NaiveDate,
    partition: &Partition,
) -> bool {
    let file = partition_file(&warehouse.table(table), date);
    match file.metadata() {
        Ok(metadata) => metadata.len() == partition.bytes,
        Err(_) => partition.is_empty(),
    }
}

/// What a date of a table was made from; of one made by hand, what it is. `None` if it has no rows.
pub(crate) fn identity(
    warehouse: &Warehouse,
    manifest: &Manifest,
    table: Table,
    date: NaiveDate,
) -> Result<Option<String>> {
    let made_from = manifest
        .partition(table, date)
        .filter(|found| is_there(warehouse, table, date, found))
        .and_then(|found| found.key.clone());
    if made_from.is_some() {
        return Ok(made_from);
    }
    let file = partition_file(&warehouse.table(table), date);
    if !file.exists() {
        return Ok(None);
    }
    let digest = crate::logs::digest(&file).map_err(cannot("read", &file))?;
    Ok(Some(digest))
}

/// What each date of a table was made from.
pub(crate) fn made_from(
    warehouse: &Warehouse,
    manifest: &Manifest,
    table: Table,
) -> Result<BTreeMap<NaiveDate, String>> {
    let mut keys = BTreeMap::new();
    for date in tables::dates(&warehouse.table(table))? {
        if let Some(key) = identity(warehouse, manifest, table, date)? {
            keys.insert(date, key);
        }
    }
    Ok(keys)
}
