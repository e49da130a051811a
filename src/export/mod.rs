//! Exports: the tables for BI tools in one folder, with their columns described.
//!
//! ```text
//! warehouse ─▶ traffic_windows, scored_windows, incidents, incident_causes, detectors, runs
//!              README.md, columns.csv, star.sql (views, where tables are files)
//! ```
//!
//! [`write_folder`] writes a range of dates at once, one file per table, to a folder that appears
//! complete or not at all. [`follow()`] keeps a folder equal to the warehouse, night after night:
//! only the files that would come out otherwise are written, each of them complete or not at all.
//!
//! Rows are those of the warehouse in the order of its dates, and equal rows are equal bytes. A
//! table that was never built has no rows, but its columns.

mod columns;
mod detectors;
mod documents;
mod error;
mod follow;
mod format;
mod sqlite;
mod star;
mod state;
mod write;

use std::fmt;
use std::fs::{self};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde::Serialize;

pub use detectors::DETECTORS;
pub use error::{Error, Result};
pub use follow::{Followed, follow};
pub use format::ExportFormat;
pub use star::{SCORED_WINDOWS, StarTable, description};

use crate::explain::cannot;
use crate::session::results::Cells;
use crate::units::dates::DateLimits;
use crate::warehouse::Warehouse;
use documents::Layout;
use star::run_files;
use state::State;
use write::{STAGING, beside, write_table, write_text};

/// An export to be written.
#[derive(Debug, Clone, Copy)]
pub struct Export<'a> {
    /// Where the tables lie.
    pub warehouse: &'a Warehouse,
    /// The folder to write.
    pub folder: &'a Path,
    /// How rows are written.
    pub format: ExportFormat,
    /// What becomes of text in CSV that a spreadsheet would take for a formula.
    pub cells: Cells,
    /// Dates of windows and incidents.
    pub limits: DateLimits,
    /// Whether an earlier export in that folder is replaced.
    pub overwrite: bool,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// The folder.
    pub folder: PathBuf,
    /// How rows are written.
    pub format: ExportFormat,
    /// The first date with rows.
    pub from: Option<String>,
    /// The last date with rows.
    pub to: Option<String>,
    /// The tables.
    pub tables: Vec<ExportedTable>,
}

/// One table of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportedTable {
    /// Its name.
    pub table: &'static str,
    /// Its file, from the folder of the export.
    pub file: String,
    /// Its rows.
    pub rows: usize,
    /// The command that would build it, if it was never built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub never_built: Option<&'static str>,
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, "exported {from} to {to}")?,
            _ => f.write_str("exported no date")?,
        }
        let folder = self.folder.display();
        write!(f, " as {} to `{folder}`", self.format.title())?;
        for table in &self.tables {
            let name = if self.format.is_one_file() {
                table.table
            } else {
                &table.file
            };
            write!(f, "\n  {name}: {} rows", table.rows)?;
            if let Some(command) = table.never_built {
                write!(f, ", since the table is not there: `{command}` builds it")?;
            }
        }
        Ok(())
    }
}

/// Writes an export.
///
/// # Errors
/// When the folder is there and is not to be replaced, or is none of ours; when a table cannot be
/// read or a file written. The folder is then what it was.
pub fn write_folder(export: &Export<'_>) -> Result<Exported> {
    let Export {
        warehouse,
        folder,
        format,
        cells,
        limits,
        overwrite,
    } = *export;
    if let (Some(from), Some(to)) = (limits.from, limits.to)
        && from > to
    {
        return Err(Error::EmptyRange { from, to });
    }
    check_destination(folder, overwrite)?;
    let parent = match folder.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let failed = || cannot("write", folder);
    fs::create_dir_all(parent).map_err(failed())?;
    let mut staging = tempfile::Builder::new();
    let staging = staging
        .prefix(STAGING)
        .tempdir_in(parent)
        .map_err(failed())?;
    let new = staging.path().join("new");
    fs::create_dir(&new).map_err(failed())?;
    let mut exported = Exported {
        folder: folder.to_owned(),
        format,
        from: None,
        to: None,
        tables: Vec::new(),
    };
    let mut all_dates: Vec<NaiveDate> = Vec::new();
    for table in StarTable::ALL {
        let dates = table.dates(warehouse, limits)?;
        let file = Layout::Flat.pattern(table, format);
        let rows = write_table(warehouse, table, &dates, &new.join(&file), (format, cells))?;
        exported.tables.push(ExportedTable {
            table: table.name(),
            file,
            rows,
            never_built: (!was_built(warehouse, table)?).then(|| table.made_by()),
        });
        all_dates.extend(dates);
    }
    exported.from = all_dates.iter().min().map(ToString::to_string);
    exported.to = all_dates.iter().max().map(ToString::to_string);
    for (name, text) in beside(Layout::Flat, format) {
        write_text(&new.join(name), &text)?;
    }
    State::default().save(&new)?;
    take_place(&new, folder, &staging.path().join("old")).map_err(failed())?;
    Ok(exported)
}

/// Refuses to write over what may not be written over.
fn check_destination(folder: &Path, overwrite: bool) -> Result<()> {
    let folder = || folder.to_owned();
    if fs::symlink_metadata(folder()).is_err() {
        return Ok(());
    }
    let is_empty = fs::read_dir(folder()).is_ok_and(|mut entries| entries.next().is_none());
    if is_empty {
        return Ok(());
    }
    Err(match (State::is_in(&folder()), overwrite) {
        (true, true) => return Ok(()),
        (true, false) => Error::Exists { folder: folder() },
        (false, _) => Error::NotAnExport { folder: folder() },
    })
}

/// Gives a complete folder its name. What has the name goes to `old`, and comes back if that fails.
fn take_place(new: &Path, folder: &Path, old: &Path) -> std::io::Result<()> {
    let was_there = fs::symlink_metadata(folder).is_ok();
    if was_there {
        fs::rename(folder, old)?;
    }
    let renamed = fs::rename(new, folder);
    if renamed.is_err() && was_there {
        fs::rename(old, folder)?;
    }
    renamed
}

/// Whether a table was ever built, whatever its dates.
fn was_built(warehouse: &Warehouse, table: StarTable) -> Result<bool> {
    Ok(match table {
        StarTable::Detectors => true,
        StarTable::Runs => !run_files(warehouse)?.is_empty(),
        dated => !dated.dates(warehouse, DateLimits::default())?.is_empty(),
    })
}
