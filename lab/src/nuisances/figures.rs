//! Figures over sites: false incidents by nuisance, anomalies found, budgets.

use std::collections::BTreeMap;

use anomalog::evaluation::candidate::BASELINE;
use serde::Serialize;

use super::inject::STRENGTHS;
use super::judge::{BUDGETS, SiteResult, WEEKS};
use super::kind::Nuisance;

/// Days of a month.
const MONTH: f64 = 30.0;

/// The figures of one detector at one length of windows.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    /// Minutes of a window.
    pub(crate) minutes: usize,
    /// Who.
    pub(crate) detector: &'static str,
    /// By nuisance.
    pub(crate) nuisances: Vec<OfNuisance>,
    /// False incidents per site and month, the mean of all kinds but the control.
    pub(crate) false_a_month: f64,
    /// The same with anomalies of the middle strength: also what comes after them.
    pub(crate) false_with_anomalies: f64,
    /// By kind of anomaly, in alphabetical order.
    pub(crate) kinds: Vec<OfKind>,
    /// All kinds together, by strength.
    pub(crate) found: [Share; STRENGTHS.len()],
    /// On the sites of the control.
    pub(crate) budgets: Vec<OfBudget>,
}

/// What came of one kind of site.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct OfNuisance {
    pub(crate) nuisance: Nuisance,
    pub(crate) sites: usize,
    pub(crate) false_a_month: f64,
    /// The largest of a site.
    pub(crate) worst: f64,
    /// The share of the time that is in false incidents.
    pub(crate) false_time: f64,
    /// The sites' own events.
    pub(crate) events: Share,
    /// Anomalies, by strength.
    pub(crate) found: [Share; STRENGTHS.len()],
}

/// What came of one kind of anomaly, by strength.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct OfKind {
    pub(crate) kind: &'static str,
    pub(crate) found: [Share; STRENGTHS.len()],
}

/// Alarms asked for and got.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct OfBudget {
    /// In which period one is asked for.
    pub(crate) period: &'static str,
    pub(crate) asked_a_week: f64,
    pub(crate) got_a_week: f64,
    /// Alarms counted.
    pub(crate) alarms: usize,
}

/// How many of how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Share {
    pub(crate) found: usize,
    pub(crate) of: usize,
}

impl Share {
    fn add(&mut self, is_found: bool) {
        self.found += usize::from(is_found);
        self.of += 1;
    }

    /// As a number; `None` of nothing.
    pub(crate) fn ratio(self) -> Option<f64> {
        (self.of > 0).then(|| self.found as f64 / self.of as f64)
    }
}

/// The figures of every length of windows and detector, in the order in which they first come.
pub(crate) fn figures(results: &[SiteResult]) -> Vec<Figures> {
    let mut keys: Vec<(usize, &'static str)> = Vec::new();
    for result in results {
        let key = (result.minutes, result.detector);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.sort_by_key(|(minutes, detector)| (*minutes, *detector != BASELINE));
    let of_key = |(minutes, detector)| {
        let own = |result: &&SiteResult| result.minutes == minutes && result.detector == detector;
        of_detector(
            minutes,
            detector,
            &results.iter().filter(own).collect::<Vec<_>>(),
        )
    };
    keys.into_iter().map(of_key).collect()
}

fn a_month(incidents: usize) -> f64 {
    incidents as f64 * MONTH / (7.0 * WEEKS)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn of_detector(minutes: usize, detector: &'static str, results: &[&SiteResult]) -> Figures {
    let mut by_nuisance: BTreeMap<Nuisance, Vec<&SiteResult>> = BTreeMap::new();
    for result in results {
        by_nuisance.entry(result.nuisance).or_default().push(result);
    }
    let nuisances: Vec<OfNuisance> = by_nuisance
        .iter()
        .map(|(nuisance, results)| of_nuisance(*nuisance, results))
        .collect();
    // Every kind weighs the same, however many sites it has.
    let but_control = || {
        by_nuisance
            .iter()
            .filter(|(nuisance, _)| **nuisance != Nuisance::Control)
    };
    let middle = STRENGTHS.len() / 2;
    let mut kinds: BTreeMap<&'static str, [Share; STRENGTHS.len()]> = BTreeMap::new();
    let mut found = [Share::default(); STRENGTHS.len()];
    for result in results {
        for (strength, outcome) in result.with_anomalies.iter().enumerate() {
            for (kind, is_found) in &outcome.anomalies {
                kinds.entry(kind).or_default()[strength].add(*is_found);
                found[strength].add(*is_found);
            }
        }
    }
    Figures {
        minutes,
        detector,
        false_a_month: mean(but_control().map(|(_, results)| {
            mean(results.iter().map(|result| a_month(result.false_incidents)))
        })),
        false_with_anomalies: mean(but_control().map(|(_, results)| {
            let outcomes = results
                .iter()
                .filter_map(|result| result.with_anomalies.get(middle));
            mean(outcomes.map(|outcome| a_month(outcome.false_incidents)))
        })),
        nuisances,
        kinds: (kinds.into_iter())
            .map(|(kind, found)| OfKind { kind, found })
            .collect(),
        found,
        budgets: by_nuisance
            .get(&Nuisance::Control)
            .map_or(Vec::new(), |results| of_budgets(results)),
    }
}

fn of_nuisance(nuisance: Nuisance, results: &[&SiteResult]) -> OfNuisance {
    let false_a_month = || results.iter().map(|result| a_month(result.false_incidents));
    let mut found = [Share::default(); STRENGTHS.len()];
    for result in results {
        for (found, outcome) in found.iter_mut().zip(&result.with_anomalies) {
            for (_, is_found) in &outcome.anomalies {
                found.add(*is_found);
            }
        }
    }
    OfNuisance {
        nuisance,
        sites: results.len(),
        false_a_month: mean(false_a_month()),
        worst: false_a_month().fold(0.0, f64::max),
        false_time: mean(results.iter().map(|result| result.false_time)),
        events: Share {
            found: results.iter().map(|result| result.events_found).sum(),
            of: results.iter().map(|result| result.events).sum(),
        },
        found,
    }
}

fn of_budgets(results: &[&SiteResult]) -> Vec<OfBudget> {
    let budgets = BUDGETS.iter().enumerate();
    budgets
        .map(|(budget, &(period, asked_a_week))| {
            let alarms: usize = results.iter().map(|result| result.alarms[budget]).sum();
            OfBudget {
                period,
                asked_a_week,
                got_a_week: alarms as f64 / (WEEKS * results.len() as f64),
                alarms,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nuisances::judge::Outcome;

    fn result(nuisance: Nuisance, detector: &'static str, false_incidents: usize) -> SiteResult {
        let outcome = |strength, found: &[bool]| Outcome {
            strength,
            anomalies: found.iter().map(|is_found| ("flood", *is_found)).collect(),
            false_incidents: 2 * false_incidents,
        };
        SiteResult {
            nuisance,
            number: 0,
            seed: 1,
            minutes: 60,
            detector,
            false_incidents,
            false_time: 0.25,
            events: 1,
            events_found: usize::from(false_incidents == 0),
            alarms: [28, 2, 1],
            with_anomalies: vec![
                outcome("weak", &[false, false]),
                outcome("middle", &[true, false]),
                outcome("strong", &[true, true]),
            ],
        }
    }

    #[test]
    fn every_kind_of_site_weighs_the_same_and_the_control_nothing() {
        let results = [
            result(Nuisance::Control, "lstm", 100),
            result(Nuisance::Outage, "lstm", 0),
            result(Nuisance::Outage, "lstm", 14),
            result(Nuisance::Gap, "lstm", 14),
            result(Nuisance::Gap, BASELINE, 7),
        ];
        let figures = figures(&results);
        let names: Vec<&str> = figures.iter().map(|of| of.detector).collect();
        assert_eq!(names, [BASELINE, "lstm"]);
        assert!((figures[0].false_a_month - 7.5).abs() < 1e-9);
        let lstm = &figures[1];
        // Four weeks are 28 days: 14 incidents in them are 15 in a month.
        assert!((lstm.false_a_month - 11.25).abs() < 1e-9);
        assert!((lstm.false_with_anomalies - 22.5).abs() < 1e-9);
        let outage = lstm
            .nuisances
            .iter()
            .find(|of| of.nuisance == Nuisance::Outage)
            .unwrap();
        assert_eq!(
            (outage.sites, outage.events),
            (2, Share { found: 1, of: 2 })
        );
        assert!((outage.false_a_month - 7.5).abs() < 1e-9 && (outage.worst - 15.0).abs() < 1e-9);
        let shares = [0, 4, 8].map(|found| Share { found, of: 8 });
        assert_eq!(lstm.found, shares);
        assert_eq!(lstm.kinds[0].found, shares);
        // Of the control alone, in four weeks.
        let got: Vec<f64> = lstm.budgets.iter().map(|of| of.got_a_week).collect();
        assert_eq!(got.len(), 3);
        assert!((got[0] - 7.0).abs() < 1e-9 && (got[1] - 0.5).abs() < 1e-9);
        assert!(figures[0].budgets.is_empty());
    }
}
