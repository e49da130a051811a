//! What is remembered of logs, so that only those are read whose size or time of writing changed. It
//! is no table: without it everything is found out anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::coverage::Coverage;
use super::error::Result;
use super::source::{LogSource, SourceFault, expand, missing};
use crate::explain::{cannot, chain};
use crate::incremental::key::{Key, Made};
use crate::incremental::remembered;
use crate::logs;
use crate::logs::linked::{ColumnMapping, LinkedSource, SourceError};
use crate::warehouse::Warehouse;
use crate::warehouse::listing::parquet_files;

/// What is remembered of logs from run to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Index {
    /// By path.
    pub(super) files: BTreeMap<String, Seen>,
    /// Those that were ingested by hand, by path.
    #[serde(default)]
    pub(super) by_hand: BTreeMap<String, Seen>,
    /// Which time a log covers, by its short digest.
    pub(super) coverage: BTreeMap<String, Coverage>,
    /// How each of those logs was read.
    #[serde(default)]
    readings: BTreeMap<String, String>,
    /// Logs that need not be read, by digest: why.
    pub(super) passed_over: BTreeMap<String, String>,
    /// Links that a job made, by name.
    links: BTreeSet<String>,
    /// Files of linked sources, by path.
    linked_files: BTreeMap<String, Seen>,
}

/// What a file looked like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seen {
    pub(super) bytes: u64,
    /// Nanoseconds since the Unix epoch.
    written: u64,
    pub(super) digest: String,
}

impl Index {
    /// Its file in the warehouse.
    const FILE: &'static str = ".index.json";

    pub(super) fn load(warehouse: &Warehouse) -> Self {
        remembered::load(warehouse, Self::FILE)
    }

    pub(super) fn save(&self, warehouse: &Warehouse) -> Result<()> {
        Ok(remembered::save(warehouse, Self::FILE, self)?)
    }

    /// The digest of each linked source, by its name.
    pub(super) fn linked(&mut self, warehouse: &Warehouse) -> Result<BTreeMap<String, String>> {
        let mut digests = BTreeMap::new();
        let mut files = BTreeMap::new();
        for source in LinkedSource::load_all(warehouse)? {
            let mut key = Key::of(Made::Link).value(&(&source.columns, &source.site));
            for file in parquet_files(&source.path)? {
                let path = file.display().to_string();
                let seen = see(&file, self.linked_files.get(&path));
                if let Some(seen) = seen.map_err(cannot("read", &file))? {
                    key.add_text(&seen.digest);
                    files.insert(path, seen);
                }
            }
            digests.insert(source.name(), key.finish());
        }
        self.linked_files = files;
        Ok(digests)
    }

    /// Links the Parquet logs of a job, and forgets the links that it made before to files that
    /// are gone.
    pub(super) fn link(
        &mut self,
        sources: &[LogSource],
        warehouse: &Warehouse,
    ) -> Result<Vec<SourceFault>> {
        let mut faults = Vec::new();
        let mut links = BTreeSet::new();
        for source in sources.iter().filter(|source| source.is_parquet) {
            let mappings = source.options.columns.iter().map(|(ours, theirs)| {
                Ok(ColumnMapping {
                    ours: ours.parse()?,
                    theirs: theirs.to_owned(),
                })
            });
            let mappings = mappings.collect::<std::result::Result<Vec<_>, SourceError>>()?;
            for path in &source.paths {
                let mut files = Vec::new();
                for path in expand(path) {
                    files.extend(parquet_files(&path)?);
                }
                if files.is_empty() {
                    faults.push(missing(path));
                }
                for file in files {
                    match LinkedSource::link(&file, &mappings, source.options.site.as_deref()) {
                        Ok(linked) => {
                            linked.save(warehouse)?;
                            links.insert(linked.name());
                        }
                        Err(error) => faults.push(SourceFault {
                            path: file.display().to_string(),
                            message: chain(&error),
                        }),
                    }
                }
            }
        }
        for name in self.links.difference(&links) {
            if LinkedSource::forget_name(warehouse, name)? {
                faults.push(SourceFault {
                    path: name.clone(),
                    message: "the linked source is gone, and its requests with it".to_owned(),
                });
            }
        }
        self.links = links;
        Ok(faults)
    }

    /// The time that each log of the warehouse covers, by short digest. Those that are not known
    /// yet are read from the warehouse.
    pub(super) fn coverage(
        &mut self,
        warehouse: &Warehouse,
        logs: &BTreeMap<String, String>,
    ) -> Result<&BTreeMap<String, Coverage>> {
        self.coverage.retain(|digest, _| {
            logs.contains_key(digest) && self.readings.get(digest) == logs.get(digest)
        });
        for (digest, reading) in logs {
            if !self.coverage.contains_key(digest) {
                let name = format!("{digest}.{reading}");
                let covered = crate::intake::coverage::read(warehouse, &name)?;
                self.coverage.insert(digest.clone(), covered);
            }
        }
        self.readings.clone_from(logs);
        Ok(&self.coverage)
    }
}

pub(super) fn see(path: &Path, known: Option<&Seen>) -> std::io::Result<Option<Seen>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let written = metadata.modified()?.duration_since(UNIX_EPOCH);
    let written = written.map_or(0, |written| written.as_nanos() as u64);
    let bytes = metadata.len();
    let digest = match known {
        Some(known) if (known.bytes, known.written) == (bytes, written) => known.digest.clone(),
        _ => logs::digest(path)?,
    };
    Ok(Some(Seen {
        bytes,
        written,
        digest,
    }))
}
