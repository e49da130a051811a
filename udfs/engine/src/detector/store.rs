//! The detectors of a folder, found at once and loaded on first use.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::binding::Binding;
use super::choose::{
    ArchitectureFilter, MetricArgument, Place, StoredDetector, available, fitting, names_of, takes,
};
use super::{
    Detector, DetectorError, DetectorRef, Manifest, ThresholdPolicy, is_valid_name, shipped,
};
use crate::network::Architecture;

/// File that names the version `name` alone stands for.
pub(super) const CURRENT: &str = "current";

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
    /// The threshold that replaces those of the detectors, if any.
    threshold: Option<ThresholdPolicy>,
    loaded: Mutex<BTreeMap<(String, u32), Arc<Detector>>>,
    bound: Mutex<BTreeMap<(Architecture, Binding), Arc<Detector>>>,
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
            None => fitting(self.list()?, filter, metrics)?,
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
        if !takes(&manifest.metrics, metrics) {
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

    /// The threshold that replaces those of the detectors, if any.
    #[must_use]
    pub fn threshold(&self) -> Option<ThresholdPolicy> {
        self.threshold
    }

    /// What a call binds to that serves any step and metrics: those of the reference where it has them,
    /// else the step of the store and the metrics of the call.
    pub(crate) fn binding(
        &self,
        reference: Option<&DetectorRef>,
        metrics: &[MetricArgument],
    ) -> Binding {
        let step = reference.and_then(|reference| reference.step_micros);
        let names = reference.and_then(|reference| reference.metrics.clone());
        let names = names.unwrap_or_else(|| names_of(metrics));
        let step = step.or(self.shipped_step_micros);
        Binding {
            step_micros: step.unwrap_or(DEFAULT_STEP_MICROS),
            metrics: (names.into_iter())
                .zip(metrics.iter().map(|metric| metric.is_whole))
                .collect(),
        }
    }

    /// A shipped detector for the metrics of a call.
    fn bind(
        &self,
        architecture: Architecture,
        reference: Option<&DetectorRef>,
        metrics: &[MetricArgument],
    ) -> Result<Arc<Detector>, DetectorError> {
        let binding = self.binding(reference, metrics);
        let key = (architecture, binding.clone());
        if let Some(detector) = lock(&self.bound).get(&key) {
            return Ok(Arc::clone(detector));
        }
        let detector = shipped::load(architecture)?.bound_to(
            binding.names(),
            binding.step_micros,
            binding.resolutions(),
        )?;
        let detector = self.with_own_threshold(detector);
        let mut bound = lock(&self.bound);
        Ok(Arc::clone(
            bound.entry(key).or_insert_with(|| Arc::new(detector)),
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

    pub(super) fn find(&self, reference: &DetectorRef) -> Result<Place, DetectorError> {
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
                available: available(&self.list()?),
            }),
        }
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

    pub(super) fn versions(&self, name: &str) -> Result<Vec<u32>, DetectorError> {
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

    /// The version that the folder's `current` file names, else the newest.
    pub(super) fn current_version(
        &self,
        name: &str,
        versions: &[u32],
    ) -> Result<Option<u32>, DetectorError> {
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

    /// The manifest as it lies in the folder; that of a detector which is in memory alone. A loaded one may
    /// have the threshold of the store.
    fn manifest(&self, name: &str, version: u32) -> Result<Manifest, DetectorError> {
        let folder = self.version_folder(name, version);
        match self.loaded().get(&(name.to_owned(), version)) {
            Some(detector) if self.folder.is_none() || !folder.is_dir() => {
                Ok(detector.manifest().clone())
            }
            _ => Detector::read_manifest(&folder),
        }
    }

    pub(super) fn load(&self, name: &str, version: u32) -> Result<Arc<Detector>, DetectorError> {
        let key = (name.to_owned(), version);
        if let Some(detector) = self.loaded().get(&key) {
            return Ok(Arc::clone(detector));
        }
        let detector = Detector::load(&self.version_folder(name, version))?;
        let detector = Arc::new(self.with_own_threshold(detector));
        Ok(Arc::clone(self.loaded().entry(key).or_insert(detector)))
    }

    pub(super) fn version_folder(&self, name: &str, version: u32) -> PathBuf {
        let folder = self.folder.as_deref().unwrap_or(Path::new(""));
        folder.join(name).join(version.to_string())
    }

    fn loaded(&self) -> MutexGuard<'_, BTreeMap<(String, u32), Arc<Detector>>> {
        lock(&self.loaded)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
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
