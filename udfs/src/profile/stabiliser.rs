//! Making the spread of counts independent of their level.

/// How far apart neighbours of Poisson counts are at most, as a multiple of what chance does.
const MOST_DISPERSION: f64 = 10.0;
/// Squared differences beyond this quantile are clipped before their mean is taken.
const CLIP: f64 = 0.98;
/// The level below which a count is as good as never.
const SMALLEST_LEVEL: f64 = 0.05;
/// Added before the square root is taken (Anscombe 1948).
const SHIFT: f64 = 0.375;

/// What is done to a value and to its forecast before they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stabiliser {
    /// Nothing.
    Identity,
    /// `√(x + 3/8)`: counts of independent requests then have a standard deviation of about 1/2 at
    /// any level, so that silence where there are ten a minute is as unusual as it should be.
    /// Continued linearly below 0.
    Anscombe,
}

impl Stabiliser {
    /// The square root for whole numbers whose neighbours differ about as much as chance makes
    /// counts differ; NaN where there is no value.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let known = || values.iter().copied().filter(|value| value.is_finite());
        if known().any(|value| value < 0.0 || value.fract() != 0.0) {
            return Self::Identity;
        }
        let pairs = values.windows(2).map(|pair| (pair[1] - pair[0]).powi(2));
        let mut squares: Vec<f64> = pairs.filter(|square| square.is_finite()).collect();
        if squares.is_empty() {
            return Self::Identity;
        }
        let clip = super::quantile::quantile(&mut squares, CLIP);
        let square = squares.iter().map(|square| square.min(clip)).sum::<f64>();
        let variance = square / squares.len() as f64 / 2.0;
        let level = known().sum::<f64>() / known().count() as f64;
        if variance < MOST_DISPERSION * level.max(SMALLEST_LEVEL) {
            Self::Anscombe
        } else {
            Self::Identity
        }
    }

    /// The value to compare; NaN for NaN. Increasing.
    #[must_use]
    pub fn apply(self, value: f64) -> f64 {
        match self {
            Self::Identity => value,
            Self::Anscombe if value < 0.0 => SHIFT.sqrt() + value / (2.0 * SHIFT.sqrt()),
            Self::Anscombe => (value + SHIFT).sqrt(),
        }
    }

    /// The value that was made comparable.
    #[must_use]
    pub fn invert(self, stabilised: f64) -> f64 {
        let zero = SHIFT.sqrt();
        match self {
            Self::Identity => stabilised,
            Self::Anscombe if stabilised < zero => (stabilised - zero) * 2.0 * zero,
            Self::Anscombe => stabilised * stabilised - SHIFT,
        }
    }

    /// How far a value is from its forecast, as it is compared.
    #[must_use]
    pub fn error(self, value: f64, expected: f64) -> f64 {
        self.apply(value) - self.apply(expected)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn stabilisers_increase_and_invert(a in -1e3..1e6f64, b in -1e3..1e6f64) {
            for stabiliser in [Stabiliser::Identity, Stabiliser::Anscombe] {
                prop_assert_eq!(a < b, stabiliser.apply(a) < stabiliser.apply(b));
                let back = stabiliser.invert(stabiliser.apply(a));
                prop_assert!((back - a).abs() <= 1e-9 * a.abs().max(1.0));
            }
        }
    }

    #[test]
    fn counts_of_chance_are_told_from_others() {
        // Neighbours differ by 2·√10, of which chance makes √20.
        let counts: Vec<f64> = (0..200)
            .map(|row| 10.0 + f64::from(row % 2) * 6.0)
            .collect();
        assert_eq!(Stabiliser::of(&counts), Stabiliser::Anscombe);
        let restless: Vec<f64> = counts.iter().map(|count| count * 100.0).collect();
        assert_eq!(Stabiliser::of(&restless), Stabiliser::Identity);
        let fractions: Vec<f64> = counts.iter().map(|count| count / 7.0).collect();
        assert_eq!(Stabiliser::of(&fractions), Stabiliser::Identity);
        assert_eq!(Stabiliser::of(&[0.0; 50]), Stabiliser::Anscombe);
        assert_eq!(Stabiliser::of(&[f64::NAN; 50]), Stabiliser::Identity);
    }
}
