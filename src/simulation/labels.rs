//! The labels of simulated anomalies, as Parquet.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array as _, ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::errors::{ParquetError, Result};
use datafusion::parquet::file::properties::WriterProperties;

use crate::schema::LABELS;

/// One anomaly: from `start` (inclusive) to `end` (exclusive), in microseconds since the Unix
/// epoch, UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedLabel {
    /// The site that has it.
    pub site: String,
    /// First moment.
    pub start: i64,
    /// First moment after it.
    pub end: i64,
    /// What it is, by [`AnomalyKind::name`](super::AnomalyKind::name).
    pub kind: String,
    /// The column of `traffic_windows` that shows it best.
    pub metric: String,
    /// The client, network (`a.b.c.0/24`) or path that causes it, where there is one.
    pub culprit: Option<String>,
}

/// Writes labels, replacing the file.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, labels: &[SimulatedLabel]) -> Result<()> {
    let texts = |text: fn(&SimulatedLabel) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(labels.iter().map(text)))
    };
    let times = |time: fn(&SimulatedLabel) -> i64| -> ArrayRef {
        let values = labels.iter().map(time);
        Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC"))
    };
    let culprits = labels.iter().map(|label| label.culprit.as_deref());
    let batch = RecordBatch::try_new(
        Arc::clone(&LABELS),
        vec![
            texts(|label| &label.site),
            times(|label| label.start),
            times(|label| label.end),
            texts(|label| &label.kind),
            texts(|label| &label.metric),
            Arc::new(culprits.collect::<StringArray>()),
        ],
    )?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let mut writer =
        ArrowWriter::try_new(File::create(path)?, Arc::clone(&LABELS), Some(properties))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}

/// Reads labels as [`write()`] writes them; further columns are ignored.
///
/// # Errors
/// When the file cannot be read, or lacks a column.
pub fn read(path: &Path) -> Result<Vec<SimulatedLabel>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.build()?;
    let mut labels = Vec::new();
    for batch in reader {
        read_batch(&batch?, &mut labels)?;
    }
    Ok(labels)
}

fn read_batch(batch: &RecordBatch, labels: &mut Vec<SimulatedLabel>) -> Result<()> {
    let (sites, kinds) = (texts(batch, "site")?, texts(batch, "kind")?);
    let (starts, ends) = (times(batch, "start")?, times(batch, "end")?);
    let (metrics, culprits) = (texts(batch, "metric")?, texts(batch, "culprit")?);
    for row in 0..batch.num_rows() {
        labels.push(SimulatedLabel {
            site: sites.value(row).to_owned(),
            start: starts.value(row),
            end: ends.value(row),
            kind: kinds.value(row).to_owned(),
            metric: metrics.value(row).to_owned(),
            culprit: culprits
                .is_valid(row)
                .then(|| culprits.value(row).to_owned()),
        });
    }
    Ok(())
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray> {
    column(batch, name, "STRING")
}

fn times<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a TimestampMicrosecondArray> {
    column(batch, name, "TIMESTAMP(MICROS, UTC)")
}

fn column<'a, A: 'static>(batch: &'a RecordBatch, name: &str, expected: &str) -> Result<&'a A> {
    batch
        .column_by_name(name)
        .and_then(|column| column.as_any().downcast_ref())
        .ok_or_else(|| {
            ParquetError::General(format!("labels need a column `{name}` of type {expected}"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_survive_the_file() {
        let label = |culprit: Option<&str>| SimulatedLabel {
            site: "shop".into(),
            start: 1,
            end: 2,
            kind: "flood".into(),
            metric: "requests".into(),
            culprit: culprit.map(Into::into),
        };
        let labels = [label(Some("203.0.113.9")), label(None)];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.parquet");
        write(&path, &labels).unwrap();
        assert_eq!(read(&path).unwrap(), labels);
    }
}
