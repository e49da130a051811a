//! SQL functions of the program itself, beside those that score: those that windows and incidents need,
//! and those over scores and labels.

pub mod incidents;
pub mod log_values;
pub mod measures;
pub mod row_text;
pub mod window_number;

use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;

/// Registers every function.
///
/// # Errors
/// When the registry cannot take functions.
pub fn register_all(registry: &mut dyn FunctionRegistry) -> Result<()> {
    incidents::register(registry)?;
    measures::register(registry)?;
    window_number::register(registry)
}
