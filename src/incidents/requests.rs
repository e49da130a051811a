//! The files that hold the requests that explain an incident.
//!
//! There may be hundreds of logs a day, and only those of the incident's site can say anything of it.
//! To open a file only to find that it has nothing costs a query more than reading what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;

use super::causes::dates_read;
use super::error::Result;
use super::reading::{text, times};
use crate::explain::cannot;
use crate::logs;
use crate::schema::Table;
use crate::session::Session;
use crate::warehouse::Warehouse;
use crate::warehouse::settings::SeriesKey;

/// Finds files of `access_logs`.
#[derive(Debug)]
pub(super) struct RequestFiles {
    /// Where series are sites, which logs have requests of which site.
    logs: Option<LogsOfSites>,
}

#[derive(Debug, Default)]
struct LogsOfSites {
    /// Digests of all logs.
    all: BTreeSet<String>,
    /// Of those of each site.
    by_site: BTreeMap<String, BTreeSet<String>>,
}

impl LogsOfSites {
    /// Whether a log may have requests of a site. Of one that is not known, nothing is known.
    fn may_have(&self, site: &str, log: &str) -> bool {
        let of_site = self.by_site.get(site);
        of_site.is_some_and(|logs| logs.contains(log)) || !self.all.contains(log)
    }
}

impl RequestFiles {
    /// Looks up which logs have requests of which site.
    pub(super) async fn new(session: &Session, key: &SeriesKey) -> Result<Self> {
        if !key.is_site() {
            return Ok(Self { logs: None });
        }
        let rows = session.context().table(Table::LogFiles.name()).await?;
        let rows = rows.select_columns(&["site", "blake3"])?;
        let mut logs = LogsOfSites::default();
        for batch in rows.collect().await? {
            let text = |column: usize| cast(batch.column(column), &DataType::Utf8);
            let (sites, digests) = (text(0)?, text(1)?);
            let rows = sites.as_string::<i32>().iter();
            for (site, digest) in rows.zip(digests.as_string::<i32>()) {
                if let Some((site, digest)) = site.zip(digest) {
                    let digest = logs::short_digest(digest).to_owned();
                    logs.all.insert(digest.clone());
                    logs.by_site
                        .entry(site.to_owned())
                        .or_default()
                        .insert(digest);
                }
            }
        }
        Ok(Self { logs: Some(logs) })
    }

    /// The files that say what explains some rows of `incidents`, in order.
    pub(super) fn of(
        &self,
        warehouse: &Warehouse,
        incidents: &RecordBatch,
    ) -> Result<BTreeSet<PathBuf>> {
        let sites = text(incidents, "site").iter().flatten();
        let starts = times(incidents, "started_at");
        let ends = times(incidents, "ended_at");
        let mut files = BTreeSet::new();
        for (site, (start, end)) in sites.zip(starts.into_iter().zip(ends)) {
            for date in dates_read(start, end) {
                let of_date = logs::request_files(warehouse, date, |log| {
                    let logs = self.logs.as_ref();
                    logs.is_none_or(|logs| logs.may_have(site, log))
                });
                let table = warehouse.table(Table::AccessLogs);
                files.extend(of_date.map_err(cannot("read", &table))?);
            }
        }
        Ok(files)
    }
}
