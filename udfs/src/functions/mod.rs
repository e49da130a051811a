//! The SQL functions: every name as a window function and as a scalar function over lists.
//!
//! | function | result |
//! |---|---|
//! | `rnn_score`, `lstm_score`, `gru_score`, `clstm_score`, `anomaly_score`, `baseline_score` | DOUBLE in [0, 1) |
//! | `rnn_detect`, `lstm_detect`, `gru_detect`, `clstm_detect`, `anomaly_detect`, `baseline_detect` | STRUCT, see [`verdict_fields`] |
//!
//! Both forms take `([detector,] times, metric, …)`; the scalar form may leave out the times. Times of
//! day are those of the [zone](anomalog_engine::series::time_zone) in the times' type, UTC without one.
//! What a call means is decided in one place, `call`; the forms only fetch values.
//!
//! Beside them stand aggregates for windows of traffic: `unique_count`, `quantiles` and `top_share`.

mod call;
mod documentation;
mod function;
mod hashed;
mod planning;
mod result;
mod scalar;
mod sketch;
#[cfg(test)]
mod sketch_tests;
mod top_share;
mod values;
mod window;

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{ScalarUDF, WindowUDF};

pub(crate) use call::execution_error;
pub use result::verdict_fields;
pub(crate) use values::{metric_values, micros};
pub(crate) use window::BoundCall;

use function::AnomalyFunction;
use planning::CallPlanner;
use scalar::ListFunction;
use window::{ResolveDetectors, WindowFunction};

use anomalog_engine::detector::DetectorStore;

/// Registers every function, in both forms, and the check of calls at planning time.
///
/// Queries are answered by the plain window operator, one series at a time;
/// [`register_all`](crate::register_all) also adds the operator that streams.
///
/// # Errors
/// When the registry cannot take functions.
pub fn register_functions(
    registry: &mut dyn FunctionRegistry,
    store: &Arc<DetectorStore>,
) -> Result<()> {
    let mut planner = CallPlanner::default();
    for function in AnomalyFunction::all(store) {
        let name = function.name;
        let scalar = Arc::new(ScalarUDF::new_from_impl(ListFunction::new(
            function.clone(),
        )));
        let window = Arc::new(WindowUDF::new_from_impl(WindowFunction::new(function)));
        registry.register_udwf(Arc::clone(&window))?;
        registry.register_udaf(planner.add(name, scalar, window))?;
    }
    sketch::register(registry)?;
    top_share::register(registry)?;
    registry.register_expr_planner(Arc::new(planner))?;
    registry.register_function_rewrite(Arc::new(ResolveDetectors))
}

#[cfg(test)]
mod tests;
