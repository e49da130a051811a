//! The files that hold the requests that explain an incident.
//!
//! There may be hundreds of logs a day, and only those of the incident's site can say anything of it.
//! To open a file only to find that it has nothing costs a query more than reading what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::prelude::{ident, lit};

use super::causes::dates_read;
use super::{text, times};
use crate::error::{Error, Result};
use crate::logs;
use crate::schema::Table;
use crate::session::{SeriesKey, Session};
use crate::warehouse::Warehouse;

/// The digests of the logs that have requests of each site.
type LogsOfSites = BTreeMap<String, BTreeSet<String>>;

/// Finds files of `access_logs`.
#[derive(Debug)]
pub(super) struct RequestFiles {
    /// Where series are sites, the logs of those that have an incident.
    logs: Option<LogsOfSites>,
}

impl RequestFiles {
    /// Looks up which logs have requests of the series of some rows of `incidents`.
    pub(super) async fn new(
        session: &Session,
        key: &SeriesKey,
        incidents: &RecordBatch,
    ) -> Result<Self> {
        if !key.is_site() {
            return Ok(Self { logs: None });
        }
        let sites: BTreeSet<&str> = text(incidents, "site").iter().flatten().collect();
        let sites = sites.into_iter().map(lit).collect();
        let rows = session.context().table(Table::LogFiles.name()).await?;
        let rows = rows
            .filter(ident("site").in_list(sites, false))?
            .select_columns(&["site", "blake3"])?;
        let mut logs = LogsOfSites::new();
        for batch in rows.collect().await? {
            let text = |column: usize| cast(batch.column(column), &DataType::Utf8);
            let (sites, digests) = (text(0)?, text(1)?);
            let rows = sites.as_string::<i32>().iter();
            for (site, digest) in rows.zip(digests.as_string::<i32>()) {
                if let Some((site, digest)) = site.zip(digest) {
                    let of_site = logs.entry(site.to_owned()).or_default();
                    of_site.insert(digest.to_owned());
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
        let none = BTreeSet::new();
        let sites = text(incidents, "site").iter().flatten();
        let starts = times(incidents, "started_at");
        let ends = times(incidents, "ended_at");
        let mut files = BTreeSet::new();
        for (site, (start, end)) in sites.zip(starts.into_iter().zip(ends)) {
            let logs = self.logs.as_ref();
            let logs = logs.map(|logs| logs.get(site).unwrap_or(&none));
            for date in dates_read(start, end) {
                let of_date = logs::request_files(warehouse, date, logs);
                let table = warehouse.table(Table::AccessLogs);
                files.extend(of_date.map_err(Error::io("read", &table))?);
            }
        }
        Ok(files)
    }
}
