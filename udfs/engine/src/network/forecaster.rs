//! A network that forecasts at every step.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use super::architecture::Architecture;
use super::backbone::Backbone;
use super::config::{NetworkConfig, check_inputs, check_sizes};
use super::forecast::Forecast;
use super::head::Head;

/// The sizes that determine the names and shapes of a forecaster's parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForecasterConfig {
    /// The backbone.
    pub architecture: Architecture,
    /// Input features per step.
    pub features: usize,
    /// Width of the recurrent state, and of the convolutions of `clstm`.
    pub hidden_size: usize,
    /// Forecast values per step: metrics × horizons.
    pub targets: usize,
}

impl NetworkConfig for ForecasterConfig {
    type Network = Forecaster;

    fn network(&self, vb: VarBuilder) -> Result<Forecaster> {
        Forecaster::new(self, vb)
    }
}

/// A backbone and its head.
#[derive(Clone, Debug)]
pub struct Forecaster {
    pub(super) config: ForecasterConfig,
    pub(super) backbone: Backbone,
    pub(super) head: Head,
}

impl Forecaster {
    /// Takes the parameters from `vb`, below `recurrent`, `convolutions` (`clstm` only),
    /// `location` and `log_scale`.
    ///
    /// Where `vb` creates parameters, the head is zero and all others are uniform as in
    /// `PyTorch`; [`init::trainable`](super::init::trainable) does so from a seed.
    ///
    /// # Errors
    /// When a size is zero, or a parameter is missing or has another shape.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "every candle module takes its `VarBuilder` by value"
    )]
    pub fn new(config: &ForecasterConfig, vb: VarBuilder) -> Result<Self> {
        let ForecasterConfig {
            architecture,
            features,
            hidden_size,
            targets,
        } = *config;
        check_sizes(
            "forecaster",
            [
                ("features", features),
                ("hidden_size", hidden_size),
                ("targets", targets),
            ],
        )?;
        Ok(Self {
            config: config.clone(),
            backbone: Backbone::new(architecture, features, hidden_size, &vb)?,
            head: Head::new(hidden_size, targets, &vb)?,
        })
    }

    /// The sizes it was made with.
    #[must_use]
    pub fn config(&self) -> &ForecasterConfig {
        &self.config
    }

    /// Forecasts every target at every step of `inputs`, `[batch_size, seq_len, features]` of
    /// `f32`, each row starting from the zero state.
    ///
    /// # Errors
    /// When `inputs` has another shape or type, no row or no step.
    pub fn forward(&self, inputs: &Tensor) -> Result<Forecast> {
        check_inputs(inputs, self.config.features)?;
        self.head.forward(&self.backbone.forward(inputs)?)
    }
}
