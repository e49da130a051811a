//! Gates that the shipped detectors are compared with: what they are worth with another network, or none.
//!
//! | name | network |
//! |---|---|
//! | `linear` | logistic regression on the same evidence |
//! | `dense` | the same net without recurrence |
//! | `shuffled` | that of the shipped LSTM, the numbers of each tensor in another order |
//!
//! With the network off a gated detector is the baseline, which is a candidate of its own. The first two
//! lie in `lab/controls`; `anomalog-lab gates --cell linear,dense --store --output lab/controls` makes them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anomalog::simulation::random::{Purpose, Random};
use anomalog_engine::detector::{Detector, DetectorError, DetectorStore, Manifest, shipped};
use anomalog_engine::network::Architecture;
use candle_core::Tensor;

/// The names of all.
pub(crate) const NAMES: [&str; 3] = ["linear", "dense", SHUFFLED];
/// The name of the shuffled one; the others are in a folder of detectors.
const SHUFFLED: &str = "shuffled";
/// The seed of the other order.
const SEED: u64 = 1;

/// All controls.
///
/// # Errors
/// When one cannot be read.
pub(crate) fn all() -> Result<Vec<Arc<Detector>>, DetectorError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("controls");
    let store = DetectorStore::open(folder);
    let of = |name| match name {
        SHUFFLED => Ok(Arc::new(shuffled(Architecture::Lstm)?)),
        stored => store.get(&stored.parse()?),
    };
    NAMES.into_iter().map(of).collect()
}

/// A shipped detector, the numbers of each tensor of its network in another order.
fn shuffled(architecture: Architecture) -> Result<Detector, DetectorError> {
    let shipped = shipped::load(architecture)?;
    let mut tensors: Vec<(String, Tensor)> = shipped.tensors()?.into_iter().collect();
    tensors.sort_by(|one, other| one.0.cmp(&other.0));
    let mut random = Random::new(SEED, 0, 0, Purpose::Schedule);
    let mut weights = HashMap::new();
    for (name, tensor) in tensors {
        let other = other_order(&tensor, &mut random).map_err(|source| DetectorError::Weights {
            path: name.clone().into(),
            source,
        })?;
        weights.insert(name, other);
    }
    let manifest = Manifest {
        name: SHUFFLED.to_owned(),
        ..shipped.manifest().clone()
    };
    Detector::new(manifest, &weights)
}

fn other_order(tensor: &Tensor, random: &mut Random) -> candle_core::Result<Tensor> {
    let mut numbers = tensor.flatten_all()?.to_vec1::<f32>()?;
    for at in (1..numbers.len()).rev() {
        numbers.swap(at, random.below(at as u32 + 1) as usize);
    }
    Tensor::from_vec(numbers, tensor.shape(), tensor.device())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffling_keeps_the_numbers_and_moves_them() {
        let sorted = |detector: &Detector| {
            let tensors = detector.tensors().unwrap();
            let tensor = &tensors["recurrent.weight_hh_l0"];
            let mut numbers = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let before = numbers.clone();
            numbers.sort_by(f32::total_cmp);
            (before, numbers)
        };
        let shipped = shipped::load(Architecture::Lstm).unwrap();
        let (before, numbers) = sorted(&shipped);
        let (after, same) = sorted(&shuffled(Architecture::Lstm).unwrap());
        assert_eq!(numbers, same);
        assert_ne!(before, after);
    }
}
