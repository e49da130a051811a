//! When each site has requests in each date, as far as the statistics of files tell.
//!
//! Most files have the requests of one site. Their footers say when these begin and end, so that no row
//! of them has to be read.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use datafusion::arrow::datatypes::Date32Type;
use datafusion::common::ScalarValue;
use datafusion::common::stats::Precision;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::error::Result as QueryResult;
use datafusion::prelude::DataFrame;

use super::names::INGESTED_LOGS;
use super::site_groups::scan_of;
use super::{Result, Session};

/// When the requests of a site in a date begin and end, in microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteDate {
    /// The date.
    pub date: NaiveDate,
    /// The site.
    pub site: String,
    /// The first request.
    pub first: i64,
    /// The last request.
    pub last: i64,
}

/// What is known of sites without reading requests.
#[derive(Debug)]
pub struct SiteDates {
    /// One for each file of one site; a site may have several of a date.
    pub known: Vec<SiteDate>,
    /// The requests that have to be read for the rest, if there is any.
    pub to_read: Option<DataFrame>,
}

impl Session {
    /// Returns when each site has requests, of all dates or of some.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub async fn site_dates(&self, dates: Option<&RangeInclusive<NaiveDate>>) -> Result<SiteDates> {
        let (known, unknown) = self.files_of_sites(dates).await?;
        let is_all_known = unknown.is_empty() && self.linked.is_empty();
        let to_read = if is_all_known {
            None
        } else {
            Some(self.requests_in(&unknown, dates).await?)
        };
        Ok(SiteDates { known, to_read })
    }

    /// What the files of ingested logs tell, and those that do not.
    async fn files_of_sites(
        &self,
        dates: Option<&RangeInclusive<NaiveDate>>,
    ) -> QueryResult<(Vec<SiteDate>, BTreeSet<PathBuf>)> {
        let table = self.context.table_provider(INGESTED_LOGS).await?;
        let filter: Vec<_> = dates.map(super::requests::is_of).into_iter().collect();
        let plan = table
            .scan(&self.context.state(), None, &filter, None)
            .await?;
        let (mut known, mut unknown) = (Vec::new(), BTreeSet::new());
        let Some(scan) = scan_of(&plan) else {
            // There are no files.
            return Ok((known, unknown));
        };
        let schema = scan.file_source().table_schema().table_schema();
        let (site, timestamp) = (schema.index_of("site")?, schema.index_of("timestamp")?);
        for file in scan.file_groups.iter().flat_map(FileGroup::iter) {
            match site_date(file, site, timestamp) {
                Some(site_date) => known.push(site_date),
                None => {
                    let location: &str = file.object_meta.location.as_ref();
                    unknown.insert(Path::new("/").join(location));
                }
            }
        }
        Ok((known, unknown))
    }
}

/// What the statistics of a file say, if it has one site. Bounds of long texts are cut, and are not
/// exact.
fn site_date(file: &PartitionedFile, site: usize, timestamp: usize) -> Option<SiteDate> {
    let exact = |value: &Precision<ScalarValue>| match value {
        Precision::Exact(value) => Some(value.clone()),
        _ => None,
    };
    let time = |value: &Precision<ScalarValue>| match exact(value)? {
        ScalarValue::TimestampMicrosecond(micros, _) => micros,
        _ => None,
    };
    let columns = &file.statistics.as_ref()?.column_statistics;
    let (sites, times) = (columns.get(site)?, columns.get(timestamp)?);
    let first_site = exact(&sites.min_value)?;
    if exact(&sites.max_value)? != first_site {
        return None;
    }
    let [ScalarValue::Date32(Some(days))] = file.partition_values[..] else {
        return None;
    };
    Some(SiteDate {
        date: Date32Type::to_naive_date_opt(days)?,
        site: first_site.try_as_str()??.to_owned(),
        first: time(&times.min_value)?,
        last: time(&times.max_value)?,
    })
}
