//! The kinds of anomalies, how long they last and how strong they are.

use super::random::Random;

/// The kind of an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AnomalyKind {
    /// Many more requests for one page, from one client or a botnet.
    Flood,
    /// Every response is slower.
    LatencyDegradation,
    /// Failing logins, from one network or a botnet.
    CredentialStuffing,
    /// No request at all.
    Outage,
    /// One client asks for what does not exist.
    VulnerabilityScan,
    /// Visits to one page grow over one and a half hours, then fade.
    SlowRamp,
    /// A part of all requests fails with a 5xx status.
    ServerErrorBurst,
    /// Traffic moves to another level for hours.
    LevelShift,
    /// One client copies the site.
    Scraper,
    /// Most visitors do not get through.
    TrafficDrop,
}

impl AnomalyKind {
    /// Every kind, in the order in which they are placed.
    pub const ALL: [Self; 10] = [
        Self::Flood,
        Self::LatencyDegradation,
        Self::CredentialStuffing,
        Self::Outage,
        Self::VulnerabilityScan,
        Self::SlowRamp,
        Self::ServerErrorBurst,
        Self::LevelShift,
        Self::Scraper,
        Self::TrafficDrop,
    ];

    /// The name in the labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flood => "flood",
            Self::LatencyDegradation => "latency_degradation",
            Self::CredentialStuffing => "credential_stuffing",
            Self::Outage => "outage",
            Self::VulnerabilityScan => "vulnerability_scan",
            Self::SlowRamp => "slow_ramp",
            Self::ServerErrorBurst => "server_error_burst",
            Self::LevelShift => "level_shift",
            Self::Scraper => "scraper",
            Self::TrafficDrop => "traffic_drop",
        }
    }

    /// The column of `traffic_windows` that shows it best.
    #[must_use]
    pub const fn metric(self) -> &'static str {
        match self {
            Self::CredentialStuffing | Self::VulnerabilityScan => "client_errors",
            Self::ServerErrorBurst => "server_errors",
            Self::LatencyDegradation => "latency_p95",
            Self::Flood
            | Self::Outage
            | Self::SlowRamp
            | Self::LevelShift
            | Self::Scraper
            | Self::TrafficDrop => "requests",
        }
    }

    /// Shortest and longest duration in minutes.
    #[must_use]
    pub const fn duration(self) -> (u32, u32) {
        match self {
            Self::Flood => (10, 30),
            Self::LatencyDegradation | Self::TrafficDrop => (20, 60),
            Self::CredentialStuffing => (15, 45),
            Self::Outage => (15, 60),
            Self::VulnerabilityScan => (8, 25),
            Self::SlowRamp => (RAMP_RISE + RAMP_FADE, RAMP_RISE + RAMP_FADE),
            Self::ServerErrorBurst => (10, 40),
            Self::LevelShift => (120, 240),
            Self::Scraper => (20, 90),
        }
    }

    /// The strength of the anomaly, in the unit that its effect on a minute reads.
    pub(super) fn intensity(self, random: &mut Random) -> f64 {
        match self {
            // Multiple of the expected traffic that comes on top.
            Self::Flood => random.between(2.5, 9.0),
            Self::CredentialStuffing => random.between(0.6, 1.6),
            Self::Scraper => random.between(0.5, 1.5),
            Self::VulnerabilityScan => random.between(0.4, 1.0),
            // Factors.
            Self::LatencyDegradation => random.between(3.0, 8.0),
            Self::SlowRamp => random.between(2.3, 2.7),
            Self::LevelShift if random.chance(0.5) => random.between(0.35, 0.5),
            Self::LevelShift => random.between(1.6, 2.2),
            // Shares of the requests.
            Self::ServerErrorBurst => random.between(0.2, 0.6),
            Self::TrafficDrop => random.between(0.6, 0.85),
            Self::Outage => 1.0,
        }
    }

    /// Whether it takes traffic to be seen, so that it is not placed in a quiet hour.
    pub(super) const fn needs_traffic(self) -> bool {
        matches!(
            self,
            Self::LatencyDegradation
                | Self::Outage
                | Self::SlowRamp
                | Self::ServerErrorBurst
                | Self::LevelShift
                | Self::TrafficDrop
        )
    }
}

/// Minutes over which a ramp grows, and over which it fades.
const RAMP_RISE: u32 = 90;
const RAMP_FADE: u32 = 30;

/// The height of a ramp in a minute of it, as a share of its greatest: it grows, stays, and fades.
#[must_use]
pub fn ramp_height(minute: u32, minutes: u32) -> f64 {
    let risen = f64::from(minute + 1) / f64::from(RAMP_RISE);
    let left = f64::from(minutes - minute) / f64::from(RAMP_FADE);
    risen.min(left).min(1.0)
}
