//! Query results as text for other programs: CSV, JSON and JSON lines.
//!
//! An [`Encoder`] turns batches into bytes and leaves writing them to its caller, so that a closed
//! pipe is seen as such and not as an encoding error.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::csv;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::writer::{JsonArray, LineDelimited, Writer, WriterBuilder};

/// Encodes the batches of one result, one after another.
#[derive(Debug)]
pub struct Encoder {
    format: Format,
}

#[derive(Debug)]
enum Format {
    Csv { wants_header: bool },
    Json(Writer<Vec<u8>, JsonArray>),
    Ndjson,
}

impl Encoder {
    /// Comma-separated values; the first batch, even an empty one, brings the header.
    #[must_use]
    pub const fn csv() -> Self {
        Self {
            format: Format::Csv { wants_header: true },
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
            Format::Csv { wants_header } => {
                let with_header = std::mem::take(wants_header);
                let mut writer = csv::WriterBuilder::new()
                    .with_header(with_header)
                    .build(Vec::new());
                writer.write(batch)?;
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

fn json_options() -> WriterBuilder {
    WriterBuilder::new().with_explicit_nulls(true)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};

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
        assert_eq!(text(Encoder::csv(), &batches), "site,n\n\"a\"\"b\",1\nc,\n");
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
        assert_eq!(text(Encoder::csv(), empty), "site,n\n");
        assert_eq!(text(Encoder::json(), empty), "[]\n");
        assert_eq!(text(Encoder::ndjson(), empty), "");
    }
}
