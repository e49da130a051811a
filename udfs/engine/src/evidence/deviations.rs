//! Differences in standard deviations, and how far beyond what came before a value is.

use super::expected::{REFERENCES, Then};
use super::slots::Around;
use super::usual::median;

/// The least expected value that a scale is made for, as a share of the level.
const LEAST_EXPECTED: f64 = 0.05;
/// What came back is said to, if it was out by so many standard deviations.
const OUT: f64 = 3.0;
/// Standard deviations of what has no scale.
const BOUNDLESS: f64 = 1e6;

/// What residuals of an expected value are measured in: with its square root, between chance, whose
/// variance is that of the mean, and shares of it.
pub(super) fn unit(expected: f64, level: f64) -> f64 {
    (expected.abs().max(LEAST_EXPECTED * level) * level).sqrt()
}

/// A difference in standard deviations, of which there may be none.
pub(super) fn deviations(difference: f64, deviation: f64) -> f64 {
    if difference == 0.0 {
        0.0
    } else if deviation > 0.0 {
        (difference / deviation).clamp(-BOUNDLESS, BOUNDLESS)
    } else {
        BOUNDLESS.copysign(difference)
    }
}

/// The smallest of those that agree on a side; 0 where they do not.
pub(super) fn smallest(z: &[f64; REFERENCES]) -> f64 {
    let known = || z.iter().copied().filter(|z| !z.is_nan());
    let lowest = known().fold(f64::INFINITY, f64::min);
    let highest = known().fold(f64::NEG_INFINITY, f64::max);
    if lowest > 0.0 && lowest < f64::INFINITY {
        lowest
    } else if highest < 0.0 && highest > f64::NEG_INFINITY {
        highest
    } else {
        0.0
    }
}

/// Standard deviations by which a mean lies above the highest or below the lowest.
pub(super) fn outside(mean: f64, [highest, lowest]: [f64; 2], deviation: f64) -> f64 {
    if deviation.is_nan() {
        0.0
    } else if mean > highest {
        deviations(mean - highest, deviation)
    } else if mean < lowest {
        deviations(mean - lowest, deviation)
    } else {
        0.0
    }
}

/// The medians of highest and lowest at today's level, and the farthest of them.
pub(super) fn typical_and_farthest<const N: usize>(
    around: Around<N>,
    then: &[Then; N],
) -> [[f64; 2]; 2] {
    let mut highest = around.highest;
    let mut lowest = around.lowest;
    for age in 0..N {
        highest[age] *= then[age].growth;
        lowest[age] *= then[age].growth;
    }
    let farthest = [
        highest.iter().copied().fold(f64::NAN, f64::max),
        lowest.iter().copied().fold(f64::NAN, f64::min),
    ];
    let typical = [&mut highest, &mut lowest].map(median);
    [typical, farthest]
}

/// How far out this time was before, to the side where it is now: the median, the most, and the share
/// of those far out.
pub(super) fn came_back<const N: usize>(around: &Around<N>, out: f64) -> [f64; 3] {
    let mut before = if out >= 0.0 {
        around.highest
    } else {
        around.lowest.map(|lowest| -lowest)
    };
    let known = before.iter().filter(|before| !before.is_nan()).count();
    if known == 0 {
        return [0.0; 3];
    }
    let most = before.iter().copied().fold(f64::NAN, f64::max);
    let far = before.iter().filter(|before| **before > OUT).count();
    let typical = median(&mut before);
    [typical, most, far as f64 / known as f64]
}
