//! Finds the logs that the arguments name: files, folders, and `-` for the standard input.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::block::site_of_name;
use super::linked::is_parquet_file;
use super::passed_over::Skipped;
use super::source;

/// Names of what lies in log folders without being a log, by extension.
const NO_LOGS: [&str; 14] = [
    "parquet", "md", "html", "htm", "pdf", "png", "svg", "toml", "yaml", "yml", "sh", "py", "sql",
    "conf",
];

/// How the names begin that programs which write Parquet give to what is no data.
const MARKERS: [&str; 8] = [
    "_SUCCESS",
    "_common_metadata",
    "_committed_",
    "_delta_log",
    "_metadata",
    "_spark_metadata",
    "_started_",
    "_temporary",
];

/// One log to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) place: InputPlace,
    /// The site of lines that name none.
    pub(super) site: String,
    /// Found in a folder, not named itself: if it is no log, it is passed over.
    pub(super) is_found: bool,
}

/// Where a log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InputPlace {
    Stdin,
    File(PathBuf),
}

impl Input {
    /// The name in messages and tables.
    pub(super) fn name(&self) -> String {
        match &self.place {
            InputPlace::Stdin => "stdin".to_owned(),
            InputPlace::File(path) => path.display().to_string(),
        }
    }

    /// When the file was last written, microseconds since the Unix epoch.
    pub(super) fn written(&self) -> Option<i64> {
        let InputPlace::File(path) = &self.place else {
            return None;
        };
        source::written(path)
    }

    /// The stored bytes of a regular file; of others they are not known before the end.
    pub(super) fn size(&self) -> Option<u64> {
        match &self.place {
            InputPlace::Stdin => None,
            InputPlace::File(path) => {
                let metadata = path.metadata().ok()?;
                metadata.is_file().then_some(metadata.len())
            }
        }
    }
}

/// Logs and what was passed over.
#[derive(Debug, Default)]
pub(super) struct FoundInputs {
    pub(super) logs: Vec<Input>,
    pub(super) skipped: Vec<Skipped>,
}

/// A path that cannot be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) path: PathBuf,
    pub(super) source: io::Error,
}

/// Names that say no more than that a file is a log, or that it lies where logs do.
const NAMELESS: [&str; 32] = [
    "access",
    "access_log",
    "access-log",
    "accesslog",
    "log",
    "logs",
    "requests",
    "request",
    "http",
    "https",
    "ssl_access",
    "ssl_access_log",
    "ssl-access",
    "stdout",
    "out",
    "archive",
    "var",
    "srv",
    "www",
    "data",
    "home",
    "opt",
    "mnt",
    "tmp",
    "usr",
    "local",
    "lib",
    "nginx",
    "apache",
    "apache2",
    "httpd",
    "current",
];

/// Finds the logs; those of a folder in the order of their paths. The folder `warehouse` is passed
/// over, should it lie within another.
pub(super) fn find(paths: &[PathBuf], warehouse: &Path) -> Result<FoundInputs, Unreadable> {
    let mut search = Search {
        inputs: FoundInputs::default(),
        warehouse: fs::canonicalize(warehouse).ok(),
    };
    for path in paths {
        if path.as_os_str() == "-" {
            search.add(InputPlace::Stdin, "stdin".to_owned(), false);
        } else if metadata(path)?.is_dir() {
            search.folder(path, None)?;
        } else {
            search.add(InputPlace::File(path.clone()), site_of(path), false);
        }
    }
    Ok(search.inputs)
}

struct Search {
    inputs: FoundInputs,
    warehouse: Option<PathBuf>,
}

impl Search {
    fn add(&mut self, place: InputPlace, site: String, is_found: bool) {
        self.inputs.logs.push(Input {
            place,
            site,
            is_found,
        });
    }

    fn skip(&mut self, path: &Path, reason: &str) {
        let file = path.display().to_string();
        self.inputs.skipped.push(Skipped {
            file,
            reason: reason.to_owned(),
        });
    }

    /// Everything below a folder; `site` is the name of the first folder below the one named.
    fn folder(&mut self, folder: &Path, site: Option<&str>) -> Result<(), Unreadable> {
        let unreadable = |source| Unreadable {
            path: folder.to_owned(),
            source,
        };
        let mut paths = fs::read_dir(folder)
            .and_then(|entries| {
                entries
                    .map(|entry| entry.map(|entry| entry.path()))
                    .collect()
            })
            .map_err(unreadable)?;
        let paths: &mut Vec<PathBuf> = &mut paths;
        paths.sort();
        for path in paths {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.starts_with('.') || MARKERS.iter().any(|marker| name.starts_with(marker)) {
                continue;
            }
            if metadata(path)?.is_dir() {
                if path.is_symlink() {
                    self.skip(path, "link to a folder");
                } else if self.warehouse.is_none() || fs::canonicalize(&path).ok() != self.warehouse
                {
                    self.folder(path, Some(site.unwrap_or(&name)))?;
                }
            } else if is_no_log(&name) || is_parquet_file(path) {
                self.skip(path, "not a log by its extension");
            } else {
                let site = site.filter(|site| names_site(site));
                let site = site.map_or_else(|| site_of(path), str::to_owned);
                self.add(InputPlace::File(path.clone()), site, true);
            }
        }
        Ok(())
    }
}

fn metadata(path: &Path) -> Result<fs::Metadata, Unreadable> {
    fs::metadata(path).map_err(|source| Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// The site that a path names: its file, or the nearest folder where the file is called no more
/// than `access.log`.
fn site_of(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let name = site_of_name(&file).into_owned();
    if names_site(&name) {
        return name;
    }
    let folders = path.parent().into_iter().flat_map(Path::components).rev();
    let named = folders
        .filter_map(|folder| match folder {
            Component::Normal(folder) => folder.to_str(),
            _ => None,
        })
        .find(|folder| names_site(folder));
    named.map_or(name, str::to_owned)
}

/// Whether a name can be that of a site: it is none that all logs have, no date and not hidden.
fn names_site(name: &str) -> bool {
    !name.starts_with('.')
        && name.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !NAMELESS
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
}

fn is_no_log(name: &str) -> bool {
    let extension = Path::new(name)
        .extension()
        .unwrap_or_default()
        .to_ascii_lowercase();
    NO_LOGS.iter().any(|known| extension == *known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_walked_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for file in [
            "shop/2026/b.log",
            "shop/a.log",
            "api/access.log.gz",
            "access-2026-01-01.log",
            ".hidden/x.log",
            "README.md",
            "warehouse/x.log",
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = find(&[root.to_owned(), "-".into()], &root.join("warehouse")).unwrap();
        let logs: Vec<_> = found
            .logs
            .iter()
            .map(|log| {
                (
                    log.name().replace(&format!("{}/", root.display()), ""),
                    log.site.clone(),
                )
            })
            .collect();
        let expected = [
            ("access-2026-01-01.log", "access"),
            ("api/access.log.gz", "api"),
            ("shop/2026/b.log", "shop"),
            ("shop/a.log", "shop"),
            ("stdin", "stdin"),
        ]
        .map(|(name, site)| (name.to_owned(), site.to_owned()));
        assert_eq!(logs, expected);
        assert_eq!(found.skipped.len(), 1);
        for (path, site) in [
            ("access.log", "access"),
            ("a/logs/access.log", "a"),
            ("b/logs/access.log.1", "b"),
            ("/var/log/nginx/access.log", "access"),
            ("/var/log/nginx/shop/access.log.2.gz", "shop"),
            ("shop/2026-01/access-2026-01-01.log", "shop"),
            ("/srv/shop.example/logs/ssl_access_log", "shop.example"),
            ("a/logs/shop.log", "shop"),
        ] {
            assert_eq!(site_of(Path::new(path)), site, "{path}");
        }
        let missing = find(&[root.join("none")], root).unwrap_err();
        assert_eq!(missing.path, root.join("none"));
        assert_eq!(missing.source.kind(), io::ErrorKind::NotFound);
    }
}
