//! The optimizer rule that chooses the streaming operator.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

use super::streaming;

/// Replaces each window operator that calls nothing but anomaly functions by
/// [`AnomalyScoreExec`](super::AnomalyScoreExec).
///
/// It runs after DataFusion's own rules: those have sorted and partitioned the operator's input.
#[derive(Debug)]
pub struct StreamScores;

impl PhysicalOptimizerRule for StreamScores {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let transformed = streaming(Arc::clone(&node))?;
            let is_other = !Arc::ptr_eq(&node, &transformed);
            Ok(Transformed::new_transformed(transformed, is_other))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "stream_scores"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
