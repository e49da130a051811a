//! What a detector is to learn, and how long and how wide unless told otherwise.

use clap::ValueEnum;

/// Optimiser steps unless told otherwise; training stops before when nothing improves.
pub const DEFAULT_STEPS: u32 = 200;
/// Optimiser steps of fine-tuning unless told otherwise (DESIGN §5a).
pub const DEFAULT_FINE_TUNE_STEPS: u32 = 60;

/// What a detector learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Goal {
    /// To forecast normal traffic, without labels.
    Forecast,
    /// To tell anomalous windows from normal ones, by labels.
    Classify,
}

impl Goal {
    /// The name on the command line, and of the objective in a manifest.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forecast => "forecast",
            Self::Classify => "classify",
        }
    }

    /// Width of the recurrent state unless told otherwise: for forecasters of many series see
    /// DESIGN §5a, for classifiers Kim & Cho 2018.
    #[must_use]
    pub const fn default_hidden(self) -> u32 {
        match self {
            Self::Forecast => 48,
            Self::Classify => 64,
        }
    }
}
