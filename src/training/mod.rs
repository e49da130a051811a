//! From `traffic_windows` to a detector.
//!
//! The rows before `until` are cut in time, over all series at once, into a **fit** range for the
//! weights, a **stop** range that chooses when to stop, and a **calibration** range on which
//! errors are compared with those of simple forecasts, or the odds of normal windows are ranked. The
//! three do not overlap, and nothing at or after `until` is read, so a detector may be judged on what
//! comes after it.
//!
//! ```text
//! loader (a bounded sample) ──▶ dataset (rows, split) ──▶ forecast: fit (weights), calibrate (comparison, validation)
//!                                     └─ labelled ──────▶ classify: weights, tail of the odds
//! ```

pub mod beginning;
mod calibrate;
mod classify;
pub mod dataset;
mod descent;
mod error;
pub mod exclusions;
mod fit;
mod forecast;
pub mod gate;
pub mod goal;
pub mod labelled;
pub mod labels;
pub mod loader;
pub mod optimiser;
mod provenance;
mod settings;
mod skipped;
mod split;
mod weights;

pub use calibrate::backtest;
pub use classify::train_classifier;
pub use dataset::Dataset;
pub use descent::StepReport;
pub use error::TrainingError;
pub use forecast::{train, train_on_all};
pub use gate::{Feedback, tune_gate};
pub use goal::Goal;
pub use settings::TrainingSettings;
pub use skipped::SkippedSeries;
pub use split::Split;
pub use weights::Weights;
