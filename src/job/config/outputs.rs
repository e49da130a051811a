//! The sections `[export]`, `[metrics]` and `[hooks]`: what a job hands out besides its tables.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::retrain::PeriodDays;
use crate::export::ExportFormat;
use crate::incidents::SeverityRule;
use crate::session::results::Cells;
use crate::units::Span;

/// An export that follows the warehouse.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExportSettings {
    /// The folder; without it there is no export.
    pub folder: Option<PathBuf>,
    /// How rows are written.
    #[serde(deserialize_with = "file_by_file")]
    pub format: ExportFormat,
    /// Whether text of CSV stays as it is that a spreadsheet would take for a formula.
    pub raw: bool,
}

/// A format of which a night writes only the files that changed.
fn file_by_file<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ExportFormat, D::Error> {
    let format = ExportFormat::deserialize(deserializer)?;
    if format.is_one_file() {
        return Err(D::Error::custom(
            "one file would be written anew by every run: `anomalog export --format sqlite --overwrite \
             -o FOLDER`, which a scheduler can start afterwards, writes it",
        ));
    }
    Ok(format)
}

/// The page on what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReportSettings {
    /// Whether every run writes it to the warehouse.
    pub write: bool,
    /// How far back it goes from the end of what was scored.
    pub history: PeriodDays,
}

impl Default for ReportSettings {
    fn default() -> Self {
        Self {
            write: true,
            history: PeriodDays::WEEK,
        }
    }
}

/// Figures of a run for other programs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsSettings {
    /// A file in the text format of Prometheus.
    pub prometheus: Option<PathBuf>,
}

/// The program and the webhook that are told of a run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HookSettings {
    /// A program and its arguments, started after each run.
    pub command: Option<Program>,
    /// The longest time that the program may take.
    pub command_timeout: Span,
    /// The address that new incidents are posted to.
    pub webhook: Option<WebhookUrl>,
    /// The least severity of incidents that are posted.
    pub webhook_severity: SeverityRule,
    /// The longest time that posting may take, with all its retries.
    pub webhook_timeout: Span,
}

impl Default for HookSettings {
    fn default() -> Self {
        Self {
            command: None,
            command_timeout: Span::minutes(1),
            webhook: None,
            webhook_severity: SeverityRule::Medium,
            webhook_timeout: Span::minutes(1),
        }
    }
}

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Program {
    /// The program, as a path or found in `PATH`.
    pub name: String,
    /// The arguments that it is given.
    pub arguments: Vec<String>,
}

impl TryFrom<Vec<String>> for Program {
    type Error = &'static str;

    fn try_from(words: Vec<String>) -> Result<Self, &'static str> {
        let mut words = words.into_iter();
        match words.next() {
            Some(name) if !name.is_empty() => Ok(Self {
                name,
                arguments: words.collect(),
            }),
            _ => Err("expected a program and its arguments, such as `[\"/usr/local/bin/tell\"]`"),
        }
    }
}

/// The address of a webhook. What follows the host may be a secret, and is not shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WebhookUrl {
    text: String,
    host: String,
}

impl WebhookUrl {
    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, for messages.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl std::fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WebhookUrl({})", self.host)
    }
}

impl TryFrom<String> for WebhookUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        const EXPECTED: &str = "expected an address that begins with `https://` or `http://`";
        let uri: ureq::http::Uri = text.parse().map_err(|_| EXPECTED)?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        match uri.host() {
            Some(host) if is_web && !host.is_empty() => {
                let host = host.to_owned();
                Ok(Self { text, host })
            }
            _ => Err(EXPECTED),
        }
    }
}

/// A length of time as the standard library has it.
pub(crate) const fn duration(span: Span) -> Duration {
    Duration::from_micros(span.micros().unsigned_abs())
}

impl ExportSettings {
    /// What becomes of text in CSV that a spreadsheet would take for a formula.
    #[must_use]
    pub const fn cells(&self) -> Cells {
        Cells::raw_if(self.raw)
    }

    /// Returns the settings with their path taken from the folder of the job file.
    pub(crate) fn below(mut self, below: impl Fn(&Path) -> PathBuf) -> Self {
        self.folder = self.folder.map(|folder| below(&folder));
        self
    }
}

impl MetricsSettings {
    /// Returns the settings with their path taken from the folder of the job file.
    pub(crate) fn below(mut self, below: impl Fn(&Path) -> PathBuf) -> Self {
        self.prometheus = self.prometheus.map(|file| below(&file));
        self
    }
}
