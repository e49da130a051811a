//! The kinds of incidents, which [`super::told`] tells apart.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What an incident looks like.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    ValueEnum,
)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum IncidentKind {
    /// Hardly any request comes through.
    Outage,
    /// Fewer requests than expected.
    TrafficDrop,
    /// Many requests for one path, by few or alike.
    Flood,
    /// Many requests for many paths, by few or alike.
    Scraping,
    /// Failing logins.
    CredentialStuffing,
    /// Requests for what does not exist, by one client or network.
    VulnerabilityScan,
    /// Requests fail.
    ErrorBurst,
    /// Answers take long.
    Latency,
    /// More visitors than expected.
    Surge,
    /// Another level of traffic for hours.
    LevelShift,
    /// Traffic at a time that is usually quiet.
    OddHour,
    /// None of these, or it is not clear which.
    #[default]
    Unknown,
}

impl IncidentKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Outage,
        Self::TrafficDrop,
        Self::Flood,
        Self::Scraping,
        Self::CredentialStuffing,
        Self::VulnerabilityScan,
        Self::ErrorBurst,
        Self::Latency,
        Self::Surge,
        Self::LevelShift,
        Self::OddHour,
        Self::Unknown,
    ];

    /// The name in the column `kind`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Outage => "outage",
            Self::TrafficDrop => "traffic_drop",
            Self::Flood => "flood",
            Self::Scraping => "scraping",
            Self::CredentialStuffing => "credential_stuffing",
            Self::VulnerabilityScan => "vulnerability_scan",
            Self::ErrorBurst => "error_burst",
            Self::Latency => "latency",
            Self::Surge => "surge",
            Self::LevelShift => "level_shift",
            Self::OddHour => "odd_hour",
            Self::Unknown => "unknown",
        }
    }

    /// The kind of a row, which has a name or nothing.
    #[must_use]
    pub fn of_row(name: Option<&str>) -> Self {
        let mut kinds = Self::ALL.into_iter();
        kinds
            .find(|kind| Some(kind.name()) == name)
            .unwrap_or(Self::Unknown)
    }

    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Outage => "outage",
            Self::TrafficDrop => "traffic drop",
            Self::Flood => "flood",
            Self::Scraping => "scraping",
            Self::CredentialStuffing => "credential stuffing",
            Self::VulnerabilityScan => "vulnerability scan",
            Self::ErrorBurst => "error burst",
            Self::Latency => "slow answers",
            Self::Surge => "surge of visitors",
            Self::LevelShift => "level shift",
            Self::OddHour => "traffic at an odd hour",
            Self::Unknown => "unknown kind",
        }
    }
}

impl fmt::Display for IncidentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_rows() {
        for kind in IncidentKind::ALL {
            assert_eq!(IncidentKind::of_row(Some(kind.name())), kind);
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("\"{}\"", kind.name()));
            let value = kind.to_possible_value().unwrap();
            assert_eq!(value.get_name(), kind.name());
        }
        assert_eq!(IncidentKind::of_row(None), IncidentKind::Unknown);
    }
}
