//! Medians: of one set of values, and rolling over a series.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into a `target_feature` function is compiled without its \
              instructions"
)]

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use anomalog_kernels::{Isa, Simd, Task};

/// The rolling medians of a segment, of which those of the older windows are only computed if one of
/// them is asked for: what learns reads all, what scores the last ones.
#[derive(Debug)]
pub(super) struct RollingMedians<'a> {
    values: &'a [f64],
    width: usize,
    /// The first slot of the second part.
    split: usize,
    parts: [OnceLock<Vec<f64>>; 2],
}

impl<'a> RollingMedians<'a> {
    pub(super) fn new(values: &'a [f64], width: usize, split: usize) -> Self {
        Self {
            values,
            width,
            split: split.min(values.len()),
            parts: [const { OnceLock::new() }; 2],
        }
    }

    fn part(&self, number: usize) -> &[f64] {
        let Self {
            values,
            width,
            split,
            ..
        } = *self;
        self.parts[number].get_or_init(|| {
            if number == 0 {
                return rolling_median(&values[..split], width);
            }
            // A median depends on its own window alone.
            let lead = split.min(width - 1);
            let mut medians = rolling_median(&values[split - lead..], width);
            medians.drain(..lead);
            medians
        })
    }

    /// The median at a slot; NaN outside the segment.
    pub(super) fn at(&self, slot: i64) -> f64 {
        let Ok(slot) = usize::try_from(slot) else {
            return f64::NAN;
        };
        let median = match slot.checked_sub(self.split) {
            Some(slot) => self.part(1).get(slot),
            None => self.part(0).get(slot),
        };
        median.copied().unwrap_or(f64::NAN)
    }

    /// The medians of some slots; NaN outside the segment.
    pub(super) fn slots(&self, slots: Range<i64>) -> Cow<'_, [f64]> {
        let split = self.split as i64;
        let (number, first) = if slots.start < split {
            (0, 0)
        } else {
            (1, split)
        };
        let end = if number == 0 {
            split
        } else {
            self.values.len() as i64
        };
        if slots.start >= 0 && slots.end <= end {
            let slots = (slots.start - first) as usize..(slots.end - first) as usize;
            return Cow::Borrowed(&self.part(number)[slots]);
        }
        Cow::Owned(slots.map(|slot| self.at(slot)).collect())
    }
}

/// Median of the last `width` slots at each slot, over the values present; NaN where there are
/// none. The mean of the middle two for an even count. `width` is at most 64.
pub(super) fn rolling_median(values: &[f64], width: usize) -> Vec<f64> {
    let isa = Isa::best();
    if width <= 16 {
        isa.run(RollingMedian::<16> { values, width })
    } else {
        isa.run(RollingMedian::<64> { values, width })
    }
}

struct RollingMedian<'a, const CAPACITY: usize> {
    values: &'a [f64],
    width: usize,
}

impl<const CAPACITY: usize> Task for RollingMedian<'_, CAPACITY> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, _simd: S) -> Vec<f64> {
        let Self { values, width } = self;
        let mut window = Window::<CAPACITY>::new();
        let mut medians = Vec::with_capacity(values.len());
        for (slot, &entering) in values.iter().enumerate() {
            let leaving = slot
                .checked_sub(width)
                .map_or(f64::NAN, |slot| values[slot]);
            window.replace(leaving, entering);
            medians.push(sorted_median(&window.sorted[..window.len]));
        }
        medians
    }
}

/// Ascending values, filled up with infinity.
struct Window<const CAPACITY: usize> {
    sorted: [f64; CAPACITY],
    len: usize,
}

impl<const CAPACITY: usize> Window<CAPACITY> {
    const fn new() -> Self {
        Self {
            sorted: [f64::INFINITY; CAPACITY],
            len: 0,
        }
    }

    /// Number of values less than one: a count over the whole array, which vectors do in less time
    /// than a search takes to find its way.
    #[inline(always)]
    fn place(&self, value: f64) -> usize {
        let less = self.sorted.iter().map(|x| u64::from(*x < value));
        less.sum::<u64>() as usize
    }

    /// Takes out a value that is there and puts in another; one that is not finite is none.
    #[inline(always)]
    fn replace(&mut self, leaving: f64, entering: f64) {
        match (leaving.is_finite(), entering.is_finite()) {
            (true, true) => {
                let (from, to) = (self.place(leaving), self.place(entering));
                if from < to {
                    self.sorted.copy_within(from + 1..to, from);
                    self.sorted[to - 1] = entering;
                } else {
                    self.sorted.copy_within(to..from, to + 1);
                    self.sorted[to] = entering;
                }
            }
            (true, false) => {
                let from = self.place(leaving);
                self.sorted.copy_within(from + 1..self.len, from);
                self.len -= 1;
                self.sorted[self.len] = f64::INFINITY;
            }
            (false, true) => {
                let to = self.place(entering);
                self.sorted.copy_within(to..self.len, to + 1);
                self.sorted[to] = entering;
                self.len += 1;
            }
            (false, false) => {}
        }
    }
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
        fn medians_do_not_depend_on_the_split(
            values in prop::collection::vec(prop_oneof![Just(f64::NAN), -5.0..5.0f64, Just(1.0)], 0..200),
            width in prop_oneof![1usize..17, Just(61)],
            split in 0usize..220,
            start in -20i64..220,
            length in 0i64..130,
        ) {
            let bits = |medians: &[f64]| medians.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let all = rolling_median(&values, width);
            let medians = RollingMedians::new(&values, width, split);
            let slots = start..start + length;
            let slot = |slot: i64| {
                let slot = usize::try_from(slot).ok();
                slot.and_then(|slot| all.get(slot)).copied().unwrap_or(f64::NAN)
            };
            let expected: Vec<f64> = slots.clone().map(slot).collect();
            prop_assert_eq!(bits(&medians.slots(slots.clone())), bits(&expected));
            let one_by_one: Vec<f64> = slots.map(|slot| medians.at(slot)).collect();
            prop_assert_eq!(bits(&one_by_one), bits(&expected));
        }

        #[test]
        fn rolling_median_equals_sorting_each_window(
            values in prop::collection::vec(prop_oneof![Just(f64::NAN), -5.0..5.0f64, Just(1.0)], 0..200),
            width in prop_oneof![1usize..17, Just(61)],
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
