//! Profiles that are kept from one run to the next.
//!
//! Learning a profile reads weeks of windows several times; the profile then serves days. A
//! nightly job would learn the same one every night. [`ProfileMemo`] keeps it under a digest of all
//! that it is a function of, the windows themselves among it. So it may lack a profile, but can have
//! no wrong one, whatever became of the windows since.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::metric::MetricProfile;
use crate::features::SeriesFeatures;
use crate::series::blocks::DAY_MICROS;
use crate::version::SCORES;

/// The first bytes of a file of profiles. Files that began with `profiles` were written otherwise.
const MAGIC: &[u8; 8] = b"baseline";
/// Profiles are kept so long after the end of their history, counted by that of the newest, or as long
/// as they serve: logs that come late ask for them again.
const KEPT_MICROS: i64 = 8 * DAY_MICROS;

type Digest = [u8; 32];

/// Profiles by the digest of what they were learned from.
#[derive(Debug, Default)]
pub struct ProfileMemo {
    /// Of earlier runs.
    known: BTreeMap<Digest, Entry>,
    /// Asked for in this one.
    used: Mutex<BTreeMap<Digest, Entry>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    /// End of the history, in microseconds since the epoch.
    until: i64,
    /// As long as histories of others end before, it is kept.
    kept_until: i64,
    profile: Vec<u8>,
}

impl ProfileMemo {
    /// The profiles of [`Self::to_bytes`]; none where the bytes are anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self {
            known: entries(bytes).unwrap_or_default(),
            used: Mutex::default(),
        }
    }

    /// The profiles that were asked for since this was opened, without those whose history ended
    /// long before the newest.
    ///
    /// # Panics
    /// Never: maps and numbers can be written to memory.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let used = self.used();
        let newest = used.values().map(|entry| entry.until).max().unwrap_or(0);
        let kept = used.iter().filter(|(_, entry)| entry.kept_until >= newest);
        let kept: BTreeMap<&Digest, &Entry> = kept.collect();
        let bytes = postcard::to_extend(&(SCORES, kept), MAGIC.to_vec());
        bytes.expect("maps and numbers can be written to memory")
    }

    /// Whether any profile was asked for.
    #[must_use]
    pub fn is_used(&self) -> bool {
        !self.used().is_empty()
    }

    /// The profile of the history before an anchor: the one kept, else the one that `learn` gives.
    pub(super) fn get_or_learn(
        &self,
        features: &SeriesFeatures<'_>,
        metric: usize,
        anchor: i64,
        learn: impl FnOnce() -> Option<MetricProfile>,
    ) -> Option<MetricProfile> {
        let digest = digest(features, metric, anchor);
        // Not while holding the lock: others learn meanwhile.
        let found = self.used().get(&digest).cloned();
        if let Some(entry) = found.or_else(|| self.known.get(&digest).cloned())
            && let Ok(profile) = postcard::from_bytes(&entry.profile)
        {
            self.used().insert(digest, entry);
            return Some(profile);
        }
        let profile = learn()?;
        let layout = features.layout();
        let until = anchor.saturating_mul(layout.step_micros);
        let spacing = layout.profile_spacing(layout.profile_windows as i64);
        let serves = spacing.saturating_mul(layout.step_micros);
        let entry = Entry {
            until,
            kept_until: until.saturating_add(serves.max(KEPT_MICROS)),
            profile: bytes_of(&profile),
        };
        self.used().insert(digest, entry);
        Some(profile)
    }

    fn used(&self) -> MutexGuard<'_, BTreeMap<Digest, Entry>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The profiles of a file; `None` where it is anything else, or of another version of the code.
fn entries(bytes: &[u8]) -> Option<BTreeMap<Digest, Entry>> {
    let content = bytes.strip_prefix(MAGIC)?;
    let (version, content) = postcard::take_from_bytes::<u32>(content).ok()?;
    if version != SCORES {
        return None;
    }
    let (entries, rest) = postcard::take_from_bytes(content).ok()?;
    rest.is_empty().then_some(entries)
}

/// A profile as it is kept: every number exactly as it is.
fn bytes_of(profile: &MetricProfile) -> Vec<u8> {
    postcard::to_allocvec(profile).expect("numbers can be written to memory")
}

/// A digest of all that learning can read.
fn digest(features: &SeriesFeatures<'_>, metric: usize, anchor: i64) -> Digest {
    let layout = features.layout();
    let grid = features.grid();
    let mut digest = blake3::Hasher::new();
    let zone = features.time_zone().unwrap_or_default();
    let of_layout = layout.of_metric(metric);
    let knows_time = features.time_zone().is_some();
    let version = env!("CARGO_PKG_VERSION");
    let learned_by = (SCORES, version, of_layout, knows_time, zone.identity());
    let learned_by = postcard::to_allocvec(&learned_by).expect("settings can be written to memory");
    digest.update(&(learned_by.len() as u64).to_le_bytes());
    digest.update(&learned_by);
    // Beyond that, nothing is read; where the segment begins later, there is nothing.
    let from = (anchor - layout.profile_history(zone) as i64).max(grid.first);
    for number in [from, anchor] {
        digest.update(&number.to_le_bytes());
    }
    let mut bytes = Vec::with_capacity((anchor - from).max(0) as usize * size_of::<f64>());
    for index in from..anchor {
        bytes.extend_from_slice(&features.value(metric, index).to_le_bytes());
    }
    digest.update(&bytes);
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::baseline::ProfileCache;
    use crate::series::SeriesGrid;
    use crate::series::blocks::BlockLayout;
    use crate::series::time_zone::TimeZone;

    const HOUR: i64 = 3_600_000_000;

    fn layout() -> BlockLayout {
        BlockLayout::for_step(HOUR, vec![0.0, 1.0])
    }

    /// A seasonal metric, and counts.
    fn grid(first: i64, windows: i64) -> SeriesGrid {
        let value = |index: i64| {
            let hour = (index % 24) as f64;
            100.0 + 30.0 * (hour / 3.8).sin() + (index * 7_919 % 101) as f64 / 50.0
        };
        let count = |index: i64| (index * 7_919 % 13 + index % 24) as f64;
        SeriesGrid {
            first,
            series_first: 0,
            row_slots: (0..windows as usize).collect(),
            metrics: vec![
                (first..first + windows).map(value).collect(),
                (first..first + windows).map(count).collect(),
            ],
        }
    }

    #[test]
    fn a_kept_profile_is_the_learned_one() {
        let layout = layout();
        let grid = grid(0, 1_200);
        let features = SeriesFeatures::new(&layout, &grid, Some(TimeZone::UTC));
        let learned = [0, 1].map(|metric| MetricProfile::before(&features, metric, 960).unwrap());
        assert!(matches!(learned[0], MetricProfile::Errors(_)));
        assert!(matches!(learned[1], MetricProfile::Scan(_)));
        let first = ProfileMemo::default();
        for (metric, learned) in learned.iter().enumerate() {
            let learn = || Some(learned.clone());
            first.get_or_learn(&features, metric, 960, learn).unwrap();
        }
        let next = ProfileMemo::from_bytes(&first.to_bytes());
        for (metric, learned) in learned.iter().enumerate() {
            let kept = next.get_or_learn(&features, metric, 960, || panic!("it is known"));
            assert_eq!(bytes_of(&kept.unwrap()), bytes_of(learned));
        }
        assert_eq!(next.to_bytes(), first.to_bytes());
    }

    #[test]
    fn another_zone_has_another_profile() {
        let layout = layout();
        // From the first of September 2026 on.
        let grid = grid(496_728, 1_440);
        let anchor = grid.first + 1_380;
        let memo = ProfileMemo::default();
        let profile = |zone: &str| {
            let zone = zone.parse().unwrap();
            let features = SeriesFeatures::new(&layout, &grid, Some(zone));
            let learned = Cell::new(0);
            let found = memo.get_or_learn(&features, 0, anchor, || {
                learned.set(learned.get() + 1);
                MetricProfile::before(&features, 0, anchor)
            });
            (bytes_of(&found.unwrap()), learned.get())
        };
        let (utc, _) = profile("UTC");
        let (berlin, learned) = profile("Europe/Berlin");
        assert_eq!(learned, 1);
        assert_ne!(utc, berlin);
        assert_eq!(profile("Europe/Paris").1, 1);
        assert_eq!(profile("+01:00").1, 1);
        // What is kept is what was learned.
        assert_eq!(profile("Europe/Berlin"), (berlin, 0));
        assert_eq!(profile("Etc/UTC"), (utc, 0));
    }

    #[test]
    fn another_history_has_another_profile() {
        let layout = layout();
        let memo = ProfileMemo::default();
        let learned = Cell::new(0);
        let mut grid = grid(0, 1_200);
        let learn = |grid: &SeriesGrid, anchor| {
            let features = SeriesFeatures::new(&layout, grid, Some(TimeZone::UTC));
            for metric in [0, 1] {
                let profile = memo.get_or_learn(&features, metric, anchor, || {
                    learned.set(learned.get() + 1);
                    MetricProfile::before(&features, metric, anchor)
                });
                assert!(profile.is_some());
            }
            learned.get()
        };
        assert_eq!(learn(&grid, 960), 2);
        assert_eq!(learn(&grid, 900), 4);
        // What comes after the anchor is nothing to it.
        grid.metrics[0][960] += 1.0;
        assert_eq!(learn(&grid, 960), 4);
        // And other metrics are nothing to one.
        grid.metrics[0][959] += 1.0;
        assert_eq!(learn(&grid, 960), 5);
        grid.metrics[1][0] = f64::NAN;
        assert_eq!(learn(&grid, 960), 6);
    }

    #[test]
    fn what_is_no_memo_has_no_profiles_and_old_ones_go() {
        let layout = layout();
        let grid = grid(0, 3_120);
        let features = SeriesFeatures::new(&layout, &grid, Some(TimeZone::UTC));
        let memo = ProfileMemo::default();
        // Windows of an hour have a profile for forty days.
        for anchor in [960, 2_040, 3_000] {
            let learn = || MetricProfile::before(&features, 0, anchor);
            memo.get_or_learn(&features, 0, anchor, learn);
        }
        let bytes = memo.to_bytes();
        assert_eq!(ProfileMemo::from_bytes(&bytes).known.len(), 2);
        let longer = [&bytes[..], b"\0"].concat();
        for broken in [&bytes[..bytes.len() - 1], &bytes[1..], &longer, b""] {
            assert!(ProfileMemo::from_bytes(broken).known.is_empty());
        }
        assert!(!ProfileMemo::from_bytes(&bytes).is_used());
        // The first number is the version of the code.
        let mut other = bytes;
        other[MAGIC.len()] += 1;
        assert!(ProfileMemo::from_bytes(&other).known.is_empty());
    }

    #[test]
    fn a_profile_depends_on_its_reach_alone() {
        let layout = layout();
        let spacing = layout.profile_spacing(i64::MAX);
        assert!(spacing > layout.block as i64);
        let reach = layout.reach(TimeZone::UTC) as i64;
        // Among them the last blocks that the profile of each metric serves, which reach back the most.
        for block in (8_640..8_640 + spacing).step_by(layout.block) {
            let end = block + layout.block as i64;
            let profile = |first: i64| {
                let grid = grid(first, end - first);
                let features = SeriesFeatures::new(&layout, &grid, Some(TimeZone::UTC));
                let found = ProfileCache::default().of_block(&features, block).unwrap();
                let metrics = found.profile.metrics.iter().flatten();
                metrics.map(|metric| bytes_of(metric)).collect::<Vec<_>>()
            };
            assert_eq!(profile(block - reach).len(), 2);
            assert_eq!(profile(block - reach), profile(0));
        }
    }
}
