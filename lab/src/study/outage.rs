//! When the outage of 1995 is found, and what else is as unusual.

use anomalog::units::rfc_3339;

use super::figures::mean;
use super::views::{View, measure, name};

/// What one candidate makes of it; means over seeds.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) name: String,
    /// When the first alarm came; `None` where the outage was missed.
    pub(super) first_alarm: Option<FirstAlarm>,
    /// Place among all alarms, from 1: earlier ones are false.
    pub(super) rank: Option<f64>,
    /// False alarms a week at the same threshold.
    pub(super) false_alarms_per_week: Option<f64>,
}

/// The first alarm of an event.
#[derive(Debug)]
pub(super) struct FirstAlarm {
    /// RFC 3339.
    pub(super) at: String,
    /// Windows after the start of the event.
    pub(super) windows: f64,
    /// Share of seeds that found it at all, in (0, 1].
    pub(super) share: f64,
}

/// What all candidates make of the outage, which is the only event of its only series.
pub(super) fn found(view: &View<'_>) -> Vec<Found> {
    let Some(facts) = view.series.first() else {
        return Vec::new();
    };
    let of_candidate = |candidate: (&str, &str)| {
        let figure = |of: fn(&anomalog::evaluation::results::SeriesResult) -> Option<f64>| {
            mean(&view.figures(candidate, of))
        };
        let recall = figure(measure("event_recall").of);
        let delay = figure(measure("delay_windows").of);
        let began = facts.first_event_micros;
        let first_alarm = delay
            .zip(began)
            .zip(recall)
            .map(|((windows, began), share)| {
                let later = windows.round() as i64 * i64::from(facts.step_seconds) * 1_000_000;
                FirstAlarm {
                    at: rfc_3339(began + later),
                    windows,
                    share,
                }
            });
        Found {
            name: name(candidate.0, candidate.1),
            first_alarm,
            rank: figure(|result| result.measures.alarms.hit_rank.map(|rank| rank as f64)),
            false_alarms_per_week: figure(measure("false_alarms_per_week").of),
        }
    };
    view.candidates().into_iter().map(of_candidate).collect()
}
