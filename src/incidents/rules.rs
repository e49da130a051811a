//! When unusual windows are an incident, and how severe it is.

use std::fmt;

use anomalog_engine::detector::Severity;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::units::Span;

/// How windows become incidents.
///
/// ```text
/// score      start ─ ─ ─ ─ ─ ─ ▁█▁─ ─ ─ ─ ─ ─ ─▁█─ ─ ─ ─ ─ ─ ─ ─    threshold of the detector
///            stop  ─ ─ ─ ▁█─ ─▁███▁▁─ ─ ─ ─ ─ ▁██▁─ ─ ─ ─ ─ ─ ─    `stop_ratio` times as often
///                  ▁▂▁▁▁▂██▂▁▂██████▂▁▂▁▁▁▂▁▁▂████▂▁▁▂▁▂▁▁▂▁▁▁▂▁
/// incident                     ├──────────────────┤
///                                     └ gap ┘ at most `bridge`
/// ```
///
/// **Start.** With the first anomalous window (`is_anomaly`: its score reaches the detector's
/// threshold), however many unusual ones come before it.
///
/// **Stop.** It goes on while windows stay above the stop level. That level is set on the scale of
/// the scores, where `1 − score` is the share of normal windows at least as unusual: a window is
/// above it if that share is at most `stop_ratio` times the one of the threshold. At a threshold of
/// four false alarms a week and a ratio of 1.75, these are windows that normal traffic has once a day.
///
/// **Gaps.** Windows below the stop level are bridged if they last no longer than `bridge`. Windows
/// without a score, because there is no log or too little history, are no evidence either way: they
/// neither end an incident nor count as a part of the gap, unless they last longer than
/// `bridge_unknown`; then what comes after them is another incident. An outage of the log is
/// therefore no incident: it has no score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IncidentRules {
    /// Windows so many times as frequent as those at the threshold still go on with an incident; at
    /// least 1, which leaves no hysteresis. Default 1.75.
    ///
    /// What lingers of a peak in the score stays below one alarm a day: at a budget of `b` false
    /// alarms a week, a ratio above `7 / b` keeps incidents open by that alone, for up to an hour.
    pub stop_ratio: f64,
    /// Longest time below the stop level within an incident. Default 10 minutes.
    pub bridge: Span,
    /// Longest time without scores within an incident. Default 1 hour.
    pub bridge_unknown: Span,
    /// Shortest incident, from the start of its first window to the end of its last. Default 3
    /// minutes: of windows of a minute, one or two by themselves are none.
    pub min_length: Span,
    /// Least severity. Default low, which keeps all.
    pub min_severity: SeverityRule,
    /// An impact of so much usual traffic raises the severity by one step. Default 10 minutes.
    pub medium_impact: Span,
    /// An impact of so much usual traffic raises it by two. Default 1 hour.
    pub high_impact: Span,
}

impl Default for IncidentRules {
    fn default() -> Self {
        Self {
            stop_ratio: 1.75,
            bridge: Span::minutes(10),
            bridge_unknown: Span::minutes(60),
            min_length: Span::minutes(3),
            min_severity: SeverityRule::Low,
            medium_impact: Span::minutes(10),
            high_impact: Span::minutes(60),
        }
    }
}

/// The least severity of what is meant, as settings and the command line say it.
///
/// [`Severity`] says how rare one window is, and belongs to the engine, which reads neither job
/// files nor command lines: it can be neither deserialised nor listed in a help text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SeverityRule {
    /// Every incident.
    Low,
    /// Medium and high.
    Medium,
    /// High only.
    High,
}

impl From<SeverityRule> for Severity {
    fn from(rule: SeverityRule) -> Self {
        match rule {
            SeverityRule::Low => Self::Low,
            SeverityRule::Medium => Self::Medium,
            SeverityRule::High => Self::High,
        }
    }
}

impl fmt::Display for SeverityRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Severity::from(*self).name())
    }
}

impl SeverityRule {
    /// That of a row, whose text is one of the three names.
    pub(crate) fn of_row(name: &str) -> Self {
        match name {
            "high" => Self::High,
            "medium" => Self::Medium,
            _ => Self::Low,
        }
    }

    /// 0, 1 or 2.
    pub(crate) const fn rank(self) -> i64 {
        self as i64
    }
}

/// Rules that mean nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RulesError {
    /// A stop level above the threshold.
    #[error("`stop_ratio` must be a number of at least 1, found `{found}`")]
    StopRatio {
        /// What was given.
        found: f64,
    },
    /// Steps of severity in the wrong order.
    #[error("`high_impact` must not be less than `medium_impact`, found `{high}` and `{medium}`")]
    Impact {
        /// `medium_impact`.
        medium: Span,
        /// `high_impact`.
        high: Span,
    },
}

impl IncidentRules {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// When the stop level is above the threshold, or severities are out of order.
    pub fn validate(&self) -> Result<(), RulesError> {
        if !(self.stop_ratio >= 1.0 && self.stop_ratio.is_finite()) {
            return Err(RulesError::StopRatio {
                found: self.stop_ratio,
            });
        }
        if self.high_impact < self.medium_impact {
            return Err(RulesError::Impact {
                medium: self.medium_impact,
                high: self.high_impact,
            });
        }
        Ok(())
    }

    /// The longest time between two unusual windows of one run, in microseconds.
    pub(super) const fn longest_gap(&self) -> i64 {
        self.bridge.micros() + self.bridge_unknown.micros()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_with_defaults_and_nothing_else() {
        let rules: IncidentRules =
            serde_json::from_str(r#"{"bridge": "15m", "min_severity": "medium"}"#).unwrap();
        assert_eq!(
            rules,
            IncidentRules {
                bridge: Span::minutes(15),
                min_severity: SeverityRule::Medium,
                ..IncidentRules::default()
            }
        );
        let unknown = serde_json::from_str::<IncidentRules>(r#"{"brigde": "15m"}"#).unwrap_err();
        assert!(unknown.to_string().contains("unknown field `brigde`"));
    }

    #[test]
    fn senseless_rules_are_refused() {
        let with = |change: fn(&mut IncidentRules)| {
            let mut rules = IncidentRules::default();
            change(&mut rules);
            rules.validate().map_err(|error| error.to_string())
        };
        assert_eq!(with(|_| ()), Ok(()));
        assert_eq!(
            with(|rules| rules.stop_ratio = 0.5),
            Err("`stop_ratio` must be a number of at least 1, found `0.5`".to_owned())
        );
        assert!(with(|rules| rules.stop_ratio = f64::NAN).is_err());
        assert_eq!(
            with(|rules| rules.high_impact = Span::minutes(5)),
            Err(
                "`high_impact` must not be less than `medium_impact`, found `5m` and `10m`"
                    .to_owned()
            )
        );
    }
}
