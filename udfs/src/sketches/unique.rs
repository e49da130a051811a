//! How many distinct values.
//!
//! `HyperLogLog` (Flajolet, Fusy, Gandouet & Meunier 2007) of 4096 registers with the improved
//! estimator of Ertl, "New cardinality estimation algorithms for `HyperLogLog` sketches" (2017),
//! which needs no tables and has no bias between small and large counts. Up to 1024 distinct
//! values, 32 bits of each hash are kept as they are, as in `HyperLogLog++` (Heule, Nunkesser &
//! Hall 2013): such counts are exact but for one collision in 2²⁶ / n pairs.

use super::{DamagedSketch, Sketch, chunks, make_room};

/// Bits of the hash that choose a register.
const REGISTER_BITS: u32 = 12;
const REGISTERS: usize = 1 << REGISTER_BITS;
/// Bits of the hash that tell values apart while they are few.
const COUPON_BITS: u32 = 26;
/// Bits of a coupon for the rank of the rest of the hash.
const RANK_BITS: u32 = 32 - COUPON_BITS;
/// Distinct values that are kept as coupons: as many bytes as the registers.
const MOST_COUPONS: usize = REGISTERS / size_of::<u32>();
/// Coupons that room is made for at least.
const LEAST_COUPONS: usize = 4;
/// The largest rank: of a hash whose bits after the register's are all zero.
const MOST_RANK: usize = 64 - REGISTER_BITS as usize + 1;

/// The first byte of the encoded forms.
const COUPONS: u8 = 1;
const DENSE: u8 = 2;

/// Counts distinct values by their 64-bit hashes.
///
/// Up to 1024 distinct values the count is exact (see above); beyond, the standard error is
/// 1.04 / √4096 = 1.6 %.
#[derive(Debug, Clone)]
pub enum UniqueSketch {
    /// Coupons: the first 26 bits of a hash and the rank of the others; ascending and distinct up
    /// to `sorted`, any order after.
    Coupons {
        /// The coupons.
        coupons: Vec<u32>,
        /// How many of them are in order.
        sorted: usize,
    },
    /// The largest rank seen per register.
    Dense(Box<[u8; REGISTERS]>),
}

impl Default for UniqueSketch {
    fn default() -> Self {
        Self::Coupons {
            coupons: Vec::new(),
            sorted: 0,
        }
    }
}

/// First bits of the hash, and the rank of the first set bit of the others, from 1.
fn coupon(hash: u64) -> u32 {
    let rest = (hash << COUPON_BITS) | (1 << (COUPON_BITS - 1));
    let rank = rest.leading_zeros() + 1;
    ((hash >> (64 - COUPON_BITS)) as u32) << RANK_BITS | rank
}

/// Register and rank of a coupon.
fn register(coupon: u32) -> (usize, u8) {
    let register = coupon >> (32 - REGISTER_BITS);
    let others = coupon << REGISTER_BITS >> (REGISTER_BITS + RANK_BITS);
    let other_bits = COUPON_BITS - REGISTER_BITS;
    let rank = if others == 0 {
        other_bits + (coupon & ((1 << RANK_BITS) - 1))
    } else {
        others.leading_zeros() - (32 - other_bits) + 1
    };
    (register as usize, rank as u8)
}

impl UniqueSketch {
    /// Makes room for so many coupons: drops repeated ones, then grows or turns into registers if
    /// that was not enough. Where few were repeated it grows all the same, or each further coupon
    /// would have all of them sorted.
    fn make_room(&mut self, more: usize) {
        if let Self::Coupons { coupons, .. } = self
            && coupons.capacity() - coupons.len() < more
        {
            self.settle();
        } else {
            return;
        }
        if let Self::Coupons { coupons, .. } = self {
            let spare = more.max(coupons.capacity() / 4).max(LEAST_COUPONS);
            make_room(coupons, spare);
        }
    }

    fn add_coupons(&mut self, mut added: impl ExactSizeIterator<Item = u32>) {
        // Room for no more at once than can be kept as coupons: of a longer run many are repeated,
        // or it turns into registers on the way.
        while added.len() > 0 {
            let count = added.len().min(MOST_COUPONS);
            self.make_room(count);
            let part = added.by_ref().take(count);
            match self {
                Self::Coupons { coupons, .. } => coupons.extend(part),
                Self::Dense(ranks) => part.for_each(|coupon| raise(ranks, coupon)),
            }
        }
    }

    /// Puts the coupons in order, each once.
    fn sort(&mut self) {
        if let Self::Coupons { coupons, sorted } = self
            && *sorted < coupons.len()
        {
            coupons.sort_unstable();
            coupons.dedup();
            *sorted = coupons.len();
        }
    }

    /// In the one form that its values have.
    fn settle(&mut self) {
        self.sort();
        if let Self::Coupons { coupons, .. } = self
            && coupons.len() > MOST_COUPONS
        {
            *self = Self::Dense(registers(coupons));
        }
    }

    /// The number of distinct values.
    pub fn count(&mut self) -> u64 {
        self.settle();
        match self {
            Self::Coupons { coupons, .. } => coupons.len() as u64,
            Self::Dense(ranks) => estimate(ranks).round() as u64,
        }
    }
}

fn raise(ranks: &mut [u8; REGISTERS], coupon: u32) {
    let (register, rank) = register(coupon);
    ranks[register] = ranks[register].max(rank);
}

fn registers(coupons: &[u32]) -> Box<[u8; REGISTERS]> {
    let mut ranks = Box::new([0; REGISTERS]);
    for &coupon in coupons {
        raise(&mut ranks, coupon);
    }
    ranks
}

/// Ertl 2017, algorithm 6.
fn estimate(ranks: &[u8; REGISTERS]) -> f64 {
    let mut counts = [0_u32; MOST_RANK + 1];
    for &rank in ranks {
        counts[usize::from(rank)] += 1;
    }
    let m = REGISTERS as f64;
    let share = |rank: usize| f64::from(counts[rank]) / m;
    let mut z = m * tau(1.0 - share(MOST_RANK));
    for count in counts[1..MOST_RANK].iter().rev() {
        z = 0.5 * (z + f64::from(*count));
    }
    z += m * sigma(share(0));
    m * m / (2.0 * std::f64::consts::LN_2 * z)
}

/// `x + Σ x^(2^k) · 2^(k−1)`: what empty registers say.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let next = z + x * y;
        if next <= z {
            return z;
        }
        z = next;
        y += y;
    }
}

/// `(1 − x − Σ (1 − x^(2^−k))² · 2^−k) / 3`: what full registers say.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        y *= 0.5;
        let next = z - (1.0 - x).powi(2) * y;
        if next >= z {
            return z / 3.0;
        }
        z = next;
    }
}

impl Sketch for UniqueSketch {
    /// A hash of the value, all of whose bits are random.
    type Item = u64;

    fn add(&mut self, hashes: &[u64]) {
        self.add_coupons(hashes.iter().map(|hash| coupon(*hash)));
    }

    fn merge(&mut self, other: Self) {
        match other {
            Self::Coupons { coupons, .. } => match self {
                Self::Coupons {
                    coupons: ours,
                    sorted,
                } if ours.is_empty() => {
                    (*ours, *sorted) = (coupons, 0);
                }
                _ => self.add_coupons(coupons.into_iter()),
            },
            Self::Dense(theirs) => match self {
                Self::Dense(ours) => {
                    for (our, their) in ours.iter_mut().zip(theirs.iter()) {
                        *our = (*our).max(*their);
                    }
                }
                Self::Coupons { coupons, .. } => {
                    let mut ranks = theirs;
                    for &coupon in coupons.iter() {
                        raise(&mut ranks, coupon);
                    }
                    *self = Self::Dense(ranks);
                }
            },
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Coupons { coupons, .. } => {
                out.push(COUPONS);
                out.extend(coupons.iter().flat_map(|coupon| coupon.to_le_bytes()));
            }
            Self::Dense(ranks) => {
                out.push(DENSE);
                out.extend_from_slice(ranks.as_slice());
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, DamagedSketch> {
        let damaged = DamagedSketch {
            expected: "sketch of distinct values",
            found: bytes.len(),
        };
        match bytes.split_first() {
            Some((&COUPONS, coupons)) => {
                let coupons = chunks(coupons).ok_or(damaged)?;
                let coupons: Vec<u32> = coupons.map(u32::from_le_bytes).collect();
                let most_rank = 64 - COUPON_BITS + 1;
                let is_coupon =
                    |coupon: &u32| (1..=most_rank).contains(&(coupon & ((1 << RANK_BITS) - 1)));
                if !coupons.iter().all(is_coupon) {
                    return Err(damaged);
                }
                Ok(Self::Coupons { coupons, sorted: 0 })
            }
            Some((&DENSE, ranks)) => {
                let ranks: [u8; REGISTERS] = ranks.try_into().map_err(|_| damaged)?;
                if ranks.iter().any(|rank| usize::from(*rank) > MOST_RANK) {
                    return Err(damaged);
                }
                Ok(Self::Dense(Box::new(ranks)))
            }
            _ => Err(damaged),
        }
    }

    fn heap_size(&self) -> usize {
        match self {
            Self::Coupons { coupons, .. } => coupons.capacity() * size_of::<u32>(),
            Self::Dense(_) => REGISTERS,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A hash as good as random (`SplitMix64`).
    fn hash(value: u64) -> u64 {
        let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn sketch(values: impl IntoIterator<Item = u64>) -> UniqueSketch {
        let mut sketch = UniqueSketch::default();
        for value in values {
            sketch.add(&[hash(value)]);
        }
        sketch
    }

    /// The bytes of a sketch, the same for the same values.
    fn encoded(mut sketch: UniqueSketch) -> Vec<u8> {
        sketch.settle();
        let mut bytes = Vec::new();
        sketch.encode(&mut bytes);
        bytes
    }

    #[test]
    fn a_coupon_gives_the_register_and_rank_of_its_hash() {
        for value in (0..10_000)
            .map(hash)
            .chain([0, u64::MAX, 1, 1 << 38, 1 << 51])
        {
            let rest = value << REGISTER_BITS;
            let rank = if rest == 0 {
                MOST_RANK as u32
            } else {
                rest.leading_zeros() + 1
            };
            let expected = ((value >> (64 - REGISTER_BITS)) as usize, rank as u8);
            assert_eq!(register(coupon(value)), expected, "{value:x}");
        }
    }

    #[test]
    fn few_values_are_counted_exactly() {
        for count in [0, 1, 2, 10, 100, 1_000] {
            let repeated = (0..5 * count).map(|value| value % count.max(1));
            assert_eq!(sketch(repeated).count(), count);
        }
    }

    #[test]
    fn many_values_are_counted_within_the_standard_error() {
        for count in [1_025, 2_000, 5_000, 20_000, 100_000, 1_000_000_u64] {
            let errors: Vec<f64> = (0..16)
                .map(|seed| {
                    let first = seed << 32;
                    let found = sketch(first..first + count).count();
                    found as f64 / count as f64 - 1.0
                })
                .collect();
            let spread = (errors.iter().map(|e| e * e).sum::<f64>() / 16.0).sqrt();
            assert!(spread < 0.016 * 1.5, "{count}: {spread}");
            let bias = errors.iter().sum::<f64>() / 16.0;
            assert!(bias.abs() < 0.016, "{count}: {bias}");
        }
    }

    proptest! {
        #[test]
        fn order_and_parts_change_nothing(
            mut values in prop::collection::vec(0..3_000_u64, 0..6_000),
            cuts in prop::collection::vec(0..6_000_usize, 0..5),
        ) {
            let whole = encoded(sketch(values.iter().copied()));
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(values.len())).collect();
            cuts.extend([0, values.len()]);
            cuts.sort_unstable();
            values.reverse();
            let mut merged = UniqueSketch::default();
            for (place, pair) in cuts.windows(2).enumerate() {
                let values = &values[pair[0]..pair[1]];
                // All at once or one by one.
                let part = if place % 2 == 0 {
                    let hashes: Vec<u64> = values.iter().map(|value| hash(*value)).collect();
                    let mut part = UniqueSketch::default();
                    part.add(&hashes);
                    part
                } else {
                    sketch(values.iter().copied())
                };
                let mut bytes = Vec::new();
                part.encode(&mut bytes);
                merged.merge(UniqueSketch::decode(&bytes).unwrap());
            }
            prop_assert_eq!(encoded(merged), whole);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let sketch = sketch(0..100_000);
        assert_eq!(sketch.heap_size(), REGISTERS);
        let repeated = self::sketch((0..100_000).map(|value| value % 3));
        assert!(repeated.heap_size() <= 64, "{}", repeated.heap_size());
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        let mut dense = vec![0; REGISTERS + 1];
        dense[0] = DENSE;
        dense[9] = 200;
        for bytes in [
            &[][..],
            &[9],
            &[COUPONS, 1, 2],
            &[COUPONS, 0, 0, 0, 0],
            &[DENSE, 1],
            &dense,
        ] {
            let error = UniqueSketch::decode(bytes).unwrap_err();
            assert_eq!(error.found, bytes.len());
        }
    }
}
