//! Quantiles of errors.

/// The value at a quantile of at least one value, which it reorders: the smallest that at least
/// this share is not above.
pub(super) fn quantile(values: &mut [f64], share: f64) -> f64 {
    let rank = ((values.len() as f64 * share).ceil() as usize).clamp(1, values.len()) - 1;
    *values.select_nth_unstable_by(rank, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_of_the_sample() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        for (share, expected) in [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            assert_eq!(
                quantile(&mut values, share).to_bits(),
                f64::to_bits(expected)
            );
        }
        assert_eq!(quantile(&mut [7.0], 0.3).to_bits(), 7.0_f64.to_bits());
    }
}
