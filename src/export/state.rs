//! What an export knows of itself: it marks a folder as ours, and saves writing what is there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::Result;
use crate::explain::cannot;

/// Its file.
const NAME: &str = ".anomalog-export.json";

/// The files that follow the warehouse, from the folder of the export.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct State {
    #[serde(default)]
    pub(super) files: BTreeMap<String, Written>,
}

/// A file as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Written {
    /// Digest of what it was made from; empty while it is being written.
    pub(super) key: String,
    pub(super) bytes: u64,
}

impl State {
    fn path(folder: &Path) -> PathBuf {
        folder.join(NAME)
    }

    /// Whether a folder is an export.
    pub(super) fn is_in(folder: &Path) -> bool {
        Self::path(folder).is_file()
    }

    /// The state of a folder. One that is damaged knows of nothing, so that all is written again.
    pub(super) fn load(folder: &Path) -> io::Result<Self> {
        let text = fs::read(Self::path(folder))?;
        Ok(serde_json::from_slice(&text).unwrap_or_default())
    }

    /// Keeps the state in its folder.
    pub(super) fn save(&self, folder: &Path) -> Result<()> {
        let path = Self::path(folder);
        let aside = folder.join(format!("{NAME}.new"));
        let write = || {
            fs::write(&aside, serde_json::to_vec(self)?)?;
            File::open(&aside)?.sync_all()?;
            fs::rename(&aside, &path)
        };
        Ok(write().map_err(cannot("write", &path))?)
    }
}
