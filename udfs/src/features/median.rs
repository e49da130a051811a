//! Medians: of one set of values, and rolling over a series.

/// Median of the last `width` slots at each slot, over the values present; NaN where there are
/// none. The mean of the middle two for an even count.
pub(super) fn rolling_median(values: &[f64], width: usize) -> Vec<f64> {
    let mut sorted: Vec<f64> = Vec::with_capacity(width);
    let mut medians = Vec::with_capacity(values.len());
    for (slot, &entering) in values.iter().enumerate() {
        let leaving = slot
            .checked_sub(width)
            .map_or(f64::NAN, |slot| values[slot]);
        let place = |sorted: &[f64], value: f64| sorted.partition_point(|&x| x < value);
        match (leaving.is_finite(), entering.is_finite()) {
            (true, true) => {
                let (from, to) = (place(&sorted, leaving), place(&sorted, entering));
                if from < to {
                    sorted.copy_within(from + 1..to, from);
                    sorted[to - 1] = entering;
                } else {
                    sorted.copy_within(to..from, to + 1);
                    sorted[to] = entering;
                }
            }
            (true, false) => {
                sorted.remove(place(&sorted, leaving));
            }
            (false, true) => sorted.insert(place(&sorted, entering), entering),
            (false, false) => {}
        }
        medians.push(sorted_median(&sorted));
    }
    medians
}

/// Median of ascending values; NaN where there are none.
fn sorted_median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Median of at least one value, which it reorders.
pub(super) fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    let is_odd = values.len() % 2 == 1;
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = below.iter().copied().max_by(f64::total_cmp);
    match lower {
        Some(lower) if !is_odd => f64::midpoint(lower, *upper),
        _ => *upper,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive_median(values: &[f64]) -> f64 {
        let mut present: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
        present.sort_by(f64::total_cmp);
        sorted_median(&present)
    }

    proptest! {
        #[test]
        fn rolling_median_equals_sorting_each_window(
            values in prop::collection::vec(prop_oneof![Just(f64::NAN), -5.0..5.0f64, Just(1.0)], 0..80),
            width in 1usize..12,
        ) {
            let fast = rolling_median(&values, width);
            for (slot, median) in fast.iter().enumerate() {
                let expected = naive_median(&values[(slot + 1).saturating_sub(width)..=slot]);
                prop_assert!(median.to_bits() == expected.to_bits());
            }
        }

        #[test]
        fn median_equals_that_of_sorted_values(values in prop::collection::vec(-5.0..5.0f64, 1..40)) {
            let fast = median(&mut values.clone());
            prop_assert_eq!(fast.to_bits(), naive_median(&values).to_bits());
        }
    }
}
