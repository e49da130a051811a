//! One figure per series, and what two candidates differ by.

use std::collections::BTreeMap;

use anomalog::evaluation::bootstrap::{Interval, mean_interval};

/// By series, a figure of one candidate: the mean over seeds.
pub(super) type Figures = BTreeMap<String, f64>;

/// The mean over series.
pub(super) fn mean(figures: &Figures) -> Option<f64> {
    (!figures.is_empty()).then(|| figures.values().sum::<f64>() / figures.len() as f64)
}

/// The mean over series with its interval.
pub(super) fn interval(figures: &Figures) -> Option<Interval> {
    let figures: Vec<f64> = figures.values().copied().collect();
    mean_interval(&figures)
}

/// By series, the mean of all candidates that have a figure of it.
pub(super) fn average(all: impl Iterator<Item = Figures>) -> Figures {
    let mut sums = BTreeMap::<String, (f64, usize)>::new();
    for (series, figure) in all.flatten() {
        let sum = sums.entry(series).or_default();
        sum.0 += figure;
        sum.1 += 1;
    }
    let mean = |(series, (sum, count)): (String, (f64, usize))| (series, sum / count as f64);
    sums.into_iter().map(mean).collect()
}

/// Mean difference over the series that both have; `None` where there are none.
pub(super) fn paired(one: &Figures, other: &Figures) -> Option<Interval> {
    let differences: Vec<f64> = one
        .iter()
        .filter_map(|(series, figure)| Some(figure - other.get(series)?))
        .collect();
    mean_interval(&differences)
}

/// Series that a difference needs, to be one. With fewer, all have the same sign by chance more
/// often than once in ten: 2 · 2⁻ⁿ.
const FEWEST_SERIES: usize = 5;

/// Whether a difference is one: its interval excludes 0, and is over enough series.
pub(super) fn is_beyond_noise(difference: &Interval) -> bool {
    let ends = difference.low.zip(difference.high);
    difference.series >= FEWEST_SERIES && ends.is_some_and(|(low, high)| low > 0.0 || high < 0.0)
}

/// A difference with its interval.
pub(super) fn difference(difference: &Interval) -> String {
    match difference.low.zip(difference.high) {
        None => format!("{:+.3}", difference.mean),
        Some((low, high)) => format!("{:+.3} [{low:+.3}, {high:+.3}]", difference.mean),
    }
}

/// What a difference says.
pub(super) fn noise(of: &Interval) -> &'static str {
    if of.series < FEWEST_SERIES {
        "too few to tell"
    } else if is_beyond_noise(of) {
        "beyond"
    } else {
        "within"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(of: &[(&str, f64)]) -> Figures {
        let owned = |(series, figure): &(&str, f64)| ((*series).to_owned(), *figure);
        of.iter().map(owned).collect()
    }

    #[test]
    fn only_series_of_both_are_compared() {
        let one = figures(&[("a", 0.5), ("b", 0.75), ("c", 1.0)]);
        let other = figures(&[("a", 0.25), ("b", 0.5), ("d", 0.0)]);
        let found = paired(&one, &other).unwrap();
        assert_eq!(
            (difference(&found).as_str(), found.series, noise(&found)),
            ("+0.250 [+0.250, +0.250]", 2, "too few to tell")
        );
        assert_eq!(paired(&one, &figures(&[("d", 0.0)])), None);
    }

    #[test]
    fn enough_series_that_agree_are_beyond_noise() {
        let of = |count: usize, figure: f64| -> Figures {
            (0..count)
                .map(|series| (series.to_string(), figure))
                .collect()
        };
        let found = |count, figure| paired(&of(count, figure), &of(count, 0.5)).unwrap();
        assert!(is_beyond_noise(&found(5, 1.0)) && !is_beyond_noise(&found(4, 1.0)));
        assert_eq!(noise(&found(5, 0.5)), "within");
        assert_eq!(difference(&found(1, 1.0)), "+0.500");
    }

    #[test]
    fn the_average_is_over_those_that_have_a_figure() {
        let all = [figures(&[("a", 0.0), ("b", 1.0)]), figures(&[("a", 0.5)])];
        assert_eq!(
            average(all.into_iter()),
            figures(&[("a", 0.25), ("b", 1.0)])
        );
    }
}
