//! How the values of a metric are read.

use serde::{Deserialize, Serialize};

/// How the values of a metric are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transform {
    /// As they are.
    Identity,
    /// `√(x + 3/8)`, which makes the spread of latencies and sizes less dependent on their level;
    /// continued linearly below 0.
    Sqrt,
    /// The same for whole numbers: it makes the spread of counts independent of their level, with
    /// a standard deviation of 1/2 if they are Poisson distributed (Anscombe 1948). No scale is
    /// smaller than that, so that a rare count of one is no surprise of any size.
    Count,
}

impl Transform {
    const SHIFT: f64 = 0.375;

    /// The transformed value; NaN and infinite values stay what they are. Increasing.
    #[must_use]
    pub fn apply(self, value: f64) -> f64 {
        match self {
            Self::Identity => value,
            Self::Sqrt | Self::Count if value < 0.0 => {
                Self::SHIFT.sqrt() + value / (2.0 * Self::SHIFT.sqrt())
            }
            Self::Sqrt | Self::Count => (value + Self::SHIFT).sqrt(),
        }
    }

    /// The value that was transformed.
    #[must_use]
    pub fn invert(self, transformed: f64) -> f64 {
        let zero = Self::SHIFT.sqrt();
        match self {
            Self::Identity => transformed,
            Self::Sqrt | Self::Count if transformed < zero => (transformed - zero) * 2.0 * zero,
            Self::Sqrt | Self::Count => transformed * transformed - Self::SHIFT,
        }
    }

    /// The smallest scale of a series, in transformed units.
    #[must_use]
    pub const fn smallest_scale(self) -> f64 {
        match self {
            Self::Identity | Self::Sqrt => 0.0,
            Self::Count => 0.5,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn transforms_increase_and_invert(a in -1e3..1e6f64, b in -1e3..1e6f64) {
            for transform in [Transform::Identity, Transform::Sqrt, Transform::Count] {
                prop_assert_eq!(a < b, transform.apply(a) < transform.apply(b));
                let back = transform.invert(transform.apply(a));
                prop_assert!((back - a).abs() <= 1e-9 * a.abs().max(1.0));
            }
        }
    }
}
