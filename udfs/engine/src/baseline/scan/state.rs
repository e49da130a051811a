//! Follows a series window by window: the level, the sums, and which windows stand out.

use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use super::model::ScanModel;
use super::span::{Observation, SPANS, SpanSum};
use super::statistic::Statistic;
use crate::baseline::decaying_peak::DecayingPeak;

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
/// Windows in a sum as far out as this do not move the level, …
const QUARANTINE_Z: f64 = 3.0;
/// … at most so many of them, …
const MOST_QUARANTINED: usize = 300;
/// … of which each window that may move it takes back so many.
const RECOVERY: usize = 4;
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
    level: f64,
    /// Of the level; unused for logarithms.
    variance: f64,
    quarantined: usize,
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
}

impl ScanState {
    pub(super) fn new(statistic: &Statistic) -> Self {
        Self {
            seen: 0,
            level: 0.0,
            variance: statistic.first_variance(),
            quarantined: 0,
            cut: 0,
            observations: [Observation::default(); KEPT],
            sums: [Sums::default(); KEPT],
            levels: [0.0; KEPT],
            stands_out: [false; KEPT],
            last_out: None,
            peaks: [DecayingPeak::default(); 2],
        }
    }

    /// The level before the next window.
    pub(super) fn level(&self) -> f64 {
        self.level
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
        let z_scores = judged.map(|judged| judged.map_or(f64::NAN, |(_, z_score)| z_score));
        let is_learning_spread = purpose == Purpose::FirstRound;
        for (number, z_score) in z_scores.iter().enumerate().skip(RECENT) {
            if z_score.abs() > QUARANTINE_Z && !is_learning_spread {
                self.last_out = Some(now);
                for window in self.first_of(number, now)..=now {
                    self.stands_out[window % KEPT] = true;
                }
            }
        }
        self.move_level(&model.statistic, now);
        self.seen += 1;
        z_scores
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
        let first = (now + 1).saturating_sub(SPANS[number]);
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
            if now + 1 < SPANS[number] {
                break;
            }
            let first = self.first_of(number, now);
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
    fn move_level(&mut self, statistic: &Statistic, now: usize) {
        statistic.forget(&mut self.level, &mut self.variance);
        let Some(window) = now.checked_sub(DELAY) else {
            return;
        };
        let observation = self.observations[window % KEPT];
        if !observation.is_known {
            return;
        }
        if !self.stands_out[window % KEPT] {
            self.quarantined = self.quarantined.saturating_sub(RECOVERY);
        } else if self.quarantined < MOST_QUARANTINED {
            self.quarantined += 1;
            return;
        }
        statistic.follow(&mut self.level, &mut self.variance, observation);
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
