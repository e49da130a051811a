//! An export that follows the warehouse: what the nightly job keeps up to date.
//!
//! As with the partitions of the warehouse, each file has a key, the digest of what it is made
//! from, which the [`State`] of the export remembers; a file is written if its key is another now, or
//! if it is not there as it was. So it does not matter what earlier nights did, or whether they
//! ended well.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::NaiveDate;
use datafusion::arrow::datatypes::Schema;
use serde::Serialize;

use super::documents::{Layout, type_name};
use super::error::{Error, Result};
use super::format::ExportFormat;
use super::star::{Rows, StarTable, run_files};
use super::state::{State, Written};
use super::write::{STAGING, beside, write_table, write_text};
use crate::explain::cannot;
use crate::incremental::Plan;
use crate::incremental::key::{Key, Made};
use crate::incremental::partitions::identity;
use crate::session::results::{Cells, Encoder};
use crate::units::dates::DateLimits;
use crate::warehouse::Warehouse;
use crate::warehouse::commit::Manifest;

/// What changed in an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Followed {
    /// Files written.
    pub written: usize,
    /// Files removed, since what they were made from is gone.
    pub removed: usize,
}

/// A file as it should be.
struct Wanted {
    key: String,
    content: Content,
}

enum Content {
    Table(StarTable, Vec<NaiveDate>),
    Text(String),
}

/// Makes the export in a folder equal to the warehouse, which nobody else may be changing.
///
/// # Errors
/// When the folder holds something else, a table cannot be read, or a file not be written. What has
/// been written by then is remembered.
pub fn follow(
    warehouse: &Warehouse,
    manifest: &Manifest,
    folder: &Path,
    (format, cells): (ExportFormat, Cells),
) -> Result<Followed> {
    let mut state = open(folder)?;
    let plan = Plan::of(
        wanted(warehouse, manifest, (format, cells))?,
        state.files.keys().cloned().collect(),
        |name, file| is_done(&state, folder, name, file),
        |_| true,
    );
    let changes = Followed {
        written: plan.build.len(),
        removed: plan.remove.len(),
    };
    if changes == Followed::default() {
        return Ok(changes);
    }
    // Known before they are there: whatever ends the process, the next night finds them.
    for name in plan.build.keys().chain(&plan.remove) {
        state.files.insert(name.clone(), Written::default());
    }
    state.save(folder)?;
    let failed = || cannot("write", folder);
    let mut staging = tempfile::Builder::new();
    let staging = staging
        .prefix(STAGING)
        .tempdir_in(folder)
        .map_err(failed())?;
    for (name, Wanted { key, content }) in &plan.build {
        let destination = folder.join(name);
        let staged = staging.path().join("file");
        match content {
            Content::Table(table, dates) => {
                write_table(warehouse, *table, dates, &staged, (format, cells))?;
            }
            Content::Text(text) => write_text(&staged, text)?,
        }
        let bytes = fs::metadata(&staged).map_err(failed())?.len();
        if let Some(parent) = destination.parent() {
            fs::create_dir_all(parent).map_err(cannot("write", parent))?;
        }
        fs::rename(&staged, &destination).map_err(cannot("write", &destination))?;
        let key = key.clone();
        state.files.insert(name.clone(), Written { key, bytes });
    }
    for name in &plan.remove {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(cannot("remove", &path)(error).into());
            }
            _ => state.files.remove(name),
        };
    }
    state.save(folder)?;
    Ok(changes)
}

/// The state of a folder, which becomes an export if there is nothing in it.
fn open(folder: &Path) -> Result<State> {
    fs::create_dir_all(folder).map_err(cannot("write", folder))?;
    if State::is_in(folder) {
        for entry in fs::read_dir(folder).map_err(cannot("read", folder))? {
            let path = entry.map_err(cannot("read", folder))?.path();
            let name = path.file_name().map(std::ffi::OsStr::as_encoded_bytes);
            if name.is_some_and(|name| name.starts_with(STAGING.as_bytes())) && path.is_dir() {
                fs::remove_dir_all(&path).map_err(cannot("remove", &path))?;
            }
        }
        return Ok(State::load(folder).map_err(cannot("read", folder))?);
    }
    let mut entries = fs::read_dir(folder).map_err(cannot("read", folder))?;
    if entries.next().is_some() {
        let folder = folder.to_owned();
        return Err(Error::NotAnExport { folder });
    }
    Ok(State::default())
}

fn is_done(state: &State, folder: &Path, name: &str, wanted: &Wanted) -> bool {
    let is_there = |written: &Written| {
        let found = fs::metadata(folder.join(name));
        found.is_ok_and(|found| found.len() == written.bytes)
    };
    let written = state.files.get(name);
    written.is_some_and(|written| written.key == wanted.key && is_there(written))
}

/// Every file of the export, by its path from the folder.
fn wanted(
    warehouse: &Warehouse,
    manifest: &Manifest,
    (format, cells): (ExportFormat, Cells),
) -> Result<BTreeMap<String, Wanted>> {
    let layout = Layout::Dated;
    let mut wanted = BTreeMap::new();
    for table in StarTable::ALL {
        let mut base = Key::of(Made::Export)
            .text(format.extension())
            .value(&columns(&table.schema()));
        if format == ExportFormat::Csv {
            base.add_text(match cells {
                Cells::Neutral => "neutral",
                Cells::Raw => "raw",
            });
        }
        let dates = table.dates(warehouse, DateLimits::default())?;
        let made_from = match (table, table.dated()) {
            (_, Some(dated)) => dates
                .iter()
                .map(|date| {
                    let made_from = identity(warehouse, manifest, dated, *date)?;
                    Ok(format!("{date} {}", made_from.unwrap_or_default()))
                })
                .collect::<Result<Vec<_>>>()?,
            (StarTable::Detectors, None) => vec![digest_of_rows(warehouse, table)?],
            // Files of runs are named by what they are.
            (_, None) => run_files(warehouse)?
                .iter()
                .map(|file| file.display().to_string())
                .collect(),
        };
        let pieces: Vec<(String, Vec<NaiveDate>, &[String])> = if layout.has_dates(table) {
            let (name, extension) = (table.name(), format.extension());
            let pieces = dates.iter().zip(made_from.chunks(1));
            pieces
                .map(|(date, part)| (format!("{name}/{date}.{extension}"), vec![*date], part))
                .collect()
        } else {
            vec![(layout.pattern(table, format), dates, &made_from)]
        };
        for (name, dates, made_from) in pieces {
            let mut key = base.clone();
            for part in made_from {
                key.add_text(part);
            }
            let key = key.finish();
            let content = Content::Table(table, dates);
            wanted.insert(name, Wanted { key, content });
        }
    }
    for (name, text) in beside(layout, format) {
        let key = Key::of(Made::Export).text(&text).finish();
        let content = Content::Text(text);
        wanted.insert(name.to_owned(), Wanted { key, content });
    }
    Ok(wanted)
}

fn digest_of_rows(warehouse: &Warehouse, table: StarTable) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    if let Rows::Batch(batch) = table.rows(warehouse, &[])? {
        hasher.update(&Encoder::ndjson().encode(&batch)?);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// The columns of a table as files have them: name, type and whether there may be NULLs.
fn columns(schema: &Schema) -> Vec<(&str, &'static str, bool)> {
    let fields = schema.fields().iter();
    fields
        .map(|field| {
            let name = type_name(field.data_type());
            (field.name().as_str(), name, field.is_nullable())
        })
        .collect()
}
