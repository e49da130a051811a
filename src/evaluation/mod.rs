//! How good a detector is, on series whose anomalies are known.
//!
//! [Measures](crate::measures) say how good scores are; they mean little without the [`floors`]: scores
//! that need no training. Post-processing such as [holding peaks](peak_hold()) moves measures more than
//! models do: compare under the same.
//!
//! ```text
//! series.csv ─collection─▶ series ─lessons─▶ protocol ─▶ detector ─▶ scores ┐
//!                             └──────────── floors ─────────────────▶ scores ┴─judge─▶ run ─▶ summary ─▶ report
//! ```

pub mod bootstrap;
pub mod budgets;
pub mod candidate;
pub mod collection;
pub mod curves;
pub mod floors;
pub mod judge;
pub mod lessons;
mod memory;
mod peak_hold;
pub mod protocol;
pub mod report;
pub mod run;
pub mod scores;
pub mod summary;
pub mod threshold;
mod trailing;
pub mod warehouse;

pub use peak_hold::peak_hold;
