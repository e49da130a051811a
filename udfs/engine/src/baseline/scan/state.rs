//! Follows a series window by window: the level, the sums, and which windows stand out.

use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use super::model::ScanModel;
use super::span::{Observation, SPANS, SpanSum};
use super::statistic::Statistic;
use crate::baseline::clock::Clock;
use crate::baseline::decaying_peak::DecayingPeak;
use crate::baseline::recurrence::Recurrence;

/// The span that says whether an anomaly goes on.
const RECENT: usize = 1;
/// The first span that can be cut.
const FIRST_CUT: usize = 2;
/// The level has seen the windows up to so many before.
const DELAY: usize = 15;
/// A long sum as far out as this is cut when the recent windows support less than this share of
/// it.
const CUT_Z: f64 = 2.5;
const CUT_SUPPORT: f64 = 0.5;
/// Windows in a sum as far out as this do not move the level.
const QUARANTINE_Z: f64 = 3.0;
/// What stands out lasts while its longest sum is beyond this, and is over below that.
const LASTS_Z: f64 = 2.0;
const OVER_Z: f64 = 1.0;
/// The base follows the windows that do not stand out in so many days.
const BASE_DAYS: f64 = 3.0;
/// A base is remembered for so many days after it was given up, and taken up again after so many
/// windows at it.
const REMEMBERED_DAYS: usize = 7;
const RETURNED_AFTER: usize = 60;
/// Windows that are kept: at least the longest span and the delay.
const KEPT: usize = 128;

/// The purpose of a pass over windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To learn how sums spread, of which nothing is known yet: no window stands out.
    FirstRound,
    /// To learn it better. Z-scores too small to matter may be 0.
    LaterRound,
    /// The largest z-score of each side counts; others may be 0.
    Scoring,
}

/// Sums over all windows before one.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Sums {
    values: f64,
    references: f64,
    known: usize,
}

/// The sum and the z-score of each span that ends with a window.
type Judged = [Option<(SpanSum, f64)>; SPANS.len()];

/// Where a scan stands after some windows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScanState {
    /// Windows seen.
    seen: usize,
    /// How far the series lies above its seasonal profile for days, on a logarithmic scale.
    base: f64,
    /// The base before it was given up for another, and the window until which it is remembered.
    former: Option<(f64, usize)>,
    /// Windows that stand out below and above less those that do not; and those of them that are back
    /// at the former base.
    lasting: [usize; 2],
    returned: usize,
    /// Windows before this one are of another base.
    begin: usize,
    /// About the base.
    level: f64,
    /// Of the level; unused for logarithms.
    variance: f64,
    /// Long sums begin here at the earliest, in windows seen.
    cut: usize,
    /// Of the last windows, each at its number modulo [`KEPT`].
    #[serde(with = "BigArray")]
    observations: [Observation; KEPT],
    #[serde(with = "BigArray")]
    sums: [Sums; KEPT],
    #[serde(with = "BigArray")]
    levels: [f64; KEPT],
    #[serde(with = "BigArray")]
    stands_out: [bool; KEPT],
    /// The newest window at which something stood out.
    last_out: Option<usize>,
    /// Below, above.
    peaks: [DecayingPeak; 2],
    recurrence: Recurrence,
    /// The same of single windows, where these are told apart.
    single_peaks: [DecayingPeak; 2],
    single_recurrence: Recurrence,
}

impl ScanState {
    pub(super) fn new(statistic: &Statistic, base: f64) -> Self {
        Self {
            seen: 0,
            base,
            former: None,
            lasting: [0; 2],
            returned: 0,
            begin: 0,
            level: 0.0,
            variance: statistic.first_variance(),
            cut: 0,
            observations: [Observation::default(); KEPT],
            sums: [Sums::default(); KEPT],
            levels: [0.0; KEPT],
            stands_out: [false; KEPT],
            last_out: None,
            peaks: [DecayingPeak::default(); 2],
            recurrence: Recurrence::default(),
            single_peaks: [DecayingPeak::default(); 2],
            single_recurrence: Recurrence::default(),
        }
    }

    /// The base before the next window.
    pub(super) fn base(&self) -> f64 {
        self.base
    }

    /// The level before the next window.
    pub(super) fn level(&self) -> f64 {
        self.level
    }

    /// The largest z-scores of a window below and above, at least 0, without those that came back at
    /// its time; and these.
    ///
    /// A sum says nothing of a window that lies on the other side of what was expected of it: an
    /// alarm is of the window that it stands at.
    pub(super) fn weigh(
        &mut self,
        clock: Clock,
        index: i64,
        error: f64,
        z_scores: [f64; SPANS.len()],
    ) -> ([f64; 2], [f64; 2]) {
        // NaN counts for nothing.
        let most = |side: f64| z_scores.iter().fold(0.0, |most: f64, z| most.max(side * z));
        let largest = [most(-1.0), most(1.0)];
        let expected = self.recurrence.step(clock, index, largest, QUARANTINE_Z);
        let is_other_side = [error > 0.0, error < 0.0];
        let beyond = [0, 1].map(|side| {
            if is_other_side[side] {
                0.0
            } else {
                (largest[side] - expected[side]).max(0.0)
            }
        });
        (beyond, expected)
    }

    /// How far out a single window is below and above, at least 0, without what came back at its time;
    /// and the decayed peaks of those before.
    pub(super) fn weigh_single(
        &mut self,
        clock: Clock,
        index: i64,
        single: f64,
    ) -> ([f64; 2], [f64; 2]) {
        // NaN counts for nothing.
        let sizes = [(-single).max(0.0), single.max(0.0)];
        let recurrence = &mut self.single_recurrence;
        let expected = recurrence.step(clock, index, sizes, QUARANTINE_Z);
        let beyond = [0, 1].map(|side| (sizes[side] - expected[side]).max(0.0));
        let mut peaks = beyond;
        for (side, peak) in peaks.iter_mut().zip(&mut self.single_peaks) {
            *side = peak.step(*side);
        }
        (beyond, peaks)
    }

    /// Takes how far out the newest window is, and returns the decayed peaks of the windows before it.
    pub(super) fn hold_peaks(&mut self, largest: [f64; 2]) -> [f64; 2] {
        let mut sides = largest;
        for (side, peak) in sides.iter_mut().zip(&mut self.peaks) {
            *side = peak.step(*side);
        }
        sides
    }

    /// Whether no window in the reach of sums stands out.
    pub(super) fn is_calm(&self) -> bool {
        let [.., longest] = SPANS;
        self.last_out.is_none_or(|out| out + longest < self.seen)
    }

    /// Takes the next window. `found` gets its number and every sum that has a z-score.
    pub(super) fn step(
        &mut self,
        model: &ScanModel,
        observation: Observation,
        purpose: Purpose,
        found: &mut impl FnMut(usize, SpanSum),
    ) -> [f64; SPANS.len()] {
        let now = self.seen;
        self.enter(now, observation);
        let mut judged = self.judge(model, now, purpose);
        if is_to_cut(&model.statistic, &judged) {
            self.cut = now.saturating_sub(SPANS[RECENT] - 1);
            judged = self.judge(model, now, purpose);
        }
        judged
            .iter()
            .flatten()
            .for_each(|(sum, _)| found(now, *sum));
        let mut z_scores = judged.map(|judged| judged.map_or(f64::NAN, |(_, z_score)| z_score));
        let mut is_out = [false; 2];
        if purpose != Purpose::FirstRound {
            for (number, z_score) in z_scores.iter().enumerate().skip(RECENT) {
                if z_score.abs() > QUARANTINE_Z {
                    is_out[usize::from(*z_score > 0.0)] = true;
                    self.last_out = Some(now);
                    for window in self.first_of(number, now)..=now {
                        self.stands_out[window % KEPT] = true;
                    }
                }
            }
        }
        self.seen += 1;
        // The longest span that there is says whether what stood out is over.
        let longest = z_scores.iter().rev().find(|z_score| !z_score.is_nan());
        let longest = longest.copied().unwrap_or_default();
        self.forgive_return(model, now, &mut z_scores);
        self.move_base(model, now, is_out, longest);
        if self.begin <= now {
            self.move_level(model, now);
        }
        z_scores
    }

    /// The last windows up to one, of the present base, in no order.
    fn last(&self, now: usize, windows: usize) -> Vec<Observation> {
        let first = (now + 1).saturating_sub(windows).max(self.begin);
        let numbers = first..=now;
        numbers.map(|now| self.observations[now % KEPT]).collect()
    }

    /// Takes what goes back to the former base, and no farther, for no excess.
    fn forgive_return(&mut self, model: &ScanModel, now: usize, z_scores: &mut [f64]) {
        let Some((former, _)) = self.former.filter(|(_, until)| now < *until) else {
            self.former = None;
            return;
        };
        let way = former - self.base;
        let recent = self.last(now, SPANS[RECENT]);
        if recent.len() < SPANS[RECENT] {
            return;
        }
        let beyond = model.statistic.z_score_at(RECENT, &recent, way);
        if beyond * way.signum() > QUARANTINE_Z {
            self.returned = 0;
            return;
        }
        let is_out = |z_score: &f64| z_score * way.signum() > QUARANTINE_Z;
        self.returned = if z_scores.iter().any(is_out) && beyond.abs() <= QUARANTINE_Z {
            self.returned + 1
        } else {
            self.returned.saturating_sub(1)
        };
        for z_score in z_scores.iter_mut() {
            if *z_score * way.signum() > 0.0 {
                *z_score = 0.0;
            }
        }
        if self.returned >= RETURNED_AFTER {
            self.give_up(model, former, now);
        }
    }

    /// Takes what has stood out for long for the new base.
    fn move_base(&mut self, model: &ScanModel, now: usize, is_out: [bool; 2], longest: f64) {
        let places = [-longest, longest];
        for ((lasting, is_out), place) in self.lasting.iter_mut().zip(is_out).zip(places) {
            if is_out || place > LASTS_Z {
                *lasting += 1;
            } else if place < OVER_Z {
                *lasting = lasting.saturating_sub(1);
            }
        }
        if self
            .lasting
            .iter()
            .all(|lasting| *lasting < model.adopted_after)
        {
            return;
        }
        let [.., longest] = SPANS;
        let distance = model.statistic.distance(&self.last(now, longest));
        let is_up = self.lasting[1] >= model.adopted_after;
        self.lasting = [0; 2];
        if (distance > 0.0) == is_up && model.statistic.is_level(distance) {
            self.give_up(model, self.base + distance, now);
        }
    }

    /// Begins anew with a base, and remembers the one before it.
    fn give_up(&mut self, model: &ScanModel, base: f64, now: usize) {
        let until = now + REMEMBERED_DAYS * model.clock.windows_per_day();
        self.former = Some((self.base, until));
        self.base = base;
        self.level = 0.0;
        self.variance = model.statistic.first_variance();
        self.lasting = [0; 2];
        self.returned = 0;
        self.begin = self.seen;
        self.last_out = None;
    }

    fn enter(&mut self, now: usize, observation: Observation) {
        let place = now % KEPT;
        self.observations[place] = observation;
        self.stands_out[place] = false;
        self.levels[place] = self.level;
        let mut sums = self.sums[place];
        if observation.is_known {
            sums.values += observation.value;
            sums.references += observation.reference;
            sums.known += 1;
        }
        self.sums[(now + 1) % KEPT] = sums;
    }

    /// The first window of the span that ends now.
    fn first_of(&self, number: usize, now: usize) -> usize {
        let first = (now + 1).saturating_sub(SPANS[number]).max(self.begin);
        if number < FIRST_CUT {
            first
        } else {
            first.max(self.cut)
        }
    }

    fn judge(&self, model: &ScanModel, now: usize, purpose: Purpose) -> Judged {
        let statistic = &model.statistic;
        let mut judged = [None; SPANS.len()];
        let mut largest = [0.0_f64; 2];
        // Short spans share the level.
        let mut factor = (f64::NAN, f64::NAN);
        for (number, judged) in judged.iter_mut().enumerate().take(model.spans) {
            let first = self.first_of(number, now);
            if now + 1 < SPANS[number]
                || (first == self.begin && now + 1 - first < SPANS[number].min(SPANS[RECENT]))
            {
                break;
            }
            let level = self.level_before(first, now, statistic.decay());
            if level.total_cmp(&factor.0).is_ne() {
                factor = (level, statistic.factor(level));
            }
            let sum = self.sum(number, first, now, factor.1);
            // After a cut a span says nothing that the one before it does not, until it is longer.
            let least = if number < FIRST_CUT {
                0
            } else {
                SPANS[number - 1]
            };
            if sum.known > least && 2 * sum.known >= now + 1 - first {
                let side = &mut largest[usize::from(sum.value > sum.reference * sum.factor)];
                let matters = if purpose == Purpose::Scoring {
                    side.min(CUT_Z)
                } else {
                    CUT_Z
                };
                let z_score = if statistic.is_within(&sum, matters) {
                    0.0
                } else {
                    statistic.z_score(&sum)
                };
                *side = side.max(z_score.abs());
                *judged = Some((sum, z_score));
            }
        }
        judged
    }

    /// The level that has not seen the windows from one to the newest.
    fn level_before(&self, first: usize, now: usize, decay: f64) -> f64 {
        let back = (now + 1 - first).saturating_sub(DELAY);
        let level = self.levels[now.saturating_sub(back) % KEPT];
        level * decay.powi(back as i32)
    }

    fn sum(&self, number: usize, first: usize, now: usize, factor: f64) -> SpanSum {
        let before = self.sums[first % KEPT];
        let after = self.sums[(now + 1) % KEPT];
        SpanSum {
            number,
            value: after.values - before.values,
            reference: after.references - before.references,
            known: after.known - before.known,
            factor,
        }
    }

    /// Lets the window before the delay move the level, unless it stands out.
    fn move_level(&mut self, model: &ScanModel, now: usize) {
        let statistic = &model.statistic;
        statistic.forget(&mut self.level, &mut self.variance);
        let Some(window) = now
            .checked_sub(DELAY)
            .filter(|window| *window >= self.begin)
        else {
            return;
        };
        let observation = self.observations[window % KEPT];
        if !observation.is_known || self.stands_out[window % KEPT] {
            return;
        }
        statistic.follow(&mut self.level, &mut self.variance, observation);
        let share = 1.0 / (BASE_DAYS * model.clock.windows_per_day() as f64);
        self.base += share * statistic.above(observation);
    }
}

/// Whether a long sum stands out and the recent windows do not support it.
fn is_to_cut(statistic: &Statistic, judged: &Judged) -> bool {
    let mut long = judged[FIRST_CUT..].iter().flatten();
    long.any(|(long, z_score)| {
        z_score.abs() > CUT_Z
            && judged[RECENT].as_ref().is_some_and(|(recent, _)| {
                let support = statistic.shift(recent) * z_score.signum();
                support < CUT_SUPPORT * statistic.shift(long).abs()
            })
    })
}
