//! The detectors that come with the crate: one per architecture, trained beforehand.
//!
//! They lie in the program, so `lstm_score(window_start, requests)` answers before anyone has
//! trained. Each is the baseline with a gating network, which learned from made-up sites what is a
//! nuisance and what is an anomaly. It reads one metric at a time, so they serve any number of metrics,
//! each by itself, and windows of any length: see [`Detector::bound_to`].
//! `anomalog-lab gates` makes them; `udfs/engine/pretrained/README.md` says how.
//!
//! They are read and verified when first used, like those of a folder: a build whose artefacts are
//! of another format can still make new ones.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

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

/// The architecture of the shipped detector with the smallest relative error, which decides where none is
/// named.
///
/// # Errors
/// As [`manifest`].
pub fn best() -> Result<Architecture, DetectorError> {
    let mut best: Option<(f64, Architecture)> = None;
    for architecture in Architecture::ALL {
        let error = manifest(architecture)?
            .relative_error()
            .unwrap_or(f64::INFINITY);
        if best.is_none_or(|(least, _)| error < least) {
            best = Some((error, architecture));
        }
    }
    Ok(best.map_or(Architecture::Lstm, |(_, architecture)| architecture))
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

/// Where a file lay when the crate was built, for messages.
fn path(architecture: Architecture, file: &str) -> PathBuf {
    ["pretrained", architecture.name(), file].iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::traffic;
    use crate::forecast::{SeriesSlice, Work};
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

    /// Two metrics at once are each judged as they are alone, whatever the architecture.
    #[test]
    fn each_metric_is_judged_by_itself() {
        let rows = 1_500;
        let window_start: Vec<i64> = (0..rows as i64).map(|row| row * MINUTE).collect();
        let second = traffic(rows, 1_100).into_iter().map(|value| value * 3.0);
        let metrics = [traffic(rows, 900), second.collect()];
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
            let odds = |detector: &Detector, metrics| {
                let layout = &detector.manifest().layout;
                let indices: Vec<i64> = (0..rows as i64).collect();
                let slice = SeriesSlice::of_series(rows_of(metrics), &indices, 0);
                let (gate, _) = detector.gating().unwrap();
                let mut odds = slice
                    .gate_odds(layout, &[gate], &mut Work::default())
                    .unwrap();
                odds.remove(0)
            };
            let detector = bound(&["a", "b"]);
            let both = odds(&detector, &metrics);
            let alone = [
                odds(&bound(&["a"]), &metrics[..1]),
                odds(&bound(&["b"]), &metrics[1..]),
            ];
            for row in 0..rows {
                let bits = |odds: &[f32]| odds.iter().map(|o| o.to_bits()).collect::<Vec<_>>();
                let alone = [alone[0].of_row(row)[0], alone[1].of_row(row)[0]];
                assert_eq!(bits(both.of_row(row)), bits(&alone), "{row}");
                assert!(row < 60 || alone[0].is_finite(), "{row}");
            }
            let scores = detector.score(rows_of(&metrics)).unwrap();
            let top = |row: usize| scores[row].verdict.unwrap().top_metric;
            assert_eq!((top(900), top(1_100)), (0, 1), "{architecture}");
            assert!(scores[1_100].verdict.unwrap().is_anomaly, "{architecture}");
        }
    }
}
