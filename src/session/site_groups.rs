//! Files of requests in groups that share no site.
//!
//! Every file is in the order of its sites and times. Where no site has rows in two groups of files,
//! what is grouped by site needs no exchange of rows between threads: each thread counts its sites
//! from the first row to the last, and holds no more than the window that it is at. The groups are
//! declared as ranges of sites, and DataFusion's planner draws the conclusions.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{ScanArgs, ScanResult, Session, TableProvider};
use datafusion::common::{ScalarValue, SplitPoint};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, Partitioning, PhysicalSortExpr, RangePartitioning};
use datafusion::physical_plan::ExecutionPlan;

/// How much more than its share the largest group may have: beyond, threads that share sites are
/// sooner done than one that has most of them for itself.
const MOST_OF_SHARE: f64 = 1.5;

/// A table of files whose scans deal out the files in groups that share no site.
#[derive(Debug)]
pub(super) struct SiteGroups {
    files: Arc<dyn TableProvider>,
}

impl SiteGroups {
    /// Of a table that lists files, with the columns `site` and `timestamp`.
    pub(super) fn new(files: Arc<dyn TableProvider>) -> Self {
        Self { files }
    }
}

#[async_trait]
impl TableProvider for SiteGroups {
    fn schema(&self) -> SchemaRef {
        self.files.schema()
    }

    fn table_type(&self) -> TableType {
        self.files.table_type()
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        self.files.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.files.scan(state, projection, filters, limit).await?;
        Ok(by_site(&plan, state.config().target_partitions()).unwrap_or(plan))
    }

    async fn scan_with_args<'a>(
        &self,
        state: &dyn Session,
        args: ScanArgs<'a>,
    ) -> Result<ScanResult> {
        let plan = self.files.scan_with_args(state, args).await?.into_inner();
        let grouped = by_site(&plan, state.config().target_partitions());
        Ok(ScanResult::new(grouped.unwrap_or(plan)))
    }
}

/// The files that a plan reads, if it does no more than that.
pub(super) fn scan_of(plan: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    let source = plan.downcast_ref::<DataSourceExec>()?.data_source();
    source.downcast_ref::<FileScanConfig>()
}

/// The same scan with its files in at most so many groups that share no site; `None` where there are
/// no such groups that are worth it.
fn by_site(plan: &Arc<dyn ExecutionPlan>, most: usize) -> Option<Arc<dyn ExecutionPlan>> {
    let scan = scan_of(plan)?;
    let schema = scan.file_source().table_schema().table_schema();
    let (site, timestamp) = (
        schema.index_of("site").ok()?,
        schema.index_of("timestamp").ok()?,
    );
    let files = scan.file_groups.iter().flat_map(FileGroup::iter);
    let files = files
        .map(|file| FileOfSites::new(file, site, timestamp))
        .collect::<Option<Vec<_>>>()?;
    let groups = group(files, most)?;
    let first_sites = groups[1..].iter().map(|group| group[0].first_site.clone());
    let split_points = first_sites.map(|site| SplitPoint::new(vec![site]));
    let column = Arc::new(Column::new("site", site));
    let ordering = LexOrdering::new([PhysicalSortExpr::new_default(column).asc()])?;
    let ranges = RangePartitioning::try_new(ordering, split_points.collect()).ok()?;
    let groups = groups.into_iter().map(|group| {
        let files = group.into_iter().map(|file| file.file.clone());
        FileGroup::new(files.collect())
    });
    let grouped = FileScanConfigBuilder::from(scan.clone())
        .with_file_groups(groups.collect())
        .with_output_partitioning(Some(Partitioning::Range(ranges)))
        .build();
    Some(DataSourceExec::from_data_source(grouped))
}

/// A file, and between which sites its rows lie.
#[derive(Debug)]
struct FileOfSites<'a> {
    file: &'a PartitionedFile,
    first_site: ScalarValue,
    last_site: ScalarValue,
    first_time: ScalarValue,
}

impl<'a> FileOfSites<'a> {
    /// As its statistics say, which may be bounds that no row reaches.
    fn new(file: &'a PartitionedFile, site: usize, timestamp: usize) -> Option<Self> {
        let columns = &file.statistics.as_ref()?.column_statistics;
        let site = columns.get(site)?;
        let known = |value: &ScalarValue| (!value.is_null()).then(|| value.clone());
        Some(Self {
            file,
            first_site: known(site.min_value.get_value()?)?,
            last_site: known(site.max_value.get_value()?)?,
            first_time: known(columns.get(timestamp)?.min_value.get_value()?)?,
        })
    }
}

/// Files in at least two and at most so many groups of about the same size, in order and without a site
/// that two of them have.
fn group(mut files: Vec<FileOfSites<'_>>, most: usize) -> Option<Vec<Vec<FileOfSites<'_>>>> {
    files.sort_by(|a, b| {
        let (a, b) = (
            (&a.first_site, &a.first_time),
            (&b.first_site, &b.first_time),
        );
        a.partial_cmp(&b).unwrap_or(std::cmp::Ordering::Equal)
    });
    // Files that must stay together, as a site may have rows in each.
    let mut clusters: Vec<(u64, Vec<FileOfSites<'_>>)> = Vec::new();
    let mut last_site: Option<ScalarValue> = None;
    for file in files {
        let size = file.file.object_meta.size;
        let goes_on = last_site
            .as_ref()
            .is_some_and(|last| file.first_site <= *last);
        if !goes_on
            || last_site
                .as_ref()
                .is_some_and(|last| file.last_site > *last)
        {
            last_site = Some(file.last_site.clone());
        }
        match clusters.last_mut() {
            Some((sum, cluster)) if goes_on => {
                *sum += size;
                cluster.push(file);
            }
            _ => clusters.push((size, vec![file])),
        }
    }
    let total: u64 = clusters.iter().map(|(size, _)| size).sum();
    let share = total as f64 / most as f64;
    let mut groups: Vec<(usize, u64, Vec<FileOfSites<'_>>)> = Vec::new();
    let mut before = 0;
    for (size, cluster) in clusters {
        let place = ((before as f64 + size as f64 / 2.0) / share) as usize;
        before += size;
        match groups.last_mut() {
            Some((last, sum, group)) if *last == place => {
                *sum += size;
                group.extend(cluster);
            }
            _ => groups.push((place, size, cluster)),
        }
    }
    let largest = groups.iter().map(|(_, size, _)| *size).max()?;
    let is_fair = groups.len() > 1 && largest as f64 <= MOST_OF_SHARE * share;
    is_fair.then(|| groups.into_iter().map(|(_, _, group)| group).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn files(of: &[(u8, u8, u64)]) -> Vec<PartitionedFile> {
        let sizes = of.iter().enumerate();
        sizes
            .map(|(number, (_, _, size))| PartitionedFile::new(number.to_string(), *size))
            .collect()
    }

    fn of_sites<'a>(files: &'a [PartitionedFile], of: &[(u8, u8, u64)]) -> Vec<FileOfSites<'a>> {
        let site = |number: u8| ScalarValue::Utf8View(Some(format!("{number:03}")));
        let files = files.iter().zip(of);
        files
            .map(|(file, (first, more, _))| FileOfSites {
                file,
                first_site: site(*first),
                last_site: site(first.saturating_add(*more)),
                first_time: ScalarValue::TimestampMicrosecond(Some(0), None),
            })
            .collect()
    }

    #[test]
    fn files_of_one_site_each_are_dealt_out_evenly() {
        let of: Vec<_> = (0..20).rev().map(|site| (site, 0, 10)).collect();
        let files = files(&of);
        let groups = group(of_sites(&files, &of), 4).unwrap();
        let sizes: Vec<_> = groups.iter().map(Vec::len).collect();
        assert_eq!(sizes, [5, 5, 5, 5]);
        let sites = groups.iter().flatten().map(|file| &file.first_site);
        assert!(sites.is_sorted());
    }

    #[test]
    fn what_cannot_be_shared_fairly_stays_as_it_is() {
        for of in [
            // One site.
            vec![(1, 0, 10); 8],
            // Files that share sites.
            vec![(0, 9, 10), (3, 9, 10), (10, 3, 10)],
            // A site that has most.
            vec![(0, 0, 10), (1, 0, 500), (2, 0, 10)],
            vec![],
        ] {
            assert!(group(of_sites(&files(&of), &of), 2).is_none(), "{of:?}");
        }
    }

    proptest! {
        #[test]
        fn no_site_is_in_two_groups(
            of in prop::collection::vec((0..60_u8, 0..3_u8, 1..50_u64), 0..40),
            most in 1..9_usize,
        ) {
            let files = files(&of);
            let Some(groups) = group(of_sites(&files, &of), most) else {
                return Ok(());
            };
            prop_assert!((2..=most).contains(&groups.len()));
            prop_assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), of.len());
            for pair in groups.windows(2) {
                let last = pair[0].iter().map(|file| &file.last_site);
                let last = last.max_by(|a, b| a.partial_cmp(b).unwrap()).unwrap();
                prop_assert!(pair[1].iter().all(|file| file.first_site > *last));
            }
        }
    }
}
