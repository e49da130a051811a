//! Series that are judged together.

use anomalog::evaluation::collections::LabelledSeries;

/// Series that are judged together: weights are transferred within a group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its series, all with the same metrics.
    pub(crate) series: Vec<LabelledSeries>,
}
