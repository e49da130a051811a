//! The profile of one metric.

use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::errors::ErrorProfile;
use super::history::History;
use super::scan::ScanProfile;
use crate::features::SeriesFeatures;

/// The statistics of one metric.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum MetricProfile {
    /// Of a metric that its season moves: the errors of forecasts of single windows.
    Errors(Box<ErrorProfile>),
    /// Of a metric that chance moves, as it does counts of requests: sums over windows.
    Scan(Box<ScanProfile>),
}

impl MetricProfile {
    /// Learns from the history of a segment before a grid index.
    pub(super) fn before(
        features: &SeriesFeatures<'_>,
        metric: usize,
        anchor: i64,
    ) -> Option<Self> {
        let layout = features.layout();
        let begin = (anchor - layout.profile_windows as i64).max(features.grid().first);
        if anchor - begin < 2 * layout.lookback as i64 {
            return None;
        }
        if let Some(scan) = ScanProfile::learn(features, metric, &(begin..anchor)) {
            return Some(Self::Scan(Box::new(scan)));
        }
        let clock = Clock::new(layout, features.time_zone());
        let history = History::new(begin..anchor, clock);
        let errors = ErrorProfile::learn(features, metric, &history)?;
        Some(Self::Errors(Box::new(errors)))
    }
}
