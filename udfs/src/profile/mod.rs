//! What is normal for a series, learned from its own last weeks.
//!
//! A value means nothing by itself. A metric is judged in one of two ways, by what its history is
//! like: where habit moves it, by the [errors] of forecasts of single windows; where chance
//! moves it, as it does counts of requests, by [sums](scan) over windows. Either says how far out
//! a window is, and a [tail] how rare that is. Every metric has its own, so that a restless
//! one does not hide what the others show.
//!
//! Nothing is known of the series but its values, so a detector serves series that it never saw, a
//! change of habits is learned within weeks, and nothing has to be stored per series, though it
//! [can be](memo). Of the
//! detector's own forecast there is no history without running it; how its errors compare with
//! those that need no detector, training measures.
//!
//! Invariant: a profile depends on the windows before its anchor, at most
//! [`BlockLayout::profile_windows`](crate::layout::BlockLayout::profile_windows) of them (and what
//! the level there depends on), and the anchor only on the block's place in time and, while the
//! series is younger than that, on its first window.

pub mod clock;
pub mod errors;
pub mod level;
pub mod linear;
pub mod memo;
mod memory;
mod quantile;
mod scale;
pub mod scan;
mod stored;
pub mod tail;

use std::ops::Range;
use std::sync::Arc;

pub use errors::{ErrorEvidence, ErrorProfile};
pub use memo::ProfileMemo;
pub(crate) use memory::lingering;
pub use scale::StreamScale;
pub use scan::{Deviates, ScanProfile};
pub use tail::Tail;

use crate::features::SeriesFeatures;
use clock::Clock;
use scan::ScanState;
use stored::{Stored, stored};

/// Fewest windows with a value before a metric has a profile.
pub const MIN_WINDOWS: usize = 30;

/// What is normal for one metric.
#[derive(Debug, Clone)]
pub enum MetricProfile {
    /// Habit moves it: errors of single windows.
    Errors(Box<ErrorProfile>),
    /// Chance moves it: sums over windows.
    Scan(Box<ScanProfile>),
}

impl Stored for MetricProfile {
    fn store(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Errors(errors) => {
                0_u8.store(bytes);
                errors.store(bytes);
            }
            Self::Scan(scan) => {
                1_u8.store(bytes);
                scan.store(bytes);
            }
        }
    }

    fn load(bytes: &mut &[u8]) -> Option<Self> {
        Some(match u8::load(bytes)? {
            0 => Self::Errors(Stored::load(bytes)?),
            1 => Self::Scan(Stored::load(bytes)?),
            _ => return None,
        })
    }
}

impl MetricProfile {
    fn learn(features: &SeriesFeatures<'_>, metric: usize, history: &History) -> Option<Self> {
        if let Some(scan) = ScanProfile::learn(features, metric, &history.range) {
            return Some(Self::Scan(Box::new(scan)));
        }
        let errors = ErrorProfile::learn(features, metric, history)?;
        Some(Self::Errors(Box::new(errors)))
    }
}

/// What is normal for a series at some time.
#[derive(Debug, Clone)]
pub struct Profile {
    /// One per metric; `None` where it has too few values.
    pub metrics: Vec<Option<MetricProfile>>,
}

stored!(Profile { metrics });

/// What a metric's window is held against, besides the detector's forecast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Evidence {
    /// Of a metric that is judged by errors.
    Errors(ErrorEvidence),
    /// Of one that is judged by sums.
    Scan(Deviates),
}

/// What is normal for the windows of one block.
#[derive(Debug, Clone)]
pub struct BlockProfile {
    /// Shared by the blocks after one anchor.
    pub profile: Arc<Profile>,
    /// Per metric one per window from the block's first; none where it has no profile.
    evidence: Vec<Vec<Evidence>>,
}

impl BlockProfile {
    /// The evidence of a metric so many windows after the block's first; `None` where the metric
    /// has no profile.
    #[must_use]
    pub fn evidence(&self, metric: usize, window: usize) -> Option<Evidence> {
        self.evidence[metric].get(window).copied()
    }
}

/// The profiles of consecutive blocks of one stretch, of which many share one.
#[derive(Debug, Default)]
pub struct ProfileCache {
    anchored: Option<Anchored>,
    memo: Option<Arc<ProfileMemo>>,
}

/// The profile at one anchor, and how far its scans have run.
#[derive(Debug)]
struct Anchored {
    anchor: i64,
    profile: Option<Arc<Profile>>,
    /// Grid index of the next window.
    next: i64,
    /// One per metric; `None` where it has no scan.
    scans: Vec<Option<Box<ScanState>>>,
}

impl ProfileCache {
    /// A cache that looks up in `memo`, if there is one, before it learns.
    #[must_use]
    pub fn with_memo(memo: Option<Arc<ProfileMemo>>) -> Self {
        Self {
            anchored: None,
            memo,
        }
    }

    /// The profile for a block; `None` where there is too little history. Every call must be for
    /// the same stretch; they cost least in the order of time.
    pub fn of_block(
        &mut self,
        features: &SeriesFeatures<'_>,
        block_start: i64,
    ) -> Option<BlockProfile> {
        let anchor = anchor(features, block_start);
        let is_ahead =
            |anchored: &Anchored| anchored.anchor == anchor && anchored.next <= block_start;
        if !self.anchored.as_ref().is_some_and(is_ahead) {
            self.anchored = Some(Anchored::learn(features, anchor, self.memo.as_deref()));
        }
        self.anchored.as_mut()?.block(features, block_start)
    }
}

impl Anchored {
    fn learn(features: &SeriesFeatures<'_>, anchor: i64, memo: Option<&ProfileMemo>) -> Self {
        let learn = || Profile::before(features, anchor);
        let profile = match memo {
            Some(memo) => memo.get_or_learn(features, anchor, learn),
            None => learn(),
        };
        let profile = profile.map(Arc::new);
        let metrics = profile.iter().flat_map(|profile| &profile.metrics);
        let scans = metrics.map(|metric| match metric {
            Some(MetricProfile::Scan(scan)) => Some(scan.state()),
            _ => None,
        });
        Self {
            anchor,
            next: anchor,
            scans: scans.collect(),
            profile,
        }
    }

    /// Runs to the end of a block that does not begin before the next window.
    fn block(&mut self, features: &SeriesFeatures<'_>, start: i64) -> Option<BlockProfile> {
        let profile = self.profile.as_ref()?;
        let end = start + features.layout().block as i64;
        let metrics = profile.metrics.iter().zip(&mut self.scans).enumerate();
        let evidence = metrics.map(|(metric, (profile, scan))| match (profile, scan) {
            (Some(MetricProfile::Scan(profile)), Some(scan)) => {
                let mut step = |index| profile.step(scan, index, features.value(metric, index));
                for index in self.next..start {
                    step(index);
                }
                (start..end)
                    .map(|index| Evidence::Scan(step(index)))
                    .collect()
            }
            (Some(MetricProfile::Errors(profile)), _) => {
                let evidence = profile.evidence(features, metric, start..end);
                evidence.map(Evidence::Errors).collect()
            }
            _ => Vec::new(),
        });
        let block = BlockProfile {
            evidence: evidence.collect(),
            profile: Arc::clone(profile),
        };
        self.next = end;
        Some(block)
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

/// The windows that a profile is learned from.
struct History {
    range: Range<i64>,
    /// One per window.
    slots: Vec<usize>,
    days: f64,
}

impl Profile {
    /// Learns from the history of a stretch before a grid index.
    fn before(features: &SeriesFeatures<'_>, anchor: i64) -> Option<Self> {
        let layout = features.layout();
        let begin = (anchor - layout.profile_windows as i64).max(features.grid().first);
        if anchor - begin < 2 * layout.lookback as i64 {
            return None;
        }
        let clock = Clock::new(layout, features.time_zone());
        let history = History {
            range: begin..anchor,
            slots: (begin..anchor).map(|index| clock.slot(index)).collect(),
            days: (anchor - begin) as f64 / clock.windows_per_day() as f64,
        };
        let metrics = 0..layout.metrics();
        Some(Self {
            metrics: metrics
                .map(|metric| MetricProfile::learn(features, metric, &history))
                .collect(),
        })
    }
}
