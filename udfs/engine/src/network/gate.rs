//! A network that says at every step how likely an anomaly is, from evidence.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use candle_nn::init::ZERO;
use serde::{Deserialize, Serialize};

use super::architecture::Architecture;
use super::backbone::Backbone;
use super::config::{NetworkConfig, check_inputs, check_sizes};
use super::head::Linear;
use super::recurrent::uniform;

/// What a gating network remembers, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateCell {
    /// Nothing: logistic regression.
    Linear,
    /// Nothing: one layer of tanh units.
    Dense,
    /// A recurrent state.
    #[serde(untagged)]
    Recurrent(Architecture),
}

impl GateCell {
    /// Every cell, simplest first.
    pub const ALL: [Self; 6] = [
        Self::Linear,
        Self::Dense,
        Self::Recurrent(Architecture::Rnn),
        Self::Recurrent(Architecture::Lstm),
        Self::Recurrent(Architecture::Gru),
        Self::Recurrent(Architecture::Clstm),
    ];

    /// The name in files and settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Dense => "dense",
            Self::Recurrent(architecture) => architecture.name(),
        }
    }
}

/// The sizes that determine the names and shapes of a gating network's parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateConfig {
    /// The layer before the head.
    pub cell: GateCell,
    /// Inputs per step.
    pub inputs: usize,
    /// Units of that layer.
    pub hidden_size: usize,
}

impl NetworkConfig for GateConfig {
    type Network = GatingNetwork;

    fn network(&self, vb: VarBuilder) -> Result<GatingNetwork> {
        GatingNetwork::new(self, vb)
    }
}

/// A linear map of the inputs, and of a layer over them.
///
/// Both maps start at zero: an untrained network has log-odds 0 everywhere.
#[derive(Clone, Debug)]
pub struct GatingNetwork {
    config: GateConfig,
    layer: Option<Layer>,
    direct: Linear,
}

#[derive(Clone, Debug)]
struct Layer {
    cell: Cell,
    head: Linear,
}

#[derive(Clone, Debug)]
enum Cell {
    Dense(Linear),
    Recurrent(Backbone),
}

impl GatingNetwork {
    /// Takes the parameters from `vb`, below `direct`, `head`, and `dense` or those of a backbone.
    ///
    /// # Errors
    /// When a size is zero, or a parameter is missing or has another shape.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "every candle module takes its `VarBuilder` by value"
    )]
    pub fn new(config: &GateConfig, vb: VarBuilder) -> Result<Self> {
        let GateConfig {
            cell,
            inputs,
            hidden_size,
        } = *config;
        check_sizes(
            "gate",
            [
                ("inputs", inputs),
                ("hidden_size", hidden_size),
                ("outputs", 1),
            ],
        )?;
        let cell = match cell {
            GateCell::Linear => None,
            GateCell::Dense => {
                let init = uniform(inputs);
                let dense = Linear::new(inputs, hidden_size, init, &vb.pp("dense"))?;
                Some(Cell::Dense(dense))
            }
            GateCell::Recurrent(architecture) => {
                let backbone = Backbone::new(architecture, inputs, hidden_size, &vb)?;
                Some(Cell::Recurrent(backbone))
            }
        };
        let layer = match cell {
            Some(cell) => Some(Layer {
                cell,
                head: Linear::new(hidden_size, 1, ZERO, &vb.pp("head"))?,
            }),
            None => None,
        };
        Ok(Self {
            config: config.clone(),
            layer,
            direct: Linear::new(inputs, 1, ZERO, &vb.pp("direct"))?,
        })
    }

    /// The sizes it was made with.
    #[must_use]
    pub fn config(&self) -> &GateConfig {
        &self.config
    }

    /// The log-odds of an anomaly at every step of `inputs`, `[batch_size, seq_len, inputs]` of `f32`,
    /// each row starting from the zero state: `[batch_size, seq_len]`.
    ///
    /// # Errors
    /// When `inputs` has another shape or type, no row or no step.
    pub fn forward(&self, inputs: &Tensor) -> Result<Tensor> {
        check_inputs(inputs, self.config.inputs)?;
        let mut log_odds = self.direct.forward(inputs)?;
        if let Some(Layer { cell, head }) = &self.layer {
            let hidden = match cell {
                Cell::Dense(dense) => dense.forward(inputs)?.tanh()?,
                Cell::Recurrent(backbone) => backbone.forward(inputs)?,
            };
            log_odds = (log_odds + head.forward(&hidden)?)?;
        }
        log_odds.squeeze(2)
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the same steps give the same bits")]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::network::init::initialise;

    fn gate(cell: GateCell, head: f64) -> GatingNetwork {
        let config = GateConfig {
            cell,
            inputs: 3,
            hidden_size: 4,
        };
        let mut weights = initialise(&config, 1).unwrap();
        for (name, weight) in &mut weights {
            if name.starts_with("head") || name.starts_with("direct") {
                *weight = (weight.ones_like().unwrap() * head).unwrap();
            }
        }
        let vb = VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu);
        config.network(vb).unwrap()
    }

    fn log_odds(gate: &GatingNetwork, inputs: &[f32]) -> Vec<f32> {
        let steps = inputs.len() / 3;
        let inputs = Tensor::from_slice(inputs, (1, steps, 3), &Device::Cpu).unwrap();
        gate.forward(&inputs)
            .unwrap()
            .squeeze(0)
            .unwrap()
            .to_vec1()
            .unwrap()
    }

    #[test]
    fn an_untrained_judge_does_not_know() {
        for cell in GateCell::ALL {
            assert_eq!(log_odds(&gate(cell, 0.0), &[1.0; 6]), [0.0; 2]);
        }
    }

    #[test]
    fn only_recurrent_judges_remember_and_none_looks_ahead() {
        for cell in GateCell::ALL {
            let gate = gate(cell, 1.0);
            let ones = log_odds(&gate, &[1.0; 12]);
            let mut changed = [1.0; 12];
            changed[3] = -2.0;
            let changed = log_odds(&gate, &changed);
            assert_eq!(ones[0], changed[0], "{cell:?}");
            assert_ne!(ones[1], changed[1], "{cell:?}");
            let remembers = matches!(cell, GateCell::Recurrent(_));
            assert_eq!(ones[2] != changed[2], remembers, "{cell:?}");
        }
    }

    #[test]
    fn a_cell_has_a_name_in_a_manifest() {
        for cell in GateCell::ALL {
            let text = serde_json::to_string(&cell).unwrap();
            assert_eq!(text, format!("\"{}\"", cell.name()));
            assert_eq!(serde_json::from_str::<GateCell>(&text).unwrap(), cell);
        }
    }
}
