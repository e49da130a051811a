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

mod architecture;
mod backbone;
mod classifier;
mod clstm;
mod config;
mod forecast;
mod forecaster;
mod gate;
mod gru;
mod head;
pub mod init;
#[cfg(test)]
mod kernel_tests;
pub mod likelihood;
mod lstm;
mod predictor;
pub(crate) mod recurrent;
mod rnn;
#[cfg(test)]
mod tests;

pub use architecture::{Architecture, UnknownArchitecture};
pub use classifier::{Classifier, ClassifierConfig, ClassifierPredictor, DENSE_SIZE};
#[cfg(test)]
pub(crate) use clstm::pooled_convolution_reference;
pub use clstm::{CLSTM_KERNEL_SIZE, Clstm};
pub use config::NetworkConfig;
pub use forecast::Forecast;
pub use forecaster::{Forecaster, ForecasterConfig};
pub use gate::{GateCell, GateConfig, GatingNetwork};
pub use gru::Gru;
pub use head::Head;
pub use lstm::Lstm;
pub use predictor::{ForecastValues, Predictor};
pub use rnn::Rnn;
