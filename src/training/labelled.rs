//! Rows to learn from that are labelled.

use anomalog_engine::detector::hex_sha256;

use super::dataset::{Dataset, Series};

/// A dataset and which of its rows are anomalies.
#[derive(Debug, Clone)]
pub struct LabelledDataset {
    dataset: Dataset,
    /// For each series one per row.
    labels: Vec<Vec<bool>>,
}

impl LabelledDataset {
    /// Labels the rows of each series that takes part: `label` gives one per row.
    #[must_use]
    pub fn new(dataset: Dataset, label: impl FnMut(&Series) -> Vec<bool>) -> Self {
        let labels = dataset.series().iter().map(label).collect();
        Self { dataset, labels }
    }

    /// The rows.
    #[must_use]
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The series that take part, each with one label per row.
    pub fn series(&self) -> impl Iterator<Item = (&Series, &[bool])> {
        let labels = self.labels.iter().map(Vec::as_slice);
        self.dataset.series().iter().zip(labels)
    }

    /// SHA-256 over rows and labels, hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> String {
        let mut text = self.dataset.sha256();
        for label in self.labels.iter().flatten() {
            text.push(if *label { '1' } else { '0' });
        }
        hex_sha256(text.as_bytes())
    }
}
