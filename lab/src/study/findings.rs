//! What the figures say: who is ahead of whom, and where that is no more than noise.
//!
//! Two figures differ beyond noise if the 90 % paired bootstrap interval of their difference over
//! series, of which there must be enough, excludes 0; else they do not.

use super::figures::{Comparisons, Figures, average, is_beyond_noise, mean, verdict};
use super::plan::VARIANT_ONE_HORIZON;
use super::views::{ATTACKS, Scope, View, measure, name};
use crate::evaluation::bootstrap::Interval;
use crate::evaluation::run::SeriesResult;
use crate::evaluation::summary::{Measure, distinct};

/// What detectors are compared by: ranking alone, and alarms at a threshold from the training range.
pub(super) const COMPARED: [&str; 2] = ["vus_pr", "event_recall"];

/// A figure of a result.
type Of = fn(&SeriesResult) -> Option<f64>;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The best detector against the best floor, by view and measure.
    pub(super) races: Vec<Race>,
    /// Architectures against each other, by view, protocol and measure.
    pub(super) pairs: Vec<Pair>,
    /// What of protocols, post-processing and the recipe differs beyond noise, in sentences.
    pub(super) beyond: Vec<String>,
    /// What does not.
    pub(super) within: Vec<String>,
}

/// Who is ahead, beyond noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ahead {
    Detector,
    Floor,
    Neither,
}

/// The best detector against the best floor.
#[derive(Debug)]
pub(super) struct Race {
    pub(super) view: String,
    /// Whether anything general follows from the view.
    pub(super) is_evidence: bool,
    pub(super) measure: &'static str,
    pub(super) detector: Contender,
    pub(super) floor: Contender,
    /// Of the detector to the floor.
    pub(super) difference: Interval,
}

/// One side of a race.
#[derive(Debug)]
pub(super) struct Contender {
    pub(super) name: String,
    pub(super) mean: f64,
    /// False alarms a week that its recall came at.
    pub(super) alarms: Option<f64>,
}

impl Race {
    pub(super) fn ahead(&self) -> Ahead {
        if !is_beyond_noise(&self.difference) {
            Ahead::Neither
        } else if self.difference.mean > 0.0 {
            Ahead::Detector
        } else {
            Ahead::Floor
        }
    }
}

/// Two architectures that learned alike.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) view: String,
    pub(super) protocol: String,
    pub(super) measure: &'static str,
    pub(super) one: String,
    pub(super) other: String,
    /// Of the one to the other.
    pub(super) difference: Interval,
}

impl Pair {
    /// The architecture that is ahead and the one behind, if that is beyond noise.
    pub(super) fn order(&self) -> Option<(&str, &str)> {
        let (one, other) = (self.one.as_str(), self.other.as_str());
        let order = if self.difference.mean > 0.0 {
            (one, other)
        } else {
            (other, one)
        };
        is_beyond_noise(&self.difference).then_some(order)
    }
}

/// All findings of some views.
pub(super) fn find(views: &[View<'_>], comparisons: &Comparisons) -> Findings {
    let mut findings = Findings::default();
    for view in views {
        let races = COMPARED
            .iter()
            .filter_map(|key| race(view, measure(key), comparisons));
        findings.races.extend(races);
    }
    for view in views {
        if view.scope == Scope::WebServices || view.is(ATTACKS) {
            findings.pairs.extend(pairs(view, comparisons));
            findings.protocols(view, comparisons);
            findings.hold(view, comparisons);
            findings.horizons(view, comparisons);
        }
    }
    findings
}

/// The best detector against the best floor.
fn race(view: &View<'_>, measure: &'static Measure, comparisons: &Comparisons) -> Option<Race> {
    let best = |are_floors: bool| {
        let candidates = view.candidates_that(are_floors).into_iter();
        candidates
            .filter_map(|candidate| {
                let figures = view.figures("", candidate, measure.of);
                Some((candidate, mean(&figures)?, figures))
            })
            .max_by(|(_, a, _), (_, b, _)| a.total_cmp(b))
    };
    let (detector, floor) = best(false).zip(best(true))?;
    let difference = comparisons.paired(&detector.2, &floor.2)?;
    let contender = |(candidate, mean, _): &((&str, &str), f64, Figures)| Contender {
        name: name(candidate.0, candidate.1),
        mean: *mean,
        alarms: (measure.key == "event_recall")
            .then(|| alarms(view, *candidate))
            .flatten(),
    };
    Some(Race {
        view: view.title.clone(),
        is_evidence: view.is_evidence(),
        measure: measure.title,
        detector: contender(&detector),
        floor: contender(&floor),
        difference,
    })
}

/// False alarms a week.
fn alarms(view: &View<'_>, candidate: (&str, &str)) -> Option<f64> {
    mean(&view.figures("", candidate, measure("false_alarms_per_week").of))
}

/// Each pair of architectures by each protocol.
fn pairs(view: &View<'_>, comparisons: &Comparisons) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for protocol in view.protocols() {
        let candidates = view.candidates_that(false).into_iter();
        let own: Vec<_> = candidates.filter(|(_, own)| *own == protocol).collect();
        for key in COMPARED {
            let measure = measure(key);
            let figures = |candidate| view.figures("", candidate, measure.of);
            for (place, one) in own.iter().enumerate() {
                for other in &own[place + 1..] {
                    let difference = comparisons.paired(&figures(*one), &figures(*other));
                    pairs.extend(difference.map(|difference| Pair {
                        view: view.title.clone(),
                        protocol: protocol.to_owned(),
                        measure: measure.title,
                        one: one.0.to_owned(),
                        other: other.0.to_owned(),
                        difference,
                    }));
                }
            }
        }
    }
    pairs
}

impl Findings {
    fn add(&mut self, difference: &Interval, about: &str) {
        let text = format!("{about} {}.", verdict(difference));
        if is_beyond_noise(difference) {
            self.beyond.push(text);
        } else {
            self.within.push(text);
        }
    }

    /// Each pair of protocols, over all architectures.
    fn protocols(&mut self, view: &View<'_>, comparisons: &Comparisons) {
        let protocols = view.protocols();
        for key in COMPARED {
            let measure = measure(key);
            let over_architectures = |wanted: &str| view.of_protocol(wanted, measure.of);
            for (place, one) in protocols.iter().enumerate() {
                for other in &protocols[place + 1..] {
                    let (own, others) = (over_architectures(one), over_architectures(other));
                    if let Some(difference) = comparisons.paired(&own, &others) {
                        let about = format!(
                            "{}, {}, mean of all architectures: {one} − {other}",
                            view.title, measure.title
                        );
                        self.add(&difference, &about);
                    }
                }
            }
        }
    }

    /// What holding peaks does to the volume.
    fn hold(&mut self, view: &View<'_>, comparisons: &Comparisons) {
        let of: [Of; 2] = [
            |result| result.vus_pr_held,
            |result| Some(result.measures.vus_pr),
        ];
        for (kind, are_floors) in [("detectors", false), ("floors", true)] {
            let candidates = view.candidates_that(are_floors);
            let [held, plain] = of.map(|of| {
                let own = candidates.iter();
                average(own.map(|candidate| view.figures("", *candidate, of)))
            });
            if let Some(difference) = comparisons.paired(&held, &plain) {
                let about = format!(
                    "{}, VUS-PR, mean of all {kind}: peaks held − scores as they are",
                    view.title
                );
                self.add(&difference, &about);
            }
        }
    }

    /// What the auxiliary horizons do.
    fn horizons(&mut self, view: &View<'_>, comparisons: &Comparisons) {
        let of_variant = view.of_variant(VARIANT_ONE_HORIZON);
        for candidate in distinct(of_variant.map(|record| record.result.candidate())) {
            for key in COMPARED {
                let measure = measure(key);
                let recipe = view.figures("", candidate, measure.of);
                let one = view.figures(VARIANT_ONE_HORIZON, candidate, measure.of);
                if let Some(difference) = comparisons.paired(&recipe, &one) {
                    let about = format!(
                        "{}, {}, `{}`: all horizons − the next window alone",
                        view.title,
                        measure.title,
                        name(candidate.0, candidate.1)
                    );
                    self.add(&difference, &about);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::run::FLOOR;
    use crate::evaluation::study::lines::StudyLines;
    use crate::evaluation::study::views;

    fn findings(candidates: &[(&str, &str, f64, f64)]) -> Findings {
        let lines = StudyLines::made_up(candidates);
        find(&views::all(&lines), &Comparisons::default())
    }

    #[test]
    fn floors_that_are_ahead_are_said_to_be() {
        let found = findings(&[
            ("difference", FLOOR, 0.5, 0.9),
            ("ewma", FLOOR, 0.3, 0.8),
            ("gru", "fine-tuned", 0.4, 0.9),
            ("lstm", "fine-tuned", 0.4, 0.2),
        ]);
        let [volume, recall] = &found.races[..2] else {
            panic!("{found:?}")
        };
        assert_eq!((volume.ahead(), volume.measure), (Ahead::Floor, "VUS-PR"));
        assert_eq!(volume.floor.name, "difference");
        assert_eq!(volume.floor.alarms, None);
        assert_eq!(recall.ahead(), Ahead::Neither);
        assert_eq!(recall.detector.name, "gru fine-tuned");
        assert_eq!(recall.floor.alarms, Some(0.5));
    }

    #[test]
    fn detectors_that_are_ahead_are_said_to_be_and_pairs_are_compared() {
        let found = findings(&[
            ("difference", FLOOR, 0.3, 0.5),
            ("gru", "zero-shot", 0.5, 0.8),
            ("lstm", "zero-shot", 0.5, 0.7),
            ("lstm", "shipped", 0.5, 0.9),
        ]);
        assert_eq!(found.races.len(), 4, "KPI and all web services: {found:?}");
        assert!(
            found
                .races
                .iter()
                .all(|race| race.ahead() == Ahead::Detector)
        );
        let orders: Vec<_> = found.pairs.iter().map(Pair::order).collect();
        assert_eq!(orders, [None, Some(("gru", "lstm"))], "of one protocol");
        insta::assert_snapshot!(found.beyond[0], @"web services, pooled, event recall, mean of all architectures: zero-shot − shipped -0.150 [-0.150, -0.150] over 5 series, beyond noise.");
        insta::assert_snapshot!(found.within[0], @"web services, pooled, VUS-PR, mean of all architectures: zero-shot − shipped +0.000 [+0.000, +0.000] over 5 series, within noise.");
    }
}
