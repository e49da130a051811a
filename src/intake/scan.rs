//! What lies at the sources, compared with what was there and what the warehouse holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::index::{Index, PassedOver, Seen, see};
use super::source::{LogSource, SourceFault, fault, files_of};
use crate::logs::{self, LogFile};
use crate::warehouse::Warehouse;

/// Digits of a digest that the warehouse names files by.
const DIGEST_DIGITS: usize = 16;

/// A log that is there, known or not.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    file: LogFile,
    path: String,
    seen: Seen,
    /// Number of its [`LogSource`].
    source: usize,
}

/// What lies at the sources of a job.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) found: Vec<Found>,
    /// Where they are.
    paths: BTreeSet<String>,
    pub(crate) faults: Vec<SourceFault>,
    /// What tells how the logs of each source are read.
    readings: Vec<String>,
    /// Logs of the warehouse that are at no source any more.
    pub(crate) vanished: usize,
}

/// Looks at every source. Files that look as they did are not read.
pub(super) fn scan(sources: &[LogSource], warehouse: &Warehouse, index: &Index) -> Scan {
    let readings = sources.iter().map(|source| source.options.fingerprint());
    let mut scan = Scan {
        readings: readings.collect(),
        ..Scan::default()
    };
    for (number, source) in sources.iter().enumerate() {
        for file in files_of(source, warehouse, &mut scan.faults) {
            let path = file.path().display().to_string();
            if !scan.paths.insert(path.clone()) {
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

impl Scan {
    /// Logs that were looked at otherwise, of one source.
    pub(super) fn of(files: impl Iterator<Item = (LogFile, Seen)>) -> Self {
        let found: Vec<Found> = files
            .map(|(file, seen)| Found {
                path: file.path().display().to_string(),
                file,
                seen,
                source: 0,
            })
            .collect();
        Self {
            paths: found.iter().map(|found| found.path.clone()).collect(),
            found,
            ..Self::default()
        }
    }

    /// Whether a log lies at a path.
    pub(super) fn has(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    /// What the logs look like, by path.
    pub(super) fn seen(&self) -> impl Iterator<Item = (String, Seen)> {
        self.found
            .iter()
            .map(|found| (found.path.clone(), found.seen.clone()))
    }

    /// What tells this state of the sources from others.
    pub(super) fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for found in &self.found {
            let reading = &self.readings[found.source];
            for text in [&found.path, &found.seen.digest, reading] {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The logs that the warehouse does not hold as their source says they are read, by the number of
    /// the source; of equal ones the first.
    pub(super) fn new_logs(
        &self,
        index: &Index,
        ingested: &BTreeMap<String, String>,
    ) -> BTreeMap<usize, Vec<LogFile>> {
        let mut digests = BTreeSet::new();
        let mut new: BTreeMap<usize, Vec<LogFile>> = BTreeMap::new();
        for found in &self.found {
            let digest = &found.seen.digest;
            let reading = &self.readings[found.source];
            let is_passed_over = index
                .passed_over
                .get(digest)
                .is_some_and(|passed| passed.reading.as_ref().is_none_or(|held| held == reading));
            let is_new = ingested.get(&digest[..DIGEST_DIGITS]) != Some(reading)
                && !is_passed_over
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
    pub(super) fn pass_over_compressed(
        &self,
        index: &mut Index,
        ingested: &BTreeMap<String, String>,
    ) -> Vec<String> {
        let gone = self.gone(index);
        let mut passed_over = Vec::new();
        for found in &self.found {
            let digest = &found.seen.digest;
            if ingested.contains_key(&digest[..DIGEST_DIGITS])
                || index.passed_over.contains_key(digest)
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
            let passed_over = PassedOver { reading: None, why };
            index.passed_over.insert(digest.clone(), passed_over);
        }
        passed_over.into_iter().map(|(_, path)| path).collect()
    }

    /// Logs of the warehouse that others have replaced: their digests, and why. The coverage of all
    /// ingested logs must be known.
    pub(super) fn replaced(
        &self,
        index: &Index,
        ingested: &BTreeMap<String, String>,
    ) -> BTreeMap<String, SourceFault> {
        let gone = self.gone(index);
        let known: BTreeSet<&str> = index.files.values().map(|seen| &*seen.digest).collect();
        let mut replaced = BTreeMap::new();
        for found in &self.found {
            let digest = &found.seen.digest;
            let covered = index.coverage.get(&digest[..DIGEST_DIGITS]);
            if known.contains(&**digest) || !ingested.contains_key(&digest[..DIGEST_DIGITS]) {
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
    pub(super) fn remember(&self, index: &mut Index, failed: &BTreeMap<String, String>) {
        index.files = (self.found.iter())
            .map(|found| (found.path.clone(), found.seen.clone()))
            .collect();
        for found in &self.found {
            if let Some(why) = failed.get(&found.path) {
                let passed_over = PassedOver {
                    reading: Some(self.readings[found.source].clone()),
                    why: why.clone(),
                };
                index
                    .passed_over
                    .insert(found.seen.digest.clone(), passed_over);
            }
        }
        let here: BTreeSet<&str> = self.found.iter().map(|found| &*found.seen.digest).collect();
        index
            .passed_over
            .retain(|digest, _| here.contains(digest.as_str()));
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
