//! The recurrent backbone of a network.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::architecture::Architecture;
use super::clstm::Clstm;
use super::gru::Gru;
use super::lstm::Lstm;
use super::rnn::Rnn;

/// The layers before the head.
#[derive(Clone, Debug)]
pub(super) enum Backbone {
    Rnn(Rnn),
    Lstm(Lstm),
    Gru(Gru),
    Clstm(Clstm),
}

impl Backbone {
    pub(super) fn new(
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
    pub(super) fn forward(&self, inputs: &Tensor) -> Result<Tensor> {
        match self {
            Self::Rnn(rnn) => rnn.forward(inputs),
            Self::Lstm(lstm) => lstm.forward(inputs),
            Self::Gru(gru) => gru.forward(inputs),
            Self::Clstm(clstm) => clstm.forward(inputs),
        }
    }

    /// The states of windows that are answered once: of `clstm` one for four steps.
    pub(super) fn forward_window(&self, inputs: &Tensor) -> Result<Tensor> {
        match self {
            Self::Clstm(clstm) => clstm.forward_window(inputs),
            other => other.forward(inputs),
        }
    }

    /// [`Self::forward_window`] operation by operation.
    pub(super) fn forward_window_reference(&self, inputs: &Tensor) -> Result<Tensor> {
        match self {
            Self::Rnn(rnn) => rnn.forward_reference(inputs),
            Self::Lstm(lstm) => lstm.forward_reference(inputs),
            Self::Gru(gru) => gru.forward_reference(inputs),
            Self::Clstm(clstm) => clstm.forward_window_reference(inputs),
        }
    }
}
