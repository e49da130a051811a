//! The profiles of the blocks of a series, and the evidence of their windows.

use std::ops::Range;
use std::sync::Arc;

use super::errors::{ErrorEvidence, ErrorState};
use super::memo::ProfileMemo;
use super::metric::MetricProfile;
use super::scan::{ScanState, ZScores};
use crate::features::SeriesFeatures;

/// The profiles of the metrics of a series at some time.
#[derive(Debug, Clone)]
pub struct Profile {
    /// One per metric; `None` where it has too few values.
    pub metrics: Vec<Option<Arc<MetricProfile>>>,
}

/// The evidence of one metric of a window that needs no detector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Evidence {
    /// Of a metric that is judged by errors.
    Errors(ErrorEvidence),
    /// Of one that is judged by sums.
    Scan(ZScores),
}

/// The profile of a block, and the evidence of its windows.
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

/// The profiles of consecutive blocks of one segment, of which many share one.
#[derive(Debug, Default)]
pub struct ProfileCache {
    /// One per metric.
    metrics: Vec<Anchored>,
    /// Those of all metrics, until one is renewed; `None` where no metric has one.
    profile: Option<Arc<Profile>>,
    memo: Option<Arc<ProfileMemo>>,
}

/// The profile of a metric at one anchor, and how far its evidence is known.
#[derive(Debug)]
struct Anchored {
    anchor: i64,
    profile: Option<Arc<MetricProfile>>,
    /// Grid index of the next window.
    next: i64,
    /// `None` where the metric has no profile.
    state: Option<State>,
}

/// What is known of the windows between the end of the history and the next window.
#[derive(Debug)]
enum State {
    Errors(Box<ErrorState>),
    Scan(Box<ScanState>),
}

impl ProfileCache {
    /// A cache that looks up in `memo`, if there is one, before it learns.
    #[must_use]
    pub fn with_memo(memo: Option<Arc<ProfileMemo>>) -> Self {
        Self {
            memo,
            ..Self::default()
        }
    }

    /// The profile for a block; `None` where there is too little history. Every call must be for
    /// the same segment; they cost least in the order of time.
    pub fn of_block(
        &mut self,
        features: &SeriesFeatures<'_>,
        block_start: i64,
    ) -> Option<BlockProfile> {
        let layout = features.layout();
        let mut is_renewed = false;
        for metric in 0..layout.metrics() {
            let anchor = anchor(features, metric, block_start);
            let known = self.metrics.get(metric);
            if known.is_some_and(|known| known.anchor == anchor && known.next <= block_start) {
                continue;
            }
            let learned = Anchored::learn(features, metric, anchor, self.memo.as_deref());
            match self.metrics.get_mut(metric) {
                Some(known) => *known = learned,
                None => self.metrics.push(learned),
            }
            is_renewed = true;
        }
        if is_renewed {
            let metrics = self.metrics.iter().map(|metric| metric.profile.clone());
            let metrics: Vec<_> = metrics.collect();
            let has_any = metrics.iter().any(Option::is_some);
            self.profile = has_any.then(|| Arc::new(Profile { metrics }));
        }
        let profile = Arc::clone(self.profile.as_ref()?);
        let windows = block_start..block_start + layout.block as i64;
        let metrics = self.metrics.iter_mut().enumerate();
        let evidence =
            metrics.map(|(metric, known)| known.evidence(features, metric, windows.clone()));
        Some(BlockProfile {
            evidence: evidence.collect(),
            profile,
        })
    }
}

impl Anchored {
    fn learn(
        features: &SeriesFeatures<'_>,
        metric: usize,
        anchor: i64,
        memo: Option<&ProfileMemo>,
    ) -> Self {
        let learn = || MetricProfile::before(features, metric, anchor);
        let profile = match memo {
            Some(memo) => memo.get_or_learn(features, metric, anchor, learn),
            None => learn(),
        };
        Self {
            anchor,
            next: anchor,
            state: profile.as_ref().map(|profile| match profile {
                MetricProfile::Scan(scan) => State::Scan(scan.state()),
                MetricProfile::Errors(errors) => State::Errors(Box::new(errors.state())),
            }),
            profile: profile.map(Arc::new),
        }
    }

    /// The evidence of the windows of a block, which does not begin before the next window; empty
    /// without a profile.
    fn evidence(
        &mut self,
        features: &SeriesFeatures<'_>,
        metric: usize,
        windows: Range<i64>,
    ) -> Vec<Evidence> {
        let from = std::mem::replace(&mut self.next, windows.end);
        match (self.profile.as_deref(), &mut self.state) {
            (Some(MetricProfile::Scan(profile)), Some(State::Scan(scan))) => {
                let mut step = |index| profile.step(scan, index, features.value(metric, index));
                for index in from..windows.start {
                    step(index);
                }
                windows.map(|index| Evidence::Scan(step(index))).collect()
            }
            (Some(MetricProfile::Errors(profile)), Some(State::Errors(state))) => {
                let skipped = (windows.start - from).max(0) as usize;
                let evidence = profile.evidence(state, features, metric, from..windows.end);
                evidence.skip(skipped).map(Evidence::Errors).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The end of the history that serves a block, as a grid index. Ends are further apart the longer the
/// history is, so that profiles cost a fixed share of its length, and differ from metric to metric.
fn anchor(features: &SeriesFeatures<'_>, metric: usize, block_start: i64) -> i64 {
    let layout = features.layout();
    let age = block_start - features.grid().series_first;
    let spacing = layout.profile_spacing(age);
    let shift = layout.profile_shift(metric, spacing);
    (block_start - shift).div_euclid(spacing) * spacing + shift
}
