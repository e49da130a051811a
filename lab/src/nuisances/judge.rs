//! Scores a site with and without anomalies, and says what was alarmed and what was found.

use std::collections::HashSet;
use std::ops::Range;

use anomalog::incidents::{IncidentRules, WindowState};
use anomalog_engine::baseline::MERGE;
use anomalog_engine::detector::ThresholdPolicy;
use anomalog_engine::score::{Direction, WindowScore};
use serde::Serialize;

use super::detectors::{Judged, ScoreError, SeriesWindows, scores};
use super::error::JudgeError;
use super::inject::{self, Injected, STRENGTHS};
use super::kind::Nuisance;
use super::site::{DAY, DAYS, HISTORY_DAYS, MINUTE_MICROS, Site};

/// Budgets by name, in false alarms a week: one a day, a week and a month.
pub(crate) const BUDGETS: [(&str, f64); 3] = [("day", 7.0), ("week", 1.0), ("month", 7.0 / 30.0)];
/// Weeks that are judged.
pub(crate) const WEEKS: f64 = (DAYS - HISTORY_DAYS) as f64 / 7.0;

/// What came of one detector on one site.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SiteResult {
    pub(crate) nuisance: Nuisance,
    pub(crate) number: u32,
    pub(crate) seed: u64,
    /// Minutes of a window.
    pub(crate) minutes: usize,
    pub(crate) detector: &'static str,
    /// Incidents without anomalies, beyond one for each event of the site's own.
    pub(crate) false_incidents: usize,
    /// The share of the time that is in incidents, without that of the site's own events.
    pub(crate) false_time: f64,
    /// Events of the site's own, and how many of them have an incident.
    pub(crate) events: usize,
    pub(crate) events_found: usize,
    /// Alarms without anomalies at each of [`BUDGETS`].
    pub(crate) alarms: [usize; BUDGETS.len()],
    /// With anomalies of each of [`STRENGTHS`].
    pub(crate) with_anomalies: Vec<Outcome>,
}

/// What came of the anomalies of one strength.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Outcome {
    pub(crate) strength: &'static str,
    /// Each anomaly by the name of its kind, and whether it was found.
    pub(crate) anomalies: Vec<(&'static str, bool)>,
    /// Incidents beyond those of anomalies and of the site's own events.
    pub(crate) false_incidents: usize,
}

/// Judges all detectors on a site in windows of so many minutes.
///
/// # Errors
/// When windows cannot be scored.
pub(crate) fn judge(
    site: &Site,
    minutes: usize,
    detectors: &[Judged],
    rules: &IncidentRules,
) -> Result<Vec<SiteResult>, JudgeError> {
    let step = minutes as i64 * MINUTE_MICROS;
    let clean = Scored::new(site, &site.values, minutes, detectors)?;
    let mut results: Vec<SiteResult> = detectors
        .iter()
        .zip(&clean.scores)
        .map(|(judged, scores)| {
            without_anomalies(site, minutes, judged, &clean.starts, scores, rules)
        })
        .collect();
    let placed = inject::place(site);
    for (strength, deviations) in STRENGTHS {
        let (values, injected) = inject::inject(site, &placed, deviations, minutes);
        let scored = Scored::new(site, &values, minutes, detectors)?;
        for ((result, scores), clean_scores) in
            results.iter_mut().zip(&scored.scores).zip(&clean.scores)
        {
            let found = incidents(site, &scored.starts, scores, step, rules);
            let known: HashSet<i64> = anomalous(&clean.starts, clean_scores).collect();
            let new: Vec<i64> = anomalous(&scored.starts, scores)
                .filter(|start| !known.contains(start))
                .collect();
            result.with_anomalies.push(Outcome {
                strength,
                ..outcome(site, &injected, &found, &new, step)
            });
        }
    }
    Ok(results)
}

/// The scores of each detector from the first window that is judged on.
pub(super) struct Scored {
    pub(super) starts: Vec<i64>,
    pub(super) scores: Vec<Vec<WindowScore>>,
}

impl Scored {
    pub(super) fn new(
        site: &Site,
        values: &[f64],
        minutes: usize,
        detectors: &[Judged],
    ) -> Result<Self, JudgeError> {
        let (starts, values) = site.windows(values, minutes);
        let from = site.micros(&(HISTORY_DAYS * DAY..DAYS * DAY)).start;
        let first = starts.partition_point(|start| *start < from);
        let idle = || site.idle.iter();
        let mut metrics = vec![site.nuisance.metric()];
        metrics.extend(idle().map(|metric| metric.name));
        let mut resolutions = vec![site.resolution];
        resolutions.extend(idle().map(|metric| metric.resolution));
        let mut values = vec![values];
        values.extend(idle().map(|metric| vec![metric.value; starts.len()]));
        let windows = SeriesWindows {
            metrics,
            resolutions,
            time_zone: site.time_zone,
            step: minutes as i64 * MINUTE_MICROS,
            starts,
            values,
        };
        let scores = scores(detectors, &windows, from).map_err(|error| match error {
            ScoreError::Detector(error) => JudgeError::Detector(error),
            ScoreError::Windows(source) => JudgeError::Score {
                nuisance: site.nuisance.name(),
                source,
            },
        })?;
        Ok(Self {
            scores: scores
                .into_iter()
                .map(|scores| scores[first..].to_vec())
                .collect(),
            starts: windows.starts[first..].to_vec(),
        })
    }
}

/// The times of the incidents of a site; what the calendar announces there is no anomaly where it is a
/// spike.
pub(super) fn incidents(
    site: &Site,
    starts: &[i64],
    scores: &[WindowScore],
    step: i64,
    rules: &IncidentRules,
) -> Vec<Range<i64>> {
    let announced: Vec<Range<i64>> = site
        .announced
        .iter()
        .map(|event| site.micros(event))
        .collect();
    let states = starts.iter().zip(scores).filter_map(|(&start, score)| {
        let verdict = score.verdict?;
        let is_announced = verdict.direction == Direction::Spike
            && announced
                .iter()
                .any(|event| overlap(event, &(start..start + step)));
        let state = if is_announced {
            WindowState::Calm
        } else {
            rules.state(verdict.anomaly_score, verdict.threshold, verdict.is_anomaly)
        };
        Some((start, state))
    });
    let found = rules.incidents_of_series(states, step).into_iter();
    found.map(|incident| incident.time).collect()
}

/// The starts of anomalous windows.
pub(super) fn anomalous<'a>(
    starts: &'a [i64],
    scores: &'a [WindowScore],
) -> impl Iterator<Item = i64> + 'a {
    let windows = starts.iter().zip(scores);
    windows
        .filter(|(_, score)| score.verdict.is_some_and(|verdict| verdict.is_anomaly))
        .map(|(start, _)| *start)
}

fn without_anomalies(
    site: &Site,
    minutes: usize,
    judged: &Judged,
    starts: &[i64],
    scores: &[WindowScore],
    rules: &IncidentRules,
) -> SiteResult {
    let step = minutes as i64 * MINUTE_MICROS;
    let found = incidents(site, starts, scores, step, rules);
    let own = own_events(site, step);
    let (false_incidents, events_found) = beyond(&found, &own);
    SiteResult {
        nuisance: site.nuisance,
        number: site.number,
        seed: site.seed,
        minutes,
        detector: judged.name,
        false_incidents,
        false_time: time_beyond(&found, &own) / (7.0 * WEEKS * DAY as f64 * MINUTE_MICROS as f64),
        events: own.len(),
        events_found,
        alarms: BUDGETS.map(|(_, per_week)| alarms(starts, scores, step, per_week)),
        with_anomalies: Vec::new(),
    }
}

/// Alarms at a budget, windows close to each other being one.
fn alarms(starts: &[i64], scores: &[WindowScore], step: i64, false_alarms_per_week: f64) -> usize {
    let budget = ThresholdPolicy {
        false_alarms_per_week,
    };
    let rate = budget.rate(step);
    let mut last: Option<i64> = None;
    let mut alarms = 0;
    for (start, score) in starts.iter().zip(scores) {
        if score
            .verdict
            .is_some_and(|verdict| verdict.alarms_per_window <= rate)
        {
            alarms += usize::from(last.is_none_or(|last| start - last >= MERGE as i64 * step));
            last = Some(*start);
        }
    }
    alarms
}

/// The times of the windows that the site's own events are in.
pub(super) fn own_events(site: &Site, step: i64) -> Vec<Range<i64>> {
    let events = site
        .events
        .iter()
        .map(|event| in_windows(site, event, step));
    events.collect()
}

/// The times of the windows that minutes are in.
fn in_windows(site: &Site, minutes: &Range<usize>, step: i64) -> Range<i64> {
    let micros = site.micros(minutes);
    micros.start.div_euclid(step) * step..(micros.end + step - 1).div_euclid(step) * step
}

pub(super) fn overlap(one: &Range<i64>, other: &Range<i64>) -> bool {
    one.start < other.end && other.start < one.end
}

/// Incidents beyond the first of each event, and events that have one.
pub(super) fn beyond(incidents: &[Range<i64>], events: &[Range<i64>]) -> (usize, usize) {
    let mut is_used = vec![false; events.len()];
    let mut beyond = 0;
    for incident in incidents {
        let free =
            (0..events.len()).find(|event| !is_used[*event] && overlap(incident, &events[*event]));
        match free {
            Some(event) => is_used[event] = true,
            None => beyond += 1,
        }
    }
    (beyond, is_used.iter().filter(|is_used| **is_used).count())
}

/// Microseconds in incidents that are in no event.
fn time_beyond(incidents: &[Range<i64>], events: &[Range<i64>]) -> f64 {
    let beyond = incidents.iter().map(|incident| {
        // Events of a site are apart.
        let shared = events
            .iter()
            .map(|event| (incident.end.min(event.end) - incident.start.max(event.start)).max(0));
        incident.end - incident.start - shared.sum::<i64>()
    });
    beyond.sum::<i64>() as f64
}

/// What was found of anomalies: one is found if an incident covers a part of it, in which a window is
/// anomalous that is not without it.
pub(super) fn outcome(
    site: &Site,
    injected: &[Injected],
    found: &[Range<i64>],
    new: &[i64],
    step: i64,
) -> Outcome {
    let is_found = |anomaly: &Injected| {
        let times = in_windows(site, &anomaly.minutes, step);
        let of_it = found.iter().filter(|incident| overlap(incident, &times));
        of_it.into_iter().any(|incident| {
            let both = times.start.max(incident.start)..times.end.min(incident.end);
            new.iter().any(|start| both.contains(start))
        })
    };
    let anomalies = injected
        .iter()
        .map(|anomaly| (anomaly.kind.name(), is_found(anomaly)));
    let times = injected
        .iter()
        .map(|anomaly| in_windows(site, &anomaly.minutes, step));
    let times: Vec<Range<i64>> = times.chain(own_events(site, step)).collect();
    Outcome {
        strength: "",
        anomalies: anomalies.collect(),
        false_incidents: beyond(found, &times).0,
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use anomalog_engine::forecast::Status;
    use anomalog_engine::score::Verdict;

    use super::*;
    use crate::nuisances::make::make;

    #[test]
    fn the_first_incident_of_an_event_is_not_false() {
        let incidents = [0..5, 12..14, 15..18, 30..40];
        assert_eq!(beyond(&incidents, &[]), (4, 0));
        assert_eq!(beyond(&incidents, slice::from_ref(&(10..20))), (3, 1));
        assert_eq!(beyond(&incidents, &[10..20, 39..50, 60..70]), (2, 2));
        assert!((time_beyond(&incidents, &[10..20, 39..50]) - 14.0).abs() < 1e-12);
        assert!((time_beyond(&incidents, &[]) - 20.0).abs() < 1e-12);
    }

    #[test]
    fn an_anomaly_is_found_where_something_new_is_in_an_incident() {
        let site = make(Nuisance::Control, 0, 1);
        let minute = |minute: usize| site.micros(&(minute..minute)).start;
        let anomaly = Injected {
            kind: anomalog::simulation::AnomalyKind::Flood,
            minutes: 100..120,
        };
        let found = |incident: Range<usize>, new: &[usize]| {
            let incident = minute(incident.start)..minute(incident.end);
            let new: Vec<i64> = new.iter().map(|new| minute(*new)).collect();
            let anomalies = slice::from_ref(&anomaly);
            let outcome = outcome(&site, anomalies, &[incident], &new, MINUTE_MICROS);
            assert_eq!(outcome.anomalies[0].0, "flood");
            (outcome.anomalies[0].1, outcome.false_incidents)
        };
        assert_eq!(found(110..130, &[111]), (true, 0));
        // As anomalous without it.
        assert_eq!(found(110..130, &[]), (false, 0));
        assert_eq!(found(110..130, &[125]), (false, 0));
        assert_eq!(found(110..130, &[105]), (false, 0));
        assert_eq!(found(120..130, &[121]), (false, 1));
    }

    /// A window that is an anomaly, or not.
    fn score(direction: Direction, is_anomaly: bool) -> WindowScore {
        WindowScore {
            status: Status::Ok,
            verdict: Some(Verdict {
                surprise: 1.0,
                anomaly_score: if is_anomaly { 0.9999 } else { 0.5 },
                alarms_per_window: if is_anomaly { 9e-5 } else { 0.5 },
                threshold: 0.999,
                is_anomaly,
                severity: None,
                top_metric: 0,
                direction,
                expected_value: 0.0,
                bounds: None,
            }),
        }
    }

    #[test]
    fn what_is_announced_is_no_incident_where_it_is_more() {
        let mut site = make(Nuisance::Control, 0, 1);
        let starts: Vec<i64> = (0..100).map(|at| site.micros(&(at..at)).start).collect();
        let found = |site: &Site, direction| {
            let scores: Vec<WindowScore> = (0..100)
                .map(|at| score(direction, (20..30).contains(&at)))
                .collect();
            let rules = IncidentRules::default();
            let found = incidents(site, &starts, &scores, MINUTE_MICROS, &rules);
            found
                .into_iter()
                .map(|time| (time.end - time.start) / MINUTE_MICROS)
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&site, Direction::Spike), [10]);
        site.announced.push(15..25);
        assert_eq!(found(&site, Direction::Spike), [5]);
        assert_eq!(found(&site, Direction::Dip), [10]);
    }

    #[test]
    fn alarms_close_to_each_other_are_one() {
        let starts: Vec<i64> = (0..100).map(|at| at * MINUTE_MICROS).collect();
        let alarms_at = |minutes: &[usize], per_week| {
            let is_one = |at| score(Direction::Spike, minutes.contains(&at));
            let scores: Vec<WindowScore> = (0..100).map(is_one).collect();
            alarms(&starts, &scores, MINUTE_MICROS, per_week)
        };
        assert_eq!(alarms_at(&[3, 4, 13, 40], 1.0), 2);
        assert_eq!(alarms_at(&[3, 14], 1.0), 2);
        // 9e-5 of 10,080 windows are 0.907.
        assert_eq!(alarms_at(&[3, 14], 0.9), 0);
    }
}
