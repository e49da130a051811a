//! The operator, as plans see it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use anomalog_engine::score::Workers;
use anomalog_engine::series::format_micros;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::OrderingRequirements;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, EmissionType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::windows::WindowAggExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan,
    InputDistributionRequirements, PlanProperties, ReplaceChildrenOptions,
};

use super::stream::{self, PartitionInput};
use crate::functions::BoundCall;

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
    /// All partitions share the threads of a query.
    workers: OnceLock<Arc<Workers>>,
}

impl AnomalyScoreExec {
    /// The streaming form of a window operator; `None` if that calls anything but anomaly
    /// functions over one window in time order.
    ///
    /// # Errors
    /// When a detector that was found at planning is gone.
    pub(super) fn of(plain: &WindowAggExec) -> Result<Option<Self>> {
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
            workers: OnceLock::new(),
        }))
    }

    /// The operator that gives the rows.
    pub(super) fn input(&self) -> &Arc<dyn ExecutionPlan> {
        self.plain.input()
    }

    /// The times of each call.
    pub(super) fn times(&self) -> impl Iterator<Item = &Arc<dyn PhysicalExpr>> {
        self.calls.iter().map(|call| &call.times)
    }

    /// The same operator for a filter that drops rows before a time, which is that of every call.
    pub(super) fn scoring_from(&self, micros: i64) -> Self {
        Self {
            plain: Arc::clone(&self.plain),
            calls: self.calls.clone(),
            scored_from: self.scored_from.max(Some(micros)),
            properties: Arc::clone(&self.properties),
            metrics: ExecutionPlanMetricsSet::new(),
            workers: OnceLock::new(),
        }
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
                    call.judge.id(),
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
        let window = &self.plain.window_expr()[0];
        let threads = context.session_config().target_partitions();
        let workers = self.workers.get_or_init(|| Arc::new(Workers::new(threads)));
        let input = PartitionInput {
            rows: self
                .plain
                .input()
                .execute(partition, Arc::clone(&context))?,
            schema: self.schema(),
            partition_by: window.partition_by(),
            calls: &self.calls,
            scored_from: self.scored_from,
            workers,
        };
        Ok(stream::execute(input, partition, &context, &self.metrics))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}
