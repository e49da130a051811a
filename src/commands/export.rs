//! `anomalog export`: writes the tables for BI tools to one folder.

use super::error::Result;
use super::settings::Settings;
use crate::cli::ExportArgs;
use crate::export::{self, Export, write_folder};
use crate::units::date_limits;

/// Runs `anomalog export`.
///
/// # Errors
/// When there is no warehouse, the folder may not be written, or a table cannot be read.
pub async fn run(settings: &Settings, args: &ExportArgs) -> Result<()> {
    if !settings.warehouse.root().is_dir() {
        let warehouse = settings.warehouse.root().to_owned();
        return Err(export::Error::NoWarehouse { warehouse }.into());
    }
    // Nobody may change the tables meanwhile: they go together.
    let writer = settings.writer("anomalog export").await?;
    let exported = write_folder(&Export {
        warehouse: writer.warehouse(),
        folder: &args.output,
        format: args.format,
        cells: args.cells.cells(),
        limits: date_limits(args.time.since, args.time.until),
        overwrite: args.overwrite,
    })?;
    Ok(settings.printer.summary(&exported)?)
}
