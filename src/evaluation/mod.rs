//! How good a detector is, on series whose anomalies are known.
//!
//! [Measures](crate::measures) say how good scores are; they mean little without the [`floors`]: scores
//! that need no training. Post-processing such as [holding peaks](peak_hold()) moves measures more than
//! models do: compare under the same.
//!
//! ```text
//! series.csv ─collections─▶ series ─training_sets─▶ protocol ─▶ detector ─▶ scores ┐
//!                             └──────────── floors ─────────────────▶ scores ┴─judge─▶ run ─▶ summary ─▶ report
//! ```

pub mod agreed;
pub mod bootstrap;
pub mod budgets;
pub mod candidate;
pub mod collections;
pub mod copies;
pub mod curves;
pub mod error;
pub mod floors;
pub mod given;
pub mod judge;
mod judging_rules;
pub mod leak;
pub mod look_alikes;
#[cfg(test)]
mod made_up;
mod memory;
mod peak_hold;
mod planning;
pub mod protocol;
pub mod report;
pub mod results;
pub mod run;
pub mod scores;
pub mod settings;
pub mod subject;
pub mod summary;
pub mod threshold;
pub mod training_sets;
mod trials;

pub use peak_hold::peak_hold;
