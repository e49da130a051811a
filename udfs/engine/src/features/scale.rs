//! Level and scale of a series before a block.

/// Level and scale of one metric before a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Median of the history.
    pub level: f64,
    /// 1.25 times the mean absolute deviation from the trailing median, clipped at its 99 %
    /// quantile; positive.
    pub scale: f64,
}

/// Scale from absolute deviations: 1.25 (mean absolute deviation to standard deviation of a
/// normal distribution) times their mean, each clipped at the 99 % quantile.
///
/// Floored at 1 % of the level so that a nearly constant series does not turn rounding into
/// surprise, and 1 where even that is 0 (a series that was always zero).
pub(super) fn scale_of(
    deviations: impl Iterator<Item = f64>,
    same_to_reorder: &mut [f64],
    level: f64,
) -> f64 {
    let floor = 0.01 * level.abs();
    let count = same_to_reorder.len();
    let mean = if count == 0 {
        0.0
    } else {
        let (_, clip, _) =
            same_to_reorder.select_nth_unstable_by((count - 1) * 99 / 100, f64::total_cmp);
        // Summed in time order, which no way of selecting changes.
        deviations
            .map(|deviation| deviation.min(*clip))
            .sum::<f64>()
            / count as f64
    };
    let scale = (1.25 * mean).max(floor);
    if scale > 0.0 { scale } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_outlier_in_a_hundred_does_not_widen_the_scale() {
        let scale = |deviations: &[f64]| {
            scale_of(deviations.iter().copied(), &mut deviations.to_vec(), 0.0)
        };
        let mut calm: Vec<f64> = (0..200).map(|t| f64::from(t % 2)).collect();
        let before = scale(&calm);
        calm[50] = 1e6;
        assert!(scale(&calm) < 1.1 * before);
    }
}
