//! What a detector is to learn, and how long and how wide unless told otherwise.

use clap::ValueEnum;

/// Optimiser steps unless told otherwise; training stops before when nothing improves.
pub const DEFAULT_STEPS: u32 = 200;
/// Optimiser steps of fine-tuning unless told otherwise (DESIGN §5a).
pub const DEFAULT_FINE_TUNE_STEPS: u32 = 60;

/// Width of a forecaster's recurrent state unless told otherwise (DESIGN §5a).
pub const DEFAULT_HIDDEN: u32 = 48;
/// That of a classifier (Kim & Cho 2018).
pub const DEFAULT_CLASSIFIER_HIDDEN: u32 = 64;
/// Optimiser steps of a gate that learns from labels.
pub const DEFAULT_GATE_STEPS: u32 = 300;

/// What a detector learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Goal {
    /// To forecast normal traffic, without labels.
    Forecast,
    /// To tell anomalies from nuisances, by labels, as the shipped detectors do without.
    Gate,
}

impl Goal {
    /// The name on the command line, and of the objective in a manifest.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forecast => "forecast",
            Self::Gate => "gate",
        }
    }
}
