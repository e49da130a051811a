//! The optimizer rule that chooses the streaming operator.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::buffer::BufferExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;

use super::{AnomalyScoreExec, streaming};

/// Bytes of scored rows that each partition may be ahead of a merge: some ten thousands of rows,
/// which is more than a week of minutes.
const AHEAD_OF_MERGE: usize = 8 << 20;

/// Replaces each window operator that calls nothing but anomaly functions by
/// [`AnomalyScoreExec`], with a buffer where partitions are merged afterwards.
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
            let transformed = ahead_of_merge(streaming(Arc::clone(&node))?);
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

/// Lets partitions that score go on while a merge takes the rows of another.
///
/// A merge by series and time takes a whole series from one partition before it takes one from the
/// next, and has one batch waiting from each: the others would stand still meanwhile.
fn ahead_of_merge(node: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let Some(merge) = node.downcast_ref::<SortPreservingMergeExec>() else {
        return node;
    };
    if !scores(merge.input()) {
        return node;
    }
    let buffer = BufferExec::new(Arc::clone(merge.input()), AHEAD_OF_MERGE);
    let buffered = SortPreservingMergeExec::new(merge.expr().clone(), Arc::new(buffer))
        .with_fetch(merge.fetch());
    Arc::new(buffered)
}

/// Whether rows come from [`AnomalyScoreExec`], by operators that take them one at a time.
fn scores(plan: &Arc<dyn ExecutionPlan>) -> bool {
    match plan.children()[..] {
        _ if plan.is::<AnomalyScoreExec>() => true,
        _ if plan.is::<BufferExec>() || plan.is::<SortPreservingMergeExec>() => false,
        [input] => scores(input),
        _ => false,
    }
}
