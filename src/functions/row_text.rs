//! A row as text: a function of plans, which queries do not name.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BinaryBuilder, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::Expr;

use crate::logs::linked::shown;

/// The expression that writes some columns of a row as a JSON object, each value as text; what is
/// NULL is `null`.
#[must_use]
pub fn row_text(columns: Vec<(String, Expr)>) -> Expr {
    let (names, columns) = columns.into_iter().unzip();
    let function = RowText {
        names,
        signature: Signature::variadic_any(Volatility::Immutable),
    };
    ScalarUDF::from(function).call(columns)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RowText {
    names: Vec<String>,
    signature: Signature,
}

impl ScalarUDFImpl for RowText {
    fn name(&self) -> &'static str {
        "row_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = args
            .args
            .iter()
            .map(|value| value.to_array(args.number_rows));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let written = written(&self.names, &columns, args.number_rows)?;
        Ok(ColumnarValue::Array(written))
    }
}

fn written(names: &[String], columns: &[ArrayRef], rows: usize) -> Result<ArrayRef, ArrowError> {
    let names: Vec<String> = names.iter().map(|name| json(name)).collect();
    let columns = columns
        .iter()
        .map(shown)
        .collect::<Result<Vec<StringArray>, _>>()?;
    let mut written = BinaryBuilder::new();
    let mut text = String::new();
    for row in 0..rows {
        text.clear();
        for (place, (name, column)) in names.iter().zip(&columns).enumerate() {
            let before = if place == 0 { "{" } else { "," };
            let value = column.is_valid(row).then(|| json(column.value(row)));
            let value = value.as_deref().unwrap_or("null");
            let _ = write!(text, "{before}{name}:{value}");
        }
        text.push('}');
        written.append_value(&text);
    }
    Ok(Arc::new(written.finish()))
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{
        AsArray, BinaryArray, BooleanArray, Decimal128Array, Int64Array, TimestampMicrosecondArray,
    };

    use super::*;

    #[test]
    fn values_stand_as_the_file_has_them() {
        let decimal = Decimal128Array::from(vec![1_250]).with_precision_and_scale(9, 3);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("a \"b\"", Arc::new(StringArray::from(vec!["-\n"]))),
            ("bytes", Arc::new(BinaryArray::from_vec(vec![b"a\xff"]))),
            ("none", Arc::new(Int64Array::from(vec![None]))),
            ("size", Arc::new(decimal.unwrap())),
            ("yes", Arc::new(BooleanArray::from(vec![true]))),
            (
                "1970",
                Arc::new(TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC")),
            ),
            // No calendar reaches so far.
            (
                "far",
                Arc::new(TimestampMicrosecondArray::from(vec![i64::MAX])),
            ),
        ];
        let (names, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let text = written(&names, &columns, 1).unwrap();
        let text = std::str::from_utf8(text.as_binary::<i32>().value(0)).unwrap();
        assert_eq!(
            text,
            r#"{"a \"b\"":"-\n","bytes":"a\\xFF","none":null,"size":"1.250","yes":"true","1970":"1970-01-01T00:00:00Z","far":"9223372036854775807"}"#
        );
    }
}
