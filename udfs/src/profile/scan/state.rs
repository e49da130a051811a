//! Follows a series window by window: the level, the sums, and which windows stand out.

use crate::profile::memory::Memory;

use super::{Deviation, Observation, SPANS, ScanModel, SpanSum, Statistic};

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

/// What a pass over windows does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    quarantine_deviate: f64,
    /// Deviates surely smaller than this may be taken for 0.
    least_deviate: f64,
}

impl Rules {
    /// Every deviate counts.
    pub(super) const SCORING: Self = Self {
        quarantine_deviate: QUARANTINE_DEVIATE,
        least_deviate: 0.0,
    };

    /// The rules of a round of learning: the first knows no spread yet.
    pub(super) fn of_round(round: usize) -> Self {
        Self {
            quarantine_deviate: if round == 0 {
                f64::INFINITY
            } else {
                QUARANTINE_DEVIATE
            },
            least_deviate: CUT_DEVIATE,
        }
    }
}

/// Sums over all windows before one.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    values: f64,
    habits: f64,
    known: usize,
}

/// What is known of each span that ends with a window.
type Judged = [Option<(SpanSum, Deviation)>; SPANS.len()];

/// Where a scan stands after some windows.
#[derive(Debug, Clone)]
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
    observations: [Observation; MEMORY],
    sums: [Sums; MEMORY],
    levels: [f64; MEMORY],
    stands_out: [bool; MEMORY],
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
        let reach = self.seen.saturating_sub(longest)..self.seen;
        !reach.rev().any(|window| self.stands_out[window % MEMORY])
    }

    /// Takes the next window. `found` gets its number and every sum that has a deviate.
    pub(super) fn step(
        &mut self,
        model: &ScanModel,
        observation: Observation,
        rules: Rules,
        found: &mut impl FnMut(usize, SpanSum),
    ) -> [f64; SPANS.len()] {
        let now = self.seen;
        self.enter(now, observation);
        let mut judged = self.judge(model, now, rules);
        if is_to_cut(&judged) {
            self.cut = now.saturating_sub(SPANS[RECENT] - 1);
            judged = self.judge(model, now, rules);
        }
        judged
            .iter()
            .flatten()
            .for_each(|(sum, _)| found(now, *sum));
        let deviates = judged.map(|judged| judged.map_or(f64::NAN, |(_, found)| found.deviate));
        for (number, deviate) in deviates.iter().enumerate().skip(RECENT) {
            if deviate.abs() > rules.quarantine_deviate {
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

    fn judge(&self, model: &ScanModel, now: usize, rules: Rules) -> Judged {
        let mut judged = [None; SPANS.len()];
        for (number, judged) in judged.iter_mut().enumerate().take(model.spans) {
            if now + 1 < SPANS[number] {
                break;
            }
            let first = self.first_of(number, now);
            // After a cut a span says nothing that the one before it does not, until it is longer.
            let least = if number < FIRST_CUT {
                0
            } else {
                SPANS[number - 1]
            };
            let sum = self.sum(number, first, now, model.statistic.decay());
            if sum.known > least && 2 * sum.known >= now + 1 - first {
                *judged = Some((sum, model.statistic.deviation(sum, rules.least_deviate)));
            }
        }
        judged
    }

    fn sum(&self, number: usize, first: usize, now: usize, decay: f64) -> SpanSum {
        let before = self.sums[first % MEMORY];
        let after = self.sums[(now + 1) % MEMORY];
        // The level has not seen the span.
        let back = (now + 1 - first).saturating_sub(DELAY);
        let level = self.levels[now.saturating_sub(back) % MEMORY];
        SpanSum {
            number,
            value: after.values - before.values,
            habit: after.habits - before.habits,
            known: after.known - before.known,
            level: level * decay.powi(back as i32),
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
fn is_to_cut(judged: &Judged) -> bool {
    let recent = judged[RECENT].map_or(f64::NAN, |(_, recent)| recent.shift);
    judged[FIRST_CUT..].iter().flatten().any(|(_, long)| {
        let support = recent * long.deviate.signum();
        long.deviate.abs() > CUT_DEVIATE && support < CUT_SUPPORT * long.shift.abs()
    })
}
