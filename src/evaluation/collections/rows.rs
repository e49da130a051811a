//! The rows of a series of a collection.

use std::fs::File;
use std::path::Path;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::error::CollectionError;
use super::series::LabelledSeries;
use crate::explain::{MissingColumn, TableFileError, cannot};
use crate::units::rfc_3339;

/// Windows that a series with holes may have for each of its rows: beyond, its timestamps or its
/// step are wrong.
pub const MOST_WINDOWS_PER_ROW: usize = 10;

/// Name of the only metric of a series of a collection.
pub const METRIC: &str = "value";
/// The columns of a file beside those of metrics.
const TIMESTAMP: &str = "timestamp";
const LABEL: &str = "label";

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
pub struct SeriesRows {
    /// Microseconds since the epoch.
    pub window_start: Vec<i64>,
    /// Names of the metrics.
    pub metric_names: Vec<String>,
    /// The values of each metric; NaN where there is none.
    pub metrics: Vec<Vec<f64>>,
    /// Whether the row is an anomaly.
    pub labels: Vec<bool>,
}

impl SeriesRows {
    /// Reads a Parquet file with the columns `timestamp`, `value` and `label`.
    ///
    /// # Errors
    /// When the file is missing, or is not what it should be.
    pub fn read(path: &Path) -> Result<Self, CollectionError> {
        Self::read_metrics(path, |name| name == METRIC)
    }

    /// Reads a Parquet file with the columns `timestamp` and `label`, and a metric in each other column.
    ///
    /// # Errors
    /// When the file is missing, or is not what it should be.
    pub fn read_all(path: &Path) -> Result<Self, CollectionError> {
        Self::read_metrics(path, |name| name != TIMESTAMP && name != LABEL)
    }

    fn read_metrics(
        path: &Path,
        is_metric: impl Fn(&str) -> bool,
    ) -> Result<Self, CollectionError> {
        let file = File::open(path).map_err(cannot("read", path))?;
        let not_parquet = |source| TableFileError::Parquet {
            path: path.to_owned(),
            source,
        };
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(not_parquet)?;
        let fields = reader.schema().fields().iter();
        let names = fields.map(|field| field.name().clone());
        let mut metric_names: Vec<String> = names.filter(|name| is_metric(name)).collect();
        if metric_names.is_empty() {
            // What is missing is named when a row is read.
            metric_names.push(METRIC.to_owned());
        }
        let mut rows = Self {
            metrics: vec![Vec::new(); metric_names.len()],
            metric_names,
            ..Self::default()
        };
        let reader = reader.build().map_err(not_parquet)?;
        for batch in reader {
            let batch = batch.map_err(|error| not_parquet(error.into()))?;
            rows.append(path, &batch)?;
        }
        Ok(rows)
    }

    fn append(&mut self, path: &Path, batch: &RecordBatch) -> Result<(), TableFileError> {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let times = column(path, batch, TIMESTAMP, &micros, "a timestamp")?;
        for (name, metric) in self.metric_names.iter().zip(&mut self.metrics) {
            let values = column(path, batch, name, &DataType::Float64, "a number")?;
            let values = values.as_primitive::<Float64Type>().iter();
            metric.extend(values.map(|value| value.unwrap_or(f64::NAN)));
        }
        let labels = column(path, batch, LABEL, &DataType::Int64, "0, 1 or a boolean")?;
        for (row, time) in times
            .as_primitive::<TimestampMicrosecondType>()
            .iter()
            .enumerate()
        {
            let Some(time) = time else {
                return Err(self.refuse(path, TIMESTAMP, "NULL", "a timestamp".to_owned()));
            };
            let label = labels.as_primitive::<Int64Type>();
            let label = label.is_valid(row).then(|| label.value(row));
            let Some(label @ (0 | 1)) = label else {
                let found = label.map_or("NULL".to_owned(), |label| label.to_string());
                return Err(self.refuse(path, LABEL, &found, "0 or 1".to_owned()));
            };
            self.window_start.push(time);
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
            metric_names: self.metric_names.clone(),
            metrics: vec![vec![f64::NAN; windows]; self.metrics.len()],
            labels: vec![false; windows],
            anomalies: Vec::new(),
            second: None,
            train_points: slots[about.train_points],
            vus_window: about.vus_window,
            step_seconds: about.step_seconds,
        };
        for (row, slot) in slots.into_iter().enumerate() {
            for (slots, values) in series.metrics.iter_mut().zip(&self.metrics) {
                slots[slot] = values[row];
            }
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
    ) -> TableFileError {
        TableFileError::Entry {
            path: path.to_owned(),
            row: self.window_start.len() + 1,
            column,
            found: found.to_owned(),
            expected,
        }
    }

    /// The window of each row, the first being 0.
    fn slots(&self, path: &Path, step: i64) -> Result<Vec<usize>, TableFileError> {
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
                return Err(TableFileError::Entry {
                    path: path.to_owned(),
                    row: row + 1,
                    column: "timestamp",
                    found: rfc_3339(*time),
                    expected,
                });
            }
            slots.push(slot as usize);
        }
        Ok(slots)
    }
}

pub(super) fn column(
    path: &Path,
    batch: &RecordBatch,
    name: &str,
    to: &DataType,
    expected: &'static str,
) -> Result<ArrayRef, TableFileError> {
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
        DataType::Utf8 => match found {
            DataType::Dictionary(_, values) => values.is_string(),
            found => found.is_string(),
        },
        _ => found.is_numeric(),
    };
    let refused = || TableFileError::Type {
        path: path.to_owned(),
        column: name.to_owned(),
        found: found.clone(),
        expected,
    };
    if !fits {
        return Err(refused());
    }
    cast(column, to).map_err(|_| refused())
}
