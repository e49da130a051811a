//! The nuisances: what comes back, never changes or was announced, and is called an anomaly all the same.

use serde::{Serialize, Serializer};

/// A kind of site, named after what is a nuisance there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Nuisance {
    /// Nothing but a rhythm of days and weeks.
    Control,
    /// A job at the same time every night.
    NightlyJob,
    /// A job every night, up to a quarter of an hour late and now and then not at all.
    JitteryJob,
    /// A batch every Sunday.
    WeeklyBatch,
    /// A job on the first of each month.
    MonthlyJob,
    /// Traffic in office hours alone.
    OfficeHours,
    /// A burst at the same minute of every hour.
    HourlyCron,
    /// Traffic grows by 1 to 2 % a day.
    Growth,
    /// A lasting change to a higher level, which is one incident.
    LevelUp,
    /// The same to a lower level.
    LevelDown,
    /// Some minutes of less traffic at each deployment, on working days.
    DeployDips,
    /// An outage of hours, which is one incident, and normal traffic after it.
    Outage,
    /// Days without any log.
    Gap,
    /// A working day with little traffic that nobody announced, which is one incident.
    Holiday,
    /// Clocks change, in a time zone that is known.
    ClocksChange,
    /// A request every half an hour or less.
    Quiet,
    /// A few visits an hour, each of several requests.
    QuietVisits,
    /// Half a dozen visits a day.
    Handful,
    /// One probe a minute, whose clock drifts.
    HealthChecks,
    /// A latency that never changes.
    Constant,
    /// One or two requests in every minute.
    TwoValued,
    /// A site that never had a server error.
    AlwaysZero,
    /// Crowds that the calendar announces.
    FlashCrowd,
    /// Requests beside two metrics that never change, judged together: no error, and one latency.
    IdleMetrics,
}

impl Nuisance {
    /// Every kind.
    pub(crate) const ALL: [Self; 24] = [
        Self::Control,
        Self::NightlyJob,
        Self::JitteryJob,
        Self::WeeklyBatch,
        Self::MonthlyJob,
        Self::OfficeHours,
        Self::HourlyCron,
        Self::Growth,
        Self::LevelUp,
        Self::LevelDown,
        Self::DeployDips,
        Self::Outage,
        Self::Gap,
        Self::Holiday,
        Self::ClocksChange,
        Self::Quiet,
        Self::QuietVisits,
        Self::Handful,
        Self::HealthChecks,
        Self::Constant,
        Self::TwoValued,
        Self::AlwaysZero,
        Self::FlashCrowd,
        Self::IdleMetrics,
    ];

    /// The name in tables and on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::NightlyJob => "nightly-job",
            Self::JitteryJob => "jittery-job",
            Self::WeeklyBatch => "weekly-batch",
            Self::MonthlyJob => "monthly-job",
            Self::OfficeHours => "office-hours",
            Self::HourlyCron => "hourly-cron",
            Self::Growth => "growth",
            Self::LevelUp => "level-up",
            Self::LevelDown => "level-down",
            Self::DeployDips => "deploy-dips",
            Self::Outage => "outage",
            Self::Gap => "gap",
            Self::Holiday => "holiday",
            Self::ClocksChange => "clocks-change",
            Self::Quiet => "quiet",
            Self::QuietVisits => "quiet-visits",
            Self::Handful => "handful",
            Self::HealthChecks => "health-checks",
            Self::Constant => "constant",
            Self::TwoValued => "two-valued",
            Self::AlwaysZero => "always-zero",
            Self::FlashCrowd => "flash-crowd",
            Self::IdleMetrics => "idle-metrics",
        }
    }

    /// The metric that anomalies show in, a column of `traffic_windows`.
    pub(crate) const fn metric(self) -> &'static str {
        match self {
            Self::Constant => "latency_p95",
            Self::AlwaysZero => "server_errors",
            _ => "requests",
        }
    }
}

impl Serialize for Nuisance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_is_listed_once_in_order() {
        assert!(Nuisance::ALL.is_sorted());
        let names: BTreeSet<&str> = Nuisance::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), Nuisance::ALL.len());
        assert_eq!(Nuisance::ALL.len(), Nuisance::IdleMetrics as usize + 1);
    }
}
