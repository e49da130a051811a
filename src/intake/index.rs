//! What is remembered of logs, so that only those are read whose size or time of writing changed. It
//! is no table: without it everything is found out anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::coverage::Coverage;
use super::error::Result;
use super::source::{LogSource, ParquetLogs, SourceFault, expand, fault, missing};
use crate::explain::{cannot, chain};
use crate::incremental::key::{Key, Made};
use crate::logs::linked::{
    ColumnMapping, KnownFiles, LinkOptions, LinkedSource, has_parquet, parquet_count,
};
use crate::logs::{self, PseudonymError};
use crate::warehouse::{Warehouse, remembered};

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
    /// Logs that need not be read, by digest.
    pub(super) passed_over: BTreeMap<String, PassedOver>,
    /// Links that a job made, by name.
    links: BTreeSet<String>,
    /// Files of linked sources, by path.
    linked_files: BTreeMap<String, Seen>,
    /// Digests of linked files whose rows have been counted.
    #[serde(default)]
    counted: BTreeSet<String>,
}

/// A log that need not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PassedOver {
    /// How it was read in vain; nothing if it need not be read in any way.
    pub(super) reading: Option<String>,
    /// Why.
    pub(super) why: String,
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

impl Seen {
    /// What a regular file looks like that was read to its end; nothing of what is none.
    pub(super) fn of(path: &Path, bytes: u64, digest: String) -> Option<Self> {
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some(Self {
            bytes,
            written: written(&metadata).ok()?,
            digest,
        })
    }

    /// Whether it is one of the logs of a warehouse, given by their short digests.
    pub(super) fn is_in(&self, ingested: &BTreeMap<String, String>) -> bool {
        ingested.contains_key(logs::short_digest(&self.digest))
    }
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

    /// The digest of each file of linked sources, by its path; and what is wrong with sources that no
    /// job has linked, and with pages that are read here for the first time, if they are read.
    pub(super) fn linked(
        &mut self,
        warehouse: &Warehouse,
        known: &mut KnownFiles,
        pages: ReadPages,
    ) -> Result<(BTreeMap<String, String>, Vec<SourceFault>)> {
        let mut digests = BTreeMap::new();
        let mut faults = Vec::new();
        let mut files = BTreeMap::new();
        for (source, mut looked) in LinkedSource::look_at_all(warehouse, known)? {
            let damaged = match pages {
                ReadPages::No => 0,
                ReadPages::Of { threads } => looked.leave_out_damaged(known, threads),
            };
            // Of what a job links, the rest is told where it is linked.
            let told = if self.links.contains(&source.name()) {
                looked.left_out.len() - damaged
            } else {
                0
            };
            let left_out = looked.left_out.into_iter().skip(told);
            faults.extend(left_out.map(SourceFault::from));
            let options = (&source.columns, &source.site, source.limits);
            for file in looked.files {
                let path = file.name();
                let seen = see(&file.path, self.linked_files.get(&path));
                let Some(seen) = seen.map_err(cannot("read", &file.path))? else {
                    continue;
                };
                let mut key = Key::of(Made::Link)
                    .value(&options)
                    .text(&file.stream)
                    .text(&seen.digest);
                // What the numbers of other files are tells what those of this one are.
                key.add_number(file.columns.time.unit.map_or(-1, |unit| unit as i64));
                // Rows of other times are set aside. When the file was written is no part of its digest.
                key.add_number(file.times.start);
                key.add_number(file.times.end);
                files.insert(path.clone(), seen);
                digests.insert(path, key.finish());
            }
        }
        self.linked_files = files;
        Ok((digests, faults))
    }

    /// Links the Parquet logs of a job, and forgets the links that it made before to files that
    /// are gone.
    pub(super) fn link(
        &mut self,
        sources: &[LogSource],
        warehouse: &Warehouse,
        known: &mut KnownFiles,
    ) -> Result<Vec<SourceFault>> {
        let mut faults = Vec::new();
        let mut links = BTreeMap::new();
        for source in sources {
            let mappings = ColumnMapping::all_of(&source.options.columns);
            let options = LinkOptions {
                columns: &mappings,
                site: source.options.site.as_deref(),
                limits: source.options.limits,
                any_name: source.parquet == ParquetLogs::All,
            };
            for path in linked_paths(source, warehouse, &mut faults) {
                // Its rows would be read with the addresses that they have.
                if source.options.pseudonyms.is_some() {
                    let error = PseudonymError::Parquet { path: path.clone() };
                    faults.push(fault(&path.display().to_string(), &chain(&error)));
                    continue;
                }
                match LinkedSource::link(&path, options, warehouse, known) {
                    Ok((linked, looked)) => {
                        let gone = linked.gone_since(warehouse)?;
                        let left_out = looked.left_out.into_iter().chain(gone);
                        faults.extend(left_out.map(SourceFault::from));
                        linked.save(warehouse)?;
                        links.insert(linked.name(), linked.path);
                    }
                    Err(error) => {
                        faults.push(SourceFault {
                            path: path.display().to_string(),
                            message: chain(&error),
                        });
                        // What was linked before is read as before.
                        let earlier = LinkedSource::linked_at(&path, warehouse);
                        links.extend(earlier.filter(|(name, _)| self.links.contains(name)));
                    }
                }
            }
        }
        for name in self.links.iter().filter(|name| !links.contains_key(*name)) {
            let Some(gone) = LinkedSource::forget_name(warehouse, name)? else {
                continue;
            };
            // What is linked as part of a folder now is not gone.
            if !links.values().any(|folder| gone.path.starts_with(folder)) {
                faults.push(SourceFault {
                    path: gone.path.display().to_string(),
                    message: "the linked source is gone, and its requests with it".to_owned(),
                });
            }
        }
        self.links = links.into_keys().collect();
        Ok(faults)
    }

    /// Takes what another index has of links.
    pub(super) fn take_links(&mut self, other: Self) {
        self.links = other.links;
        self.linked_files = other.linked_files;
    }

    /// The linked files whose rows have not been counted yet, given the digest of each.
    pub(super) fn uncounted(&self, linked: &BTreeMap<String, String>) -> BTreeSet<String> {
        let new = linked
            .iter()
            .filter(|(_, digest)| !self.counted.contains(*digest));
        new.map(|(file, _)| file.clone()).collect()
    }

    /// Notes that the rows of all linked files have been counted.
    pub(super) fn note_counted(&mut self, linked: &BTreeMap<String, String>) {
        self.counted = linked.values().cloned().collect();
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
            if !self.coverage.get(digest).is_some_and(Coverage::is_whole) {
                let name = format!("{digest}.{reading}");
                let covered = crate::intake::coverage::read(warehouse, &name)?;
                self.coverage.insert(digest.clone(), covered);
            }
        }
        self.readings.clone_from(logs);
        Ok(&self.coverage)
    }
}

/// Whether the pages of linked files are read that are new or have changed.
#[derive(Debug, Clone, Copy)]
pub(super) enum ReadPages {
    /// They are not: nothing is to be changed.
    No,
    /// They are, by so many threads; one per core if it is not said.
    Of {
        /// How many.
        threads: Option<u32>,
    },
}

/// How many Parquet files lie at sources.
pub(super) fn parquet_files(sources: &[LogSource], warehouse: &Warehouse) -> usize {
    let root = warehouse.root().canonicalize().ok();
    let paths = |source| linked_paths(source, warehouse, &mut Vec::new());
    let paths = sources.iter().flat_map(paths);
    paths
        .map(|path| parquet_count(&path, root.as_deref()))
        .sum()
}

/// The paths of a source that are to be linked.
fn linked_paths(
    source: &LogSource,
    warehouse: &Warehouse,
    faults: &mut Vec<SourceFault>,
) -> Vec<PathBuf> {
    let root = warehouse.root().canonicalize().ok();
    let mut paths = Vec::new();
    for path in &source.paths {
        let expanded = expand(path);
        match source.parquet {
            ParquetLogs::None => {}
            ParquetLogs::All if expanded.is_empty() => faults.push(missing(path)),
            ParquetLogs::All => paths.extend(expanded),
            ParquetLogs::Telling => {
                let parquet = expanded.into_iter();
                paths.extend(parquet.filter(|path| has_parquet(path, root.as_deref())));
            }
        }
    }
    paths
}

pub(super) fn see(path: &Path, known: Option<&Seen>) -> std::io::Result<Option<Seen>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let written = written(&metadata)?;
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

/// When a file was last written, in nanoseconds since the Unix epoch.
fn written(metadata: &fs::Metadata) -> std::io::Result<u64> {
    let written = metadata.modified()?.duration_since(UNIX_EPOCH);
    Ok(written.map_or(0, |written| written.as_nanos() as u64))
}
