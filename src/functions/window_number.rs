//! `window_number(time, step)`: which window a time lies in.
//!
//! A division says the same, but the planner does not know that it keeps times in order. With this
//! function, rows in the order of their times are in the order of their windows, and a query that groups
//! by window holds one window at a time.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array};
use datafusion::arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion::common::{ScalarValue, exec_err, plan_err};
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};

use crate::schema::timestamp_type;

const NAME: &str = "window_number";
const EXAMPLE: &str = "window_number(timestamp, 60000000)";

/// Registers the function.
///
/// # Errors
/// When the registry cannot take functions.
pub fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    let function = ScalarUDF::new_from_impl(WindowNumber {
        signature: Signature::user_defined(Volatility::Immutable),
    });
    registry.register_udf(Arc::new(function))?;
    Ok(())
}

const WINDOWS: DocSection = DocSection {
    include: true,
    label: "Windows",
    description: Some("The function that `traffic_windows` is made with."),
};

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        WINDOWS,
        "Numbers the window that a time lies in, from the Unix epoch. The result is a BIGINT: \
         `window_start` in microseconds is the number times the step. Before the epoch, windows are \
         numbered towards zero. NULL gives NULL. Rows in the order of their times are known to be in \
         the order of their windows, which is faster to group by than a division.",
        "window_number(time, step)",
    )
    .with_argument(
        "time",
        "TIMESTAMP: read in microseconds. One without a zone is UTC.",
    )
    .with_argument(
        "step",
        "BIGINT: the length of a window in microseconds, a constant above zero.",
    )
    .with_sql_example(
        "\
```sql
SELECT window_number(TIMESTAMP '2026-02-25T06:13:20Z', 60000000) AS number
```

```text
+----------+
| number   |
+----------+
| 29533333 |
+----------+
```",
    )
    .build()
});

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct WindowNumber {
    signature: Signature,
}

impl ScalarUDFImpl for WindowNumber {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }

    fn coerce_types(&self, found: &[DataType]) -> Result<Vec<DataType>> {
        match found {
            [DataType::Timestamp(..) | DataType::Null, step]
                if step.is_integer() || step.is_null() =>
            {
                Ok(vec![timestamp_type(), DataType::Int64])
            }
            _ => {
                let found: Vec<_> = found.iter().map(ToString::to_string).collect();
                plan_err!(
                    "`{NAME}` expects a timestamp and a whole number, found ({})\nhint: `{EXAMPLE}`",
                    found.join(", ")
                )
            }
        }
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [
            times,
            ColumnarValue::Scalar(ScalarValue::Int64(Some(step @ 1..))),
        ] = &args.args[..]
        else {
            return exec_err!(
                "`{NAME}` expects the step as a constant above zero, in microseconds\nhint: `{EXAMPLE}`"
            );
        };
        let numbers = |times: &ArrayRef| {
            let times = times.as_primitive::<TimestampMicrosecondType>();
            times.unary::<_, datafusion::arrow::datatypes::Int64Type>(|micros| micros / step)
        };
        Ok(match times {
            ColumnarValue::Array(times) => ColumnarValue::Array(Arc::new(numbers(times))),
            ColumnarValue::Scalar(time) => {
                let number: Int64Array = numbers(&time.to_array()?);
                ColumnarValue::Scalar(ScalarValue::try_from_array(&number, 0)?)
            }
        })
    }

    /// That of the times: a later time lies in no earlier window.
    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(match inputs {
            [times, step] if step.sort_properties == SortProperties::Singleton => {
                times.sort_properties
            }
            _ => SortProperties::Unordered,
        })
    }
}
