//! What holds for all candidates alike when they are judged.

use crate::measures::alarms::AlarmRules;

/// What holds for all candidates alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgingRules {
    /// Half-life of held peaks, in windows; `None` holds nothing.
    pub hold: Option<f64>,
    /// Another half-life that areas are measured with too, for comparison.
    pub also_hold: Option<f64>,
    /// False-alarm events a week that thresholds are for.
    pub alarms_per_week: f64,
    /// When an alarm belongs to an event.
    pub alarms: AlarmRules,
    /// Whether to keep what plots show.
    pub plots: bool,
}
