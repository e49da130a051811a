//! The labels that gates learn from, held against the windows that there are.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute::cast as cast_array;
use datafusion::arrow::datatypes::DataType;
use datafusion::prelude::{DataFrame, ident};

use super::dataset::Dataset;
use super::gate::Feedback;
use crate::calendar::labels::{self, Label};
use crate::explain::Explain;
use crate::units::rfc_3339;

/// Labels, and where they came from.
#[derive(Debug)]
pub struct TrainingLabels {
    path: PathBuf,
    all: Vec<Label>,
}

/// Why labels do not go with the windows.
#[derive(Debug, thiserror::Error)]
pub enum LabelsMismatch {
    /// Labels of a series that there is not.
    #[error(
        "`{}` labels the series `{series}`, which has no windows, only {}",
        .labels.display(),
        crate::explain::first_backticked(.found)
    )]
    UnknownSeries {
        /// The file or folder of labels.
        labels: PathBuf,
        /// The series.
        series: String,
        /// The series that there are.
        found: Vec<String>,
    },
    /// No label says anything of the windows to learn from.
    #[error(
        "none of {count} labels of `{}` lies in the windows to learn from, {from} to {until}",
        .labels.display()
    )]
    NoLabels {
        /// The file or folder of labels.
        labels: PathBuf,
        /// How many labels there are.
        count: usize,
        /// First window.
        from: String,
        /// End of the last window.
        until: String,
    },
}

impl Explain for LabelsMismatch {
    fn hint(&self) -> Option<Cow<'_, str>> {
        let hint = match self {
            Self::UnknownSeries { .. } => {
                "labels name series as the column `site` of the windows does"
            }
            Self::NoLabels { .. } => "move `--until`, or label windows before it",
        };
        Some(hint.into())
    }
}

impl TrainingLabels {
    /// Labels that were read from a file or folder.
    #[must_use]
    pub fn new(path: PathBuf, all: Vec<Label>) -> Self {
        Self { path, all }
    }

    /// The first label whose series has none of these keys, as an error.
    ///
    /// # Errors
    /// Naming that series, and those that there are.
    pub fn check_series(&self, found: &BTreeSet<String>) -> Result<(), LabelsMismatch> {
        match self.all.iter().find(|label| !found.contains(&label.site)) {
            None => Ok(()),
            Some(label) => Err(LabelsMismatch::UnknownSeries {
                labels: self.path.clone(),
                series: label.site.clone(),
                found: found.iter().cloned().collect(),
            }),
        }
    }

    /// The rows of a dataset, and what the labels say of them.
    ///
    /// # Errors
    /// When they say nothing of any.
    pub fn feedback(&self, dataset: Dataset) -> Result<Feedback, LabelsMismatch> {
        let (split, step) = (dataset.split(), dataset.step_micros());
        let said = dataset
            .series()
            .iter()
            .map(|series| labels::said(&self.all, &series.key, &series.window_start, step));
        let labels: Vec<Vec<Option<bool>>> = said.collect();
        if labels.iter().flatten().any(Option::is_some) {
            return Ok(Feedback { dataset, labels });
        }
        Err(LabelsMismatch::NoLabels {
            labels: self.path.clone(),
            count: self.all.len(),
            from: rfc_3339(split.from),
            until: rfc_3339(split.until),
        })
    }
}

/// The keys of all series of a frame of windows.
///
/// # Errors
/// When the query fails.
pub async fn series_keys(
    windows: DataFrame,
    series: &str,
) -> datafusion::error::Result<BTreeSet<String>> {
    let keys = windows.select(vec![ident(series)])?.distinct()?;
    let mut found = BTreeSet::new();
    for batch in keys.collect().await? {
        let keys = cast_array(batch.column(0), &DataType::Utf8)?;
        found.extend(keys.as_string::<i32>().iter().flatten().map(str::to_owned));
    }
    Ok(found)
}
