//! The key of pseudonyms: the file that holds it, and the warehouse that belongs to it.
//!
//! The file has 64 hexadecimal digits, 32 bytes, and may be read by its owner alone. A warehouse
//! belongs to one key or to none, from its first log on: pseudonyms of several keys, or beside
//! addresses, would be clients that there are not.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::linked::LinkedSource;
use super::pseudonyms::{Pseudonyms, Secret};
use crate::explain::Explain;
use crate::schema::Table;
use crate::warehouse::Warehouse;

/// The file of a warehouse that says which key it belongs to.
const OWNER: &str = "pseudonyms.json";

/// Why clients cannot be given pseudonyms.
#[derive(Debug, thiserror::Error)]
pub enum PseudonymError {
    /// The file of the key cannot be read.
    #[error("cannot read the key file `{}`", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others may read it.
    #[error("the key file `{}` may be read by others (mode {mode:03o})", .path.display())]
    NotSecret {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It holds something else.
    #[error(
        "the key file `{}` must have 64 hexadecimal digits, found {found}", .path.display()
    )]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// What it has instead.
        found: String,
    },
    /// Logs of a warehouse were read with another key, with one now and none then, or the reverse.
    #[error(
        "the addresses in the warehouse `{}` are {stored}, and those of new logs would be {given}",
        .warehouse.display()
    )]
    AnotherKey {
        /// The warehouse.
        warehouse: PathBuf,
        /// How they are there.
        stored: Addresses,
        /// How they would be.
        given: Addresses,
    },
    /// The warehouse cannot be read or written.
    #[error("cannot keep which key the warehouse `{}` belongs to", .warehouse.display())]
    Warehouse {
        /// The warehouse.
        warehouse: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Parquet logs are read where they lie, with the addresses that are there.
    #[error("Parquet logs are read where they lie, with their addresses: `{}` cannot be pseudonymised", .path.display())]
    Parquet {
        /// One of them.
        path: PathBuf,
    },
}

impl Explain for PseudonymError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Read { source, .. } if source.kind() != io::ErrorKind::NotFound => return None,
            Self::Warehouse { .. } => return None,
            Self::Read { path, .. } | Self::NotAKey { path, .. } => format!(
                "make a key once, and keep it: `(umask 077; openssl rand -hex 32 > {})`",
                path.display()
            )
            .into(),
            Self::NotSecret { path, .. } => format!("`chmod 600 {}`", path.display()).into(),
            Self::AnotherKey {
                stored: Addresses::AsTheyAre,
                ..
            } => "begin a warehouse of its own with `--warehouse PATH`".into(),
            Self::AnotherKey { .. } => "name the key file that the warehouse began with by \
                `--pseudonymise KEYFILE`, in a job by `pseudonymise`; or begin a warehouse of its own"
                .into(),
            Self::Parquet { .. } => "leave them out, or pseudonymise them where they are written".into(),
        })
    }
}

/// How the addresses of a warehouse are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addresses {
    /// As the logs have them.
    AsTheyAre,
    /// As pseudonyms of the key with a fingerprint.
    Pseudonyms(String),
}

impl std::fmt::Display for Addresses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AsTheyAre => f.write_str("as the logs have them"),
            Self::Pseudonyms(fingerprint) => write!(f, "pseudonyms of the key {fingerprint}"),
        }
    }
}

/// Reads the file of a key.
///
/// # Errors
/// When it cannot be read, others may read it, or it holds no key.
pub fn read_key(path: &Path) -> Result<Arc<Pseudonyms>, PseudonymError> {
    let unreadable = |source| PseudonymError::Read {
        path: path.to_owned(),
        source,
    };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(PseudonymError::NotSecret {
                path: path.to_owned(),
                mode,
            });
        }
    }
    let not_a_key = |found: String| PseudonymError::NotAKey {
        path: path.to_owned(),
        found,
    };
    // A key is short: nothing longer need be read.
    if metadata.len() > 1024 {
        return Err(not_a_key(format!("{} bytes", metadata.len())));
    }
    let text = fs::read(path).map_err(unreadable)?;
    let text =
        String::from_utf8(text).map_err(|_| not_a_key("bytes that are no text".to_owned()))?;
    let secret = Secret::parse(&text).map_err(not_a_key)?;
    Ok(Arc::new(Pseudonyms::new(&secret)))
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Owner {
    fingerprint: String,
}

/// Makes sure that the addresses of new logs are written as those that a warehouse has, and remembers
/// the key of one without logs.
///
/// # Errors
/// When they would not be, or the warehouse cannot be read or written.
pub fn agree(warehouse: &Warehouse, pseudonyms: Option<&Pseudonyms>) -> Result<(), PseudonymError> {
    let failed = |source| PseudonymError::Warehouse {
        warehouse: warehouse.root().to_owned(),
        source,
    };
    let path = warehouse.root().join(OWNER);
    let stored = match fs::read(&path) {
        // A key that nothing was read with binds no one.
        _ if !has_logs(warehouse) => None,
        Ok(text) => {
            let owner: Owner =
                serde_json::from_slice(&text).map_err(|error| failed(error.into()))?;
            Some(Addresses::Pseudonyms(owner.fingerprint))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Addresses::AsTheyAre),
        Err(error) => return Err(failed(error)),
    };
    let given = pseudonyms.map_or(Addresses::AsTheyAre, |pseudonyms| {
        Addresses::Pseudonyms(pseudonyms.fingerprint().to_owned())
    });
    match (stored, given) {
        (Some(stored), given) if stored != given => Err(PseudonymError::AnotherKey {
            warehouse: warehouse.root().to_owned(),
            stored,
            given,
        }),
        (None, Addresses::Pseudonyms(fingerprint)) => {
            let owner =
                serde_json::to_vec(&Owner { fingerprint }).map_err(|error| failed(error.into()))?;
            warehouse.publish_bytes(&owner, &path).map_err(failed)
        }
        // The key of a run that read nothing must not bind the addresses that come now.
        (None, Addresses::AsTheyAre) => match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        },
        (Some(_), _) => Ok(()),
    }
}

/// Whether the clients of a warehouse are pseudonyms.
#[must_use]
pub fn are_given(warehouse: &Warehouse) -> bool {
    warehouse.root().join(OWNER).exists() && has_logs(warehouse)
}

/// Whether a warehouse has requests of any log.
fn has_logs(warehouse: &Warehouse) -> bool {
    let ingested = fs::read_dir(warehouse.table(Table::LogFiles));
    let linked = LinkedSource::load_all(warehouse);
    // A link that cannot be read is one.
    ingested.is_ok_and(|mut logs| logs.next().is_some())
        || !linked.is_ok_and(|linked| linked.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn key_file(folder: &Path, text: &str, mode: u32) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join("key");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[cfg(unix)]
    #[test]
    fn faults_of_key_files_say_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let fault = |text: &str, mode: u32| {
            let error = read_key(&key_file(folder.path(), text, mode)).unwrap_err();
            let hint = error.hint().unwrap_or_default();
            let told = format!("{error}\nhint: {hint}");
            told.replace(&folder.path().display().to_string(), "FOLDER")
        };
        let key = "0123456789abcdefABCDEF0123456789".repeat(2);
        insta::assert_snapshot!(fault(&key, 0o644), @"
        the key file `FOLDER/key` may be read by others (mode 644)
        hint: `chmod 600 FOLDER/key`
        ");
        insta::assert_snapshot!(fault(&key[1..], 0o600), @"
        the key file `FOLDER/key` must have 64 hexadecimal digits, found 63 characters
        hint: make a key once, and keep it: `(umask 077; openssl rand -hex 32 > FOLDER/key)`
        ");
        insta::assert_snapshot!(fault(&key.replace('0', "g"), 0o600), @"
        the key file `FOLDER/key` must have 64 hexadecimal digits, found other characters among them
        hint: make a key once, and keep it: `(umask 077; openssl rand -hex 32 > FOLDER/key)`
        ");
        insta::assert_snapshot!(fault(&"0".repeat(2000), 0o600), @"
        the key file `FOLDER/key` must have 64 hexadecimal digits, found 2000 bytes
        hint: make a key once, and keep it: `(umask 077; openssl rand -hex 32 > FOLDER/key)`
        ");
        let missing = read_key(&folder.path().join("none")).unwrap_err();
        assert!(missing.hint().is_some_and(|hint| hint.contains("openssl")));
        let good = read_key(&key_file(folder.path(), &format!("{key}\n"), 0o400)).unwrap();
        assert_eq!(good.fingerprint().len(), 16);
        let upper = read_key(&key_file(folder.path(), &key.to_uppercase(), 0o400)).unwrap();
        assert_eq!(good, upper);
    }

    #[test]
    fn a_warehouse_belongs_to_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let warehouse = Warehouse::new(folder.path().join("warehouse"));
        let key = |byte: u8| Pseudonyms::new(&Secret::from([byte; 32]));
        let logs = warehouse.table(Table::LogFiles);
        // Without logs it belongs to none.
        for one in [None, Some(&key(2)), Some(&key(1)), Some(&key(1))] {
            agree(&warehouse, one).unwrap();
        }
        fs::create_dir_all(&logs).unwrap();
        fs::write(logs.join("0123456789abcdef.parquet"), "").unwrap();
        agree(&warehouse, Some(&key(1))).unwrap();
        for other in [None, Some(&key(2))] {
            let error = agree(&warehouse, other).unwrap_err();
            assert!(
                matches!(error, PseudonymError::AnotherKey { .. }),
                "{error}"
            );
        }
        fs::remove_file(warehouse.root().join(OWNER)).unwrap();
        agree(&warehouse, None).unwrap();
        assert!(agree(&warehouse, Some(&key(1))).is_err());
    }

    #[test]
    fn a_key_that_nothing_was_read_with_binds_no_one() {
        let folder = tempfile::tempdir().unwrap();
        let warehouse = Warehouse::new(folder.path().join("warehouse"));
        let key = Pseudonyms::new(&Secret::from([1; 32]));
        agree(&warehouse, Some(&key)).unwrap();
        agree(&warehouse, None).unwrap();
        let logs = warehouse.table(Table::LogFiles);
        fs::create_dir_all(&logs).unwrap();
        fs::write(logs.join("0123456789abcdef.01234567.parquet"), "").unwrap();
        agree(&warehouse, None).unwrap();
        assert!(agree(&warehouse, Some(&key)).is_err());
    }
}
