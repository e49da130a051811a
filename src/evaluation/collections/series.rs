//! A series whose anomalies are known.

use std::borrow::Cow;
use std::ops::Range;

/// A series whose anomalies are known, one entry per window, holes filled.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledSeries {
    /// Name of its file, or of its site.
    pub file: String,
    /// The dataset that it belongs to.
    pub dataset: String,
    /// Start of each window, microseconds since the epoch, one step apart.
    pub window_start: Vec<i64>,
    /// Names of the metrics, in order; there is at least one.
    pub metric_names: Vec<String>,
    /// The values of each metric; not finite where there is none.
    pub metrics: Vec<Vec<f64>>,
    /// Whether each window is an anomaly.
    pub labels: Vec<bool>,
    /// What is known of single anomalies; empty where nothing is. They may overlap.
    pub anomalies: Vec<KnownAnomaly>,
    /// What another labelling says of it, where there is one.
    pub second: Option<SecondOpinion>,
    /// Windows before the first that is judged.
    pub train_points: usize,
    /// Widest border of events of the volumes, in windows.
    pub vus_window: usize,
    /// Length of a window.
    pub step_seconds: u32,
}

/// What two labellings of a series say together, one entry per window.
#[derive(Debug, Clone, PartialEq)]
pub struct SecondOpinion {
    /// Whether a window is in an event that both know.
    pub labels: Vec<bool>,
    /// Whether it is neither an anomaly nor normal.
    pub is_neither: Vec<bool>,
}

/// An anomaly of a known kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownAnomaly {
    /// Its windows, by place in the series.
    pub windows: Range<usize>,
    /// What it is.
    pub kind: String,
}

impl LabelledSeries {
    /// The values of some metrics, in their order; a single one may have any name. `None` where one
    /// is not there.
    #[must_use]
    pub fn metrics_of(&self, names: &[String]) -> Option<Cow<'_, [Vec<f64>]>> {
        if self.metric_names == names || (names.len() == 1 && self.metrics.len() == 1) {
            return Some(Cow::Borrowed(&self.metrics));
        }
        let place = |name| self.metric_names.iter().position(|own| own == name);
        let metrics = names
            .iter()
            .map(|name| Some(self.metrics[place(name)?].clone()));
        metrics.collect::<Option<Vec<_>>>().map(Cow::Owned)
    }

    /// Length of a window, in microseconds.
    #[must_use]
    pub const fn step_micros(&self) -> i64 {
        self.step_seconds as i64 * 1_000_000
    }

    /// The smallest changes of the metrics: those given, but what is no count before the first window
    /// that is judged has none.
    #[must_use]
    pub fn resolutions(&self, mut given: Vec<f64>) -> Vec<f64> {
        for (resolution, values) in given.iter_mut().zip(&self.metrics) {
            let history = &values[..self.train_points];
            let mut finite = history.iter().filter(|value| value.is_finite());
            if finite.any(|value| *value < 0.0 || value.fract() != 0.0) {
                *resolution = 0.0;
            }
        }
        given
    }
}
