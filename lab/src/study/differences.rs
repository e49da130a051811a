//! What candidates differ by, on the series that both have.

use anomalog::evaluation::bootstrap::Interval;
use anomalog::evaluation::results::{STORED, SeriesResult};
use anomalog::evaluation::summary::Measure;

use super::figures::{Figures, average, is_beyond_noise, mean, paired};
use super::views::{View, measure, name};

/// What candidates are compared by: ranking alone, and alarms at a threshold from the training range.
const COMPARED: [&str; 2] = ["vus_pr", "event_recall"];

/// A figure of a result.
type Of = fn(&SeriesResult) -> Option<f64>;

/// The best detector against the best floor.
#[derive(Debug)]
pub(super) struct Race {
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
}

/// Two architectures that learned alike.
#[derive(Debug)]
pub(super) struct Pair {
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

/// Two ways to learn, to process scores or to train.
#[derive(Debug)]
pub(super) struct Contrast {
    pub(super) measure: &'static str,
    /// The two, with a minus between them.
    pub(super) of: String,
    pub(super) difference: Interval,
}

/// The best detector against the best floor, by each measure that both have.
pub(super) fn races(view: &View<'_>) -> Vec<Race> {
    let races = COMPARED.iter().map(|key| race(view, measure(key)));
    races.flatten().collect()
}

fn race(view: &View<'_>, measure: &'static Measure) -> Option<Race> {
    let best = |are_floors: bool| {
        let candidates = view.candidates_that(are_floors).into_iter();
        candidates
            .filter_map(|candidate| {
                let figures = view.figures(candidate, measure.of);
                Some((candidate, mean(&figures)?, figures))
            })
            .max_by(|(_, a, _), (_, b, _)| a.total_cmp(b))
    };
    let (detector, floor) = best(false).zip(best(true))?;
    let contender = |(candidate, mean, _): &((&str, &str), f64, Figures)| Contender {
        name: name(candidate.0, candidate.1),
        mean: *mean,
    };
    Some(Race {
        measure: measure.title,
        detector: contender(&detector),
        floor: contender(&floor),
        difference: paired(&detector.2, &floor.2)?,
    })
}

/// Each pair of architectures by each protocol.
pub(super) fn pairs(view: &View<'_>) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for protocol in view.protocols() {
        let candidates = view.candidates_that(false).into_iter();
        let own: Vec<_> = candidates.filter(|(_, own)| *own == protocol).collect();
        for key in COMPARED {
            let measure = measure(key);
            let figures = |candidate| view.figures(candidate, measure.of);
            for (place, one) in own.iter().enumerate() {
                for other in &own[place + 1..] {
                    let difference = paired(&figures(*one), &figures(*other));
                    pairs.extend(difference.map(|difference| Pair {
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

/// Protocols and held peaks.
pub(super) fn contrasts(view: &View<'_>) -> Vec<Contrast> {
    let mut contrasts = protocols(view);
    contrasts.extend(hold(view));
    contrasts
}

/// Each pair of protocols, over all architectures.
fn protocols(view: &View<'_>) -> Vec<Contrast> {
    let mut contrasts = Vec::new();
    let mut protocols = view.protocols();
    // Controls are no architectures.
    protocols.retain(|protocol| *protocol != STORED);
    for key in COMPARED {
        let measure = measure(key);
        let over_architectures = |wanted: &str| view.of_protocol(wanted, measure.of);
        for (place, one) in protocols.iter().enumerate() {
            for other in &protocols[place + 1..] {
                let difference = paired(&over_architectures(one), &over_architectures(other));
                contrasts.extend(difference.map(|difference| Contrast {
                    measure: measure.title,
                    of: format!("{one} − {other}, mean of all architectures"),
                    difference,
                }));
            }
        }
    }
    contrasts
}

/// What holding peaks does to the volume.
fn hold(view: &View<'_>) -> Vec<Contrast> {
    let of: [Of; 2] = [
        |result| result.vus_pr_held,
        |result| Some(result.measures.vus_pr),
    ];
    let kinds = [("detectors", false), ("floors", true)].into_iter();
    let contrasts = kinds.filter_map(|(kind, are_floors)| {
        let candidates = view.candidates_that(are_floors);
        let [held, plain] = of.map(|of| {
            let own = candidates.iter();
            average(own.map(|candidate| view.figures(*candidate, of)))
        });
        Some(Contrast {
            measure: measure("vus_pr").title,
            of: format!("peaks held − scores as they are, mean of all {kind}"),
            difference: paired(&held, &plain)?,
        })
    });
    contrasts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::lines::StudyLines;
    use crate::study::views;
    use anomalog::evaluation::results::FLOOR;

    #[test]
    fn the_best_detector_races_the_best_floor_by_each_measure() {
        let lines = StudyLines::made_up(&[
            ("difference", FLOOR, 0.5, 0.9),
            ("ewma", FLOOR, 0.3, 0.8),
            ("gru", "fine-tuned", 0.4, 0.9),
            ("lstm", "fine-tuned", 0.4, 0.2),
        ]);
        let found = races(&views::all(&lines)[0]);
        let [volume, recall] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(
            (volume.measure, volume.floor.name.as_str()),
            ("VUS-PR", "difference")
        );
        assert!(is_beyond_noise(&volume.difference) && volume.difference.mean < 0.0);
        assert_eq!(recall.detector.name, "gru fine-tuned");
        assert!(!is_beyond_noise(&recall.difference));
    }

    #[test]
    fn pairs_learned_alike_and_contrasts_are_of_all_architectures() {
        let lines = StudyLines::made_up(&[
            ("difference", FLOOR, 0.3, 0.5),
            ("gru", "zero-shot", 0.5, 0.8),
            ("lstm", "zero-shot", 0.5, 0.7),
            ("lstm", "shipped", 0.5, 0.9),
        ]);
        let view = &views::all(&lines)[0];
        let found = pairs(view);
        let orders: Vec<_> = found.iter().map(Pair::order).collect();
        assert_eq!(orders, [None, Some(("gru", "lstm"))], "of one protocol");
        let found = contrasts(view);
        let [volume, recall] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(volume.of, "zero-shot − shipped, mean of all architectures");
        assert!(!is_beyond_noise(&volume.difference));
        assert!((recall.difference.mean + 0.15).abs() < 1e-12, "{recall:?}");
        assert!(is_beyond_noise(&recall.difference));
    }
}
