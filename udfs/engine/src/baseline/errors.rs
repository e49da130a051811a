//! The usual errors of forecasts of single windows.
//!
//! A window is held against the one before, which sees what is sudden, against a robust
//! [`level`](super::level), which sees what lasts, and against a [`linear`](super::linear)
//! forecast, which knows how the series moves. Each error is divided by the usual error at that
//! time of day and by how far the usual errors of that side reach; the largest quotient is the
//! **excess**.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use super::clock::{Clock, SLOTS};
use super::decaying_peak::{self, DecayingPeak};
use super::history::History;
use super::level::LevelFilter;
use super::linear::LinearForecast;
use super::scale::StreamScale;
use super::tail::Tail;
use crate::features::SeriesFeatures;

/// No usual error is smaller than so many of the smallest changes: one request more or less is
/// nothing, even where there were none.
const LEAST_CHANGES: f64 = 1.5;

/// Usual errors of one metric.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErrorProfile {
    /// The usual difference between neighbours by time of day, in the metric's unit: what the
    /// level may move by.
    #[serde(with = "BigArray")]
    pub(super) usual: [f64; SLOTS],
    /// Scale of the differences to the window before.
    pub difference: StreamScale,
    /// Scale of the differences to the robust level.
    pub level: StreamScale,
    /// The linear forecast and the scale of its errors, where there is one.
    linear: Option<(LinearForecast, StreamScale)>,
    /// The distribution of excesses.
    pub tail: Tail,
}

/// The forecasts of a window that need no detector, in the metric's unit; NaN where not known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ErrorEvidence {
    /// The value of the window before.
    pub previous: f64,
    /// The robust level before the window.
    pub level: f64,
    /// The linear forecast.
    pub linear: f64,
    /// The largest excess of the windows before, decayed; at least 0.
    pub decayed_peak: f64,
}

impl ErrorEvidence {
    /// The mean of the detector's and the linear forecast, where there is one: what all series and
    /// what this one teach err differently, and less together (Bates & Granger 1969).
    #[must_use]
    pub fn combined(&self, forecast: f64) -> f64 {
        if self.linear.is_nan() {
            forecast
        } else {
            f64::midpoint(forecast, self.linear)
        }
    }
}

/// One error, and what it is measured with.
#[derive(Debug, Clone, Copy)]
pub struct ScaledError<'a> {
    /// The forecast, in the metric's unit.
    pub expected: f64,
    /// The usual size of errors of such forecasts.
    pub scale: &'a StreamScale,
}

impl ErrorProfile {
    pub(super) fn learn(
        features: &SeriesFeatures<'_>,
        metric: usize,
        history: &History,
    ) -> Option<Self> {
        let smallest = LEAST_CHANGES * features.layout().resolutions[metric];
        let History { range, slots, days } = history;
        let value = |index| features.value(metric, index);
        let scale = |errors: &[f64]| StreamScale::fit(errors, slots, *days, smallest);
        let differences: Vec<f64> = (range.clone())
            .map(|index| value(index) - value(index - 1))
            .collect();
        let difference = scale(&differences)?;
        let usual = difference.means;
        let levels = LevelFilter::new(features, metric, &usual).levels(range.clone());
        let mut streams = vec![differences];
        let errors = range.clone().zip(levels);
        streams.push(errors.map(|(index, level)| value(index) - level).collect());
        let level = scale(&streams[1])?;
        let linear = LinearForecast::learn(features, metric, range).and_then(|linear| {
            let error = |index| value(index) - linear.forecast(features, metric, index);
            let errors: Vec<f64> = range.clone().map(error).collect();
            let scale = scale(&errors)?;
            streams.push(errors);
            Some((linear, scale))
        });
        let scales = [
            Some(&difference),
            Some(&level),
            linear.as_ref().map(|(_, scale)| scale),
        ];
        let mut excess = vec![f64::NAN; slots.len()];
        for (errors, scale) in streams.iter().zip(scales.into_iter().flatten()) {
            for ((excess, error), slot) in excess.iter_mut().zip(errors).zip(slots) {
                // `max` takes the other where one is NaN.
                *excess = excess.max(scale.excess(*slot, *error));
            }
        }
        Some(Self {
            tail: Tail::of_excesses(&excess, *days)?,
            usual,
            difference,
            level,
            linear,
        })
    }

    /// The forecasts of consecutive windows.
    pub(super) fn evidence<'a>(
        &'a self,
        features: &'a SeriesFeatures<'_>,
        metric: usize,
        windows: Range<i64>,
    ) -> impl Iterator<Item = ErrorEvidence> + 'a {
        let clock = Clock::new(features.layout(), features.time_zone());
        let range = windows.start - decaying_peak::REACH..windows.end;
        let levels = LevelFilter::new(features, metric, &self.usual).levels(range.clone());
        let mut peak = DecayingPeak::default();
        let evidence = range.zip(levels).map(move |(index, level)| {
            let linear = self.linear.as_ref();
            let mut evidence = ErrorEvidence {
                previous: features.value(metric, index - 1),
                level,
                linear: linear.map_or(f64::NAN, |(linear, _)| {
                    linear.forecast(features, metric, index)
                }),
                decayed_peak: 0.0,
            };
            let value = features.value(metric, index);
            let slot = clock.slot(index);
            let sizes = self
                .errors(&evidence)
                .map(|error| error.excess(slot, value));
            evidence.decayed_peak = peak.step(sizes.into_iter().fold(f64::NAN, f64::max));
            evidence
        });
        evidence.skip(decaying_peak::REACH as usize)
    }

    /// Each forecast with the scale of its errors: from the window before, from the level, and linear.
    #[must_use]
    pub fn errors(&self, evidence: &ErrorEvidence) -> [ScaledError<'_>; 3] {
        let linear = self.linear.as_ref();
        [
            (evidence.previous, &self.difference),
            (evidence.level, &self.level),
            (
                evidence.linear,
                linear.map_or(&self.level, |(_, scale)| scale),
            ),
        ]
        .map(|(expected, scale)| ScaledError { expected, scale })
    }
}

impl ScaledError<'_> {
    fn excess(self, slot: usize, value: f64) -> f64 {
        self.scale.excess(slot, value - self.expected)
    }
}
