//! The types of columns that are read as ours.

use datafusion::arrow::datatypes::DataType;

use crate::logs::column::LogColumn;

/// The names of the columns that a file can hold.
pub(super) fn linkable_names() -> impl Iterator<Item = &'static str> {
    let columns = LogColumn::NAMES.iter();
    columns
        .filter(|(column, _)| !is_of_text(*column))
        .map(|(_, name)| *name)
}

/// Whether a column is read of logs in text alone.
pub(super) const fn is_of_text(column: LogColumn) -> bool {
    matches!(
        column,
        LogColumn::Date | LogColumn::ForwardedFor | LogColumn::Url | LogColumn::Latency
    )
}

/// The types that a column of a Parquet log may have to be read as one of ours, in words.
pub(super) const fn expected(ours: LogColumn) -> &'static str {
    match ours {
        LogColumn::Timestamp => {
            "a timestamp, seconds to nanoseconds since 1970 as a number, or text as in logs"
        }
        LogColumn::Site => "text or whole numbers",
        LogColumn::Status | LogColumn::Bytes => "whole numbers",
        LogColumn::LatencyMs
        | LogColumn::LatencyS
        | LogColumn::LatencyUs
        | LogColumn::LatencyNs => "numbers",
        _ => "text",
    }
}

/// Whether values of a type can be read as a column of ours; all that a column of NULL can be.
pub(super) fn accepts(ours: LogColumn, found: &DataType) -> bool {
    if let DataType::Dictionary(_, values) = found {
        return accepts(ours, values);
    }
    let is_text = matches!(
        found,
        DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
            | DataType::Null
    );
    let is_number = found.is_numeric() && !matches!(found, DataType::Decimal256(..));
    match ours {
        LogColumn::Timestamp => {
            is_text
                || is_number
                || matches!(
                    found,
                    DataType::Timestamp(..)
                        | DataType::Date32
                        | DataType::Date64
                        | DataType::Time32(_)
                        | DataType::Time64(_)
                )
        }
        LogColumn::Site => is_text || found.is_integer(),
        // Some exporters write numbers as text.
        LogColumn::Status
        | LogColumn::Bytes
        | LogColumn::LatencyMs
        | LogColumn::LatencyS
        | LogColumn::LatencyUs
        | LogColumn::LatencyNs => is_text || is_number,
        _ => is_text,
    }
}
