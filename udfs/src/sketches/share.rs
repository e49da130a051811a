//! Which share of all values the most frequent one has.
//!
//! Up to 1024 distinct values each is counted. Beyond, values are counted in 4096 buckets by their hash:
//! one row of a count-min sketch (Cormode & Muthukrishnan, "An improved data stream summary", 2005),
//! whose fullest bucket is never less full than the most frequent value is frequent; of values that are
//! evenly spread it has some thousandths of the rows at most. Sketches of heavy
//! hitters with better bounds (Misra & Gries; Metwally, Agrawal & El Abbadi) depend on the order of
//! values or of merging.

use super::{DamagedSketch, Sketch, chunks, make_room};

/// Distinct values that are counted each.
const MOST_VALUES: usize = 1024;
/// Values that gather before they are counted.
const MOST_NEW: usize = 2 * MOST_VALUES;
/// Bits of the hash that choose a bucket.
const BUCKET_BITS: u32 = 12;
const BUCKETS: usize = 1 << BUCKET_BITS;

/// The first byte of the encoded forms.
const FEW: u8 = 1;
const MANY: u8 = 2;

/// Counts values by their 64-bit hashes, to say how many are alike.
#[derive(Debug, Clone, Default)]
pub struct ShareSketch {
    counts: Counts,
    /// Hashes that are not counted yet.
    new: Vec<u64>,
}

#[derive(Debug, Clone)]
enum Counts {
    /// Hashes, ascending, and how often each came.
    Few(Vec<(u64, u64)>),
    /// How many hashes fell into each bucket.
    Many(Vec<u64>),
}

impl Default for Counts {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

fn bucket(hash: u64) -> usize {
    (hash >> (u64::BITS - BUCKET_BITS)) as usize
}

impl Counts {
    /// Counts further hashes, which are ascending and distinct.
    fn add(&mut self, added: impl Iterator<Item = (u64, u64)>) {
        match self {
            Self::Many(buckets) => {
                for (hash, count) in added {
                    buckets[bucket(hash)] += count;
                }
            }
            Self::Few(counts) => {
                let known = std::mem::take(counts);
                let mut known = known.into_iter().peekable();
                let mut merged = Vec::with_capacity(known.len());
                for (hash, count) in added {
                    while let Some(before) = known.next_if(|(other, _)| *other < hash) {
                        merged.push(before);
                    }
                    let same = known.next_if(|(other, _)| *other == hash);
                    merged.push((hash, count + same.map_or(0, |(_, count)| count)));
                }
                merged.extend(known);
                *counts = merged;
                self.settle();
            }
        }
    }

    /// In the one form that its values have.
    fn settle(&mut self) {
        if let Self::Few(counts) = self
            && counts.len() > MOST_VALUES
        {
            let mut buckets = vec![0; BUCKETS];
            for (hash, count) in counts {
                buckets[bucket(*hash)] += *count;
            }
            *self = Self::Many(buckets);
        }
    }
}

impl ShareSketch {
    fn count_new(&mut self) {
        if self.new.is_empty() {
            return;
        }
        let mut new = std::mem::take(&mut self.new);
        new.sort_unstable();
        let runs = new.chunk_by(|one, other| one == other);
        self.counts.add(runs.map(|run| (run[0], run.len() as u64)));
    }

    /// The share of the most frequent value, in (0, 1]; `None` without values.
    pub fn top_share(&mut self) -> Option<f64> {
        self.count_new();
        let (most, all) = match &self.counts {
            Counts::Few(counts) => {
                let counts = || counts.iter().map(|(_, count)| *count);
                (counts().max()?, counts().sum::<u64>())
            }
            Counts::Many(buckets) => (buckets.iter().copied().max()?, buckets.iter().sum()),
        };
        Some(most as f64 / all as f64)
    }
}

impl Sketch for ShareSketch {
    type Item = u64;

    fn add(&mut self, items: &[u64]) {
        for part in items.chunks(MOST_NEW) {
            if self.new.len() + part.len() > MOST_NEW {
                self.count_new();
            }
            make_room(&mut self.new, part.len());
            self.new.extend_from_slice(part);
        }
    }

    fn merge(&mut self, mut other: Self) {
        self.count_new();
        other.count_new();
        if matches!(
            (&self.counts, &other.counts),
            (Counts::Few(_), Counts::Many(_))
        ) {
            std::mem::swap(&mut self.counts, &mut other.counts);
        }
        match (&mut self.counts, other.counts) {
            (counts, Counts::Few(added)) => counts.add(added.into_iter()),
            (Counts::Many(buckets), Counts::Many(added)) => {
                for (count, more) in buckets.iter_mut().zip(added.iter()) {
                    *count += more;
                }
            }
            // Swapped above.
            (Counts::Few(_), Counts::Many(_)) => {}
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let mut whole = self.clone();
        whole.count_new();
        match whole.counts {
            Counts::Few(counts) => {
                out.push(FEW);
                for (hash, count) in counts {
                    out.extend(hash.to_le_bytes());
                    out.extend(count.to_le_bytes());
                }
            }
            Counts::Many(buckets) => {
                out.push(MANY);
                out.extend(buckets.iter().flat_map(|count| count.to_le_bytes()));
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, DamagedSketch> {
        let damaged = DamagedSketch {
            expected: "count of the most frequent value",
            found: bytes.len(),
        };
        let (kind, rest) = bytes.split_first().ok_or(damaged)?;
        let counts = match *kind {
            FEW => {
                let pairs = chunks::<16>(rest).ok_or(damaged)?;
                let number = |bytes: &[u8]| {
                    bytes
                        .iter()
                        .rev()
                        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
                };
                let pairs = pairs.map(|pair| (number(&pair[..8]), number(&pair[8..])));
                Counts::Few(pairs.collect())
            }
            MANY => {
                let counts: Vec<u64> = chunks::<8>(rest)
                    .ok_or(damaged)?
                    .map(u64::from_le_bytes)
                    .collect();
                if counts.len() != BUCKETS {
                    return Err(damaged);
                }
                Counts::Many(counts)
            }
            _ => return Err(damaged),
        };
        Ok(Self {
            counts,
            new: Vec::new(),
        })
    }

    fn heap_size(&self) -> usize {
        let counts = match &self.counts {
            Counts::Few(counts) => counts.capacity() * size_of::<(u64, u64)>(),
            Counts::Many(_) => BUCKETS * size_of::<u64>(),
        };
        counts + self.new.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Hashes of numbers, as the functions make them.
    fn hash(value: u64) -> u64 {
        twox_hash::XxHash64::oneshot(0, &value.to_le_bytes())
    }

    fn of(values: impl IntoIterator<Item = u64>) -> ShareSketch {
        let mut sketch = ShareSketch::default();
        sketch.add(&values.into_iter().map(hash).collect::<Vec<_>>());
        sketch
    }

    #[test]
    fn few_values_are_exact() {
        assert_eq!(ShareSketch::default().top_share(), None);
        assert_eq!(of([7]).top_share(), Some(1.0));
        assert_eq!(of([1, 2, 1, 3]).top_share(), Some(0.5));
        assert_eq!(of((0..10_000).map(|n| n % 1000)).top_share(), Some(0.001));
    }

    #[test]
    fn many_values_are_never_too_few() {
        for (distinct, repeats) in [(1025_u64, 0), (100_000, 0), (100_000, 50_000)] {
            let values = (0..distinct).chain(std::iter::repeat_n(0, repeats));
            let found = of(values).top_share().unwrap();
            let truth = (1 + repeats) as f64 / (distinct as usize + repeats) as f64;
            assert!(
                (0.0..0.005).contains(&(found - truth)),
                "{distinct}: {found}, {truth}"
            );
        }
    }

    #[test]
    fn damaged_bytes_are_no_sketch() {
        for bytes in [&[][..], &[3], &[FEW, 1], &[MANY, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert!(ShareSketch::decode(bytes).is_err());
        }
    }

    proptest! {
        #[test]
        fn order_and_merging_change_nothing(
            values in proptest::collection::vec(0_u64..3000, 0..4000),
            at in 0_usize..4000,
        ) {
            let encoded = |sketch: &ShareSketch| {
                let mut bytes = Vec::new();
                sketch.encode(&mut bytes);
                bytes
            };
            let whole = encoded(&of(values.iter().copied()));
            let (one, other) = values.split_at(at.min(values.len()));
            let mut merged = of(other.iter().copied());
            let bytes = encoded(&of(one.iter().rev().copied()));
            merged.merge(ShareSketch::decode(&bytes).unwrap());
            prop_assert_eq!(encoded(&merged), whole);
        }
    }
}
