//! Writes rejected lines into a staged Parquet file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{
    BinaryBuilder, Int64Builder, RecordBatch, StringArray, StringBuilder,
};
use datafusion::parquet::arrow::ArrowWriter;

use super::error::WriteError;
use super::request::Reject;
use super::writer::properties;
use crate::schema::QUARANTINE;

/// Raw bytes that gather before they are written.
const BATCH_BYTES: usize = 4 << 20;
/// Encoded bytes after which a row group is closed: until then they are held in memory.
const ROW_GROUP_BYTES: usize = 32 << 20;

/// Collects the rejected lines of one log file. Without any, no file comes into being.
#[derive(Debug)]
pub(super) struct QuarantineWriter {
    path: PathBuf,
    /// Name of the log.
    file: String,
    writer: Option<ArrowWriter<File>>,
    line_numbers: Int64Builder,
    reasons: StringBuilder,
    raw: BinaryBuilder,
    raw_bytes: usize,
}

impl QuarantineWriter {
    /// Writes into the folder `staging`.
    pub(super) fn new(staging: &Path, file: String) -> Self {
        Self {
            path: staging.join("quarantine.parquet"),
            file,
            writer: None,
            line_numbers: Int64Builder::new(),
            reasons: StringBuilder::new(),
            raw: BinaryBuilder::new(),
            raw_bytes: 0,
        }
    }

    /// Appends a line; `line_number` counts from 1.
    pub(super) fn push(
        &mut self,
        line_number: u64,
        reason: Reject,
        raw: &[u8],
    ) -> Result<(), WriteError> {
        self.line_numbers.append_value(line_number as i64);
        self.reasons.append_value(reason.reason());
        self.raw.append_value(raw);
        self.raw_bytes += raw.len() + reason.reason().len();
        if self.raw_bytes >= BATCH_BYTES {
            self.write_batch()?;
        }
        Ok(())
    }

    /// Writes what is left and returns the finished file, if any line was rejected.
    pub(super) fn finish(mut self) -> Result<Option<PathBuf>, WriteError> {
        self.write_batch()?;
        Ok(match self.writer {
            Some(writer) => {
                writer.close()?;
                Some(self.path)
            }
            None => None,
        })
    }

    fn write_batch(&mut self) -> Result<(), WriteError> {
        let line_numbers = self.line_numbers.finish();
        if line_numbers.is_empty() {
            return Ok(());
        }
        let files = StringArray::from_iter_values(line_numbers.iter().map(|_| &self.file));
        let batch = RecordBatch::try_new(
            QUARANTINE.clone(),
            vec![
                Arc::new(files),
                Arc::new(line_numbers),
                Arc::new(self.reasons.finish()),
                Arc::new(self.raw.finish()),
            ],
        )?;
        self.raw_bytes = 0;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let file = File::create(&self.path)
                    .map_err(|source| WriteError::file(&self.path, source))?;
                let properties = properties().build();
                self.writer.insert(ArrowWriter::try_new(
                    file,
                    QUARANTINE.clone(),
                    Some(properties),
                )?)
            }
        };
        writer.write(&batch)?;
        if writer.in_progress_size() >= ROW_GROUP_BYTES {
            writer.flush()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_rejected_makes_no_file() {
        let staging = tempfile::tempdir().unwrap();
        let writer = QuarantineWriter::new(staging.path(), "a.log".to_owned());
        assert_eq!(writer.finish().unwrap(), None);
        assert_eq!(std::fs::read_dir(staging.path()).unwrap().count(), 0);
    }
}
