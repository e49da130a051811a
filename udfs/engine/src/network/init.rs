//! Initial parameters from a seed.
//!
//! candle's own initialisation draws from an unseeded generator of the thread. Here each
//! parameter has its own stream, chosen by its name: the values depend on seed, name and shape,
//! not on the order in which parameters are made.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Result, Shape, Tensor, Var};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder, VarMap};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::NetworkConfig;

/// The initial parameters of a network, by name: those of a forecaster's head zero, all others
/// uniform as in `PyTorch`.
///
/// # Errors
/// When a size in `config` is zero.
pub fn initialise(config: &impl NetworkConfig, seed: u64) -> Result<HashMap<String, Tensor>> {
    Ok(parameters(config, seed)?.into_iter().collect())
}

/// The same parameters as variables of an optimiser.
///
/// `VarBuilder::from_varmap` hands them to [`NetworkConfig::network`]; take the variables from
/// [`sorted_variables`], not in the arbitrary order of the map, where order matters.
///
/// # Errors
/// When a size in `config` is zero.
pub fn trainable(config: &impl NetworkConfig, seed: u64) -> Result<VarMap> {
    let map = VarMap::new();
    {
        let mut variables = map.data().lock().unwrap_or_else(PoisonError::into_inner);
        for (name, tensor) in parameters(config, seed)? {
            variables.insert(name, Var::from_tensor(&tensor)?);
        }
    }
    Ok(map)
}

/// The variables of a map in the order of their names.
#[must_use]
pub fn sorted_variables(map: &VarMap) -> Vec<(String, Var)> {
    let variables = map.data().lock().unwrap_or_else(PoisonError::into_inner);
    let sorted: BTreeMap<&String, &Var> = variables.iter().collect();
    sorted
        .into_iter()
        .map(|(name, var)| (name.clone(), var.clone()))
        .collect()
}

fn parameters(config: &impl NetworkConfig, seed: u64) -> Result<BTreeMap<String, Tensor>> {
    let made = Arc::new(Mutex::new(BTreeMap::new()));
    let backend = SeededParameters {
        seed,
        made: Arc::clone(&made),
    };
    let vb = VarBuilder::from_backend(Box::new(backend), DType::F32, Device::Cpu);
    // Building it is what asks for every parameter, so names and shapes are written once.
    config.network(vb)?;
    let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *made))
}

/// Makes what it is asked for, and keeps it.
struct SeededParameters {
    seed: u64,
    made: Arc<Mutex<BTreeMap<String, Tensor>>>,
}

impl SimpleBackend for SeededParameters {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let tensor = match init {
            Init::Const(value) => Tensor::full(value as f32, shape, device)?,
            Init::Uniform { lo, up } => {
                let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
                rng.set_stream(fnv1a(name));
                let values: Vec<f32> = (0..shape.elem_count())
                    .map(|_| rng.random_range(lo as f32..up as f32))
                    .collect();
                Tensor::from_vec(values, shape, device)?
            }
            other => candle_core::bail!("no seeded form of {other:?} for `{name}`"),
        }
        .to_dtype(dtype)?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.insert(name.to_owned(), tensor.clone());
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        candle_core::bail!("`{name}` is asked for without a shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}

/// Fowler–Noll–Vo hash, 64 bits: the standard library's hashes may change between releases.
fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
