//! The window form: `lstm_score(window_start, requests) OVER (PARTITION BY site ORDER BY window_start)`.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::expr::WindowFunction as WindowCall;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    Documentation, Expr, ExprSchemable, LimitEffect, PartitionEvaluator, ReversedUDWF, Signature,
    Volatility, WindowFrame, WindowFunctionDefinition, WindowUDFImpl, lit,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_plan::windows::{StandardWindowExpr, WindowExpr, WindowUDFExpr};

use super::call::{Shape, execution_error};
use super::documentation;
use super::function::AnomalyFunction;
use super::result::Output;
use super::values::{metric_values, micros};
use anomalog_engine::detector::MetricArgument;
use anomalog_engine::forecast::{ForecastError, Status};
use anomalog_engine::score::{Judge, WindowScore};
use anomalog_engine::series::Rows;
use anomalog_engine::series::time_zone::TimeZone;

/// A function in its window form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct WindowFunction {
    function: AnomalyFunction,
    signature: Signature,
}

impl WindowFunction {
    pub(super) fn new(function: AnomalyFunction) -> Self {
        // Not `Immutable`: constant folding must not call it, and promoting a detector changes it.
        Self {
            function,
            signature: Signature::user_defined(Volatility::Stable),
        }
    }

    /// Checks everything about a call that shows only in the whole expression, and finds its
    /// judge.
    fn resolve(&self, call: &WindowCall, schema: &DFSchema) -> Result<(Shape, Judge)> {
        let name = self.function.name;
        let params = &call.params;
        let types = params
            .args
            .iter()
            .map(|arg| arg.get_type(schema))
            .collect::<Result<Vec<_>>>()?;
        let shape = Shape::of_window_call(&self.function, &types)?;
        let times = &params.args[shape.first_metric - 1];
        match params.order_by.as_slice() {
            [sort] if sort.asc && same_expression(&sort.expr, times) => {}
            [] => {
                return plan_err!(
                    "`{name}` needs the rows in time order\n\
                     hint: `{name}(…) OVER (PARTITION BY site ORDER BY {times})`"
                );
            }
            _ => {
                return plan_err!(
                    "`{name}` needs `ORDER BY {times}`, its argument {}, ascending and alone",
                    shape.first_metric
                );
            }
        }
        let has_own_frame = params.window_frame != WindowFrame::new(Some(false))
            && params.window_frame != WindowFrame::new(Some(true));
        if has_own_frame || params.filter.is_some() || params.distinct {
            return plan_err!(
                "`{name}` takes no window frame, FILTER or DISTINCT: the detector sets how far it \
                 looks back"
            );
        }
        let reference = match params.args.first() {
            Some(Expr::Literal(value, _)) => Some(value),
            _ => None,
        };
        let metrics: Vec<_> = (params.args.iter().zip(&types))
            .skip(shape.first_metric)
            .map(|(expr, data_type)| logical_metric(expr, data_type))
            .collect();
        Ok((shape, self.function.judge(shape, reference, &metrics)?))
    }

    /// The shape of a planned call, and its judge.
    fn bind(&self, exprs: &[Arc<dyn PhysicalExpr>], fields: &[FieldRef]) -> Result<(Shape, Judge)> {
        let types: Vec<_> = fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let shape = Shape::of_window_call(&self.function, &types)?;
        let reference = exprs
            .first()
            .and_then(|expr| expr.downcast_ref::<Literal>());
        let metrics: Vec<_> = (exprs.iter().zip(&types))
            .skip(shape.first_metric)
            .map(|(expr, data_type)| physical_metric(expr, data_type))
            .collect();
        let reference = reference.map(Literal::value);
        let judge = self.function.judge(shape, reference, &metrics)?;
        Ok((shape, judge))
    }
}

/// A planned call of one of the functions over a window.
#[derive(Debug, Clone)]
pub(crate) struct BoundCall {
    pub(crate) function: &'static str,
    pub(crate) output: Output,
    pub(crate) judge: Judge,
    pub(crate) times: Arc<dyn PhysicalExpr>,
    pub(crate) time_zone: TimeZone,
    pub(crate) metrics: Vec<Arc<dyn PhysicalExpr>>,
}

impl BoundCall {
    /// Reads a window expression over rows of a schema; `None` if it calls another function.
    ///
    /// # Errors
    /// As planning the call: when its arguments have other types or its detector is gone.
    pub(crate) fn of_window_expr(
        expr: &Arc<dyn WindowExpr>,
        input: &Schema,
    ) -> Result<Option<Self>> {
        let Some(expr) = expr.as_any().downcast_ref::<StandardWindowExpr>() else {
            return Ok(None);
        };
        let call = expr.get_standard_func_expr();
        let Some(call) = call.as_any().downcast_ref::<WindowUDFExpr>() else {
            return Ok(None);
        };
        let Some(window) = call.fun().inner().downcast_ref::<WindowFunction>() else {
            return Ok(None);
        };
        let args = call.args();
        let fields = args
            .iter()
            .map(|arg| arg.return_field(input))
            .collect::<Result<Vec<_>>>()?;
        let (shape, judge) = window.bind(args, &fields)?;
        Ok(Some(Self {
            function: window.function.name,
            output: window.function.output,
            judge,
            times: Arc::clone(&args[shape.first_metric - 1]),
            time_zone: shape.time_zone.unwrap_or_default(),
            metrics: args[shape.first_metric..].to_vec(),
        }))
    }
}

impl WindowUDFImpl for WindowFunction {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<_> = args
            .input_fields()
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        Shape::of_window_call(&self.function, &types)?;
        let is_nullable = true;
        Ok(Arc::new(Field::new(
            args.name(),
            self.function.output.data_type(),
            is_nullable,
        )))
    }

    fn partition_evaluator(
        &self,
        args: PartitionEvaluatorArgs<'_>,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        let (shape, judge) = self.bind(args.input_exprs(), args.input_fields())?;
        Ok(Box::new(SeriesEvaluator {
            function: self.function.name,
            output: self.function.output,
            shape,
            judge,
        }))
    }

    fn reverse_expr(&self) -> ReversedUDWF {
        ReversedUDWF::NotSupported
    }

    fn limit_effect(&self, _args: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        // A score depends on the past only.
        LimitEffect::None
    }

    fn documentation(&self) -> Option<&Documentation> {
        documentation::of_anomaly_function(self.name())
    }
}

/// Scores the rows of one partition.
#[derive(Debug)]
struct SeriesEvaluator {
    function: &'static str,
    output: Output,
    shape: Shape,
    judge: Judge,
}

impl PartitionEvaluator for SeriesEvaluator {
    fn evaluate_all(&mut self, values: &[ArrayRef], num_rows: usize) -> Result<ArrayRef> {
        let times = micros(&values[self.shape.first_metric - 1])?;
        let metrics = values[self.shape.first_metric..]
            .iter()
            .map(metric_values)
            .collect::<Result<Vec<_>>>()?;
        let scores = score_dated_rows(&self.judge, &times, &metrics, self.shape.time_zone)
            .map_err(|error| execution_error(self.function, &error))?;
        debug_assert_eq!(scores.len(), num_rows, "one score per row");
        Ok(self.output.array(&self.judge, &scores))
    }

    fn supports_bounded_execution(&self) -> bool {
        false
    }
}

/// Scores rows of which some may have no time: those are `null_input`.
fn score_dated_rows(
    judge: &Judge,
    times: &[Option<i64>],
    metrics: &[Vec<f64>],
    time_zone: Option<TimeZone>,
) -> Result<Vec<WindowScore>, ForecastError> {
    let dated: Vec<usize> = (0..times.len())
        .filter(|&row| times[row].is_some())
        .collect();
    let window_start: Vec<i64> = times.iter().copied().flatten().collect();
    if dated.len() == times.len() {
        return judge.score(Rows {
            window_start: &window_start,
            metrics,
            time_zone,
        });
    }
    let kept: Vec<Vec<f64>> = metrics
        .iter()
        .map(|values| dated.iter().map(|&row| values[row]).collect())
        .collect();
    let mut scores = vec![WindowScore::missing(Status::NullInput); times.len()];
    let rows = Rows {
        window_start: &window_start,
        metrics: &kept,
        time_zone,
    };
    for (row, score) in dated.into_iter().zip(judge.score(rows)?) {
        scores[row] = score;
    }
    Ok(scores)
}

/// Checks every call before other rules see it, and writes the detector into it as
/// `name@version`: `EXPLAIN` shows which one answers, and execution cannot find another. To a
/// shipped detector and to the baseline the metrics belong that the call names: later rules may rename
/// them.
#[derive(Debug)]
pub(super) struct ResolveDetectors;

impl FunctionRewrite for ResolveDetectors {
    fn name(&self) -> &'static str {
        "resolve_detectors"
    }

    fn rewrite(
        &self,
        expr: Expr,
        schema: &DFSchema,
        _config: &ConfigOptions,
    ) -> Result<Transformed<Expr>> {
        let Expr::WindowFunction(mut call) = expr else {
            return Ok(Transformed::no(expr));
        };
        let WindowFunctionDefinition::WindowUDF(udwf) = &call.fun else {
            return Ok(Transformed::no(Expr::WindowFunction(call)));
        };
        let Some(function) = udwf.inner().downcast_ref::<WindowFunction>() else {
            return Ok(Transformed::no(Expr::WindowFunction(call)));
        };
        let (shape, judge) = function.resolve(&call, schema)?;
        let literal = lit(judge.reference().to_string());
        if shape.has_detector {
            call.params.args[0] = literal;
        } else {
            call.params.args.insert(0, literal);
        }
        Ok(Transformed::yes(Expr::WindowFunction(call)))
    }
}

fn same_expression(a: &Expr, b: &Expr) -> bool {
    fn plain(expr: &Expr) -> &Expr {
        match expr {
            Expr::Cast(cast) => plain(&cast.expr),
            Expr::Alias(alias) => plain(&alias.expr),
            other => other,
        }
    }
    plain(a) == plain(b)
}

fn logical_metric(expr: &Expr, data_type: &DataType) -> MetricArgument {
    MetricArgument {
        name: match expr {
            Expr::Column(column) => column.name.clone(),
            other => other.schema_name().to_string(),
        },
        is_column: matches!(expr, Expr::Column(_)),
        is_whole: data_type.is_integer(),
    }
}

fn physical_metric(expr: &Arc<dyn PhysicalExpr>, data_type: &DataType) -> MetricArgument {
    MetricArgument {
        name: expr.to_string(),
        // By position only: names were compared in the logical plan, and optimizer rules may have
        // renamed columns since.
        is_column: false,
        is_whole: data_type.is_integer(),
    }
}
