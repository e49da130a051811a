//! The values of arguments, as detectors read them.

use anomalog_engine::series::Observed;
use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Float64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::error::Result;

const STRICT: CastOptions<'static> = CastOptions {
    safe: false,
    format_options: datafusion::arrow::util::display::FormatOptions::new(),
};

/// Times as microseconds since the epoch; a time without zone is UTC.
pub(crate) fn micros(times: &ArrayRef) -> Result<Vec<Option<i64>>> {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let times = cast_with_options(times, &utc, &STRICT)?;
    Ok(times
        .as_primitive::<TimestampMicrosecondType>()
        .iter()
        .collect())
}

/// A metric as detectors read it, as [`Observed::encoded`] has it.
pub(crate) fn metric_values(values: &ArrayRef) -> Result<Vec<f64>> {
    let values = cast_with_options(values, &DataType::Float64, &STRICT)?;
    let values: &Float64Array = values.as_primitive::<Float64Type>();
    Ok(values
        .iter()
        .map(|value| Observed::from(value).encoded())
        .collect())
}
