//! Which operators pass rows on.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::buffer::BufferExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;

/// Whether a node gives each row of its input once, with the same columns.
pub(super) fn passes_rows_on(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<BufferExec>()
        || plan.is::<RepartitionExec>()
        || plan.is::<CoalescePartitionsExec>()
        || (plan.downcast_ref::<SortPreservingMergeExec>())
            .is_some_and(|merge| merge.fetch().is_none())
        || (plan.downcast_ref::<SortExec>()).is_some_and(|sort| sort.fetch().is_none())
        || (plan.downcast_ref::<FilterExec>()).is_some_and(|filter| filter.projection().is_none())
}
