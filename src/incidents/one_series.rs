//! The incidents of one series in memory, window after window.
//!
//! It is the twin of `queries/incident_runs.sql` and `queries/incidents.sql`, severities aside: a test
//! compares the two. It serves those who have scores and no warehouse.

use std::ops::Range;

use super::rules::IncidentRules;

/// What the rules say of a scored window by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowState {
    /// Its score reaches the threshold: an incident can begin with it.
    Anomaly,
    /// Above the stop level: an incident goes on.
    Hot,
    /// Neither, or planned.
    Calm,
}

/// An incident of one series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesIncident {
    /// From the start of its first window to the end of its last, microseconds since the epoch.
    pub time: Range<i64>,
    /// Windows above the stop level.
    pub windows: usize,
}

impl IncidentRules {
    /// The state of a window with such a score, threshold and verdict.
    #[must_use]
    pub fn state(&self, anomaly_score: f64, threshold: f64, is_anomaly: bool) -> WindowState {
        if is_anomaly {
            WindowState::Anomaly
        } else if 1.0 - anomaly_score <= (1.0 - threshold) * self.stop_ratio {
            WindowState::Hot
        } else {
            WindowState::Calm
        }
    }

    /// The incidents among the scored windows of a series, each a start, in microseconds since the
    /// epoch, and a state, in order of time. A window of `step` microseconds that is not there has no
    /// score.
    pub fn incidents_of_series(
        &self,
        windows: impl IntoIterator<Item = (i64, WindowState)>,
        step: i64,
    ) -> Vec<SeriesIncident> {
        let mut found: Vec<SeriesIncident> = Vec::new();
        let mut open: Option<SeriesIncident> = None;
        // Place in time of the window before, and windows since the last above the stop level.
        let mut previous: Option<i64> = None;
        let (mut calm, mut unknown) = (0, 0);
        for (start, state) in windows {
            let slot = start.div_euclid(step);
            unknown += previous.map_or(0, |previous| slot - previous - 1);
            previous = Some(slot);
            if state == WindowState::Calm {
                calm += 1;
                continue;
            }
            let goes_on = calm * step <= self.bridge.micros()
                && unknown * step <= self.bridge_unknown.micros();
            (calm, unknown) = (0, 0);
            if let Some(incident) = open.as_mut().filter(|_| goes_on) {
                incident.time.end = start + step;
                incident.windows += 1;
            } else {
                found.extend(open.take());
                open = (state == WindowState::Anomaly).then(|| SeriesIncident {
                    time: start..start + step,
                    windows: 1,
                });
            }
        }
        found.extend(open);
        found
            .retain(|incident| incident.time.end - incident.time.start >= self.min_length.micros());
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    /// One letter a minute: `!` an anomaly, `+` above the stop level, `.` calm, a blank for no score.
    fn minutes_of(windows: &str) -> Vec<(i64, i64)> {
        let states = windows.chars().enumerate().filter_map(|(minute, letter)| {
            let state = match letter {
                '!' => WindowState::Anomaly,
                '+' => WindowState::Hot,
                '.' => WindowState::Calm,
                _ => return None,
            };
            Some((minute as i64 * MINUTE, state))
        });
        let found = IncidentRules::default().incidents_of_series(states, MINUTE);
        let in_minutes = |time: Range<i64>| (time.start / MINUTE, time.end / MINUTE);
        found
            .into_iter()
            .map(|incident| in_minutes(incident.time))
            .collect()
    }

    #[test]
    fn incidents_begin_with_an_anomaly_and_go_on_while_hot() {
        assert_eq!(minutes_of("..++!!+.+.."), [(4, 9)]);
        // Of a minute or two there is none.
        assert_eq!(minutes_of("..!!.."), []);
        assert_eq!(minutes_of("..++++.."), []);
        // Ten calm minutes are bridged, eleven are not.
        assert_eq!(minutes_of("!!!..........!!!"), [(0, 16)]);
        assert_eq!(minutes_of("!!!...........!!!"), [(0, 3), (14, 17)]);
        // What has no score is no calm minute, for an hour.
        let unknown = " ".repeat(60);
        assert_eq!(minutes_of(&format!("!!!...{unknown}.....!!!")), [(0, 74)]);
        assert_eq!(minutes_of(&format!("!!!{unknown} !!!")), [(0, 3), (64, 67)]);
    }

    #[test]
    fn the_stop_level_is_so_many_times_as_frequent() {
        let rules = IncidentRules::default();
        let state = |p: f64| rules.state(1.0 - p, 1.0 - 1e-3, p <= 1e-3);
        assert_eq!(state(1e-3), WindowState::Anomaly);
        assert_eq!(state(1.7e-3), WindowState::Hot);
        assert_eq!(state(1.8e-3), WindowState::Calm);
    }
}
