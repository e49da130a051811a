//! Follows a series window by window: the level, the sums, and which windows stand out.

use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use super::model::ScanModel;
use super::span::{Observation, SPANS, SpanSum};
use super::statistic::Statistic;
use crate::baseline::memory::Memory;

/// The span that says whether an anomaly goes on.
const RECENT: usize = 1;
/// The first span that can be cut.
const FIRST_CUT: usize = 2;
/// The level has seen the windows up to so many before.
const DELAY: usize = 15;
/// A long sum as far out as this is cut when the recent windows support less than this share of
/// it.
const CUT_DEVIATE: f64 = 2.5;
const CUT_SUPPORT: f64 = 0.5;
/// Windows in a sum as far out as this do not move the level, …
const QUARANTINE_DEVIATE: f64 = 3.0;
/// … at most so many of them, …
const MOST_QUARANTINED: usize = 300;
/// … of which each window that may move it takes back so many.
const RECOVERY: usize = 4;
/// Windows that are remembered: at least the longest span and the delay.
const MEMORY: usize = 128;

/// What a pass over windows is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To learn how sums spread, of which nothing is known yet: no window stands out.
    FirstRound,
    /// To learn it better. Deviates too small to matter may be 0.
    LaterRound,
    /// The largest deviate of each side counts; others may be 0.
    Scoring,
}

/// Sums over all windows before one.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Sums {
    values: f64,
    habits: f64,
    known: usize,
}

/// The sum and the deviate of each span that ends with a window.
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
    /// Of the last windows, each at its number modulo [`MEMORY`].
    #[serde(with = "BigArray")]
    observations: [Observation; MEMORY],
    #[serde(with = "BigArray")]
    sums: [Sums; MEMORY],
    #[serde(with = "BigArray")]
    levels: [f64; MEMORY],
    #[serde(with = "BigArray")]
    stands_out: [bool; MEMORY],
    /// The newest window at which something stood out.
    last_out: Option<usize>,
    /// Below, above.
    memories: [Memory; 2],
}

impl ScanState {
    pub(super) fn new(statistic: &Statistic) -> Self {
        Self {
            seen: 0,
            level: 0.0,
            variance: statistic.first_variance(),
            quarantined: 0,
            cut: 0,
            observations: [Observation::default(); MEMORY],
            sums: [Sums::default(); MEMORY],
            levels: [0.0; MEMORY],
            stands_out: [false; MEMORY],
            last_out: None,
            memories: [Memory::default(); 2],
        }
    }

    /// The level before the next window.
    pub(super) fn level(&self) -> f64 {
        self.level
    }

    /// Takes how far out the newest window is, and says what lingered before it.
    pub(super) fn remember(&mut self, largest: [f64; 2]) -> [f64; 2] {
        let mut sides = largest;
        for (side, memory) in sides.iter_mut().zip(&mut self.memories) {
            *side = memory.step(*side);
        }
        sides
    }

    /// Whether no window in the reach of sums stands out.
    pub(super) fn is_calm(&self) -> bool {
        let [.., longest] = SPANS;
        self.last_out.is_none_or(|out| out + longest < self.seen)
    }

    /// Takes the next window. `found` gets its number and every sum that has a deviate.
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
        let deviates = judged.map(|judged| judged.map_or(f64::NAN, |(_, deviate)| deviate));
        let is_learning_spread = purpose == Purpose::FirstRound;
        for (number, deviate) in deviates.iter().enumerate().skip(RECENT) {
            if deviate.abs() > QUARANTINE_DEVIATE && !is_learning_spread {
                self.last_out = Some(now);
                for window in self.first_of(number, now)..=now {
                    self.stands_out[window % MEMORY] = true;
                }
            }
        }
        self.move_level(&model.statistic, now);
        self.seen += 1;
        deviates
    }

    fn enter(&mut self, now: usize, observation: Observation) {
        let place = now % MEMORY;
        self.observations[place] = observation;
        self.stands_out[place] = false;
        self.levels[place] = self.level;
        let mut sums = self.sums[place];
        if observation.is_known {
            sums.values += observation.value;
            sums.habits += observation.habit;
            sums.known += 1;
        }
        self.sums[(now + 1) % MEMORY] = sums;
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
                let side = &mut largest[usize::from(sum.value > sum.habit * sum.factor)];
                let matters = if purpose == Purpose::Scoring {
                    side.min(CUT_DEVIATE)
                } else {
                    CUT_DEVIATE
                };
                let deviate = if statistic.is_within(&sum, matters) {
                    0.0
                } else {
                    statistic.deviate(&sum)
                };
                *side = side.max(deviate.abs());
                *judged = Some((sum, deviate));
            }
        }
        judged
    }

    /// The level that has not seen the windows from one to the newest.
    fn level_before(&self, first: usize, now: usize, decay: f64) -> f64 {
        let back = (now + 1 - first).saturating_sub(DELAY);
        let level = self.levels[now.saturating_sub(back) % MEMORY];
        level * decay.powi(back as i32)
    }

    fn sum(&self, number: usize, first: usize, now: usize, factor: f64) -> SpanSum {
        let before = self.sums[first % MEMORY];
        let after = self.sums[(now + 1) % MEMORY];
        SpanSum {
            number,
            value: after.values - before.values,
            habit: after.habits - before.habits,
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
        let observation = self.observations[window % MEMORY];
        if !observation.is_known {
            return;
        }
        if !self.stands_out[window % MEMORY] {
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
    long.any(|(long, deviate)| {
        deviate.abs() > CUT_DEVIATE
            && judged[RECENT].as_ref().is_some_and(|(recent, _)| {
                let support = statistic.shift(recent) * deviate.signum();
                support < CUT_SUPPORT * statistic.shift(long).abs()
            })
    })
}
