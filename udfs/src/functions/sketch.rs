//! Aggregates over sketches: `unique_count(value)` and `quantiles(value, p, …)`.
//!
//! What they take and return is said by their [`documentation`](super::documentation), and how exact
//! they are by [`UniqueSketch`] and [`QuantileSketch`]. Results do not depend on the order of rows,
//! batches, partitions or spilling, to the last bit.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use super::hashed;
use crate::sketches::{QuantileSketch, Sketch, UniqueSketch};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Builder, Int64Array, LargeBinaryBuilder,
    ListBuilder,
};
use datafusion::arrow::buffer::{NullBuffer, ScalarBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{exec_datafusion_err, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator,
    Signature, Volatility,
};
use datafusion::physical_expr::expressions::Literal;
use datafusion::scalar::ScalarValue;

/// Registers the aggregates.
pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    for aggregate in [
        AggregateUDF::new_from_impl(Aggregate::new(UniqueCount)),
        AggregateUDF::new_from_impl(Aggregate::new(Quantiles::default())),
    ] {
        registry.register_udaf(Arc::new(aggregate))?;
    }
    Ok(())
}

/// What an aggregate over a sketch does.
pub(super) trait Summary: fmt::Debug + Clone + Eq + Hash + Send + Sync + 'static {
    type Sketch: Sketch;

    fn name(&self) -> &'static str;

    /// The types that arguments are read as.
    fn argument_types(&self, found: &[DataType]) -> Result<Vec<DataType>>;

    fn result_type(&self) -> DataType;

    /// The value over no rows.
    fn empty(&self) -> ScalarValue;

    /// The same with what the constant arguments of a call say.
    fn bind(&self, call: &AccumulatorArgs<'_>) -> Result<Self>;

    /// What each row adds where it is not NULL.
    fn items(values: &ArrayRef) -> Result<Items<Self::Sketch>>;

    fn results(&self, sketches: Vec<Self::Sketch>) -> ArrayRef;
}

/// What rows add to a sketch: anything where they are NULL.
pub(super) type Items<S> = ScalarBuffer<<S as Sketch>::Item>;

/// Counts distinct values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct UniqueCount;

impl Summary for UniqueCount {
    type Sketch = UniqueSketch;

    fn name(&self) -> &'static str {
        "unique_count"
    }

    fn argument_types(&self, found: &[DataType]) -> Result<Vec<DataType>> {
        hashed::argument_types(self.name(), found)
    }

    fn result_type(&self) -> DataType {
        DataType::Int64
    }

    fn empty(&self) -> ScalarValue {
        ScalarValue::Int64(Some(0))
    }

    fn bind(&self, _call: &AccumulatorArgs<'_>) -> Result<Self> {
        Ok(self.clone())
    }

    fn items(values: &ArrayRef) -> Result<ScalarBuffer<u64>> {
        hashed::hashes(values)
    }

    fn results(&self, sketches: Vec<UniqueSketch>) -> ArrayRef {
        let counts = sketches.into_iter().map(|mut sketch| sketch.count() as i64);
        Arc::new(counts.collect::<Int64Array>())
    }
}

/// Quantiles at probabilities.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Quantiles {
    /// Bits of the probabilities.
    probabilities: Vec<u64>,
}

impl Summary for Quantiles {
    type Sketch = QuantileSketch;

    fn name(&self) -> &'static str {
        "quantiles"
    }

    fn argument_types(&self, found: &[DataType]) -> Result<Vec<DataType>> {
        let is_number = |found: &DataType| found.is_numeric() || found.is_null();
        match found {
            [_, _, ..] if found.iter().all(is_number) => Ok(vec![DataType::Float64; found.len()]),
            _ => plan_err!(
                "`quantiles` expects a number and probabilities, found ({})\n\
                 hint: `quantiles(latency_ms, 0.5, 0.95)`",
                found
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        }
    }

    fn result_type(&self) -> DataType {
        DataType::new_list(DataType::Float64, true)
    }

    fn empty(&self) -> ScalarValue {
        ScalarValue::new_null_list(DataType::Float64, true, 1)
    }

    fn bind(&self, call: &AccumulatorArgs<'_>) -> Result<Self> {
        let probabilities = call.exprs[1..].iter().map(|expr| {
            let literal = expr.downcast_ref::<Literal>().map(Literal::value);
            match literal.map(|value| value.cast_to(&DataType::Float64)) {
                Some(Ok(ScalarValue::Float64(Some(p)))) if (0.0..=1.0).contains(&p) => {
                    Ok(p.to_bits())
                }
                _ => plan_err!(
                    "`quantiles` expects probabilities from 0 to 1 as literals, found {expr}\n\
                     hint: `quantiles(latency_ms, 0.5, 0.95)`"
                ),
            }
        });
        Ok(Self {
            probabilities: probabilities.collect::<Result<_>>()?,
        })
    }

    fn items(values: &ArrayRef) -> Result<ScalarBuffer<f64>> {
        let values = cast(values, &DataType::Float64)?;
        Ok(values.as_primitive::<Float64Type>().values().clone())
    }

    fn results(&self, sketches: Vec<QuantileSketch>) -> ArrayRef {
        let mut lists = ListBuilder::new(Float64Builder::new());
        for mut sketch in sketches {
            let quantile = |p: &u64| sketch.quantile(f64::from_bits(*p));
            let quantiles: Option<Vec<f64>> = self.probabilities.iter().map(quantile).collect();
            if let Some(quantiles) = &quantiles {
                lists.values().append_slice(quantiles);
            }
            lists.append(quantiles.is_some());
        }
        Arc::new(lists.finish())
    }
}

/// A summary as an aggregate function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Aggregate<S> {
    summary: S,
    signature: Signature,
}

impl<S: Summary> Aggregate<S> {
    pub(super) fn new(summary: S) -> Self {
        Self {
            summary,
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    fn bind(&self, call: &AccumulatorArgs<'_>) -> Result<S> {
        if call.is_distinct || !call.order_bys.is_empty() {
            let name = self.summary.name();
            return plan_err!("`{name}` takes no ORDER BY and no DISTINCT");
        }
        self.summary.bind(call)
    }
}

impl<S: Summary> AggregateUDFImpl for Aggregate<S> {
    fn name(&self) -> &str {
        self.summary.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        super::documentation::of_sketch(self.name())
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.summary.argument_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.summary.argument_types(types)?;
        Ok(self.summary.result_type())
    }

    fn default_value(&self, _data_type: &DataType) -> Result<ScalarValue> {
        Ok(self.summary.empty())
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let name = format!("{}[sketch]", args.name);
        Ok(vec![Arc::new(Field::new(
            name,
            DataType::LargeBinary,
            true,
        ))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Whole(Groups::new(self.bind(&args)?))))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Groups::new(self.bind(&args)?)))
    }
}

/// One sketch per group.
struct Groups<S: Summary> {
    summary: S,
    sketches: Vec<S::Sketch>,
    /// Bytes that the sketches hold on the heap.
    heap: usize,
}

impl<S: Summary> Groups<S> {
    fn new(summary: S) -> Self {
        Self {
            summary,
            sketches: Vec::new(),
            heap: 0,
        }
    }

    fn change(&mut self, group: usize, change: impl FnOnce(&mut S::Sketch)) {
        let sketch = &mut self.sketches[group];
        let before = sketch.heap_size();
        change(sketch);
        self.heap = self.heap + sketch.heap_size() - before;
    }

    fn take(&mut self, emit_to: EmitTo) -> Vec<S::Sketch> {
        let taken = emit_to.take_needed(&mut self.sketches);
        self.heap -= taken.iter().map(Sketch::heap_size).sum::<usize>();
        taken
    }
}

/// Which rows count: none that are NULL or that the filter leaves out; `None` if all do.
fn counted(values: &ArrayRef, filter: Option<&BooleanArray>) -> Option<NullBuffer> {
    let kept = filter.map(|filter| {
        NullBuffer::new(match filter.nulls() {
            Some(known) => filter.values() & known.inner(),
            None => filter.values().clone(),
        })
    });
    NullBuffer::union(values.logical_nulls().as_ref(), kept.as_ref())
}

/// Encoded sketches, one per row.
fn encode<S: Sketch>(sketches: impl IntoIterator<Item = S>) -> ArrayRef {
    let mut states = LargeBinaryBuilder::new();
    let mut bytes = Vec::new();
    for sketch in sketches {
        bytes.clear();
        sketch.encode(&mut bytes);
        states.append_value(&bytes);
    }
    Arc::new(states.finish())
}

fn decode<S: Sketch>(state: &[u8]) -> Result<S> {
    S::decode(state).map_err(|error| DataFusionError::External(Box::new(error)))
}

impl<S: Summary> GroupsAccumulator for Groups<S> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.sketches
            .resize_with(total_num_groups, Default::default);
        let items = S::items(&values[0])?;
        let counts = counted(&values[0], opt_filter);
        let mut kept = Vec::new();
        // Logs come in order, so that many rows of a group follow each other: a run of them costs
        // one look at its sketch.
        let mut start = 0;
        for run in group_indices.chunk_by(|a, b| a == b) {
            let rows = start..start + run.len();
            start = rows.end;
            let items = match &counts {
                None => &items[rows],
                Some(counts) => {
                    kept.clear();
                    kept.extend(
                        rows.filter(|row| counts.is_valid(*row))
                            .map(|row| items[row]),
                    );
                    &kept[..]
                }
            };
            self.change(run[0], |sketch| sketch.add(items));
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sketches = self.take(emit_to);
        Ok(self.summary.results(sketches))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![encode(self.take(emit_to))])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.sketches
            .resize_with(total_num_groups, Default::default);
        let states = values[0].as_binary::<i64>();
        for (state, &group) in states.iter().zip(group_indices) {
            if let Some(state) = state {
                let other = decode(state)?;
                self.change(group, |sketch| sketch.merge(other));
            }
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let items = S::items(&values[0])?;
        let counts = counted(&values[0], opt_filter);
        let sketches = (0..items.len()).map(|row| {
            let mut sketch = S::Sketch::default();
            if counts.as_ref().is_none_or(|counts| counts.is_valid(row)) {
                sketch.add(&items[row..=row]);
            }
            sketch
        });
        Ok(vec![encode(sketches)])
    }

    fn size(&self) -> usize {
        self.heap + self.sketches.capacity() * size_of::<S::Sketch>() + size_of::<Self>()
    }
}

/// All rows as one group.
struct Whole<S: Summary>(Groups<S>);

impl<S: Summary> fmt::Debug for Whole<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Whole").field(&self.0.summary).finish()
    }
}

impl<S: Summary> Whole<S> {
    fn value(values: &ArrayRef) -> Result<ScalarValue> {
        ScalarValue::try_from_array(values, 0)
    }
}

impl<S: Summary> Accumulator for Whole<S> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, Array::len);
        self.0.update_batch(values, &vec![0; rows], None, 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        // Over a window that grows row by row, more rows follow: the sketch stays.
        let sketch = self.0.sketches.first().cloned().unwrap_or_default();
        Self::value(&self.0.summary.results(vec![sketch]))
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.sketches.resize_with(1, Default::default);
        self.0.state(EmitTo::All)?.iter().map(Self::value).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(rows) = states.first().map(Array::len) else {
            return Err(exec_datafusion_err!(
                "expected a sketch to merge, found none"
            ));
        };
        self.0.merge_batch(states, &vec![0; rows], 1)
    }
}
