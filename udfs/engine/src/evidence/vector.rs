//! Names, order and range of the inputs.

/// Windows of each span, shortest first.
pub const SPANS: [usize; SPAN_COUNT] = [1, 5, 15, 30, 60];
/// Number of spans.
pub(super) const SPAN_COUNT: usize = 5;
/// Places among the spans of those held against what is usual around this time.
pub(super) const SLOTTED: [usize; 3] = [0, 1, 2];
/// Places among the spans of those held against what days reach.
pub(super) const LEVELS: [usize; 4] = [0, 1, 2, 4];

/// Inputs of one span: six references and the excess beyond all.
const OF_SPAN: [&str; 7] = [
    "day", "week", "level", "day-now", "week-now", "change", "excess",
];
const OF_AROUND: [&str; 4] = ["days", "any-day", "weeks", "any-week"];
const OF_REACH: [&str; 2] = ["usual-day", "all-days"];
const OF_COMING_BACK: [&str; 3] = ["typical", "most", "share"];
const OF_CONTEXT: [&str; 12] = [
    "known-days",
    "known-weeks",
    "known-today",
    "spread-1",
    "spread-5",
    "level",
    "hour-by-level",
    "day-by-level",
    "day-by-week",
    "like-yesterday",
    "like-last-week",
    "since-excursion",
];

const AROUND: usize = SPAN_COUNT * OF_SPAN.len();
const REACH: usize = AROUND + SLOTTED.len() * OF_AROUND.len();
const CAME_BACK: usize = REACH + LEVELS.len() * OF_REACH.len();
const CONTEXT: usize = CAME_BACK + 2 * OF_COMING_BACK.len();

/// Number of inputs.
pub const INPUTS: usize = CONTEXT + OF_CONTEXT.len();

/// The names of the inputs, in order.
#[must_use]
pub fn names() -> Vec<String> {
    let mut names = Vec::with_capacity(INPUTS);
    for span in SPANS {
        names.extend(OF_SPAN.map(|name| format!("{name}:{span}")));
    }
    for span in SLOTTED {
        names.extend(OF_AROUND.map(|name| format!("around-{name}:{}", SPANS[span])));
    }
    for span in LEVELS {
        names.extend(OF_REACH.map(|name| format!("reach-{name}:{}", SPANS[span])));
    }
    for period in ["days", "weeks"] {
        names.extend(OF_COMING_BACK.map(|name| format!("came-back-{name}:{period}")));
    }
    names.extend(OF_CONTEXT.map(str::to_owned));
    names
}

/// The inputs of a window in the making: 0 where nothing is known.
#[derive(Debug, Clone)]
pub(super) struct Inputs([f64; INPUTS]);

impl Inputs {
    pub(super) const fn new() -> Self {
        Self([0.0; INPUTS])
    }

    pub(super) fn span(&mut self, number: usize, z: &[f64], excess: f64) {
        let at = number * OF_SPAN.len();
        for (input, z) in self.0[at..].iter_mut().zip(z) {
            *input = if z.is_nan() { 0.0 } else { bounded(*z) };
        }
        self.0[at + z.len()] = bounded(excess);
    }

    pub(super) fn around(&mut self, stream: usize, z: [f64; 4]) {
        self.put(AROUND + stream * z.len(), z.map(bounded));
    }

    pub(super) fn reach(&mut self, stream: usize, z: [f64; 2]) {
        self.put(REACH + stream * z.len(), z.map(bounded));
    }

    pub(super) fn came_back(&mut self, days: [f64; 3], weeks: [f64; 3]) {
        for (number, [typical, most, share]) in [days, weeks].into_iter().enumerate() {
            let inputs = [bounded(typical), bounded(most), share];
            self.put(CAME_BACK + number * inputs.len(), inputs);
        }
    }

    pub(super) fn context(&mut self, context: [f64; 12]) {
        self.put(CONTEXT, context);
    }

    fn put<const N: usize>(&mut self, at: usize, inputs: [f64; N]) {
        self.0[at..at + N].copy_from_slice(&inputs);
    }

    pub(super) fn finish(self) -> [f32; INPUTS] {
        self.0.map(|input| input as f32)
    }
}

/// Standard deviations, of which few are as they are and many less than [`BOUND`].
fn bounded(z: f64) -> f64 {
    z / (1.0 + z.abs() / BOUND)
}

/// What no number of standard deviations exceeds.
const BOUND: f64 = 10.0;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_input_has_a_name_of_its_own() {
        let names: BTreeSet<String> = names().into_iter().collect();
        assert_eq!(names.len(), INPUTS);
    }

    #[test]
    fn standard_deviations_are_bounded() {
        assert!((bounded(1.0) - 0.909).abs() < 1e-3);
        assert!(bounded(1e6) < 10.0 && bounded(-1e6) > -10.0);
    }
}
