//! What a run did besides its tables.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::export::Followed;
use crate::job::tell::ledger::Alerts;

/// What a run did besides its tables.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct After {
    /// Dates that are no longer kept and were deleted, by table.
    pub retired: BTreeMap<&'static str, usize>,
    /// What changed in the export.
    pub export: Followed,
    /// The page that was written, if any.
    pub report: Option<PathBuf>,
    /// Incidents that no run had seen before, or not so severe.
    pub alerts: Alerts,
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (table, dates) in &self.retired {
            write!(
                f,
                "\n{dates} dates of {table} deleted, which are no longer kept"
            )?;
        }
        let Followed { written, removed } = self.export;
        if written + removed > 0 {
            write!(f, "\nexport: {written} files written, {removed} removed")?;
        }
        if let Some(path) = &self.report {
            write!(f, "\nreport: {}", path.display())?;
        }
        Ok(())
    }
}
