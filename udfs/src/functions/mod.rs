//! The SQL functions: every name as a window function and as a scalar function over lists.
//!
//! | function | result |
//! |---|---|
//! | `rnn_score`, `lstm_score`, `gru_score`, `clstm_score`, `anomaly_score` | DOUBLE in [0, 1) |
//! | `rnn_detect`, `lstm_detect`, `gru_detect`, `clstm_detect`, `anomaly_detect` | STRUCT, see [`verdict_fields`] |
//!
//! Both forms take `([detector,] times, metric, …)`; the scalar form may leave out the times. Times of
//! day are those of the [zone](anomalog_engine::series::time_zone) in the times' type, UTC without one.
//! What a call means is decided in one place, `call`; the forms only fetch values.
//!
//! Beside them stand aggregates for windows of traffic: `unique_count`, `quantiles` and `top_share`.

mod call;
mod documentation;
mod hashed;
mod planning;
mod result;
mod scalar;
mod sketch;
#[cfg(test)]
mod sketch_tests;
mod top_share;
mod window;

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{ScalarUDF, WindowUDF};

pub(crate) use call::execution_error;
pub use result::verdict_fields;
pub(crate) use window::BoundCall;
pub(crate) use window::{metric_values, micros};

use planning::CallPlanner;
use scalar::ListFunction;
use window::{ResolveDetectors, WindowFunction};

use anomalog_engine::detector::{ArchitectureFilter, DetectorStore};
use anomalog_engine::network::Architecture;

/// What a function returns per row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Output {
    Score,
    Detect,
}

/// One of the ten functions, in either form.
#[derive(Debug, Clone)]
struct AnomalyFunction {
    name: &'static str,
    filter: ArchitectureFilter,
    output: Output,
    store: Arc<DetectorStore>,
}

// Two functions of one name over the same store are the same function: plans compare them.
impl PartialEq for AnomalyFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.store, &other.store)
    }
}

impl Eq for AnomalyFunction {}

impl std::hash::Hash for AnomalyFunction {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        Arc::as_ptr(&self.store).hash(state);
    }
}

fn functions(store: &Arc<DetectorStore>) -> Vec<AnomalyFunction> {
    use ArchitectureFilter::{Any, Only};
    let names = [
        ("rnn_score", "rnn_detect", Only(Architecture::Rnn)),
        ("lstm_score", "lstm_detect", Only(Architecture::Lstm)),
        ("gru_score", "gru_detect", Only(Architecture::Gru)),
        ("clstm_score", "clstm_detect", Only(Architecture::Clstm)),
        ("anomaly_score", "anomaly_detect", Any),
    ];
    names
        .into_iter()
        .flat_map(|(score, detect, filter)| {
            [(score, Output::Score), (detect, Output::Detect)].map(|(name, output)| {
                AnomalyFunction {
                    name,
                    filter,
                    output,
                    store: Arc::clone(store),
                }
            })
        })
        .collect()
}

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
    for function in functions(store) {
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
