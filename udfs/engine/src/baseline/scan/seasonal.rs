//! The seasonal profile: the mean of a series at each time of day.
//!
//! For each slot of the day the mean over days without the extreme ones, smoothed over its
//! neighbours and drawn to the mean of all slots as if some windows of it had been seen as well.
//! Between the middles of slots it is interpolated.
//!
//! The means of the windows of the history are those of the other days: a profile that has seen the
//! value it predicts is too good, and the spread learned from it too small.

use serde::{Deserialize, Serialize};

use super::history::ScanHistory;
use crate::baseline::clock::Clock;

/// Share of the days that count as extreme on each side.
const TRIMMED: f64 = 0.2;
/// Fewest days of which any are extreme.
const FEWEST_TRIMMED: usize = 3;

/// The settings by which values become a profile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe {
    /// Values are clipped to this range, so that one does not fill a slot.
    pub(super) clip: (f64, f64),
    /// Whether extreme days are left out: not of rare counts, whose median is 0.
    pub(super) trims: bool,
    /// The number of windows of the overall mean that each slot has seen as well, given that mean.
    pub(super) prior_windows: fn(f64) -> f64,
    /// The smallest sum that an overall mean is made of.
    pub(super) least_sum: f64,
    pub(super) interpolates: Interpolated,
}

/// The quantity that is interpolated between the middles of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Interpolated {
    /// The means.
    Means,
    /// Their logarithms.
    Logarithms,
}

impl Interpolated {
    fn place_of(self, mean: f64) -> f64 {
        match self {
            Self::Means => mean,
            Self::Logarithms => mean.ln(),
        }
    }

    fn mean_of(self, place: f64) -> f64 {
        match self {
            Self::Means => place,
            Self::Logarithms => place.exp(),
        }
    }
}

/// The mean of a series at each time of day.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SeasonalProfile {
    places: Vec<f64>,
    interpolates: Interpolated,
}

impl SeasonalProfile {
    /// The profile of a history, and the mean of each of its windows by the other days; `None`
    /// where nothing is known.
    pub(super) fn learn(history: &ScanHistory<'_>, recipe: Recipe) -> Option<(Self, Vec<f64>)> {
        let days = DaySlots::sum(history, recipe.clip);
        let profile = days.profile(None, recipe)?;
        let clock = history.clock;
        let of_history = Days::of(history);
        let mut seasonal_means = Vec::with_capacity(history.values.len());
        let mut of_day = (None, None);
        for index in history.range.clone() {
            let day = of_history.day(index);
            if of_day.0 != Some(day) {
                let left_out = (days.days > 1).then_some(day);
                let of_others = left_out.and_then(|day| days.profile(Some(day), recipe));
                of_day = (Some(day), of_others);
            }
            let of_others = of_day.1.as_ref().unwrap_or(&profile);
            seasonal_means.push(of_others.mean(clock, index));
        }
        Some((profile, seasonal_means))
    }

    /// The mean at the time of day of a grid index.
    pub(super) fn mean(&self, clock: Clock, index: i64) -> f64 {
        let (before, after, weight) = clock.between(index, self.places.len());
        let place = self.places[before] * (1.0 - weight) + self.places[after] * weight;
        self.interpolates.mean_of(place)
    }
}

/// The days that a history lies in.
struct Days {
    clock: Clock,
    first: i64,
    count: usize,
}

impl Days {
    fn of(history: &ScanHistory<'_>) -> Self {
        let clock = history.clock;
        let [first, last] = [history.range.start, history.range.end - 1].map(|at| clock.day(at));
        Self {
            clock,
            first,
            count: (last - first + 1).max(1) as usize,
        }
    }

    /// The number of a window's day.
    fn day(&self, index: i64) -> usize {
        let day = self.clock.day(index) - self.first;
        // Where clocks are put back after midnight, a day that has begun begins once more.
        day.clamp(0, self.count as i64 - 1) as usize
    }
}

/// Sums of one slot of one day.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    sum: f64,
    windows: f64,
}

impl Cell {
    fn mean(self) -> f64 {
        self.sum / self.windows
    }
}

/// Sums by day and slot.
struct DaySlots {
    /// `slots × days`: the days with a value, by ascending mean.
    slots: Vec<Vec<(usize, Cell)>>,
    days: usize,
}

impl DaySlots {
    fn sum(history: &ScanHistory<'_>, (low, high): (f64, f64)) -> Self {
        let clock = history.clock;
        let count = clock.filled_slots();
        let of_history = Days::of(history);
        let days = of_history.count;
        let mut cells = vec![vec![Cell::default(); days]; count];
        for (index, value) in history.range.clone().zip(history.values) {
            if value.is_finite() {
                let slot = if count == 1 {
                    0
                } else {
                    clock.slot_of(index, count)
                };
                let cell = &mut cells[slot][of_history.day(index)];
                cell.sum += value.clamp(low, high);
                cell.windows += 1.0;
            }
        }
        let sorted = |of_days: Vec<Cell>| {
            let mut days: Vec<(usize, Cell)> = (of_days.into_iter().enumerate())
                .filter(|(_, cell)| cell.windows > 0.0)
                .collect();
            days.sort_by(|a, b| a.1.mean().total_cmp(&b.1.mean()));
            days
        };
        let slots = cells.into_iter().map(sorted).collect();
        Self { slots, days }
    }

    fn profile(&self, left_out: Option<usize>, recipe: Recipe) -> Option<SeasonalProfile> {
        let cells: Vec<Cell> = (self.slots.iter())
            .map(|days| without_extremes(days, left_out, recipe.trims))
            .collect();
        let windows: f64 = cells.iter().map(|cell| cell.windows).sum();
        if windows <= 0.0 {
            return None;
        }
        let sum: f64 = cells.iter().map(|cell| cell.sum).sum();
        let mean = sum.max(recipe.least_sum) / windows;
        let prior = (recipe.prior_windows)(mean);
        let count = cells.len();
        let smoothed = |slot: usize| {
            let around = [(slot + count - 1) % count, slot, slot, (slot + 1) % count];
            let sum: f64 = around.iter().map(|slot| cells[*slot].sum).sum();
            let windows: f64 = around.iter().map(|slot| cells[*slot].windows).sum();
            let mean = (sum + prior * mean) / (windows + prior);
            recipe.interpolates.place_of(mean)
        };
        let places: Vec<f64> = (0..count).map(smoothed).collect();
        let is_usable = places.iter().all(|place| place.is_finite());
        is_usable.then_some(SeasonalProfile {
            places,
            interpolates: recipe.interpolates,
        })
    }
}

/// The sum over the days of a slot, which ascend, but one and the extreme ones.
fn without_extremes(days: &[(usize, Cell)], left_out: Option<usize>, trims: bool) -> Cell {
    let is_left_out = |day: usize| left_out == Some(day);
    let count = days.iter().filter(|(day, _)| !is_left_out(*day)).count();
    let trimmed = if trims && count >= FEWEST_TRIMMED {
        ((TRIMMED * count as f64).round() as usize).max(1)
    } else {
        0
    };
    let kept = days.iter().filter(|(day, _)| !is_left_out(*day));
    let kept = kept.skip(trimmed).take(count - 2 * trimmed);
    kept.fold(Cell::default(), |total, (_, cell)| Cell {
        sum: total.sum + cell.sum,
        windows: total.windows + cell.windows,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::blocks::BlockLayout;
    use crate::series::time_zone::TimeZone;

    const MINUTE: i64 = 60_000_000;

    fn recipe() -> Recipe {
        Recipe {
            clip: (0.0, 1e9),
            trims: true,
            prior_windows: |mean| 20.0 / mean,
            least_sum: 0.5,
            interpolates: Interpolated::Logarithms,
        }
    }

    fn learn(values: &[f64]) -> (SeasonalProfile, Vec<f64>, Clock) {
        let clock = Clock::new(
            &BlockLayout::for_step(MINUTE, vec![1.0]),
            Some(TimeZone::UTC),
        );
        let range = 0..values.len() as i64;
        let history = ScanHistory {
            range: &range,
            values,
            clock,
        };
        let (profile, seasonal_means) = SeasonalProfile::learn(&history, recipe()).unwrap();
        (profile, seasonal_means, clock)
    }

    /// Days of 100 a minute by day and 10 by night.
    fn days(count: usize) -> Vec<f64> {
        (0..count * 1_440)
            .map(|minute| if minute % 1_440 < 720 { 10.0 } else { 100.0 })
            .collect()
    }

    #[test]
    fn night_and_day_have_their_rates() {
        let (profile, seasonal_means, clock) = learn(&days(10));
        assert!((profile.mean(clock, 300) - 10.0).abs() < 0.2);
        assert!((profile.mean(clock, 1_000) - 100.0).abs() < 2.0);
        assert!((seasonal_means[300] / 10.0 - 1.0).abs() < 0.02);
    }

    #[test]
    fn one_extreme_day_changes_no_seasonal_mean() {
        let mut values = days(10);
        values[3 * 1_440..4 * 1_440].fill(0.0);
        values[5 * 1_440..6 * 1_440].fill(5_000.0);
        let (profile, seasonal_means, clock) = learn(&values);
        assert!((profile.mean(clock, 1_000) - 100.0).abs() < 2.0);
        assert!((seasonal_means[3 * 1_440 + 1_000] - 100.0).abs() < 2.0);
    }

    #[test]
    fn a_window_does_not_predict_itself() {
        let mut values = days(3);
        values[1_440..2_880].fill(40.0);
        let (_, seasonal_means, _) = learn(&values);
        assert!((seasonal_means[1_440 + 300] - 10.0).abs() < 0.3);
    }
}
