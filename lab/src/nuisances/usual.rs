//! What is usual in each minute of a made-up site, and how far sums stray from it by chance.

use std::ops::Range;

use anomalog::simulation::random::exp;

/// Minutes after which the wandering of a level has fallen to 1/e.
pub(super) const MEMORY: f64 = 120.0;

/// The distribution of the minutes of a site.
#[derive(Debug, Clone)]
pub(crate) struct Usual {
    /// The mean of each minute.
    pub(super) mean: Vec<f64>,
    /// The variance of each minute by chance, which is another in every minute.
    pub(super) variance: Vec<f64>,
    /// The standard deviation of the level, as a share of it, which wanders with a [`MEMORY`].
    pub(super) wander: f64,
    /// The least standard deviation that a window is taken to have.
    pub(super) least: f64,
    /// Whether a window has the mean of its minutes, as a latency, and not their sum.
    pub(crate) is_mean: bool,
}

impl Usual {
    /// The usual total of consecutive windows of so many minutes each.
    #[cfg(test)]
    pub(super) fn total(&self, windows: Range<usize>, minutes: usize) -> f64 {
        self.mean[windows.start * minutes..windows.end * minutes]
            .iter()
            .sum::<f64>()
            * self.share(minutes)
    }

    /// The standard deviation of that total: chance, and the wandering of the level.
    pub(crate) fn deviation(&self, windows: Range<usize>, minutes: usize) -> f64 {
        let range = windows.start * minutes..windows.end * minutes;
        let chance: f64 = self.variance[range.clone()].iter().sum();
        let total: f64 = self.mean[range.clone()].iter().sum();
        let share = self.wander * mean_of_memory(range.len()).sqrt();
        let of_model = (chance + (total * share).powi(2)).sqrt() * self.share(minutes);
        of_model.max(self.least * (windows.len() as f64).sqrt())
    }

    /// What a minute weighs in its window.
    pub(super) fn share(&self, minutes: usize) -> f64 {
        if self.is_mean {
            1.0 / minutes as f64
        } else {
            1.0
        }
    }
}

/// The variance of the mean of so many minutes of a process with a [`MEMORY`], as a share of its own.
fn mean_of_memory(minutes: usize) -> f64 {
    let n = minutes as f64;
    let kept = exp(-1.0 / MEMORY);
    // The sum of kept^|i − j| over all pairs.
    let pairs = n * (1.0 + kept) / (1.0 - kept)
        - 2.0 * kept * (1.0 - exp(-n / MEMORY)) / ((1.0 - kept) * (1.0 - kept));
    pairs / (n * n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variance_of_a_mean_is_that_of_all_pairs() {
        for minutes in [1, 2, 60, 500] {
            let mut pairs = 0.0;
            for i in 0..minutes {
                for j in 0..minutes {
                    pairs += (-(f64::from(i) - f64::from(j)).abs() / MEMORY).exp();
                }
            }
            let expected = pairs / f64::from(minutes * minutes);
            let found = mean_of_memory(minutes as usize);
            assert!(
                (found - expected).abs() < 1e-9,
                "{minutes}: {found} {expected}"
            );
        }
    }

    #[test]
    fn windows_add_up_or_are_means() {
        let mut usual = Usual {
            mean: vec![4.0; 60],
            variance: vec![4.0; 60],
            wander: 0.0,
            least: 0.5,
            is_mean: false,
        };
        assert!((usual.total(0..3, 5) - 60.0).abs() < 1e-12);
        assert!((usual.deviation(0..3, 5) - 60.0_f64.sqrt()).abs() < 1e-12);
        usual.is_mean = true;
        assert!((usual.total(0..3, 5) - 12.0).abs() < 1e-12);
        usual.variance = vec![0.0; 60];
        assert!((usual.deviation(0..4, 5) - 1.0).abs() < 1e-12);
    }
}
