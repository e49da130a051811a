//! The usual rhythm of a site: its mean in each minute, by time of day and day of the week.

use anomalog::simulation::random::{Random, cos_turn};

use super::site::{DAY, DAYS};

/// Requests a minute of the smallest and the largest site, and of most: what the simulator has, and
/// less.
const BASE_RATE: (f64, f64, f64) = (4.0, 15.0, 80.0);

/// The mean of a rhythm of days and weeks.
#[derive(Debug, Clone)]
pub(super) struct Rhythm {
    /// The mean over a week, requests a minute.
    pub(super) base: f64,
    /// The mean of each minute of the local time of the site.
    pub(super) mean: Vec<f64>,
}

/// Draws a rhythm; `local` are the minutes of local time, counted from a Monday, of each minute.
pub(super) fn days_and_weeks(random: &mut Random, local: &[usize]) -> Rhythm {
    let (least, usual, most) = BASE_RATE;
    let base = random.lognormal(usual, 0.7).clamp(least, most);
    let height = random.between(0.35, 0.75);
    let peak = random.unit();
    let second = random.between(0.0, 0.2);
    let weekend = random.between(0.55, 1.0);
    let mean = local.iter().map(|&minute| {
        let time = (minute % DAY) as f64 / DAY as f64 - peak;
        let day = 1.0 + height * cos_turn(time) + second * cos_turn(2.0 * time + 0.3);
        base * day.max(0.05) * if is_weekend(minute) { weekend } else { 1.0 }
    });
    Rhythm {
        base,
        mean: mean.collect(),
    }
}

/// Draws a rhythm of office hours: little at night and at weekends, much by day.
pub(super) fn office_hours(random: &mut Random, local: &[usize]) -> Rhythm {
    let high = random.between(20.0, 60.0);
    let low = random.between(0.2, 2.0);
    let opens = random.between(7.0, 9.5) * 60.0;
    let closes = random.between(16.5, 19.0) * 60.0;
    let rises = random.between(15.0, 60.0);
    let mean = local.iter().map(|&minute| {
        let time = (minute % DAY) as f64;
        let open = ((time - opens) / rises).clamp(0.0, 1.0);
        let closed = ((time - closes) / rises).clamp(0.0, 1.0);
        let at_noon = f64::from(u8::from((720.0..780.0).contains(&time)));
        if is_weekend(minute) {
            low
        } else {
            low + high * (open - closed) * (1.0 - 0.3 * at_noon)
        }
    });
    let mean: Vec<f64> = mean.collect();
    Rhythm {
        base: mean.iter().sum::<f64>() / mean.len() as f64,
        mean,
    }
}

/// Whether a minute, counted from a Monday, is on a Saturday or Sunday.
pub(super) const fn is_weekend(minute: usize) -> bool {
    minute / DAY % 7 >= 5
}

/// The minutes of a site where local time is that of the grid.
pub(super) fn minutes() -> Vec<usize> {
    (0..DAYS * DAY).collect()
}

#[cfg(test)]
mod tests {
    use anomalog::simulation::random::Purpose;

    use super::*;

    #[test]
    fn weeks_come_again_and_offices_are_closed_at_night() {
        let mut random = Random::new(1, 0, 0, Purpose::Profile);
        let rhythm = days_and_weeks(&mut random, &minutes());
        let office = office_hours(&mut random, &minutes());
        for rhythm in [&rhythm, &office] {
            let (first, rest) = rhythm.mean.split_at(7 * DAY);
            assert_eq!(first, &rest[..7 * DAY]);
        }
        let at = |hour: usize| office.mean[hour * 60];
        assert!(at(3) < 0.2 * at(11), "{} {}", at(3), at(11));
        assert!(office.mean[5 * DAY + 660] < 0.2 * at(11));
    }
}
