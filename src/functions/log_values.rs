//! Values of Parquet logs as those of `access_logs`: functions of plans, which queries do not name.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::Expr;

use crate::logs::LatencyUnit;
use crate::logs::linked::{EpochUnit, TextPart, latencies, sizes, statuses, times};
use crate::schema::timestamp_type;

/// What is read from a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogValue {
    /// A time, from one column or from one of dates and one of times of day.
    Time(Option<EpochUnit>),
    /// Text.
    Text(TextPart),
    /// A status.
    Status,
    /// A size.
    Size,
    /// A time taken, in milliseconds.
    Latency(LatencyUnit),
}

impl LogValue {
    /// The expression that reads the value from columns. What cannot be read is NULL.
    #[must_use]
    pub fn of(self, columns: Vec<Expr>) -> Expr {
        let function = ReadLogValue {
            value: self,
            signature: Signature::variadic_any(Volatility::Immutable),
        };
        ScalarUDF::from(function).call(columns)
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ReadLogValue {
    value: LogValue,
    signature: Signature,
}

impl ScalarUDFImpl for ReadLogValue {
    fn name(&self) -> &'static str {
        match self.value {
            LogValue::Time(_) => "read_time",
            LogValue::Text(_) => "read_text",
            LogValue::Status => "read_status",
            LogValue::Size => "read_size",
            LogValue::Latency(_) => "read_latency",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.value {
            LogValue::Time(_) => timestamp_type(),
            LogValue::Text(_) => DataType::Utf8,
            LogValue::Status => DataType::Int32,
            LogValue::Size => DataType::Int64,
            LogValue::Latency(_) => DataType::Float64,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // A key of the path is one value for all rows of a file.
        let is_one = (args.args.iter()).all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let read: ArrayRef = match (self.value, &columns[..]) {
            (LogValue::Time(unit), columns) => Arc::new(times(columns, unit)?),
            (LogValue::Text(part), [column]) => Arc::new(part.of(column)?),
            (LogValue::Status, [column]) => Arc::new(statuses(column)?),
            (LogValue::Size, [column]) => Arc::new(sizes(column)?),
            (LogValue::Latency(unit), [column]) => Arc::new(latencies(column, unit)?),
            _ => return datafusion::common::plan_err!("a value is read from one column"),
        };
        Ok(if is_one {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&read, 0)?)
        } else {
            ColumnarValue::Array(read)
        })
    }
}
