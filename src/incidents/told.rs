//! What decides on the kind of an incident: its metrics, and what explains it.
//!
//! [`tell`] is a function of what windows had during the incident and have usually ([`IncidentFacts`]),
//! and of the values that explain it ([`Suspect`]). It asks, in this order: which metric is off, and to which
//! side; whether somebody stands out among those who asked; what they asked for, and what they were
//! answered; how long it went on. What fits none of the kinds is [`IncidentKind::Unknown`]: a wrong word costs
//! more than none.
//!
//! | kind | what decides |
//! |---|---|
//! | `outage` | requests below a tenth of what was expected, or none in most windows |
//! | `traffic_drop` | fewer requests than expected, for up to an hour and a half |
//! | `level_shift` | more or fewer requests for longer than that, and nobody stands out |
//! | `flood` | more requests for one path, from one client or network, or by one user agent |
//! | `scraping` | more requests for many paths, from the same |
//! | `credential_stuffing` | most of the rise is for one path and was refused (401, 403 and the like) or posted to a login |
//! | `vulnerability_scan` | most of the rise is client errors for many paths, or internal errors (500) on several, from one client or network |
//! | `error_burst` | failing requests, none of these |
//! | `latency` | slower answers, at less than twice the usual requests |
//! | `odd_hour` | the traffic of the day at a time that is usually quiet, and nobody stands out |
//! | `surge` | more visitors than expected, all told, or for one path |
//!
//! Each threshold is a meaning of a word ("most" is half), and none was fitted to labels.

use std::fmt;

use super::kind::IncidentKind;

/// Means over the windows of a time that a log covers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WindowMeans {
    /// Requests a window.
    pub requests: f64,
    /// Of them, those with a 4xx status.
    pub client_errors: f64,
    /// Of them, those with a 5xx status.
    pub server_errors: f64,
    /// 95 % quantile of the latency, milliseconds; nothing where no log says.
    pub latency_p95: Option<f64>,
}

/// What an incident is told by, besides what explains it.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentFacts {
    /// Whether there was more than expected.
    pub is_spike: bool,
    /// The metric in which most of the surprise is.
    pub top_metric: String,
    /// What was expected of it, summed over the windows that it surprises in.
    pub expected_total: f64,
    /// What there was in the same.
    pub actual_total: f64,
    /// From the first window to the end of the last, minutes.
    pub minutes: f64,
    /// Windows that a log covers.
    pub windows: f64,
    /// Of them, those without a request.
    pub silent_windows: f64,
    /// What a window had during the incident.
    pub during: WindowMeans,
    /// What a window has usually; nothing where nothing is known of it.
    pub usual: Option<WindowMeans>,
    /// Requests a window in the day before.
    pub day_requests: Option<f64>,
}

/// A value that explains a part of an incident: a row of `incident_causes`.
#[derive(Debug, Clone, PartialEq)]
pub struct Suspect {
    /// What it is a value of, such as `client_ip`.
    pub dimension: String,
    /// The value.
    pub value: String,
    /// The share of the change that it has, less its usual share.
    pub power: f64,
}

/// A kind and what decided on it, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The kind.
    pub kind: IncidentKind,
    /// What decided, without any text of the logs.
    pub evidence: String,
}

/// Most of something.
const MOST: f64 = 0.5;
/// More than one or two of something.
const SEVERAL: usize = 3;
/// Hardly any of it: so much less may still be a site that answers.
const HARDLY: f64 = 0.1;
/// A window is surely not silent by chance if even a tenth of the usual would be three requests: of
/// counts around three, one in twenty is nought.
const NEVER_SILENT: f64 = 3.0 / HARDLY;
/// What goes on for longer is another level of traffic. The longest span that windows are judged by is
/// an hour, and an event is seen for a part of it after its end.
const LONG_MINUTES: f64 = 90.0;
/// Twice the usual requests are behind errors and slow answers that surprise more: they follow from it.
const FLOODED: f64 = 2.0;
/// A quiet time has less than a quarter of the requests of an average window of the day.
const QUIET: f64 = 0.25;

/// Statuses that say that somebody may not: unauthorised, forbidden, authentication required,
/// unprocessable (a form that was refused), too many attempts.
const REFUSED: [&str; 5] = ["401", "403", "407", "422", "429"];
/// What paths of logins are called.
const LOGINS: [&str; 9] = [
    "login", "signin", "sign-in", "logon", "auth", "session", "token", "xmlrpc", "password",
];

/// Tells the kind of an incident.
#[must_use]
pub fn tell(facts: &IncidentFacts, suspects: &[Suspect]) -> Told {
    let evidence = Evidence { facts, suspects };
    let (kind, evidence) = evidence.kind();
    Told { kind, evidence }
}

/// Who stands out, with the share of the change that they explain.
#[derive(Debug, Clone, Copy)]
enum Origin {
    Client(f64),
    Network(f64),
    /// Many clients that call themselves the same.
    Agent(f64),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (who, power) = match self {
            Self::Client(power) => ("one client explains", power),
            Self::Network(power) => ("one network explains", power),
            Self::Agent(power) => ("many clients with the same user agent explain", power),
        };
        write!(f, "{who} {} of the rise", percent(*power))
    }
}

struct Evidence<'a> {
    facts: &'a IncidentFacts,
    suspects: &'a [Suspect],
}

impl Evidence<'_> {
    fn kind(&self) -> (IncidentKind, String) {
        let facts = self.facts;
        if !facts.is_spike {
            return self.dip();
        }
        match facts.top_metric.as_str() {
            "server_errors" => (self.provoked())
                .or_else(|| self.flood_behind())
                .unwrap_or_else(|| self.error_burst()),
            "client_errors" => self.client_errors(),
            // Whoever asks twice as often as usual makes answers slow.
            "latency_p50" | "latency_p95" if self.is_flooded() => self.more_traffic(),
            "latency_p50" | "latency_p95" => self.latency(),
            "requests" | "unique_clients" | "bytes" => self.more_traffic(),
            other => (
                IncidentKind::Unknown,
                format!("of a rise of `{other}` alone no kind is known"),
            ),
        }
    }

    /// The share of the change that the best value of some dimensions has, of those that are asked for.
    fn best(&self, dimension: &str, is_meant: impl Fn(&str) -> bool) -> f64 {
        let values = self.suspects.iter();
        let powers = values
            .filter(|suspect| suspect.dimension == dimension && is_meant(&suspect.value))
            .map(|suspect| suspect.power);
        powers.fold(0.0, f64::max)
    }

    fn any(&self, dimension: &str) -> f64 {
        self.best(dimension, |_| true)
    }

    /// The share of the change that several values of a dimension have together.
    fn all_of(&self, dimension: &str, is_meant: impl Fn(&str) -> bool) -> f64 {
        let values = self.suspects.iter();
        let powers = values
            .filter(|suspect| suspect.dimension == dimension && is_meant(&suspect.value))
            .map(|suspect| suspect.power);
        powers.sum::<f64>().min(1.0)
    }

    /// The client or network that most of it comes from.
    fn address(&self) -> Option<Origin> {
        let (client, network) = (self.any("client_ip"), self.any("client_network"));
        if client >= MOST {
            Some(Origin::Client(client))
        } else if network >= MOST {
            Some(Origin::Network(network))
        } else {
            None
        }
    }

    /// Who most of it comes from, by address or by name.
    fn origin(&self) -> Option<Origin> {
        let agent = self.any("user_agent");
        let by_name = (agent >= MOST).then_some(Origin::Agent(agent));
        self.address().or(by_name)
    }

    /// The share of the one path that most of it is for.
    fn path(&self) -> Option<f64> {
        Some(self.any("path")).filter(|power| *power >= MOST)
    }

    /// Requests as a multiple of the usual.
    fn ratio(&self) -> Option<f64> {
        let usual = self.facts.usual?.requests;
        (usual > 0.0).then(|| self.facts.during.requests / usual)
    }

    fn times(&self) -> String {
        match self.ratio() {
            Some(ratio) => format!("{ratio:.1} times the usual requests"),
            None => "more requests than expected".to_owned(),
        }
    }

    /// How long it went on, in words.
    fn lasted(&self) -> String {
        let minutes = self.facts.minutes;
        if minutes > LONG_MINUTES {
            format!("for {:.1} hours", minutes / 60.0)
        } else {
            format!("for {minutes:.0} minutes")
        }
    }

    fn is_long(&self) -> bool {
        self.facts.minutes > LONG_MINUTES
    }

    /// What of the rise of requests failed, with a 4xx and with a 5xx status.
    fn failed_share_of_rise(&self) -> (f64, f64) {
        let (during, usual) = (self.facts.during, self.facts.usual.unwrap_or_default());
        let rise = during.requests - usual.requests;
        if rise <= 0.0 {
            return (0.0, 0.0);
        }
        let share = |during: f64, usual: f64| ((during - usual) / rise).clamp(0.0, 1.0);
        (
            share(during.client_errors, usual.client_errors),
            share(during.server_errors, usual.server_errors),
        )
    }

    fn dip(&self) -> (IncidentKind, String) {
        let facts = self.facts;
        if !matches!(
            facts.top_metric.as_str(),
            "requests" | "unique_clients" | "bytes"
        ) {
            let metric = &facts.top_metric;
            let evidence = format!("of a fall of `{metric}` alone no kind is known");
            return (IncidentKind::Unknown, evidence);
        }
        let came = facts.actual_total / facts.expected_total;
        let is_silent = facts
            .usual
            .is_some_and(|usual| usual.requests >= NEVER_SILENT)
            && facts.silent_windows >= MOST * facts.windows;
        let metric = facts.top_metric.replace('_', " ");
        let share = format!("{} of the expected {metric} came", percent(came));
        if came <= HARDLY || is_silent {
            let (silent, windows) = (facts.silent_windows, facts.windows);
            let evidence =
                format!("{share}, and {silent:.0} of {windows:.0} windows had no request");
            (IncidentKind::Outage, evidence)
        } else if self.is_long() {
            (
                IncidentKind::LevelShift,
                format!("{share}, {}", self.lasted()),
            )
        } else {
            (
                IncidentKind::TrafficDrop,
                format!("{share}, {}", self.lasted()),
            )
        }
    }

    fn is_flooded(&self) -> bool {
        self.ratio().is_some_and(|ratio| ratio >= FLOODED)
    }

    /// A flood that shows in something else more than in its requests.
    fn flood_behind(&self) -> Option<(IncidentKind, String)> {
        let origin = self.origin().filter(|_| self.is_flooded())?;
        Some(self.flood_or_scraping(origin))
    }

    fn flood_or_scraping(&self, origin: Origin) -> (IncidentKind, String) {
        let times = self.times();
        match self.path() {
            Some(path) => (
                IncidentKind::Flood,
                format!("{times}; {origin}, one path {}", percent(path)),
            ),
            None => (
                IncidentKind::Scraping,
                format!("{times}; {origin}, and no path stands out"),
            ),
        }
    }

    /// Of what is refused, or posted to a login, for one path.
    fn credential_stuffing(&self) -> Option<(IncidentKind, String)> {
        let path = self.path()?;
        let refused = self.all_of("status", |status| REFUSED.contains(&status));
        let posted = self.best("method", |method| method == "POST");
        let is_login = self.best("path", is_login) >= MOST;
        let unauthorised = self.best("status", |status| status == "401") >= MOST;
        let evidence = |what: &str, share: f64| {
            let share = percent(share);
            format!(
                "one path explains {} of the rise, {what} {share}",
                percent(path)
            )
        };
        if unauthorised || (refused >= MOST && (is_login || posted >= MOST)) {
            let evidence = evidence("refusals (401, 403, 407, 422, 429)", refused);
            Some((IncidentKind::CredentialStuffing, evidence))
        } else if is_login && posted >= MOST {
            let evidence = evidence("it is called as logins are, and POST explains", posted);
            Some((IncidentKind::CredentialStuffing, evidence))
        } else {
            None
        }
    }

    /// Of what somebody asks for that is not there.
    fn vulnerability_scan(&self) -> Option<(IncidentKind, String)> {
        let origin = self.address()?;
        if self.path().is_some() {
            return None;
        }
        let evidence = format!("{origin}, which is client errors, and no path stands out");
        Some((IncidentKind::VulnerabilityScan, evidence))
    }

    /// Of internal errors that one client or network provokes on several paths. What asks for too much meets
    /// 502, 503 and 504, and so does everybody.
    fn provoked(&self) -> Option<(IncidentKind, String)> {
        let origin = self.address()?;
        let internal = self.best("status", |status| status == "500");
        let paths = (self.suspects.iter()).filter(|suspect| suspect.dimension == "path");
        let paths = paths.count();
        if internal < MOST || paths < SEVERAL {
            return None;
        }
        let evidence = format!("{origin}, which is internal errors (500) on {paths} paths or more");
        Some((IncidentKind::VulnerabilityScan, evidence))
    }

    fn client_errors(&self) -> (IncidentKind, String) {
        self.credential_stuffing()
            .or_else(|| self.vulnerability_scan())
            .or_else(|| self.flood_behind())
            .unwrap_or_else(|| self.error_burst())
    }

    fn error_burst(&self) -> (IncidentKind, String) {
        let (during, usual) = (self.facts.during, self.facts.usual.unwrap_or_default());
        let is_server = self.facts.top_metric != "client_errors";
        let (class, failed, before) = if is_server {
            ("5xx", during.server_errors, usual.server_errors)
        } else {
            ("4xx", during.client_errors, usual.client_errors)
        };
        let share = |failed: f64, requests: f64| percent(failed / requests.max(1e-9));
        let evidence = format!(
            "{} of the requests failed with a {class} status, usually {}",
            share(failed, during.requests),
            share(before, usual.requests)
        );
        (IncidentKind::ErrorBurst, evidence)
    }

    fn latency(&self) -> (IncidentKind, String) {
        let facts = self.facts;
        let usual = facts.usual.and_then(|usual| usual.latency_p95);
        let ratio = match (facts.during.latency_p95, usual) {
            (Some(during), Some(usual)) if usual > 0.0 => during / usual,
            _ => facts.actual_total / facts.expected_total,
        };
        let requests = self.ratio().map_or_else(
            || "by requests that nothing is known of".to_owned(),
            |ratio| format!("at {ratio:.1} times the usual requests"),
        );
        (
            IncidentKind::Latency,
            format!("answers took {ratio:.1} times as long as usual, {requests}"),
        )
    }

    fn more_traffic(&self) -> (IncidentKind, String) {
        let (client_errors, server_errors) = self.failed_share_of_rise();
        if client_errors >= MOST {
            let told = self
                .credential_stuffing()
                .or_else(|| self.vulnerability_scan());
            if let Some(told) = told {
                return told;
            }
        }
        if let Some(told) = self.credential_stuffing() {
            return told;
        }
        if let Some(origin) = self.origin() {
            return self.flood_or_scraping(origin);
        }
        if server_errors >= MOST {
            return self.error_burst();
        }
        let times = self.times();
        if let Some(path) = self.path() {
            let path = percent(path);
            let evidence = format!("{times}; one path explains {path} of the rise, no client does");
            return (IncidentKind::Surge, evidence);
        }
        let lasted = self.lasted();
        let Some(usual) = self.facts.usual else {
            let evidence = "nothing is known of the traffic before, and nobody stands out";
            return (IncidentKind::Unknown, evidence.to_owned());
        };
        let by_day = self.facts.day_requests.unwrap_or_default();
        if usual.requests < QUIET * by_day && self.facts.during.requests >= MOST * by_day {
            let evidence = format!(
                "{times} at a time that has {} of an average window of the day, and nobody stands out",
                percent(usual.requests / by_day)
            );
            (IncidentKind::OddHour, evidence)
        } else if self.facts.top_metric == "bytes" {
            let evidence = format!("more bytes, {times}, and nobody stands out");
            (IncidentKind::Unknown, evidence)
        } else if self.is_long() {
            let evidence = format!("{times} {lasted}, and nobody stands out");
            (IncidentKind::LevelShift, evidence)
        } else {
            let evidence = format!("{times} {lasted}, and nobody stands out");
            (IncidentKind::Surge, evidence)
        }
    }
}

fn is_login(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    LOGINS.iter().any(|name| path.contains(name))
}

fn percent(share: f64) -> String {
    if share.is_finite() {
        format!("{:.0} %", 100.0 * share)
    } else {
        "an unknown share".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(top_metric: &str, is_spike: bool) -> IncidentFacts {
        IncidentFacts {
            is_spike,
            top_metric: top_metric.to_owned(),
            expected_total: 1_000.0,
            actual_total: if is_spike { 4_000.0 } else { 400.0 },
            minutes: 20.0,
            windows: 20.0,
            silent_windows: 0.0,
            during: WindowMeans {
                requests: if is_spike { 200.0 } else { 20.0 },
                client_errors: 2.0,
                server_errors: 0.0,
                latency_p95: Some(100.0),
            },
            usual: Some(WindowMeans {
                requests: 50.0,
                client_errors: 2.0,
                server_errors: 0.0,
                latency_p95: Some(100.0),
            }),
            day_requests: Some(50.0),
        }
    }

    fn suspects(values: &[(&str, &str, f64)]) -> Vec<Suspect> {
        let values = values.iter();
        let suspects = values.map(|(dimension, value, power)| Suspect {
            dimension: (*dimension).to_owned(),
            value: (*value).to_owned(),
            power: *power,
        });
        suspects.collect()
    }

    fn told(facts: &IncidentFacts, values: &[(&str, &str, f64)]) -> String {
        let told = tell(facts, &suspects(values));
        format!("{}: {}", told.kind.name(), told.evidence)
    }

    #[test]
    fn fewer_requests_are_an_outage_a_drop_or_another_level() {
        let mut dip = facts("requests", false);
        insta::assert_snapshot!(told(&dip, &[]), @"traffic_drop: 40 % of the expected requests came, for 20 minutes");
        dip.minutes = 200.0;
        insta::assert_snapshot!(told(&dip, &[]), @"level_shift: 40 % of the expected requests came, for 3.3 hours");
        // However long: nothing comes.
        dip.actual_total = 40.0;
        insta::assert_snapshot!(told(&dip, &[]), @"outage: 4 % of the expected requests came, and 0 of 20 windows had no request");
        // Long edges do not hide that most windows are silent where traffic is dense.
        dip.actual_total = 300.0;
        dip.silent_windows = 12.0;
        insta::assert_snapshot!(told(&dip, &[]), @"outage: 30 % of the expected requests came, and 12 of 20 windows had no request");
        // Where it is thin, silence is chance.
        dip.usual.as_mut().unwrap().requests = 2.0;
        assert_eq!(tell(&dip, &[]).kind, IncidentKind::LevelShift);
    }

    #[test]
    fn who_asks_for_what_tells_floods_from_scraping_and_visitors() {
        let spike = facts("requests", true);
        let client = ("client_ip", "192.0.2.1", 0.97);
        let page = ("path", "/", 0.95);
        insta::assert_snapshot!(told(&spike, &[client, page]), @"flood: 4.0 times the usual requests; one client explains 97 % of the rise, one path 95 %");
        insta::assert_snapshot!(told(&spike, &[client]), @"scraping: 4.0 times the usual requests; one client explains 97 % of the rise, and no path stands out");
        // A botnet has no address in common.
        insta::assert_snapshot!(told(&spike, &[page, ("user_agent", "old", 0.9)]), @"flood: 4.0 times the usual requests; many clients with the same user agent explain 90 % of the rise, one path 95 %");
        insta::assert_snapshot!(told(&spike, &[page]), @"surge: 4.0 times the usual requests; one path explains 95 % of the rise, no client does");
        insta::assert_snapshot!(told(&spike, &[]), @"surge: 4.0 times the usual requests for 20 minutes, and nobody stands out");
        // Less than half of it is not who did it.
        let many = ("client_ip", "192.0.2.1", 0.4);
        assert_eq!(tell(&spike, &suspects(&[many])).kind, IncidentKind::Surge);
    }

    #[test]
    fn what_is_refused_tells_logins_from_scans() {
        let errors = facts("client_errors", true);
        let network = ("client_network", "192.0.2.0/24", 0.9);
        let login = ("path", "/account/login", 0.98);
        insta::assert_snapshot!(told(&errors, &[network, login, ("status", "401", 0.97)]), @"credential_stuffing: one path explains 98 % of the rise, refusals (401, 403, 407, 422, 429) 97 %");
        insta::assert_snapshot!(told(&errors, &[network, ("status", "404", 0.97)]), @"vulnerability_scan: one network explains 90 % of the rise, which is client errors, and no path stands out");
        // A page that is gone, asked for by all.
        insta::assert_snapshot!(told(&errors, &[("path", "/old", 0.9), ("status", "404", 0.9)]), @"error_burst: 1 % of the requests failed with a 4xx status, usually 4 %");
        // Where failed logins are answered with 200.
        let spike = facts("requests", true);
        insta::assert_snapshot!(told(&spike, &[login, ("method", "POST", 0.9)]), @"credential_stuffing: one path explains 98 % of the rise, it is called as logins are, and POST explains 90 %");
        // Client errors that show as requests.
        let mut spike = facts("requests", true);
        spike.during.client_errors = 140.0;
        let client = ("client_ip", "192.0.2.1", 0.97);
        assert_eq!(
            tell(&spike, &suspects(&[client])).kind,
            IncidentKind::VulnerabilityScan
        );
    }

    #[test]
    fn internal_errors_that_one_client_provokes_are_a_scan() {
        let errors = facts("server_errors", true);
        let client = ("client_ip", "192.0.2.1", 1.0);
        let paths = [
            ("path", "/a", 0.6),
            ("path", "/b", 0.1),
            ("path", "/c", 0.1),
        ];
        let of = |status: &'static str, paths: &[(&'static str, &'static str, f64)]| {
            let values = [&[client, ("status", status, 0.9)], paths].concat();
            told(&errors, &values)
        };
        insta::assert_snapshot!(of("500", &paths), @"vulnerability_scan: one client explains 100 % of the rise, which is internal errors (500) on 3 paths or more");
        // A program that has one fault, and a site that bears no more.
        insta::assert_snapshot!(of("500", &paths[..1]), @"flood: 4.0 times the usual requests; one client explains 100 % of the rise, one path 60 %");
        insta::assert_snapshot!(of("503", &paths), @"flood: 4.0 times the usual requests; one client explains 100 % of the rise, one path 60 %");
    }

    #[test]
    fn errors_and_latencies_are_their_own_unless_a_flood_is_behind_them() {
        let mut errors = facts("server_errors", true);
        errors.during = WindowMeans {
            requests: 50.0,
            server_errors: 20.0,
            latency_p95: Some(400.0),
            ..WindowMeans::default()
        };
        insta::assert_snapshot!(told(&errors, &[("path", "/pay", 0.9)]), @"error_burst: 40 % of the requests failed with a 5xx status, usually 0 %");
        let mut slow = IncidentFacts {
            top_metric: "latency_p95".to_owned(),
            ..errors
        };
        insta::assert_snapshot!(told(&slow, &[]), @"latency: answers took 4.0 times as long as usual, at 1.0 times the usual requests");
        slow.during.requests = 500.0;
        assert_eq!(tell(&slow, &[]).kind, IncidentKind::Surge);
        let client = ("client_ip", "192.0.2.1", 0.8);
        assert_eq!(
            tell(&slow, &suspects(&[client])).kind,
            IncidentKind::Scraping
        );
    }

    #[test]
    fn the_time_of_day_and_how_long_it_lasts_tell_the_rest() {
        let mut spike = facts("requests", true);
        spike.minutes = 180.0;
        insta::assert_snapshot!(told(&spike, &[]), @"level_shift: 4.0 times the usual requests for 3.0 hours, and nobody stands out");
        spike.day_requests = Some(300.0);
        insta::assert_snapshot!(told(&spike, &[]), @"odd_hour: 4.0 times the usual requests at a time that has 17 % of an average window of the day, and nobody stands out");
    }

    #[test]
    fn what_is_not_clear_is_unknown() {
        insta::assert_snapshot!(told(&facts("latency_p95", false), &[]), @"unknown: of a fall of `latency_p95` alone no kind is known");
        insta::assert_snapshot!(told(&facts("top_client_share", true), &[]), @"unknown: of a rise of `top_client_share` alone no kind is known");
        let first_day = IncidentFacts {
            usual: None,
            day_requests: None,
            ..facts("requests", true)
        };
        insta::assert_snapshot!(told(&first_day, &[]), @"unknown: nothing is known of the traffic before, and nobody stands out");
    }

    #[test]
    fn evidence_has_no_text_of_the_logs() {
        let hostile = "<script>alert(1)</script>";
        let dimensions = ["client_ip", "path", "user_agent", "status", "method"];
        let values: Vec<_> = dimensions
            .iter()
            .map(|dimension| (*dimension, hostile, 0.9))
            .collect();
        for metric in ["requests", "client_errors", "server_errors", "latency_p95"] {
            let told = told(&facts(metric, true), &values);
            assert!(!told.contains(hostile), "{told}");
        }
    }
}
