//! Gating networks that learn from made-up sites what is a nuisance, and what is an anomaly.
//!
//! ```text
//! sites ──evidence──▶ examples ──chunks──▶ training ──▶ weights
//!       ──inject────▶ labels  ───────────────┘
//! ```
//!
//! Everything that is not labelled is normal by construction, so the windows that a gating network is most wrong
//! about are worth learning from. The seeds of these sites are none that a benchmark has.

mod detector;
mod examples;
mod labels;
mod training;

pub(crate) use detector::{detector, gating};
pub(crate) use examples::{Example, FIRST_HELD_BACK, FIRST_SEED, examples, kinds};
pub(crate) use training::Corpus;
