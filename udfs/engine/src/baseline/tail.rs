//! The distribution of excesses: how rare each is.
//!
//! Up to a level that the history passed some twelve times a day, an excess is ranked among those
//! of the history: a conformal rank (Vovk, Gammerman & Shafer 2005). Beyond it the number of alarms
//! falls with a power of the excess: peaks over threshold as in Siffer et al., "Anomaly Detection
//! in Streams with Extreme Value Theory" (KDD 2017), with a Pareto tail. Windows close to each
//! other are one alarm: runs declustering (Leadbetter 1991), since what a user counts is alarms.
//!
//! Z-scores that are about standard normal ([`super::scan`]) have a tail of that form instead,
//! widened by what the history shows: the number of alarms falls with `e^(−λz²/2)`.
//!
//! A classifier's odds of anomalous against normal are a likelihood ratio, whose mean in normal
//! traffic is 1: windows that reach r times the odds are an r-th at most as frequent (Markov's
//! inequality). As an excess they are taken to the power of the usual shape, so that the usual tail
//! says just that, and a heavier one where the odds are overstated.
//!
//! A history has anomalies of its own, which nobody has marked. A tail fitted to them would call
//! them normal, so its shape is that of most series, and heavier only where the history is much
//! heavier. The constants were chosen on the KPI series of `AIOps` 2018 and half of those of WSD and
//! IOPS in TSB-AD.

use serde::{Deserialize, Serialize};

use super::alarm_levels::AlarmLevels;
use super::decaying_peak::DecayingPeak;
use super::history::MIN_WINDOWS;

/// Alarms per window at the level where the tail begins: twelve a day of minutes.
const TAIL_RATE: f64 = 1.0 / 120.0;
/// A level that so many alarms do not reach begins later: the rate is halved so often at most.
const MOST_HALVINGS: usize = 4;
/// The smallest excess that a tail begins at: half of what the usual reaches.
const SMALLEST_LEVEL: f64 = 0.5;
/// An excess below this is none: rounding has no tail.
const LEAST_EXCESS: f64 = 0.01;
/// Shape ξ of most series with a long history, what a short one adds, and in how many days that
/// fades to a third.
const SHAPE: f64 = 0.18;
const SHORT_SHAPE: f64 = 0.06;
const SHORT_DAYS: f64 = 7.0;
/// A history may be heavier by so much before its own shape counts.
const SHAPE_MARGIN: f64 = 0.1;
const LARGEST_SHAPE: f64 = 1.2;
/// A tail of z-scores begins here at the earliest: a standard normal one has that every hour or
/// two.
const SMALLEST_Z: f64 = 2.5;
/// λ is that of fewer alarms than chance explains, and no smaller than for z-scores that are
/// mostly something else.
const LARGEST_NARROWNESS: f64 = 0.9;
const SMALLEST_NARROWNESS: f64 = 0.1;
/// z² of a standard normal variable rises by this where there are a quarter as many alarms.
const QUARTER_RISE: f64 = 3.58;
/// Z-scores of which alarms reach this, or rise by this share to a quarter as many, are not normal:
/// the larger of both tails holds.
const UNUSUAL_Z: f64 = 3.5;
const UNUSUAL_RISE: f64 = 1.6;
/// Beyond this, z-scores are equally impossible.
const LARGEST_Z: f64 = 125.0;
/// Quantiles that a tail has of the excesses below its level.
const QUANTILES: usize = 64;

/// The distribution of excesses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tail {
    /// The excess where the tail begins; positive.
    pub level: f64,
    /// Alarms per window at the level.
    pub rate: f64,
    /// Share of windows at or above the level.
    pub share: f64,
    law: Law,
    /// Excess at evenly spaced ranks below the level, ascending.
    #[serde(rename = "knots")]
    quantiles: Vec<f64>,
}

impl Tail {
    /// Learns from the excesses of consecutive windows, NaN where there is none, over so many
    /// days.
    ///
    /// `None` for fewer than [`MIN_WINDOWS`].
    #[must_use]
    pub fn of_excesses(excess: &[f64], days: f64) -> Option<Self> {
        let sample = Sample::new(excess)?;
        let shape = sample.shape(days);
        Some(sample.tail(
            excess,
            sample.level.max(SMALLEST_LEVEL),
            Law::Power { shape },
            days,
        ))
    }

    /// Learns from how far out the z-scores of consecutive windows are on one side, NaN where
    /// there is none, over so many days.
    ///
    /// `None` for fewer than [`MIN_WINDOWS`].
    #[must_use]
    pub fn of_z_scores(z_scores: &[f64], days: f64) -> Option<Self> {
        let sample = Sample::new(z_scores)?;
        let (level, rarer) = (sample.level, sample.rarer_level);
        let rise = rarer * rarer - level * level;
        let narrowness = if rise > 0.0 && level > 1.0 {
            (QUARTER_RISE / rise).clamp(SMALLEST_NARROWNESS, LARGEST_NARROWNESS)
        } else {
            LARGEST_NARROWNESS
        };
        let is_unusual = level > UNUSUAL_Z || rarer > UNUSUAL_RISE * level.max(2.0);
        let law = Law::Normal {
            narrowness,
            shape: is_unusual.then(|| sample.shape(days)),
        };
        Some(sample.tail(z_scores, level.max(SMALLEST_Z), law, days))
    }

    /// Learns from a classifier's log-odds of consecutive normal windows, NaN where there is none,
    /// over so many days.
    ///
    /// `None` for fewer than [`MIN_WINDOWS`].
    #[must_use]
    pub fn of_log_odds(log_odds: &[f64], days: f64) -> Option<Self> {
        let excess: Vec<f64> = log_odds
            .iter()
            .map(|odds| Self::odds_excess(*odds))
            .collect();
        let sample = Sample::new(&excess)?;
        let law = Law::Power {
            shape: sample.shape(days),
        };
        let mut tail = sample.begin(sample.level.max(SMALLEST_LEVEL), law);
        tail.rank(excess);
        Some(tail)
    }

    /// The excess of a window with such log-odds; positive.
    #[must_use]
    pub fn odds_excess(log_odds: f64) -> f64 {
        (SHAPE * log_odds).exp()
    }

    /// Whether every number makes sense, as those that were read from a file may not.
    pub(crate) fn is_sound(&self) -> bool {
        let is_share = |share: f64| share > 0.0 && share <= 1.0;
        let shape = match self.law {
            Law::Power { shape } => Some(shape),
            Law::Normal { shape, narrowness } if narrowness > 0.0 => shape,
            Law::Normal { .. } => Some(f64::NAN),
        };
        self.level > 0.0
            && self.level.is_finite()
            && is_share(self.rate)
            && is_share(self.share)
            && shape.is_none_or(|shape| shape > 0.0 && shape <= LARGEST_SHAPE)
            && self.quantiles.len() == QUANTILES
            && self.quantiles.is_sorted()
            && self
                .quantiles
                .iter()
                .all(|quantile| *quantile <= self.level)
    }

    /// Takes the ranks below the level from excesses, NaN where there is none.
    fn rank(&mut self, excess: impl IntoIterator<Item = f64>) {
        let known = excess.into_iter().filter(|excess| !excess.is_nan());
        let mut sorted: Vec<f64> = known.collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let count = sorted.len();
        let below = sorted.partition_point(|x| *x < self.level);
        // One more than there are, as if the window to be ranked were one of them.
        self.share = ((count - below + 1) as f64 / (count + 1) as f64).max(self.rate);
        let last = below.saturating_sub(1);
        self.quantiles = (0..QUANTILES)
            .map(|quantile| sorted[last * quantile / (QUANTILES - 1)].min(self.level))
            .collect();
    }

    /// ln of the share of windows with at least this excess, in (−∞, 0].
    #[must_use]
    pub fn ln_p(&self, excess: f64) -> f64 {
        if excess < LEAST_EXCESS {
            return 0.0;
        }
        if excess >= self.level {
            return self.share.ln() - self.law.fall(excess, self.level);
        }
        // Of windows below the level, the share at or above the excess.
        let below = |excess: f64| self.quantiles.partition_point(|rank| *rank < excess);
        let above = below(excess);
        let rank = if above == 0 {
            0.0
        } else {
            // Windows of equal excess are all at least as far out as each other, so between two
            // excesses the share falls from that of the first of the lower ones.
            let low = self.quantiles[above - 1];
            let (last, high) = match self.quantiles.get(above) {
                Some(high) => (above, *high),
                None => (QUANTILES - 1, self.level),
            };
            let first = below(low).min(last);
            first as f64 + (last - first) as f64 * (excess - low) / (high - low)
        };
        let remaining = 1.0 - rank / (QUANTILES - 1) as f64;
        (self.share + (1.0 - self.share) * remaining).ln()
    }

    /// Share of windows that are alarms at a level with so many alarms per window, in (0, 1].
    #[must_use]
    pub fn p_at_rate(&self, alarms_per_window: f64) -> f64 {
        (alarms_per_window / self.rate * self.share).min(1.0)
    }

    /// Alarms per window where this share of windows are alarms.
    #[must_use]
    pub fn rate_at_p(&self, p: f64) -> f64 {
        p / self.share * self.rate
    }

    /// The smallest excess with at most this share of windows at or above it.
    #[must_use]
    pub fn excess_at(&self, p: f64) -> f64 {
        if p <= self.share {
            return self.law.reach((self.share / p).ln(), self.level);
        }
        let remaining = ((p - self.share) / (1.0 - self.share)).min(1.0);
        let rank = (1.0 - remaining) * (QUANTILES - 1) as f64;
        let low = self.quantiles[rank as usize];
        let first = self.quantiles.partition_point(|quantile| *quantile < low);
        let above = self.quantiles.partition_point(|quantile| *quantile <= low);
        let (last, high) = match self.quantiles.get(above) {
            Some(high) => (above, *high),
            None => (QUANTILES - 1, self.level),
        };
        if last == first {
            return high;
        }
        low + (high - low) * (rank - first as f64) / (last - first) as f64
    }

    /// The excess that a decayed peak is worth where alarms begin at a rate per window: about the
    /// peak where it is small, and below every alarm however large it is.
    #[must_use]
    pub(crate) fn saturated(&self, peak: f64, alarms_per_window: f64) -> f64 {
        let alarm = self.excess_at(self.p_at_rate(alarms_per_window));
        alarm * peak / (alarm + peak)
    }
}

/// The law by which alarms become rarer beyond the level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Law {
    /// With the excess to the power of −1/ξ.
    Power {
        /// ξ.
        shape: f64,
    },
    /// With `e^(−λz²/2)`.
    Normal {
        /// λ.
        narrowness: f64,
        /// No faster than a power with this ξ.
        shape: Option<f64>,
    },
}

impl Law {
    /// −ln of the share of alarms at the level that reach the excess, which is above it.
    fn fall(self, excess: f64, level: f64) -> f64 {
        let of_power = |shape: f64| (excess / level).ln() / shape;
        match self {
            Self::Power { shape } => of_power(shape),
            Self::Normal { narrowness, shape } => {
                let excess = excess.min(LARGEST_Z);
                let fall = narrowness * (excess * excess - level * level).max(0.0) / 2.0;
                shape.map_or(fall, |shape| fall.min(of_power(shape)))
            }
        }
    }

    /// The excess at which that is `fall`.
    fn reach(self, fall: f64, level: f64) -> f64 {
        let of_power = |shape: f64| level * (fall * shape).exp();
        match self {
            Self::Power { shape } => of_power(shape),
            Self::Normal { narrowness, shape } => {
                let reach = (level * level + 2.0 * fall / narrowness).sqrt();
                shape.map_or(reach, |shape| reach.max(of_power(shape)))
            }
        }
    }
}

/// Where the tail of a history begins.
struct Sample {
    /// Alarms per window at the level.
    rate: f64,
    level: f64,
    /// The excess that a quarter as many alarms reach.
    rarer_level: f64,
}

impl Sample {
    fn new(excess: &[f64]) -> Option<Self> {
        let count = excess.iter().filter(|excess| !excess.is_nan()).count();
        if count < MIN_WINDOWS {
            return None;
        }
        let levels = AlarmLevels::new(excess, TAIL_RATE);
        let (mut rate, mut level) = (TAIL_RATE, 0.0);
        for halving in 0..=MOST_HALVINGS {
            rate = TAIL_RATE / f64::from(1u32 << halving);
            level = levels.at(rate * count as f64);
            if level > SMALLEST_LEVEL {
                break;
            }
        }
        let rarer_level = levels.at(rate / 4.0 * count as f64);
        Some(Self {
            rate,
            level,
            rarer_level,
        })
    }

    /// The shape of a Pareto tail.
    fn shape(&self, days: f64) -> f64 {
        let heavier = (self.rarer_level / self.level).ln() / 4f64.ln();
        let usual = SHAPE + SHORT_SHAPE * (-days / SHORT_DAYS).exp();
        let shape = if heavier.is_finite() {
            usual + (heavier - usual - SHAPE_MARGIN).max(0.0)
        } else {
            usual
        };
        shape.min(LARGEST_SHAPE)
    }

    /// The tail with this law beyond a level, without ranks.
    fn begin(&self, level: f64, law: Law) -> Tail {
        Tail {
            level: if level.is_finite() {
                level
            } else {
                SMALLEST_LEVEL
            },
            rate: self.rate,
            share: self.rate,
            law,
            quantiles: Vec::new(),
        }
    }

    /// The tail with this law beyond a level. Ranks are those of excesses as they are scored: with
    /// the decayed peak of the windows before.
    fn tail(&self, excess: &[f64], level: f64, law: Law, days: f64) -> Tail {
        let mut tail = self.begin(level, law);
        let daily = days / excess.len() as f64;
        if daily > tail.rate {
            // An alarm a day is then no matter of the tail.
            tail.rank(excess.iter().copied());
        }
        let mut peak = DecayingPeak::default();
        let held = excess.iter().map(|excess| {
            let before = peak.step(*excess);
            if before > *excess {
                excess.max(tail.saturated(before, daily))
            } else {
                *excess
            }
        });
        let held: Vec<f64> = held.collect();
        tail.rank(held);
        tail
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Excesses of a Pareto tail of shape ξ, in no order, far enough apart not to merge.
    fn pareto(shape: f64, alarms: usize) -> Vec<f64> {
        let mut excess = vec![0.1; alarms * 20];
        for alarm in 0..alarms {
            let p = (alarm as f64 + 0.5) / alarms as f64;
            excess[alarm * 7_919 % alarms * 20] = p.powf(-shape);
        }
        excess
    }

    #[test]
    fn the_rate_of_alarms_follows_the_tail() {
        let excess = pareto(0.2, 2_000);
        let tail = Tail::of_excesses(&excess, 28.0).unwrap();
        assert!((tail.rate - 1.0 / 120.0).abs() < 1e-12);
        for rate in [1e-3, 1e-4] {
            let threshold = tail.excess_at(tail.p_at_rate(rate));
            let found = excess.iter().filter(|x| **x >= threshold).count();
            let asked = rate * excess.len() as f64;
            let ratio = found as f64 / asked;
            assert!((0.5..2.0).contains(&ratio), "{found} of {asked}");
        }
    }

    #[test]
    fn anomalies_in_the_history_do_not_raise_the_threshold_much() {
        let clean = pareto(0.15, 2_000);
        let mut with_events = clean.clone();
        for event in 0..20 {
            with_events[event * 1_900 + 3] = 50.0;
        }
        let threshold = |excess: &[f64]| {
            let tail = Tail::of_excesses(excess, 28.0).unwrap();
            tail.excess_at(tail.p_at_rate(1e-4))
        };
        assert!(threshold(&with_events) < 1.2 * threshold(&clean));
        assert!(threshold(&pareto(0.6, 2_000)) > 3.0 * threshold(&clean));
    }

    #[test]
    fn silence_has_a_tail() {
        let tail = Tail::of_excesses(&vec![0.0; 500], 1.0).unwrap();
        assert!(tail.ln_p(0.0) > -0.01);
        // What is hardly more than nothing is hardly rarer.
        assert!(tail.ln_p(0.01) > -0.05);
        assert!(tail.ln_p(100.0) < -20.0);
        assert!(Tail::of_excesses(&vec![0.0; MIN_WINDOWS - 1], 1.0).is_none());
        assert!(Tail::of_excesses(&vec![f64::NAN; 500], 1.0).is_none());
    }

    /// Normal windows whose odds are what they claim to be: a threshold holds its rate.
    #[test]
    fn honest_odds_have_the_usual_tail() {
        let alarms = 2_000;
        let mut log_odds = vec![-9.0; alarms * 20];
        for alarm in 0..alarms {
            let p = (alarm as f64 + 0.5) / alarms as f64;
            log_odds[alarm * 7_919 % alarms * 20] = -2.0 - p.ln();
        }
        let tail = Tail::of_log_odds(&log_odds, 28.0).unwrap();
        for rate in [1e-3, 1e-4] {
            let threshold = tail.excess_at(tail.p_at_rate(rate));
            let found = log_odds
                .iter()
                .filter(|odds| Tail::odds_excess(**odds) >= threshold);
            let ratio = found.count() as f64 / (rate * log_odds.len() as f64);
            assert!((0.5..2.0).contains(&ratio), "{ratio}");
        }
        assert!(tail.is_sound());
        let read: Tail = serde_json::from_str(&serde_json::to_string(&tail).unwrap()).unwrap();
        assert!(read.is_sound());
        let unsound = Tail { share: 0.0, ..read };
        assert!(!unsound.is_sound());
    }

    proptest! {
        #[test]
        fn p_falls_with_the_excess(
            excess in prop::collection::vec(
                prop_oneof![6 => 0.0..2.0f64, 1 => Just(0.5), 1 => Just(f64::NAN), 1 => 2.0..50.0f64],
                MIN_WINDOWS + 60..600,
            ),
            a in 0.0..60.0f64,
            b in 0.0..60.0f64,
        ) {
            let Some(tail) = Tail::of_excesses(&excess, 3.0) else { return Ok(()) };
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(tail.ln_p(low) >= tail.ln_p(high) - 1e-12);
            prop_assert!(tail.ln_p(low) <= 1e-12);
            for p in [1e-4, 0.03, 0.5, 1.0] {
                prop_assert!(tail.ln_p(tail.excess_at(p)) <= f64::ln(p) + 1e-9);
            }
            let p = tail.p_at_rate(1e-4);
            prop_assert!((tail.rate_at_p(p) - 1e-4).abs() < 1e-12);
            prop_assert!(tail.ln_p(tail.excess_at(p)) <= p.ln() + 1e-9);
        }
    }
}
