//! The architectures by name.

use std::fmt;
use std::str::FromStr;

use anomalog_kernels::halved;
use serde::{Deserialize, Serialize};

use super::clstm::CLSTM_KERNEL_SIZE;

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

    /// Steps that the recurrent layer of a [`Classifier`](super::Classifier) takes for a window of
    /// `seq_len`; 0 if it is too short.
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
    /// The hint that goes with the message.
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
