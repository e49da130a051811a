//! Which version of a detector its name alone means: saves, promotes and rolls back.

use std::fs;
use std::path::Path;

use super::choose::Place;
use super::store::CURRENT;
use super::{Detector, DetectorError, DetectorRef, DetectorStore, Manifest};

impl DetectorStore {
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

/// Writes which version is current, all or nothing.
fn set_current(home: &Path, version: u32) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = tempfile::NamedTempFile::new_in(home)?;
    writeln!(file, "{version}")?;
    file.as_file().sync_all()?;
    file.persist(home.join(CURRENT))?;
    Ok(())
}
