//! How the files of an export are written.

use std::fs::{self, File};
use std::path::Path;

use chrono::NaiveDate;

use super::documents::{self, Layout};
use super::error::Result;
use super::format::{ExportFormat, FormatWriter};
use super::star::StarTable;
use crate::explain::cannot;
use crate::session::results::Cells;
use crate::warehouse::Warehouse;

/// How folders of unfinished exports begin.
pub(super) const STAGING: &str = ".anomalog-export-";

/// Writes the rows of some dates to one file; returns how many there are.
pub(super) fn write_table(
    warehouse: &Warehouse,
    table: StarTable,
    dates: &[NaiveDate],
    path: &Path,
    (format, cells): (ExportFormat, Cells),
) -> Result<usize> {
    let schema = table.schema();
    let rows = table.rows(warehouse, dates)?;
    let mut file = FormatWriter::create(path, (format, cells), table, &schema)?;
    rows.each(&schema, |batch| file.write(batch))?;
    file.finish()
}

/// What lies beside the tables.
pub(super) fn beside(layout: Layout, format: ExportFormat) -> Vec<(&'static str, String)> {
    let views = documents::star_sql(layout, format).map(|views| ("star.sql", views));
    let mut texts = vec![
        ("README.md", documents::readme(layout, format)),
        ("columns.csv", documents::columns_csv()),
    ];
    texts.extend(views);
    texts
}

pub(super) fn write_text(path: &Path, text: &str) -> Result<()> {
    let write = || {
        fs::write(path, text)?;
        File::open(path)?.sync_all()
    };
    Ok(write().map_err(cannot("write", path))?)
}
