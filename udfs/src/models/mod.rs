//! The forecasters: four recurrent backbones that share one head and one likelihood.
//!
//! | architecture | backbone |
//! |---|---|
//! | `rnn` | Elman RNN, tanh (Elman 1990) |
//! | `lstm` | LSTM with forget gate (Hochreiter & Schmidhuber 1997, Gers et al. 2000) |
//! | `gru` | GRU, reset gate after the matrix product (Cho et al. 2014; the form of cuDNN and PyTorch) |
//! | `clstm` | causal convolution, tanh, causal maximum, twice, then LSTM (after Zhou et al. 2015, Kim & Cho 2018) |
//!
//! Invariants:
//! - Causal: the forecast at step `t` is a function of the inputs at steps `0..=t`.
//! - The head starts at zero, so an untrained forecaster answers its inputs' anchor: location 0
//!   (the rolling median, in the units of the scaled series) and scale 1.
//! - Parameters have the names, shapes and gate orders of `PyTorch`'s `nn.RNN`, `nn.LSTM`,
//!   `nn.GRU`, `nn.Conv1d` and `nn.Linear`, so a `state_dict` converts by name.

mod clstm;
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

#[cfg(test)]
pub(crate) use clstm::pooled_convolution_reference;
pub use clstm::{CLSTM_KERNEL_SIZE, Clstm};
pub use gru::Gru;
pub use head::Head;
pub use lstm::Lstm;
pub use predictor::{ForecastValues, Predictor};
pub use rnn::Rnn;

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

/// What determines the names and shapes of a forecaster's parameters.
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

/// The parameters of a Laplace distribution for every target of every step.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// The median, `[batch_size, seq_len, targets]`, in units of the scaled series.
    pub location: Tensor,
    /// Natural logarithm of the mean absolute deviation, same shape, not clamped.
    pub log_scale: Tensor,
}

#[derive(Clone, Debug)]
enum Backbone {
    Rnn(Rnn),
    Lstm(Lstm),
    Gru(Gru),
    Clstm(Clstm),
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
        for (name, size) in [
            ("features", features),
            ("hidden_size", hidden_size),
            ("targets", targets),
        ] {
            if size == 0 {
                candle_core::bail!("a forecaster needs at least one of `{name}`, found 0");
            }
        }
        let backbone = match architecture {
            Architecture::Rnn => {
                Backbone::Rnn(Rnn::new(features, hidden_size, &vb.pp("recurrent"))?)
            }
            Architecture::Lstm => {
                Backbone::Lstm(Lstm::new(features, hidden_size, &vb.pp("recurrent"))?)
            }
            Architecture::Gru => {
                Backbone::Gru(Gru::new(features, hidden_size, &vb.pp("recurrent"))?)
            }
            Architecture::Clstm => Backbone::Clstm(Clstm::new(features, hidden_size, &vb)?),
        };
        Ok(Self {
            config: config.clone(),
            backbone,
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
        self.check_inputs(inputs)?;
        let hidden = match &self.backbone {
            Backbone::Rnn(rnn) => rnn.forward(inputs)?,
            Backbone::Lstm(lstm) => lstm.forward(inputs)?,
            Backbone::Gru(gru) => gru.forward(inputs)?,
            Backbone::Clstm(clstm) => clstm.forward(inputs)?,
        };
        self.head.forward(&hidden)
    }

    fn check_inputs(&self, inputs: &Tensor) -> Result<()> {
        let features = self.config.features;
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
}

#[cfg(test)]
mod tests;
