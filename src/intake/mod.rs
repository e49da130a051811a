//! What is new among the logs of a job.
//!
//! A log is its bytes: it is known by their digest, wherever it lies and whatever it is called. So
//! a log that was rotated to another name is no new log, and one that was taken away by rotation
//! stays in the warehouse. What was read of a log is replaced by a log that
//! - begins with the same text and lies in the same folder, while the old one is gone: the log has
//!   grown, with or without being rotated or compressed since; or
//! - has its name, and says of the same time something else: it was rewritten or cut short.
//!
//! [`Index`] remembers what files looked like, so that only those are read whose size or time of
//! writing changed. It is no table: without it everything is found out anew.

pub(crate) mod coverage;
mod error;

pub use error::{Error, Result};

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::explain::{cannot, chain};
use crate::incremental::key::Key;
use crate::incremental::remembered;
use crate::job::config::{Job, LogSource};
use crate::logs::linked::{ColumnMapping, Source, SourceError, parquet_files};
use crate::logs::{self, LogFile};
use crate::warehouse::Warehouse;

/// Digits of a digest that the warehouse names files by.
const DIGEST_DIGITS: usize = 16;

/// What is remembered of logs from run to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Index {
    /// By path.
    files: BTreeMap<String, Seen>,
    /// Which time a log covers, by its short digest.
    coverage: BTreeMap<String, Coverage>,
    /// Logs that need not be read, by digest: why.
    passed_over: BTreeMap<String, String>,
    /// Links that a job made, by name.
    links: BTreeSet<String>,
    /// Files of linked sources, by path.
    linked_files: BTreeMap<String, Seen>,
}

/// What a file looked like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    bytes: u64,
    /// Nanoseconds since the Unix epoch.
    written: u64,
    digest: String,
}

/// The time that a log covers, in microseconds since the Unix epoch, and its sites.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Coverage {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) sites: Vec<String>,
}

impl Coverage {
    fn overlaps(&self, other: &Self) -> bool {
        self.from <= other.to
            && other.from <= self.to
            && self.sites.iter().any(|site| other.sites.contains(site))
    }
}

impl Index {
    /// Its file in the warehouse.
    const FILE: &'static str = ".index.json";

    pub(crate) fn load(warehouse: &Warehouse) -> Self {
        remembered::load(warehouse, Self::FILE)
    }

    pub(crate) fn save(&self, warehouse: &Warehouse) -> Result<()> {
        Ok(remembered::save(warehouse, Self::FILE, self)?)
    }

    /// The digest of each linked source, by its name.
    pub(crate) fn linked(&mut self, warehouse: &Warehouse) -> Result<BTreeMap<String, String>> {
        let mut digests = BTreeMap::new();
        let mut files = BTreeMap::new();
        for source in Source::load_all(warehouse)? {
            let mut key =
                Key::of("link", 1).text(&format!("{:?} {:?}", source.columns, source.site));
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
    pub(crate) fn link(&mut self, job: &Job) -> Result<Vec<SourceFault>> {
        let mut faults = Vec::new();
        let mut links = BTreeSet::new();
        for source in job.logs.iter().filter(|source| source.is_parquet) {
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
                    match Source::link(&file, &mappings, source.options.site.as_deref()) {
                        Ok(linked) => {
                            linked.save(&job.warehouse)?;
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
            if Source::forget_name(&job.warehouse, name)? {
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
    pub(crate) fn coverage(
        &mut self,
        warehouse: &Warehouse,
        digests: &BTreeSet<String>,
    ) -> Result<&BTreeMap<String, Coverage>> {
        self.coverage.retain(|digest, _| digests.contains(digest));
        for digest in digests {
            if !self.coverage.contains_key(digest) {
                let covered = crate::intake::coverage::read(warehouse, digest)?;
                self.coverage.insert(digest.clone(), covered);
            }
        }
        Ok(&self.coverage)
    }
}

/// A log that is there, known or not.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    file: LogFile,
    path: String,
    seen: Seen,
    /// Number of its [`LogSource`].
    source: usize,
}

/// Something about a source that a run does not end for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceFault {
    /// The path as the job or the folder has it.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// What lies at the sources of a job.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) found: Vec<Found>,
    pub(crate) faults: Vec<SourceFault>,
    /// Logs of the warehouse that are at no source any more.
    pub(crate) vanished: usize,
}

/// Looks at every source. Files that look as they did are not read.
pub(crate) fn scan(job: &Job, index: &Index) -> Scan {
    let mut scan = Scan::default();
    let mut paths = BTreeSet::new();
    for (number, source) in job.logs.iter().enumerate() {
        for file in files_of(source, job, &mut scan.faults) {
            let path = file.path().display().to_string();
            if !paths.insert(path.clone()) {
                continue;
            }
            match see(file.path(), index.files.get(&path)) {
                Ok(Some(seen)) => scan.found.push(Found {
                    file,
                    path,
                    seen,
                    source: number,
                }),
                // No regular file.
                Ok(None) => {}
                Err(error) => scan.faults.push(SourceFault {
                    path,
                    message: format!("cannot be read: {error}"),
                }),
            }
        }
    }
    let here: BTreeSet<&str> = scan.found.iter().map(|found| &*found.seen.digest).collect();
    scan.vanished = (index.files.values())
        .filter(|seen| !here.contains(&*seen.digest))
        .count();
    scan
}

/// The logs of a source, in the order of their paths.
fn files_of(source: &LogSource, job: &Job, faults: &mut Vec<SourceFault>) -> Vec<LogFile> {
    let mut files = Vec::new();
    if source.is_parquet {
        return files;
    }
    for path in &source.paths {
        let paths = expand(path);
        if paths.is_empty() {
            faults.push(missing(path));
            continue;
        }
        match logs::find(&paths, &job.warehouse) {
            Ok(found) => files.extend(found),
            Err(error) => faults.push(SourceFault {
                path: path.display().to_string(),
                message: chain(&error),
            }),
        }
    }
    files
}

fn missing(path: &Path) -> SourceFault {
    fault(&path.display().to_string(), "no such file or folder")
}

/// A path, or those that it is a pattern of.
pub(crate) fn expand(path: &Path) -> Vec<PathBuf> {
    if path.exists() {
        return vec![path.to_owned()];
    }
    match glob::glob(&path.to_string_lossy()) {
        Ok(paths) => paths.filter_map(std::result::Result::ok).collect(),
        Err(_) => Vec::new(),
    }
}

fn see(path: &Path, known: Option<&Seen>) -> std::io::Result<Option<Seen>> {
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

impl Scan {
    /// What tells this state of the sources from others.
    pub(crate) fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for found in &self.found {
            for text in [&found.path, &found.seen.digest] {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The logs that the warehouse does not hold, by the number of their source; of equal ones the
    /// first.
    pub(crate) fn new_logs(
        &self,
        index: &Index,
        ingested: &BTreeSet<String>,
    ) -> BTreeMap<usize, Vec<LogFile>> {
        let mut digests = BTreeSet::new();
        let mut new: BTreeMap<usize, Vec<LogFile>> = BTreeMap::new();
        for found in &self.found {
            let digest = &found.seen.digest;
            let is_new = !ingested.contains(&digest[..DIGEST_DIGITS])
                && !index.passed_over.contains_key(digest)
                && digests.insert(digest);
            if is_new {
                new.entry(found.source)
                    .or_default()
                    .push(found.file.clone());
            }
        }
        new
    }

    /// Logs that were at a source when it was last looked at, and are not now: what may have been
    /// grown or rewritten.
    fn gone<'a>(&self, index: &'a Index) -> Vec<(&'a str, &'a Seen)> {
        let here: BTreeSet<&str> = self.found.iter().map(|found| &*found.seen.digest).collect();
        let mut gone: Vec<_> = (index.files.iter())
            .filter(|(_, seen)| !here.contains(&*seen.digest))
            .map(|(path, seen)| (path.as_str(), seen))
            .collect();
        gone.dedup_by(|one, other| one.1.digest == other.1.digest);
        gone
    }

    /// Notes logs that are there only once more, compressed: they hold what a log that is gone
    /// held, and need not be read.
    pub(crate) fn pass_over_compressed(
        &self,
        index: &mut Index,
        ingested: &BTreeSet<String>,
    ) -> Vec<String> {
        let gone = self.gone(index);
        let mut passed_over = Vec::new();
        for found in &self.found {
            let digest = &found.seen.digest;
            if ingested.contains(&digest[..DIGEST_DIGITS]) || index.passed_over.contains_key(digest)
            {
                continue;
            }
            let candidates = in_folder_of(&gone, &found.path);
            if let Some((old, text)) = beginnings(&found.file, &candidates)
                && text == old.bytes
            {
                passed_over.push((digest.clone(), found.path.clone()));
            }
        }
        for (digest, path) in &passed_over {
            let why = format!("`{path}` holds the text of a log that was read before");
            index.passed_over.insert(digest.clone(), why);
        }
        passed_over.into_iter().map(|(_, path)| path).collect()
    }

    /// Logs of the warehouse that others have replaced: their digests, and why. The coverage of all
    /// ingested logs must be known.
    pub(crate) fn replaced(
        &self,
        index: &Index,
        ingested: &BTreeSet<String>,
    ) -> BTreeMap<String, SourceFault> {
        let gone = self.gone(index);
        let known: BTreeSet<&str> = index.files.values().map(|seen| &*seen.digest).collect();
        let mut replaced = BTreeMap::new();
        for found in &self.found {
            let digest = &found.seen.digest;
            let covered = index.coverage.get(&digest[..DIGEST_DIGITS]);
            if known.contains(&**digest) || !ingested.contains(&digest[..DIGEST_DIGITS]) {
                continue;
            }
            let candidates = in_folder_of(&gone, &found.path);
            if let Some((old, _)) = beginnings(&found.file, &candidates) {
                let message = "has grown: what was read of it before is replaced";
                replaced.insert(old.digest.clone(), fault(&found.path, message));
            }
            let Some(old) = index.files.get(&found.path) else {
                continue;
            };
            let is_gone = gone.iter().any(|(_, seen)| seen.digest == old.digest);
            let says_otherwise = (index.coverage.get(&old.digest[..DIGEST_DIGITS]))
                .zip(covered)
                .is_some_and(|(old, new)| old.overlaps(new));
            if is_gone && says_otherwise && !replaced.contains_key(&old.digest) {
                let message = if found.seen.bytes < old.bytes {
                    "is shorter than it was: what was read of it before is replaced"
                } else {
                    "was rewritten: what was read of it before is replaced"
                };
                replaced.insert(old.digest.clone(), fault(&found.path, message));
            }
        }
        replaced
    }

    /// Remembers what the sources look like, once all of it has been dealt with.
    pub(crate) fn remember(&self, index: &mut Index, failed: &BTreeMap<String, String>) {
        index.files = (self.found.iter())
            .map(|found| (found.path.clone(), found.seen.clone()))
            .collect();
        for found in &self.found {
            if let Some(reason) = failed.get(&found.path) {
                index
                    .passed_over
                    .insert(found.seen.digest.clone(), reason.clone());
            }
        }
        let here: BTreeSet<&str> = self.found.iter().map(|found| &*found.seen.digest).collect();
        index
            .passed_over
            .retain(|digest, _| here.contains(digest.as_str()));
    }
}

fn fault(path: &str, message: &str) -> SourceFault {
    SourceFault {
        path: path.to_owned(),
        message: message.to_owned(),
    }
}

/// Those of the logs that lay in the folder of a path.
fn in_folder_of<'a>(gone: &[(&str, &'a Seen)], path: &str) -> Vec<&'a Seen> {
    let folder = Path::new(path).parent();
    gone.iter()
        .filter(|(old, _)| Path::new(old).parent() == folder)
        .map(|(_, seen)| *seen)
        .collect()
}

/// The longest of some plain logs whose text a log begins with, and the length of the log's text.
fn beginnings<'a>(file: &LogFile, candidates: &[&'a Seen]) -> Option<(&'a Seen, u64)> {
    if candidates.is_empty() {
        return None;
    }
    let lengths: BTreeSet<u64> = candidates.iter().map(|seen| seen.bytes).collect();
    // A log that cannot be read begins with no other.
    let text = logs::text_digests(file.path(), &lengths).ok()?;
    candidates
        .iter()
        .filter(|seen| text.beginnings.get(&seen.bytes) == Some(&seen.digest))
        .max_by_key(|seen| seen.bytes)
        .map(|seen| (*seen, text.bytes))
}
