//! The window operator for anomaly scores, and the rule that chooses it.
//!
//! DataFusion's own window operator holds all rows of a partition and scores one series after the
//! other. [`AnomalyScoreExec`] streams: rows come sorted by series and time and leave with their
//! scores as soon as those are known; blocks of many series share one forward pass; score columns
//! over the same metrics share their inputs, and columns of one detector share its scores. A physical
//! optimizer rule, [`StreamScores`], puts it in the place of every window operator that it
//! understands and leaves the others alone. The scores are the same, bit for bit.
//!
//! Where a filter drops all rows before some time, as `WHERE window_start >= '2026-11-01'` does,
//! those rows are read as history and not scored.

#[cfg(test)]
mod baseline_tests;
mod instants;
mod operator;
mod passing;
mod rule;
mod stream;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod zone_tests;

use std::sync::Arc;

use anomalog_engine::detector::DetectorStore;
use datafusion::error::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::SessionContext;

use crate::functions::register_functions;

pub use operator::AnomalyScoreExec;
pub use rule::StreamScores;

/// Registers every function and the operator that streams their scores.
///
/// # Errors
/// When the session cannot take functions.
pub fn register_all(context: &mut SessionContext, store: &Arc<DetectorStore>) -> Result<()> {
    register_functions(context, store)?;
    let state = SessionStateBuilder::new_from_existing(context.state())
        .with_physical_optimizer_rule(Arc::new(StreamScores))
        .build();
    *context = SessionContext::new_with_state(state);
    Ok(())
}
