//! The excess of a window over the usual, with the network measured against the baseline.

use serde::{Deserialize, Serialize};

use crate::baseline::errors::ScaledError;
use crate::baseline::{
    ErrorEvidence, ErrorProfile, Evidence, MetricProfile, ScanProfile, Tail, ZScores,
};
use crate::forecast::{MetricForecast, WindowForecast};

/// The part of the alarms by chance that may say that a metric is near 0, of that of its errors: where it
/// never is, little is enough.
const LOW_WEIGHT: f64 = 0.1;

/// The usual errors of a detector, compared with those of forecasts that need none: the window
/// before, or the expected value of a scan. Measured in training, pooled over series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Per metric, the reach of the detector's errors as a share of that of the others; positive.
    pub errors: Vec<f64>,
    /// Per metric, the excess that alarms reach as often as without the detector's forecast, as a
    /// multiple of that; positive.
    pub excess: Vec<f64>,
}

impl Comparison {
    /// A detector whose errors are those of the others.
    #[must_use]
    pub fn none(metrics: usize) -> Self {
        Self {
            errors: vec![1.0; metrics],
            excess: vec![1.0; metrics],
        }
    }

    /// Whether every number can be divided by.
    pub(crate) fn is_positive(&self) -> bool {
        let numbers = self.errors.iter().chain(&self.excess);
        numbers
            .copied()
            .all(|number| number > 0.0 && number.is_finite())
    }

    /// The excesses of a metric: none where it takes no part, of its errors and of how long it is near 0
    /// where errors are judged, one per side where sums are, and one per side of single windows where
    /// these are told apart.
    #[must_use]
    pub fn excesses<'a>(
        &self,
        window: WindowForecast<'a>,
        metric: usize,
    ) -> [Option<Excess<'a>>; 4] {
        let found = window.metrics[metric].as_ref();
        let Some((found, profile)) = found.zip(window.normal.profile.metrics[metric].as_deref())
        else {
            return [None; 4];
        };
        let slot = window.normal.slot;
        match (profile, found.evidence) {
            (MetricProfile::Errors(profile), Evidence::Errors(evidence)) => [
                self.error_excess(profile, slot, metric, found, &evidence),
                low_excess(profile, slot, found, &evidence),
                None,
                None,
            ],
            (MetricProfile::Scan(profile), Evidence::Scan(z_scores)) => {
                let [below, above] = self.sum_excesses(profile, slot, metric, found, &z_scores);
                let [single_below, single_above] = single_excesses(profile, slot, &z_scores);
                [Some(below), Some(above), single_below, single_above]
            }
            _ => [None; 4],
        }
    }

    /// The z-scores of the sums that end with one window, below and above.
    fn sum_excesses<'a>(
        &self,
        profile: &'a ScanProfile,
        slot: usize,
        metric: usize,
        found: &MetricForecast,
        z_scores: &ZScores,
    ) -> [Excess<'a>; 2] {
        let own = (z_scores.is_calm)
            .then(|| profile.z_score_from(found.value, found.forecast))
            .flatten();
        let own = own.map_or(f64::NAN, |own| own / self.errors[metric]);
        [false, true].map(|is_up| {
            let side = usize::from(is_up);
            let own = if is_up { own } else { -own };
            // `max` takes the other where one is NaN.
            let size = (z_scores.largest[side]).max(own - z_scores.expected_excess[side]);
            Excess {
                size: size / self.excess[metric],
                is_forecast: true,
                weight: 1.0,
                is_up,
                expected: z_scores.expected,
                tail: profile.tail(is_up),
                decayed_peak: z_scores.decayed_peaks[side],
                limits: Limits::Scan {
                    profile,
                    slot,
                    expected: z_scores.expected_excess,
                    share: self.excess[metric],
                },
            }
        })
    }

    /// The largest excess of the errors of one window; `None` where none is known.
    fn error_excess<'a>(
        &self,
        profile: &'a ErrorProfile,
        slot: usize,
        metric: usize,
        found: &MetricForecast,
        evidence: &ErrorEvidence,
    ) -> Option<Excess<'a>> {
        let own = ScaledError {
            expected: evidence.combined(found.forecast),
            scale: &profile.difference,
        };
        let others = profile.errors(evidence).map(|error| (error, 1.0, 0.0));
        let mut largest: Option<Excess<'_>> = None;
        // A network tells nothing that is smaller than the scale of what it reads.
        let own = (own, self.errors[metric], found.scale);
        for (error, share, least) in [own].into_iter().chain(others) {
            let ScaledError { expected, scale } = error;
            let share = share * self.excess[metric];
            let error = found.value - expected;
            let reach = [false, true].map(|is_up| {
                let reach = evidence.unrest * scale.reach(slot, is_up);
                share * reach.max(least)
            });
            let is_up = error > 0.0;
            let beyond = error.abs() / reach[usize::from(is_up)];
            let size = (beyond - evidence.expected[usize::from(is_up)]).max(0.0);
            if !beyond.is_nan() && largest.as_ref().is_none_or(|largest| size > largest.size) {
                largest = Some(Excess {
                    size,
                    is_forecast: true,
                    weight: 1.0,
                    is_up: error >= 0.0,
                    expected,
                    tail: &profile.tail,
                    decayed_peak: evidence.decayed_peak,
                    limits: Limits::Errors {
                        reach,
                        expected: evidence.expected,
                        low: profile.low_tail().zip(profile.near_zero(slot)),
                        low_run: evidence.low_run,
                    },
                });
            }
        }
        largest
    }

    /// The size of the error of the detector's forecast, and that of the forecast that needs no detector
    /// and is measured alike; `None` where there is none.
    #[must_use]
    pub fn errors_of(window: WindowForecast<'_>, metric: usize) -> Option<[f64; 2]> {
        let found = window.metrics[metric].as_ref()?;
        match (
            window.normal.profile.metrics[metric].as_deref()?,
            found.evidence,
        ) {
            (MetricProfile::Errors(profile), Evidence::Errors(evidence)) => {
                let size = |expected| {
                    let error = found.value - expected;
                    profile.difference.excess(window.normal.slot, error)
                };
                let own = evidence.combined(found.forecast);
                Some([size(own), size(evidence.previous)])
            }
            (MetricProfile::Scan(profile), Evidence::Scan(z_scores)) => {
                let size = |expected| profile.z_score_from(found.value, expected).map(f64::abs);
                Some([size(found.forecast)?, size(z_scores.expected)?])
            }
            _ => None,
        }
    }
}

/// How long a metric has been near 0; `None` of one that may be below.
fn low_excess<'a>(
    profile: &'a ErrorProfile,
    slot: usize,
    found: &MetricForecast,
    evidence: &ErrorEvidence,
) -> Option<Excess<'a>> {
    let (tail, near) = profile.low_tail().zip(profile.near_zero(slot))?;
    Some(Excess {
        size: evidence.low_run,
        is_forecast: false,
        weight: LOW_WEIGHT,
        is_up: false,
        expected: profile.usual_value(slot).unwrap_or(found.value),
        tail,
        decayed_peak: 0.0,
        limits: Limits::Low { near },
    })
}

/// How far out a single window is; none where it is not told apart from the sums.
fn single_excesses<'a>(
    profile: &'a ScanProfile,
    slot: usize,
    z_scores: &ZScores,
) -> [Option<Excess<'a>>; 2] {
    [false, true].map(|is_up| {
        let (sizes, peaks) = z_scores.single?;
        let side = usize::from(is_up);
        Some(Excess {
            size: sizes[side],
            is_forecast: false,
            weight: 1.0,
            is_up,
            expected: z_scores.expected,
            tail: profile.single_tail(is_up)?,
            decayed_peak: peaks[side],
            limits: Limits::Scan {
                profile,
                slot,
                expected: [0.0; 2],
                share: 1.0,
            },
        })
    })
}

/// The distance of a metric of a window from what is usual.
#[derive(Debug, Clone, Copy)]
pub struct Excess<'a> {
    /// In reaches of usual errors, or a z-score; at least 0.
    pub size: f64,
    /// Whether the detector's forecast is a part of it.
    pub is_forecast: bool,
    /// Its part of the alarms that may be raised by chance, beside those of others.
    pub(crate) weight: f64,
    pub(crate) is_up: bool,
    pub(crate) expected: f64,
    pub(crate) tail: &'a Tail,
    decayed_peak: f64,
    limits: Limits<'a>,
}

/// The values that are as far out as some excess.
#[derive(Debug, Clone, Copy)]
enum Limits<'a> {
    /// Of single windows.
    Errors {
        /// An excess of 1, below and above.
        reach: [f64; 2],
        /// The excess that is expected, below and above.
        expected: [f64; 2],
        /// The distribution of the windows in a row that are near 0, and what that is; `None` of a
        /// metric that may be below.
        low: Option<(&'a Tail, f64)>,
        low_run: f64,
    },
    /// Of a metric that is near 0.
    Low { near: f64 },
    /// Of the window alone.
    Scan {
        profile: &'a ScanProfile,
        slot: usize,
        /// The z-scores that are expected, below and above.
        expected: [f64; 2],
        /// Standard deviations in an excess of 1.
        share: f64,
    },
}

impl Excess<'_> {
    /// The excess, or the decayed peak of the windows before where that is larger; the latter is no
    /// alarm at a rate per window.
    pub(crate) fn with_decayed_peak(self, alarms_per_window: f64) -> Self {
        if self.decayed_peak <= self.size {
            return self;
        }
        let held = self.tail.saturated(self.decayed_peak, alarms_per_window);
        Self {
            size: self.size.max(held),
            ..self
        }
    }

    /// ln of the alarms per window that are at least as far out.
    pub(crate) fn ln_rate(&self) -> f64 {
        self.tail.ln_p(self.size) + self.tail.rate_at_p(1.0).ln()
    }

    /// The values that would be alarms at a rate per window, below and above.
    pub(crate) fn bounds(&self, rate: f64) -> [f64; 2] {
        let at_rate = |tail: &Tail| tail.excess_at(tail.p_at_rate(rate));
        match self.limits {
            Limits::Errors {
                reach,
                expected,
                low,
                low_run,
            } => {
                let size = at_rate(self.tail);
                let [below, above] = [0, 1].map(|side| reach[side] * (size + expected[side]));
                let lowest = match low {
                    Some((tail, near)) if low_run + 1.0 >= at_rate(tail) => near,
                    Some(_) => 0.0,
                    None => f64::NEG_INFINITY,
                };
                [(self.expected - below).max(lowest), self.expected + above]
            }
            Limits::Low { near } => [near, f64::INFINITY],
            Limits::Scan {
                profile,
                slot,
                expected,
                share,
            } => {
                let z_scores = [false, true].map(|is_up| {
                    let tail = profile.single_tail(is_up).unwrap_or(profile.tail(is_up));
                    share * at_rate(tail) + expected[usize::from(is_up)]
                });
                profile.bounds(self.expected, slot, z_scores)
            }
        }
    }
}
