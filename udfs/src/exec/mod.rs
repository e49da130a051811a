//! `AnomalyScoreExec`: the window operator for anomaly scores.
//!
//! DataFusion's own window operator holds all rows of a partition and scores one series after the
//! other. This one streams: rows come sorted by series and time and leave with their scores as
//! soon as those are known; blocks of many series share one forward pass; score columns over the
//! same metrics share their inputs, and columns of one detector share its scores. A physical
//! optimizer rule, [`StreamScores`], puts it in the place of every window operator that it
//! understands and leaves the others alone. The scores are the same, bit for bit.
//!
//! Where a filter drops all rows before some time, as `WHERE window_start >= '2026-11-01'` does,
//! those rows are read as history and not scored.

mod instants;
mod rule;
mod stream;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod zone_tests;

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, SessionStateBuilder, TaskContext};
use datafusion::physical_expr::OrderingRequirements;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, EmissionType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::windows::WindowAggExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan,
    InputDistributionRequirements, PlanProperties, ReplaceChildrenOptions,
};
use datafusion::prelude::SessionContext;

pub use rule::StreamScores;

use crate::functions::{BoundCall, register_functions};
use anomalog_engine::detector::DetectorStore;
use anomalog_engine::series::format_micros;

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

/// Appends the columns of a [`WindowAggExec`] that calls nothing but anomaly functions.
#[derive(Debug)]
pub struct AnomalyScoreExec {
    /// The operator in whose place this one stands: what it requires and gives is the same.
    plain: Arc<WindowAggExec>,
    calls: Vec<BoundCall>,
    /// Rows before this time, in microseconds since the epoch, are only history: a filter above
    /// drops them.
    scored_from: Option<i64>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl AnomalyScoreExec {
    /// The streaming form of a window operator; `None` if that calls anything but anomaly
    /// functions over one window in time order.
    ///
    /// # Errors
    /// When a detector that was found at planning is gone.
    fn of(plain: &WindowAggExec) -> Result<Option<Self>> {
        let input = plain.input().schema();
        let mut calls = Vec::with_capacity(plain.window_expr().len());
        let first = &plain.window_expr()[0];
        for expr in plain.window_expr() {
            let Some(call) = BoundCall::of_window_expr(expr, &input)? else {
                return Ok(None);
            };
            let is_same_window = expr.partition_by() == first.partition_by()
                && expr.order_by() == first.order_by()
                && expr.order_by().len() == 1;
            if !is_same_window {
                return Ok(None);
            }
            calls.push(call);
        }
        let properties =
            PlanProperties::clone(plain.properties()).with_emission_type(EmissionType::Incremental);
        Ok(Some(Self {
            plain: Arc::new(plain.clone()),
            calls,
            scored_from: None,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }

    /// The same operator for a filter that drops rows whose column `column` is before a time;
    /// `None` if that is not the time of every call.
    fn scoring_from(&self, column: usize, micros: i64) -> Option<Self> {
        let input = self.plain.input();
        let is_time = |call: &BoundCall| instants::are_those_of(input, &call.times, column);
        self.calls.iter().all(is_time).then(|| Self {
            plain: Arc::clone(&self.plain),
            calls: self.calls.clone(),
            scored_from: self.scored_from.max(Some(micros)),
            properties: Arc::clone(&self.properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

impl DisplayAs for AnomalyScoreExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls: Vec<String> = self
            .calls
            .iter()
            .map(|call| {
                let metrics: Vec<_> = call.metrics.iter().map(ToString::to_string).collect();
                format!(
                    "{}({}, {}, {})",
                    call.function,
                    call.detector.manifest().id(),
                    call.times,
                    metrics.join(", ")
                )
            })
            .collect();
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                let window = &self.plain.window_expr()[0];
                let partition: Vec<_> = window
                    .partition_by()
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                write!(
                    f,
                    "AnomalyScoreExec: scores=[{}], partition_by=[{}], order_by=[{}]",
                    calls.join(", "),
                    partition.join(", "),
                    window.order_by()[0]
                )?;
                match self.scored_from {
                    Some(micros) => write!(f, ", scored_from={}", format_micros(micros)),
                    None => Ok(()),
                }
            }
            DisplayFormatType::TreeRender => writeln!(f, "scores={}", calls.join(", ")),
        }
    }
}

impl ExecutionPlan for AnomalyScoreExec {
    fn name(&self) -> &'static str {
        "AnomalyScoreExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.plain.children()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.plain.apply_expressions(f)
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        self.plain.maintains_input_order()
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        self.plain.required_input_ordering()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.plain.input_distribution_requirements()
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plain: Arc<dyn ExecutionPlan> = Arc::clone(&self.plain) as _;
        let plain = plain.replace_children(children, options)?;
        let rebuilt = match plain.downcast_ref::<WindowAggExec>() {
            Some(window) => Self::of(window)?,
            None => None,
        };
        Ok(match rebuilt {
            Some(streaming) => Arc::new(Self {
                scored_from: self.scored_from,
                ..streaming
            }),
            None => plain,
        })
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        stream::execute(self, partition, &context)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}
