//! The detectors of a folder, found at once and loaded on first use.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Detector, DetectorError, DetectorRef, Manifest, ThresholdPolicy, is_valid_name, shipped,
};
use crate::network::Architecture;

/// File that names the version `name` alone stands for.
const CURRENT: &str = "current";

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

/// A metric argument, as far as the query tells what it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MetricArgument {
    /// The name of a column, or the expression as displayed.
    pub name: String,
    /// Whether it is a plain column; anything else is matched by position only.
    pub is_column: bool,
    /// Whether its values are whole numbers by type: counts, that change by 1 at least.
    pub is_whole: bool,
}

impl MetricArgument {
    fn fits(&self, metric: &str) -> bool {
        !self.is_column || self.name == metric
    }
}

fn names_of(metrics: &[MetricArgument]) -> Vec<String> {
    metrics.iter().map(|metric| metric.name.clone()).collect()
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
    /// Whether it came with the program: its metric and its step stand for any.
    pub is_shipped: bool,
    /// The manifest.
    pub manifest: Result<Manifest, DetectorError>,
}

/// A shipped detector with the metrics and the step of a call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Binding {
    architecture: Architecture,
    step_micros: i64,
    /// Names, and whether their values are whole numbers.
    metrics: Vec<(String, bool)>,
}

/// Where a detector is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Stored(String, u32),
    Shipped(Architecture),
}

/// The step of windows unless it is said: a minute.
const DEFAULT_STEP_MICROS: i64 = 60_000_000;

/// The detectors that queries can use: those of a folder, and behind them the shipped ones.
///
/// Manifests are read when asked for and weights on first use; both are then kept, so every use
/// in one store sees the same detector. A folder's detector with the name of a shipped one is not
/// seen.
#[derive(Debug, Default)]
pub struct DetectorStore {
    folder: Option<PathBuf>,
    /// Length of the windows that shipped detectors score unless a call says another; without it
    /// there are none.
    shipped_step_micros: Option<i64>,
    /// What is an anomaly, in the place of what each detector was trained with.
    threshold: Option<ThresholdPolicy>,
    loaded: Mutex<BTreeMap<(String, u32), Arc<Detector>>>,
    bound: Mutex<BTreeMap<Binding, Arc<Detector>>>,
}

impl DetectorStore {
    /// A store over a folder `<name>/<version>/`, which need not exist, and the shipped detectors
    /// for windows of a minute.
    pub fn open(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: Some(folder.into()),
            shipped_step_micros: Some(DEFAULT_STEP_MICROS),
            ..Self::default()
        }
    }

    /// The same store, whose shipped detectors score windows of another length unless a call says
    /// otherwise.
    #[must_use]
    pub fn with_step(mut self, step_micros: i64) -> Self {
        self.shipped_step_micros = Some(step_micros);
        self
    }

    /// The same store, whose detectors call an anomaly what is as rare as this.
    #[must_use]
    pub fn with_threshold(mut self, threshold: ThresholdPolicy) -> Self {
        self.threshold = Some(threshold);
        self
    }

    /// A detector with the threshold of the store, if that has one.
    fn with_own_threshold(&self, detector: Detector) -> Detector {
        match self.threshold {
            Some(threshold) => detector.with_threshold(threshold),
            None => detector,
        }
    }

    /// Adds a detector that is in memory, beside those of the folder.
    pub fn insert(&self, detector: Detector) {
        let manifest = detector.manifest();
        let key = (manifest.name.clone(), manifest.version);
        self.loaded().insert(key, Arc::new(detector));
    }

    /// Every version of every detector, by name and version, then the shipped ones.
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
                is_shipped: false,
                name: name.clone(),
                version,
            }));
        }
        if self.shipped_step_micros.is_some() {
            entries.extend(Architecture::ALL.map(|architecture| {
                let manifest = shipped::manifest(architecture);
                StoredDetector {
                    name: shipped::name(architecture).to_owned(),
                    version: manifest.as_ref().map_or(0, |manifest| manifest.version),
                    is_current: true,
                    is_shipped: true,
                    manifest,
                }
            }));
        }
        Ok(entries)
    }

    /// The detector a query means: the one named, or the current version of the one whose
    /// architecture and metrics fit. Where several fit, the one named like its architecture wins;
    /// where none does, a shipped detector of the architecture, bound to the metrics.
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
        let place = match reference {
            Some(reference) => self.find(reference)?,
            None => self.find_fitting(filter, metrics)?,
        };
        let detector = match place {
            Place::Stored(name, version) => self.load(&name, version)?,
            Place::Shipped(architecture) => self.bind(architecture, reference, metrics)?,
        };
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
                found: names_of(metrics),
            });
        }
        Ok(detector)
    }

    /// The detector a reference names. The metric of a shipped one stands for any.
    ///
    /// # Errors
    /// When there is none, or its files are damaged.
    pub fn get(&self, reference: &DetectorRef) -> Result<Arc<Detector>, DetectorError> {
        match self.find(reference)? {
            Place::Stored(name, version) => self.load(&name, version),
            Place::Shipped(architecture) => shipped::load(architecture),
        }
    }

    /// The length of the windows that shipped detectors score unless it is said; `None` if there
    /// are none.
    #[must_use]
    pub fn shipped_step_micros(&self) -> Option<i64> {
        self.shipped_step_micros
    }

    /// A shipped detector for the metrics of a call.
    fn bind(
        &self,
        architecture: Architecture,
        reference: Option<&DetectorRef>,
        metrics: &[MetricArgument],
    ) -> Result<Arc<Detector>, DetectorError> {
        let step = reference.and_then(|reference| reference.step_micros);
        let names = reference.and_then(|reference| reference.metrics.clone());
        let names = names.unwrap_or_else(|| names_of(metrics));
        let binding = Binding {
            architecture,
            step_micros: step
                .or(self.shipped_step_micros)
                .unwrap_or(DEFAULT_STEP_MICROS),
            metrics: (names.into_iter())
                .zip(metrics.iter().map(|metric| metric.is_whole))
                .collect(),
        };
        if let Some(detector) = lock(&self.bound).get(&binding) {
            return Ok(Arc::clone(detector));
        }
        let names = binding.metrics.iter().map(|(name, _)| name.clone());
        let resolutions = binding.metrics.iter().map(|(_, whole)| f64::from(*whole));
        let detector = shipped::load(architecture)?.bound_to(
            names.collect(),
            binding.step_micros,
            resolutions.collect(),
        )?;
        let detector = self.with_own_threshold(detector);
        let mut bound = lock(&self.bound);
        Ok(Arc::clone(
            bound.entry(binding).or_insert_with(|| Arc::new(detector)),
        ))
    }

    /// The shipped detector of a name and version, if it is one.
    fn find_shipped(
        &self,
        name: &str,
        version: Option<u32>,
    ) -> Result<Option<Architecture>, DetectorError> {
        let Some(architecture) = shipped::architecture(name) else {
            return Ok(None);
        };
        if self.shipped_step_micros.is_none() {
            return Ok(None);
        }
        let has_version = match version {
            Some(version) => shipped::manifest(architecture)?.version == version,
            None => true,
        };
        Ok(has_version.then_some(architecture))
    }

    fn find(&self, reference: &DetectorRef) -> Result<Place, DetectorError> {
        if let Some(architecture) = self.find_shipped(&reference.name, reference.version)? {
            return Ok(Place::Shipped(architecture));
        }
        let versions = self.versions(&reference.name)?;
        let version = match reference.version {
            Some(version) => versions.contains(&version).then_some(version),
            None => self.current_version(&reference.name, &versions)?,
        };
        match version {
            Some(_) if reference.step_micros.is_some() => Err(DetectorError::FixedStep {
                name: reference.name.clone(),
            }),
            Some(version) => Ok(Place::Stored(reference.name.clone(), version)),
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
    ) -> Result<Place, DetectorError> {
        let mut fitting = Vec::new();
        let mut damaged = None;
        let mut shipped = Vec::new();
        for entry in self.list()?.into_iter().filter(|entry| entry.is_current) {
            match entry.manifest {
                Ok(manifest) if entry.is_shipped => {
                    if filter.admits(manifest.architecture) {
                        shipped.push(manifest);
                    }
                }
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
                Ok(Place::Stored(manifest.name.clone(), manifest.version))
            }
            (None, []) => match (damaged, best_forecast(&shipped)) {
                // A detector that cannot be read may be the one that was meant.
                (Some(damaged), _) => Err(damaged),
                (None, Some(manifest)) => Ok(Place::Shipped(manifest.architecture)),
                (None, None) => Err(DetectorError::NoMatch {
                    wanted: filter.describe(),
                    metrics: names_of(metrics),
                    available: self.describe_all()?,
                }),
            },
            (None, several) => Err(DetectorError::Ambiguous {
                names: several.iter().map(Manifest::id).collect(),
            }),
        }
    }

    /// `name(metrics)` of every current detector that can be read, then the shipped ones.
    fn describe_all(&self) -> Result<Vec<String>, DetectorError> {
        let mut available = Vec::new();
        let mut shipped = Vec::new();
        for entry in self.list()?.into_iter().filter(|entry| entry.is_current) {
            let Ok(manifest) = entry.manifest else {
                continue;
            };
            if entry.is_shipped {
                shipped.push(manifest.name);
            } else {
                available.push(format!(
                    "{}({})",
                    manifest.name,
                    manifest.metrics.join(", ")
                ));
            }
        }
        if !shipped.is_empty() {
            available.push(format!("shipped for any metrics: {}", shipped.join(", ")));
        }
        Ok(available)
    }

    fn names(&self) -> Result<Vec<String>, DetectorError> {
        let mut names: Vec<String> = self.loaded().keys().map(|(name, _)| name.clone()).collect();
        if let Some(folder) = &self.folder {
            names.extend(
                subfolders(folder)?
                    .into_iter()
                    .filter(|name| is_valid_name(name) && !shipped::is_shipped(name)),
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
        let detector = Detector::load(&self.version_folder(name, version))?;
        let detector = Arc::new(self.with_own_threshold(detector));
        Ok(Arc::clone(self.loaded().entry(key).or_insert(detector)))
    }

    fn version_folder(&self, name: &str, version: u32) -> PathBuf {
        let folder = self.folder.as_deref().unwrap_or(Path::new(""));
        folder.join(name).join(version.to_string())
    }

    fn loaded(&self) -> MutexGuard<'_, BTreeMap<(String, u32), Arc<Detector>>> {
        lock(&self.loaded)
    }

    /// Makes a version the one that its name alone means, after all that can be checked of it has been.
    /// Returns its manifest, and the version that was current, if there was one.
    ///
    /// # Errors
    /// When the reference names no version of a detector of `folder`, its files are damaged, or the
    /// folder cannot be written.
    pub fn promote(
        folder: &Path,
        reference: &DetectorRef,
    ) -> Result<(Manifest, Option<u32>), DetectorError> {
        let store = Self::open(folder);
        let Place::Stored(name, version) = store.find(reference)? else {
            return Err(DetectorError::Shipped {
                name: reference.name.clone(),
            });
        };
        let manifest = store.load(&name, version)?.manifest().clone();
        let versions = store.versions(&name)?;
        // A file that names a version that is gone is no reason not to replace it.
        let before = store.current_version(&name, &versions).ok().flatten();
        let home = folder.join(&name);
        set_current(&home, version).map_err(|source| DetectorError::Io { path: home, source })?;
        Ok((manifest, before))
    }

    /// Makes the version before the current one of a detector of `folder` current. Returns its
    /// manifest, and the version that was current.
    ///
    /// # Errors
    /// When there is none before, or as [`Self::promote`].
    pub fn roll_back(folder: &Path, name: &str) -> Result<(Manifest, Option<u32>), DetectorError> {
        let store = Self::open(folder);
        let versions = store.versions(name)?;
        let current = store.current_version(name, &versions)?;
        let mut before = versions.iter().filter(|version| Some(**version) < current);
        let version = match (before.next_back(), current) {
            (Some(version), _) => Some(*version),
            (None, None) => None,
            (None, Some(current)) => {
                return Err(DetectorError::NothingBefore {
                    name: name.to_owned(),
                    current,
                });
            }
        };
        let reference = DetectorRef {
            name: name.to_owned(),
            version,
            step_micros: None,
            metrics: None,
        };
        Self::promote(folder, &reference)
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

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The one whose forecasts improve most on the trailing median.
fn best_forecast(manifests: &[Manifest]) -> Option<&Manifest> {
    let error = |manifest: &Manifest| manifest.relative_error().unwrap_or(f64::INFINITY);
    manifests
        .iter()
        .min_by(|one, other| error(one).total_cmp(&error(other)))
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
