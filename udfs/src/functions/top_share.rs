//! `top_share(value)`: which share of the rows has the most frequent value.
//!
//! What it takes and returns is said by its [`documentation`](super::documentation), and how exact it is
//! by [`ShareSketch`].

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::AggregateUDF;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::scalar::ScalarValue;

use super::hashed;
use super::sketch::{Aggregate, Items, Summary};
use crate::sketches::ShareSketch;

/// Registers the aggregate.
pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    let aggregate = AggregateUDF::new_from_impl(Aggregate::new(TopShare));
    registry.register_udaf(Arc::new(aggregate))?;
    Ok(())
}

/// Finds the share of the most frequent value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TopShare;

impl Summary for TopShare {
    type Sketch = ShareSketch;

    fn name(&self) -> &'static str {
        "top_share"
    }

    fn argument_types(&self, found: &[DataType]) -> Result<Vec<DataType>> {
        hashed::argument_types(self.name(), found)
    }

    fn result_type(&self) -> DataType {
        DataType::Float64
    }

    fn empty(&self) -> ScalarValue {
        ScalarValue::Float64(None)
    }

    fn bind(&self, _call: &AccumulatorArgs<'_>) -> Result<Self> {
        Ok(self.clone())
    }

    fn items(values: &ArrayRef) -> Result<Items<ShareSketch>> {
        hashed::hashes(values)
    }

    fn results(&self, sketches: Vec<ShareSketch>) -> ArrayRef {
        let shares = sketches.into_iter().map(|mut sketch| sketch.top_share());
        Arc::new(shares.collect::<Float64Array>())
    }
}
