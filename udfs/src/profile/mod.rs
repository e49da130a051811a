//! What is normal for a series: how large its errors are by time of day, and how often they are
//! larger.
//!
//! Three forecasts of a window are held against what was seen ([`Stream`]): the detector's, the
//! window before, and a [robust level](level). An error means nothing by itself. It is divided by
//! the usual error of the series at that time of day, and by how far the usual errors of that side
//! reach; the largest quotient over streams and metrics is the **excess** of the window, and a
//! [tail](tail) says how rare it is.
//!
//! All of this is learned from the windows before: the last weeks of the series itself, of which
//! nothing is known but their values. So a detector serves series that it never saw, a change of
//! habits is learned within weeks, and nothing has to be stored per series. Of the detector's own
//! forecast there is no history without running it; its errors are taken to be a fixed share of
//! the difference's, which training measures.
//!
//! Invariant: a profile depends on the windows before its anchor, at most
//! [`BlockLayout::profile_windows`](crate::layout::BlockLayout::profile_windows) of them (and what
//! the level there depends on), and the anchor only on the block's place in time and, while the
//! series is younger than that, on its first window.

pub mod level;
mod quantile;
mod scale;
pub mod tail;

use std::sync::Arc;

pub use scale::StreamScale;
pub use tail::Tail;

use crate::features::SeriesFeatures;
use crate::layout::DAY_MICROS;
use level::LevelFilter;

/// Times of day that are told apart: quarters of an hour.
pub const SLOTS: usize = 96;
/// Fewest windows with a value before a metric has a profile.
pub const MIN_WINDOWS: usize = 30;

/// What a value is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// The detector's forecast.
    Forecast,
    /// The window before: sees what is sudden.
    Difference,
    /// The robust level: sees what lasts.
    Level,
}

impl Stream {
    /// All of them, in the order of arrays over streams.
    pub const ALL: [Self; 3] = [Self::Forecast, Self::Difference, Self::Level];
}

/// Usual errors of one metric.
#[derive(Debug, Clone)]
pub struct MetricProfile {
    /// Of the difference to the window before.
    pub difference: StreamScale,
    /// Of the difference to the robust level.
    pub level: StreamScale,
}

/// What is normal for a series at some time.
#[derive(Debug, Clone)]
pub struct Profile {
    /// One per metric; `None` where it has too few values.
    pub metrics: Vec<Option<MetricProfile>>,
    /// How rare excesses of difference and level are.
    pub tail: Tail,
}

/// The slot of a window: its time of day in quarters of an hour, or 0 for all where that is not
/// known.
#[must_use]
pub fn slot(index: i64, step_micros: i64, knows_time: bool) -> usize {
    if !knows_time {
        return 0;
    }
    let micros = (i128::from(index) * i128::from(step_micros)).rem_euclid(i128::from(DAY_MICROS));
    (micros * SLOTS as i128 / i128::from(DAY_MICROS)) as usize
}

/// The profiles of consecutive blocks of one stretch, of which many share one.
#[derive(Debug, Default)]
pub struct ProfileCache {
    anchored: Option<(i64, Option<Arc<Profile>>)>,
}

impl ProfileCache {
    /// The profile for a block; `None` where there is too little history. Every call must be for
    /// the same stretch.
    pub fn of_block(
        &mut self,
        features: &SeriesFeatures<'_>,
        block_start: i64,
    ) -> Option<Arc<Profile>> {
        let anchor = anchor(features, block_start);
        match &self.anchored {
            Some((cached, profile)) if *cached == anchor => profile.clone(),
            _ => {
                let profile = Profile::before(features, anchor).map(Arc::new);
                self.anchored = Some((anchor, profile.clone()));
                profile
            }
        }
    }
}

/// Where the history that serves a block ends: at times that are further apart the longer the
/// history is, so that profiles cost a fixed share of its length.
fn anchor(features: &SeriesFeatures<'_>, block_start: i64) -> i64 {
    let layout = features.layout();
    let age = block_start - features.grid().series_first;
    let spacing = layout.profile_spacing(age);
    block_start.div_euclid(spacing) * spacing
}

impl Profile {
    /// Learns from the history of a stretch before a grid index.
    fn before(features: &SeriesFeatures<'_>, anchor: i64) -> Option<Self> {
        let layout = features.layout();
        let grid = features.grid();
        let begin = (anchor - layout.profile_windows as i64).max(grid.first);
        if anchor - begin < 2 * layout.lookback as i64 {
            return None;
        }
        let slots: Vec<usize> = (begin..anchor)
            .map(|index| slot(index, layout.step_micros, features.knows_time()))
            .collect();
        let days = (anchor - begin) as f64 * layout.step_micros as f64 / DAY_MICROS as f64;
        let mut excess = vec![f64::NAN; slots.len()];
        let mut metrics = Vec::with_capacity(layout.metrics());
        for metric in 0..layout.metrics() {
            let smallest = layout.smallest_scale(metric);
            let difference: Vec<f64> = (begin..anchor)
                .map(|index| features.value(metric, index) - features.value(metric, index - 1))
                .collect();
            let profile = StreamScale::fit(&difference, &slots, days, smallest).and_then(|scale| {
                let level = LevelFilter::new(features, metric, &scale).errors(begin..anchor);
                let of_level = StreamScale::fit(&level, &slots, days, smallest)?;
                for (streams, scale) in [(&difference, &scale), (&level, &of_level)] {
                    for ((excess, error), slot) in excess.iter_mut().zip(streams).zip(&slots) {
                        // `max` takes the other where one is NaN.
                        *excess = excess.max(scale.excess(*slot, *error));
                    }
                }
                Some(MetricProfile {
                    difference: scale,
                    level: of_level,
                })
            });
            metrics.push(profile);
        }
        let tail = Tail::fit(&excess, days)?;
        Some(Self { metrics, tail })
    }
}
