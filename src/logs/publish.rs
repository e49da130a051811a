//! Gives the staged files of a log their names in the warehouse, the marker last.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::parquet::arrow::ArrowWriter;

use super::error::WriteError;
use super::summary::FileSummary;
use super::timestamp::Timestamp;
use super::writer::{StagedPart, properties};
use crate::schema::{LOG_FILES, Table};
use crate::warehouse::Warehouse;
use crate::warehouse::tables::date_folder;

/// Digits of the digest that name the files of one log.
const DIGEST_DIGITS: usize = 16;
/// How the note that a log is being published begins; its digest follows.
const NOTE: &str = "publishing-";

/// The file that marks a log as ingested: its digest, and what tells how it was read.
fn marker(warehouse: &Warehouse, digest: &str, reading: &str) -> PathBuf {
    let name = format!("{}.{reading}.parquet", short_digest(digest));
    warehouse.table(Table::LogFiles).join(name)
}

/// Whether the warehouse holds the log with this digest, read in this way.
pub(super) fn is_published(warehouse: &Warehouse, digest: &str, reading: &str) -> bool {
    marker(warehouse, digest, reading).exists()
}

/// The file that marks a log as ingested, however it was read.
fn any_marker(warehouse: &Warehouse, digest: &str) -> io::Result<Option<PathBuf>> {
    let found = ingested_logs(warehouse)?;
    let reading = found.get(short_digest(digest));
    Ok(reading.map(|reading| marker(warehouse, digest, reading)))
}

/// All logs that the warehouse holds: their digests, shortened as in the names of their files, with
/// what tells how each was read ([`super::IngestOptions::fingerprint`]).
///
/// # Errors
/// When the folder cannot be read.
pub fn ingested_logs(warehouse: &Warehouse) -> io::Result<BTreeMap<String, String>> {
    let folder = match fs::read_dir(warehouse.table(Table::LogFiles)) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let mut logs = BTreeMap::new();
    for file in folder {
        let name = file?.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".parquet")) else {
            continue;
        };
        let (digest, reading) = name.split_once('.').unwrap_or((name, ""));
        logs.insert(digest.to_owned(), reading.to_owned());
    }
    Ok(logs)
}

/// The files of `access_logs` with requests of a date, of the logs that `is_asked_for` says, given their
/// digests as in the names of their files.
///
/// # Errors
/// When the folder cannot be read.
pub fn request_files(
    warehouse: &Warehouse,
    date: NaiveDate,
    is_asked_for: impl Fn(&str) -> bool,
) -> io::Result<Vec<PathBuf>> {
    let folder = match fs::read_dir(date_folder(&warehouse.table(Table::AccessLogs), date)) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for file in folder {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".parquet") && is_asked_for(short_digest(&name)) {
            files.push(path);
        }
    }
    Ok(files)
}

/// A digest as in the names of files.
#[must_use]
pub fn short_digest(digest: &str) -> &str {
    digest.get(..DIGEST_DIGITS).unwrap_or(digest)
}

/// Every file of the warehouse that holds something of a log, the marker last.
///
/// # Errors
/// When a folder cannot be read.
pub fn publication_of(warehouse: &Warehouse, digest: &str) -> io::Result<Vec<PathBuf>> {
    let digest = short_digest(digest);
    let mut files = parts_of(warehouse, digest)?;
    let quarantine = warehouse
        .table(Table::Quarantine)
        .join(format!("{digest}.parquet"));
    files.extend(Some(quarantine).filter(|file| file.exists()));
    files.extend(any_marker(warehouse, digest)?);
    Ok(files)
}

/// Removes what is left of logs whose publishing was cut off, and that were not published since.
/// No other may be publishing. Says whether there was any.
///
/// # Errors
/// When the warehouse cannot be written.
pub fn remove_unpublished(warehouse: &Warehouse) -> Result<bool, WriteError> {
    let staging = warehouse.staging_folder();
    let failed = |source| WriteError::file(&staging, source);
    let entries = match fs::read_dir(&staging) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed(error)),
    };
    let mut removed = false;
    for entry in entries {
        let note = entry.map_err(failed)?;
        let name = note.file_name();
        let Some(digest) = name.to_str().and_then(|name| name.strip_prefix(NOTE)) else {
            continue;
        };
        let marker = any_marker(warehouse, digest).map_err(failed)?;
        if marker.is_none() {
            remove_remains(warehouse, digest)?;
            removed = true;
        }
        fs::remove_file(note.path()).map_err(failed)?;
    }
    Ok(removed)
}

/// Files of one log that wait for their names.
#[derive(Debug)]
pub(super) struct StagedLog<'a> {
    /// The folder that they are in.
    pub(super) folder: &'a Path,
    pub(super) summary: &'a FileSummary,
    /// What tells how it was read.
    pub(super) reading: &'a str,
    /// How it was read before, if the warehouse holds it already.
    pub(super) earlier: Option<&'a str>,
    /// Files of `access_logs` in the order of the log.
    pub(super) parts: &'a [StagedPart],
    pub(super) quarantine: Option<&'a Path>,
}

impl StagedLog<'_> {
    /// Publishes the files. A log that was left half published by a crash is published again
    /// under the same names; a note in the staging folder tells that there may be further files
    /// of it, which then go. So do those of an earlier reading of the same log.
    pub(super) fn publish(&self, warehouse: &Warehouse) -> Result<(), WriteError> {
        let publish = |staged: &Path, name: &Path| {
            warehouse
                .publish(staged, name)
                .map_err(|source| WriteError::file(name, source))
        };
        let digest = short_digest(&self.summary.digest);
        let staged_marker = self.folder.join("log_files.parquet");
        write_marker(&staged_marker, self.summary)?;
        let note = self.folder.with_file_name(format!("{NOTE}{digest}"));
        let was_cut_off = note.exists();
        File::create(&note).map_err(|source| WriteError::file(&note, source))?;
        // The marker first: a log without one is not there.
        if let Some(reading) = self.earlier {
            let earlier = marker(warehouse, digest, reading);
            fs::remove_file(&earlier).map_err(|source| WriteError::file(&earlier, source))?;
        }
        if was_cut_off || self.earlier.is_some() {
            remove_remains(warehouse, digest)?;
        }
        let logs = warehouse.table(Table::AccessLogs);
        for (number, part) in self.parts.iter().enumerate() {
            let name = format!("{digest}.{}-{number:05}.parquet", self.reading);
            publish(&part.staged, &logs.join(&part.partition).join(name))?;
        }
        if let Some(staged) = self.quarantine {
            let name = format!("{digest}.parquet");
            publish(staged, &warehouse.table(Table::Quarantine).join(name))?;
        }
        publish(&staged_marker, &marker(warehouse, digest, self.reading))?;
        fs::remove_file(&note).map_err(|source| WriteError::file(&note, source))
    }
}

/// Removes the rows of a log that was not published to its end.
fn remove_remains(warehouse: &Warehouse, digest: &str) -> Result<(), WriteError> {
    let logs = warehouse.table(Table::AccessLogs);
    let files = parts_of(warehouse, digest).map_err(|source| WriteError::file(&logs, source))?;
    let quarantine = warehouse
        .table(Table::Quarantine)
        .join(format!("{digest}.parquet"));
    for file in files.into_iter().chain([quarantine]) {
        match fs::remove_file(&file) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(WriteError::file(&file, source));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The files of `access_logs` with rows of a log.
fn parts_of(warehouse: &Warehouse, digest: &str) -> io::Result<Vec<PathBuf>> {
    let partitions = match fs::read_dir(warehouse.table(Table::AccessLogs)) {
        Ok(partitions) => partitions,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for partition in partitions {
        for file in fs::read_dir(partition?.path())? {
            let file = file?;
            if file.file_name().to_string_lossy().starts_with(digest) {
                files.push(file.path());
            }
        }
    }
    Ok(files)
}

/// Writes the rows of `log_files` for one log: one per site, so none if no line could be read.
fn write_marker(path: &Path, summary: &FileSummary) -> Result<(), WriteError> {
    let text = |value: &str| {
        Arc::new(StringArray::from_iter_values(
            summary.sites.keys().map(|_| value),
        ))
    };
    let number = |value: u64| {
        Arc::new(Int64Array::from_iter_values(
            summary.sites.keys().map(|_| value as i64),
        ))
    };
    let time = |value: Option<Timestamp>| {
        let micros = value.map_or(0, Timestamp::micros);
        let times = summary.sites.keys().map(|_| micros);
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
    };
    let batch = RecordBatch::try_new(
        LOG_FILES.clone(),
        vec![
            text(&summary.file),
            text(&summary.digest),
            text(&summary.format),
            Arc::new(StringArray::from_iter_values(summary.sites.keys())),
            number(summary.lines),
            number(summary.rejected),
            Arc::new(Int64Array::from_iter_values(
                summary.sites.values().map(|rows| *rows as i64),
            )),
            time(summary.first_timestamp),
            time(summary.last_timestamp),
        ],
    )?;
    let file = File::create(path).map_err(|source| WriteError::file(path, source))?;
    let mut writer = ArrowWriter::try_new(file, LOG_FILES.clone(), Some(properties().build()))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}
