//! Where the calendar lies: the section `[calendar]`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Where the calendar of what is planned lies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalendarSettings {
    /// A CSV or Parquet file.
    pub file: Option<PathBuf>,
}

impl CalendarSettings {
    /// Returns the settings with their path taken from the folder of the job file.
    pub(crate) fn below(mut self, below: impl Fn(&Path) -> PathBuf) -> Self {
        self.file = self.file.map(|file| below(&file));
        self
    }
}
