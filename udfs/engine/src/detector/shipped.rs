//! The detectors that come with the crate: one per architecture, trained beforehand.
//!
//! They lie in the program, so `lstm_score(window_start, requests)` answers before anyone has
//! trained. What they learned from was one metric at a time, of many series; so they serve any
//! number of metrics, each of which they forecast by itself, and windows of any length: see
//! [`Detector::bound_to`].
//! `anomalog-lab pretrain` makes them; `udfs/engine/pretrained/README.md` says from what.
//!
//! They are read and verified when first used, like those of a folder: a build whose artefacts are
//! of another format can still make new ones.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::{Detector, DetectorError, MANIFEST, Manifest};
use crate::network::Architecture;

/// The prefix of the names of shipped detectors.
pub const PREFIX: &str = "pretrained-";

/// The files of one architecture.
struct Artefact {
    name: &'static str,
    manifest: &'static [u8],
    weights: &'static [u8],
}

macro_rules! artefact {
    ($architecture:literal) => {
        Artefact {
            name: concat!("pretrained-", $architecture),
            manifest: include_bytes!(concat!(
                "../../pretrained/",
                $architecture,
                "/detector.json"
            )),
            weights: include_bytes!(concat!(
                "../../pretrained/",
                $architecture,
                "/model.safetensors"
            )),
        }
    };
}

static RNN: Artefact = artefact!("rnn");
static LSTM: Artefact = artefact!("lstm");
static GRU: Artefact = artefact!("gru");
static CLSTM: Artefact = artefact!("clstm");

const fn artefact(architecture: Architecture) -> &'static Artefact {
    match architecture {
        Architecture::Rnn => &RNN,
        Architecture::Lstm => &LSTM,
        Architecture::Gru => &GRU,
        Architecture::Clstm => &CLSTM,
    }
}

/// A series that the shipped detectors learned from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenSeries {
    /// Name of its file.
    pub file: String,
    /// The number of its first windows that they have seen.
    pub windows: usize,
}

static SEEN: &[u8] = include_bytes!("../../pretrained/series.json");

/// The name of the shipped detector of an architecture.
#[must_use]
pub const fn name(architecture: Architecture) -> &'static str {
    artefact(architecture).name
}

/// The architecture of the shipped detector of a name, if it is one.
#[must_use]
pub fn architecture(detector: &str) -> Option<Architecture> {
    let mut all = Architecture::ALL.into_iter();
    all.find(|architecture| name(*architecture) == detector)
}

/// Whether a shipped detector has the name.
#[must_use]
pub fn is_shipped(detector: &str) -> bool {
    architecture(detector).is_some()
}

/// The manifest of a shipped detector. Its only metric stands for any.
///
/// # Errors
/// When it was made by another version of the crate and has another format.
pub fn manifest(architecture: Architecture) -> Result<Manifest, DetectorError> {
    let path = path(architecture, MANIFEST);
    let manifest = Detector::parse_manifest(artefact(architecture).manifest, &path)?;
    let is_own = manifest.name == name(architecture) && manifest.architecture == architecture;
    if !is_own || manifest.metrics.len() != 1 {
        let defect = format!(
            "it is the manifest of `{}`, a {} of ({})",
            manifest.name,
            manifest.architecture,
            manifest.metrics.join(", ")
        );
        return Err(DetectorError::Inconsistent { path, defect });
    }
    Ok(manifest)
}

/// A shipped detector, verified when it is first asked for.
///
/// # Errors
/// As [`manifest`], and when the weights are not those of the manifest.
pub fn load(architecture: Architecture) -> Result<Arc<Detector>, DetectorError> {
    static LOADED: [OnceLock<Arc<Detector>>; Architecture::ALL.len()] =
        [const { OnceLock::new() }; Architecture::ALL.len()];
    let loaded = &LOADED[architecture as usize];
    if let Some(detector) = loaded.get() {
        return Ok(Arc::clone(detector));
    }
    let weights = artefact(architecture).weights.to_vec();
    let folder = path(architecture, "");
    let detector = Detector::assemble(manifest(architecture)?, weights, &folder)?;
    Ok(Arc::clone(loaded.get_or_init(|| Arc::new(detector))))
}

/// The series that they learned from, besides simulated ones.
#[must_use]
pub fn seen_series() -> Vec<SeenSeries> {
    serde_json::from_slice(SEEN).unwrap_or_default()
}

/// Where a file lay when the crate was built, for messages.
fn path(architecture: Architecture, file: &str) -> PathBuf {
    ["pretrained", architecture.name(), file].iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::traffic;
    use crate::forecast::{Part, SeriesForecast, forecast};
    use crate::series::Rows;
    use crate::series::time_zone::TimeZone;

    const MINUTE: i64 = 60_000_000;

    #[test]
    fn all_are_there_and_sound() {
        for architecture in Architecture::ALL {
            let detector = load(architecture).unwrap();
            assert_eq!(detector.manifest().name, name(architecture));
            assert_eq!(super::architecture(name(architecture)), Some(architecture));
        }
        assert!(!seen_series().is_empty());
        let bytes = Architecture::ALL.map(|all| load(all).unwrap().weight_bytes());
        assert!(bytes.iter().sum::<usize>() < 400_000, "{bytes:?}");
    }

    #[test]
    fn damage_is_noticed() {
        let mut weights = LSTM.weights.to_vec();
        *weights.last_mut().unwrap() ^= 1;
        let manifest = manifest(Architecture::Lstm).unwrap();
        let damaged = Detector::assemble(manifest, weights, &path(Architecture::Lstm, ""));
        let Err(DetectorError::Digest { path, .. }) = damaged else {
            panic!("{damaged:?}");
        };
        assert!(path.ends_with("pretrained/lstm/model.safetensors"));
    }

    /// Two metrics at once are each forecast as they are alone, whatever the architecture.
    #[test]
    fn each_metric_is_forecast_by_itself() {
        let rows = 1_500;
        let window_start: Vec<i64> = (0..rows as i64).map(|row| row * MINUTE).collect();
        let metrics = [traffic(rows, 900), traffic(rows, 1_100)];
        let second: Vec<f64> = metrics[1].iter().map(|value| value * 3.0).collect();
        let metrics = [metrics[0].clone(), second];
        let rows_of = |metrics| Rows {
            window_start: &window_start,
            metrics,
            time_zone: Some(TimeZone::UTC),
        };
        for architecture in Architecture::ALL {
            let shipped = load(architecture).unwrap();
            let bound = |names: &[&str]| {
                let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
                let resolutions = vec![1.0; names.len()];
                shipped.bound_to(names, MINUTE, resolutions).unwrap()
            };
            let forecasts = |detector: &Detector, metrics| {
                let part = Part {
                    rows: rows_of(metrics),
                    first_row: 0,
                };
                let layout = &detector.manifest().layout;
                forecast(detector.forecaster().unwrap(), layout, &[part])
                    .unwrap()
                    .remove(0)
            };
            let detector = bound(&["a", "b"]);
            let both = forecasts(&detector, &metrics);
            let alone = [
                forecasts(&bound(&["a"]), &metrics[..1]),
                forecasts(&bound(&["b"]), &metrics[1..]),
            ];
            let bits = |forecasts: &SeriesForecast, row, metric: usize| {
                let found = forecasts.window(row)?.metrics[metric]?;
                Some([found.forecast, found.baseline, found.scale].map(f64::to_bits))
            };
            let mut found = 0;
            for row in 0..rows {
                for (metric, alone) in alone.iter().enumerate() {
                    let expected = bits(alone, row, 0);
                    found += usize::from(expected.is_some());
                    assert_eq!(bits(&both, row, metric), expected, "{row}");
                }
            }
            assert!(found > rows, "{found}");
            let scores = detector.score(rows_of(&metrics)).unwrap();
            let top = |row: usize| scores[row].verdict.unwrap().top_metric;
            assert_eq!((top(900), top(1_100)), (0, 1), "{architecture}");
            assert!(scores[1_100].verdict.unwrap().is_anomaly, "{architecture}");
        }
    }
}
