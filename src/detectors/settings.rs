//! Which detectors a job scores with.

use crate::units::zones::SeriesTimeZones;

/// What scores windows.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreSettings {
    /// The detector that decides; the best there is if absent.
    pub detector: Option<String>,
    /// Columns that shipped detectors score, where none was trained.
    pub metrics: Vec<String>,
    /// Windows per series and week that may be anomalous by chance, whatever detectors were trained
    /// with. An incident takes more than one, so there may be more of them than false incidents.
    pub alarms_per_week: f64,
    /// Where it is what time of day.
    pub time_zones: SeriesTimeZones,
}
