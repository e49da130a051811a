//! Means of any stretch of the last weeks, from running sums.

/// Running sums over the last windows of a series.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    /// Of all windows before place `p`, at `p` modulo the length, a power of two.
    totals: Vec<Total>,
    /// Windows so far.
    len: usize,
}

/// The sum of windows, and how many of them are known: side by side, as they are read together.
#[derive(Debug, Clone, Copy, Default)]
struct Total {
    sum: f64,
    known: u32,
}

impl Sums {
    /// Remembers at least so many windows.
    pub(super) fn new(windows: usize) -> Self {
        Self {
            totals: vec![Total::default(); (windows + 1).next_power_of_two()],
            len: 0,
        }
    }

    /// Takes the next window; NaN is not known.
    pub(super) fn push(&mut self, value: f64) {
        let before = self.at(self.len);
        let is_known = !value.is_nan();
        self.len += 1;
        let mask = self.totals.len() - 1;
        self.totals[self.len & mask] = Total {
            sum: before.sum + if is_known { value } else { 0.0 },
            known: before.known.wrapping_add(u32::from(is_known)),
        };
    }

    fn at(&self, place: usize) -> Total {
        self.totals[place & (self.totals.len() - 1)]
    }

    /// The mean of the known ones of `windows` windows, at least one, that end `back` windows before the
    /// last; NaN where fewer than half are known, or they are not remembered.
    pub(super) fn mean(&self, back: usize, windows: usize) -> f64 {
        if back + windows > self.len.min(self.totals.len() - 1) {
            return f64::NAN;
        }
        let (from, to) = (self.at(self.len - back - windows), self.at(self.len - back));
        let known = to.known.wrapping_sub(from.known);
        if 2 * known as usize >= windows {
            (to.sum - from.sum) / f64::from(known)
        } else {
            f64::NAN
        }
    }

    /// The share of the last windows that are known.
    pub(super) fn known(&self, windows: usize) -> f64 {
        let held = windows.min(self.len).min(self.totals.len() - 1);
        let (from, to) = (self.at(self.len - held), self.at(self.len));
        f64::from(to.known.wrapping_sub(from.known)) / windows as f64
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "small whole numbers are exact")]
mod tests {
    use super::*;

    #[test]
    fn means_are_of_what_is_known_and_remembered() {
        let mut sums = Sums::new(6);
        for value in [1.0, 2.0, f64::NAN, 4.0, 5.0] {
            sums.push(value);
        }
        assert_eq!(sums.mean(0, 2), 4.5);
        assert_eq!(sums.mean(1, 3), 3.0);
        assert!(sums.mean(2, 1).is_nan());
        assert!(sums.mean(0, 6).is_nan());
        assert!((sums.known(4) - 0.75).abs() < 1e-12);
        for value in [6.0, 7.0, 8.0, 9.0] {
            sums.push(value);
        }
        assert_eq!(sums.mean(0, 7), 6.5);
        assert!(sums.mean(0, 8).is_nan());
    }
}
