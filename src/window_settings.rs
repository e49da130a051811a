//! How the windows of a warehouse were cut: what the next build, and detectors that serve windows of
//! any length, go by.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::schema::Table;
use crate::session::SeriesKey;
use crate::units::WindowStep;
use crate::warehouse::Warehouse;

/// How windows are cut; kept with the table, and used again by the next build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowSettings {
    /// Length of a window.
    pub step: WindowStep,
    /// What names the series of a request.
    pub series_key: SeriesKey,
}

impl Default for WindowSettings {
    fn default() -> Self {
        Self {
            step: WindowStep::MINUTE,
            series_key: SeriesKey::default(),
        }
    }
}

impl WindowSettings {
    /// The settings of the last build, or the defaults before the first.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn load(warehouse: &Warehouse) -> Result<Self> {
        let path = settings_path(&warehouse.table(Table::TrafficWindows));
        match std::fs::read(&path) {
            Ok(text) => {
                serde_json::from_slice(&text).map_err(|source| Error::Settings { path, source })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// Keeps the settings with a table in a folder.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let path = settings_path(folder);
        let text = serde_json::to_vec_pretty(self).map_err(|source| Error::Settings {
            path: path.clone(),
            source,
        })?;
        std::fs::write(&path, text).map_err(Error::io("write", &path))
    }
}

fn settings_path(table: &Path) -> PathBuf {
    table.join("settings.json")
}
