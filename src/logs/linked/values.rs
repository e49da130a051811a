//! Values of requests as columns hold them. A value that cannot be read is NULL, as is `-`.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int32Array, Int64Array, StringArray, StringBuilder,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::logs::absolute_url::path_of;
use crate::logs::duration::LatencyUnit;
use crate::logs::request::{host_site, present, split_request, split_target, status};

/// Text of a column of text, bytes or numbers; NULL for nothing and for `-`.
///
/// # Errors
/// When the column is of another type.
pub fn texts(column: &ArrayRef) -> Result<StringArray, ArrowError> {
    let texts = match column.data_type() {
        DataType::Dictionary(_, values) => return texts(&cast(column, values)?),
        DataType::FixedSizeBinary(_) | DataType::LargeBinary | DataType::BinaryView => {
            return texts(&cast(column, &DataType::Binary)?);
        }
        DataType::Binary => bytes_as_text(column),
        _ => cast(column, &DataType::Utf8)?,
    };
    let texts = texts.as_string::<i32>();
    if texts.iter().flatten().all(|text| present(text).is_some()) {
        return Ok(texts.clone());
    }
    Ok(texts.iter().map(|text| text.and_then(present)).collect())
}

/// Values as text, as people are shown them: also `-`, and what is no value of a log.
///
/// # Errors
/// When the column is of a type that has no text.
pub fn shown(column: &ArrayRef) -> Result<StringArray, ArrowError> {
    match column.data_type() {
        DataType::Dictionary(_, values) => return shown(&cast(column, values)?),
        DataType::FixedSizeBinary(_) | DataType::LargeBinary | DataType::BinaryView => {
            return shown(&cast(column, &DataType::Binary)?);
        }
        DataType::Binary => return Ok(bytes_as_text(column).as_string::<i32>().clone()),
        _ => {}
    }
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column, &options)?;
    // A time that no calendar has is shown as its number.
    let number = |row: usize| {
        let number = cast(&column.slice(row, 1), &DataType::Int64).ok()?;
        Some(number.as_primitive::<Int64Type>().value(0).to_string())
    };
    let text = |row: usize| {
        let text = formatter.value(row).try_to_string();
        column
            .is_valid(row)
            .then(|| text.ok().or_else(|| number(row)))?
    };
    Ok((0..column.len()).map(text).collect())
}

/// Bytes that are not UTF-8 are written as `\xHH`, as in logs of text.
fn bytes_as_text(column: &ArrayRef) -> ArrayRef {
    let mut builder = StringBuilder::new();
    for bytes in column.as_binary::<i32>() {
        match bytes.map(std::str::from_utf8) {
            None => builder.append_null(),
            Some(Ok(text)) => builder.append_value(text),
            Some(Err(_)) => {
                let mut text = String::new();
                for chunk in bytes.unwrap_or_default().utf8_chunks() {
                    text.push_str(chunk.valid());
                    for byte in chunk.invalid() {
                        let _ = write!(text, "\\x{byte:02X}");
                    }
                }
                builder.append_value(text);
            }
        }
    }
    Arc::new(builder.finish())
}

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TextPart {
    /// All of it.
    Whole,
    /// The path of a request target.
    Path,
    /// What follows its question mark; NULL without one.
    Query,
    /// The site that a host names.
    HostSite,
    /// The method of a request line.
    RequestMethod,
    /// Its path.
    RequestPath,
    /// Its query.
    RequestQuery,
    /// Its protocol.
    RequestProtocol,
}

impl TextPart {
    /// The part of each text of a column; NULL for nothing and for `-`.
    ///
    /// # Errors
    /// When the column is of no type that is read as text.
    pub fn of(self, column: &ArrayRef) -> Result<StringArray, ArrowError> {
        let texts = texts(column)?;
        if self == Self::Whole {
            return Ok(texts);
        }
        let parts = texts.iter().map(|text| self.cut(text?));
        Ok(parts.collect())
    }

    fn cut(self, text: &str) -> Option<Cow<'_, str>> {
        let part = match self {
            Self::Whole => text,
            Self::Path => path_of(split_target(text).0),
            Self::Query => split_target(text).1,
            Self::HostSite => return host_site(Cow::Borrowed(text)),
            Self::RequestMethod => split_request(text).0,
            Self::RequestPath => match split_request(text) {
                ("", path, ..) => path,
                (_, path, ..) => path_of(path),
            },
            Self::RequestQuery => split_request(text).2,
            Self::RequestProtocol => split_request(text).3,
        };
        (!part.is_empty()).then_some(Cow::Borrowed(part))
    }
}

/// Numbers of a column of numbers or text; NULL for what is none.
///
/// # Errors
/// When the column is of another type.
pub(super) fn numbers(column: &ArrayRef) -> Result<Float64Array, ArrowError> {
    Ok(match column.data_type() {
        DataType::Dictionary(_, values) => numbers(&cast(column, values)?)?,
        found if found.is_numeric() => cast(column, &DataType::Float64)?.as_primitive().clone(),
        _ => (texts(column)?.iter())
            .map(|text| text?.trim().parse().ok())
            .collect(),
    })
}

/// Times taken, in milliseconds, from numbers of a unit; NULL for what is no number of at least 0.
///
/// # Errors
/// When the column is neither of numbers nor of text.
pub fn latencies(column: &ArrayRef, unit: LatencyUnit) -> Result<Float64Array, ArrowError> {
    let numbers = numbers(column)?;
    Ok(numbers.iter().map(|number| unit.millis(number?)).collect())
}

/// Sizes: whole numbers of at least 0; NULL for what is none.
///
/// # Errors
/// When the column is neither of numbers nor of text.
pub fn sizes(column: &ArrayRef) -> Result<Int64Array, ArrowError> {
    Ok(match column.data_type() {
        DataType::Dictionary(_, values) => sizes(&cast(column, values)?)?,
        found if found.is_integer() || matches!(found, DataType::Decimal128(_, 0)) => {
            let whole = cast(column, &DataType::Int64)?;
            let whole = whole.as_primitive::<Int64Type>().iter();
            whole.map(|size| size.filter(|size| *size >= 0)).collect()
        }
        _ => {
            let numbers = numbers(column)?;
            let sizes = numbers.iter().map(|size| {
                let size = size?;
                // Whole numbers of this size are exact.
                (size.fract() == 0.0 && (0.0..9e15).contains(&size)).then_some(size as i64)
            });
            sizes.collect()
        }
    })
}

/// Statuses from 0 to 999; NULL for what is none.
///
/// # Errors
/// When the column is neither of numbers nor of text.
pub fn statuses(column: &ArrayRef) -> Result<Int32Array, ArrowError> {
    let of_number = |number: f64| {
        let is_status = number.fract() == 0.0 && (0.0..1000.0).contains(&number);
        is_status.then_some(number as i32)
    };
    Ok(match column.data_type() {
        DataType::Dictionary(_, values) => statuses(&cast(column, values)?)?,
        found if found.is_numeric() => {
            let numbers = cast(column, &DataType::Float64)?;
            let numbers = numbers.as_primitive::<Float64Type>().iter();
            numbers.map(|number| of_number(number?)).collect()
        }
        _ => {
            let texts = texts(column)?;
            let read = |text: &str| match status(text.trim()) {
                Some(status) => Some(status),
                None => of_number(text.trim().parse().ok()?),
            };
            texts.iter().map(|text| read(text?)).collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{BinaryArray, Decimal128Array, NullArray, UInt16Array};

    use super::*;

    fn column<const N: usize>(texts: [&str; N]) -> ArrayRef {
        Arc::new(StringArray::from(texts.to_vec()))
    }

    #[test]
    fn placeholders_are_null_in_every_column() {
        let absent = [column(["-", ""]), Arc::new(NullArray::new(2))];
        for column in absent {
            assert_eq!(texts(&column).unwrap().null_count(), 2);
            assert_eq!(sizes(&column).unwrap().null_count(), 2);
            assert_eq!(
                latencies(&column, LatencyUnit::Millis)
                    .unwrap()
                    .null_count(),
                2
            );
            assert_eq!(statuses(&column).unwrap().null_count(), 2);
        }
    }

    #[test]
    fn numbers_are_read_from_every_type() {
        let decimal = |values: Vec<i128>, scale| -> ArrayRef {
            let column = Decimal128Array::from(values);
            Arc::new(column.with_precision_and_scale(38, scale).unwrap())
        };
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![200.0, f64::NAN, 404.5]));
        assert_eq!(
            statuses(&floats).unwrap().iter().collect::<Vec<_>>(),
            [Some(200), None, None]
        );
        let small: ArrayRef = Arc::new(UInt16Array::from(vec![404, 1000]));
        assert_eq!(
            statuses(&small).unwrap().iter().collect::<Vec<_>>(),
            [Some(404), None]
        );
        let text = statuses(&column(["200", "000", "404.0", "2OO", "-7"])).unwrap();
        assert_eq!(
            text.iter().collect::<Vec<_>>(),
            [Some(200), Some(0), Some(404), None, None]
        );
        assert_eq!(statuses(&decimal(vec![503], 0)).unwrap().value(0), 503);
        let bytes = sizes(&decimal(vec![1 << 60, -1], 0)).unwrap();
        assert_eq!(bytes.iter().collect::<Vec<_>>(), [Some(1 << 60), None]);
        let bytes = sizes(&column(["12", "12.0", "1.5", "x"])).unwrap();
        assert_eq!(
            bytes.iter().collect::<Vec<_>>(),
            [Some(12), Some(12), None, None]
        );
        let taken = latencies(&decimal(vec![1_250], 3), LatencyUnit::Millis).unwrap();
        assert!((taken.value(0) - 1.25).abs() < 1e-12);
        let taken = latencies(&column(["0.29", "-1", "inf"]), LatencyUnit::Seconds).unwrap();
        assert_eq!(taken.value(0).to_string(), "290");
        assert_eq!(taken.null_count(), 2);
        let flags: ArrayRef = Arc::new(datafusion::arrow::array::StructArray::new_empty_fields(
            1, None,
        ));
        assert!(numbers(&flags).is_err() && statuses(&flags).is_err());
    }

    #[test]
    fn texts_are_cut_as_in_logs_of_text() {
        let bytes: ArrayRef = Arc::new(BinaryArray::from_vec(vec![b"a\xffb", b"-"]));
        assert_eq!(
            texts(&bytes).unwrap().iter().collect::<Vec<_>>(),
            [Some("a\\xFFb"), None]
        );
        let cut = |part: TextPart, text: &str| {
            let cut = part.of(&column([text])).unwrap();
            cut.iter().next().flatten().unwrap_or("NULL").to_owned()
        };
        assert_eq!(cut(TextPart::Path, "/a?b=1&c"), "/a");
        assert_eq!(cut(TextPart::Path, "http://shop.example/a?b=1&c"), "/a");
        assert_eq!(cut(TextPart::Query, "/a?b=1&c"), "b=1&c");
        assert_eq!(cut(TextPart::Query, "/a"), "NULL");
        assert_eq!(cut(TextPart::HostSite, "Shop.example:443"), "shop.example");
        let line = "GET /a?b HTTP/1.1";
        let parts = [
            (TextPart::RequestMethod, "GET"),
            (TextPart::RequestPath, "/a"),
            (TextPart::RequestQuery, "b"),
            (TextPart::RequestProtocol, "HTTP/1.1"),
            (TextPart::Whole, line),
        ];
        for (part, expected) in parts {
            assert_eq!(cut(part, line), expected);
        }
        let url = "GET http://shop.example/a?b HTTP/1.1";
        assert_eq!(cut(TextPart::RequestPath, url), "/a");
        assert_eq!(
            cut(TextPart::RequestPath, "CONNECT a:443 HTTP/1.1"),
            "a:443"
        );
    }
}
