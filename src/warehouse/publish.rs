//! Files that a user asked for: each appears under its name complete, or not at all.

use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::error::{Error, Result};
use crate::explain::cannot;

/// The file that a destination means: itself, or what a link leads to, which stays a link.
///
/// # Errors
/// When it is there and is no regular file: what takes the name of a device or a pipe would be in its
/// place.
pub fn resolve(destination: &Path) -> Result<PathBuf> {
    if std::fs::metadata(destination).is_ok_and(|found| !found.is_file()) {
        return Err(Error::NoRegularFile {
            path: destination.to_owned(),
        });
    }
    let is_link = std::fs::symlink_metadata(destination).is_ok_and(|found| found.is_symlink());
    Ok(if is_link {
        std::fs::canonicalize(destination).map_err(cannot("write", destination))?
    } else {
        destination.to_owned()
    })
}

/// A temporary file in the folder of a destination. Once it has that name, others may read it as
/// any file of the user's.
///
/// # Errors
/// As [`resolve`], and when the folder is missing or cannot be written. The destination is named.
pub fn file_beside(destination: &Path) -> Result<NamedTempFile> {
    let resolved = resolve(destination)?;
    let folder = match resolved.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    // The error of a temporary file names that file, which means nothing to the user.
    std::fs::metadata(folder).map_err(cannot("write", destination))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".anomalog-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What the user's mask forbids stays forbidden.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    Ok(builder
        .tempfile_in(folder)
        .map_err(cannot("write", destination))?)
}

/// Gives a file its name, in the place of one that has it.
///
/// # Errors
/// When it cannot be renamed.
pub fn persist(file: NamedTempFile, destination: &Path) -> Result<()> {
    let persisted = file.persist(resolve(destination)?);
    persisted.map_err(|error| cannot("write", destination)(error.error))?;
    Ok(())
}

/// Writes a whole file.
///
/// # Errors
/// As [`file_beside`], and when it cannot be written.
pub fn write(destination: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    let mut file = file_beside(destination)?;
    file.write_all(content.as_ref())
        .and_then(|()| file.as_file().sync_all())
        .map_err(cannot("write", destination))?;
    persist(file, destination)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("there");
        std::fs::create_dir(&place).unwrap();
        for taken in [place.as_path(), Path::new("/dev/null")] {
            let refused = write(taken, "text").unwrap_err();
            let expected = format!("`{}` is no regular file", taken.display());
            assert_eq!(refused.to_string(), expected);
            assert!(!std::fs::metadata(taken).unwrap().is_file());
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_what_it_leads_to_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let [target, link] = ["target", "link"].map(|name| folder.path().join(name));
        std::fs::write(&target, "before").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write(&link, "after").unwrap();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "after");
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        // As /dev/stdout does where that is no file.
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        assert!(write(&link, "after").is_err());
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("page.html");
        for text in ["a long first text", "second"] {
            write(&place, text).unwrap();
            assert_eq!(std::fs::read_to_string(&place).unwrap(), text);
        }
    }
}
