//! Measures of scores against labels: pure functions of one series.
//!
//! The [measures of the field](Metrics) compare detectors with published ones: they are those of
//! TSB-AD 1.5 (Liu & Paparrizos 2024), "the reference" below, to 1e-9, and where it departs from a
//! measure's paper, the function says so. What a user feels is [`alarms`]: events found, false alarms
//! a week, delay.
//!
//! Measures are functions of labels and scores, one of each per window of one series:
//! - An **event** is a maximal run of labelled windows.
//! - A window without a score has NaN. It is never an alarm and ranks below all that have one.
//! - There must be a window that is labelled, one that is not, and one with a score; otherwise the
//!   measures have no meaning and are [errors](MeasureError).
//!
//! "At the oracle threshold" is the best over thresholds, chosen in sight of the labels: an upper
//! bound for comparing detectors, not what a user gets.

mod adjusted_f1;
mod affiliation;
pub mod alarms;
mod error;
pub(crate) mod labelled;
mod levels;
mod range_f1;
pub(crate) mod ranking;
#[cfg(test)]
pub(crate) mod shared_data;
#[cfg(test)]
mod tests;
mod volume;

pub use adjusted_f1::{event_f1, point_adjusted_f1};
pub use affiliation::affiliation_f1;
pub use error::MeasureError;
pub use range_f1::range_f1;
pub use ranking::{auc_pr, auc_roc, point_f1};
pub use volume::{vus_pr, vus_roc};

use labelled::Labelled;
use levels::Levels;
use ranking::Ranking;
use volume::Volumes;

/// The measures of the field, each in [0, 1], higher is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metrics {
    /// [`auc_roc`].
    pub auc_roc: f64,
    /// [`auc_pr`].
    pub auc_pr: f64,
    /// [`vus_roc`].
    pub vus_roc: f64,
    /// [`vus_pr`].
    pub vus_pr: f64,
    /// [`point_f1`].
    pub point_f1: f64,
    /// [`point_adjusted_f1`].
    pub point_adjusted_f1: f64,
    /// [`event_f1`].
    pub event_f1: f64,
    /// [`range_f1()`].
    pub range_f1: f64,
    /// [`affiliation_f1`].
    pub affiliation_f1: f64,
}

impl Metrics {
    /// All of them, from one sort: in less time than one by one.
    ///
    /// `labels` and `scores` have one entry per window, NaN for no score. `sliding_window` is the
    /// widest border of events, in windows, of the two volumes; TSB-AD takes the period of the
    /// series.
    ///
    /// # Errors
    /// Where the series [cannot be judged](MeasureError).
    pub fn measure(
        labels: &[bool],
        scores: &[f64],
        sliding_window: usize,
    ) -> Result<Self, MeasureError> {
        let labelled = Labelled::new(labels, scores)?;
        let ranking = Ranking::new(&labelled);
        let levels = Levels::new(&labelled);
        let volumes = Volumes::new(&labelled, &ranking, sliding_window);
        Ok(Self {
            auc_roc: ranking.auc_roc(),
            auc_pr: ranking.auc_pr(),
            vus_roc: volumes.roc,
            vus_pr: volumes.pr,
            point_f1: ranking.point_f1(),
            point_adjusted_f1: adjusted_f1::best_point_adjusted(&labelled, &levels),
            event_f1: adjusted_f1::best_event(&labelled, &levels),
            range_f1: range_f1::best_range(&labelled, &levels),
            affiliation_f1: affiliation::best_affiliation(&labelled, &levels),
        })
    }
}
