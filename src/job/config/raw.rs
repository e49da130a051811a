//! The job file as it is written: one struct per section, of types that hold no invalid value.
//!
//! The `Default` of a struct is what a file without the section means.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anomalog_engine::series::time_zone::TimeZone;
use serde::Deserialize;

use super::calendar::CalendarSettings;
use super::enrichment::RawEnrichment;
use super::outputs::{ExportSettings, HookSettings, MetricsSettings, ReportSettings};
use super::retrain::RetrainSettings;
use crate::incidents::suppression::SuppressionRule;
use crate::incidents::{IncidentRules, RulesError};
use crate::incremental::retention::RetentionSettings;
use crate::logs::{FieldMap, LogFormat, TimeLimits, TrustedNetwork, UnknownNetwork};
use crate::units::dates::WrittenDate;
use crate::units::zones::parse_time_zone;
use crate::units::{Span, WindowStep};
use crate::warehouse::extra_metrics::ExtraMetric;
use crate::warehouse::settings::{SeriesKey, WindowSettings};

/// Windows per series and week that may be anomalous by chance, unless the file says otherwise.
pub const ALARMS_PER_WEEK: f64 = 4.0;

/// The whole file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    #[serde(default = "default_warehouse")]
    pub(super) warehouse: PathBuf,
    #[serde(default)]
    pub(super) pseudonymise: Option<PathBuf>,
    #[serde(default)]
    pub(super) logs: Vec<RawLogs>,
    #[serde(default)]
    pub(super) limits: RawLimits,
    #[serde(default)]
    pub(super) windows: RawWindows,
    #[serde(default)]
    pub(super) enrichment: RawEnrichment,
    #[serde(default)]
    pub(super) scores: RawScores,
    #[serde(default)]
    pub(super) incidents: CheckedRules,
    #[serde(default)]
    pub(super) suppress: Vec<SuppressionRule>,
    #[serde(default)]
    pub(super) calendar: CalendarSettings,
    #[serde(default)]
    pub(super) retrain: RetrainSettings,
    #[serde(default)]
    pub(super) export: ExportSettings,
    #[serde(default)]
    pub(super) report: ReportSettings,
    #[serde(default)]
    pub(super) metrics: MetricsSettings,
    #[serde(default)]
    pub(super) hooks: HookSettings,
    #[serde(default)]
    pub(super) retention: RetentionSettings,
}

pub(super) fn default_warehouse() -> PathBuf {
    PathBuf::from("warehouse")
}

/// One section `[[logs]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLogs {
    pub(super) paths: Vec<String>,
    #[serde(default)]
    pub(super) format: LogFormat,
    #[serde(default)]
    pub(super) site: Option<String>,
    #[serde(default)]
    pub(super) columns: Columns,
    #[serde(default)]
    pub(super) delimiter: Option<Delimiter>,
    #[serde(default)]
    pub(super) trusted_proxies: Vec<WrittenNetwork>,
}

/// A network of proxies, written as text.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct WrittenNetwork(pub(super) TrustedNetwork);

impl TryFrom<String> for WrittenNetwork {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let network = text
            .parse()
            .map_err(|error: UnknownNetwork| error.to_string());
        network.map(Self)
    }
}

/// Which field of a log holds which of our columns.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub(super) struct Columns(pub(super) FieldMap);

impl TryFrom<BTreeMap<String, String>> for Columns {
    type Error = String;

    fn try_from(entries: BTreeMap<String, String>) -> Result<Self, String> {
        FieldMap::from_entries(entries)
            .map(Self)
            .map_err(|error| error.to_string())
    }
}

/// The character between two columns.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Delimiter(pub(super) u8);

impl TryFrom<String> for Delimiter {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.as_bytes() {
            [byte] if byte.is_ascii() => Ok(Self(*byte)),
            _ => Err("expected one ASCII character"),
        }
    }
}

/// The section `[limits]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLimits {
    pub(super) earliest: WrittenDate,
    pub(super) ahead_of_file: Span,
    pub(super) before_log: Span,
}

impl Default for RawLimits {
    fn default() -> Self {
        let TimeLimits {
            earliest,
            ahead_of_file,
            before_log,
        } = TimeLimits::default();
        Self {
            earliest: WrittenDate(earliest),
            ahead_of_file,
            before_log,
        }
    }
}

/// The section `[windows]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawWindows {
    pub(super) step: WindowStep,
    pub(super) series_key: SeriesKey,
    pub(super) extra_metrics: BTreeSet<ExtraMetric>,
    pub(super) time_zone: WrittenZone,
    pub(super) time_zones: BTreeMap<String, WrittenZone>,
}

impl Default for RawWindows {
    fn default() -> Self {
        let WindowSettings {
            step,
            series_key,
            extra_metrics,
        } = WindowSettings::default();
        Self {
            step,
            series_key,
            extra_metrics,
            time_zone: WrittenZone::default(),
            time_zones: BTreeMap::new(),
        }
    }
}

/// A time zone by its name or offset.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct WrittenZone(pub(super) TimeZone);

impl TryFrom<String> for WrittenZone {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse_time_zone(&text).map(Self)
    }
}

/// The section `[scores]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawScores {
    pub(super) detector: Option<String>,
    pub(super) metrics: Option<Vec<String>>,
    pub(super) alarms_per_week: Positive,
}

impl Default for RawScores {
    fn default() -> Self {
        Self {
            detector: None,
            metrics: None,
            alarms_per_week: Positive(ALARMS_PER_WEEK),
        }
    }
}

/// The section `[incidents]`, whose rules do not contradict each other.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "IncidentRules")]
pub(super) struct CheckedRules(pub(super) IncidentRules);

impl TryFrom<IncidentRules> for CheckedRules {
    type Error = RulesError;

    fn try_from(rules: IncidentRules) -> Result<Self, RulesError> {
        rules.validate()?;
        Ok(Self(rules))
    }
}

/// A finite number above zero.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
pub(super) struct Positive(pub(super) f64);

impl TryFrom<f64> for Positive {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, &'static str> {
        if number > 0.0 && number.is_finite() {
            Ok(Self(number))
        } else {
            Err("expected a number above 0")
        }
    }
}
