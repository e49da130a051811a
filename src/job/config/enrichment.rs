//! Files that functions over requests read: the section `[enrichment]`.

use std::path::{Path, PathBuf};

use anomalog_udfs::enrich::EnrichmentFiles;
use serde::Deserialize;

/// The files, as the job names them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawEnrichment {
    country_database: Option<PathBuf>,
    asn_database: Option<PathBuf>,
    user_agents: Option<PathBuf>,
    path_groups: Option<PathBuf>,
}

impl RawEnrichment {
    /// Returns the files with their paths taken from the folder of the job file.
    pub(super) fn below(self, below: impl Fn(&Path) -> PathBuf) -> EnrichmentFiles {
        let path = |path: Option<PathBuf>| path.map(|path| below(&path));
        EnrichmentFiles {
            user_agents: path(self.user_agents),
            path_groups: path(self.path_groups),
            countries: path(self.country_database),
            asns: path(self.asn_database),
        }
    }
}
