//! Means of any stretch of the last weeks, from running sums.

/// Running sums over the last windows of a series.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    /// The sum of all windows before place `p`, at `p` modulo the length, a power of two.
    totals: Vec<f64>,
    /// How many of them are known.
    counts: Vec<u32>,
    /// Windows so far.
    len: usize,
}

impl Sums {
    /// Remembers at least so many windows.
    pub(super) fn new(windows: usize) -> Self {
        let places = (windows + 1).next_power_of_two();
        Self {
            totals: vec![0.0; places],
            counts: vec![0; places],
            len: 0,
        }
    }

    /// Takes the next window; NaN is not known.
    pub(super) fn push(&mut self, value: f64) {
        let mask = self.totals.len() - 1;
        let (before, at) = (self.len & mask, (self.len + 1) & mask);
        let is_known = !value.is_nan();
        self.totals[at] = self.totals[before] + if is_known { value } else { 0.0 };
        self.counts[at] = self.counts[before].wrapping_add(u32::from(is_known));
        self.len += 1;
    }

    /// The mean of the known ones of `windows` windows that end `back` windows before the last; `None`
    /// where fewer than half are known, or they are not remembered.
    pub(super) fn mean(&self, back: usize, windows: usize) -> Option<f64> {
        let mask = self.totals.len() - 1;
        if back + windows > self.len.min(mask) {
            return None;
        }
        let (from, to) = ((self.len - back - windows) & mask, (self.len - back) & mask);
        let known = self.counts[to].wrapping_sub(self.counts[from]) as usize;
        let sum = self.totals[to] - self.totals[from];
        (known > 0 && 2 * known >= windows).then(|| sum / known as f64)
    }

    /// The share of the last windows that are known.
    pub(super) fn known(&self, windows: usize) -> f64 {
        let mask = self.totals.len() - 1;
        let held = windows.min(self.len).min(mask);
        let (from, to) = ((self.len - held) & mask, self.len & mask);
        f64::from(self.counts[to].wrapping_sub(self.counts[from])) / windows as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_of_what_is_known_and_remembered() {
        let mut sums = Sums::new(6);
        for value in [1.0, 2.0, f64::NAN, 4.0, 5.0] {
            sums.push(value);
        }
        assert_eq!(sums.mean(0, 2), Some(4.5));
        assert_eq!(sums.mean(1, 3), Some(3.0));
        assert_eq!(sums.mean(2, 1), None);
        assert_eq!(sums.mean(0, 6), None);
        assert!((sums.known(4) - 0.75).abs() < 1e-12);
        for value in [6.0, 7.0, 8.0, 9.0] {
            sums.push(value);
        }
        assert_eq!(sums.mean(0, 7), Some(6.5));
        assert_eq!(sums.mean(0, 8), None);
    }
}
