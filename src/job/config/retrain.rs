//! The section `[retrain]`: when detectors are trained anew.

use anomalog_engine::detector::{is_valid_name, shipped};
use serde::{Deserialize, Serialize};

use crate::units::Span;

/// How often detectors are trained anew, and on what.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrainSettings {
    /// How often a challenger is trained; never if absent.
    pub every: Option<PeriodDays>,
    /// The days before the period that the challenger learns from.
    pub history: PeriodDays,
    /// The name of the challenger.
    pub name: DetectorName,
}

impl Default for RetrainSettings {
    fn default() -> Self {
        Self {
            every: None,
            history: PeriodDays(28),
            name: DetectorName("nightly".to_owned()),
        }
    }
}

/// A number of days, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub struct PeriodDays(i64);

impl PeriodDays {
    /// Seven of them.
    pub const WEEK: Self = Self(7);

    /// How many.
    #[must_use]
    pub const fn count(self) -> i64 {
        self.0
    }
}

impl TryFrom<String> for PeriodDays {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        text.parse()
            .ok()
            .and_then(Span::whole_days)
            .filter(|days| *days > 0)
            .map(Self)
            .ok_or("expected whole days, such as `7d`")
    }
}

/// The name of a detector that is trained.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub struct DetectorName(String);

impl DetectorName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DetectorName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if shipped::is_shipped(&text) {
            Err("expected a name that no shipped detector has, such as `nightly`")
        } else if is_valid_name(&text) {
            Ok(Self(text))
        } else {
            Err("expected ASCII letters, digits, `_`, `-` and `.`, such as `nightly`")
        }
    }
}
