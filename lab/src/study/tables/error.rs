//! Why there are no tables.

use anomalog::evaluation::report::charts::ChartError;
use anomalog::explain::Explain;

/// Why there are no tables.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TablesError {
    /// A plot.
    #[error("cannot draw a chart")]
    Chart(#[source] ChartError),
    /// Lines of a study that has not ended.
    #[error("the study is not complete")]
    Incomplete,
}

impl Explain for TablesError {}
