//! Statistics of a series, learned from its own last weeks.
//!
//! A value means nothing by itself. A metric is judged in one of two ways. Where its season moves it,
//! the [errors] of forecasts of single windows say how far out a window is; where chance moves it, as
//! it does counts of requests, [sums](scan) over windows do. A [tail] says how rare that is. Every
//! metric has its own, so that a restless one does not hide what the others show.
//!
//! Nothing is known of the series but its values, so a detector serves series that it never saw, a
//! change of the season is learned within weeks, and nothing has to be stored per series, though it
//! [can be](memo). The detector's own forecast has no history unless it is run over it: training
//! measures how its errors compare with those that need no detector.
//!
//! Invariant: the profile of a metric depends on the metric's windows before its anchor, at most
//! [`BlockLayout::profile_windows`](crate::series::blocks::BlockLayout::profile_windows) of them (and
//! what the level there depends on), and the anchor only on the block's place in time, the metric's
//! place in the detector and, while the series is younger than that, on its first window.

mod alarm_levels;
mod cache;
pub mod clock;
mod decaying_peak;
pub mod errors;
mod history;
pub mod level;
pub mod linear;
pub mod memo;
mod metric;
mod quantile;
mod recurrence;
mod scale;
pub mod scan;
pub mod tail;

pub use alarm_levels::MERGE;
pub use cache::{BlockProfile, Evidence, Profile, ProfileCache};
pub use decaying_peak::HALF_LIFE as PEAK_HALF_LIFE;
pub use errors::{ErrorEvidence, ErrorProfile};
pub use history::MIN_WINDOWS;
pub use memo::ProfileMemo;
pub use metric::MetricProfile;
pub use scale::StreamScale;
pub use scan::{ScanProfile, ZScores};
pub use tail::Tail;
