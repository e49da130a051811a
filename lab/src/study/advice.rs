//! What to use when.
//!
//! The rule: of the candidates that a situation allows, those that keep within twice the budget of
//! false alarms; of these, those whose event recall is not below the best's beyond noise; of these
//! the cheapest: floors before detectors, then by seconds of training, then by windows scored a
//! second.

use super::figures::{Comparisons, Figures, is_beyond_noise, mean, verdict};
use super::plan::CLASSIFY;
use super::views::{ATTACKS, Scope, View, measure, name};
use crate::evaluation::bootstrap::Interval;
use crate::evaluation::protocol::Protocol;
use crate::evaluation::run::FLOOR;

/// Realised false alarms may exceed those asked for by this factor.
pub(super) const BUDGET_FACTOR: f64 = 2.0;

/// What to use in a situation.
#[derive(Debug)]
pub(super) struct Advice {
    pub(super) situation: &'static str,
    /// A sentence.
    pub(super) text: String,
}

/// What one has to decide, the series that tell, and the protocols that it allows.
type Situation<'a> = (&'static str, Option<&'a View<'a>>, fn(&str) -> bool);

/// Detector and protocol.
type Candidate<'a> = (&'a str, &'a str);

/// What to use in each situation that the views tell of.
pub(super) fn advise(
    views: &[View<'_>],
    alarms_per_week: f64,
    comparisons: &Comparisons,
) -> Vec<Advice> {
    let web = views.iter().find(|view| view.scope == Scope::WebServices);
    let attacks = views.iter().find(|view| view.is(ATTACKS));
    let has_labels = |view: &&View<'_>| {
        let protocols = view.protocols();
        protocols.contains(&CLASSIFY)
    };
    let situations: [Situation<'_>; 5] = [
        ("nothing may be trained", web, needs_no_training),
        (
            "a new series, others have been learned from",
            web,
            |protocol| needs_no_training(protocol) || protocol == Protocol::ZeroShot.name(),
        ),
        ("a series with its own history", web, needs_no_labels),
        (
            "a series with labelled anomalies",
            web.filter(has_labels),
            |_| true,
        ),
        (
            "access logs, several metrics at once",
            attacks,
            needs_no_labels,
        ),
    ];
    let advisers = situations
        .into_iter()
        .filter_map(|(situation, view, is_possible)| {
            let adviser = Adviser {
                view: view?,
                most_alarms: BUDGET_FACTOR * alarms_per_week,
                comparisons,
            };
            let text = adviser.advise(is_possible)?;
            Some(Advice { situation, text })
        });
    advisers.collect()
}

fn needs_no_training(protocol: &str) -> bool {
    protocol == FLOOR || protocol == Protocol::Shipped.name()
}

fn needs_no_labels(protocol: &str) -> bool {
    protocol != CLASSIFY
}

/// Applies the rule to a view.
struct Adviser<'a> {
    view: &'a View<'a>,
    most_alarms: f64,
    comparisons: &'a Comparisons,
}

impl Adviser<'_> {
    fn figures(&self, candidate: Candidate<'_>, key: &str) -> Figures {
        self.view.figures("", candidate, measure(key).of)
    }

    fn alarms(&self, candidate: Candidate<'_>) -> f64 {
        mean(&self.figures(candidate, "false_alarms_per_week")).unwrap_or(f64::INFINITY)
    }

    fn recall(&self, candidate: Candidate<'_>) -> Figures {
        self.figures(candidate, "event_recall")
    }

    /// Those that keep within the budget, and whether any does: else the one with fewest alarms.
    fn admitted(&self, is_possible: fn(&str) -> bool) -> (Vec<Candidate<'_>>, bool) {
        let mut possible = self.view.candidates();
        possible.retain(|(detector, protocol)| is_possible(protocol) && *detector != "random");
        let keeps = |candidate: &Candidate<'_>| self.alarms(*candidate) <= self.most_alarms;
        let admitted: Vec<_> = possible.iter().copied().filter(keeps).collect();
        if !admitted.is_empty() {
            return (admitted, true);
        }
        let fewest = possible
            .into_iter()
            .min_by(|a, b| self.alarms(*a).total_cmp(&self.alarms(*b)));
        (fewest.into_iter().collect(), false)
    }

    fn advise(&self, is_possible: fn(&str) -> bool) -> Option<String> {
        let (admitted, keeps_budget) = self.admitted(is_possible);
        let means = admitted
            .iter()
            .filter_map(|candidate| Some((*candidate, mean(&self.recall(*candidate))?)));
        let (best, _) = means.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        let of_best = self.recall(best);
        let compared = admitted.iter().map(|candidate| {
            let difference = self.comparisons.paired(&self.recall(*candidate), &of_best);
            (*candidate, difference)
        });
        let is_worse = |d: &Interval| is_beyond_noise(d) && d.mean < 0.0;
        let as_good: Vec<_> = compared
            .filter(|(candidate, difference)| {
                *candidate == best || difference.is_some_and(|d| !is_worse(&d))
            })
            .collect();
        let (cheapest, difference) = as_good.iter().min_by(|(a, _), (b, _)| {
            let (a, b) = (self.cost(*a), self.cost(*b));
            a.0.cmp(&b.0)
                .then(a.1.total_cmp(&b.1))
                .then(a.2.total_cmp(&b.2))
        })?;
        let mut text = format!("{}, by {}", self.found(*cheapest), self.view.title);
        if *cheapest == best {
            text.push_str(&format!(
                "; it is the best of {} candidates and the cheapest of {} as good",
                admitted.len(),
                as_good.len()
            ));
        } else if let Some(difference) = difference {
            text.push_str(&format!(
                "; the best, {}, is no better ({})",
                self.found(best),
                verdict(difference)
            ));
        }
        if !keeps_budget {
            text.push_str(&format!(
                "; no candidate keeps within {} false alarms a week, and this one has the fewest",
                self.most_alarms
            ));
        }
        Some(text + ".")
    }

    /// Less is cheaper.
    fn cost(&self, candidate: Candidate<'_>) -> (bool, f64, f64) {
        let of = |key| mean(&self.figures(candidate, key)).unwrap_or(f64::INFINITY);
        (candidate.1 != FLOOR, of("train_s"), -of("score_rows_per_s"))
    }

    fn found(&self, candidate: Candidate<'_>) -> String {
        format!(
            "`{}` finds {:.1} % of the events at {:.2} false alarms a week",
            name(candidate.0, candidate.1),
            100.0 * mean(&self.recall(candidate)).unwrap_or(f64::NAN),
            self.alarms(candidate)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::study::lines::StudyLines;
    use crate::evaluation::study::views;

    fn advice(candidates: &[(&str, &str, f64, f64)]) -> Vec<Advice> {
        let lines = StudyLines::made_up(candidates);
        advise(&views::all(&lines), 1.0, &Comparisons::default())
    }

    #[test]
    fn of_those_as_good_the_cheapest_is_advised() {
        let advice = advice(&[
            ("difference", FLOOR, 0.5, 0.9),
            ("gru", "fine-tuned", 0.4, 0.9),
            ("lstm", "fine-tuned", 0.4, 0.2),
        ]);
        assert_eq!(advice[2].situation, "a series with its own history");
        insta::assert_snapshot!(advice[2].text, @"`difference` finds 90.0 % of the events at 0.50 false alarms a week, by web services, pooled; the best, `gru fine-tuned` finds 90.0 % of the events at 0.50 false alarms a week, is no better (+0.000 [+0.000, +0.000] over 5 series, within noise).");
    }

    #[test]
    fn only_what_a_situation_allows_is_advised() {
        let advice = advice(&[
            ("difference", FLOOR, 0.3, 0.5),
            ("gru", "zero-shot", 0.5, 0.8),
            ("gru", "shipped", 0.5, 0.7),
            ("gru", "fine-tuned", 0.5, 0.9),
        ]);
        let begins = |situation: usize, text: &str| {
            let found = &advice[situation];
            assert!(found.text.starts_with(text), "{found:?}");
        };
        begins(0, "`gru shipped` finds 70.0 %");
        begins(1, "`gru zero-shot` finds 80.0 %");
        begins(2, "`gru fine-tuned` finds 90.0 %");
    }
}
