//! One name for both forms in SQL.
//!
//! DataFusion's SQL planner takes a scalar function of a name before it looks at the OVER clause,
//! so registering both forms would make the window form unreachable. It does look at the clause
//! for aggregates. Each name is therefore registered as an aggregate that never runs, and an
//! expression planner turns each call of it into the form that the call has: with OVER the window
//! function, else the scalar function.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction as WindowCall};
use datafusion::logical_expr::expr::{ScalarFunction, WindowFunctionParams};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawAggregateExpr, RawWindowExpr,
};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Expr, ScalarUDF, Signature,
    Volatility, WindowFunctionDefinition, WindowUDF,
};

use super::documentation;

/// The functions behind each name.
#[derive(Debug, Default)]
pub(super) struct CallPlanner {
    forms: BTreeMap<&'static str, (Arc<ScalarUDF>, Arc<WindowUDF>)>,
}

impl CallPlanner {
    /// Adds a name; returns what to register under it.
    pub(super) fn add(
        &mut self,
        name: &'static str,
        scalar: Arc<ScalarUDF>,
        window: Arc<WindowUDF>,
    ) -> Arc<AggregateUDF> {
        self.forms.insert(name, (scalar, window));
        Arc::new(AggregateUDF::new_from_impl(CallMarker {
            name,
            signature: Signature::user_defined(Volatility::Stable),
        }))
    }

    fn forms(&self, function: &AggregateUDF) -> Option<&(Arc<ScalarUDF>, Arc<WindowUDF>)> {
        let marker = function.inner().downcast_ref::<CallMarker>()?;
        self.forms.get(marker.name)
    }
}

impl ExprPlanner for CallPlanner {
    fn plan_aggregate(&self, call: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        let Some((scalar, _)) = self.forms(&call.func) else {
            return Ok(PlannerResult::Original(call));
        };
        if call.distinct || call.filter.is_some() || !call.order_by.is_empty() {
            return plan_err!(
                "`{}` without an OVER clause takes no DISTINCT, FILTER or ORDER BY",
                scalar.name()
            );
        }
        refuse_null_treatment(scalar.name(), call.null_treatment)?;
        let call = ScalarFunction::new_udf(Arc::clone(scalar), call.args);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
    }

    fn plan_window(&self, call: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        let forms = match &call.func_def {
            WindowFunctionDefinition::AggregateUDF(function) => self.forms(function),
            WindowFunctionDefinition::WindowUDF(_) => None,
        };
        let Some((_, window)) = forms else {
            return Ok(PlannerResult::Original(call));
        };
        refuse_null_treatment(window.name(), call.null_treatment)?;
        let call = WindowCall {
            fun: WindowFunctionDefinition::WindowUDF(Arc::clone(window)),
            params: WindowFunctionParams {
                args: call.args,
                partition_by: call.partition_by,
                order_by: call.order_by,
                window_frame: call.window_frame,
                filter: call.filter,
                null_treatment: call.null_treatment,
                distinct: call.distinct,
            },
        };
        Ok(PlannerResult::Planned(Expr::WindowFunction(Box::new(call))))
    }
}

/// Refuses what would leave out missing values: a score needs to know that they are missing.
fn refuse_null_treatment(function: &str, asked: Option<NullTreatment>) -> Result<()> {
    match asked {
        Some(asked @ NullTreatment::IgnoreNulls) => plan_err!(
            "`{function}` takes no {asked}: a missing value is a window without a log, which is not scored\n\
             hint: leave {asked} out"
        ),
        Some(NullTreatment::RespectNulls) | None => Ok(()),
    }
}

/// What is registered under a name: the planner replaces each call of it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CallMarker {
    name: &'static str,
    signature: Signature,
}

impl AggregateUDFImpl for CallMarker {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn documentation(&self) -> Option<&Documentation> {
        documentation::of_anomaly_function(self.name())
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        plan_err!(
            "`{}` is no aggregate: call it over a list, or with an OVER clause",
            self.name
        )
    }

    fn accumulator(&self, _args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        plan_err!(
            "`{}` is no aggregate: call it over a list, or with an OVER clause",
            self.name
        )
    }
}
