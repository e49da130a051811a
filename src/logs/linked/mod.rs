//! Parquet logs linked in place: read where they lie, under our column names, never copied.
//!
//! A link is one small file, `<warehouse>/sources/<name>.json`. Its name derives from the path, so
//! linking the same path again replaces the link. What a source has is looked at anew whenever a
//! session opens it: files that came since are read, and files that are gone, damaged or foreign are
//! left out and named, and stand in nobody's way.

mod error;
mod file;
mod folder;
mod guard;
mod known_files;
mod pages;
mod places;
mod times;
mod types;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anomalog_engine::detector::hex_sha256;
use serde::{Deserialize, Serialize};

pub use error::SourceError;
pub use file::LinkedFile;
pub use folder::{has_parquet, is_parquet_file, parquet_count};
pub use known_files::KnownFiles;
pub use places::{ColumnMapping, FileColumns, Place, TimePlace};
pub use times::{EpochUnit, times};
pub use values::{TextPart, latencies, shown, sizes, statuses, texts};

use file::Footer;
use folder::{FoundFile, Names};
use known_files::Pages;
use times::UnitVotes;

use super::column::LogColumn;
use super::options::TimeLimits;
use crate::explain::{cannot, chain};
use crate::warehouse::Warehouse;
use crate::warehouse::listing::entries;

/// How a source is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinkOptions<'a> {
    /// Columns of unusual names. Those that have our names need no mapping.
    pub columns: &'a [ColumnMapping],
    /// The site of every request; without it that of a column or key `site`, else that of the folder.
    pub site: Option<&'a str>,
    /// The times that requests may have.
    pub limits: TimeLimits,
    /// Whether every file is Parquet, whatever it is called.
    pub any_name: bool,
}

/// A Parquet file, or a folder of them, that is read as access logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkedSource {
    /// Absolute path of the file or folder.
    pub path: PathBuf,
    /// Our column to theirs, of those that were named.
    pub columns: BTreeMap<LogColumn, String>,
    /// The site of every request, if it was said.
    pub site: Option<String>,
    /// The times that requests may have.
    #[serde(default)]
    pub limits: TimeLimits,
    /// Whether every file is Parquet, whatever it is called.
    #[serde(default)]
    pub any_name: bool,
    /// The files that it had when it was linked.
    #[serde(default)]
    pub files: BTreeSet<PathBuf>,
}

/// A file or folder of a source that is left out.
#[derive(Debug)]
pub struct LeftOut {
    /// Where it lies, or lay.
    pub path: PathBuf,
    /// Why.
    pub reason: Reason,
}

/// Why a file is left out.
#[derive(Debug)]
pub enum Reason {
    /// It is not there any more.
    Gone,
    /// It cannot be read as a log.
    Unreadable(Box<SourceError>),
}

impl LeftOut {
    fn unreadable(path: &Path, error: SourceError) -> Self {
        Self {
            path: path.to_owned(),
            reason: Reason::Unreadable(Box::new(error)),
        }
    }

    /// Why, in words.
    #[must_use]
    pub fn message(&self) -> String {
        match &self.reason {
            Reason::Gone => "is gone, and its requests with it".to_owned(),
            Reason::Unreadable(error) => format!("is left out: {}", chain(&**error)),
        }
    }
}

/// What a source has.
#[derive(Debug, Default)]
pub struct Looked {
    /// The files that can be read.
    pub files: Vec<LinkedFile>,
    /// Those that cannot.
    pub left_out: Vec<LeftOut>,
}

impl Looked {
    /// Reads the pages of files that are new or have changed, by so many threads or one per core, and
    /// leaves out those that are damaged. Returns how many these are: they are the last that are left
    /// out.
    pub fn leave_out_damaged(&mut self, known: &mut KnownFiles, threads: Option<u32>) -> usize {
        let is_new = |file: &&LinkedFile| !file.is_checked;
        let new: Vec<&LinkedFile> = self.files.iter().filter(is_new).collect();
        let faults = pages::faults(&new, threads);
        let mut damaged = BTreeMap::new();
        for (file, fault) in new.into_iter().zip(faults) {
            let pages = match fault {
                None => Pages::Whole,
                Some(reason) => {
                    damaged.insert(file.path.clone(), reason.clone());
                    Pages::Damaged(reason)
                }
            };
            known.note_pages(&file.known_as, pages);
        }
        self.files.retain(|file| !damaged.contains_key(&file.path));
        let count = damaged.len();
        let left_out = damaged.into_iter().map(|(path, reason)| {
            let error = SourceError::Damaged {
                path: path.clone(),
                reason,
            };
            LeftOut::unreadable(&path, error)
        });
        self.left_out.extend(left_out);
        count
    }
}

impl LinkedSource {
    /// The name of the link to a path, if there is one.
    #[must_use]
    pub fn linked_at(path: &Path, warehouse: &Warehouse) -> Option<(String, PathBuf)> {
        let path = path.canonicalize().ok()?;
        let name = name_of(&path);
        link_of(warehouse, &name).exists().then_some((name, path))
    }

    /// Whether a file was one of the source when it was linked, read or left out.
    #[must_use]
    pub fn has(&self, path: &Path) -> bool {
        path.canonicalize()
            .is_ok_and(|path| self.files.contains(&path))
    }

    /// Looks whether a file or folder can be read as access logs, at least in part.
    ///
    /// # Errors
    /// When none of its files can be read, or none has a column that is needed or mapped.
    pub fn link(
        path: &Path,
        options: LinkOptions<'_>,
        warehouse: &Warehouse,
        known: &mut KnownFiles,
    ) -> Result<(Self, Looked), SourceError> {
        let absolute = path.canonicalize().map_err(cannot("read", path))?;
        let columns = options.columns.iter().cloned();
        let mut source = Self {
            path: absolute,
            columns: columns.map(|column| (column.ours, column.theirs)).collect(),
            site: options.site.map(str::to_owned),
            limits: options.limits,
            any_name: options.any_name,
            files: BTreeSet::new(),
        };
        let found = source.find(warehouse)?;
        source.files = found.iter().map(|file| file.path.clone()).collect();
        if found.is_empty() {
            return Err(SourceError::EmptyFolder {
                path: path.to_owned(),
            });
        }
        let (footers, mut left_out) = source.footers(found, known);
        let Some(first) = footers.first() else {
            let reason = left_out.swap_remove(0).reason;
            return Err(match reason {
                Reason::Unreadable(error) => *error,
                Reason::Gone => SourceError::EmptyFolder {
                    path: path.to_owned(),
                },
            });
        };
        let mut all = first.columns().clone();
        for footer in &footers {
            all.others.extend(footer.columns().others.clone());
        }
        if let Some(lacking) = first.lacks(&all, &source.columns) {
            return Err(lacking);
        }
        let files = source.finish(footers);
        Ok((source, Looked { files, left_out }))
    }

    /// Looks what the source has now.
    #[must_use]
    pub fn look(&self, warehouse: &Warehouse, known: &mut KnownFiles) -> Looked {
        let found = match self.find(warehouse) {
            Ok(found) => found,
            Err(error) => {
                return Looked {
                    files: Vec::new(),
                    left_out: vec![LeftOut::unreadable(&self.path, error)],
                };
            }
        };
        let here: BTreeSet<&PathBuf> = found.iter().map(|file| &file.path).collect();
        let gone = self.files.iter().filter(|file| !here.contains(file));
        let gone = gone.map(|path| LeftOut {
            path: path.clone(),
            reason: Reason::Gone,
        });
        let gone: Vec<LeftOut> = gone.collect();
        let (footers, mut left_out) = self.footers(found, known);
        let files = self.finish(footers);
        left_out.extend(gone);
        Looked { files, left_out }
    }

    fn find(&self, warehouse: &Warehouse) -> Result<Vec<FoundFile>, SourceError> {
        let names = if self.any_name {
            Names::Any
        } else {
            Names::Telling
        };
        let besides = warehouse.root().canonicalize().ok();
        let found = folder::find(&self.path, names, besides.as_deref())?;
        // A file that is named itself need not be there.
        let is_there = |file: &FoundFile| file.path.exists();
        Ok(found.into_iter().filter(is_there).collect())
    }

    fn footers(
        &self,
        found: Vec<FoundFile>,
        known: &mut KnownFiles,
    ) -> (Vec<Footer>, Vec<LeftOut>) {
        let (mut footers, mut left_out) = (Vec::new(), Vec::new());
        for file in found {
            let path = file.path.clone();
            match Footer::read(file, &self.columns, self.site.is_some(), known) {
                Ok(footer) => footers.push(footer),
                Err(error) => left_out.push(LeftOut::unreadable(&path, error)),
            }
        }
        (footers, left_out)
    }

    fn finish(&self, footers: Vec<Footer>) -> Vec<LinkedFile> {
        let mut votes = UnitVotes::default();
        for footer in &footers {
            votes.add(footer.votes());
        }
        let (name, site) = (self.name(), self.site.as_ref());
        let footers = footers.into_iter();
        footers
            .map(|footer| footer.finish(&name, site, self.limits, votes))
            .collect()
    }

    /// Forgets the source of a name, which may be gone itself; returns it if there was one.
    ///
    /// # Errors
    /// When the warehouse cannot be written.
    pub fn forget_name(warehouse: &Warehouse, name: &str) -> Result<Option<Self>, SourceError> {
        let link = link_of(warehouse, name);
        if !link.exists() {
            return Ok(None);
        }
        let source = Self::load(&link)?;
        match std::fs::remove_file(&link) {
            Ok(()) => Ok(Some(source)),
            Err(source) => Err(SourceError::Write { path: link, source }),
        }
    }

    /// The files that an earlier link to the same path had, and that are not there any more.
    ///
    /// # Errors
    /// When the earlier link is damaged.
    pub fn gone_since(&self, warehouse: &Warehouse) -> Result<Vec<LeftOut>, SourceError> {
        let link = link_of(warehouse, &self.name());
        if !link.exists() {
            return Ok(Vec::new());
        }
        let before = Self::load(&link)?.files.into_iter();
        let gone = before.filter(|file| !self.files.contains(file) && !file.exists());
        let gone = gone.map(|path| LeftOut {
            path,
            reason: Reason::Gone,
        });
        Ok(gone.collect())
    }

    /// Remembers the source in a warehouse, replacing an earlier link to the same path.
    ///
    /// # Errors
    /// When the warehouse cannot be written.
    pub fn save(&self, warehouse: &Warehouse) -> Result<(), SourceError> {
        let write_error = |source| SourceError::Write {
            path: self.path.clone(),
            source,
        };
        let text = serde_json::to_vec_pretty(self).map_err(|error| write_error(error.into()))?;
        let staging = warehouse.staging().map_err(write_error)?;
        let staged = staging.path().join("link.json");
        std::fs::write(&staged, text).map_err(write_error)?;
        let link = link_of(warehouse, &self.name());
        warehouse.publish(&staged, &link).map_err(write_error)
    }

    /// Every source of a warehouse, in the order of their names.
    ///
    /// # Errors
    /// When a link is damaged.
    pub fn load_all(warehouse: &Warehouse) -> Result<Vec<Self>, SourceError> {
        entries(&links(warehouse))?
            .iter()
            .filter(|link| {
                link.extension()
                    .is_some_and(|extension| extension == "json")
            })
            .map(|link| Self::load(link))
            .collect()
    }

    /// Looks what every source of a warehouse has now. A file that several have is that of the one
    /// which names it most closely: it is read once.
    ///
    /// # Errors
    /// When a link is damaged.
    pub fn look_at_all(
        warehouse: &Warehouse,
        known: &mut KnownFiles,
    ) -> Result<Vec<(Self, Looked)>, SourceError> {
        let mut sources = Self::load_all(warehouse)?;
        sources.sort_by_key(|source| std::cmp::Reverse(source.path.components().count()));
        let mut seen = BTreeSet::new();
        let mut all = Vec::new();
        for source in sources {
            let mut looked = source.look(warehouse, known);
            looked.files.retain(|file| seen.insert(file.path.clone()));
            looked
                .left_out
                .retain(|file| seen.insert(file.path.clone()));
            all.push((source, looked));
        }
        Ok(all)
    }

    fn load(link: &Path) -> Result<Self, SourceError> {
        let text = std::fs::read(link).map_err(cannot("read", link))?;
        serde_json::from_slice(&text).map_err(|source| SourceError::BadLink {
            path: link.to_owned(),
            source,
        })
    }

    /// A name that tells sources apart, and tells a reader which one it is.
    #[must_use]
    pub fn name(&self) -> String {
        name_of(&self.path)
    }
}

fn name_of(path: &Path) -> String {
    let digest = hex_sha256(path.as_os_str().as_encoded_bytes());
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let stem: String = stem
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect();
    format!("{stem}-{}", &digest[..8])
}

fn links(warehouse: &Warehouse) -> PathBuf {
    warehouse.root().join("sources")
}

fn link_of(warehouse: &Warehouse, name: &str) -> PathBuf {
    links(warehouse).join(format!("{name}.json"))
}

#[cfg(test)]
mod tests;
