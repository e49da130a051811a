//! A detector: a trained, calibrated, versioned artefact.
//!
//! ```text
//! detectors/<name>/current            the version that `name` alone means
//! detectors/<name>/<version>/model.safetensors
//! detectors/<name>/<version>/detector.json
//! ```
//!
//! Some detectors are [shipped]: they lie in the program, and serve any metric and step.
//!
//! Invariant: a [`Detector`] in memory has been checked: its manifest is consistent, its weights
//! have the manifest's digest, and their names and shapes are those of its network.

mod binding;
mod choose;
mod comparison;
mod error;
mod gating;
mod manifest;
mod names;
mod publish;
mod reference;
pub mod shipped;
mod store;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use sha2::{Digest, Sha256};

pub use choose::{ArchitectureFilter, MetricArgument, StoredDetector};
pub use comparison::{Comparison, Excess};
pub use error::DetectorError;
pub use gating::{GateValidation, Gating};
pub use manifest::{
    ClassifierValidation, Classifying, FORMAT_VERSION, Forecasting, Manifest, Objective, Severity,
    ThresholdPolicy, Training, Validation,
};
pub use names::{BASELINE, is_valid_name};
pub use reference::DetectorRef;
pub use store::DetectorStore;

use crate::network::{Classifier, ClassifierPredictor, Forecaster, GatingNetwork, Predictor};
use crate::series::blocks::{BlockLayout, TIME_INPUTS};

const WEIGHTS: &str = "model.safetensors";
const MANIFEST: &str = "detector.json";

/// A detector ready to score.
#[derive(Debug)]
pub struct Detector {
    manifest: Manifest,
    weights: Vec<u8>,
    network: Network,
}

/// The trained network, packed for inference.
#[derive(Debug, Clone)]
pub enum Network {
    /// The network of a detector that forecasts.
    Forecaster(Predictor),
    /// The network of one that classifies.
    Classifier(ClassifierPredictor),
    /// The network of one that gates the baseline's alarms.
    Gate(GatingNetwork),
}

impl Detector {
    /// Makes a detector of trained weights; sets the manifest's digest.
    ///
    /// # Errors
    /// When the weights are not those of the manifest's forecaster.
    pub fn new(
        mut manifest: Manifest,
        weights: &HashMap<String, Tensor>,
    ) -> Result<Self, DetectorError> {
        let weights = serialise(weights).map_err(|source| DetectorError::Weights {
            path: WEIGHTS.into(),
            source,
        })?;
        manifest.weights_sha256 = hex_sha256(&weights);
        Self::assemble(manifest, weights, Path::new(""))
    }

    /// Reads and verifies a version folder.
    ///
    /// # Errors
    /// When a file is missing, damaged, of a newer format, or inconsistent with the other.
    pub fn load(folder: &Path) -> Result<Self, DetectorError> {
        let manifest = Self::read_manifest(folder)?;
        let path = folder.join(WEIGHTS);
        let weights = read(&path)?;
        Self::assemble(manifest, weights, folder)
    }

    /// Reads and checks a version folder's manifest alone.
    ///
    /// # Errors
    /// When it is missing, not a manifest, of a newer format, or not the folder's.
    pub fn read_manifest(folder: &Path) -> Result<Manifest, DetectorError> {
        let path = folder.join(MANIFEST);
        let manifest = Self::parse_manifest(&read(&path)?, &path)?;
        let place = format!("{}/{}", manifest.name, manifest.version);
        if !folder.ends_with(&place) {
            let defect = format!("it is the manifest of `{place}`");
            return Err(DetectorError::Inconsistent { path, defect });
        }
        Ok(manifest)
    }

    /// Reads and checks the text of a manifest that lies at a path.
    fn parse_manifest(text: &[u8], path: &Path) -> Result<Manifest, DetectorError> {
        let not_a_manifest = |source| DetectorError::Manifest {
            path: path.to_owned(),
            source,
        };
        // The version is read first: a newer format may have other fields.
        let value: serde_json::Value = serde_json::from_slice(text).map_err(not_a_manifest)?;
        let found = value
            .get("format_version")
            .and_then(serde_json::Value::as_u64);
        if let Some(found) = found.filter(|found| *found != u64::from(FORMAT_VERSION)) {
            let (path, found) = (path.to_owned(), found as u32);
            return Err(if found > FORMAT_VERSION {
                DetectorError::NewerFormat { path, found }
            } else {
                DetectorError::OlderFormat { path, found }
            });
        }
        let manifest: Manifest = serde_json::from_slice(text).map_err(not_a_manifest)?;
        match manifest.defect() {
            Some(defect) => Err(DetectorError::Inconsistent {
                path: path.to_owned(),
                defect: defect.to_owned(),
            }),
            None => Ok(manifest),
        }
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The trained network, packed for inference.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The network of a detector that forecasts.
    #[must_use]
    pub fn forecaster(&self) -> Option<&Predictor> {
        match &self.network {
            Network::Forecaster(predictor) => Some(predictor),
            Network::Classifier(_) | Network::Gate(_) => None,
        }
    }

    /// The network of a detector that classifies.
    #[must_use]
    pub fn classifier(&self) -> Option<&ClassifierPredictor> {
        match &self.network {
            Network::Classifier(classifier) => Some(classifier),
            Network::Forecaster(_) | Network::Gate(_) => None,
        }
    }

    /// The network of a gated detector.
    #[must_use]
    pub fn gate(&self) -> Option<&GatingNetwork> {
        match &self.network {
            Network::Gate(gate) => Some(gate),
            Network::Forecaster(_) | Network::Classifier(_) => None,
        }
    }

    /// The weights, as in `model.safetensors`.
    #[must_use]
    pub fn weights(&self) -> &[u8] {
        &self.weights
    }

    /// Bytes of the serialised weights.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        self.weights.len()
    }

    /// The trained tensors by name: what another training can begin with.
    ///
    /// # Errors
    /// When the serialised weights cannot be read back.
    pub fn tensors(&self) -> Result<HashMap<String, Tensor>, DetectorError> {
        candle_core::safetensors::load_buffer(&self.weights, &Device::Cpu).map_err(|source| {
            DetectorError::Weights {
                path: WEIGHTS.into(),
                source,
            }
        })
    }

    /// The same weights and comparison, for windows of another length and metrics of other
    /// resolutions: blocks stay as many windows, what is measured in days or minutes does not.
    ///
    /// # Errors
    /// When there is not one resolution per metric, or the step is not positive.
    pub fn laid_out_for(
        &self,
        step_micros: i64,
        resolutions: Vec<f64>,
    ) -> Result<Self, DetectorError> {
        let mut manifest = self.manifest.clone();
        // A layout cannot be made for a step that is no length; the manifest's check names it.
        manifest.layout = BlockLayout {
            step_micros,
            resolutions,
            ..manifest.layout.with_step(step_micros.max(1))
        };
        if let Some(defect) = manifest.defect() {
            return Err(DetectorError::Inconsistent {
                path: MANIFEST.into(),
                defect: defect.to_owned(),
            });
        }
        Ok(Self {
            manifest,
            weights: self.weights.clone(),
            network: self.network.clone(),
        })
    }

    /// The same detector, which calls an anomaly what is as rare as this.
    #[must_use]
    pub fn with_threshold(mut self, threshold: ThresholdPolicy) -> Self {
        self.manifest.threshold = threshold;
        self
    }

    /// A forecaster of one metric, or a gated detector, for others: its network reads each of them by
    /// itself, and they are judged together as by any detector.
    ///
    /// # Errors
    /// When it is a forecaster of several metrics or a classifier, or as [`Self::laid_out_for`].
    pub fn bound_to(
        &self,
        metrics: Vec<String>,
        step_micros: i64,
        resolutions: Vec<f64>,
    ) -> Result<Self, DetectorError> {
        let of = (
            &self.manifest.metrics[..],
            &self.network,
            &self.manifest.objective,
        );
        let (network, objective, for_each_metric) = match of {
            (_, Network::Gate(_), objective) => (self.network.clone(), objective.clone(), false),
            ([_], Network::Forecaster(predictor), Objective::Forecast(forecasting)) => {
                let Comparison { errors, excess } = &forecasting.comparison;
                let repeated = |of_one: &Vec<f64>| vec![of_one[0]; metrics.len()];
                let forecasting = Forecasting {
                    comparison: Comparison {
                        errors: repeated(errors),
                        excess: repeated(excess),
                    },
                    validation: forecasting.validation,
                };
                (
                    Network::Forecaster(predictor.for_each(metrics.len(), TIME_INPUTS)),
                    Objective::Forecast(forecasting),
                    metrics.len() > 1,
                )
            }
            _ => {
                return Err(DetectorError::Metrics {
                    name: self.manifest.id(),
                    expected: self.manifest.metrics.clone(),
                    found: metrics,
                });
            }
        };
        let bound = Self {
            network,
            weights: self.weights.clone(),
            manifest: Manifest {
                objective,
                metrics,
                for_each_metric,
                ..self.manifest.clone()
            },
        };
        bound.laid_out_for(step_micros, resolutions)
    }

    fn assemble(
        manifest: Manifest,
        weights: Vec<u8>,
        folder: &Path,
    ) -> Result<Self, DetectorError> {
        let path = folder.join(WEIGHTS);
        let found = hex_sha256(&weights);
        if found != manifest.weights_sha256 {
            let expected = manifest.weights_sha256;
            return Err(DetectorError::Digest {
                path,
                expected,
                found,
            });
        }
        let network = candle_core::safetensors::load_buffer(&weights, &Device::Cpu)
            .and_then(|tensors| Network::new(&manifest, tensors))
            .map_err(|source| DetectorError::Weights { path, source })?;
        Ok(Self {
            manifest,
            weights,
            network,
        })
    }

    /// Whether a version folder holds this manifest, to the byte: numbers read back from JSON may
    /// differ in the last bit. The manifest has the digest of the weights.
    fn is_written_in(&self, manifest: &Manifest, folder: &Path) -> bool {
        let written = fs::read(folder.join(MANIFEST));
        matches!((written, encode(manifest)), (Ok(written), Ok(text)) if written == text)
            && fs::read(folder.join(WEIGHTS)).is_ok_and(|weights| weights == self.weights)
    }

    /// The same detector under another version.
    #[must_use]
    pub fn with_version(mut self, version: u32) -> Self {
        self.manifest.version = version;
        self
    }

    /// Writes both files into a folder, in the place of those that are there.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn export(&self, folder: &Path) -> Result<(), DetectorError> {
        fs::create_dir_all(folder).map_err(|source| DetectorError::Io {
            path: folder.to_owned(),
            source,
        })?;
        self.write(&self.manifest, folder)
    }

    fn write(&self, manifest: &Manifest, folder: &Path) -> Result<(), DetectorError> {
        write(&folder.join(WEIGHTS), &self.weights)?;
        let path = folder.join(MANIFEST);
        let text = encode(manifest).map_err(|source| DetectorError::Manifest {
            path: path.clone(),
            source,
        })?;
        write(&path, &text)
    }
}

impl Network {
    fn new(manifest: &Manifest, tensors: HashMap<String, Tensor>) -> candle_core::Result<Self> {
        let builder = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        Ok(match &manifest.objective {
            Objective::Forecast(_) => {
                let forecaster = Forecaster::new(&manifest.forecaster_config(), builder)?;
                let predictor = Predictor::new(&forecaster)?;
                Self::Forecaster(if manifest.for_each_metric {
                    predictor.for_each(manifest.metrics.len(), TIME_INPUTS)
                } else {
                    predictor
                })
            }
            Objective::Classify(classifying) => {
                let config = manifest.classifier_config(classifying);
                Self::Classifier(ClassifierPredictor::new(&Classifier::new(
                    &config, builder,
                )?)?)
            }
            Objective::Gate(gating) => {
                Self::Gate(GatingNetwork::new(&manifest.gate_config(gating), builder)?)
            }
        })
    }
}

/// A manifest as the text of its file.
fn encode(manifest: &Manifest) -> serde_json::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(manifest)?;
    text.push(b'\n');
    Ok(text)
}

/// Weights in the order of their names, so that equal weights are equal bytes.
fn serialise(weights: &HashMap<String, Tensor>) -> candle_core::Result<Vec<u8>> {
    let mut sorted: Vec<_> = weights.iter().collect();
    sorted.sort_by_key(|(name, _)| name.as_str());
    safetensors::serialize(sorted, None).map_err(candle_core::Error::from)
}

/// The SHA-256 of some bytes, hexadecimal.
#[must_use]
pub fn hex_sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

fn read(path: &Path) -> Result<Vec<u8>, DetectorError> {
    fs::read(path).map_err(|source| DetectorError::Io {
        path: path.to_owned(),
        source,
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), DetectorError> {
    let written = fs::File::create(path).and_then(|mut file| {
        std::io::Write::write_all(&mut file, bytes)?;
        file.sync_all()
    });
    written.map_err(|source| DetectorError::Io {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::detector;
    use crate::network::Architecture;

    #[test]
    fn weights_can_be_read_back_and_laid_out_for_another_step() {
        let hourly = detector("hourly", Architecture::Gru, &["requests"]);
        let tensors = hourly.tensors().unwrap();
        assert!(tensors.contains_key("location.weight"), "{tensors:?}");
        let minutely = hourly.laid_out_for(60_000_000, vec![0.0]).unwrap();
        let layout = &minutely.manifest().layout;
        assert_eq!(layout.step_micros, 60_000_000);
        assert_eq!(layout.horizons, [1, 12]);
        assert!(layout.scale_windows > hourly.manifest().layout.scale_windows);
        assert_eq!(minutely.weights, hourly.weights);
        for (step, resolutions) in [(0, 1), (-1, 1), (60_000_000, 2)] {
            let refused = hourly.laid_out_for(step, vec![0.0; resolutions]);
            assert!(matches!(refused, Err(DetectorError::Inconsistent { .. })));
        }
    }
}
