//! The requests of one site and day, minute by minute: visits, machines and attackers.
//!
//! Visits that began shortly before midnight belong to the day before, but their last requests
//! to this one: the day is started [`PREROLL`] minutes early, and what falls before it dropped.

use super::anomalies::{Anomaly, Effect, TrafficSource, mood};
use super::anomaly_kind::AnomalyKind;
use super::clients::{Address, FEED_READERS, MONITOR};
use super::random::{Purpose, Random, exp, scramble};
use super::site::{Class, DAY, RouteId, SimulatedSite};

/// Minutes simulated before the day begins: the longest visit.
const PREROLL: i64 = 30;

/// Longest time between the first and last page of a visit, in milliseconds.
const LONGEST_VISIT: i64 = 25 * 60_000;

/// Minutes that requests may lie ahead of the visit that makes them; a power of two.
const AHEAD: usize = 32;

/// Milliseconds of a day.
const DAY_MILLIS: i64 = DAY * 60_000;

/// Shape of the gamma law of a minute's intensity: 14 % beyond rhythm and mood.
const MINUTE_SHAPE: f64 = 50.0;

/// Chance that a visitor looks at one more page.
const STAYS: f64 = 0.58;

/// Share of visitors that came before.
const RETURNING: f64 = 0.45;

/// One request.
#[derive(Debug, Clone, Copy)]
pub(super) struct SimulatedRequest {
    /// Milliseconds since midnight.
    pub(super) at: u32,
    pub(super) address: Address,
    pub(super) route: RouteId,
    /// The number in the path, or the `page` parameter when not 0.
    pub(super) argument: u32,
    pub(super) referer: Referer,
    pub(super) agent: u8,
    pub(super) status: u16,
    pub(super) bytes: u32,
    /// Milliseconds that it took.
    pub(super) latency: u32,
}

/// Where a request was linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Referer {
    None,
    Search,
    Social,
    Page(RouteId),
}

/// The client that sends a request.
#[derive(Debug, Clone, Copy)]
struct Client {
    address: Address,
    agent: u8,
    /// Has the site's files in its cache.
    is_cached: bool,
}

/// The rates of a minute, before its requests are drawn.
#[derive(Debug, Clone, Copy)]
struct MinutePlan<'a> {
    /// Expected requests of visitors without anomalies.
    rate: f64,
    /// Requests by the site's usual peak.
    load: f64,
    effect: Effect,
    anomaly: Option<&'a Anomaly>,
}

/// Draws the requests of one site and day.
#[derive(Debug)]
pub(super) struct Traffic<'a> {
    site: &'a SimulatedSite,
    day: i64,
    random: Random,
    plan: Vec<MinutePlan<'a>>,
    /// Minutes to come, from `minute` on, as a ring.
    minutes: Vec<Vec<SimulatedRequest>>,
    /// The next minute, counted from [`PREROLL`] before midnight.
    minute: i64,
    /// Visits that one request of the rate stands for.
    visits_per_request: f64,
    /// Clients that come back.
    regulars: u32,
}

impl<'a> Traffic<'a> {
    pub(super) fn new(
        seed: u64,
        site: &'a SimulatedSite,
        anomalies: &'a [Anomaly],
        day: i64,
    ) -> Self {
        Self {
            site,
            day,
            random: Random::new(seed, site.index, day, Purpose::Traffic),
            plan: plan(seed, site, anomalies, day),
            minutes: vec![Vec::new(); AHEAD],
            minute: 0,
            visits_per_request: 1.0 / requests_per_visit(site),
            regulars: 50 + (40.0 * site.base) as u32,
        }
    }

    /// The requests of the next minute of the day in time order, or None after its end.
    pub(super) fn next_minute(&mut self) -> Option<&[SimulatedRequest]> {
        if self.minute > 0 {
            self.bucket(self.minute - 1).clear();
        }
        while self.minute < PREROLL {
            self.draw();
            self.bucket(self.minute).clear();
            self.minute += 1;
        }
        if self.minute == PREROLL + DAY {
            return None;
        }
        self.draw();
        let minute = self.minute;
        self.minute += 1;
        let bucket = self.bucket(minute);
        // Stable: requests of one millisecond stay in the order in which they were drawn.
        bucket.sort_by_key(|request| request.at);
        Some(bucket)
    }

    fn bucket(&mut self, minute: i64) -> &mut Vec<SimulatedRequest> {
        &mut self.minutes[minute as usize % AHEAD]
    }

    /// Draws all that begins in this minute.
    fn draw(&mut self) {
        let plan = self.plan[self.minute as usize];
        let intensity = plan.rate * plan.effect.demand * self.random.gamma(MINUTE_SHAPE);
        for _ in 0..self.random.poisson(intensity * self.visits_per_request) {
            self.visit(&plan);
        }
        self.machines();
        if let Some(anomaly) = plan.anomaly
            && plan.effect.attack > 0.0
        {
            for _ in 0..self.random.poisson(plan.effect.attack) {
                self.attack(anomaly);
            }
        }
    }

    /// A moment of this minute, in milliseconds from midnight.
    fn moment(&mut self) -> i64 {
        (self.minute - PREROLL) * 60_000 + i64::from(self.random.below(60_000))
    }

    fn visitor(&mut self) -> Client {
        let is_cached = self.random.chance(RETURNING);
        let number = if is_cached {
            // Squared, so that some come much more often than others.
            let rank = self.random.unit();
            (rank * rank * f64::from(self.regulars)) as u64
        } else {
            self.random.bits() | (1 << 63)
        };
        let key = number ^ (u64::from(self.site.index) << 32);
        let (first, count) = self.site.agents;
        Client {
            address: Address::of_visitor(key),
            agent: first + (scramble(!key) % u64::from(count)) as u8,
            is_cached,
        }
    }

    fn visit(&mut self, plan: &MinutePlan) {
        let client = self.visitor();
        let start = self.moment();
        let target = plan.anomaly.and_then(|anomaly| anomaly.target);
        if self.site.serves_programs() {
            let entry = plan.effect.entry;
            let first = target.filter(|_| entry > 0.0 && self.random.chance(entry));
            self.program(client, start, first);
            return;
        }
        let mut page = match target {
            Some(target) if self.random.chance(plan.effect.entry) => target,
            _ => self.site.popular_page(&mut self.random),
        };
        let mut referer = match self.random.below(10) {
            0..3 => Referer::Search,
            3 => Referer::Social,
            _ => Referer::None,
        };
        let mut at = start;
        let mut assets = self.site.assets_per_visit;
        loop {
            self.push(at, client, page, 0, referer, None);
            if assets > 0 {
                self.assets(client, at, page, assets);
            }
            assets = 1;
            let think = self.random.lognormal(22_000.0, 0.9);
            at += (think as i64).clamp(800, 300_000);
            if !self.random.chance(STAYS) || at > start + LONGEST_VISIT {
                return;
            }
            referer = Referer::Page(page);
            page = self.next_page(client, at, referer);
        }
    }

    /// The page that a visitor opens next, after a login perhaps.
    fn next_page(&mut self, client: Client, at: i64, referer: Referer) -> RouteId {
        match self.random.below(100) {
            0..2 => {
                let status = if self.random.chance(0.15) { 401 } else { 302 };
                self.push(at - 700, client, self.site.login, 0, referer, Some(status));
            }
            2 => return self.site.gone,
            _ => (),
        }
        self.site.popular_page(&mut self.random)
    }

    fn assets(&mut self, client: Client, at: i64, page: RouteId, most: u32) {
        let first = self.random.below(8);
        for number in 0..self.random.below(most + 1) {
            let delay = 60 + i64::from(self.random.below(1_400));
            let asset = self.site.asset(first + number);
            self.push(at + delay, client, asset, 0, Referer::Page(page), None);
        }
    }

    /// A visit to a site for programs: some calls in a row.
    fn program(&mut self, client: Client, start: i64, mut first: Option<RouteId>) {
        let mut at = start;
        if self.random.chance(0.05) {
            self.push(at, client, self.site.login, 0, Referer::None, Some(200));
        }
        loop {
            let popular = || self.site.popular_page(&mut self.random);
            let route = first.take().unwrap_or_else(popular);
            let argument = 1 + self.random.below(90_000);
            at += self.random.lognormal(900.0, 1.0) as i64;
            self.push(at, client, route, argument, Referer::None, None);
            if !self.random.chance(STAYS) || at > start + LONGEST_VISIT {
                return;
            }
        }
    }

    /// Crawlers, the monitor and, on the hour, feed readers.
    fn machines(&mut self) {
        let site = self.site;
        let clock = self.day * DAY + self.minute - PREROLL;
        for crawler in &site.crawlers {
            // Active two hours of three, in an order of its own.
            let turn = scramble(clock.div_euclid(60) as u64 ^ (u64::from(crawler.agent) << 32));
            if turn.is_multiple_of(3) {
                continue;
            }
            let client = Client {
                address: crawler.address,
                agent: crawler.agent,
                is_cached: false,
            };
            if clock.rem_euclid(60) == 0 {
                let at = self.moment();
                self.push(at, client, site.robots, 0, Referer::None, None);
            }
            for _ in 0..self.random.poisson(crawler.rate) {
                let at = self.moment();
                let page = site.any_page(&mut self.random);
                let argument = self.argument(page);
                self.push(at, client, page, argument, Referer::None, None);
            }
        }
        let monitor = Client {
            address: Address::of_machine(200),
            agent: MONITOR,
            is_cached: false,
        };
        let at = (self.minute - PREROLL) * 60_000 + 7_000 + i64::from(self.random.below(400));
        self.push(at, monitor, site.health, 0, Referer::None, None);
        if clock.rem_euclid(60) < 3 && !site.serves_programs() {
            for _ in 0..self.random.poisson(0.12 * site.base) {
                let at = self.moment();
                let mut client = self.visitor();
                client.agent = FEED_READERS.0 + self.random.below(u32::from(FEED_READERS.1)) as u8;
                self.push(at, client, site.feed, 0, Referer::None, None);
            }
        }
    }

    fn argument(&mut self, route: RouteId) -> u32 {
        if self.site.routes[usize::from(route)].has_argument {
            1 + self.random.below(90_000)
        } else {
            0
        }
    }

    /// One request of an attacker.
    fn attack(&mut self, anomaly: &Anomaly) {
        let at = self.moment();
        let client = Client {
            address: self.attacker(anomaly.source),
            agent: anomaly.agent(),
            is_cached: false,
        };
        let site = self.site;
        let (route, argument, status) = match anomaly.kind {
            AnomalyKind::CredentialStuffing => {
                let status = match self.random.below(100) {
                    0..2 => 302,
                    2..14 => 403,
                    _ => 401,
                };
                (site.login, 0, Some(status))
            }
            AnomalyKind::VulnerabilityScan => {
                let status = match self.random.below(100) {
                    0..2 => 500,
                    2..10 => 403,
                    10..15 => 400,
                    _ => 404,
                };
                let probe = site.any_probe(&mut self.random);
                (probe, self.random.below(200), Some(status))
            }
            AnomalyKind::Scraper => {
                let page = site.any_page(&mut self.random);
                (page, 1 + self.random.below(40), None)
            }
            _ => {
                let target = anomaly.target.unwrap_or(site.home);
                (target, self.argument(target), None)
            }
        };
        self.push(at, client, route, argument, Referer::None, status);
    }

    fn attacker(&mut self, source: TrafficSource) -> Address {
        match source {
            TrafficSource::Client(address) => Address::V4(address.to_bits()),
            TrafficSource::Network(address) => {
                Address::V4((address.to_bits() & !0xff) | (1 + self.random.below(254)))
            }
            TrafficSource::Botnet { key, members } => {
                Address::of_bot(key, u64::from(self.random.below(members)))
            }
            TrafficSource::Visitors => Address::of_visitor(self.random.bits()),
        }
    }

    /// Adds a request unless it falls outside the day or does not get through. `status` is what
    /// it gets unless the server fails.
    fn push(
        &mut self,
        at: i64,
        client: Client,
        route: RouteId,
        argument: u32,
        referer: Referer,
        status: Option<u16>,
    ) {
        if !(0..DAY_MILLIS).contains(&at) {
            return;
        }
        let minute = at / 60_000 + PREROLL;
        let MinutePlan { load, effect, .. } = self.plan[minute as usize];
        if effect.lost > 0.0 && is_lost(client.address, effect.lost) {
            return;
        }
        let status = self.status(client, route, status, effect.failing);
        let latency = self.latency(route, status, load, effect.slowness);
        let request = SimulatedRequest {
            at: at as u32,
            address: client.address,
            route,
            argument,
            referer,
            agent: client.agent,
            status,
            bytes: self.bytes(route, status),
            latency,
        };
        self.bucket(minute).push(request);
    }

    fn status(&mut self, client: Client, id: RouteId, status: Option<u16>, failing: f64) -> u16 {
        /// Share of requests that fail on a good day.
        const FAILING: f64 = 0.0007;
        let route = &self.site.routes[usize::from(id)];
        let draw = self.random.unit();
        if draw < FAILING + failing {
            return self.random.pick(&[500, 500, 502, 503, 503, 504]);
        }
        status.unwrap_or(match route.class {
            Class::Asset if client.is_cached && draw > 0.45 => 304,
            Class::Page if route.status == 200 && draw > 0.992 => 301,
            Class::Page if route.status == 200 && draw > 0.985 => 404,
            Class::Call if draw > 0.994 => 400,
            Class::Call if draw > 0.982 => 404,
            _ => route.status,
        })
    }

    fn bytes(&mut self, id: RouteId, status: u16) -> u32 {
        let route = &self.site.routes[usize::from(id)];
        match (status, route.class) {
            (304, _) => 0,
            (301, _) => 178,
            (400.., _) => 560 + 16 * self.random.below(8),
            (_, Class::Asset | Class::Health) => route.bytes as u32,
            (_, Class::Page) => self.random.lognormal(route.bytes, 0.12) as u32,
            (_, Class::Call) => self.random.lognormal(route.bytes, 0.5) as u32,
        }
    }

    fn latency(&mut self, id: RouteId, status: u16, load: f64, slowness: f64) -> u32 {
        let median = self.site.routes[usize::from(id)].latency;
        let own = match status {
            304 | 301 | 400..=403 => 0.4,
            504 => return 30_000 + self.random.below(40),
            _ => 1.0,
        };
        let median = median * own * slowness * (1.0 + 0.4 * load * load);
        self.random.lognormal(median, 0.45).round() as u32
    }
}

/// Whether a client is among those that do not get through; the same all the time.
const fn is_lost(address: Address, share: f64) -> bool {
    let bits = match address {
        Address::V4(bits) => bits as u64,
        Address::V6(bits) => bits,
    };
    (scramble(bits) >> 11) as f64 / ((1_u64 << 53) as f64) < share
}

/// Expected requests of a visit: pages, and the assets of the first and of each further one.
fn requests_per_visit(site: &SimulatedSite) -> f64 {
    let pages = 1.0 / (1.0 - STAYS);
    if site.serves_programs() {
        pages + 0.05
    } else {
        let most = f64::from(site.assets_per_visit);
        let further = if most > 0.0 { 0.5 } else { 0.0 };
        pages + most / 2.0 + (pages - 1.0) * (further + 0.02)
    }
}

fn plan<'a>(
    seed: u64,
    site: &SimulatedSite,
    anomalies: &'a [Anomaly],
    day: i64,
) -> Vec<MinutePlan<'a>> {
    let moods = mood(seed, site, day);
    let peak = 2.0 * site.base * exp(0.1);
    (-PREROLL..DAY)
        .map(|minute| {
            let clock = day * DAY + minute;
            let rate = site.rate(clock) * moods[(DAY + minute) as usize];
            let anomaly = anomalies.iter().find(|anomaly| {
                (i64::from(anomaly.start)..i64::from(anomaly.end)).contains(&clock)
            });
            let effect = anomaly.map_or(Effect::NONE, |anomaly| {
                anomaly.effect(clock as u32, site, rate)
            });
            // A flooded server queues: its load is bounded, the rest is the effect's slowness.
            let load = (rate * effect.demand + effect.attack) / peak;
            MinutePlan {
                rate,
                load: load.min(2.0),
                effect,
                anomaly,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::anomalies::schedule;
    use super::*;

    fn counts(site: &SimulatedSite, anomalies: &[Anomaly], day: i64) -> Vec<usize> {
        let mut traffic = Traffic::new(9, site, anomalies, day);
        std::iter::from_fn(|| traffic.next_minute().map(<[SimulatedRequest]>::len)).collect()
    }

    #[test]
    fn visits_make_the_promised_rate() {
        for index in 0..5 {
            let site = SimulatedSite::new(9, index, 1.0, 0);
            let found: usize = (0..6)
                .map(|day| counts(&site, &[], day).iter().sum::<usize>())
                .sum();
            let expected: f64 = (0..6 * DAY).map(|minute| site.rate(minute)).sum();
            let ratio = found as f64 / expected;
            // Machines come on top, and the mood moves a day by some percent.
            assert!(
                (0.9..1.45).contains(&ratio),
                "{} has {ratio} of its rate",
                site.name
            );
        }
    }

    #[test]
    fn minutes_are_sorted_and_in_place() {
        let site = SimulatedSite::new(9, 0, 1.0, 0);
        let mut traffic = Traffic::new(9, &site, &[], 0);
        for minute in 0..1440 {
            let requests = traffic.next_minute().unwrap();
            assert!(requests.is_sorted_by_key(|request| request.at));
            assert!(requests.iter().all(|request| request.at / 60_000 == minute));
        }
        assert!(traffic.next_minute().is_none());
    }

    /// Requests, 4xx, 5xx and median latency of an anomaly's minutes, and of those without it.
    fn with_and_without(kind: AnomalyKind) -> ([f64; 4], [f64; 4]) {
        let site = SimulatedSite::new(9, 3, 4.0, 0);
        let anomaly = schedule(9, &site, 120)
            .into_iter()
            .find(|anomaly| anomaly.kind == kind && anomaly.start / 1440 == anomaly.end / 1440)
            .expect("a season has every kind within a day");
        let day = i64::from(anomaly.start / 1440);
        let figures = |anomalies: &[Anomaly]| {
            let mut traffic = Traffic::new(9, &site, anomalies, day);
            let (mut requests, mut latencies) = ([0.0; 3], Vec::new());
            for minute in day * 1440..(day + 1) * 1440 {
                let drawn = traffic.next_minute().unwrap();
                if !(anomaly.start..anomaly.end).contains(&(minute as u32)) {
                    continue;
                }
                for request in drawn {
                    requests[0] += 1.0;
                    requests[1] += f64::from(u8::from((400..500).contains(&request.status)));
                    requests[2] += f64::from(u8::from(request.status >= 500));
                    latencies.push(request.latency);
                }
            }
            latencies.sort_unstable();
            let median = latencies
                .get(latencies.len() / 2)
                .map_or(0.0, |&v| f64::from(v));
            [requests[0], requests[1], requests[2], median]
        };
        (figures(std::slice::from_ref(&anomaly)), figures(&[]))
    }

    #[test]
    fn anomalies_show_in_their_metric() {
        for kind in AnomalyKind::ALL {
            let (with, without) = with_and_without(kind);
            let is_visible = match kind {
                AnomalyKind::Outage => with[0] == 0.0 && without[0] > 0.0,
                AnomalyKind::Flood => with[0] > 2.5 * without[0],
                AnomalyKind::Scraper | AnomalyKind::SlowRamp => with[0] > 1.3 * without[0],
                AnomalyKind::TrafficDrop => with[0] < 0.6 * without[0],
                AnomalyKind::LevelShift => (with[0] / without[0] - 1.0).abs() > 0.3,
                AnomalyKind::CredentialStuffing | AnomalyKind::VulnerabilityScan => {
                    with[1] > without[1] + 0.25 * without[0]
                }
                AnomalyKind::ServerErrorBurst => with[2] > 0.15 * with[0],
                AnomalyKind::LatencyDegradation => with[3] > 2.0 * without[3],
            };
            assert!(is_visible, "{}: {with:?} against {without:?}", kind.name());
        }
    }
}
