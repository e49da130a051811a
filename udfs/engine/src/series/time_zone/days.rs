//! Offsets of regions from UTC, cached by day.
//!
//! Each window of a series asks for it a hundred times over, and it hardly ever changes within a
//! day.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use chrono::{DateTime, Offset, TimeZone as _};
use chrono_tz::{TZ_VARIANTS, Tz};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// Days since the epoch that are remembered: until 2070.
const DAYS: usize = 36_525;
/// No answer for a whole day: not asked yet, and clocks change.
const UNKNOWN: i32 = i32::MAX;
const CHANGES: i32 = i32::MAX - 1;

type Days = Box<[AtomicI32]>;

static REMEMBERED: [OnceLock<Days>; TZ_VARIANTS.len()] =
    [const { OnceLock::new() }; TZ_VARIANTS.len()];

/// Seconds that the clocks of a region are ahead of UTC at a time in seconds since the epoch;
/// `None` beyond the years that dates can have.
pub(super) fn seconds_ahead(region: Tz, seconds: i64) -> Option<i32> {
    let day = seconds.div_euclid(DAY);
    let Some(remembered) = cell(region, day) else {
        return ask(region, seconds);
    };
    // Whoever writes it writes the same.
    match remembered.load(Ordering::Relaxed) {
        UNKNOWN => {
            let first = ask(region, day * DAY)?;
            let mut hours = (1..=DAY / HOUR).map(|hour| ask(region, day * DAY + hour * HOUR));
            let is_whole_day = hours.all(|ahead| ahead == Some(first));
            let found = if is_whole_day { first } else { CHANGES };
            remembered.store(found, Ordering::Relaxed);
            ask(region, seconds)
        }
        CHANGES => ask(region, seconds),
        ahead => Some(ahead),
    }
}

fn cell(region: Tz, day: i64) -> Option<&'static AtomicI32> {
    let unknown = || (0..DAYS).map(|_| AtomicI32::new(UNKNOWN)).collect();
    let days = REMEMBERED.get(region as usize)?.get_or_init(unknown);
    days.get(usize::try_from(day).ok()?)
}

fn ask(region: Tz, seconds: i64) -> Option<i32> {
    let time = DateTime::from_timestamp(seconds, 0)?.naive_utc();
    let offset = region.offset_from_utc_datetime(&time).fix();
    Some(offset.local_minus_utc())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_remembered_is_what_the_rules_say(
            region in prop::sample::select(TZ_VARIANTS.to_vec()),
            seconds in -DAY..(DAYS as i64 + 1) * DAY,
            more in prop::collection::vec(0..2 * DAY, 8),
        ) {
            for seconds in more.into_iter().map(|more| seconds + more) {
                prop_assert_eq!(seconds_ahead(region, seconds), ask(region, seconds));
            }
        }
    }

    #[test]
    fn a_day_on_which_clocks_change_is_asked_each_time() {
        let change = 1_774_746_000; // 2026-03-29T01:00:00Z
        for _ in 0..2 {
            let ahead = [change - 1, change].map(|at| seconds_ahead(Tz::Europe__Berlin, at));
            assert_eq!(ahead, [Some(3_600), Some(7_200)]);
        }
        assert_eq!(seconds_ahead(Tz::Europe__Berlin, i64::MAX), None);
    }
}
