//! The detectors of a folder, found at once and loaded on first use.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Detector, DetectorError, Manifest};
use crate::models::Architecture;

/// File that names the version `name` alone stands for.
const CURRENT: &str = "current";

/// `name` or `name@version`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DetectorRef {
    /// Name of the detector.
    pub name: String,
    /// Version; the current one if `None`.
    pub version: Option<u32>,
}

impl FromStr for DetectorRef {
    type Err = DetectorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || DetectorError::Reference(text.to_owned());
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version.parse().map_err(|_| invalid())?)),
            None => (text, None),
        };
        if is_valid_name(name) {
            Ok(Self {
                name: name.to_owned(),
                version,
            })
        } else {
            Err(invalid())
        }
    }
}

/// Whether a name can be a folder and an SQL literal on every system: ASCII letters, digits,
/// `_`, `-` and `.`, not starting with a dot.
#[must_use]
pub fn is_valid_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain)
}

/// What a query asks of a detector when it does not name one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArchitectureFilter {
    /// `lstm_score` and the like.
    Only(Architecture),
    /// `anomaly_score`.
    Any,
}

impl ArchitectureFilter {
    fn admits(self, architecture: Architecture) -> bool {
        match self {
            Self::Only(only) => only == architecture,
            Self::Any => true,
        }
    }

    fn describe(self) -> String {
        match self {
            Self::Only(architecture) => format!("{architecture} detector"),
            Self::Any => "detector".to_owned(),
        }
    }
}

/// The name of a metric argument, as far as the query tells it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MetricArgument {
    /// A plain column.
    Column(String),
    /// Any other expression, here as displayed: matched by position only.
    Expression(String),
}

impl MetricArgument {
    fn display(&self) -> &str {
        match self {
            Self::Column(name) | Self::Expression(name) => name,
        }
    }

    fn fits(&self, metric: &str) -> bool {
        match self {
            Self::Column(name) => name == metric,
            Self::Expression(_) => true,
        }
    }
}

/// One version of a detector, or why it cannot be read.
#[derive(Debug)]
pub struct StoredDetector {
    /// Name of the detector.
    pub name: String,
    /// Version.
    pub version: u32,
    /// Whether `name` alone means this version.
    pub is_current: bool,
    /// The manifest.
    pub manifest: Result<Manifest, DetectorError>,
}

/// The detectors that queries can use.
///
/// Manifests are read when asked for and weights on first use; both are then kept, so every use
/// in one store sees the same detector.
#[derive(Debug, Default)]
pub struct DetectorStore {
    folder: Option<PathBuf>,
    loaded: Mutex<BTreeMap<(String, u32), Arc<Detector>>>,
}

impl DetectorStore {
    /// A store over a folder `<name>/<version>/`; the folder need not exist.
    pub fn open(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: Some(folder.into()),
            loaded: Mutex::default(),
        }
    }

    /// Adds a detector that is in memory, beside those of the folder.
    pub fn insert(&self, detector: Detector) {
        let manifest = detector.manifest();
        let key = (manifest.name.clone(), manifest.version);
        self.loaded().insert(key, Arc::new(detector));
    }

    /// Every version of every detector, by name and version.
    ///
    /// # Errors
    /// When the folder cannot be read; a detector that cannot be read is an entry with its error.
    pub fn list(&self) -> Result<Vec<StoredDetector>, DetectorError> {
        let mut entries = Vec::new();
        for name in self.names()? {
            let versions = self.versions(&name)?;
            let current = self.current_version(&name, &versions)?;
            entries.extend(versions.into_iter().map(|version| StoredDetector {
                manifest: self.manifest(&name, version),
                is_current: current == Some(version),
                name: name.clone(),
                version,
            }));
        }
        Ok(entries)
    }

    /// The detector a query means: the one named, or the current version of the one whose
    /// architecture and metrics fit. Where several fit, the one named like its architecture wins.
    ///
    /// # Errors
    /// When there is none, several, or the one named takes other metrics or has another
    /// architecture, or its files are damaged.
    pub fn resolve(
        &self,
        reference: Option<&DetectorRef>,
        filter: ArchitectureFilter,
        metrics: &[MetricArgument],
    ) -> Result<Arc<Detector>, DetectorError> {
        let (name, version) = match reference {
            Some(reference) => self.find(reference)?,
            None => self.find_fitting(filter, metrics)?,
        };
        let detector = self.load(&name, version)?;
        let manifest = detector.manifest();
        if !filter.admits(manifest.architecture) {
            return Err(DetectorError::Architecture {
                name: manifest.id(),
                found: manifest.architecture.to_string(),
                expected: filter.describe(),
            });
        }
        if !takes(manifest, metrics) {
            return Err(DetectorError::Metrics {
                name: manifest.id(),
                expected: manifest.metrics.clone(),
                found: metrics
                    .iter()
                    .map(|metric| metric.display().to_owned())
                    .collect(),
            });
        }
        Ok(detector)
    }

    /// The detector a reference names.
    ///
    /// # Errors
    /// When there is none, or its files are damaged.
    pub fn get(&self, reference: &DetectorRef) -> Result<Arc<Detector>, DetectorError> {
        let (name, version) = self.find(reference)?;
        self.load(&name, version)
    }

    fn find(&self, reference: &DetectorRef) -> Result<(String, u32), DetectorError> {
        let versions = self.versions(&reference.name)?;
        let version = match reference.version {
            Some(version) => versions.contains(&version).then_some(version),
            None => self.current_version(&reference.name, &versions)?,
        };
        match version {
            Some(version) => Ok((reference.name.clone(), version)),
            None => Err(DetectorError::Unknown {
                name: match reference.version {
                    Some(version) => format!("{}@{version}", reference.name),
                    None => reference.name.clone(),
                },
                available: self.describe_all()?,
            }),
        }
    }

    fn find_fitting(
        &self,
        filter: ArchitectureFilter,
        metrics: &[MetricArgument],
    ) -> Result<(String, u32), DetectorError> {
        let mut fitting = Vec::new();
        let mut damaged = None;
        for entry in self.list()?.into_iter().filter(|entry| entry.is_current) {
            match entry.manifest {
                Ok(manifest)
                    if filter.admits(manifest.architecture) && takes(&manifest, metrics) =>
                {
                    fitting.push(manifest);
                }
                Ok(_) => {}
                Err(error) => damaged = Some(error),
            }
        }
        let preferred = fitting.iter().find(|manifest| match filter {
            ArchitectureFilter::Only(architecture) => manifest.name == architecture.name(),
            ArchitectureFilter::Any => false,
        });
        match (preferred, fitting.as_slice()) {
            (Some(manifest), _) | (None, [manifest]) => {
                Ok((manifest.name.clone(), manifest.version))
            }
            // A detector that cannot be read may be the one that was meant.
            (None, []) if damaged.is_some() => Err(damaged.expect("checked by the guard")),
            (None, []) => Err(DetectorError::NoMatch {
                wanted: filter.describe(),
                metrics: metrics
                    .iter()
                    .map(|metric| metric.display().to_owned())
                    .collect(),
                available: self.describe_all()?,
            }),
            (None, several) => Err(DetectorError::Ambiguous {
                names: several.iter().map(Manifest::id).collect(),
            }),
        }
    }

    /// `name(metrics)` of every current detector that can be read.
    fn describe_all(&self) -> Result<Vec<String>, DetectorError> {
        let entries = self.list()?.into_iter().filter(|entry| entry.is_current);
        Ok(entries
            .filter_map(|entry| entry.manifest.ok())
            .map(|manifest| format!("{}({})", manifest.name, manifest.metrics.join(", ")))
            .collect())
    }

    fn names(&self) -> Result<Vec<String>, DetectorError> {
        let mut names: Vec<String> = self.loaded().keys().map(|(name, _)| name.clone()).collect();
        if let Some(folder) = &self.folder {
            names.extend(
                subfolders(folder)?
                    .into_iter()
                    .filter(|name| is_valid_name(name)),
            );
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn versions(&self, name: &str) -> Result<Vec<u32>, DetectorError> {
        let mut versions: Vec<u32> = self
            .loaded()
            .keys()
            .filter(|(loaded, _)| loaded == name)
            .map(|(_, version)| *version)
            .collect();
        if let Some(folder) = &self.folder {
            let found = subfolders(&folder.join(name))?;
            versions.extend(
                found
                    .iter()
                    .filter_map(|version| version.parse::<u32>().ok()),
            );
        }
        versions.sort_unstable();
        versions.dedup();
        Ok(versions)
    }

    /// What the folder's `current` file says, else the newest version.
    fn current_version(&self, name: &str, versions: &[u32]) -> Result<Option<u32>, DetectorError> {
        let Some(folder) = &self.folder else {
            return Ok(versions.last().copied());
        };
        let path = folder.join(name).join(CURRENT);
        match fs::read_to_string(&path) {
            Ok(text) => match text.trim().parse() {
                Ok(version) if versions.contains(&version) => Ok(Some(version)),
                _ => Err(DetectorError::Inconsistent {
                    path,
                    defect: format!("it names version `{}`, which does not exist", text.trim()),
                }),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(versions.last().copied())
            }
            Err(source) => Err(DetectorError::Io { path, source }),
        }
    }

    fn manifest(&self, name: &str, version: u32) -> Result<Manifest, DetectorError> {
        if let Some(detector) = self.loaded().get(&(name.to_owned(), version)) {
            return Ok(detector.manifest().clone());
        }
        Detector::read_manifest(&self.version_folder(name, version))
    }

    fn load(&self, name: &str, version: u32) -> Result<Arc<Detector>, DetectorError> {
        let key = (name.to_owned(), version);
        if let Some(detector) = self.loaded().get(&key) {
            return Ok(Arc::clone(detector));
        }
        let detector = Arc::new(Detector::load(&self.version_folder(name, version))?);
        Ok(Arc::clone(self.loaded().entry(key).or_insert(detector)))
    }

    fn version_folder(&self, name: &str, version: u32) -> PathBuf {
        let folder = self.folder.as_deref().unwrap_or(Path::new(""));
        folder.join(name).join(version.to_string())
    }

    fn loaded(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, u32), Arc<Detector>>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Saves a detector under the next version of its name in `folder` and makes it current.
    ///
    /// A detector that equals the current version in everything but the number is not saved
    /// again. Readers see the old version or the new one, never a part.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save(folder: &Path, detector: &Detector) -> Result<Manifest, DetectorError> {
        let store = Self::open(folder);
        let name = detector.manifest().name.clone();
        let versions = store.versions(&name)?;
        let mut manifest = detector.manifest().clone();
        if let Some(current) = store.current_version(&name, &versions)? {
            manifest.version = current;
            if detector.is_written_in(&manifest, &store.version_folder(&name, current)) {
                return Ok(manifest);
            }
        }
        manifest.version = versions.last().map_or(1, |last| last + 1);
        let home = folder.join(&name);
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| DetectorError::Io { path, source }
        };
        fs::create_dir_all(&home).map_err(io(&home))?;
        let staged = tempfile::Builder::new()
            .prefix(".write-")
            .tempdir_in(&home)
            .map_err(io(&home))?;
        detector.write(&manifest, staged.path())?;
        let destination = home.join(manifest.version.to_string());
        fs::rename(staged.path(), &destination).map_err(io(&destination))?;
        set_current(&home, manifest.version).map_err(io(&home))?;
        Ok(manifest)
    }
}

fn takes(manifest: &Manifest, metrics: &[MetricArgument]) -> bool {
    manifest.metrics.len() == metrics.len()
        && manifest
            .metrics
            .iter()
            .zip(metrics)
            .all(|(metric, given)| given.fits(metric))
}

fn set_current(home: &Path, version: u32) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = tempfile::NamedTempFile::new_in(home)?;
    writeln!(file, "{version}")?;
    file.as_file().sync_all()?;
    file.persist(home.join(CURRENT))?;
    Ok(())
}

/// Names of the folders in a folder, sorted; none if it does not exist.
fn subfolders(folder: &Path) -> Result<Vec<String>, DetectorError> {
    let io = |source| DetectorError::Io {
        path: folder.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(io(source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io)?;
        if entry.file_type().map_err(io)?.is_dir() {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort();
    Ok(names)
}
