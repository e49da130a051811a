//! From which date on the rows of a table are kept.
//!
//! What came before has been deleted on purpose, which must not look like data that vanished: the
//! next run would take away all that was made from them. So this is written down in the same commit
//! that deletes, and outside of the manifest, which may be lost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::error::CommitError;
use super::manifest::PartitionDate;
use crate::explain::cannot;
use crate::schema::Table;
use crate::warehouse::Warehouse;

/// Its file, in the root of the warehouse.
const NAME: &str = "retired.json";

/// Per table, the first date that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Retired(BTreeMap<String, PartitionDate>);

impl Retired {
    /// Where a warehouse has it.
    #[must_use]
    pub fn path(warehouse: &Warehouse) -> PathBuf {
        warehouse.root().join(NAME)
    }

    /// What a warehouse no longer keeps; nothing unless it says so.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn load(warehouse: &Warehouse) -> Result<Self, CommitError> {
        let path = Self::path(warehouse);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|source| CommitError::RetiredDamaged { path, source }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(cannot("read", &path)(error).into()),
        }
    }

    /// The first date that is kept; all are if there is none.
    #[must_use]
    pub fn first_kept(&self, table: Table) -> Option<NaiveDate> {
        self.0.get(table.name()).map(|date| date.0)
    }

    /// Whether rows of a date are no longer kept.
    #[must_use]
    pub fn covers(&self, table: Table, date: NaiveDate) -> bool {
        self.first_kept(table).is_some_and(|first| date < first)
    }

    /// From now on rows before a date are not kept. What is gone stays so.
    pub fn raise(&mut self, table: Table, first_kept: NaiveDate) {
        let known = self.0.entry(table.name().to_owned());
        let known = known.or_insert(PartitionDate(first_kept));
        known.0 = known.0.max(first_kept);
    }

    /// Writes it into a folder of staged files; returns the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<PathBuf, CommitError> {
        let path = folder.join(NAME);
        let write = || {
            let mut text = serde_json::to_vec_pretty(self)?;
            text.push(b'\n');
            std::fs::write(&path, text)?;
            std::fs::File::open(&path)?.sync_all()
        };
        write().map_err(cannot("write", &path))?;
        Ok(path)
    }
}
