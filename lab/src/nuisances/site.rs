//! A made-up site: its minutes, what is planned there, and what happens of itself.

use std::ops::Range;

use anomalog_engine::series::time_zone::TimeZone;

use super::kind::Nuisance;
use super::usual::Usual;

/// Minutes of a day.
pub(crate) const DAY: usize = 1_440;
/// Days of a site.
pub(crate) const DAYS: usize = 56;
/// Days of history before the first that is judged: as many as a profile is learned from.
pub(crate) const HISTORY_DAYS: usize = 28;
/// Microseconds of a minute.
pub(crate) const MINUTE_MICROS: i64 = 60_000_000;

/// A metric that never changes, beside the one that does.
#[derive(Debug, Clone)]
pub(crate) struct IdleMetric {
    /// A column of `traffic_windows`.
    pub(super) name: &'static str,
    /// As [`Site::resolution`].
    pub(super) resolution: f64,
    /// Its value in every window.
    pub(super) value: f64,
}

/// Eight weeks of a site, in minutes.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// What is a nuisance here.
    pub(crate) nuisance: Nuisance,
    /// Which of its kind.
    pub(crate) number: u32,
    /// The seed of every random choice.
    pub(crate) seed: u64,
    /// Start of the first minute, microseconds since the epoch: a Monday.
    pub(crate) start_micros: i64,
    /// The zone of its times of day.
    pub(crate) time_zone: TimeZone,
    /// The smallest change that its values can show: 1 for counts, 0 where any can.
    pub(crate) resolution: f64,
    /// What is usual, with the nuisance.
    pub(crate) usual: Usual,
    /// The value of each minute; NaN where there is no log.
    pub(crate) values: Vec<f64>,
    /// Metrics that are judged besides.
    pub(crate) idle: Vec<IdleMetric>,
    /// Minutes of what is no nuisance but one incident each.
    pub(crate) events: Vec<Range<usize>>,
    /// Minutes of what the calendar announces as an event: more traffic than expected is no anomaly.
    pub(crate) announced: Vec<Range<usize>>,
    /// Minutes in which no anomaly is injected.
    pub(crate) closed: Vec<Range<usize>>,
}

impl Site {
    /// Its windows of so many minutes each: start and value, without those that have no log.
    pub(crate) fn windows(&self, values: &[f64], minutes: usize) -> (Vec<i64>, Vec<f64>) {
        let share = self.usual.share(minutes);
        let windows = values.chunks_exact(minutes).enumerate();
        windows
            .map(|(number, values)| {
                let start = self.start_micros + (number * minutes) as i64 * MINUTE_MICROS;
                (start, share * values.iter().sum::<f64>())
            })
            .filter(|(_, value)| !value.is_nan())
            .unzip()
    }

    /// Microseconds since the epoch of minutes.
    pub(super) fn micros(&self, minutes: &Range<usize>) -> Range<i64> {
        let at = |minute: usize| self.start_micros + minute as i64 * MINUTE_MICROS;
        at(minutes.start)..at(minutes.end)
    }
}
