//! A second labelling of the same windows, and what both labellings say together.
//!
//! One labelling is one opinion. Where there are two, windows have three classes: those of events that both
//! know are anomalies; those that only one labelled, or only one looked at, are neither; the rest is
//! normal. An event is known to both if they share a window of it.
//!
//! A file of them has the columns `series` (text: the name of the file without `.parquet`), `timestamp` and
//! `second_label` (0, 1 or a boolean): one row per window that was labelled again.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::error::CollectionError;
use super::rows::column;
use super::series::{LabelledSeries, SecondOpinion};
use crate::explain::{TableFileError, cannot};

/// The windows of one series that were labelled again: start, microseconds since the epoch, and label.
pub type SecondLabels = Vec<(i64, bool)>;

/// Reads second labels, by series.
///
/// # Errors
/// When the file is missing, or is not what it should be.
pub fn read(path: &Path) -> Result<BTreeMap<String, SecondLabels>, CollectionError> {
    let file = File::open(path).map_err(cannot("read", path))?;
    let not_parquet = |source| TableFileError::Parquet {
        path: path.to_owned(),
        source,
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(not_parquet)?;
    let mut all = BTreeMap::new();
    let mut rows = 0;
    for batch in reader {
        let batch = batch.map_err(|error| not_parquet(error.into()))?;
        append(path, &batch, rows, &mut all)?;
        rows += batch.num_rows();
    }
    Ok(all)
}

fn append(
    path: &Path,
    batch: &RecordBatch,
    rows_before: usize,
    all: &mut BTreeMap<String, SecondLabels>,
) -> Result<(), TableFileError> {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    let names = column(path, batch, "series", &DataType::Utf8, "text")?;
    let times = column(path, batch, "timestamp", &micros, "a timestamp")?;
    let expected = "0, 1 or a boolean";
    let labels = column(path, batch, "second_label", &DataType::Int64, expected)?;
    let names = names.as_string::<i32>();
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let labels = labels.as_primitive::<Int64Type>();
    for row in 0..batch.num_rows() {
        let refuse = |column, expected: &str| TableFileError::Entry {
            path: path.to_owned(),
            row: rows_before + row + 1,
            column,
            found: "NULL".to_owned(),
            expected: expected.to_owned(),
        };
        if names.is_null(row) {
            return Err(refuse("series", "text"));
        }
        if times.is_null(row) {
            return Err(refuse("timestamp", "a timestamp"));
        }
        if labels.is_null(row) {
            return Err(refuse("second_label", expected));
        }
        let label = (times.value(row), labels.value(row) != 0);
        match all.get_mut(names.value(row)) {
            Some(labels) => labels.push(label),
            None => {
                all.insert(names.value(row).to_owned(), vec![label]);
            }
        }
    }
    Ok(())
}

impl LabelledSeries {
    /// What its labels and second ones say together.
    #[must_use]
    pub fn second_opinion(&self, second: &[(i64, bool)]) -> SecondOpinion {
        let windows = self.labels.len();
        let first = self.window_start.first().copied().unwrap_or_default();
        let mut labelled_again: Vec<Option<bool>> = vec![None; windows];
        for (time, label) in second {
            let slot = (time - first).div_euclid(self.step_micros());
            let slot = usize::try_from(slot).ok();
            if let Some(known) = slot.and_then(|slot| labelled_again.get_mut(slot)) {
                *known = Some(*label);
            }
        }
        let mut labels = vec![false; windows];
        let mut row = 0;
        for event in self.labels.chunk_by(|one, next| one == next) {
            let windows = row..row + event.len();
            row = windows.end;
            let is_known = event[0] && labelled_again[windows.clone()].contains(&Some(true));
            if is_known {
                labels[windows].fill(true);
            }
        }
        let is_neither = (0..windows).map(|row| match labelled_again[row] {
            _ if labels[row] => false,
            Some(second) => second || self.labels[row],
            None => true,
        });
        SecondOpinion {
            is_neither: is_neither.collect(),
            labels,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
    use datafusion::parquet::arrow::ArrowWriter;

    use super::*;
    use crate::evaluation::made_up::series;

    /// One letter a minute: what the first and the second labelling say.
    fn opinion(first: &str, second: &str) -> String {
        let mut series = series("a", vec![0.0; first.len()], 1);
        series.labels = first.bytes().map(|letter| letter == b'!').collect();
        let second: SecondLabels = (series.window_start.iter().zip(second.bytes()))
            .filter(|(_, letter)| *letter != b' ')
            .map(|(start, letter)| (*start, letter == b'!'))
            .collect();
        let SecondOpinion { labels, is_neither } = series.second_opinion(&second);
        let letters = labels.iter().zip(&is_neither).map(|both| match both {
            (true, false) => '!',
            (false, true) => '?',
            (false, false) => '.',
            (true, true) => 'x',
        });
        letters.collect()
    }

    #[test]
    fn events_of_both_are_anomalies_and_those_of_one_neither() {
        assert_eq!(
            opinion(
                "..!!!....!!.....!!!..", //
                "...!!!.......!!.  ...",
            ),
            "..!!!?...??..??.???..",
        );
        assert_eq!(opinion("..!!..", "      "), "??????");
        assert_eq!(opinion("..!!..", "..!   "), "..!!??");
    }

    #[test]
    fn second_labels_are_read_by_series() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("second_labels.parquet");
        let write = |labels: [Option<i64>; 3]| {
            let batch = RecordBatch::try_from_iter([
                (
                    "series",
                    Arc::new(StringArray::from(vec!["a", "b", "a"])) as ArrayRef,
                ),
                (
                    "timestamp",
                    Arc::new(TimestampMicrosecondArray::from(vec![0, 0, 60])),
                ),
                ("second_label", Arc::new(Int64Array::from(labels.to_vec()))),
            ]);
            let batch = batch.unwrap();
            let file = File::create(&path).unwrap();
            let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
        };
        write([Some(0), Some(1), Some(1)]);
        let found = read(&path).unwrap();
        assert_eq!(found["a"], [(0, false), (60, true)]);
        assert_eq!(found["b"], [(0, true)]);
        write([Some(0), None, Some(1)]);
        let refused = read(&path).unwrap_err().to_string();
        assert!(refused.starts_with("row 2 of `"), "{refused}");
        assert!(refused.ends_with("`second_label` is NULL, expected 0, 1 or a boolean"));
    }
}
