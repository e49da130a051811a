//! The manifest: what each partition of each table was made from.
//!
//! A partition's key is a digest of all that its content is a function of. A partition is up to
//! date if the key that its inputs give now is the one it was made with; nothing else decides, no
//! clock and no order of events. A partition made by hand (`anomalog windows`, `anomalog score`)
//! has no key, and is made anew by the next run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::error::CommitError;
use crate::explain::cannot;
use crate::schema::Table;
use crate::warehouse::Warehouse;

/// Where the manifest lies.
pub(super) const MANIFEST: &str = "manifest.json";

/// The format that this program writes.
const FORMAT: u32 = 1;

/// A date as a key of JSON objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PartitionDate(pub NaiveDate);

impl TryFrom<String> for PartitionDate {
    type Error = chrono::ParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl From<PartitionDate> for String {
    fn from(date: PartitionDate) -> Self {
        date.0.to_string()
    }
}

/// One UTC date of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// Digest of all that the content is a function of; `None` if it was made by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Of `traffic_windows`, the digest of what its counts alone are a function of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<String>,
    /// Where it shows only in the content which dates it is a function of, those dates.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub reads: BTreeSet<PartitionDate>,
    /// Of `incident_causes`, what each of those dates was: causes of an incident stay while its dates do.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<PartitionDate, String>,
    /// Size of the file; 0 where there are no rows, and so no file.
    pub bytes: u64,
}

impl Partition {
    /// One that was made by hand, of a staged file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn by_hand(staged: &Path) -> Result<Self, CommitError> {
        let metadata = staged.metadata().map_err(cannot("read", staged))?;
        Ok(Self {
            bytes: metadata.len(),
            ..Self::empty()
        })
    }

    /// One that was made by hand and has no rows.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            key: None,
            traffic: None,
            reads: BTreeSet::new(),
            inputs: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Whether it has no rows.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}

/// What each partition was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    /// The last run that changed something.
    #[serde(default)]
    pub last_run: Option<String>,
    /// Digest of all inputs for which all tables are up to date.
    #[serde(default)]
    pub settled: Option<String>,
    tables: BTreeMap<String, BTreeMap<PartitionDate, Partition>>,
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            format: FORMAT,
            last_run: None,
            settled: None,
            tables: BTreeMap::new(),
        }
    }
}

impl Manifest {
    /// The manifest of a warehouse as it is, without the right to change it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(warehouse: &Warehouse) -> Result<Self, CommitError> {
        let path = warehouse.root().join(MANIFEST);
        match std::fs::read(&path) {
            Ok(text) => Self::from_json(&text, &path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(cannot("read", &path)(error).into()),
        }
    }

    /// The partitions of a table by date.
    pub fn partitions(&self, table: Table) -> impl Iterator<Item = (NaiveDate, &Partition)> {
        let partitions = self.tables.get(table.name()).into_iter().flatten();
        partitions.map(|(date, partition)| (date.0, partition))
    }

    /// One partition.
    #[must_use]
    pub fn partition(&self, table: Table, date: NaiveDate) -> Option<&Partition> {
        self.tables.get(table.name())?.get(&PartitionDate(date))
    }

    /// Notes a partition, in the place of what was noted before.
    pub fn set(&mut self, table: Table, date: NaiveDate, partition: Partition) {
        // What was made by hand, no run has settled.
        if partition.key.is_none() {
            self.settled = None;
        }
        let partitions = self.tables.entry(table.name().to_owned()).or_default();
        partitions.insert(PartitionDate(date), partition);
    }

    /// Forgets a partition.
    pub fn remove(&mut self, table: Table, date: NaiveDate) {
        if let Some(partitions) = self.tables.get_mut(table.name()) {
            partitions.remove(&PartitionDate(date));
        }
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, CommitError> {
        let damaged = |source| CommitError::Damaged {
            path: MANIFEST.into(),
            source,
        };
        let mut text = serde_json::to_vec_pretty(self).map_err(damaged)?;
        text.push(b'\n');
        Ok(text)
    }

    pub(super) fn from_json(text: &[u8], path: &Path) -> Result<Self, CommitError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let damaged = |source| CommitError::Damaged {
            path: path.to_owned(),
            source,
        };
        let Head { format } = serde_json::from_slice(text).map_err(damaged)?;
        if format > FORMAT {
            return Err(CommitError::Newer {
                path: path.to_owned(),
                found: format,
                known: FORMAT,
            });
        }
        serde_json::from_slice(text).map_err(damaged)
    }
}
