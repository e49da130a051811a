//! The last values of a series, in order of size.

use std::collections::VecDeque;

/// The last `width` rows of a series, of which those with a value are kept sorted.
#[derive(Debug)]
pub(super) struct Trailing {
    width: usize,
    rows: VecDeque<f64>,
    sorted: Vec<f64>,
}

impl Trailing {
    pub(super) fn new(width: usize) -> Self {
        Self {
            width,
            rows: VecDeque::new(),
            sorted: Vec::new(),
        }
    }

    /// Takes up one row, and drops the oldest where there are more than `width`. A value that is
    /// not finite is none.
    pub(super) fn push(&mut self, value: f64) {
        self.rows.push_back(value);
        if value.is_finite() {
            self.sorted.insert(self.place(value), value);
        }
        if self.rows.len() > self.width
            && let Some(oldest) = self.rows.pop_front()
            && oldest.is_finite()
        {
            self.sorted.remove(self.place(oldest));
        }
    }

    /// Number of values less than one.
    fn place(&self, value: f64) -> usize {
        self.sorted.partition_point(|other| *other < value)
    }

    /// How many rows have a value.
    pub(super) fn values(&self) -> usize {
        self.sorted.len()
    }

    /// Median of the values, the mean of the middle two for an even number; NaN without values.
    pub(super) fn median(&self) -> f64 {
        let middle = self.sorted.len() / 2;
        match self.sorted.len() {
            0 => f64::NAN,
            len if len % 2 == 1 => self.sorted[middle],
            _ => f64::midpoint(self.sorted[middle - 1], self.sorted[middle]),
        }
    }

    /// Median of the distances of the values from one; NaN without values.
    pub(super) fn median_distance(&self, from: f64) -> f64 {
        let nearest = self.sorted.len() / 2;
        match self.sorted.len() {
            0 => f64::NAN,
            len if len % 2 == 1 => self.distance(from, nearest + 1),
            _ => f64::midpoint(
                self.distance(from, nearest),
                self.distance(from, nearest + 1),
            ),
        }
    }

    /// The distance from a value to the one that is the `count`th nearest to it; `count` is from 1
    /// to the number of values.
    fn distance(&self, from: f64, count: usize) -> f64 {
        // The nearest are next to each other: of the places where they may begin, the first whose
        // farthest value is to the right, or the last of all.
        let (mut begin, mut end) = (0, self.sorted.len() - count);
        while begin < end {
            let middle = usize::midpoint(begin, end);
            if from - self.sorted[middle] > self.sorted[middle + count] - from {
                begin = middle + 1;
            } else {
                end = middle;
            }
        }
        let last = self.sorted[begin + count - 1];
        (from - self.sorted[begin]).max(last - from)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn median(mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() {
            0 => f64::NAN,
            len if len % 2 == 1 => values[middle],
            _ => f64::midpoint(values[middle - 1], values[middle]),
        }
    }

    /// Zeros of either sign are the same.
    fn is_same(a: f64, b: f64) -> bool {
        (a + 0.0).to_bits() == (b + 0.0).to_bits() || (a.is_nan() && b.is_nan())
    }

    proptest! {
        #[test]
        fn medians_equal_those_of_sorting_each_window(
            values in prop::collection::vec(
                prop_oneof![Just(f64::NAN), -5.0..5.0f64, Just(1.0), Just(-0.0), Just(0.0)],
                0..120,
            ),
            width in 1usize..40,
        ) {
            let mut trailing = Trailing::new(width);
            for (row, &value) in values.iter().enumerate() {
                trailing.push(value);
                let window = &values[(row + 1).saturating_sub(width)..=row];
                let window: Vec<f64> = window.iter().copied().filter(|x| !x.is_nan()).collect();
                prop_assert_eq!(trailing.values(), window.len());
                let centre = trailing.median();
                let expected = median(window.clone());
                prop_assert!(is_same(centre, expected));
                let distance = trailing.median_distance(centre);
                let expected = median(window.iter().map(|x| (x - centre).abs()).collect());
                prop_assert!(is_same(distance, expected));
            }
        }
    }
}
