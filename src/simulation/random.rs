//! Seeded draws whose bits are the same on every platform.
//!
//! Only integer arithmetic and the IEEE operations `+ - * / sqrt` are used: the `exp`, `ln` and
//! `cos` of the standard library come from the system and may differ in the last bit, which is
//! enough to move a request and every draw after it.

use std::f64::consts::{LN_2, LOG2_E, PI, SQRT_2};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// The purpose of a stream of draws; streams of different purposes are independent.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    /// What a site is.
    Profile,
    /// When anomalies happen.
    Schedule,
    /// How traffic wanders beyond its rhythm.
    Mood,
    /// Single requests.
    Traffic,
    /// What anomalies add and take away.
    Anomalies,
}

/// A stream of draws.
#[derive(Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of one site and day. Days count from the start; streams that belong to no day
    /// pass 0. A day before the start (-1) is allowed.
    #[must_use]
    pub fn new(seed: u64, site: u32, day: i64, purpose: Purpose) -> Self {
        let mut key = [0_u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..12].copy_from_slice(&site.to_le_bytes());
        key[12..20].copy_from_slice(&day.to_le_bytes());
        key[20] = purpose as u8;
        key[24..].copy_from_slice(b"anomalog");
        Self(ChaCha8Rng::from_seed(key))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in 0..count; 0 when count is 0.
    pub fn below(&mut self, count: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(count)) >> 32) as u32
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of a non-empty list.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }

    /// Standard normal, as the sum of eight uniforms (Irwin–Hall), so within ±4.9.
    pub fn normal(&mut self) -> f64 {
        let mut sum = 0_u64;
        for _ in 0..2 {
            let bits = self.0.next_u64();
            sum +=
                (bits & 0xffff) + ((bits >> 16) & 0xffff) + ((bits >> 32) & 0xffff) + (bits >> 48);
        }
        // Mean 8 · 65535/2; standard deviation 65536 · sqrt(8/12).
        (sum as f64 - 262_140.0) / 53_510.0
    }

    /// Log-normal with this median and standard deviation of the logarithm.
    pub fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * exp(sigma * self.normal())
    }

    /// Gamma with mean 1 and this shape (at least 1), by Marsaglia and Tsang (2000).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = 1.0 + c * x;
            if v <= 0.0 {
                continue;
            }
            let v = v * v * v;
            if ln(1.0 - self.unit()) < 0.5 * x * x + d - d * v + d * ln(v) {
                return d * v / shape;
            }
        }
    }

    /// Poisson with this mean: by multiplication (Knuth) when small, else by the normal
    /// approximation with its first correction for skewness (Cornish–Fisher).
    pub fn poisson(&mut self, mean: f64) -> u32 {
        if mean > 30.0 {
            let z = self.normal();
            let value = mean + mean.sqrt() * z + (z * z - 1.0) / 6.0;
            return value.max(0.0).round() as u32;
        }
        let limit = exp(-mean.max(0.0));
        let mut product = self.unit();
        let mut count = 0;
        while product > limit {
            count += 1;
            product *= self.unit();
        }
        count
    }
}

/// A fixed scramble of 64 bits (the finaliser of `SplitMix64`).
pub(super) const fn scramble(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// 1/k! for k = 0..=11, which bounds the relative error of [`exp`] by 1e-13.
const INVERSE_FACTORIALS: [f64; 12] = [
    1.0,
    1.0,
    1.0 / 2.0,
    1.0 / 6.0,
    1.0 / 24.0,
    1.0 / 120.0,
    1.0 / 720.0,
    1.0 / 5_040.0,
    1.0 / 40_320.0,
    1.0 / 362_880.0,
    1.0 / 3_628_800.0,
    1.0 / 39_916_800.0,
];

/// e to the power of `x`, for |x| up to 700.
#[must_use]
pub fn exp(x: f64) -> f64 {
    let x = x.clamp(-700.0, 700.0);
    let power = (x * LOG2_E).round();
    let rest = x - power * LN_2;
    let sum = INVERSE_FACTORIALS
        .iter()
        .rev()
        .fold(0.0, |sum, coefficient| sum * rest + coefficient);
    sum * f64::from_bits(((power as i64 + 1023) as u64) << 52)
}

/// The natural logarithm of a positive normal number; of less, that of the smallest such.
#[must_use]
pub fn ln(x: f64) -> f64 {
    let bits = x.max(f64::MIN_POSITIVE).to_bits();
    let mut exponent = ((bits >> 52) as i64 - 1023) as f64;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa > SQRT_2 {
        mantissa /= 2.0;
        exponent += 1.0;
    }
    // ln m = 2 artanh((m − 1) / (m + 1)), whose argument is at most 0.172.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = (0..9)
        .rev()
        .fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 1));
    exponent * LN_2 + 2.0 * s * series
}

/// The cosine of an angle in turns.
#[must_use]
pub fn cos_turn(turns: f64) -> f64 {
    let x = (turns - turns.round()) * 2.0 * PI;
    let square = x * x;
    // Horner form of the Taylor series to degree 28, |x| ≤ π.
    (1..=14).rev().fold(1.0, |sum, k| {
        let k = f64::from(2 * k);
        1.0 - sum * square / (k * (k - 1.0))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn elementary_functions_agree_with_std(x in -50.0..50.0_f64, y in 1e-9..1e9_f64) {
            prop_assert!((exp(x) / x.exp() - 1.0).abs() < 1e-12);
            prop_assert!((ln(y) - y.ln()).abs() < 1e-12);
            prop_assert!((cos_turn(x) - (x * 2.0 * PI).cos()).abs() < 1e-10);
        }
    }

    fn moments(mut draw: impl FnMut(&mut Random) -> f64) -> (f64, f64) {
        let mut random = Random::new(1, 2, 3, Purpose::Traffic);
        let values: Vec<f64> = (0..40_000).map(|_| draw(&mut random)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
        (mean, squares / values.len() as f64)
    }

    fn assert_close(found: (f64, f64), expected: (f64, f64)) {
        assert!(
            (found.0 - expected.0).abs() < 0.03 * expected.0.max(1.0)
                && (found.1 - expected.1).abs() < 0.06 * expected.1,
            "mean and variance are {found:?}, expected {expected:?}"
        );
    }

    #[test]
    fn draws_have_the_promised_mean_and_variance() {
        assert_close(moments(Random::normal), (0.0, 1.0));
        assert_close(moments(|r| r.gamma(10.0)), (1.0, 0.1));
        assert_close(moments(|r| f64::from(r.poisson(3.0))), (3.0, 3.0));
        assert_close(moments(|r| f64::from(r.poisson(80.0))), (80.0, 80.0));
        assert_close(moments(|r| f64::from(r.below(7))), (3.0, 4.0));
    }

    #[test]
    fn purposes_days_and_sites_have_their_own_streams() {
        let mut first: Vec<u64> = [
            Random::new(1, 0, 0, Purpose::Traffic),
            Random::new(2, 0, 0, Purpose::Traffic),
            Random::new(1, 1, 0, Purpose::Traffic),
            Random::new(1, 0, -1, Purpose::Traffic),
            Random::new(1, 0, 0, Purpose::Mood),
        ]
        .iter_mut()
        .map(Random::bits)
        .collect();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 5);
    }
}
