//! SQL functions of the program itself, beside those that score: over requests, and over scores and
//! labels.

pub mod log_values;
pub mod measures;
pub mod requests;

use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;

/// Registers every function.
///
/// # Errors
/// When the registry cannot take functions.
pub fn register_all(registry: &mut dyn FunctionRegistry) -> Result<()> {
    requests::register(registry)?;
    measures::register(registry)
}
