//! The optimizer rule that chooses the streaming operator.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::buffer::BufferExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::windows::WindowAggExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};

use super::instants;
use super::operator::AnomalyScoreExec;
use super::passing::passes_rows_on;

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
            let transformed = spare_filtered(transformed)?;
            let transformed = without_stray_limit(transformed);
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

/// The streaming form of a node that is a window operator and has one; else the node.
fn streaming(node: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(window) = node.downcast_ref::<WindowAggExec>() else {
        return Ok(node);
    };
    Ok(match AnomalyScoreExec::of(window)? {
        Some(streaming) => Arc::new(streaming),
        None => node,
    })
}

/// Takes back a limit that DataFusion has pushed into a `DISTINCT` before its rows came in an order: the
/// aggregate would then take it for one that keeps the first of them, and fail. The limit above stays.
fn without_stray_limit(node: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let Some(distinct) = node.downcast_ref::<AggregateExec>() else {
        return node;
    };
    let is_stray = distinct.aggr_expr().is_empty()
        && (distinct.limit_options()).is_some_and(|limit| limit.descending().is_none())
        && !distinct.is_unordered_unfiltered_group_by_distinct();
    if is_stray {
        Arc::new(distinct.with_new_limit_options(None))
    } else {
        node
    }
}

/// Tells the operator below a filter which rows the filter drops by their time.
fn spare_filtered(node: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(filter) = node.downcast_ref::<FilterExec>() else {
        return Ok(node);
    };
    let bounds = split_conjunction(filter.predicate());
    let mut input = Arc::clone(filter.input());
    for (column, micros) in bounds.into_iter().filter_map(lower_bound) {
        if let Some(spared) = scoring_from(&input, column, micros)? {
            input = spared;
        }
    }
    if Arc::ptr_eq(&input, filter.input()) {
        return Ok(node);
    }
    with_input(&node, input)
}

fn with_input(
    node: &Arc<dyn ExecutionPlan>,
    input: Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(node).replace_children(vec![input], options)
}

/// The column and the time, in microseconds since the epoch, of `column >= time` and the like.
fn lower_bound(predicate: &Arc<dyn PhysicalExpr>) -> Option<(usize, i64)> {
    let comparison = predicate.downcast_ref::<BinaryExpr>()?;
    let (column, time) = match comparison.op() {
        Operator::Gt | Operator::GtEq => (comparison.left(), comparison.right()),
        Operator::Lt | Operator::LtEq => (comparison.right(), comparison.left()),
        _ => return None,
    };
    let column = column.downcast_ref::<Column>()?.index();
    let micros = match *time.downcast_ref::<Literal>()?.value() {
        ScalarValue::TimestampSecond(Some(time), _) => time.checked_mul(1_000_000)?,
        ScalarValue::TimestampMillisecond(Some(time), _) => time.checked_mul(1_000)?,
        ScalarValue::TimestampMicrosecond(Some(time), _) => time,
        ScalarValue::TimestampNanosecond(Some(time), _) => time.div_euclid(1_000),
        _ => return None,
    };
    Some((column, micros))
}

/// The plan with every score operator told, down to the first node that is not known to pass rows
/// on as they are; `None` if there is no such operator.
fn scoring_from(
    plan: &Arc<dyn ExecutionPlan>,
    column: usize,
    micros: i64,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let told: Option<Arc<dyn ExecutionPlan>> = (plan.downcast_ref::<AnomalyScoreExec>())
        .filter(|scores| has_times(scores, column))
        .map(|scores| Arc::new(scores.scoring_from(micros)) as _);
    let below = match plan.downcast_ref::<ProjectionExec>() {
        Some(projection) => {
            let source = &projection.expr()[column].expr;
            match source.downcast_ref::<Column>() {
                Some(source) => source.index(),
                None => return Ok(told),
            }
        }
        None if told.is_some() || passes_rows_on(plan) => column,
        None => return Ok(None),
    };
    let [input] = plan.children()[..] else {
        return Ok(told);
    };
    // The scores of an operator come behind the columns of its input.
    if below >= input.schema().fields().len() {
        return Ok(told);
    }
    Ok(match (scoring_from(input, below, micros)?, told) {
        (Some(input), Some(told)) => Some(with_input(&told, input)?),
        (Some(input), None) => Some(with_input(plan, input)?),
        (None, told) => told,
    })
}

/// Whether a column of the rows is the time of every call.
fn has_times(scores: &AnomalyScoreExec, column: usize) -> bool {
    let is_column = |times| instants::are_those_of(scores.input(), times, column);
    scores.times().all(is_column)
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
