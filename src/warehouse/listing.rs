//! What lies in a folder, as DataFusion lists it.

use std::path::{Path, PathBuf};

use crate::explain::{FileError, cannot};

/// The file itself, or the Parquet files of a folder and its `key=value` folders, sorted.
///
/// # Errors
/// When a folder cannot be read.
pub fn parquet_files(path: &Path) -> Result<Vec<PathBuf>, FileError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in entries(path)? {
        let is_partition = entry.is_dir()
            && entry
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().contains(&b'='));
        if is_partition {
            files.extend(parquet_files(&entry)?);
        } else if entry
            .extension()
            .is_some_and(|extension| extension == "parquet")
        {
            files.push(entry);
        }
    }
    Ok(files)
}

/// What lies in a folder, sorted; nothing if there is no such folder.
///
/// # Errors
/// When the folder cannot be read.
pub fn entries(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let read_error = || cannot("read", folder);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(read_error()(error)),
    };
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(read_error())?;
    paths.sort();
    Ok(paths)
}
