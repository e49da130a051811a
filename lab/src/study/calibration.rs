//! Budgets of false alarms against what came of them.

use anomalog::evaluation::bootstrap::Interval;
use anomalog::evaluation::budgets::{ASKED, Budget, BudgetOutcome, ThresholdSource};
use anomalog::evaluation::candidate::BASELINE;
use anomalog::evaluation::results::{FLOOR, SeriesResult};

use super::figures::{Figures, average, interval};
use super::views::View;

/// What came of each budget for some candidates on some series.
#[derive(Debug)]
pub(super) struct Kept {
    /// Who.
    pub(super) name: String,
    /// Series that tell.
    pub(super) series: usize,
    /// By budget, false-alarm events in its period: as one is asked for, also the ratio to it.
    pub(super) alarms: [Interval; ASKED.len()],
    /// By budget, share of events found.
    pub(super) recalls: [Interval; ASKED.len()],
}

/// The baseline and detectors at their own thresholds: those of each protocol, the mean of their
/// architectures.
pub(super) fn by_protocol(view: &View<'_>) -> Vec<Kept> {
    let own = ThresholdSource::Own;
    let baseline = kept(view, BASELINE, &[(BASELINE, FLOOR)], own);
    let protocols = view.protocols().into_iter();
    let learned = protocols.filter_map(|protocol| {
        let candidates = view.candidates_that(false).into_iter();
        let candidates: Vec<_> = candidates.filter(|(_, other)| *other == protocol).collect();
        kept(view, protocol, &candidates, own)
    });
    baseline.into_iter().chain(learned).collect()
}

/// All detectors at thresholds of one kind, the mean of them.
pub(super) fn of_detectors(view: &View<'_>, source: ThresholdSource) -> Option<Kept> {
    kept(view, "all detectors", &view.candidates_that(false), source)
}

/// Each floor at thresholds from the training range.
pub(super) fn by_floor(view: &View<'_>) -> Vec<Kept> {
    let floors = view.candidates_that(true).into_iter();
    floors
        .filter_map(|floor| kept(view, floor.0, &[floor], ThresholdSource::TrainingRange))
        .collect()
}

/// The mean of some candidates; `None` where none has such a threshold.
fn kept(
    view: &View<'_>,
    name: &str,
    candidates: &[(&str, &str)],
    source: ThresholdSource,
) -> Option<Kept> {
    let figures = |budget: &Budget, of: fn(&BudgetOutcome) -> f64| -> Figures {
        let of_result = |result: &SeriesResult| {
            let mut outcomes = result.budgets.iter();
            let is_it = |outcome: &&BudgetOutcome| {
                outcome.threshold == source
                    && outcome.asked_per_week.total_cmp(&budget.per_week).is_eq()
            };
            outcomes.find(is_it).map(of)
        };
        average(
            candidates
                .iter()
                .map(|candidate| view.figures(*candidate, of_result)),
        )
    };
    let each = |of: fn(&BudgetOutcome) -> f64| -> Option<[Interval; ASKED.len()]> {
        let of_budget = ASKED.map(|budget| interval(&figures(&budget, of)));
        let [day, week, month] = of_budget;
        Some([day?, week?, month?])
    };
    let alarms = each(|outcome| outcome.false_alarms_per_week / outcome.asked_per_week)?;
    Some(Kept {
        name: name.to_owned(),
        series: alarms[0].series,
        alarms,
        recalls: each(|outcome| outcome.event_recall)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::lines::StudyLines;
    use crate::study::views;

    #[test]
    fn alarms_are_in_the_period_that_one_is_asked_for() {
        let lines = StudyLines::made_up(&[
            ("difference", FLOOR, 0.5, 0.9),
            ("gru", "shipped", 0.5, 0.5),
            ("lstm", "shipped", 0.5, 0.7),
        ]);
        let views = views::all(&lines);
        let floors = by_floor(&views[0]);
        assert_eq!(
            (floors[0].name.as_str(), floors[0].series),
            ("difference", 5)
        );
        for alarms in &floors[0].alarms {
            assert!((alarms.mean - 0.5).abs() < 1e-12, "{alarms:?}");
        }
        let detectors = of_detectors(&views[0], ThresholdSource::TrainingRange).unwrap();
        assert!((detectors.recalls[2].mean - 0.6).abs() < 1e-12);
        // The made-up detectors have no thresholds of their own.
        assert!(by_protocol(&views[0]).is_empty());
    }
}
