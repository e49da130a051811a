//! The seasonal profile: the mean of a series at each time of day.
//!
//! For each slot of the day the mean over days without the extreme ones, smoothed over its
//! neighbours and drawn to the mean of all slots as if some windows of it had been seen as well.
//! Between the middles of slots it is interpolated. Days are brought to one level before, so that a
//! lasting change does not blur the shape of the day; weekdays have a level of their own where two
//! weeks are known, and two days of the week a shape of their own where it is another.
//!
//! The means of the windows of the history are those of the other days: a profile that has seen the
//! value it predicts is too good, and the spread learned from it too small.

use serde::{Deserialize, Serialize};

use super::history::ScanHistory;
use crate::baseline::clock::Clock;
use crate::baseline::quantile::quantile;

/// Share of the days that count as extreme on each side.
const TRIMMED: f64 = 0.2;
/// Fewest days of which any are extreme.
const FEWEST_TRIMMED: usize = 3;

/// Parts of a day of which the median says how high the day lies: an incident moves few of them.
const PARTS: usize = 8;
/// The level of a day, or of a weekday, is drawn to 0 as if so much of it had been seen at 0.
const PRIOR_DAY_SUM: f64 = 200.0;
const PRIOR_DAY_WINDOWS: f64 = 20.0;
const PRIOR_WEEKS: f64 = 1.0;
/// Fewest days from which weekdays are told apart.
const WEEKDAYS_AFTER: usize = 14;
/// Two days of rest have a shape of their own if it is so far from that of the others, as the mean over
/// the day on a logarithmic scale.
const LEAST_DIFFERENCE: f64 = 0.2;

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

    /// How far a cell lies above a mean on a logarithmic scale, and the share of that to believe.
    fn shift(self, cell: Cell, mean_sum: f64) -> f64 {
        match self {
            Self::Means => (cell.sum - mean_sum) / cell.windows,
            Self::Logarithms => ((cell.sum + 0.5) / (mean_sum + 0.5)).ln(),
        }
    }

    /// The share of the shift of a day to believe.
    fn belief(self, windows: f64, mean_sum: f64) -> f64 {
        match self {
            Self::Means => windows / (windows + PRIOR_DAY_WINDOWS),
            Self::Logarithms => mean_sum / (mean_sum + PRIOR_DAY_SUM),
        }
    }

    /// The cell without a shift.
    fn without(self, cell: Cell, shift: f64) -> Cell {
        let sum = match self {
            Self::Means => cell.sum - shift * cell.windows,
            Self::Logarithms => cell.sum * (-shift).exp(),
        };
        Cell { sum, ..cell }
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
    /// The first of two weekdays of rest, and their own places.
    rest: Option<(usize, Vec<f64>)>,
    /// The level of each weekday, on a logarithmic scale.
    weekdays: [f64; 7],
    interpolates: Interpolated,
}

impl SeasonalProfile {
    /// The profile of a history, and the mean of each of its windows by the other days; `None`
    /// where nothing is known.
    pub(super) fn learn(history: &ScanHistory<'_>, recipe: Recipe) -> Option<Learned> {
        let cells = DaySlots::cells(history, recipe.clip);
        let rough = DaySlots::of(&cells).profile(None, recipe)?;
        let levels = day_levels(&cells, &rough);
        let first = Days::of(history).first;
        let weekdays = weekday_levels(&levels, first);
        let mut shape = cells;
        for of_days in &mut shape {
            for (cell, level) in of_days.iter_mut().zip(&levels) {
                *cell = recipe.interpolates.without(*cell, *level);
            }
        }
        let mut days = DaySlots::of(&shape);
        days.weekdays = weekdays;
        days.first = first;
        days.rest = days.find_rest(recipe);
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
        let first_level = levels.first().copied().unwrap_or_default();
        Some(Learned {
            first_level: first_level - weekdays[first.rem_euclid(7) as usize],
            profile,
            seasonal_means,
        })
    }

    /// The mean at the time of day of a grid index.
    pub(super) fn mean(&self, clock: Clock, index: i64) -> f64 {
        let weekday = clock.weekday(index);
        let places = match &self.rest {
            Some((first, places)) if is_rest(*first, weekday) => places,
            _ => &self.places,
        };
        let (before, after, weight) = clock.between(index, places.len());
        let place = places[before] * (1.0 - weight) + places[after] * weight;
        self.interpolates.mean_of(place + self.weekdays[weekday])
    }
}

/// Whether a weekday is one of the two of rest that begin with `first`.
fn is_rest(first: usize, weekday: usize) -> bool {
    weekday == first || weekday == (first + 1) % 7
}

/// A profile, and what it says of the history that it was learned from.
pub(super) struct Learned {
    pub(super) profile: SeasonalProfile,
    /// The mean of each window, at the level of the profile.
    pub(super) seasonal_means: Vec<f64>,
    /// By how much the first day lies above the profile, on a logarithmic scale.
    pub(super) first_level: f64,
}

/// How high each day lies above a profile, on a logarithmic scale.
fn day_levels(cells: &[Vec<Cell>], profile: &SeasonalProfile) -> Vec<f64> {
    let interpolates = profile.interpolates;
    let days = cells.first().map_or(0, Vec::len);
    let of_day = |day: usize| {
        let mut shifts = Vec::with_capacity(PARTS);
        let (mut windows, mut mean_sum) = (0.0, 0.0);
        for part in cells.chunks(cells.len().div_ceil(PARTS)).zip(0..) {
            let (slots, number) = part;
            let first = number * cells.len().div_ceil(PARTS);
            let mut of_part = (Cell::default(), 0.0);
            for (slot, of_days) in slots.iter().enumerate() {
                let cell = of_days[day];
                let mean = interpolates.mean_of(profile.places[first + slot]);
                of_part.0.sum += cell.sum;
                of_part.0.windows += cell.windows;
                of_part.1 += mean * cell.windows;
            }
            if of_part.0.windows > 0.0 {
                shifts.push(interpolates.shift(of_part.0, of_part.1));
                windows += of_part.0.windows;
                mean_sum += of_part.1;
            }
        }
        if shifts.is_empty() {
            return 0.0;
        }
        interpolates.belief(windows, mean_sum) * quantile(&mut shifts, 0.5)
    };
    (0..days).map(of_day).collect()
}

/// How high each weekday lies above the days around it: 0 where too little is known.
fn weekday_levels(levels: &[f64], first: i64) -> [f64; 7] {
    let mut weekdays = [0.0; 7];
    if levels.len() < WEEKDAYS_AFTER {
        return weekdays;
    }
    for (weekday, found) in weekdays.iter_mut().enumerate() {
        let is_it = |day: &usize| (first + *day as i64).rem_euclid(7) as usize == weekday;
        let above = |day: usize| {
            let begin = day.saturating_sub(3).min(levels.len() - 7);
            let around = &levels[begin..begin + 7];
            levels[day] - around.iter().sum::<f64>() / 7.0
        };
        let mut of_weeks: Vec<f64> = (0..levels.len()).filter(is_it).map(above).collect();
        let weeks = of_weeks.len() as f64;
        *found = quantile(&mut of_weeks, 0.5) * weeks / (weeks + PRIOR_WEEKS);
    }
    let mean = weekdays.iter().sum::<f64>() / 7.0;
    weekdays.map(|level| level - mean)
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
    /// The day of number 0, counted from the epoch.
    first: i64,
    /// The first of two weekdays of rest.
    rest: Option<usize>,
    weekdays: [f64; 7],
}

impl DaySlots {
    /// Sums by slot and day.
    fn cells(history: &ScanHistory<'_>, (low, high): (f64, f64)) -> Vec<Vec<Cell>> {
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
        cells
    }

    fn of(cells: &[Vec<Cell>]) -> Self {
        let sorted = |of_days: &Vec<Cell>| {
            let mut days: Vec<(usize, Cell)> = (of_days.iter().copied().enumerate())
                .filter(|(_, cell)| cell.windows > 0.0)
                .collect();
            days.sort_by(|a, b| a.1.mean().total_cmp(&b.1.mean()));
            days
        };
        Self {
            slots: cells.iter().map(sorted).collect(),
            days: cells.first().map_or(0, Vec::len),
            first: 0,
            rest: None,
            weekdays: [0.0; 7],
        }
    }

    fn is_rest(&self, first: usize, day: usize) -> bool {
        is_rest(first, (self.first + day as i64).rem_euclid(7) as usize)
    }

    /// The first of the two weekdays whose shape is farthest from that of the others, if it is far.
    fn find_rest(&self, recipe: Recipe) -> Option<usize> {
        if self.days < WEEKDAYS_AFTER {
            return None;
        }
        let mut farthest = (LEAST_DIFFERENCE, None);
        for first in 0..7 {
            let work = self.places(&|day| self.is_rest(first, day), recipe)?;
            let rest = self.places(&|day| !self.is_rest(first, day), recipe)?;
            let differences = work
                .iter()
                .zip(&rest)
                .map(|(work, rest)| (work - rest).abs());
            let difference = differences.sum::<f64>() / work.len() as f64;
            if difference > farthest.0 {
                farthest = (difference, Some(first));
            }
        }
        farthest.1
    }

    fn profile(&self, left_out: Option<usize>, recipe: Recipe) -> Option<SeasonalProfile> {
        let is_left_out = |day: usize| left_out == Some(day);
        let (places, rest) = match self.rest {
            None => (self.places(&is_left_out, recipe)?, None),
            Some(first) => {
                let work = |day: usize| is_left_out(day) || self.is_rest(first, day);
                let rest = |day: usize| is_left_out(day) || !self.is_rest(first, day);
                let rest = self.places(&rest, recipe)?;
                (self.places(&work, recipe)?, Some((first, rest)))
            }
        };
        Some(SeasonalProfile {
            places,
            rest,
            weekdays: self.weekdays,
            interpolates: recipe.interpolates,
        })
    }

    /// The places of all slots without some days; `None` where nothing is known.
    fn places(&self, is_left_out: &dyn Fn(usize) -> bool, recipe: Recipe) -> Option<Vec<f64>> {
        let cells: Vec<Cell> = (self.slots.iter())
            .map(|days| without_extremes(days, is_left_out, recipe.trims))
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
        is_usable.then_some(places)
    }
}

/// The sum over the days of a slot, which ascend, but some and the extreme ones.
fn without_extremes(
    days: &[(usize, Cell)],
    is_left_out: &dyn Fn(usize) -> bool,
    trims: bool,
) -> Cell {
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
        let learned = SeasonalProfile::learn(&history, recipe()).unwrap();
        (learned.profile, learned.seasonal_means, clock)
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
        assert!((seasonal_means[1_440 + 300] - 10.0).abs() < 0.6);
    }
}
