//! What a scan knows of the series that it runs over.

use serde::{Deserialize, Serialize};

use super::statistic::Statistic;
use super::table::TimeTable;
use crate::baseline::clock::Clock;

/// What is usual for sums of a series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ScanModel {
    pub(super) clock: Clock,
    pub(super) table: TimeTable,
    pub(super) statistic: Statistic,
    /// How many of [`SPANS`] are no longer than a day.
    pub(super) spans: usize,
}
