//! Weights by name, in and out of the variables of a network.

use std::collections::HashMap;

use candle_core::{Tensor, Var};

use super::error::TrainingError;

/// Trained tensors by name.
pub type Weights = HashMap<String, Tensor>;

/// Sets every variable to the weights of its name.
pub(super) fn set(variables: &[(String, Var)], weights: &Weights) -> Result<(), TrainingError> {
    for (name, variable) in variables {
        let Some(weights) = weights.get(name) else {
            return Err(candle_core::Error::CannotFindTensor { path: name.clone() }.into());
        };
        variable.set(weights)?;
    }
    Ok(())
}

/// The present weights of every variable, in their order.
pub(super) fn copy(variables: &[(String, Var)]) -> Result<Vec<(String, Tensor)>, TrainingError> {
    variables
        .iter()
        .map(|(name, variable)| Ok((name.clone(), variable.as_tensor().copy()?)))
        .collect()
}
