//! The excess of a window over the usual, with the network measured against the baseline.

use serde::{Deserialize, Serialize};

use crate::baseline::errors::ScaledError;
use crate::baseline::{ErrorEvidence, ErrorProfile, Evidence, MetricProfile, ScanProfile, Tail};
use crate::forecast::{MetricForecast, WindowForecast};

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

    /// The excesses of a metric: none where it takes no part, one where its errors are judged, one per
    /// side where sums are.
    #[must_use]
    pub fn excesses<'a>(
        &self,
        window: WindowForecast<'a>,
        metric: usize,
    ) -> [Option<Excess<'a>>; 2] {
        let found = window.metrics[metric].as_ref();
        let Some((found, profile)) = found.zip(window.normal.profile.metrics[metric].as_deref())
        else {
            return [None, None];
        };
        match (profile, found.evidence) {
            (MetricProfile::Errors(profile), Evidence::Errors(evidence)) => {
                let slot = window.normal.slot;
                [
                    self.error_excess(profile, slot, metric, found, &evidence),
                    None,
                ]
            }
            (MetricProfile::Scan(profile), Evidence::Scan(z_scores)) => {
                let own = (z_scores.is_calm)
                    .then(|| profile.z_score_from(found.value, found.forecast))
                    .flatten();
                let own = own.map_or(f64::NAN, |own| own / self.errors[metric]);
                [false, true].map(|is_up| {
                    let own = if is_up { own } else { -own };
                    // `max` takes the other where one is NaN.
                    let size = z_scores.largest[usize::from(is_up)].max(own);
                    Some(Excess {
                        size: size / self.excess[metric],
                        is_up,
                        expected: z_scores.expected,
                        tail: profile.tail(is_up),
                        decayed_peak: z_scores.decayed_peaks[usize::from(is_up)],
                        limits: Limits::Scan {
                            profile,
                            share: self.excess[metric],
                        },
                    })
                })
            }
            _ => [None, None],
        }
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
        let others = profile.errors(evidence).map(|error| (error, 1.0));
        let mut largest: Option<Excess<'_>> = None;
        for (error, share) in [(own, self.errors[metric])].into_iter().chain(others) {
            let ScaledError { expected, scale } = error;
            let share = share * self.excess[metric];
            let error = found.value - expected;
            let size = scale.excess(slot, error) / share;
            if !size.is_nan() && largest.as_ref().is_none_or(|largest| size > largest.size) {
                let reach = [false, true].map(|is_up| share * scale.reach(slot, is_up));
                largest = Some(Excess {
                    size,
                    is_up: error >= 0.0,
                    expected,
                    tail: &profile.tail,
                    decayed_peak: evidence.decayed_peak,
                    limits: Limits::Errors(reach),
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

/// The distance of a metric of a window from what is usual.
#[derive(Debug, Clone, Copy)]
pub struct Excess<'a> {
    /// In reaches of usual errors, or a z-score; at least 0.
    pub size: f64,
    pub(crate) is_up: bool,
    pub(crate) expected: f64,
    pub(crate) tail: &'a Tail,
    decayed_peak: f64,
    limits: Limits<'a>,
}

/// The values that are as far out as some excess.
#[derive(Debug, Clone, Copy)]
enum Limits<'a> {
    /// An excess of 1, below and above.
    Errors([f64; 2]),
    /// Of the window alone.
    Scan {
        profile: &'a ScanProfile,
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
            Limits::Errors([below, above]) => {
                let size = at_rate(self.tail);
                [self.expected - below * size, self.expected + above * size]
            }
            Limits::Scan { profile, share } => {
                let z_scores = [false, true].map(|is_up| share * at_rate(profile.tail(is_up)));
                profile.bounds(self.expected, z_scores)
            }
        }
    }
}
