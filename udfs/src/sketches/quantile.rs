//! Quantiles.
//!
//! `DDSketch` (Masson, Rim & Lee, VLDB 2019) with the linearly interpolated mapping: buckets are cut
//! straight from the bits of a float: sign, exponent and the first 8 bits of the mantissa. A bucket
//! is at most 2⁻⁸ of its values wide and stands for its edge nearer to zero, which is exact for
//! whole numbers up to 512. Counts of buckets add up, whatever the order. Up to 512 values are kept
//! as they are.

use std::collections::BTreeMap;

use super::{DamagedSketch, Sketch, chunks, make_room};

/// Bits of a float that are not part of its bucket.
const DROPPED_BITS: u32 = 52 - 8;
/// Values that are kept as they are.
const MOST_VALUES: usize = 512;
/// Bytes per bucket of the map, its nodes being about three quarters full.
const BUCKET_BYTES: usize = 24;

/// The first byte of the encoded forms.
const VALUES: u8 = 1;
const BUCKETS: u8 = 2;

/// Quantiles of numbers other than NaN.
///
/// Up to 512 values quantiles are exact; beyond, they are up to 0.4 % nearer to zero, and never
/// outside the smallest and the largest value. Values closer to zero than 2.3e-308 count as zero.
#[derive(Debug, Clone)]
pub enum QuantileSketch {
    /// The values, in any order.
    Values(Vec<f64>),
    /// How many values lie in each bucket.
    Buckets(Box<Buckets>),
}

/// Values by bucket.
#[derive(Debug, Clone)]
pub struct Buckets {
    smallest: f64,
    largest: f64,
    counts: BTreeMap<i32, u64>,
}

impl Default for QuantileSketch {
    fn default() -> Self {
        Self::Values(Vec::new())
    }
}

/// The bucket of a value: greater for greater values.
fn bucket(value: f64) -> i32 {
    let bits = (value.abs().to_bits() >> DROPPED_BITS) as i32;
    if value < 0.0 { -bits } else { bits }
}

/// The edge of a bucket that is nearer to zero.
fn edge(bucket: i32) -> f64 {
    let size = f64::from_bits(u64::from(bucket.unsigned_abs()) << DROPPED_BITS);
    if bucket < 0 { -size } else { size }
}

impl Buckets {
    fn of(values: &[f64]) -> Self {
        let mut buckets = Self {
            smallest: f64::INFINITY,
            largest: f64::NEG_INFINITY,
            counts: BTreeMap::new(),
        };
        for &value in values {
            buckets.add(value);
        }
        buckets
    }

    fn add(&mut self, value: f64) {
        self.smallest = self.smallest.min(value);
        self.largest = self.largest.max(value);
        *self.counts.entry(bucket(value)).or_default() += 1;
    }

    fn merge(&mut self, other: &Self) {
        self.smallest = self.smallest.min(other.smallest);
        self.largest = self.largest.max(other.largest);
        for (bucket, count) in &other.counts {
            *self.counts.entry(*bucket).or_default() += count;
        }
    }

    /// The values of some ranks, ascending.
    fn ranked(&self, rank: u64) -> f64 {
        let mut before = 0;
        for (bucket, count) in &self.counts {
            before += count;
            if rank < before {
                return edge(*bucket).clamp(self.smallest, self.largest);
            }
        }
        self.largest
    }
}

impl QuantileSketch {
    /// The quantile at a probability in [0, 1], between the two nearest ranks by their distance, as
    /// SQL's `percentile_cont`; `None` without values.
    pub fn quantile(&mut self, probability: f64) -> Option<f64> {
        let count = match self {
            Self::Values(values) => values.len() as u64,
            Self::Buckets(buckets) => buckets.counts.values().sum(),
        };
        let rank = probability * count.checked_sub(1)? as f64;
        let (below, share) = (rank.floor() as u64, rank.fract());
        let (low, high) = match self {
            Self::Values(values) => {
                let (_, low, above) = values.select_nth_unstable_by(below as usize, f64::total_cmp);
                (*low, above.iter().copied().min_by(f64::total_cmp))
            }
            Self::Buckets(buckets) => (
                buckets.ranked(below),
                (below + 1 < count).then(|| buckets.ranked(below + 1)),
            ),
        };
        Some(match high {
            Some(high) if share > 0.0 && high > low => low + share * (high - low),
            _ => low,
        })
    }
}

impl Sketch for QuantileSketch {
    /// A number; NaN is left out.
    type Item = f64;

    fn add(&mut self, values: &[f64]) {
        let count = values.iter().filter(|value| !value.is_nan()).count();
        // Adding zero makes −0.0, which would sort before it, 0.0.
        let added = values
            .iter()
            .filter(|value| !value.is_nan())
            .map(|value| value + 0.0);
        match self {
            Self::Values(kept) if kept.len() + count <= MOST_VALUES => {
                make_room(kept, count);
                kept.extend(added);
            }
            Self::Values(kept) => {
                let mut buckets = Box::new(Buckets::of(kept));
                added.for_each(|value| buckets.add(value));
                *self = Self::Buckets(buckets);
            }
            Self::Buckets(buckets) => added.for_each(|value| buckets.add(value)),
        }
    }

    fn merge(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Values(ours), theirs @ Self::Values(_)) if ours.is_empty() => *self = theirs,
            (_, Self::Values(values)) => self.add(&values),
            (Self::Values(values), Self::Buckets(mut buckets)) => {
                buckets.merge(&Buckets::of(values));
                *self = Self::Buckets(buckets);
            }
            (Self::Buckets(ours), Self::Buckets(theirs)) => ours.merge(&theirs),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Values(values) => {
                out.push(VALUES);
                out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }
            Self::Buckets(buckets) => {
                out.push(BUCKETS);
                out.extend(buckets.smallest.to_le_bytes());
                out.extend(buckets.largest.to_le_bytes());
                for (bucket, count) in &buckets.counts {
                    out.extend(i64::from(*bucket).to_le_bytes());
                    out.extend(count.to_le_bytes());
                }
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, DamagedSketch> {
        let damaged = DamagedSketch {
            expected: "sketch of quantiles",
            found: bytes.len(),
        };
        let number = |bytes: &[u8; 8]| f64::from_le_bytes(*bytes);
        match bytes.split_first() {
            Some((&VALUES, values)) => {
                let values: Vec<f64> = chunks(values)
                    .ok_or(damaged)?
                    .map(f64::from_le_bytes)
                    .collect();
                let is_usable = values.len() <= MOST_VALUES && !values.iter().any(|x| x.is_nan());
                is_usable.then_some(Self::Values(values)).ok_or(damaged)
            }
            Some((&BUCKETS, rest)) => {
                let (smallest, rest) = rest.split_first_chunk().ok_or(damaged)?;
                let (largest, rest) = rest.split_first_chunk().ok_or(damaged)?;
                let mut buckets = Buckets {
                    smallest: number(smallest),
                    largest: number(largest),
                    counts: BTreeMap::new(),
                };
                for entry in chunks::<16>(rest).ok_or(damaged)? {
                    let (bucket, count) = entry.split_at(8);
                    let whole = |bytes: &[u8]| bytes.try_into().map(i64::from_le_bytes);
                    let bucket = whole(bucket).ok().and_then(|bucket| bucket.try_into().ok());
                    let count = whole(count).ok().and_then(|count| count.try_into().ok());
                    let (bucket, count) = bucket.zip(count).ok_or(damaged)?;
                    buckets.counts.insert(bucket, count);
                }
                let is_usable = buckets.smallest <= buckets.largest && !buckets.counts.is_empty();
                is_usable
                    .then(|| Self::Buckets(Box::new(buckets)))
                    .ok_or(damaged)
            }
            _ => Err(damaged),
        }
    }

    fn heap_size(&self) -> usize {
        match self {
            Self::Values(values) => values.capacity() * size_of::<f64>(),
            Self::Buckets(buckets) => size_of::<Buckets>() + buckets.counts.len() * BUCKET_BYTES,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sketch(values: &[f64]) -> QuantileSketch {
        let mut sketch = QuantileSketch::default();
        sketch.add(values);
        sketch
    }

    /// The bytes of a sketch, the same for the same values.
    fn encoded(mut sketch: QuantileSketch) -> Vec<u8> {
        if let QuantileSketch::Values(values) = &mut sketch {
            values.sort_by(f64::total_cmp);
        }
        let mut bytes = Vec::new();
        sketch.encode(&mut bytes);
        bytes
    }

    fn exact(values: &[f64], probability: f64) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let rank = probability * (sorted.len() - 1) as f64;
        let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
        if high <= low {
            low
        } else {
            low + rank.fract() * (high - low)
        }
    }

    /// Latencies over seven decades, with zeros, ties and both signs.
    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            6 => (-3.0..4.0f64).prop_map(|exponent| 10f64.powf(exponent)),
            2 => (1..50i32).prop_map(f64::from),
            1 => Just(0.0),
            1 => (-3.0..4.0f64).prop_map(|exponent| -(10f64.powf(exponent))),
        ]
    }

    proptest! {
        #[test]
        fn quantiles_are_exact_or_within_the_bound(
            values in prop_oneof![
                prop::collection::vec(value(), 1..MOST_VALUES),
                prop::collection::vec(value(), MOST_VALUES..3_000),
            ],
            probability in prop_oneof![0.0..=1.0f64, Just(0.0), Just(0.5), Just(0.95), Just(1.0)],
        ) {
            let expected = exact(&values, probability);
            let found = sketch(&values).quantile(probability).unwrap();
            let rank = probability * (values.len() - 1) as f64;
            let nearest = exact(&values, rank.floor() / (values.len() - 1).max(1) as f64).abs()
                .max(exact(&values, rank.ceil() / (values.len() - 1).max(1) as f64).abs());
            let bound = if values.len() <= MOST_VALUES { 1e-12 } else { 1.0 / 256.0 };
            prop_assert!((found - expected).abs() <= bound * nearest + 1e-12, "{} {}", found, expected);
        }

        #[test]
        fn order_and_parts_change_nothing(
            mut values in prop::collection::vec(value(), 0..2_000),
            cuts in prop::collection::vec(0..2_000_usize, 0..5),
        ) {
            let whole = encoded(sketch(&values));
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(values.len())).collect();
            cuts.extend([0, values.len()]);
            cuts.sort_unstable();
            values.reverse();
            let mut merged = QuantileSketch::default();
            for pair in cuts.windows(2) {
                let part = encoded(sketch(&values[pair[0]..pair[1]]));
                merged.merge(QuantileSketch::decode(&part).unwrap());
            }
            prop_assert_eq!(encoded(merged), whole);
        }

        #[test]
        fn buckets_are_in_order_and_narrow(a in -1e300..1e300f64, b in value()) {
            prop_assert!((bucket(a) <= bucket(b)) || a > b);
            for x in [a, b] {
                let edge = edge(bucket(x));
                prop_assert!(edge.abs() <= x.abs() && (edge - x).abs() <= x.abs() / 256.0);
            }
        }
    }

    #[test]
    fn extremes_are_defined() {
        assert_eq!(QuantileSketch::default().quantile(0.5), None);
        assert_eq!(sketch(&[f64::NAN]).quantile(0.5), None);
        let extremes = [
            f64::NEG_INFINITY,
            -f64::MAX,
            1e-320,
            f64::MAX,
            f64::INFINITY,
        ];
        for copies in [1, MOST_VALUES] {
            let mut sketch = sketch(&extremes.repeat(copies));
            assert_eq!(sketch.quantile(0.0), Some(f64::NEG_INFINITY));
            assert_eq!(sketch.quantile(1.0), Some(f64::INFINITY));
            assert!(sketch.quantile(0.5).unwrap() < 1e-300);
            assert!(sketch.quantile(0.7).unwrap() > 1e300);
        }
        // The smallest and the largest are kept.
        assert_eq!(sketch(&[12.3; 2_000]).quantile(0.95), Some(12.3));
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        let nan = [&[VALUES][..], &f64::NAN.to_le_bytes()].concat();
        let none = [&[BUCKETS][..], &1f64.to_le_bytes(), &1f64.to_le_bytes()].concat();
        for bytes in [&[][..], &[9], &[VALUES, 1, 2], &[BUCKETS, 1], &nan, &none] {
            let error = QuantileSketch::decode(bytes).unwrap_err();
            assert_eq!(error.found, bytes.len());
        }
    }
}
