//! Labelled series: what detectors are judged on.
//!
//! A collection is a folder with one Parquet file per series and a `series.csv` that lists them:
//!
//! | column | type | meaning |
//! |---|---|---|
//! | `file` | text | the Parquet file, beside `series.csv` |
//! | `dataset` | text | what results are averaged over |
//! | `train_points` | whole number | rows before the first that is judged: detectors may learn from these |
//! | `vus_window` | whole number | widest border of events of the volumes, in windows |
//! | `step_seconds` | whole number | length of a window |
//!
//! Each Parquet file has the columns `timestamp` (a timestamp, ascending), `value` (a number, NULL
//! where there is none) and `label` (0, 1 or a boolean); others are ignored.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Field, Float64Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType,
};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::errors::ParquetError;

use crate::explain::{Explain, FileError, MissingColumn, cannot};

/// The list of a collection.
pub const LIST: &str = "series.csv";

const COLUMNS: [&str; 5] = [
    "file",
    "dataset",
    "train_points",
    "vus_window",
    "step_seconds",
];
/// Windows that a series with holes may have for each of its rows: beyond, its timestamps or its
/// step are wrong.
pub const MOST_WINDOWS_PER_ROW: usize = 10;

/// Name of the only metric of a series of a collection.
pub const METRIC: &str = "value";

/// A series whose anomalies are known, one entry per window, holes filled.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledSeries {
    /// Name of its file, or of its site.
    pub file: String,
    /// The dataset that it belongs to.
    pub dataset: String,
    /// Start of each window, microseconds since the epoch, one step apart.
    pub window_start: Vec<i64>,
    /// Names of the metrics, in order; there is at least one.
    pub metric_names: Vec<String>,
    /// The values of each metric; not finite where there is none.
    pub metrics: Vec<Vec<f64>>,
    /// Whether each window is an anomaly.
    pub labels: Vec<bool>,
    /// What is known of single anomalies; empty where nothing is. They may overlap.
    pub anomalies: Vec<KnownAnomaly>,
    /// Windows before the first that is judged.
    pub train_points: usize,
    /// Widest border of events of the volumes, in windows.
    pub vus_window: usize,
    /// Length of a window.
    pub step_seconds: u32,
}

/// An anomaly of a known kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownAnomaly {
    /// Its windows, by place in the series.
    pub windows: Range<usize>,
    /// What it is.
    pub kind: String,
}

impl LabelledSeries {
    /// The values of some metrics, in their order; a single one may have any name. `None` where one
    /// is not there.
    #[must_use]
    pub fn metrics_of(&self, names: &[String]) -> Option<Cow<'_, [Vec<f64>]>> {
        if self.metric_names == names || (names.len() == 1 && self.metrics.len() == 1) {
            return Some(Cow::Borrowed(&self.metrics));
        }
        let place = |name| self.metric_names.iter().position(|own| own == name);
        let metrics = names
            .iter()
            .map(|name| Some(self.metrics[place(name)?].clone()));
        metrics.collect::<Option<Vec<_>>>().map(Cow::Owned)
    }
}

/// Why a collection cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CollectionError {
    /// A file cannot be opened.
    #[error(transparent)]
    File(#[from] FileError),
    /// The list is not CSV.
    #[error("`{}` is no CSV file", .path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ArrowError,
    },
    /// A series is not Parquet.
    #[error("`{}` is no Parquet file", .path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ParquetError,
    },
    /// A column is missing.
    #[error(transparent)]
    MissingColumn(#[from] MissingColumn),
    /// A column has another type.
    #[error("column `{column}` of `{}` is {found}, expected {expected}", .path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// Its type.
        found: DataType,
        /// The type needed.
        expected: &'static str,
    },
    /// An entry of the list, or of a series, that makes no sense.
    #[error("row {row} of `{}`: `{column}` is {found}, expected {expected}", .path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// Its row, from 1, the header not counted.
        row: usize,
        /// The column.
        column: &'static str,
        /// What is there.
        found: String,
        /// What is needed.
        expected: String,
    },
    /// A list without entries.
    #[error("`{}` lists no series", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl Explain for CollectionError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::File(_) => {
                Some("`--series` is the `series.csv` of a folder of labelled series".into())
            }
            Self::MissingColumn(_) | Self::Type { .. } | Self::Empty { .. } => Some(
                "`series.csv` has the columns file, dataset, train_points, vus_window and \
                 step_seconds; each file has timestamp, value and label"
                    .into(),
            ),
            Self::Entry {
                column: "timestamp",
                ..
            } => Some("sort the file by `timestamp`, with one row per window".into()),
            Self::List { .. } | Self::Parquet { .. } | Self::Entry { .. } => None,
        }
    }
}

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
    let not_csv = |source| CollectionError::List {
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
        CollectionError::Entry {
            path: self.list.to_owned(),
            row: self.row + 1,
            column,
            found: format!("`{found}`"),
            expected,
        }
    }

    fn read(&self, folder: &Path) -> Result<LabelledSeries, CollectionError> {
        let train_points = self.number("train_points", 0)? as usize;
        let step_seconds = self.number("step_seconds", 1)?;
        let path = folder.join(self.text("file"));
        let rows = Rows::read(&path)?;
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

/// What is known of a series beside its rows.
#[derive(Debug)]
pub struct About {
    /// Name of its file.
    pub file: String,
    /// The dataset that it belongs to.
    pub dataset: String,
    /// Rows before the first that is judged; less than there are.
    pub train_points: usize,
    /// Widest border of events of the volumes, in windows.
    pub vus_window: usize,
    /// Length of a window.
    pub step_seconds: u32,
}

/// The rows of a series as its file has them.
#[derive(Debug, Default)]
pub struct Rows {
    /// Microseconds since the epoch.
    pub window_start: Vec<i64>,
    /// NaN where there is none.
    pub values: Vec<f64>,
    /// Whether the row is an anomaly.
    pub labels: Vec<bool>,
}

impl Rows {
    /// Reads a Parquet file with the columns `timestamp`, `value` and `label`.
    ///
    /// # Errors
    /// When the file is missing, or is not what it should be.
    pub fn read(path: &Path) -> Result<Self, CollectionError> {
        let file = File::open(path).map_err(cannot("read", path))?;
        let not_parquet = |source| CollectionError::Parquet {
            path: path.to_owned(),
            source,
        };
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)
            .and_then(ParquetRecordBatchReaderBuilder::build)
            .map_err(not_parquet)?;
        let mut rows = Self::default();
        for batch in reader {
            let batch = batch.map_err(|error| not_parquet(error.into()))?;
            rows.append(path, &batch)?;
        }
        Ok(rows)
    }

    fn append(&mut self, path: &Path, batch: &RecordBatch) -> Result<(), CollectionError> {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let times = column(path, batch, "timestamp", &micros, "a timestamp")?;
        let values = column(path, batch, "value", &DataType::Float64, "a number")?;
        let labels = column(path, batch, "label", &DataType::Int64, "0, 1 or a boolean")?;
        for (row, time) in times
            .as_primitive::<TimestampMicrosecondType>()
            .iter()
            .enumerate()
        {
            let Some(time) = time else {
                return Err(self.refuse(path, "timestamp", "NULL", "a timestamp".to_owned()));
            };
            let label = labels.as_primitive::<Int64Type>();
            let label = label.is_valid(row).then(|| label.value(row));
            let Some(label @ (0 | 1)) = label else {
                let found = label.map_or("NULL".to_owned(), |label| label.to_string());
                return Err(self.refuse(path, "label", &found, "0 or 1".to_owned()));
            };
            let value = values.as_primitive::<Float64Type>();
            let value = value.is_valid(row).then(|| value.value(row));
            self.window_start.push(time);
            self.values.push(value.unwrap_or(f64::NAN));
            self.labels.push(label == 1);
        }
        Ok(())
    }

    /// The rows as windows, holes filled.
    ///
    /// # Errors
    /// When the rows do not ascend by about one step.
    pub fn series(&self, path: &Path, about: About) -> Result<LabelledSeries, CollectionError> {
        let step = i64::from(about.step_seconds) * 1_000_000;
        let slots = self.slots(path, step)?;
        let windows = slots.last().map_or(0, |last| last + 1);
        let mut series = LabelledSeries {
            file: about.file,
            dataset: about.dataset,
            window_start: (0..windows as i64)
                .map(|slot| self.window_start[0] + slot * step)
                .collect(),
            metric_names: vec![METRIC.to_owned()],
            metrics: vec![vec![f64::NAN; windows]],
            labels: vec![false; windows],
            anomalies: Vec::new(),
            train_points: slots[about.train_points],
            vus_window: about.vus_window,
            step_seconds: about.step_seconds,
        };
        for (row, slot) in slots.into_iter().enumerate() {
            series.metrics[0][slot] = self.values[row];
            series.labels[slot] = self.labels[row];
        }
        Ok(series)
    }

    /// An error about the row that comes next.
    fn refuse(
        &self,
        path: &Path,
        column: &'static str,
        found: &str,
        expected: String,
    ) -> CollectionError {
        CollectionError::Entry {
            path: path.to_owned(),
            row: self.window_start.len() + 1,
            column,
            found: found.to_owned(),
            expected,
        }
    }

    /// The window of each row, the first being 0.
    fn slots(&self, path: &Path, step: i64) -> Result<Vec<usize>, CollectionError> {
        let first = self.window_start.first().copied().unwrap_or_default();
        let mut slots: Vec<usize> = Vec::with_capacity(self.window_start.len());
        let most = MOST_WINDOWS_PER_ROW * self.window_start.len();
        for (row, time) in self.window_start.iter().enumerate() {
            let slot = (time - first).div_euclid(step);
            let is_next = slots.last().is_none_or(|last| slot > *last as i64);
            if !is_next || slot > most as i64 {
                let expected = if is_next {
                    format!("rows about {} s apart", step / 1_000_000)
                } else {
                    format!("{} s or more after the row before", step / 1_000_000)
                };
                return Err(CollectionError::Entry {
                    path: path.to_owned(),
                    row: row + 1,
                    column: "timestamp",
                    found: crate::units::rfc_3339(*time),
                    expected,
                });
            }
            slots.push(slot as usize);
        }
        Ok(slots)
    }
}

fn column(
    path: &Path,
    batch: &RecordBatch,
    name: &'static str,
    to: &DataType,
    expected: &'static str,
) -> Result<datafusion::arrow::array::ArrayRef, CollectionError> {
    let Some(column) = batch.column_by_name(name) else {
        let schema = batch.schema();
        let found = schema.fields().iter().map(|f| f.name().clone());
        return Err(MissingColumn::of(path, name)
            .with_found("found", found)
            .into());
    };
    let found = column.data_type();
    let fits = match to {
        DataType::Timestamp(..) => matches!(found, DataType::Timestamp(..)),
        DataType::Int64 => found.is_integer() || *found == DataType::Boolean,
        _ => found.is_numeric(),
    };
    let refused = || CollectionError::Type {
        path: path.to_owned(),
        column: name,
        found: found.clone(),
        expected,
    };
    if !fits {
        return Err(refused());
    }
    cast(column, to).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use datafusion::arrow::array::{Float64Array, Int64Array, TimestampMicrosecondArray};
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
