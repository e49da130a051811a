//! What is normal for a series: how large its errors are by time of day, and how often they are
//! larger.
//!
//! Three forecasts of a window are held against what was seen ([`Stream`]): the detector's, the
//! window before, and a [robust level](level). An error means nothing by itself. It is divided by
//! the usual error of the series at that time of day, and by how far the usual errors of that side
//! reach; the largest quotient over the streams is the **excess** of the metric, and a
//! [tail] says how rare it is. Every metric has its own, so that a restless one does not
//! hide what the others show.
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
mod stabiliser;
pub mod tail;

use std::ops::Range;
use std::sync::Arc;

pub use scale::StreamScale;
pub use stabiliser::Stabiliser;
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
    /// What is done to values before they are compared: the scales are of that.
    pub stabiliser: Stabiliser,
    /// The usual difference between neighbours by time of day, in the metric's unit: what the
    /// level may move by.
    pub usual: [f64; SLOTS],
    /// Of the difference to the window before.
    pub difference: StreamScale,
    /// Of the difference to the robust level.
    pub level: StreamScale,
    /// How rare excesses of the two are.
    pub tail: Tail,
}

/// What is normal for a series at some time.
#[derive(Debug, Clone)]
pub struct Profile {
    /// One per metric; `None` where it has too few values.
    pub metrics: Vec<Option<MetricProfile>>,
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
        let history = History {
            range: begin..anchor,
            slots,
            days,
        };
        let metrics = 0..layout.metrics();
        Some(Self {
            metrics: metrics
                .map(|metric| MetricProfile::learn(features, metric, &history))
                .collect(),
        })
    }
}

/// The windows that a profile is learned from.
struct History {
    range: Range<i64>,
    /// One per window.
    slots: Vec<usize>,
    days: f64,
}

impl MetricProfile {
    fn learn(features: &SeriesFeatures<'_>, metric: usize, history: &History) -> Option<Self> {
        let smallest = features.layout().smallest_scale(metric);
        let History { range, slots, days } = history;
        let value = |index| features.value(metric, index);
        let values: Vec<f64> = (range.start - 1..range.end).map(value).collect();
        let differences_by = |stabiliser: Stabiliser| -> Vec<f64> {
            let pairs = values.windows(2);
            pairs
                .map(|pair| stabiliser.error(pair[1], pair[0]))
                .collect()
        };
        let stabiliser = Stabiliser::of(&values);
        let plain = differences_by(Stabiliser::Identity);
        let usual = StreamScale::fit(&plain, slots, *days, smallest)?.means;
        let differences = differences_by(stabiliser);
        let difference = StreamScale::fit(&differences, slots, *days, smallest)?;
        let levels = LevelFilter::new(features, metric, &usual).levels(range.clone());
        let levels: Vec<f64> = (values[1..].iter().zip(levels))
            .map(|(value, level)| stabiliser.error(*value, level))
            .collect();
        let level = StreamScale::fit(&levels, slots, *days, smallest)?;
        let errors = differences.iter().zip(&levels).zip(slots);
        let excess: Vec<f64> = errors
            .map(|((of_difference, of_level), slot)| {
                // `max` takes the other where one is NaN.
                let of_difference = difference.excess(*slot, *of_difference);
                of_difference.max(level.excess(*slot, *of_level))
            })
            .collect();
        Some(Self {
            tail: Tail::fit(&excess, *days)?,
            stabiliser,
            usual,
            difference,
            level,
        })
    }
}
