//! The model of the series that a scan runs over.

use serde::{Deserialize, Serialize};

use super::seasonal::SeasonalProfile;
use super::statistic::Statistic;

use crate::baseline::clock::Clock;

/// The statistics of the sums of a series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ScanModel {
    pub(super) clock: Clock,
    pub(super) seasonal: SeasonalProfile,
    pub(super) statistic: Statistic,
    /// Number of [`SPANS`](super::SPANS) that are no longer than a day.
    pub(super) spans: usize,
    /// Windows after which what stands out is a new level.
    pub(super) adopted_after: usize,
}
