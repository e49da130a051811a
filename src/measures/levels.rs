//! The hundred thresholds among which the reference looks for the best F1.
//!
//! They are evenly spaced from the lowest score to the highest, and a window is an alarm where its
//! score is *above* one. So all that a window says is how many thresholds lie below its score, and
//! a measure at all thresholds is a tally by that number, summed from the top.

use std::ops::{AddAssign, Range};

use super::labelled::Labelled;

/// Number of thresholds, as in the reference.
pub(super) const LEVELS: usize = 100;

/// Something counted or summed by the number of thresholds that windows are above.
pub(super) type Tally<T> = [T; LEVELS + 1];

/// How many thresholds lie below each score.
#[derive(Debug)]
pub(super) struct Levels {
    /// By row, 0..=99: the window is an alarm at the thresholds 0..above. The last threshold is the
    /// highest score, which nothing is above.
    pub(super) above: Vec<u8>,
}

impl Levels {
    pub(super) fn new(labelled: &Labelled<'_>) -> Self {
        let thresholds = thresholds(labelled.scores);
        // NaN is above nothing.
        let above = |score: &f64| thresholds.partition_point(|threshold| threshold < score) as u8;
        Self {
            above: labelled.scores.iter().map(above).collect(),
        }
    }

    /// How many thresholds the highest score of some rows is above.
    pub(super) fn highest(&self, rows: Range<usize>) -> usize {
        self.above[rows]
            .iter()
            .max()
            .map_or(0, |above| usize::from(*above))
    }
}

/// Evenly spaced from the lowest score to the highest, multiplied and added in the order of
/// `numpy.linspace`: rounding decides on which side of a threshold a tied score lies.
fn thresholds(scores: &[f64]) -> [f64; LEVELS] {
    let lowest = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let intervals = (LEVELS - 1) as f64;
    let spacing = (highest - lowest) / intervals;
    std::array::from_fn(|level| match level as f64 {
        _ if level + 1 == LEVELS => highest,
        level if spacing == 0.0 => level / intervals * (highest - lowest) + lowest,
        level => level * spacing + lowest,
    })
}

/// From what windows contribute by the number of thresholds they are above, the sums at each
/// threshold.
pub(super) fn at_levels<T: Copy + Default + AddAssign>(tally: &Tally<T>) -> [T; LEVELS] {
    let mut sums = [T::default(); LEVELS];
    let mut sum = T::default();
    for level in (0..LEVELS).rev() {
        sum += tally[level + 1];
        sums[level] = sum;
    }
    sums
}

/// The best of a measure over all thresholds; 0 where it is nowhere defined.
pub(super) fn best(measure: impl Fn(usize) -> f64) -> f64 {
    (0..LEVELS).map(measure).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_numpys() {
        // numpy.linspace(0, 9, 100)[[11, 22, 23, 99]]
        let spaced = thresholds(&[9.0, f64::NAN, 0.0]);
        let expected: [f64; 4] = [1.0, 2.0, 2.090_909_090_909_091, 9.0];
        for (level, expected) in [11, 22, 23, 99].into_iter().zip(expected) {
            assert_eq!(spaced[level].to_bits(), expected.to_bits());
        }
        let of_one = thresholds(&[3.0, 3.0]).map(f64::to_bits);
        assert_eq!(of_one, [3.0_f64.to_bits(); LEVELS]);
    }

    #[test]
    fn windows_without_a_score_are_above_nothing() {
        let labels = [true, false, false, false];
        let labelled = Labelled::new(&labels, &[1.0, f64::NAN, 0.0, 0.5]).unwrap();
        let levels = Levels::new(&labelled);
        assert_eq!(levels.above, [99, 0, 0, 50]);
        assert_eq!(levels.highest(1..4), 50);
        assert_eq!(levels.highest(1..1), 0);
    }

    #[test]
    fn tallies_sum_from_the_top() {
        let mut tally = [0; LEVELS + 1];
        tally[99] = 1;
        tally[2] = 2;
        let sums = at_levels(&tally);
        assert_eq!(
            (sums[99], sums[98], sums[2], sums[1], sums[0]),
            (0, 1, 1, 3, 3)
        );
    }
}
