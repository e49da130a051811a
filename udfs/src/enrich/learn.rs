//! `path_patterns(path [, names])`: what all paths together say of which places have names without end.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Signature, Volatility,
};
use datafusion::physical_expr::expressions::Literal;
use datafusion::scalar::ScalarValue;

use super::documentation;
use super::path_patterns::PathTree;
use super::paths::{DEPTH, path_group};
use super::texts;

/// Names of a place that are told apart where nothing else is said: of so many, people still look at
/// each.
const NAMES: usize = 50;
/// Most names that can be told apart.
const MOST_NAMES: i64 = 10_000;

/// Registers the aggregate.
pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    let aggregate = AggregateUDF::new_from_impl(LearnPatterns {
        signature: Signature::user_defined(Volatility::Immutable),
    });
    registry.register_udaf(Arc::new(aggregate))?;
    Ok(())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct LearnPatterns {
    signature: Signature,
}

impl AggregateUDFImpl for LearnPatterns {
    fn name(&self) -> &'static str {
        "path_patterns"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        documentation::of(self.name())
    }

    fn coerce_types(&self, found: &[DataType]) -> Result<Vec<DataType>> {
        let is_text = |found: &DataType| match found {
            DataType::Dictionary(_, values) => values.is_string(),
            other => other.is_string() || other.is_null(),
        };
        match found {
            [text] if is_text(text) => Ok(vec![DataType::Utf8View]),
            [text, names] if is_text(text) && names.is_integer() => {
                Ok(vec![DataType::Utf8View, DataType::Int64])
            }
            _ => {
                let found: Vec<_> = found.iter().map(ToString::to_string).collect();
                plan_err!(
                    "`path_patterns` expects text and a whole number, found ({})\n\
                     hint: `path_patterns(path)` or `path_patterns(path, {NAMES})`",
                    found.join(", ")
                )
            }
        }
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::new_list(DataType::Utf8, true))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let name = format!("{}[paths]", args.name);
        Ok(vec![Arc::new(Field::new(name, DataType::LargeUtf8, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let names = match args.exprs.get(1) {
            None => NAMES,
            Some(expr) => match expr.downcast_ref::<Literal>().map(Literal::value) {
                Some(ScalarValue::Int64(Some(names @ 1..=MOST_NAMES))) => *names as usize,
                _ => {
                    return plan_err!(
                        "`path_patterns` expects how many names of a place are told apart as a number \
                         from 1 to {MOST_NAMES}, found {expr}\nhint: `path_patterns(path, {NAMES})`"
                    );
                }
            },
        };
        Ok(Box::new(Learner {
            names,
            tree: PathTree::default(),
        }))
    }
}

#[derive(Debug)]
struct Learner {
    names: usize,
    tree: PathTree,
}

impl Learner {
    fn add_lines(&mut self, texts: &ArrayRef) -> Result<()> {
        let texts = cast(texts, &DataType::LargeUtf8)?;
        for text in texts.as_string::<i64>().iter().flatten() {
            for line in text.lines() {
                self.tree.add(line, self.names);
            }
        }
        Ok(())
    }
}

impl Accumulator for Learner {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(paths) = values.first() else {
            return Ok(());
        };
        for path in texts::distinct(paths)?.iter().flatten() {
            self.tree.add(&path_group(path, DEPTH, None), self.names);
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        states
            .first()
            .map_or(Ok(()), |states| self.add_lines(states))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::LargeUtf8(Some(self.tree.encode()))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let patterns = self.tree.patterns().into_iter();
        let patterns: Vec<_> = patterns.map(|text| ScalarValue::Utf8(Some(text))).collect();
        let list = ScalarValue::new_list_nullable(&patterns, &DataType::Utf8);
        Ok(ScalarValue::List(list))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.tree.heap_size()
    }
}
