//! Which windows of a made-up site a gating network must call an anomaly, and which it learns nothing from.
//!
//! An anomaly counts from where it can be known: the weight of a window grows with the standard
//! deviations by which the best stretch that ends with it is moved. A lasting change is an anomaly for an
//! hour; then it is a level. What comes within an hour after an anomaly is neither.

use std::ops::Range;

use crate::nuisances::{DAY, DAYS, Injected, Site};

/// Windows of the longest stretch, if they are minutes; fewer of longer ones.
const STRETCH_MINUTES: usize = 60;
/// Nothing is asked of a window whose best stretch is moved by fewer standard deviations, and all from
/// the second number on.
const SEEN: (f64, f64) = (3.0, 6.5);
/// Windows of a change that lasts for which it is an anomaly.
const NEW_FOR: usize = 60;
/// Windows after the start of an event of the site's own of which nothing is asked.
const EVENT_START: usize = 10;
/// The weight of the others.
const EVENT_WEIGHT: f32 = 0.5;
/// An anomaly of so many windows has the weight of its windows; those that are longer weigh more by the
/// square root only.
const USUAL_LENGTH: f32 = 12.0;
/// The largest weight of a window.
const MOST_WEIGHT: f32 = 2.0;

/// One label a window.
#[derive(Debug, Clone)]
pub(crate) struct Labels {
    minutes: usize,
    pub(crate) is_anomaly: Vec<bool>,
    /// How much is asked of it: 0 is nothing.
    pub(crate) weight: Vec<f32>,
}

impl Labels {
    /// Those of a site without injected anomalies.
    pub(crate) fn of_site(site: &Site, minutes: usize) -> Self {
        let windows = DAYS * DAY / minutes;
        let mut labels = Self {
            minutes,
            is_anomaly: vec![false; windows],
            weight: vec![1.0; windows],
        };
        for announced in &site.announced {
            let nothing = announced.start..announced.end + STRETCH_MINUTES;
            labels.ask_nothing(labels.windows(&nothing));
        }
        for event in &site.events {
            let windows = labels.windows(event);
            let after = windows.end..windows.end + labels.hour();
            let known = (windows.start + EVENT_START).min(windows.end)
                ..(windows.start + NEW_FOR).min(windows.end);
            labels.ask_nothing(windows);
            labels.ask_nothing(after);
            for window in labels.within(known) {
                labels.is_anomaly[window] = true;
                labels.weight[window] = EVENT_WEIGHT;
            }
        }
        labels
    }

    /// Labels an anomaly that was injected: `values` are the minutes with it.
    pub(crate) fn add(&mut self, site: &Site, values: &[f64], anomaly: &Injected) {
        let windows = self.within(self.windows(&anomaly.minutes));
        let share = if site.usual.is_mean {
            1.0 / self.minutes as f64
        } else {
            1.0
        };
        let moved: Vec<f64> = windows
            .clone()
            .map(|window| {
                let minutes = window * self.minutes..(window + 1) * self.minutes;
                let change = minutes.map(|minute| values[minute] - site.values[minute]);
                change.filter(|change| !change.is_nan()).sum::<f64>() * share
            })
            .collect();
        let longest = (STRETCH_MINUTES / self.minutes).max(1);
        let mut weights = Vec::with_capacity(moved.len());
        for end in 1..=moved.len() {
            let mut total = 0.0;
            let mut best: f64 = 0.0;
            for begin in (end.saturating_sub(longest)..end).rev() {
                total += moved[begin];
                let stretch = windows.start + begin..windows.start + end;
                let deviation = site.usual.deviation(stretch, self.minutes);
                best = best.max(f64::abs(total) / deviation);
            }
            let (least, all) = SEEN;
            let seen = ((best - least) / (all - least)).clamp(0.0, 1.0);
            weights.push(if end > NEW_FOR { 0.0 } else { seen as f32 });
        }
        let asked = weights.iter().filter(|weight| **weight > 0.0).count() as f32;
        let of_each = (USUAL_LENGTH / asked.max(1.0)).sqrt().min(MOST_WEIGHT);
        for (window, weight) in windows.clone().zip(weights) {
            self.is_anomaly[window] = true;
            self.weight[window] = weight * of_each;
        }
        self.ask_nothing(windows.end..windows.end + self.hour());
    }

    /// Windows of an hour.
    fn hour(&self) -> usize {
        STRETCH_MINUTES.div_ceil(self.minutes)
    }

    /// The windows that minutes are in.
    pub(crate) fn windows(&self, minutes: &Range<usize>) -> Range<usize> {
        minutes.start / self.minutes..minutes.end.div_ceil(self.minutes)
    }

    fn within(&self, windows: Range<usize>) -> Range<usize> {
        let all = self.weight.len();
        windows.start.min(all)..windows.end.min(all)
    }

    fn ask_nothing(&mut self, windows: Range<usize>) {
        let windows = self.within(windows);
        self.weight[windows].fill(0.0);
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "weights are set to whole numbers")]
mod tests {
    use super::*;
    use crate::nuisances::{Nuisance, inject, make, place};

    #[test]
    fn an_anomaly_counts_from_where_it_can_be_known_and_for_an_hour() {
        let site = make(Nuisance::Control, 0, 1_001);
        let (values, injected) = inject(&site, &place(&site), 10.0, 1);
        assert!(injected.len() >= 2);
        let clean = Labels::of_site(&site, 1);
        assert!(clean.weight.iter().all(|weight| *weight == 1.0));
        for anomaly in &injected {
            let mut labels = clean.clone();
            labels.add(&site, &values, anomaly);
            let minutes = anomaly.minutes.clone();
            assert!(labels.is_anomaly[minutes.clone()].iter().all(|is| *is));
            assert!(!labels.is_anomaly[minutes.start - 1] && !labels.is_anomaly[minutes.end]);
            assert!(labels.weight[minutes.start] < 1.0);
            let asked: Vec<usize> = minutes
                .clone()
                .filter(|at| labels.weight[*at] > 0.0)
                .collect();
            assert!(!asked.is_empty() && asked.len() <= NEW_FOR, "{asked:?}");
            assert_eq!(labels.weight[minutes.end], 0.0);
            assert_eq!(labels.weight[minutes.end + 59], 0.0);
            assert_eq!(labels.weight[minutes.end + 60], 1.0);
        }
    }

    #[test]
    fn a_new_level_is_an_anomaly_for_an_hour_and_normal_after_a_day() {
        let site = make(Nuisance::LevelUp, 0, 1_001);
        for minutes in [1, 60] {
            let labels = Labels::of_site(&site, minutes);
            let event = labels.windows(&site.events[0]);
            let last = (event.start + NEW_FOR).min(event.end) - 1;
            assert!(labels.is_anomaly[last] && labels.weight[last] > 0.0);
            assert_eq!(labels.weight[event.start], 0.0);
            assert!(
                labels.weight[last + 1..event.end]
                    .iter()
                    .all(|weight| *weight == 0.0)
            );
            let after = event.end + 60 / minutes;
            assert!(labels.weight[after] == 1.0 && !labels.is_anomaly[after]);
        }
    }
}
