//! The networks: four recurrent backbones, each with the head of a forecaster, which answers at
//! every step, or of a [`Classifier`], which answers once per window.
//!
//! | architecture | backbone |
//! |---|---|
//! | `rnn` | Elman RNN, tanh (Elman 1990) |
//! | `lstm` | LSTM with forget gate (Hochreiter & Schmidhuber 1997, Gers et al. 2000) |
//! | `gru` | GRU, reset gate after the matrix product (Cho et al. 2014; the form of cuDNN and PyTorch) |
//! | `clstm` | convolution, tanh, maximum of pairs, twice, then LSTM (after Zhou et al. 2015, Kim & Cho 2018); causal, and one output per step, for forecasters |
//!
//! Invariants:
//! - Causal: the forecast at step `t` is a function of the inputs at steps `0..=t`.
//! - The head starts at zero, so an untrained forecaster answers its inputs' anchor: location 0
//!   (the rolling median, in the units of the scaled series) and scale 1.
//! - Parameters have the names, shapes and gate orders of `PyTorch`'s `nn.RNN`, `nn.LSTM`,
//!   `nn.GRU`, `nn.Conv1d` and `nn.Linear`, so a `state_dict` converts by name.

mod classifier;
mod clstm;
mod forecast;
mod gru;
mod head;
pub mod init;
pub mod likelihood;
mod lstm;
mod predictor;
pub(crate) mod recurrent;
mod rnn;

use std::fmt;
use std::str::FromStr;

use candle_core::{DType, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

pub use classifier::{Classifier, ClassifierConfig, ClassifierPredictor, DENSE_SIZE};
#[cfg(test)]
pub(crate) use clstm::pooled_convolution_reference;
pub use clstm::{CLSTM_KERNEL_SIZE, Clstm};
pub use forecast::Forecast;
pub use gru::Gru;
pub use head::Head;
pub use lstm::Lstm;
pub use predictor::{ForecastValues, Predictor};
pub use rnn::Rnn;

use anomalog_kernels::halved;

/// The backbone of a forecaster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// Elman RNN.
    Rnn,
    /// Long short-term memory.
    Lstm,
    /// Gated recurrent unit.
    Gru,
    /// Causal convolutions, then an LSTM.
    Clstm,
}

impl Architecture {
    /// Every architecture, simplest first.
    pub const ALL: [Self; 4] = [Self::Rnn, Self::Lstm, Self::Gru, Self::Clstm];

    /// The name in SQL functions, files and settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rnn => "rnn",
            Self::Lstm => "lstm",
            Self::Gru => "gru",
            Self::Clstm => "clstm",
        }
    }

    /// Steps that the recurrent layer of a [`Classifier`] takes for a window of `seq_len`; 0 if it
    /// is too short.
    #[must_use]
    pub const fn pooled_steps(self, seq_len: usize) -> usize {
        match self {
            Self::Rnn | Self::Lstm | Self::Gru => seq_len,
            Self::Clstm => halved(halved(seq_len, CLSTM_KERNEL_SIZE), CLSTM_KERNEL_SIZE),
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is none of [`Architecture::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown architecture `{name}`")]
pub struct UnknownArchitecture {
    name: String,
}

impl UnknownArchitecture {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let names = Architecture::ALL.map(|architecture| format!("`{architecture}`"));
        Some(format!("use one of {}", names.join(", ")))
    }
}

impl FromStr for Architecture {
    type Err = UnknownArchitecture;

    fn from_str(name: &str) -> std::result::Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|architecture| architecture.name() == name)
            .ok_or_else(|| UnknownArchitecture {
                name: name.to_owned(),
            })
    }
}

/// A configuration that determines the names and shapes of a network's parameters.
pub trait NetworkConfig {
    /// The network.
    type Network;

    /// The network with the parameters of `vb`.
    ///
    /// # Errors
    /// When a size is zero, or a parameter is missing or has another shape.
    fn network(&self, vb: VarBuilder) -> Result<Self::Network>;
}

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

#[derive(Clone, Debug)]
enum Backbone {
    Rnn(Rnn),
    Lstm(Lstm),
    Gru(Gru),
    Clstm(Clstm),
}

impl Backbone {
    fn new(
        architecture: Architecture,
        features: usize,
        hidden_size: usize,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let recurrent = vb.pp("recurrent");
        Ok(match architecture {
            Architecture::Rnn => Self::Rnn(Rnn::new(features, hidden_size, &recurrent)?),
            Architecture::Lstm => Self::Lstm(Lstm::new(features, hidden_size, &recurrent)?),
            Architecture::Gru => Self::Gru(Gru::new(features, hidden_size, &recurrent)?),
            Architecture::Clstm => Self::Clstm(Clstm::new(features, hidden_size, vb)?),
        })
    }

    /// The state after each step, `[batch_size, seq_len, hidden_size]`.
    fn forward(&self, inputs: &Tensor) -> Result<Tensor> {
        match self {
            Self::Rnn(rnn) => rnn.forward(inputs),
            Self::Lstm(lstm) => lstm.forward(inputs),
            Self::Gru(gru) => gru.forward(inputs),
            Self::Clstm(clstm) => clstm.forward(inputs),
        }
    }

    /// The states of windows that are answered once: of `clstm` one for four steps.
    fn forward_window(&self, inputs: &Tensor) -> Result<Tensor> {
        match self {
            Self::Clstm(clstm) => clstm.forward_window(inputs),
            other => other.forward(inputs),
        }
    }

    /// [`Self::forward_window`] operation by operation.
    fn forward_window_reference(&self, inputs: &Tensor) -> Result<Tensor> {
        match self {
            Self::Rnn(rnn) => rnn.forward_reference(inputs),
            Self::Lstm(lstm) => lstm.forward_reference(inputs),
            Self::Gru(gru) => gru.forward_reference(inputs),
            Self::Clstm(clstm) => clstm.forward_window_reference(inputs),
        }
    }
}

/// A backbone and its head.
#[derive(Clone, Debug)]
pub struct Forecaster {
    config: ForecasterConfig,
    backbone: Backbone,
    head: Head,
}

impl Forecaster {
    /// Takes the parameters from `vb`, below `recurrent`, `convolutions` (`clstm` only),
    /// `location` and `log_scale`.
    ///
    /// Where `vb` creates parameters, the head is zero and all others are uniform as in
    /// `PyTorch`; [`init::trainable`] does so from a seed.
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

fn check_sizes(network: &str, sizes: [(&str, usize); 3]) -> Result<()> {
    for (name, size) in sizes {
        if size == 0 {
            candle_core::bail!("a {network} needs at least one of `{name}`, found 0");
        }
    }
    Ok(())
}

fn check_inputs(inputs: &Tensor, features: usize) -> Result<()> {
    match *inputs.dims() {
        [batch_size, seq_len, found] if found == features && batch_size > 0 && seq_len > 0 => {}
        _ => candle_core::bail!(
            "expected inputs of shape [batch_size, seq_len, {features}] with at least one row \
             and one step, found {:?}",
            inputs.dims()
        ),
    }
    if inputs.dtype() != DType::F32 {
        candle_core::bail!("expected inputs of type f32, found {:?}", inputs.dtype());
    }
    Ok(())
}

#[cfg(test)]
mod kernel_tests;
#[cfg(test)]
mod tests;
