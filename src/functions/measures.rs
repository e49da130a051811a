//! The measures as SQL aggregates, one series a group.
//!
//! What they take and return is said by their `Documentation`, from which `docs/sql.md` is made.
//!
//! One row per window. Rows are put in the order of `window_start` here, so that results do not
//! depend on the plan. A NULL or NaN score is no score, a NULL `is_anomaly` no alarm; rows whose
//! time or label is NULL are left out. A group that [cannot be judged](MeasureError),
//! for want of a labelled window, say, has NULL.

mod documentation;

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, ListArray,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Signature, Volatility,
};
use datafusion::physical_expr::expressions::Literal;
use datafusion::scalar::ScalarValue;

use crate::measures::alarms::{AlarmRules, alarms_at};
use crate::measures::{MeasureError, auc_pr, auc_roc, vus_pr, vus_roc};

/// Registers every aggregate.
///
/// # Errors
/// When the registry cannot take functions.
pub fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    for measure in Measure::ALL {
        let aggregate = AggregateUDF::new_from_impl(MeasureOf {
            measure,
            signature: Signature::user_defined(Volatility::Immutable),
        });
        registry.register_udaf(Arc::new(aggregate))?;
    }
    Ok(())
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Measure {
    AucPr,
    AucRoc,
    VusPr,
    VusRoc,
    EventRecall,
    FalseAlarms,
}

impl Measure {
    const ALL: [Self; 6] = [
        Self::AucPr,
        Self::AucRoc,
        Self::VusPr,
        Self::VusRoc,
        Self::EventRecall,
        Self::FalseAlarms,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::AucPr => "auc_pr",
            Self::AucRoc => "auc_roc",
            Self::VusPr => "vus_pr",
            Self::VusRoc => "vus_roc",
            Self::EventRecall => "event_recall",
            Self::FalseAlarms => "false_alarms",
        }
    }

    const fn is_volume(self) -> bool {
        matches!(self, Self::VusPr | Self::VusRoc)
    }

    const fn is_of_alarms(self) -> bool {
        matches!(self, Self::EventRecall | Self::FalseAlarms)
    }

    const fn usage(self) -> &'static str {
        match self {
            Self::AucPr | Self::AucRoc => "window_start, label, score",
            Self::VusPr | Self::VusRoc => "window_start, label, score, 60",
            Self::EventRecall | Self::FalseAlarms => "window_start, label, is_anomaly",
        }
    }

    fn result_type(self) -> DataType {
        match self {
            Self::FalseAlarms => DataType::Int64,
            _ => DataType::Float64,
        }
    }

    fn of(
        self,
        labels: &[bool],
        scores: &[f64],
        sliding_window: usize,
    ) -> std::result::Result<ScalarValue, MeasureError> {
        // Of alarms the score is 1, of other windows 0.
        let alarms = || alarms_at(labels, scores, 0, 0.5, AlarmRules::default());
        Ok(match self {
            Self::AucPr => auc_pr(labels, scores)?.into(),
            Self::AucRoc => auc_roc(labels, scores)?.into(),
            Self::VusPr => vus_pr(labels, scores, sliding_window)?.into(),
            Self::VusRoc => vus_roc(labels, scores, sliding_window)?.into(),
            Self::EventRecall => alarms()?.recall().into(),
            Self::FalseAlarms => (alarms()?.false_alarms as i64).into(),
        })
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct MeasureOf {
    measure: Measure,
    signature: Signature,
}

fn micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

impl AggregateUDFImpl for MeasureOf {
    fn name(&self) -> &str {
        self.measure.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        documentation::of(self.name())
    }

    fn coerce_types(&self, found: &[DataType]) -> Result<Vec<DataType>> {
        let is_number = |found: &DataType| found.is_numeric() || found.is_null();
        let is_truth = |found: &DataType| {
            found.is_integer() || matches!(found, DataType::Boolean | DataType::Null)
        };
        let is_time = |found: &DataType| matches!(found, DataType::Timestamp(..) | DataType::Null);
        let measure = self.measure;
        let types = match found {
            [time, label, alarm]
                if measure.is_of_alarms()
                    && is_time(time)
                    && is_truth(label)
                    && is_truth(alarm) =>
            {
                Some(vec![micros(), DataType::Boolean, DataType::Boolean])
            }
            [time, label, score, window @ ..]
                if !measure.is_of_alarms()
                    && is_time(time)
                    && is_truth(label)
                    && is_number(score)
                    && window.len() == usize::from(measure.is_volume())
                    && window.iter().all(DataType::is_integer) =>
            {
                let mut types = vec![micros(), DataType::Boolean, DataType::Float64];
                types.extend(window.iter().map(|_| DataType::Int64));
                Some(types)
            }
            _ => None,
        };
        let (name, usage) = (measure.name(), measure.usage());
        match types {
            Some(types) => Ok(types),
            None => plan_err!(
                "`{name}` expects ({usage}), found ({})\n\
                 hint: `{name}({usage})`, one row per window, one series per group",
                found
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        }
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.measure.result_type())
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let list = |part: &str, element: DataType| {
            let name = format!("{}[{part}]", args.name);
            Arc::new(Field::new_list(
                name,
                Field::new_list_field(element, true),
                true,
            ))
        };
        Ok(vec![
            list("times", DataType::Int64),
            list("labels", DataType::Boolean),
            list("scores", DataType::Float64),
        ])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let sliding_window = if self.measure.is_volume() {
            let literal = args
                .exprs
                .get(3)
                .and_then(|expr| expr.downcast_ref::<Literal>());
            match literal.map(Literal::value) {
                Some(ScalarValue::Int64(Some(width @ 0..))) => *width as usize,
                _ => {
                    return plan_err!(
                        "`{}` expects the sliding window as a number of windows from 0, such as 60",
                        self.measure.name()
                    );
                }
            }
        } else {
            0
        };
        Ok(Box::new(Windows {
            measure: self.measure,
            sliding_window,
            rows: Vec::new(),
        }))
    }
}

/// The windows of one group, in no order.
#[derive(Debug)]
struct Windows {
    measure: Measure,
    sliding_window: usize,
    /// Time, label and score, NaN for none.
    rows: Vec<(i64, bool, f64)>,
}

impl Windows {
    fn take(&mut self, times: &Int64Array, labels: &BooleanArray, scores: &Float64Array) {
        for (row, time) in times.iter().enumerate() {
            let Some(time) = time.filter(|_| labels.is_valid(row)) else {
                continue;
            };
            let score = scores.is_valid(row).then(|| scores.value(row));
            self.rows
                .push((time, labels.value(row), score.unwrap_or(f64::NAN)));
        }
    }
}

impl Accumulator for Windows {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let times = values[0].as_primitive::<TimestampMicrosecondType>();
        let times = times.reinterpret_cast::<Int64Type>();
        // Alarms are no numbers yet.
        let scores = cast(&values[2], &DataType::Float64)?;
        self.take(
            &times,
            values[1].as_boolean(),
            scores.as_primitive::<Float64Type>(),
        );
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [times, labels, scores] = [0, 1, 2].map(|part| states[part].as_list::<i32>());
        for group in 0..times.len() {
            if times.is_valid(group) {
                self.take(
                    times.value(group).as_primitive::<Int64Type>(),
                    labels.value(group).as_boolean(),
                    scores.value(group).as_primitive::<Float64Type>(),
                );
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let rows = || self.rows.iter();
        let list = |values: ArrayRef| -> Result<ScalarValue> {
            let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
            let offsets = OffsetBuffer::from_lengths([values.len()]);
            let list = ListArray::try_new(field, offsets, values, None)?;
            Ok(ScalarValue::List(Arc::new(list)))
        };
        Ok(vec![
            list(Arc::new(rows().map(|row| row.0).collect::<Int64Array>()))?,
            list(Arc::new(
                rows().map(|row| Some(row.1)).collect::<BooleanArray>(),
            ))?,
            list(Arc::new(rows().map(|row| row.2).collect::<Float64Array>()))?,
        ])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let key = |row: &(i64, bool, f64)| (row.0, row.1, row.2.to_bits());
        self.rows.sort_unstable_by_key(key);
        let labels: Vec<bool> = self.rows.iter().map(|row| row.1).collect();
        let scores: Vec<f64> = self.rows.iter().map(|row| row.2).collect();
        match self.measure.of(&labels, &scores, self.sliding_window) {
            Ok(value) => Ok(value),
            Err(error @ MeasureError::Infinite { .. }) => {
                exec_err!("`{}`: {error}", self.measure.name())
            }
            Err(_) => ScalarValue::try_from(&self.measure.result_type()),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.rows.capacity() * size_of::<(i64, bool, f64)>()
    }
}
