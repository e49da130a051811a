//! A site's profile: how much traffic it has when, what it serves, and who comes to it.

use super::clients::{Address, BROWSERS, CRAWLERS, PROBES, PROGRAMS};
use super::formats::SiteFormat;
use super::random::{Purpose, Random, cos_turn, exp};

/// Minutes of a day.
pub(super) const DAY: i64 = 1440;

/// Names of the first sites; later ones are numbered.
const NAMES: [&str; 8] = [
    "shop", "blog", "api", "docs", "static", "edge", "news", "forum",
];

/// Hours that local time is ahead of UTC, for the audiences of different sites.
const TIME_ZONES: [i64; 7] = [-8, -5, -3, 0, 1, 2, 8];

/// Requests a minute of the smallest and largest site at scale 1.
const BASE_RATE: (f64, f64) = (10.0, 100.0);

/// The class of what a request asks for: it decides how long the request takes and how much it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// A page made for the visitor.
    Page,
    /// A file that does not change, which a returning client has in its cache.
    Asset,
    /// A call of a program.
    Call,
    /// A probe of a monitor.
    Health,
}

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
}

/// Something that can be requested: one path, or with `has_argument` a family of paths that
/// differ in a number.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) prefix: String,
    pub(super) suffix: &'static str,
    pub(super) has_argument: bool,
    pub(super) class: Class,
    pub(super) method: Method,
    /// The status when nothing goes wrong.
    pub(super) status: u16,
    /// Median size of the response.
    pub(super) bytes: f64,
    /// Median milliseconds at low load.
    pub(super) latency: f64,
}

/// Index into [`SimulatedSite::routes`].
pub(super) type RouteId = u16;

/// A program that walks the pages at a steady pace, some hours on, some off.
#[derive(Debug)]
pub(super) struct Crawler {
    pub(super) agent: u8,
    pub(super) address: Address,
    /// Requests a minute while it is active.
    pub(super) rate: f64,
}

/// The kind of a site.
#[derive(Debug)]
struct Theme {
    sections: &'static [&'static str],
    pages: u16,
    /// Most assets that the first page of a visit loads.
    assets: u32,
    class: Class,
}

const THEMES: [Theme; 8] = [
    theme(&["product", "category", "brand"], 400, 6, Class::Page),
    theme(&["posts", "tags", "authors"], 150, 5, Class::Page),
    theme(
        &["v1/orders", "v1/users", "v1/items", "v2/events"],
        32,
        0,
        Class::Call,
    ),
    theme(&["guide", "reference", "tutorial"], 220, 4, Class::Page),
    theme(&["img", "fonts", "downloads"], 300, 2, Class::Asset),
    theme(&["video", "live", "channel"], 120, 3, Class::Page),
    theme(
        &["world", "sport", "culture", "opinion"],
        600,
        7,
        Class::Page,
    ),
    theme(&["topic", "member", "board"], 500, 3, Class::Page),
];

const fn theme(sections: &'static [&'static str], pages: u16, assets: u32, class: Class) -> Theme {
    Theme {
        sections,
        pages,
        assets,
        class,
    }
}

const ADJECTIVES: [&str; 20] = [
    "amber", "blue", "calm", "daily", "early", "fresh", "green", "hidden", "inner", "light",
    "modern", "northern", "open", "plain", "quiet", "rapid", "silver", "tiny", "urban", "winter",
];
const NOUNS: [&str; 20] = [
    "anchor", "bridge", "canvas", "desk", "engine", "forest", "garden", "harbour", "island",
    "jacket", "kettle", "lantern", "market", "needle", "orchard", "pocket", "river", "saddle",
    "table", "window",
];

/// A simulated web site.
#[derive(Debug)]
pub(super) struct SimulatedSite {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) format: SiteFormat,
    /// Mean requests a minute of visitors, before growth.
    pub(super) base: f64,
    pub(super) routes: Vec<Route>,
    pub(super) crawlers: Vec<Crawler>,
    pub(super) agents: (u8, u8),
    /// Most assets that the first page of a visit loads.
    pub(super) assets_per_visit: u32,
    /// The front page; further pages follow it.
    pub(super) home: RouteId,
    pages: u16,
    first_asset: RouteId,
    asset_count: u16,
    pub(super) login: RouteId,
    pub(super) gone: RouteId,
    pub(super) health: RouteId,
    pub(super) robots: RouteId,
    pub(super) feed: RouteId,
    first_probe: RouteId,
    /// Upper bounds of the pages' shares, as fractions of 2^32.
    popularity: Vec<u32>,
    /// Weekday of the start of the simulation, Monday = 0.
    first_weekday: i64,
    offset: i64,
    weekend: f64,
    growth: f64,
    /// Multipliers of the base rate by minute of the local day, with mean 1.
    daily: Vec<f64>,
}

impl SimulatedSite {
    /// The site with this number (from 0) in the world of `seed`.
    pub(super) fn new(seed: u64, index: u32, scale: f64, first_weekday: u32) -> Self {
        let mut random = Random::new(seed, index, 0, Purpose::Profile);
        let theme = &THEMES[index as usize % THEMES.len()];
        let base = base_rate(seed, index) * scale;
        let mut site = Self {
            index,
            name: name(index),
            format: SiteFormat::of_site(index),
            base,
            routes: Vec::new(),
            crawlers: crawlers(&mut random, base),
            agents: if theme.class == Class::Call {
                PROGRAMS
            } else {
                BROWSERS
            },
            assets_per_visit: theme.assets,
            home: 0,
            pages: theme.pages,
            first_asset: 0,
            asset_count: 0,
            login: 0,
            gone: 0,
            health: 0,
            robots: 0,
            feed: 0,
            first_probe: 0,
            popularity: popularity(theme.pages),
            first_weekday: i64::from(first_weekday),
            offset: random.pick(&TIME_ZONES) * 60,
            weekend: random.between(0.55, 1.15),
            growth: random.between(0.0, 0.04),
            daily: daily_profile(&mut random),
        };
        site.add_pages(&mut random, theme);
        site.add_fixtures(&mut random, theme);
        site
    }

    fn add(&mut self, route: Route) -> RouteId {
        self.routes.push(route);
        (self.routes.len() - 1) as RouteId
    }

    fn add_pages(&mut self, random: &mut Random, theme: &Theme) {
        let (bytes, latency) = match theme.class {
            Class::Page => (16_000.0, 70.0),
            Class::Call => (1_800.0, 30.0),
            Class::Asset | Class::Health => (45_000.0, 4.0),
        };
        for page in 0..theme.pages {
            let prefix = if page == 0 && theme.class != Class::Call {
                "/".to_owned()
            } else {
                let section = random.pick(theme.sections);
                let (adjective, noun) = (random.pick(&ADJECTIVES), random.pick(&NOUNS));
                match theme.class {
                    Class::Call => format!("/{section}/{noun}/"),
                    Class::Asset => format!("/{section}/{adjective}-{noun}-{page}.bin"),
                    _ => format!("/{section}/{adjective}-{noun}-{page}"),
                }
            };
            let posts = theme.class == Class::Call && random.chance(0.2);
            let route = Route {
                prefix,
                suffix: "",
                has_argument: theme.class == Class::Call,
                class: theme.class,
                method: if posts { Method::Post } else { Method::Get },
                status: if posts { 201 } else { 200 },
                bytes: random.lognormal(bytes, 0.6).round(),
                latency: random.lognormal(latency, 0.35),
            };
            self.add(route);
        }
    }

    fn add_fixtures(&mut self, random: &mut Random, theme: &Theme) {
        for (position, extension) in ["js", "css", "woff2", "webp", "webp", "svg", "ico", "webp"]
            .into_iter()
            .enumerate()
        {
            let prefix = format!("/assets/{}-{position}.{extension}", random.pick(&NOUNS));
            let bytes = random.lognormal(22_000.0, 0.9).round();
            let id = self.add(fixture(&prefix, Class::Asset, 200, bytes, 3.0));
            if position == 0 {
                self.first_asset = id;
            }
            self.asset_count += 1;
        }
        let login = if theme.class == Class::Call {
            "/v1/login"
        } else {
            "/login"
        };
        let route = fixture(login, Class::Call, 302, 420.0, 110.0);
        self.login = self.add(Route {
            method: Method::Post,
            ..route
        });
        let route = fixture("/archive/entry-", Class::Page, 404, 1_250.0, 9.0);
        self.gone = self.add(Route {
            has_argument: true,
            ..route
        });
        self.health = self.add(fixture("/healthz", Class::Health, 200, 15.0, 1.2));
        self.robots = self.add(fixture("/robots.txt", Class::Asset, 200, 312.0, 1.5));
        self.feed = self.add(fixture("/feed.xml", Class::Asset, 200, 38_000.0, 6.0));
        self.first_probe = self.routes.len() as RouteId;
        for (prefix, suffix) in PROBES {
            let route = fixture(prefix, Class::Page, 404, 1_250.0, 8.0);
            self.add(Route {
                suffix,
                has_argument: true,
                ..route
            });
        }
    }

    /// Expected requests a minute of visitors at a minute counted from the start.
    pub(super) fn rate(&self, minute: i64) -> f64 {
        let local = minute + self.offset;
        let daily = self.daily[local.rem_euclid(DAY) as usize];
        let weeks = (minute as f64) / (7.0 * DAY as f64);
        self.base * daily * self.week_factor(local) * exp(self.growth * weeks)
    }

    /// The weekend's factor, blended in and out over three hours around midnight.
    fn week_factor(&self, local: i64) -> f64 {
        let is_weekend = |at: i64| (at.div_euclid(DAY) + self.first_weekday).rem_euclid(7) >= 5;
        let (early, late) = (is_weekend(local - 90), is_weekend(local + 90));
        if early == late {
            return if early { self.weekend } else { 1.0 };
        }
        let position = ((local + 90).rem_euclid(DAY)) as f64 / 180.0;
        let share = if late { position } else { 1.0 - position };
        1.0 + (self.weekend - 1.0) * share
    }

    /// A page drawn by popularity.
    pub(super) fn popular_page(&self, random: &mut Random) -> RouteId {
        let draw = random.bits() as u32;
        let rank = self.popularity.partition_point(|&bound| bound < draw);
        self.home + rank.min(usize::from(self.pages) - 1) as RouteId
    }

    /// Any page, each as likely as another.
    pub(super) fn any_page(&self, random: &mut Random) -> RouteId {
        self.home + random.below(u32::from(self.pages)) as RouteId
    }

    /// The asset with this number, which may be larger than their count.
    pub(super) fn asset(&self, number: u32) -> RouteId {
        self.first_asset + (number % u32::from(self.asset_count)) as RouteId
    }

    /// Any target of a scanner.
    pub(super) fn any_probe(&self, random: &mut Random) -> RouteId {
        self.first_probe + random.below(PROBES.len() as u32) as RouteId
    }

    /// Whether it is a site for programs, whose calls have no assets and no referers.
    pub(super) fn serves_programs(&self) -> bool {
        self.agents == PROGRAMS
    }
}

/// A route with one path.
fn fixture(prefix: &str, class: Class, status: u16, bytes: f64, latency: f64) -> Route {
    Route {
        prefix: prefix.to_owned(),
        suffix: "",
        has_argument: false,
        class,
        method: Method::Get,
        status,
        bytes,
        latency,
    }
}

/// The name of the site with this number.
pub(super) fn name(index: u32) -> String {
    NAMES
        .get(index as usize)
        .map_or_else(|| format!("site-{:02}", index + 1), |&name| name.to_owned())
}

/// Log-uniform in [`BASE_RATE`]; golden-ratio steps from a random start keep neighbours apart.
fn base_rate(seed: u64, index: u32) -> f64 {
    let start = Random::new(seed, u32::MAX, 0, Purpose::Profile).unit();
    let position = (start + f64::from(index) * 0.618_033_988_749_895).fract();
    let (low, high) = BASE_RATE;
    low * exp(position * super::random::ln(high / low))
}

/// A smooth day with its peak in the local afternoon, of two harmonics in the logarithm.
fn daily_profile(random: &mut Random) -> Vec<f64> {
    let peak = random.between(0.56, 0.8);
    let first = random.between(0.45, 0.95);
    let second = random.between(0.05, 0.25);
    let second_peak = random.between(0.3, 0.5);
    let mut profile: Vec<f64> = (0..DAY)
        .map(|minute| {
            let day = minute as f64 / DAY as f64;
            exp(first * cos_turn(day - peak) + second * cos_turn(2.0 * (day - second_peak)))
        })
        .collect();
    let mean = profile.iter().sum::<f64>() / profile.len() as f64;
    for value in &mut profile {
        *value /= mean;
    }
    profile
}

/// Shares of pages by rank after Zipf and Mandelbrot, 1 / (rank + 2.7).
fn popularity(pages: u16) -> Vec<u32> {
    let weights: Vec<f64> = (1..=pages)
        .map(|rank| 1.0 / (f64::from(rank) + 2.7))
        .collect();
    let total: f64 = weights.iter().sum();
    weights
        .iter()
        .scan(0.0, |sum, weight| {
            *sum += weight / total;
            Some((*sum * f64::from(u32::MAX)) as u32)
        })
        .collect()
}

fn crawlers(random: &mut Random, base: f64) -> Vec<Crawler> {
    (0..2 + random.below(3) as u8)
        .map(|number| Crawler {
            agent: CRAWLERS.0 + number % CRAWLERS.1,
            address: Address::of_machine(16 + u32::from(number) * 8 + random.below(8)),
            rate: base * random.between(0.02, 0.06),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_has_a_day_a_weekend_and_growth() {
        let site = SimulatedSite::new(3, 0, 1.0, 0);
        let day = |day: i64| (0..DAY).map(|m| site.rate(day * DAY + m)).sum::<f64>();
        let monday: Vec<f64> = (0..DAY).map(|m| site.rate(m)).collect();
        let (low, high) = monday.iter().fold((f64::MAX, 0.0_f64), |(low, high), &v| {
            (low.min(v), high.max(v))
        });
        assert!(high > 2.0 * low, "the day is flat: {low} to {high}");
        assert!((day(1) / day(15) - exp(-2.0 * site.growth)).abs() < 1e-9);
        assert!((day(5) / day(1) / site.weekend - 1.0).abs() < 0.1);
        let steps = monday
            .windows(2)
            .map(|pair| (pair[1] / pair[0] - 1.0).abs());
        assert!(steps.fold(0.0, f64::max) < 0.02, "the day jumps");
    }

    #[test]
    fn sizes_and_names_differ() {
        let sites: Vec<SimulatedSite> = (0..10)
            .map(|index| SimulatedSite::new(7, index, 1.0, 0))
            .collect();
        assert_eq!(sites[8].name, "site-09");
        for pair in sites.windows(2) {
            let ratio = pair[0].base / pair[1].base;
            assert!(!(0.8..1.25).contains(&ratio), "neighbours have one size");
            assert_ne!(pair[0].name, pair[1].name);
        }
    }

    #[test]
    fn popular_pages_follow_their_rank() {
        let site = SimulatedSite::new(3, 0, 1.0, 0);
        let mut random = Random::new(1, 0, 0, Purpose::Traffic);
        let mut counts = vec![0; usize::from(site.pages)];
        for _ in 0..20_000 {
            counts[usize::from(site.popular_page(&mut random) - site.home)] += 1;
        }
        assert!(counts[0] > 2 * counts[9] && counts[9] > counts[200]);
    }
}
