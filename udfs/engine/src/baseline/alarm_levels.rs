//! The heights of alarms, where windows close to each other are one alarm.

/// Alarms closer than so many windows are one.
pub const MERGE: usize = 10;

/// The heights of alarms.
pub(super) struct AlarmLevels {
    /// Excess at which each number of alarms is first passed, from the highest excess down.
    passed: Vec<f64>,
}

impl AlarmLevels {
    /// Finds the alarms among the excesses of consecutive windows, NaN where there is none, down to the
    /// level that so many per window reach.
    pub(super) fn new(excess: &[f64], rate: f64) -> Self {
        let mut rows: Vec<usize> = (0..excess.len())
            .filter(|row| !excess[*row].is_nan())
            .collect();
        // Only the highest windows matter: there are at most so many alarms.
        let most_alarms = (rate * rows.len() as f64) as usize + 2;
        let most_rows = (2 * MERGE * most_alarms).min(rows.len());
        let descending = |a: &usize, b: &usize| excess[*b].total_cmp(&excess[*a]).then(a.cmp(b));
        if most_rows < rows.len() {
            rows.select_nth_unstable_by(most_rows, descending);
            rows.truncate(most_rows);
        }
        rows.sort_unstable_by(descending);
        let mut is_alarm = vec![false; excess.len()];
        let mut alarms = 0;
        let mut passed = Vec::new();
        for equal in rows.chunk_by(|a, b| excess[*a].total_cmp(&excess[*b]).is_eq()) {
            for &row in equal {
                let before = (row.saturating_sub(MERGE - 1)..row)
                    .rev()
                    .find(|row| is_alarm[*row]);
                let after = (row + 1..(row + MERGE).min(excess.len())).find(|row| is_alarm[*row]);
                is_alarm[row] = true;
                match (before, after) {
                    (None, None) => alarms += 1,
                    (Some(before), Some(after)) if after - before >= MERGE => alarms -= 1,
                    _ => {}
                }
            }
            while passed.len() < alarms {
                passed.push(excess[equal[0]]);
            }
            if alarms >= most_alarms {
                break;
            }
        }
        Self { passed }
    }

    /// The highest excess that more alarms reach than so many, which must be no more than `rate` of
    /// the windows; 0 where there are never more.
    pub(super) fn at(&self, alarms: f64) -> f64 {
        self.passed.get(alarms as usize).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn alarm_levels_are_those_of_trying_each(
            excess in prop::collection::vec(prop_oneof![3 => (0..9u8).prop_map(f64::from), 1 => Just(f64::NAN)], 1..200),
            rate in 0.0..0.1,
            share in 0.0..1.0,
        ) {
            let windows = excess.iter().filter(|excess| !excess.is_nan()).count();
            let most = (rate * windows as f64) as usize;
            let wanted = (share * (most + 1) as f64) as usize;
            let alarms_at = |threshold: f64| {
                let mut last: Option<usize> = None;
                let mut alarms = 0;
                for row in (0..excess.len()).filter(|row| excess[*row] >= threshold) {
                    alarms += usize::from(last.is_none_or(|last| row - last >= MERGE));
                    last = Some(row);
                }
                alarms
            };
            let found = AlarmLevels::new(&excess, rate).at(wanted as f64);
            // At every excess above the one found there are no more alarms than wanted.
            for threshold in (1..10).map(f64::from).filter(|threshold| *threshold > found) {
                prop_assert!(alarms_at(threshold) <= wanted, "{threshold} {found}");
            }
            if found > 0.0 {
                prop_assert!(alarms_at(found) > wanted);
            }
        }
    }
}
