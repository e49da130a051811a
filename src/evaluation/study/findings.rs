//! What the figures say, in sentences.
//!
//! Two figures differ beyond noise if the 90 % paired bootstrap interval of their difference over
//! series excludes 0; else, and with a single series, they do not.

use std::cell::Cell;

use super::plan::VARIANT_ONE_HORIZON;
use super::views::{Figures, Scope, View, measure, name, paired};
use crate::evaluation::bootstrap::Interval;
use crate::evaluation::run::{FLOOR, SeriesResult};
use crate::evaluation::summary::{Measure, distinct};

/// What detectors are compared by: ranking alone, and alarms at a threshold of their own.
const COMPARED: [&str; 2] = ["vus_pr", "event_recall"];
/// Realised false alarms may exceed those asked for by this factor.
const BUDGET_FACTOR: f64 = 2.0;

/// A figure of a result.
type Of = fn(&SeriesResult) -> Option<f64>;

/// A candidate with the difference of another to it.
type Compared<'a> = (&'a (&'a str, &'a str), Option<Interval>);

/// What one has to decide, the series that tell, and the protocols that it allows.
type Situation<'a> = (&'a str, Option<&'a View<'a>>, fn(&str) -> bool);

/// All sentences.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Where the best floor is not beaten.
    pub(super) floors: Vec<String>,
    /// Where a detector is ahead of the best floor.
    pub(super) detectors: Vec<String>,
    /// What of architectures, protocols and the recipe differs beyond noise.
    pub(super) beyond: Vec<String>,
    /// What does not.
    pub(super) within: Vec<String>,
    /// Situation and advice.
    pub(super) advice: Vec<(String, String)>,
    /// Differences that were looked at.
    pub(super) comparisons: usize,
}

/// Whether a difference is one.
fn is_beyond_noise(difference: &Interval) -> bool {
    let ends = difference.low.zip(difference.high);
    ends.is_some_and(|(low, high)| low > 0.0 || high < 0.0)
}

/// A difference with its interval and a verdict.
fn verdict(difference: &Interval) -> String {
    let noise = if is_beyond_noise(difference) {
        "beyond noise"
    } else {
        "within noise"
    };
    match difference.low.zip(difference.high) {
        None => format!("{:+.3} on one series, which says nothing", difference.mean),
        Some((low, high)) => format!(
            "{:+.3} [{low:+.3}, {high:+.3}] over {} series, {noise}",
            difference.mean, difference.series
        ),
    }
}

fn mean(figures: &Figures) -> Option<f64> {
    (!figures.is_empty()).then(|| figures.values().sum::<f64>() / figures.len() as f64)
}

/// All findings of some views.
pub(super) fn find(views: &[View<'_>], alarms_per_week: f64) -> Findings {
    let finder = Finder {
        comparisons: Cell::new(0),
        alarms_per_week,
    };
    let mut findings = Findings::default();
    for view in views {
        for key in COMPARED {
            finder.best(view, measure(key), &mut findings);
        }
    }
    for view in views {
        if view.scope == Scope::WebServices || view.is(super::views::ATTACKS) {
            finder.architectures(view, &mut findings);
            finder.protocols(view, &mut findings);
            finder.hold(view, &mut findings);
            finder.horizons(view, &mut findings);
        }
    }
    findings.advice = finder.advice(views);
    findings.comparisons = finder.comparisons.get();
    findings
}

struct Finder {
    comparisons: Cell<usize>,
    alarms_per_week: f64,
}

impl Finder {
    fn paired(&self, one: &Figures, other: &Figures) -> Option<Interval> {
        self.comparisons.set(self.comparisons.get() + 1);
        paired(one, other)
    }

    /// The best detector beside the best floor.
    fn best(&self, view: &View<'_>, measure: &Measure, findings: &mut Findings) {
        let best = |wants_floor: bool| {
            let candidates = view.candidates().into_iter();
            candidates
                .filter(|(_, protocol)| (*protocol == FLOOR) == wants_floor)
                .filter_map(|candidate| {
                    let figures = view.figures("", candidate, measure.of);
                    Some((candidate, mean(&figures)?, figures))
                })
                .max_by(|(_, a, _), (_, b, _)| a.total_cmp(b))
        };
        let Some((detector, floor)) = best(false).zip(best(true)) else {
            return;
        };
        let Some(difference) = self.paired(&detector.2, &floor.2) else {
            return;
        };
        let figure = |(candidate, mean, _): &((&str, &str), f64, Figures)| {
            let alarms = if measure.key == "event_recall" {
                Self::alarms(view, *candidate)
            } else {
                String::new()
            };
            format!("`{}` {mean:.3}{alarms}", name(candidate.0, candidate.1))
        };
        let text = format!(
            "{}, {}: best detector {}, best floor {}; difference {}.",
            view.title,
            measure.title,
            figure(&detector),
            figure(&floor),
            verdict(&difference)
        );
        let is_ahead = is_beyond_noise(&difference) && difference.mean > 0.0;
        if is_ahead {
            findings.detectors.push(text);
        } else {
            findings.floors.push(text);
        }
    }

    /// Realised false alarms in brackets.
    fn alarms(view: &View<'_>, candidate: (&str, &str)) -> String {
        let figures = view.figures("", candidate, measure("false_alarms_per_week").of);
        mean(&figures).map_or(String::new(), |alarms| {
            format!(" (at {alarms:.2} false alarms a week)")
        })
    }

    /// Each pair of architectures by each protocol.
    fn architectures(&self, view: &View<'_>, findings: &mut Findings) {
        let candidates = view.candidates();
        let learned = || candidates.iter().filter(|(_, protocol)| *protocol != FLOOR);
        for protocol in distinct(learned().map(|(_, protocol)| *protocol)) {
            let own: Vec<_> = learned().filter(|(_, other)| *other == protocol).collect();
            for key in COMPARED {
                let measure = measure(key);
                let (mut beyond, mut pairs, mut largest) = (Vec::new(), 0, None::<Interval>);
                for (place, one) in own.iter().enumerate() {
                    for other in &own[place + 1..] {
                        let figures =
                            |candidate: &(&str, &str)| view.figures("", *candidate, measure.of);
                        let Some(difference) = self.paired(&figures(one), &figures(other)) else {
                            continue;
                        };
                        pairs += 1;
                        if is_beyond_noise(&difference) {
                            beyond.push(format!(
                                "`{}` − `{}` {}",
                                one.0,
                                other.0,
                                verdict(&difference)
                            ));
                        }
                        let size = difference.mean.abs();
                        if largest.is_none_or(|largest| largest.mean.abs() < size) {
                            largest = Some(difference);
                        }
                    }
                }
                let Some(largest) = largest else { continue };
                let about = format!("{}, {protocol}, {}", view.title, measure.title);
                if beyond.is_empty() {
                    findings.within.push(format!(
                        "{about}: none of {pairs} pairs of architectures differs; the largest \
                         difference is {:.3}.",
                        largest.mean.abs()
                    ));
                } else {
                    findings.beyond.push(format!(
                        "{about}: {} of {pairs} pairs of architectures differ: {}.",
                        beyond.len(),
                        beyond.join("; ")
                    ));
                }
            }
        }
    }

    /// Each pair of protocols, over all architectures.
    fn protocols(&self, view: &View<'_>, findings: &mut Findings) {
        let candidates = view.candidates();
        let learned = candidates.iter().filter(|(_, protocol)| *protocol != FLOOR);
        let protocols = distinct(learned.map(|(_, protocol)| *protocol));
        for key in COMPARED {
            let measure = measure(key);
            let over_architectures = |wanted: &str| {
                let own = candidates
                    .iter()
                    .filter(|(_, protocol)| *protocol == wanted);
                average(own.map(|candidate| view.figures("", *candidate, measure.of)))
            };
            for (place, one) in protocols.iter().enumerate() {
                for other in &protocols[place + 1..] {
                    let figures = (over_architectures(one), over_architectures(other));
                    if let Some(difference) = self.paired(&figures.0, &figures.1) {
                        findings.add(
                            &difference,
                            format!(
                                "{}, {}, mean of all architectures: {one} − {other} {}.",
                                view.title,
                                measure.title,
                                verdict(&difference)
                            ),
                        );
                    }
                }
            }
        }
    }

    /// What holding peaks does to the volume.
    fn hold(&self, view: &View<'_>, findings: &mut Findings) {
        let of: [(&str, Of); 2] = [
            ("held", |result| result.vus_pr_held),
            ("plain", |result| Some(result.measures.vus_pr)),
        ];
        for (kind, is_floor) in [("detectors", false), ("floors", true)] {
            let candidates = view.candidates();
            let own = candidates
                .iter()
                .filter(|(_, protocol)| (*protocol == FLOOR) == is_floor);
            let [held, plain] = of.map(|(_, of)| {
                average(
                    own.clone()
                        .map(|candidate| view.figures("", *candidate, of)),
                )
            });
            if let Some(difference) = self.paired(&held, &plain) {
                findings.add(
                    &difference,
                    format!(
                        "{}, VUS-PR, mean of all {kind}: peaks held − scores as they are {}.",
                        view.title,
                        verdict(&difference)
                    ),
                );
            }
        }
    }

    /// What the auxiliary horizons do.
    fn horizons(&self, view: &View<'_>, findings: &mut Findings) {
        let ablated = distinct(
            view.of_variant(VARIANT_ONE_HORIZON)
                .map(|r| r.result.candidate()),
        );
        for candidate in ablated {
            for key in COMPARED {
                let measure = measure(key);
                let recipe = view.figures("", candidate, measure.of);
                let one = view.figures(VARIANT_ONE_HORIZON, candidate, measure.of);
                if let Some(difference) = self.paired(&recipe, &one) {
                    findings.add(
                        &difference,
                        format!(
                            "{}, {}, `{}`: all horizons − the next window alone {}.",
                            view.title,
                            measure.title,
                            name(candidate.0, candidate.1),
                            verdict(&difference)
                        ),
                    );
                }
            }
        }
    }

    fn advice(&self, views: &[View<'_>]) -> Vec<(String, String)> {
        let web = views.iter().find(|view| view.scope == Scope::WebServices);
        let attacks = views.iter().find(|view| view.is(super::views::ATTACKS));
        let situations: [Situation<'_>; 4] = [
            ("nothing may be trained", web, |protocol| protocol == FLOOR),
            (
                "a new series, others have been learned from",
                web,
                |protocol| matches!(protocol, FLOOR | "zero-shot"),
            ),
            ("a series with its own history", web, |_| true),
            ("access logs, several metrics at once", attacks, |_| true),
        ];
        situations
            .into_iter()
            .filter_map(|(situation, view, is_possible)| {
                let view = view?;
                Some((situation.to_owned(), self.advise(view, is_possible)?))
            })
            .collect()
    }

    /// The cheapest candidate that finds no fewer events, beyond noise, than the best.
    fn advise(&self, view: &View<'_>, is_possible: fn(&str) -> bool) -> Option<String> {
        let figures =
            |candidate: (&str, &str), key: &str| view.figures("", candidate, measure(key).of);
        let alarms = |candidate: &(&str, &str)| {
            mean(&figures(*candidate, "false_alarms_per_week")).unwrap_or(f64::INFINITY)
        };
        let candidates = view.candidates();
        let possible: Vec<_> = candidates
            .iter()
            .filter(|(detector, protocol)| is_possible(protocol) && *detector != "random")
            .collect();
        let most = BUDGET_FACTOR * self.alarms_per_week;
        let mut admitted: Vec<_> = possible
            .iter()
            .copied()
            .filter(|candidate| alarms(candidate) <= most)
            .collect();
        let keeps_budget = !admitted.is_empty();
        if !keeps_budget {
            admitted.extend(
                possible
                    .iter()
                    .copied()
                    .min_by(|a, b| alarms(a).total_cmp(&alarms(b))),
            );
        }
        let recall = |candidate: &(&str, &str)| figures(*candidate, "event_recall");
        let best = admitted
            .iter()
            .filter_map(|candidate| Some((*candidate, mean(&recall(candidate))?)))
            .max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        let of_best = recall(best.0);
        let compared: Vec<Compared<'_>> = admitted
            .iter()
            .map(|candidate| (*candidate, self.paired(&recall(candidate), &of_best)))
            .collect();
        let as_good = compared.into_iter().filter(|(candidate, difference)| {
            let is_worse = difference.is_none_or(|d| is_beyond_noise(&d) && d.mean < 0.0);
            *candidate == best.0 || !is_worse
        });
        let cost = |candidate: &(&str, &str)| {
            let of = |key| mean(&figures(*candidate, key)).unwrap_or(f64::INFINITY);
            (candidate.1 != FLOOR, of("train_s"), -of("score_rows_per_s"))
        };
        let as_good: Vec<Compared<'_>> = as_good.collect();
        let (cheapest, difference) = as_good.iter().min_by(|(a, _), (b, _)| {
            let (a, b) = (cost(a), cost(b));
            a.0.cmp(&b.0)
                .then(a.1.total_cmp(&b.1))
                .then(a.2.total_cmp(&b.2))
        })?;
        let found = |candidate: &(&str, &str)| {
            format!(
                "`{}` finds {:.1} % of the events at {:.2} false alarms a week",
                name(candidate.0, candidate.1),
                100.0 * mean(&recall(candidate)).unwrap_or(f64::NAN),
                alarms(candidate)
            )
        };
        let mut text = format!("{}, by {}", found(cheapest), view.title);
        if *cheapest == best.0 {
            text.push_str(&format!(
                "; it is the best of {} candidates and the cheapest of {} as good",
                admitted.len(),
                as_good.len()
            ));
        } else if let Some(difference) = difference {
            text.push_str(&format!(
                "; the best, {}, is no better ({})",
                found(best.0),
                verdict(difference)
            ));
        }
        if !keeps_budget {
            text.push_str(&format!(
                "; no candidate keeps within {most} false alarms a week, and this one has the fewest"
            ));
        }
        Some(text + ".")
    }
}

impl Findings {
    fn add(&mut self, difference: &Interval, text: String) {
        if is_beyond_noise(difference) {
            self.beyond.push(text);
        } else {
            self.within.push(text);
        }
    }
}

/// The mean of several candidates' figures, of each series that has any.
fn average(all: impl Iterator<Item = Figures>) -> Figures {
    let mut sums = std::collections::BTreeMap::<String, (f64, usize)>::new();
    for (series, figure) in all.flatten() {
        let sum = sums.entry(series).or_default();
        sum.0 += figure;
        sum.1 += 1;
    }
    let mean = |(series, (sum, count)): (String, (f64, usize))| (series, sum / count as f64);
    sums.into_iter().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::study::lines::{StudyLines, tests::line_of};
    use crate::evaluation::study::views;

    /// Five series of a web service with the VUS-PR and event recall of some candidates.
    fn findings(candidates: &[(&str, &str, f64, f64)]) -> Findings {
        let mut lines = StudyLines::in_memory();
        for series in 0..5 {
            let file = format!("{series}.parquet");
            let mut of_series = vec![line_of::series(&file, "KPI")];
            for &(detector, protocol, volume, recall) in candidates {
                // Series differ more than candidates do, and in the same way.
                let volume = volume + 0.05 * f64::from(series);
                of_series.push(line_of::result(&file, (detector, protocol), volume, recall));
            }
            lines.add(of_series).unwrap();
        }
        find(&views::all(&lines), 1.0)
    }

    #[test]
    fn floors_that_are_ahead_are_said_to_be() {
        let found = findings(&[
            ("difference", FLOOR, 0.5, 0.9),
            ("ewma", FLOOR, 0.3, 0.8),
            ("gru", "fine-tuned", 0.4, 0.9),
            ("lstm", "fine-tuned", 0.4, 0.2),
        ]);
        insta::assert_snapshot!(found.floors[0], @"KPI, VUS-PR: best detector `lstm fine-tuned` 0.500, best floor `difference` 0.600; difference -0.100 [-0.100, -0.100] over 5 series, beyond noise.");
        insta::assert_snapshot!(found.floors[1], @"KPI, event recall: best detector `gru fine-tuned` 0.900 (at 0.50 false alarms a week), best floor `difference` 0.900 (at 0.50 false alarms a week); difference +0.000 [+0.000, +0.000] over 5 series, within noise.");
        assert!(found.detectors.is_empty());
        insta::assert_snapshot!(found.advice[2].1, @"`difference` finds 90.0 % of the events at 0.50 false alarms a week, by web services, pooled; the best, `gru fine-tuned` finds 90.0 % of the events at 0.50 false alarms a week, is no better (+0.000 [+0.000, +0.000] over 5 series, within noise).");
    }

    #[test]
    fn detectors_that_are_ahead_are_said_to_be_and_pairs_are_compared() {
        let found = findings(&[
            ("difference", FLOOR, 0.3, 0.5),
            ("gru", "zero-shot", 0.5, 0.8),
            ("lstm", "zero-shot", 0.5, 0.7),
        ]);
        assert_eq!(
            found.detectors.len(),
            4,
            "KPI and all web services: {found:?}"
        );
        assert!(found.floors.is_empty());
        insta::assert_snapshot!(found.beyond[0], @"web services, pooled, zero-shot, event recall: 1 of 1 pairs of architectures differ: `gru` − `lstm` +0.100 [+0.100, +0.100] over 5 series, beyond noise.");
        insta::assert_snapshot!(found.within[0], @"web services, pooled, zero-shot, VUS-PR: none of 1 pairs of architectures differs; the largest difference is 0.000.");
        let (situation, advice) = &found.advice[1];
        assert_eq!(situation, "a new series, others have been learned from");
        assert!(
            advice.starts_with("`gru zero-shot` finds 80.0 %"),
            "{advice}"
        );
        assert!(found.comparisons > 5);
    }
}
