//! How the windows of a warehouse were cut: what the next build, and detectors that serve windows of
//! any length, go by.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use crate::explain::cannot;
use crate::schema::Table;
use crate::units::WindowStep;
use crate::warehouse::Warehouse;
use crate::warehouse::extra_metrics::ExtraMetric;

/// The expression that names the series of a request, as SQL over `access_logs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeriesKey(String);

impl SeriesKey {
    /// The SQL text.
    #[must_use]
    pub fn as_sql(&self) -> &str {
        &self.0
    }

    /// Whether a series is a site, no more and no less.
    #[must_use]
    pub fn is_site(&self) -> bool {
        self.0.trim().eq_ignore_ascii_case("site")
    }
}

impl Default for SeriesKey {
    /// One series per site.
    fn default() -> Self {
        Self("site".to_owned())
    }
}

impl fmt::Display for SeriesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SeriesKey {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// How windows are cut; kept with the table, and used again by the next build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowSettings {
    /// Length of a window.
    pub step: WindowStep,
    /// What names the series of a request.
    pub series_key: SeriesKey,
    /// Metrics that the windows have besides those that all have.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub extra_metrics: BTreeSet<ExtraMetric>,
}

impl Default for WindowSettings {
    fn default() -> Self {
        Self {
            step: WindowStep::MINUTE,
            series_key: SeriesKey::default(),
            extra_metrics: BTreeSet::new(),
        }
    }
}

impl WindowSettings {
    /// The SQL over requests that the windows are made by and that can name functions over files.
    #[must_use]
    pub fn expressions(&self) -> String {
        let key = self.series_key.as_sql();
        if self.extra_metrics.contains(&ExtraMetric::BotRequests) {
            format!("{key}, user_agent_class(user_agent)")
        } else {
            key.to_owned()
        }
    }

    /// The settings of the last build, or the defaults before the first.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn load(warehouse: &Warehouse) -> Result<Self> {
        let path = Self::path(warehouse);
        match std::fs::read(&path) {
            Ok(text) => {
                serde_json::from_slice(&text).map_err(|source| Error::Settings { path, source })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(cannot("read", &path)(error).into()),
        }
    }

    /// Where a warehouse keeps them.
    #[must_use]
    pub fn path(warehouse: &Warehouse) -> PathBuf {
        settings_path(&warehouse.table(Table::TrafficWindows))
    }

    /// Writes the settings into a folder of staged files; returns the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<PathBuf> {
        let path = settings_path(folder);
        let text = serde_json::to_vec_pretty(self).map_err(|source| Error::Settings {
            path: path.clone(),
            source,
        })?;
        let write = || {
            let mut file = File::create(&path)?;
            file.write_all(&text)?;
            file.sync_all()
        };
        write().map_err(cannot("write", &path))?;
        Ok(path)
    }
}

fn settings_path(table: &Path) -> PathBuf {
    table.join("settings.json")
}
