//! What a user feels: which events are found, how late, and how often an alarm is false.
//!
//! ```text
//! labels     . . . . . . . ■ ■ ■ ■ . . . . . . . . . . . . .
//! tolerance            ├─────────────────┤
//! alarms     . . . . . . ▲ . . ▲ . . . . . . . . ▲ . ▲ ▲ . .     one event found, delay 0;
//!                                                └─────┘         one false-alarm event
//! ```
//!
//! An alarm is a window whose score is at least the threshold. An event is found by an alarm
//! within `tolerance` windows of it. An alarm that is within `tolerance` of no event is false, and
//! false alarms closer than `merge` windows to the next are one false-alarm event: what someone
//! would be woken by once.
//!
//! So an alarm that begins at an event and does not end counts as false after it. Grouping all
//! alarms first, and forgiving a group that touches an event, would make a threshold so low that
//! everything is an alarm look perfect: all events found by one alarm, and none false.

use std::ops::Range;

use super::error::MeasureError;
use super::labelled::Labelled;
use super::ranking::Ranking;

/// When an alarm belongs to an event, and when two are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlarmRules {
    /// Windows before and after an event in which an alarm finds it.
    pub tolerance: usize,
    /// False alarms less than so many windows apart are one event; 0 and 1 keep each apart.
    pub merge: usize,
}

impl Default for AlarmRules {
    /// The project's own: five windows either side, ten windows apart.
    fn default() -> Self {
        Self {
            tolerance: 5,
            merge: 10,
        }
    }
}

/// Alarms of one series less than so many windows apart are one incident.
pub const INCIDENT_GAP: usize = 30;

/// How alarms at one threshold fare.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmReport {
    /// Scores from here on are alarms; infinite where nothing is an alarm.
    pub threshold: f64,
    /// By event, in order, windows from its start to the first alarm that finds it, 0 if that comes
    /// before; `None` if it is missed.
    pub delays: Vec<Option<usize>>,
    /// False-alarm events.
    pub false_alarms: usize,
    /// Windows that are false alarms: how long one would stay awake.
    pub false_alarm_windows: usize,
    /// Incidents without an alarm that finds an event. All alarms less than [`INCIDENT_GAP`]
    /// windows apart are one incident: what a report lists. Alone it means nothing, as one incident
    /// over everything is never false.
    pub false_incidents: usize,
}

impl AlarmReport {
    /// Labelled events.
    #[must_use]
    pub fn events(&self) -> usize {
        self.delays.len()
    }

    /// Events found.
    #[must_use]
    pub fn found(&self) -> usize {
        self.delays.iter().flatten().count()
    }

    /// Share of events found, in [0, 1].
    #[must_use]
    pub fn recall(&self) -> f64 {
        self.found() as f64 / self.events().max(1) as f64
    }

    /// Events found as a share of these and false-alarm events, in [0, 1]; `None` where there are
    /// neither.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        let all = self.found() + self.false_alarms;
        (all > 0).then(|| self.found() as f64 / all as f64)
    }

    /// Median delay of the events found, in windows, the mean of the middle two for an even number;
    /// `None` where none is found.
    #[must_use]
    pub fn median_delay(&self) -> Option<f64> {
        let mut delays: Vec<usize> = self.delays.iter().copied().flatten().collect();
        delays.sort_unstable();
        let middle = delays.len() / 2;
        let upper = *delays.get(middle)?;
        let lower = delays[middle - usize::from(delays.len().is_multiple_of(2))];
        Some(f64::midpoint(lower as f64, upper as f64))
    }
}

/// How many false-alarm events a number of windows may have at so many a week.
///
/// Four weeks at one a week are 4; the result need not be whole.
#[must_use]
pub fn budget_of(per_week: f64, windows: usize, step_seconds: u32) -> f64 {
    const SECONDS_PER_WEEK: f64 = 604_800.0;
    per_week * windows as f64 * f64::from(step_seconds) / SECONDS_PER_WEEK
}

/// Judges alarms at a threshold.
///
/// `labels` and `scores` have one entry per window, NaN for no score, which is never an alarm. Only
/// rows from `from` on are judged, and an event that begins before begins there.
///
/// # Errors
/// Where the rows judged [cannot be](MeasureError).
pub fn alarms_at(
    labels: &[bool],
    scores: &[f64],
    from: usize,
    threshold: f64,
    rules: AlarmRules,
) -> Result<AlarmReport, MeasureError> {
    let labelled = Labelled::from_row(labels, scores, from)?;
    Ok(report(&labelled, threshold, rules))
}

/// Judges alarms at the lowest threshold that keeps within a budget of false-alarm events over the
/// rows judged: the oracle threshold.
///
/// "Keeps within" means at this threshold and at every higher one. A lower one may have fewer false
/// alarms again, once they run together, but nobody could tune to that.
/// `labels` and `scores` have one entry per window, NaN for no score, which is never an alarm. Only
/// rows from `from` on are judged, and an event that begins before begins there. A budget below 0
/// or NaN allows no alarm.
///
/// # Errors
/// Where the rows judged [cannot be](MeasureError).
pub fn alarms_within(
    labels: &[bool],
    scores: &[f64],
    from: usize,
    budget: f64,
    rules: AlarmRules,
) -> Result<AlarmReport, MeasureError> {
    let labelled = Labelled::from_row(labels, scores, from)?;
    let threshold = lowest_threshold(&labelled, budget, rules);
    Ok(report(&labelled, threshold, rules))
}

/// Share of events found at the lowest threshold that keeps within a budget of false-alarm events,
/// in [0, 1]: the recall of [`alarms_within`].
///
/// # Errors
/// Where the rows judged [cannot be](MeasureError).
pub fn event_recall_within(
    labels: &[bool],
    scores: &[f64],
    from: usize,
    budget: f64,
    rules: AlarmRules,
) -> Result<f64, MeasureError> {
    Ok(alarms_within(labels, scores, from, budget, rules)?.recall())
}

/// The rows in which an alarm finds an event.
fn reach(event: &Range<usize>, rules: AlarmRules, len: usize) -> Range<usize> {
    let begin = event.start.saturating_sub(rules.tolerance);
    begin..event.end.saturating_add(rules.tolerance).min(len)
}

/// Whether each row is out of reach of every event.
fn out_of_reach(labelled: &Labelled<'_>, rules: AlarmRules) -> Vec<bool> {
    let mut is_out = vec![true; labelled.len()];
    for event in &labelled.events {
        is_out[reach(event, rules, labelled.len())].fill(false);
    }
    is_out
}

fn report(labelled: &Labelled<'_>, threshold: f64, rules: AlarmRules) -> AlarmReport {
    let is_alarm = |row: &usize| labelled.scores[*row] >= threshold;
    let delay = |event: &Range<usize>| {
        let first = reach(event, rules, labelled.len()).find(is_alarm)?;
        Some(first.saturating_sub(event.start))
    };
    let is_out = out_of_reach(labelled, rules);
    let (mut false_alarms, mut false_alarm_windows) = (0, 0);
    let mut last = None;
    for row in (0..labelled.len()).filter(|row| is_out[*row] && is_alarm(row)) {
        false_alarm_windows += 1;
        false_alarms += usize::from(last.is_none_or(|last| row - last >= rules.merge));
        last = Some(row);
    }
    AlarmReport {
        threshold,
        delays: labelled.events.iter().map(delay).collect(),
        false_alarms,
        false_alarm_windows,
        false_incidents: false_incidents((0..labelled.len()).filter(is_alarm), &is_out),
    }
}

/// Runs of alarms, which ascend, none of which is in reach of an event.
fn false_incidents(alarms: impl Iterator<Item = usize>, is_out: &[bool]) -> usize {
    let mut incidents = 0;
    let mut last: Option<(usize, bool)> = None;
    for row in alarms {
        let begun = last.filter(|(last, _)| row - last < INCIDENT_GAP);
        if let (None, Some((_, is_false))) = (begun, last) {
            incidents += usize::from(is_false);
        }
        last = Some((
            row,
            is_out[row] && begun.is_none_or(|(_, is_false)| is_false),
        ));
    }
    incidents + usize::from(last.is_some_and(|(_, is_false)| is_false))
}

/// Whether each of some anomalies, given by their windows, is found by an alarm at a threshold;
/// `None` where all of it lies before `from`. Windows before `from` are not judged.
///
/// `scores` has one entry per window, NaN for no score, which is never an alarm.
pub fn found<'a>(
    anomalies: impl IntoIterator<Item = &'a Range<usize>>,
    scores: &[f64],
    from: usize,
    threshold: f64,
    rules: AlarmRules,
) -> Vec<Option<bool>> {
    let is_found = |windows: &Range<usize>| {
        let judged = windows.start.max(from)..windows.end.min(scores.len());
        let begin = judged.start.saturating_sub(rules.tolerance).max(from);
        let end = judged.end.saturating_add(rules.tolerance).min(scores.len());
        let is_alarm = |score: &f64| *score >= threshold;
        (!judged.is_empty()).then(|| scores[begin..end].iter().any(is_alarm))
    };
    anomalies.into_iter().map(is_found).collect()
}

/// Judges alarms as [`alarms_within`] does, at several budgets, which ascend.
///
/// # Errors
/// Where the rows judged [cannot be](MeasureError).
pub fn alarms_within_each(
    labels: &[bool],
    scores: &[f64],
    from: usize,
    budgets: &[f64],
    rules: AlarmRules,
) -> Result<Vec<AlarmReport>, MeasureError> {
    let labelled = Labelled::from_row(labels, scores, from)?;
    let thresholds = lowest_thresholds(&labelled, budgets, rules);
    Ok(thresholds
        .into_iter()
        .map(|threshold| report(&labelled, threshold, rules))
        .collect())
}

/// The lowest thresholds at which all alarms of some scores make no more events than each budget,
/// which ascend: labels are not looked at. Infinite where no alarm is within it.
///
/// NaN scores are never alarms; infinite scores are not allowed.
pub(crate) fn thresholds_of_events(scores: &[f64], budgets: &[f64], merge: usize) -> Vec<f64> {
    let labelled = Labelled {
        labels: &vec![false; scores.len()],
        scores,
        events: Vec::new(),
        positives: 0,
    };
    let rules = AlarmRules {
        tolerance: 0,
        merge,
    };
    lowest_thresholds(&labelled, budgets, rules)
}

fn lowest_threshold(labelled: &Labelled<'_>, budget: f64, rules: AlarmRules) -> f64 {
    lowest_thresholds(labelled, &[budget], rules)[0]
}

/// Takes up windows from the highest score down, and stops when false alarms exceed the last of
/// the budgets, which ascend.
fn lowest_thresholds(labelled: &Labelled<'_>, budgets: &[f64], rules: AlarmRules) -> Vec<f64> {
    let ranking = Ranking::new(labelled);
    let mut found = Vec::with_capacity(budgets.len());
    let mut lowest = f64::INFINITY;
    let mut alarms = FalseAlarms {
        is_out: out_of_reach(labelled, rules),
        is_alarm: vec![false; labelled.len()],
        merge: rules.merge,
        events: 0,
    };
    let mut begin = 0;
    for step in &ranking.steps {
        let score = labelled.scores[ranking.rows[begin]];
        for row in &ranking.rows[begin..step.windows] {
            alarms.add(*row);
        }
        let is_within = |budget: &f64| alarms.events as f64 <= *budget;
        while budgets.get(found.len()).is_some_and(|b| !is_within(b)) {
            found.push(lowest);
        }
        if found.len() == budgets.len() || score.is_nan() {
            break;
        }
        lowest = score;
        begin = step.windows;
    }
    found.resize(budgets.len(), lowest);
    found
}

/// False alarms and the events that they make, while windows become alarms one by one.
struct FalseAlarms {
    is_out: Vec<bool>,
    is_alarm: Vec<bool>,
    merge: usize,
    events: usize,
}

impl FalseAlarms {
    fn add(&mut self, row: usize) {
        if !self.is_out[row] {
            return;
        }
        self.is_alarm[row] = true;
        let apart = self.merge.max(1) - 1;
        let end = row
            .saturating_add(apart)
            .saturating_add(1)
            .min(self.is_alarm.len());
        let before = (row.saturating_sub(apart)..row)
            .rev()
            .find(|row| self.is_alarm[*row]);
        let after = (row + 1..end).find(|row| self.is_alarm[*row]);
        match (before, after) {
            (None, None) => self.events += 1,
            (Some(before), Some(after)) if after - before >= self.merge => self.events -= 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAN: f64 = f64::NAN;

    fn rules(tolerance: usize, merge: usize) -> AlarmRules {
        AlarmRules { tolerance, merge }
    }

    /// Labels and scores from one character per window: `#` labelled, digits scores, `-` no score.
    fn series(labels: &str, scores: &str) -> (Vec<bool>, Vec<f64>) {
        let score = |digit: char| digit.to_digit(10).map_or(NAN, f64::from);
        (
            labels.chars().map(|label| label == '#').collect(),
            scores.chars().map(score).collect(),
        )
    }

    #[test]
    fn events_delays_and_false_alarms_are_counted() {
        let (labels, scores) = series("...##......###.......#", "9.1..9.......9.99..99-");
        let at = |threshold| alarms_at(&labels, &scores, 0, threshold, rules(1, 3)).unwrap();
        let report = at(9.0);
        // The alarm just after the first event, at its tolerance, comes two windows after its start;
        // the third event has one just before it.
        assert_eq!(report.delays, [Some(2), Some(2), Some(0)]);
        // Row 0; rows 15 and 16; row 19, which is three windows on.
        assert_eq!((report.false_alarms, report.false_alarm_windows), (3, 4));
        assert_eq!(report.recall().to_bits(), 1.0_f64.to_bits());
        assert_eq!(report.precision(), Some(0.5));
        assert_eq!(report.median_delay(), Some(2.0));
        let nothing = at(10.0);
        assert_eq!(
            (nothing.found(), nothing.precision(), nothing.median_delay()),
            (0, None, None)
        );
        assert_eq!(at(9.5).threshold.to_bits(), 9.5_f64.to_bits());
        assert_eq!(at(NAN).found(), 0);
    }

    #[test]
    fn an_alarm_that_goes_on_after_an_event_becomes_false() {
        let (labels, scores) = series(".##.......", ".999999999");
        let report = alarms_at(&labels, &scores, 0, 9.0, rules(2, 10)).unwrap();
        assert_eq!(
            (
                report.found(),
                report.false_alarms,
                report.false_alarm_windows
            ),
            (1, 1, 5)
        );
    }

    #[test]
    fn an_incident_is_false_if_none_of_its_alarms_finds_an_event() {
        let mut labels = vec![false; 300];
        labels[100] = true;
        let mut scores = vec![0.0; 300];
        // One that reaches from before the event to after it, and two that are 30 windows apart.
        for row in [80, 104, 133, 200, 229, 259] {
            scores[row] = 1.0;
        }
        let report = alarms_at(&labels, &scores, 0, 1.0, rules(5, 10)).unwrap();
        assert_eq!((report.false_alarms, report.false_incidents), (5, 2));
        let all = alarms_at(&labels, &scores, 0, 0.0, rules(5, 10)).unwrap();
        assert_eq!(all.false_incidents, 0);
        let none = alarms_at(&labels, &scores, 0, 2.0, rules(5, 10)).unwrap();
        assert_eq!(none.false_incidents, 0);
    }

    #[test]
    fn anomalies_are_found_one_by_one() {
        let scores = [0.0, 9.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0];
        let anomalies = [0..2, 2..5, 5..6, 7..8, 7..99];
        let found = found(&anomalies, &scores, 2, 9.0, rules(1, 10));
        assert_eq!(
            found,
            [None, Some(true), Some(true), Some(false), Some(false)]
        );
    }

    #[test]
    fn only_rows_from_the_first_are_judged() {
        let (labels, scores) = series("####....#.", "9999.9...9");
        let report = alarms_at(&labels, &scores, 2, 9.0, rules(0, 1)).unwrap();
        assert_eq!(report.delays, [Some(0), None]);
        assert_eq!(report.false_alarms, 2);
        let error = alarms_at(&labels, &scores, 10, 9.0, rules(0, 1)).unwrap_err();
        assert_eq!(error, MeasureError::Empty);
        let error = alarms_within(&labels, &scores, 9, 1.0, rules(0, 1)).unwrap_err();
        assert_eq!(error, MeasureError::NoPositive { windows: 1 });
    }

    #[test]
    fn budgets_are_kept_at_every_higher_threshold() {
        let (labels, scores) = series("#....#....#", "4.8.79.6.51");
        let within = |budget| alarms_within(&labels, &scores, 0, budget, rules(0, 1)).unwrap();
        assert_eq!((within(0.0).threshold, within(0.0).found()), (9.0, 1));
        assert_eq!((within(1.9).threshold, within(1.9).found()), (8.0, 1));
        assert_eq!((within(4.0).threshold, within(4.0).found()), (1.0, 3));
        let none = within(-1.0);
        assert_eq!((none.threshold, none.found()), (f64::INFINITY, 0));
        assert_eq!(within(NAN), within(-1.0));
        let recall = event_recall_within(&labels, &scores, 0, 0.0, rules(0, 1)).unwrap();
        assert!((recall - 1.0 / 3.0).abs() < 1e-12);
        // Were everything an alarm, there would be one false-alarm event; but not on the way there.
        let (labels, scores) = series("#........", "198282828");
        let report = alarms_within(&labels, &scores, 0, 1.0, rules(0, 2)).unwrap();
        assert_eq!((report.threshold, report.found()), (9.0, 0));
    }

    #[test]
    fn budgets_follow_from_weeks() {
        assert!((budget_of(1.0, 20_160, 60) - 2.0).abs() < 1e-12);
        assert!((budget_of(7.0 / 30.0, 8_640, 300) - 1.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn the_threshold_found_is_that_of_trying_each(
            rows in prop::collection::vec(
                (prop::bool::weighted(0.2), prop_oneof![4 => (0..12u8).prop_map(f64::from), 1 => Just(NAN)]),
                2..80,
            ),
            budget in -1.0..6.0f64,
            tolerance in 0..4usize,
            merge in 0..6usize,
        ) {
            let (labels, scores): (Vec<bool>, Vec<f64>) = rows.into_iter().unzip();
            let rules = rules(tolerance, merge);
            let Ok(report) = alarms_within(&labels, &scores, 0, budget, rules) else { return Ok(()) };
            let mut thresholds: Vec<f64> = scores.iter().copied().filter(|x| !x.is_nan()).collect();
            thresholds.sort_by(|a, b| b.total_cmp(a));
            let mut expected = f64::INFINITY;
            for threshold in thresholds {
                let tried = alarms_at(&labels, &scores, 0, threshold, rules).unwrap();
                if tried.false_alarms as f64 > budget { break }
                expected = threshold;
            }
            if budget < 0.0 { expected = f64::INFINITY }
            prop_assert_eq!(report.threshold.to_bits(), expected.to_bits());
        }

        #[test]
        fn several_budgets_are_those_of_each(
            rows in prop::collection::vec(
                (prop::bool::weighted(0.2), prop_oneof![4 => (0..12u8).prop_map(f64::from), 1 => Just(NAN)]),
                2..80,
            ),
            mut budgets in prop::collection::vec(-1.0..6.0f64, 0..5),
        ) {
            budgets.sort_by(f64::total_cmp);
            let (labels, scores): (Vec<bool>, Vec<f64>) = rows.into_iter().unzip();
            let rules = rules(1, 3);
            let Ok(reports) = alarms_within_each(&labels, &scores, 0, &budgets, rules) else { return Ok(()) };
            prop_assert_eq!(reports.len(), budgets.len());
            for (budget, report) in budgets.iter().zip(&reports) {
                let alone = alarms_within(&labels, &scores, 0, *budget, rules).unwrap();
                prop_assert_eq!(&alone, report);
            }
        }

        #[test]
        fn a_larger_budget_never_finds_less(
            rows in prop::collection::vec((prop::bool::weighted(0.2), 0.0..1.0f64), 2..80),
            budget in 0.0..6.0f64,
            more in 0.0..3.0f64,
        ) {
            let (labels, scores): (Vec<bool>, Vec<f64>) = rows.into_iter().unzip();
            let recall = |budget| event_recall_within(&labels, &scores, 0, budget, AlarmRules::default());
            let (Ok(less), Ok(more)) = (recall(budget), recall(budget + more)) else { return Ok(()) };
            prop_assert!((0.0..=1.0).contains(&less) && less <= more);
        }
    }
}
