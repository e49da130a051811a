//! Every score with its label, as a table for other tools.
//!
//! | column | type | meaning |
//! |---|---|---|
//! | `file` | STRING | file of the series, or its site |
//! | `dataset` | STRING | its dataset |
//! | `window_start` | TIMESTAMP(MICROS, UTC) | start of the window |
//! | `value` | DOUBLE | the first metric; NULL where there is none |
//! | `label` | BOOLEAN | whether the window is an anomaly |
//! | `is_judged` | BOOLEAN | whether it lies after the training range |
//! | `detector`, `protocol` | STRING | what scored it |
//! | `seed` | INT64 | with which seed; NULL where nothing is drawn |
//! | `score` | DOUBLE | before any hold; NULL for none |
//! | `threshold` | DOUBLE | from which on it is an alarm, under the hold; NULL if nothing is |

use std::path::Path;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::results::Scored;
use crate::schema::timestamp_type;
use crate::warehouse::Result;
use crate::warehouse::tables::TableFileWriter;

/// Rows written at once.
const ROWS: usize = 8_192;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("file", DataType::Utf8, false),
        Field::new("dataset", DataType::Utf8, false),
        Field::new("window_start", timestamp_type(), false),
        Field::new("value", DataType::Float64, true),
        Field::new("label", DataType::Boolean, false),
        Field::new("is_judged", DataType::Boolean, false),
        Field::new("detector", DataType::Utf8, false),
        Field::new("protocol", DataType::Utf8, false),
        Field::new("seed", DataType::Int64, true),
        Field::new("score", DataType::Float64, true),
        Field::new("threshold", DataType::Float64, true),
    ]))
});

/// A file of scores being written: it appears complete or not at all.
#[derive(Debug)]
pub struct ScoreFile {
    file: TableFileWriter,
}

impl ScoreFile {
    /// Starts a file.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        let file = TableFileWriter::create(path, Arc::clone(&SCHEMA))?;
        Ok(Self { file })
    }

    /// Adds the scores of one candidate on one series.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&mut self, scored: Scored<'_>) -> Result<()> {
        let windows = scored.scores.len();
        for from in (0..windows).step_by(ROWS) {
            let batch = batch(scored, from, (from + ROWS).min(windows))?;
            self.file.write(&batch)?;
        }
        Ok(())
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// When the file cannot be written or renamed.
    pub fn finish(self) -> Result<()> {
        self.file.finish()
    }
}

fn batch(scored: Scored<'_>, from: usize, to: usize) -> Result<RecordBatch> {
    let Scored {
        series,
        result,
        scores,
    } = scored;
    let rows = to - from;
    let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; rows])) };
    let number = |value: &f64| value.is_finite().then_some(*value);
    let times = series.window_start[from..to].iter().copied();
    let columns: Vec<ArrayRef> = vec![
        text(&series.file),
        text(&series.dataset),
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        Arc::new(
            series.metrics[0][from..to]
                .iter()
                .map(number)
                .collect::<Float64Array>(),
        ),
        Arc::new(BooleanArray::from(series.labels[from..to].to_vec())),
        Arc::new(
            (from..to)
                .map(|row| Some(row >= series.train_points))
                .collect::<BooleanArray>(),
        ),
        text(&result.detector),
        text(&result.protocol),
        Arc::new(Int64Array::from(vec![
            result.seed.map(|seed| seed as i64);
            rows
        ])),
        Arc::new(
            scores[from..to]
                .iter()
                .map(number)
                .collect::<Float64Array>(),
        ),
        Arc::new(Float64Array::from(vec![
            result.measures.alarms.threshold;
            rows
        ])),
    ];
    Ok(RecordBatch::try_new(Arc::clone(&SCHEMA), columns)?)
}
