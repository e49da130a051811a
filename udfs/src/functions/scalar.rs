//! The scalar form: `lstm_score(history)` scores the last element of a list.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{exec_err, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::scalar::ScalarValue;

use super::call::{Shape, element, execution_error};
use super::documentation;
use super::function::AnomalyFunction;
use super::values::{metric_values, micros};
use anomalog_engine::detector::MetricArgument;
use anomalog_engine::forecast::Status;
use anomalog_engine::score::{Judge, WindowScore};
use anomalog_engine::series::Rows;
use anomalog_engine::series::blocks::BlockLayout;
use anomalog_engine::series::time_zone::TimeZone;

/// A function in its list form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ListFunction {
    function: AnomalyFunction,
    signature: Signature,
}

impl ListFunction {
    pub(super) fn new(function: AnomalyFunction) -> Self {
        Self {
            function,
            signature: Signature::user_defined(Volatility::Stable),
        }
    }

    /// What a call means, and the judge that answers it.
    fn resolve(
        &self,
        fields: &[FieldRef],
        reference: Option<&ScalarValue>,
    ) -> Result<(Shape, Judge)> {
        let types: Vec<_> = fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let shape = Shape::of_list_call(&self.function, &types)?;
        // Lists of values carry no metric names worth comparing: position only.
        let metrics: Vec<_> = fields[shape.first_metric..]
            .iter()
            .map(|field| MetricArgument {
                name: field.name().clone(),
                is_column: false,
                is_whole: element(field.data_type()).is_some_and(DataType::is_integer),
            })
            .collect();
        let judge = self.function.judge(shape, reference, &metrics)?;
        Ok((shape, judge))
    }
}

impl ScalarUDFImpl for ListFunction {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("return_field_from_args is implemented instead")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let reference = args.scalar_arguments.first().copied().flatten();
        self.resolve(args.arg_fields, reference)?;
        let is_nullable = true;
        Ok(Arc::new(Field::new(
            self.name(),
            self.function.output.data_type(),
            is_nullable,
        )))
    }

    fn documentation(&self) -> Option<&Documentation> {
        documentation::of_anomaly_function(self.name())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let reference = match args.args.first() {
            Some(ColumnarValue::Scalar(value)) => Some(value),
            _ => None,
        };
        let (shape, judge) = self.resolve(&args.arg_fields, reference)?;
        let lists = args.args[usize::from(shape.has_detector)..]
            .iter()
            .map(|arg| to_lists(arg, args.number_rows))
            .collect::<Result<Vec<_>>>()?;
        let (times, metrics) = match shape.time_zone {
            Some(zone) => (Some((&lists[0], zone)), &lists[1..]),
            None => (None, lists.as_slice()),
        };
        let scores = score_lists(self.name(), &judge, times, metrics, args.number_rows)?;
        Ok(ColumnarValue::Array(
            self.function.output.array(&judge, &scores),
        ))
    }
}

/// Any list column as `List`.
fn to_lists(arg: &ColumnarValue, rows: usize) -> Result<ListArray> {
    let array = arg.to_array(rows)?;
    let element = match array.data_type() {
        DataType::List(_) => return Ok(array.as_list::<i32>().clone()),
        DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => Arc::clone(field),
        other => return internal_err!("expected a list, found {other}"),
    };
    Ok(cast(&array, &DataType::List(element))?
        .as_list::<i32>()
        .clone())
}

/// One history: its times and its metrics.
type History = (Vec<i64>, Vec<Vec<f64>>);

fn score_lists(
    function: &str,
    judge: &Judge,
    times: Option<(&ListArray, TimeZone)>,
    metrics: &[ListArray],
    rows: usize,
) -> Result<Vec<WindowScore>> {
    let layout = judge.layout();
    let mut scores = vec![WindowScore::missing(Status::NullInput); rows];
    let mut histories: Vec<History> = Vec::new();
    let mut scored_rows = Vec::new();
    for (row, score) in scores.iter_mut().enumerate() {
        let is_null = times.is_some_and(|(list, _)| list.is_null(row))
            || metrics.iter().any(|list| list.is_null(row));
        if is_null {
            continue;
        }
        let values = metrics
            .iter()
            .map(|list| metric_values(&list.value(row)))
            .collect::<Result<Vec<_>>>()?;
        let length = values[0].len();
        let window_start = match times {
            Some((list, _)) => list_times(function, &list.value(row))?,
            None => undated(layout, length),
        };
        if values
            .iter()
            .any(|values| values.len() != window_start.len())
        {
            return exec_err!(
                "`{function}` expects lists of one length per row, found {} in row {row}",
                std::iter::once(window_start.len())
                    .chain(values.iter().map(Vec::len))
                    .map(|length| length.to_string())
                    .collect::<Vec<_>>()
                    .join(" and ")
            );
        }
        if length == 0 {
            *score = WindowScore::missing(Status::NoData);
            continue;
        }
        histories.push((window_start, values));
        scored_rows.push(row);
    }
    let series: Vec<Rows<'_>> = histories
        .iter()
        .map(|(window_start, metrics)| Rows {
            window_start,
            metrics,
            time_zone: times.map(|(_, zone)| zone),
        })
        .collect();
    let last = judge
        .score_last(&series)
        .map_err(|error| execution_error(function, &error))?;
    for (row, score) in scored_rows.into_iter().zip(last) {
        scores[row] = score;
    }
    Ok(scores)
}

fn list_times(function: &str, times: &ArrayRef) -> Result<Vec<i64>> {
    let times = micros(times)?;
    let known: Vec<i64> = times.iter().copied().flatten().collect();
    if known.len() == times.len() {
        Ok(known)
    } else {
        exec_err!(
            "`{function}` expects times without NULL, found {} NULL",
            times.len() - known.len()
        )
    }
}

/// Times for consecutive windows of unknown date, the last of which ends a block whose scale
/// comes from the windows right before it.
fn undated(layout: &BlockLayout, length: usize) -> Vec<i64> {
    let last = layout.block as i64 - 1;
    (0..length as i64)
        .rev()
        .map(|back| (last - back) * layout.step_micros)
        .collect()
}
