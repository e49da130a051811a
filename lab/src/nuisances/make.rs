//! Makes a site of each kind from its seed.

use std::ops::Range;

use anomalog::simulation::random::{Purpose, Random, exp};
use anomalog_engine::series::time_zone::TimeZone;

use super::kind::Nuisance;
use super::rhythm::{self, Rhythm, is_weekend};
use super::site::{DAY, DAYS, HISTORY_DAYS, IdleMetric, MINUTE_MICROS, Site};
use super::sparse;
use super::usual::{MEMORY, Usual};

/// Monday, 2 March 2026.
const START: i64 = 1_772_409_600_000_000;
/// Monday, 30 March 2026: the firsts of April and of May are on either side of the fourth week's end.
const BEFORE_TWO_FIRSTS: i64 = START + 28 * DAY as i64 * MINUTE_MICROS;
/// Days of it that are the first of a month.
const FIRSTS: [usize; 2] = [2, 32];
/// Monday, 21 September 2026: clocks change on Sunday, 25 October, in the fifth week.
const BEFORE_CHANGE: i64 = START + 203 * DAY as i64 * MINUTE_MICROS;
/// The zone of it.
const ZONE_OF_CHANGE: &str = "Europe/Berlin";
/// The least standard deviation of a window of counts: half of the smallest change.
pub(super) const LEAST_OF_COUNTS: f64 = 0.5;
/// An event may be told for so long after it began: a level is new until then.
const NEW_LEVEL: usize = DAY;
/// Nothing is injected so long after something happened.
const AFTERMATH: usize = DAY;

/// Makes the site of a kind with a number among those of its kind.
pub(crate) fn make(nuisance: Nuisance, number: u32, seed: u64) -> Site {
    let stream = nuisance as u32 + 100 * number;
    let mut draft = Draft::new(nuisance, Random::new(seed, stream, 0, Purpose::Profile));
    draft.shape(nuisance);
    let mut random = Random::new(seed, stream, 0, Purpose::Traffic);
    let values = match draft.values.take() {
        Some(values) => values,
        None => counts(&draft.usual, draft.restless, &mut random),
    };
    let mut site = Site {
        nuisance,
        number,
        seed,
        start_micros: draft.start_micros,
        time_zone: draft.time_zone,
        resolution: if draft.usual.is_mean { 0.0 } else { 1.0 },
        usual: draft.usual,
        values,
        idle: draft.idle,
        events: draft.events,
        announced: draft.announced,
        closed: draft.closed,
    };
    for minutes in draft.without_log {
        site.values[minutes].fill(f64::NAN);
    }
    site
}

/// Counts around their means: the level wanders, every minute is restless, and requests come by chance.
fn counts(usual: &Usual, restless: f64, random: &mut Random) -> Vec<f64> {
    let kept = exp(-1.0 / MEMORY);
    let innovation = (1.0 - kept * kept).sqrt();
    let mut state = random.normal();
    let values = usual.mean.iter().map(|mean| {
        let level = exp(usual.wander * state + restless * random.normal());
        state = kept * state + innovation * random.normal();
        f64::from(random.poisson(mean * level))
    });
    values.collect()
}

/// A site in the making.
struct Draft {
    random: Random,
    start_micros: i64,
    time_zone: TimeZone,
    /// Minutes of local time of each minute.
    local: Vec<usize>,
    base: f64,
    usual: Usual,
    restless: f64,
    /// Where they are not counts around their means.
    values: Option<Vec<f64>>,
    idle: Vec<IdleMetric>,
    events: Vec<Range<usize>>,
    announced: Vec<Range<usize>>,
    closed: Vec<Range<usize>>,
    without_log: Vec<Range<usize>>,
}

impl Draft {
    fn new(nuisance: Nuisance, mut random: Random) -> Self {
        let (start_micros, zone) = match nuisance {
            Nuisance::MonthlyJob => (BEFORE_TWO_FIRSTS, None),
            Nuisance::ClocksChange => (BEFORE_CHANGE, Some(ZONE_OF_CHANGE)),
            _ => (START, None),
        };
        let time_zone: TimeZone = zone.map_or(TimeZone::UTC, |zone| {
            zone.parse()
                .expect("the zone is one that every system knows")
        });
        let local: Vec<usize> = rhythm::minutes()
            .into_iter()
            .map(|minute| {
                let at = start_micros + minute as i64 * MINUTE_MICROS;
                let ahead = time_zone.offset_micros(at) / MINUTE_MICROS;
                // A whole week more, so that it is no negative number.
                (minute as i64 + 7 * DAY as i64 + ahead) as usize
            })
            .collect();
        let Rhythm { base, mean } = if nuisance == Nuisance::OfficeHours {
            rhythm::office_hours(&mut random, &local)
        } else {
            rhythm::days_and_weeks(&mut random, &local)
        };
        Self {
            start_micros,
            time_zone,
            local,
            base,
            usual: Usual {
                variance: Vec::new(),
                mean,
                wander: random.between(0.0, 0.06),
                least: LEAST_OF_COUNTS,
                is_mean: false,
            },
            restless: random.between(0.0, 0.05),
            random,
            values: None,
            idle: Vec::new(),
            events: Vec::new(),
            announced: Vec::new(),
            closed: Vec::new(),
            without_log: Vec::new(),
        }
    }

    /// Adds the nuisance.
    fn shape(&mut self, nuisance: Nuisance) {
        match nuisance {
            Nuisance::Control | Nuisance::OfficeHours => {}
            Nuisance::NightlyJob => self.nightly_job(),
            Nuisance::ClocksChange => self.nightly_job(),
            Nuisance::JitteryJob => self.jittery_job(),
            Nuisance::WeeklyBatch => self.weekly_batch(),
            Nuisance::MonthlyJob => self.monthly_job(),
            Nuisance::HourlyCron => self.hourly_cron(),
            Nuisance::Growth => self.growth(),
            Nuisance::LevelUp => self.level(1.5, 2.2),
            Nuisance::LevelDown => self.level(0.4, 0.65),
            Nuisance::DeployDips => self.deploy_dips(),
            Nuisance::Outage => self.outage(),
            Nuisance::Gap => self.gap(),
            Nuisance::Holiday => self.holiday(),
            Nuisance::FlashCrowd => self.flash_crowds(),
            Nuisance::IdleMetrics => self.idle_metrics(),
            Nuisance::Quiet => self.usual.mean.fill(self.random.between(0.01, 0.06)),
            Nuisance::QuietVisits
            | Nuisance::Handful
            | Nuisance::HealthChecks
            | Nuisance::Constant
            | Nuisance::TwoValued
            | Nuisance::AlwaysZero => {
                let (usual, values) = sparse::make(nuisance, &mut self.random);
                self.usual = usual;
                self.values = Some(values);
                return;
            }
        }
        let restless = self.restless;
        let variance = |mean: &f64| mean + (restless * mean).powi(2);
        self.usual.variance = self.usual.mean.iter().map(variance).collect();
    }

    /// Adds requests to some minutes of local time.
    fn add(&mut self, minutes: Range<usize>, requests: f64) {
        self.usual.mean[minutes]
            .iter_mut()
            .for_each(|mean| *mean += requests);
    }

    fn scale(&mut self, minutes: Range<usize>, factor: f64) {
        self.usual.mean[minutes]
            .iter_mut()
            .for_each(|mean| *mean *= factor);
    }

    /// A day within the weeks that are judged, away from their ends.
    fn judged_day(&mut self) -> usize {
        HISTORY_DAYS + 4 + self.random.below(13) as usize
    }

    /// What happened is an incident for a while, and nothing is injected soon after.
    fn happened(&mut self, minutes: Range<usize>) {
        self.closed
            .push(minutes.start.saturating_sub(2 * 60)..minutes.end + AFTERMATH);
        self.events.push(minutes);
    }

    fn nightly_job(&mut self) {
        let at = self.random.below(6 * 60) as usize;
        let length = 3 + self.random.below(9) as usize;
        let requests = self.base * self.random.between(3.0, 9.0);
        for minute in 0..self.local.len() {
            if (at..at + length).contains(&(self.local[minute] % DAY)) {
                self.add(minute..minute + 1, requests);
            }
        }
    }

    fn jittery_job(&mut self) {
        let at = self.random.below(6 * 60) as usize;
        let length = 3 + self.random.below(9) as usize;
        let jitter = 5 + self.random.below(11);
        let missed = self.random.between(0.0, 0.1);
        let requests = self.base * self.random.between(3.0, 9.0);
        for day in 0..DAYS {
            let start = day * DAY + at;
            let late = self.random.below(jitter) as usize;
            if !self.random.chance(missed) {
                self.add(start + late..start + late + length, requests);
            }
            self.closed.push(start..start + jitter as usize + length);
        }
    }

    fn weekly_batch(&mut self) {
        let at = 6 * DAY + self.random.below(8 * 60) as usize;
        let length = 20 + self.random.below(41) as usize;
        let requests = self.base * self.random.between(2.0, 6.0);
        for week in 0..DAYS / 7 {
            let start = week * 7 * DAY + at;
            self.add(start..start + length, requests);
        }
    }

    fn monthly_job(&mut self) {
        let at = self.random.below(6 * 60) as usize;
        let length = 20 + self.random.below(41) as usize;
        let requests = self.base * self.random.between(2.0, 6.0);
        for day in FIRSTS {
            let start = day * DAY + at;
            self.add(start..start + length, requests);
        }
    }

    fn hourly_cron(&mut self) {
        let at = self.random.below(60) as usize;
        let length = 1 + self.random.below(2) as usize;
        let requests = self.base * self.random.between(1.5, 4.0);
        for hour in 0..DAYS * 24 - 1 {
            let start = hour * 60 + at;
            self.add(start..start + length, requests);
        }
    }

    fn growth(&mut self) {
        let a_day = self.random.between(0.01, 0.02);
        let mut factor = 1.0;
        for day in 0..DAYS {
            self.scale(day * DAY..(day + 1) * DAY, factor);
            factor *= 1.0 + a_day;
        }
    }

    fn level(&mut self, least: f64, most: f64) {
        let start = self.judged_day() * DAY + self.random.below(DAY as u32) as usize;
        let factor = self.random.between(least, most);
        let end = self.usual.mean.len();
        self.scale(start..end, factor);
        self.happened(start..start + NEW_LEVEL);
    }

    fn deploy_dips(&mut self) {
        let left = self.random.between(0.2, 0.5);
        for day in 0..DAYS {
            if is_weekend(day * DAY) {
                continue;
            }
            for _ in 0..self.random.below(3) {
                let start = day * DAY + 9 * 60 + self.random.below(8 * 60) as usize;
                let length = 2 + self.random.below(3) as usize;
                self.scale(start..start + length, left);
            }
        }
    }

    fn outage(&mut self) {
        let start = self.judged_day() * DAY + self.random.below(DAY as u32) as usize;
        let length = 60 + self.random.below(7 * 60) as usize;
        self.scale(start..start + length, 0.0);
        self.happened(start..start + length);
    }

    fn gap(&mut self) {
        let start = (HISTORY_DAYS + 2) * DAY + self.random.below(5 * DAY as u32) as usize;
        let length = 3 * DAY + self.random.below(5 * DAY as u32) as usize;
        self.without_log.push(start..start + length);
        self.closed.push(start - 2 * 60..start + length + AFTERMATH);
    }

    fn holiday(&mut self) {
        let mut day = self.judged_day();
        while is_weekend(day * DAY) {
            day += 1;
        }
        let left = self.random.between(0.35, 0.6);
        self.scale(day * DAY..(day + 1) * DAY, left);
        self.happened(day * DAY..(day + 1) * DAY);
    }

    fn flash_crowds(&mut self) {
        for (first, days) in [(8, 12), (HISTORY_DAYS + 3, 7), (HISTORY_DAYS + 14, 7)] {
            let day = first + self.random.below(days) as usize;
            let start = day * DAY + 60 * (8 + self.random.below(12) as usize);
            let length = 60 * (1 + self.random.below(3) as usize);
            let height = self.random.between(3.0, 8.0);
            // It comes within a quarter of an hour and goes as fast, all within what is announced.
            for minute in 0..length {
                let grown = (minute.min(length - 1 - minute) as f64 / 15.0).min(1.0);
                self.scale(
                    start + minute..start + minute + 1,
                    1.0 + (height - 1.0) * grown,
                );
            }
            self.announced.push(start..start + length);
            self.closed.push(start - 2 * 60..start + length + AFTERMATH);
        }
    }

    fn idle_metrics(&mut self) {
        self.idle.push(IdleMetric {
            name: Nuisance::AlwaysZero.metric(),
            resolution: 1.0,
            value: 0.0,
        });
        self.idle.push(IdleMetric {
            name: Nuisance::Constant.metric(),
            resolution: 0.0,
            value: sparse::constant(&mut self.random),
        });
    }
}
