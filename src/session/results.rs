//! Query results as text for other programs: CSV, JSON and JSON lines.
//!
//! An [`Encoder`] turns batches into bytes and leaves writing them to its caller, so that a closed
//! pipe is seen as such and not as an encoding error.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::csv;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::writer::{JsonArray, LineDelimited, Writer, WriterBuilder};

/// What becomes of text in CSV that a spreadsheet would take for a formula: whoever sends requests writes
/// the paths and agents of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cells {
    /// It is written behind an apostrophe.
    #[default]
    Neutral,
    /// It stays as it is, for programs.
    Raw,
}

impl Cells {
    /// As it is, if so asked.
    #[must_use]
    pub const fn raw_if(is_raw: bool) -> Self {
        if is_raw { Self::Raw } else { Self::Neutral }
    }
}

/// Encodes the batches of one result, one after another.
#[derive(Debug)]
pub struct Encoder {
    format: Format,
}

#[derive(Debug)]
enum Format {
    Csv { wants_header: bool, cells: Cells },
    Json(Writer<Vec<u8>, JsonArray>),
    Ndjson,
}

impl Encoder {
    /// Comma-separated values; the first batch, even an empty one, brings the header.
    #[must_use]
    pub const fn csv(cells: Cells) -> Self {
        Self {
            format: Format::Csv {
                wants_header: true,
                cells,
            },
        }
    }

    /// One array of objects, NULL written out.
    #[must_use]
    pub fn json() -> Self {
        Self {
            format: Format::Json(json_options().build(Vec::new())),
        }
    }

    /// One object a line, NULL written out.
    #[must_use]
    pub const fn ndjson() -> Self {
        Self {
            format: Format::Ndjson,
        }
    }

    /// The bytes of the next batch.
    ///
    /// # Errors
    /// When the format has no way to write a type: CSV none for lists and structs.
    pub fn encode(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
        match &mut self.format {
            Format::Csv {
                wants_header,
                cells,
            } => {
                let with_header = std::mem::take(wants_header);
                let mut writer = csv::WriterBuilder::new()
                    .with_header(with_header)
                    .build(Vec::new());
                match cells {
                    Cells::Raw => writer.write(batch)?,
                    Cells::Neutral => writer.write(&neutral(batch)?)?,
                }
                Ok(writer.into_inner())
            }
            Format::Json(writer) => {
                writer.write(batch)?;
                Ok(std::mem::take(writer.get_mut()))
            }
            Format::Ndjson => {
                let mut writer = json_options().build::<_, LineDelimited>(Vec::new());
                writer.write(batch)?;
                Ok(writer.into_inner())
            }
        }
    }

    /// The bytes that close the result.
    ///
    /// # Errors
    /// Never so far; the formats reserve the right.
    pub fn finish(self) -> Result<Vec<u8>, ArrowError> {
        match self.format {
            Format::Csv { .. } | Format::Ndjson => Ok(Vec::new()),
            Format::Json(mut writer) => {
                writer.finish()?;
                let mut bytes = writer.into_inner();
                bytes.push(b'\n');
                Ok(bytes)
            }
        }
    }
}

/// The rows with text that no spreadsheet takes for a formula.
fn neutral(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let is_text = match field.data_type() {
            DataType::Dictionary(_, value) => value.is_string(),
            other => other.is_string(),
        };
        if !is_text {
            fields.push(Arc::clone(field));
            columns.push(Arc::clone(column));
            continue;
        }
        let texts = cast(column, &DataType::Utf8)?;
        let texts: StringArray = texts
            .as_string::<i32>()
            .iter()
            .map(|text| text.map(neutral_text))
            .collect();
        fields.push(Arc::new(Field::new(field.name(), DataType::Utf8, true)));
        columns.push(Arc::new(texts));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// Puts an apostrophe before what a spreadsheet would calculate. A lone `-`, as logs have it for what is
/// not known, is text everywhere.
fn neutral_text(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text != "-" {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

fn json_options() -> WriterBuilder {
    WriterBuilder::new().with_explicit_nulls(true)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, DictionaryArray, Int64Array};
    use datafusion::arrow::datatypes::Int32Type;

    use super::*;

    fn text(mut encoder: Encoder, batches: &[RecordBatch]) -> String {
        let mut bytes = Vec::new();
        for batch in batches {
            bytes.extend(encoder.encode(batch).unwrap());
        }
        bytes.extend(encoder.finish().unwrap());
        String::from_utf8(bytes).unwrap()
    }

    fn batches() -> [RecordBatch; 3] {
        let batch = RecordBatch::try_from_iter([
            (
                "site",
                Arc::new(StringArray::from(vec!["a\"b", "c"])) as ArrayRef,
            ),
            ("n", Arc::new(Int64Array::from(vec![Some(1), None]))),
        ])
        .unwrap();
        [
            RecordBatch::new_empty(batch.schema()),
            batch.slice(0, 1),
            batch.slice(1, 1),
        ]
    }

    #[test]
    fn batches_make_one_document() {
        let batches = batches();
        let csv = Encoder::csv(Cells::Neutral);
        assert_eq!(text(csv, &batches), "site,n\n\"a\"\"b\",1\nc,\n");
        assert_eq!(
            text(Encoder::json(), &batches),
            "[{\"site\":\"a\\\"b\",\"n\":1},{\"site\":\"c\",\"n\":null}]\n"
        );
        assert_eq!(
            text(Encoder::ndjson(), &batches),
            "{\"site\":\"a\\\"b\",\"n\":1}\n{\"site\":\"c\",\"n\":null}\n"
        );
    }

    #[test]
    fn no_rows_make_a_whole_document_too() {
        let empty = &batches()[..1];
        let csv = Encoder::csv(Cells::Neutral);
        assert_eq!(text(csv, empty), "site,n\n");
        assert_eq!(text(Encoder::json(), empty), "[]\n");
        assert_eq!(text(Encoder::ndjson(), empty), "");
    }

    #[test]
    fn text_is_no_formula() {
        let written = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "-", "a=1", ""];
        let texts: ArrayRef = Arc::new(StringArray::from(written.to_vec()));
        let codes: DictionaryArray<Int32Type> = written.into_iter().collect();
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![-1; written.len()]));
        let columns = [("t", texts), ("d", Arc::new(codes) as _), ("n", numbers)];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let lines = |cells| text(Encoder::csv(cells), std::slice::from_ref(&batch));
        insta::assert_snapshot!(lines(Cells::Neutral).replace('\t', "TAB"), @"
        t,d,n
        '=1+1,'=1+1,-1
        '+1,'+1,-1
        '-1,'-1,-1
        '@SUM(A1),'@SUM(A1),-1
        'TAB=1,'TAB=1,-1
        -,-,-1
        a=1,a=1,-1
        ,,-1
        ");
        let raw = lines(Cells::Raw);
        assert!(raw.contains("\n=1+1,=1+1,-1\n"), "{raw}");
    }
}
