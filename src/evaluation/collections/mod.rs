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
//!
//! Windows of a warehouse with labels are [such series too](labelled_windows).

mod error;
pub mod labelled_windows;
mod list;
mod rows;
pub mod second_opinion;
mod series;

pub use error::CollectionError;
pub use list::{LIST, read};
pub use rows::{About, METRIC, MOST_WINDOWS_PER_ROW, SeriesRows};
pub use series::{KnownAnomaly, LabelledSeries, SecondOpinion};
