//! The list of a collection.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{DataType, Field, Schema};

use super::error::CollectionError;
use super::rows::{About, SeriesRows};
use super::series::LabelledSeries;
use crate::explain::{MissingColumn, TableFileError, cannot};

/// Name of the list.
pub const LIST: &str = "series.csv";

const COLUMNS: [&str; 5] = [
    "file",
    "dataset",
    "train_points",
    "vus_window",
    "step_seconds",
];

/// Reads all series that a `series.csv` lists, in its order.
///
/// # Errors
/// When a file is missing, is not what it should be, or holds what makes no sense.
pub fn read(list: &Path) -> Result<Vec<LabelledSeries>, CollectionError> {
    let entries = read_list(list)?;
    if entries.is_empty() {
        let path = list.to_owned();
        return Err(CollectionError::Empty { path });
    }
    let folder = list.parent().unwrap_or(Path::new(""));
    let series = entries.iter().enumerate();
    series
        .map(|(row, texts)| Entry { list, row, texts }.read(folder))
        .collect()
}

fn read_list(path: &Path) -> Result<Vec<HashMap<&'static str, String>>, CollectionError> {
    let not_csv = |source| TableFileError::Csv {
        path: path.to_owned(),
        source,
    };
    let open = || File::open(path).map_err(cannot("read", path));
    let format = arrow::csv::reader::Format::default().with_header(true);
    let (found, _) = format.infer_schema(open()?, Some(0)).map_err(not_csv)?;
    let found: Vec<String> = found.fields().iter().map(|f| f.name().clone()).collect();
    if let Some(column) = COLUMNS.into_iter().find(|c| !found.iter().any(|f| f == c)) {
        return Err(MissingColumn::of(path, column)
            .with_found("found", found)
            .into());
    }
    let texts: Vec<Field> = found
        .iter()
        .map(|name| Field::new(name, DataType::Utf8, true))
        .collect();
    let reader = arrow::csv::ReaderBuilder::new(Arc::new(Schema::new(texts)))
        .with_header(true)
        .build(open()?)
        .map_err(not_csv)?;
    let mut entries = Vec::new();
    for batch in reader {
        let batch = batch.map_err(not_csv)?;
        for row in 0..batch.num_rows() {
            let entry = COLUMNS.into_iter().filter_map(|column| {
                let values = batch.column_by_name(column)?.as_string::<i32>();
                Some((column, values.value(row).trim().to_owned()))
            });
            entries.push(entry.collect());
        }
    }
    Ok(entries)
}

/// One row of the list.
struct Entry<'a> {
    list: &'a Path,
    row: usize,
    texts: &'a HashMap<&'static str, String>,
}

impl Entry<'_> {
    fn text(&self, column: &'static str) -> String {
        self.texts.get(column).cloned().unwrap_or_default()
    }

    fn number(&self, column: &'static str, least: u32) -> Result<u32, CollectionError> {
        let found = self.text(column);
        let number = found.parse().ok().filter(|number| *number >= least);
        number.ok_or_else(|| self.refuse(column, &found, format!("a whole number from {least}")))
    }

    fn refuse(&self, column: &'static str, found: &str, expected: String) -> CollectionError {
        let error = TableFileError::Entry {
            path: self.list.to_owned(),
            row: self.row + 1,
            column,
            found: format!("`{found}`"),
            expected,
        };
        error.into()
    }

    fn read(&self, folder: &Path) -> Result<LabelledSeries, CollectionError> {
        let train_points = self.number("train_points", 0)? as usize;
        let step_seconds = self.number("step_seconds", 1)?;
        let path = folder.join(self.text("file"));
        let rows = SeriesRows::read(&path)?;
        let found = rows.window_start.len();
        if train_points >= found {
            let expected = format!("less than the {found} rows of `{}`", self.text("file"));
            return Err(self.refuse("train_points", &self.text("train_points"), expected));
        }
        let about = About {
            file: self.text("file"),
            dataset: self.text("dataset"),
            train_points,
            vus_window: self.number("vus_window", 0)? as usize,
            step_seconds,
        };
        rows.series(&path, about)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use datafusion::arrow::array::{
        Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
    };
    use datafusion::parquet::arrow::ArrowWriter;
    use tempfile::TempDir;

    use super::*;

    const HEADER: &str = "file,dataset,train_points,vus_window,step_seconds\n";

    fn folder(entry: &str, seconds: &[i64], labels: &[i64]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LIST), format!("{HEADER}{entry}\n")).unwrap();
        let times = seconds.iter().map(|second| second * 1_000_000);
        let values = (0..seconds.len()).map(|row| (row != 1).then_some(row as f64));
        let batch = RecordBatch::try_from_iter([
            (
                "timestamp",
                Arc::new(TimestampMicrosecondArray::from_iter_values(times)) as _,
            ),
            ("value", Arc::new(values.collect::<Float64Array>()) as _),
            (
                "label",
                Arc::new(Int64Array::from_iter_values(labels.iter().copied())) as _,
            ),
        ])
        .unwrap();
        let file = File::create(folder.path().join("a.parquet")).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        folder
    }

    fn read_folder(folder: &TempDir) -> Result<Vec<LabelledSeries>, String> {
        let place = format!("{}/", folder.path().display());
        read(&folder.path().join(LIST)).map_err(|error| error.to_string().replace(&place, ""))
    }

    #[test]
    fn holes_are_filled_and_the_split_moves_with_its_row() {
        let folder = folder("a.parquet,KPI,2,7,60", &[0, 60, 240, 300], &[0, 0, 1, 0]);
        let series = read_folder(&folder).unwrap().remove(0);
        assert_eq!(series.labels, [false, false, false, false, true, false]);
        assert_eq!(series.train_points, 4);
        assert_eq!(series.window_start[5], 300_000_000);
        assert!(series.metrics[0][1].is_nan() && series.metrics[0][2].is_nan());
        assert_eq!(series.metrics[0][4].to_bits(), 2.0_f64.to_bits());
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            series.metrics_of(&names).map(|metrics| metrics.len())
        };
        assert_eq!((of(&["value"]), of(&["requests"])), (Some(1), Some(1)));
        assert_eq!(of(&["value", "requests"]), None);
    }

    #[test]
    fn what_makes_no_sense_is_named_by_file_row_and_column() {
        let refused = |entry: &str, seconds: &[i64], labels: &[i64]| {
            read_folder(&folder(entry, seconds, labels)).unwrap_err()
        };
        let good = "a.parquet,KPI,1,7,60";
        insta::assert_snapshot!(
            refused(good, &[0, 60, 60], &[0, 0, 0]),
            @"row 3 of `a.parquet`: `timestamp` is 1970-01-01T00:01:00Z, expected 60 s or more after the row before"
        );
        insta::assert_snapshot!(
            refused(good, &[0, 60, 86_400], &[0, 0, 0]),
            @"row 3 of `a.parquet`: `timestamp` is 1970-01-02T00:00:00Z, expected rows about 60 s apart"
        );
        insta::assert_snapshot!(
            refused(good, &[0, 60], &[0, 2]),
            @"row 2 of `a.parquet`: `label` is 2, expected 0 or 1"
        );
        insta::assert_snapshot!(
            refused("a.parquet,KPI,2,7,60", &[0, 60], &[0, 1]),
            @"row 1 of `series.csv`: `train_points` is `2`, expected less than the 2 rows of `a.parquet`"
        );
        insta::assert_snapshot!(
            refused("a.parquet,KPI,1,7,0", &[0, 60], &[0, 1]),
            @"row 1 of `series.csv`: `step_seconds` is `0`, expected a whole number from 1"
        );
        insta::assert_snapshot!(
            refused("b.parquet,KPI,1,7,60", &[0], &[0]),
            @"cannot read `b.parquet`"
        );
    }

    #[test]
    fn a_list_without_a_column_or_an_entry_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LIST), "file,dataset\n").unwrap();
        insta::assert_snapshot!(
            read_folder(&folder).unwrap_err(),
            @"`series.csv` has no column `train_points`, found `file`, `dataset`"
        );
        fs::write(folder.path().join(LIST), HEADER).unwrap();
        insta::assert_snapshot!(read_folder(&folder).unwrap_err(), @"`series.csv` lists no series");
    }
}
