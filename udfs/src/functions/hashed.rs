//! Values as 64-bit hashes, for sketches that only tell them apart.

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::buffer::ScalarBuffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, UInt64Type};
use datafusion::common::plan_err;
use datafusion::error::Result;
use twox_hash::XxHash64;

/// The type that the only argument of a function is read as.
pub(super) fn argument_types(name: &str, found: &[DataType]) -> Result<Vec<DataType>> {
    let read_as = match found {
        [DataType::Dictionary(_, values)] => values.as_ref(),
        [other] => other,
        _ => {
            return plan_err!(
                "`{name}` expects one argument, found {}\n\
                     hint: `{name}(client_ip)`",
                found.len()
            );
        }
    };
    match read_as {
        DataType::Null => Ok(vec![DataType::Utf8]),
        other if other.is_integer() => Ok(vec![if other.is_unsigned_integer() {
            DataType::UInt64
        } else {
            DataType::Int64
        }]),
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView => Ok(vec![read_as.clone()]),
        other => plan_err!(
            "`{name}` expects text, binary or a whole number, found {other}\n\
                 hint: `{name}(CAST(… AS VARCHAR))`"
        ),
    }
}

/// A hash per value; any for NULL.
pub(super) fn hashes(values: &ArrayRef) -> Result<ScalarBuffer<u64>> {
    Ok(match values.data_type() {
        DataType::Utf8 => of_each(values.as_string::<i32>()),
        DataType::LargeUtf8 => of_each(values.as_string::<i64>()),
        DataType::Utf8View => of_each(values.as_string_view()),
        DataType::Binary => of_each(values.as_binary::<i32>()),
        DataType::LargeBinary => of_each(values.as_binary::<i64>()),
        DataType::BinaryView => of_each(values.as_binary_view()),
        DataType::UInt64 => {
            let numbers = values.as_primitive::<UInt64Type>().values().iter();
            numbers.map(|n| hash(&n.to_le_bytes())).collect()
        }
        _ => {
            let numbers = cast(values, &DataType::Int64)?;
            let numbers = numbers.as_primitive::<Int64Type>().values().iter();
            numbers.map(|n| hash(&n.to_le_bytes())).collect()
        }
    })
}

/// The same on every machine and in every version: counts are kept.
fn hash(bytes: &[u8]) -> u64 {
    XxHash64::oneshot(0, bytes)
}

fn of_each<T: AsRef<[u8]>>(values: impl IntoIterator<Item = Option<T>>) -> ScalarBuffer<u64> {
    let values = values.into_iter();
    values
        .map(|value| value.map_or(0, |value| hash(value.as_ref())))
        .collect()
}
