//! The Parquet files below a path, as the tools that write them lay them out.
//!
//! Hive's rules, which Spark, Athena, DuckDB and pyarrow keep: `key=value` folders are columns, and
//! what begins with `.` or `_` is no data (`_SUCCESS`, `_delta_log`, `._part-0.parquet`). Folders of
//! digits are dates (`2026/01/05/00`, as Firehose has them), and say nothing of a site.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::explain::FileError;
use crate::logs::block::site_of_name;
use crate::warehouse::listing::entries;

/// The first bytes of every Parquet file.
const MAGIC: &[u8; 4] = b"PAR1";
/// How the names of Parquet files end.
const EXTENSIONS: [&str; 3] = ["parquet", "parq", "pq"];
/// The value of a key that has none.
const NO_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";
/// Folders within each other that are searched: more are a circle of links.
const MOST_FOLDERS: usize = 64;

/// A file of a source, and what its path says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundFile {
    pub(super) path: PathBuf,
    /// From the path of the source on; empty for a source that is a file.
    pub(super) relative: PathBuf,
    /// The keys of `key=value` folders; one without a value is not among them.
    pub(super) keys: BTreeMap<String, String>,
    /// The site, where no column and no key holds it.
    pub(super) site: String,
}

/// Which files of a folder are Parquet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// Those whose name or first bytes say so.
    Telling,
    /// All of them.
    Any,
}

/// The files of a source, in the order of their paths; `path` is absolute. What lies in the folder
/// `besides` is passed over.
///
/// # Errors
/// When a folder cannot be read.
pub(super) fn find(
    path: &Path,
    names: Names,
    besides: Option<&Path>,
) -> Result<Vec<FoundFile>, FileError> {
    if !path.is_dir() {
        return Ok(vec![FoundFile {
            path: path.to_owned(),
            relative: PathBuf::new(),
            keys: keys_of(path),
            site: site_of_file(path),
        }]);
    }
    search(path, names, besides, usize::MAX)
}

/// Some files of a folder, at most so many.
fn search(
    folder: &Path,
    names: Names,
    besides: Option<&Path>,
    most: usize,
) -> Result<Vec<FoundFile>, FileError> {
    let mut search = Search {
        root: folder,
        site: name(folder),
        names,
        besides,
        most,
        found: Vec::new(),
    };
    search.folder(folder, MOST_FOLDERS)?;
    Ok(search.found)
}

/// Whether a file is Parquet by its name or its first bytes.
#[must_use]
pub fn is_parquet_file(path: &Path) -> bool {
    let by_name = path.extension().is_some_and(|extension| {
        let extension = extension.to_ascii_lowercase();
        EXTENSIONS.iter().any(|known| extension == *known)
    });
    by_name || path.is_file() && begins_with_magic(path)
}

/// How many files below a path are Parquet by their names or first bytes, without those of the folder
/// `besides`.
#[must_use]
pub fn parquet_count(path: &Path, besides: Option<&Path>) -> usize {
    if path.is_dir() {
        find(path, Names::Telling, besides).map_or(0, |found| found.len())
    } else {
        usize::from(is_parquet_file(path))
    }
}

/// Whether a file below a path is Parquet, as [`parquet_count`] counts them: looks no further than the
/// first.
#[must_use]
pub fn has_parquet(path: &Path, besides: Option<&Path>) -> bool {
    if path.is_dir() {
        search(path, Names::Telling, besides, 1).is_ok_and(|found| !found.is_empty())
    } else {
        is_parquet_file(path)
    }
}

fn begins_with_magic(path: &Path) -> bool {
    let mut first = [0; MAGIC.len()];
    File::open(path).is_ok_and(|mut file| file.read_exact(&mut first).is_ok()) && first == *MAGIC
}

struct Search<'a> {
    root: &'a Path,
    /// The name of the root.
    site: String,
    names: Names,
    besides: Option<&'a Path>,
    most: usize,
    found: Vec<FoundFile>,
}

impl Search<'_> {
    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), FileError> {
        for path in entries(folder)? {
            if self.found.len() >= self.most {
                return Ok(());
            }
            let own = name(&path);
            if is_hidden(&own) || self.besides == Some(&path) {
                continue;
            }
            if path.is_dir() {
                if depth > 0 && !path.is_symlink() {
                    self.folder(&path, depth - 1)?;
                }
            } else if self.names == Names::Any || is_parquet_file(&path) {
                let relative = path.strip_prefix(self.root).unwrap_or(&path).to_owned();
                let mut keys = keys_of(self.root);
                keys.extend(keys_of(relative.parent().unwrap_or(Path::new(""))));
                self.found.push(FoundFile {
                    site: site_folder(&relative).unwrap_or_else(|| self.site.clone()),
                    relative,
                    keys,
                    path,
                });
            }
        }
        Ok(())
    }
}

/// Whether a name is none of data. Names of keys may begin with `_`.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name.starts_with('_') && !name.contains('=')
}

/// The first folder of a relative path that is neither a key nor a date.
fn site_folder(relative: &Path) -> Option<String> {
    let folders = relative.parent()?.components();
    let mut names = folders.map(|folder| folder.as_os_str().to_string_lossy());
    names
        .find(|name| !name.contains('=') && !is_date(name))
        .map(std::borrow::Cow::into_owned)
}

/// Whether a folder is named by a date or a part of one, such as `2026`, `2026-01-05` or `05`.
fn is_date(name: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit();
    name.bytes().next().is_some_and(digit)
        && name
            .bytes()
            .all(|byte| digit(byte) || b"-_T:".contains(&byte))
}

/// The site of a file that is named itself: as that of a log in text, but a part file is named after
/// its folder.
fn site_of_file(path: &Path) -> String {
    let own = name(path);
    let parent = path.parent().map(name).filter(|name| !name.is_empty());
    match parent {
        Some(parent) if is_part(&own) => parent,
        _ => site_of_name(&own).into_owned(),
    }
}

/// Whether programs and not people name files so: `part-00000-…`, `000000_0`, digests and the like.
fn is_part(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name);
    let is_numbered = |rest: &str| {
        rest.bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_digit())
    };
    let digits = stem.bytes().filter(u8::is_ascii_hexdigit).count();
    let is_id = digits >= 16
        && stem
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    ["part-", "part_", "data_", "run-"]
        .iter()
        .any(|prefix| stem.strip_prefix(prefix).is_some_and(is_numbered))
        || is_date(stem)
        || is_id
}

/// The keys of the folders of a path.
fn keys_of(path: &Path) -> BTreeMap<String, String> {
    let parts = path.components();
    let parts = parts.map(|part| part.as_os_str().to_string_lossy().into_owned());
    let keys = parts.filter_map(|part| {
        let (key, value) = part.split_once('=')?;
        (value != NO_VALUE && !key.is_empty()).then(|| (unescaped(key), unescaped(value)))
    });
    keys.collect()
}

/// Text in which Hive has written characters as `%3A`.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                digit(high).zip(digit(low))
            }
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &rest[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[&str], names: Names) -> Vec<(String, String, Vec<String>)> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("logs");
        for file in files {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, if file.ends_with('0') { "PAR1" } else { "x" }).unwrap();
        }
        let found = find(&root, names, Some(&root.join("warehouse"))).unwrap();
        let found = found.into_iter().map(|file| {
            let keys = file
                .keys
                .iter()
                .map(|(key, value)| format!("{key}:{value}"));
            (
                file.relative.display().to_string(),
                file.site,
                keys.collect(),
            )
        });
        found.collect()
    }

    #[test]
    fn folders_are_read_as_hive_reads_them() {
        let files = [
            "_SUCCESS",
            "._part-0.parquet",
            "_delta_log/0.parquet",
            "warehouse/a.parquet",
            "000000_0",
            "notes.txt",
            "A.PARQUET",
            "b.parq",
            "2026/01/05/00/stream-1.parquet",
            "shop/dt=2026-01-05/part [1] #2.parquet",
            "site=a%3Ab/_h=10/x=__HIVE_DEFAULT_PARTITION__/c.pq",
        ];
        let row = |path: &str, site: &str, keys: &[&str]| {
            let keys = keys.iter().map(|key| (*key).to_owned()).collect();
            (path.to_owned(), site.to_owned(), keys)
        };
        let parquet = vec![
            row("000000_0", "logs", &[]),
            row("2026/01/05/00/stream-1.parquet", "logs", &[]),
            row("A.PARQUET", "logs", &[]),
            row("b.parq", "logs", &[]),
            row(
                "shop/dt=2026-01-05/part [1] #2.parquet",
                "shop",
                &["dt:2026-01-05"],
            ),
            row(
                "site=a%3Ab/_h=10/x=__HIVE_DEFAULT_PARTITION__/c.pq",
                "logs",
                &["_h:10", "site:a:b"],
            ),
        ];
        assert_eq!(found(&files, Names::Telling), parquet);
        let mut all = parquet;
        all.insert(4, row("notes.txt", "logs", &[]));
        assert_eq!(found(&files, Names::Any), all);
    }

    #[test]
    fn files_that_are_named_name_the_site_unless_programs_name_them() {
        for (path, site) in [
            ("/logs/shop.parquet", "shop"),
            ("/logs/shop-2026-01-05.parquet", "shop"),
            ("/logs/shop/part-00000-6a1f-c000.snappy.parquet", "shop"),
            ("/logs/shop/000000_0", "shop"),
            (
                "/logs/shop/6a1f0c2e-9b1d-4f6e-8a7b-001122334455.parquet",
                "shop",
            ),
            ("/logs/shop/2026-01-05.parquet", "shop"),
            ("/logs/partners.parquet", "partners"),
        ] {
            assert_eq!(site_of_file(Path::new(path)), site, "{path}");
        }
    }
}
