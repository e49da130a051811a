//! The only builder of a [`SessionContext`]: memory, threads and tables in one place, so that a
//! query means the same in every command.
//!
//! A table that has no files yet is registered all the same and has no rows. Files are listed when
//! a query is planned, so a session sees what its own command has written. Linked sources and
//! `scored_windows`, whose columns are read from files, are as they were when it was opened.

mod error;
mod message;
pub mod queries;
pub mod results;

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anomalog_udfs::DetectorStore;
use anomalog_udfs::detector::ThresholdPolicy;
use anomalog_udfs::profile::ProfileMemo;
use chrono::NaiveDate;
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Date32Type, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::datasource::MemTable;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::error::Result as QueryResult;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::prelude::{
    DataFrame, Expr, SessionConfig, SessionContext, cast, col, ident, lit, when,
};

pub use error::{Error, Result};
pub use message::QueryError;

use crate::explain::cannot;
use crate::functions;
use crate::logs::linked::{LogColumn, Source};
use crate::schema::{self, ACCESS_LOGS, ACCESS_LOGS_READ, DATE_PARTITION, Table};
use crate::units::{ByteSize, WindowStep};
use crate::warehouse::Warehouse;
use crate::warehouse::settings::{SeriesKey, WindowSettings};
use crate::warehouse::tables::date_folder;

/// Requests written by `anomalog ingest`.
const INGESTED_LOGS: &str = "ingested_logs";
/// Requests of sources linked in place, and the `source` of each.
const LINKED_LOGS: &str = "linked_logs";
/// For which time there are logs of which site.
const LOG_COVERAGE: &str = "log_coverage";
/// `access_logs` and the `series` of each request.
const SERIES_REQUESTS: &str = "series_requests";

/// The tables and views that queries may read, in the order of the data flow.
pub const TABLES: [&str; 11] = [
    Table::AccessLogs.name(),
    Table::LogFiles.name(),
    LOG_COVERAGE,
    Table::Quarantine.name(),
    Table::TrafficWindows.name(),
    Table::ScoredWindows.name(),
    Table::Incidents.name(),
    Table::IncidentCauses.name(),
    Table::Labels.name(),
    Table::Calendar.name(),
    Table::Runs.name(),
];

/// What a session may use.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionOptions {
    /// Memory that queries may use before they spill to disk; no limit if absent.
    pub memory_limit: Option<ByteSize>,
    /// Threads of one query; one per core if absent.
    pub threads: Option<u32>,
    /// Windows per series and week that may be anomalous by chance; what each detector was trained
    /// with if absent.
    pub alarms_per_week: Option<f64>,
    /// Length of the windows that shipped detectors score; that of the last build if absent.
    pub step: Option<WindowStep>,
}

/// A context with the tables of one warehouse.
pub struct Session {
    context: SessionContext,
    warehouse: Warehouse,
    detectors: Arc<DetectorStore>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("warehouse", &self.warehouse)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Opens a warehouse, which need not exist yet.
    ///
    /// # Errors
    /// When a linked source is gone, or no longer what it was when it was linked, or the settings of
    /// the windows are damaged.
    pub async fn open(warehouse: &Warehouse, options: &SessionOptions) -> Result<Self> {
        let mut context = context(options)?;
        let detectors = Arc::new(detector_store(warehouse, options)?);
        anomalog_udfs::register_all(&mut context, &detectors)?;
        functions::register_all(&mut context)?;
        let session = Self {
            context,
            warehouse: warehouse.clone(),
            detectors,
        };
        session.register_tables().await?;
        Ok(session)
    }

    /// The context, to run queries in.
    #[must_use]
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// The warehouse whose tables these are.
    #[must_use]
    pub fn warehouse(&self) -> &Warehouse {
        &self.warehouse
    }

    /// The detectors that the SQL functions find.
    #[must_use]
    pub fn detectors(&self) -> &DetectorStore {
        &self.detectors
    }

    /// Opens a Parquet file of the user's, or a folder of them.
    ///
    /// # Errors
    /// When it does not exist or is not Parquet.
    pub async fn parquet(&self, path: &Path) -> Result<DataFrame> {
        let (url, extension) = parquet_url(path)?;
        let options = listing_options().with_file_extension(extension);
        let table = async {
            let config = ListingTableConfig::new(url)
                .with_listing_options(options)
                .infer_schema(&self.context.state())
                .await?;
            self.context
                .read_table(Arc::new(ListingTable::try_new(config)?))
        };
        // The file's own name says more than the store's.
        std::fs::metadata(path).map_err(cannot("read", path))?;
        table.await.map_err(|source| Error::NotParquet {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// Registers the view `series_requests`: `access_logs` and the `series` of each request, of
    /// all dates or of some.
    ///
    /// # Errors
    /// When the key is not an expression over one request that gives text.
    pub async fn register_series_requests(
        &self,
        key: &SeriesKey,
        dates: Option<&RangeInclusive<NaiveDate>>,
    ) -> Result<()> {
        let mut requests = self.context.table(Table::AccessLogs.name()).await?;
        if let Some(dates) = dates {
            let days = |date: &NaiveDate| {
                let days = date.signed_duration_since(NaiveDate::default()).num_days();
                lit(ScalarValue::Date32(i32::try_from(days).ok()))
            };
            let date = col(DATE_PARTITION);
            requests = requests.filter(date.between(days(dates.start()), days(dates.end())))?;
        }
        self.register_as_series_requests(key, requests)
    }

    /// Registers the view `series_requests` over some files of `access_logs`, besides linked
    /// sources: what a query reads and plans does not grow with the number of logs.
    ///
    /// # Errors
    /// When the key is not an expression over one request that gives text, or a file is gone.
    pub async fn register_series_requests_in(
        &self,
        key: &SeriesKey,
        files: &BTreeSet<PathBuf>,
    ) -> Result<()> {
        let linked = self.context.table(LINKED_LOGS).await?;
        let columns = ACCESS_LOGS.fields().iter();
        let columns = columns.map(|field| field.name().as_str());
        let columns: Vec<Expr> = columns.chain([DATE_PARTITION]).map(ident).collect();
        let mut requests = linked.select(columns.clone())?;
        if !files.is_empty() {
            let url =
                |file: &PathBuf| ListingTableUrl::parse(file_url(&std::path::absolute(file)?));
            let urls = files.iter().map(url).collect::<QueryResult<_>>()?;
            let config = ListingTableConfig::new_with_multi_paths(urls)
                .with_listing_options(listing_options())
                .with_schema(Arc::clone(&ACCESS_LOGS_READ));
            let table = Arc::new(ListingTable::try_new(config)?);
            let date = cast(col("timestamp"), DataType::Date32);
            let ingested = self.context.read_table(table)?;
            let ingested = ingested.with_column(DATE_PARTITION, date)?;
            requests = ingested.select(columns)?.union(requests)?;
        }
        self.register_as_series_requests(key, requests)
    }

    fn register_as_series_requests(&self, key: &SeriesKey, requests: DataFrame) -> Result<()> {
        let frame = self.with_series(key, requests);
        let frame = frame.map_err(|source| Error::SeriesKey {
            expression: key.to_string(),
            message: source.into(),
        })?;
        self.context.deregister_table(SERIES_REQUESTS)?;
        self.context
            .register_table(SERIES_REQUESTS, frame.into_view())?;
        Ok(())
    }

    /// Each linked source and each date that it has requests of, in order.
    ///
    /// # Errors
    /// When a source cannot be read.
    pub async fn linked_dates(&self) -> QueryResult<Vec<(String, NaiveDate)>> {
        let rows = self.context.table(LINKED_LOGS).await?;
        let rows = rows
            .select(vec![
                cast(col("source"), DataType::Utf8).alias("source"),
                col(DATE_PARTITION),
            ])?
            .distinct()?
            .sort_by(vec![col("source"), col(DATE_PARTITION)])?;
        let mut found = Vec::new();
        for batch in rows.collect().await? {
            let sources = datafusion::arrow::compute::cast(batch.column(0), &DataType::Utf8)?;
            let days = batch.column(1).as_primitive::<Date32Type>();
            for (row, source) in sources.as_string::<i32>().iter().enumerate() {
                let date = Date32Type::to_naive_date_opt(days.value(row));
                found.extend(source.map(str::to_owned).zip(date));
            }
        }
        Ok(found)
    }

    /// From now on merges files that are in the order asked for, instead of sorting their rows
    /// again: what is held then does not grow with the number of files.
    pub fn prefer_order_of_files(&self) {
        let state = self.context.state_ref();
        let mut state = state.write();
        state
            .config_mut()
            .options_mut()
            .optimizer
            .prefer_existing_sort = true;
    }

    /// From now on what is usual for a series is looked up before it is learned.
    pub fn look_up_profiles(&self, profiles: &Arc<ProfileMemo>) {
        let state = self.context.state_ref();
        let mut state = state.write();
        state.config_mut().set_extension(Arc::clone(profiles));
    }

    /// Registers some dates of a table of windows under a name of its own: only their files are
    /// listed and read, and they are known to be in order.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn register_dates(
        &self,
        name: &str,
        table: Table,
        dates: impl IntoIterator<Item = NaiveDate>,
    ) -> QueryResult<()> {
        let schema = match table {
            Table::SeriesDates => &*schema::SERIES_DATES,
            _ => &*schema::TRAFFIC_WINDOWS,
        };
        self.register_dates_as(name, table, schema, dates)
    }

    /// The columns of one date of `scored_windows`, which depend on the detectors that wrote it.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub async fn scored_windows_schema(&self, date: NaiveDate) -> QueryResult<SchemaRef> {
        let folder = self.warehouse.table(Table::ScoredWindows);
        let url = folder_url(&date_folder(&folder, date))?;
        listing_options()
            .infer_schema(&self.context.state(), &url)
            .await
    }

    /// From now on `scored_windows` are those of some dates, with these columns: what a query reads
    /// does not grow with the number of dates that there are.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn register_scored_windows_of(
        &self,
        schema: &SchemaRef,
        dates: impl IntoIterator<Item = NaiveDate>,
    ) -> QueryResult<()> {
        let table = Table::ScoredWindows;
        self.register_dates_as(table.name(), table, schema, dates)
    }

    fn register_dates_as(
        &self,
        name: &str,
        table: Table,
        schema: &SchemaRef,
        dates: impl IntoIterator<Item = NaiveDate>,
    ) -> QueryResult<()> {
        let folder = self.warehouse.table(table);
        let urls = dates
            .into_iter()
            .map(|date| folder_url(&date_folder(&folder, date)))
            .collect::<QueryResult<Vec<_>>>()?;
        self.context.deregister_table(name)?;
        let provider: Arc<dyn TableProvider> = if urls.is_empty() {
            Arc::new(MemTable::try_new(Arc::clone(schema), vec![Vec::new()])?)
        } else {
            // Every file is in the order in which windows are scored.
            let order = schema.fields().iter().take(2);
            let order = order.map(|field| ident(field.name()).sort(true, false));
            let config = ListingTableConfig::new_with_multi_paths(urls)
                .with_listing_options(listing_options().with_file_sort_order(vec![order.collect()]))
                .with_schema(Arc::clone(schema));
            Arc::new(ListingTable::try_new(config)?)
        };
        self.context.register_table(name, provider)?;
        Ok(())
    }

    /// Registers for which time there are logs, of logs that were ingested as given here instead
    /// of as `log_files` has it, and of linked ones.
    ///
    /// # Errors
    /// When the rows are not those of a coverage.
    pub async fn register_coverage(&self, log_files: RecordBatch) -> QueryResult<()> {
        let table = MemTable::try_new(log_files.schema(), vec![vec![log_files]])?;
        self.context.deregister_table(Table::LogFiles.name())?;
        self.context
            .register_table(Table::LogFiles.name(), Arc::new(table))?;
        let coverage = queries::log_coverage(&self.context).await?;
        self.context.deregister_table(LOG_COVERAGE)?;
        self.context
            .register_table(LOG_COVERAGE, coverage.into_view())?;
        Ok(())
    }

    fn with_series(&self, key: &SeriesKey, requests: DataFrame) -> QueryResult<DataFrame> {
        let expression = self
            .context
            .parse_sql_expr(key.as_sql(), requests.schema())?;
        require_row_expression(&expression)?;
        // A request whose key is NULL must not vanish from the counts.
        // As a view, which a site is already: a cast would hide that the logs are in its order.
        let series = coalesce(vec![
            cast(expression, DataType::Utf8View),
            lit(ScalarValue::Utf8View(Some(String::new()))),
        ])
        .alias("series");
        let mut columns: Vec<Expr> = requests
            .schema()
            .fields()
            .iter()
            .map(|field| ident(field.name()))
            .collect();
        columns.push(series);
        let frame = requests.select(columns)?;
        // Types are checked by the analyzer; here the message can still name the key.
        self.context.state().optimize(frame.logical_plan())?;
        Ok(frame)
    }

    async fn register_tables(&self) -> Result<()> {
        for table in Table::ALL {
            let (name, schema) = match table {
                Table::AccessLogs => (INGESTED_LOGS, &*ACCESS_LOGS_READ),
                Table::LogFiles => (table.name(), &*schema::LOG_FILES),
                Table::Quarantine => (table.name(), &*schema::QUARANTINE),
                Table::TrafficWindows => (table.name(), &*schema::TRAFFIC_WINDOWS),
                Table::Incidents => (table.name(), &*schema::INCIDENTS),
                Table::IncidentCauses => (table.name(), &*schema::INCIDENT_CAUSES),
                Table::Labels => (table.name(), &*schema::LABELS),
                Table::Calendar => (table.name(), &*schema::CALENDAR),
                Table::Runs => (table.name(), &*schema::RUNS),
                // Not for queries.
                Table::SeriesDates => continue,
                // Its columns depend on the detectors that wrote it.
                Table::ScoredWindows => {
                    self.register_scored_windows().await?;
                    continue;
                }
            };
            self.register_folder(name, &self.warehouse.table(table), Arc::clone(schema))?;
        }
        self.register_linked_logs().await?;
        let logs = queries::access_logs(&self.context).await?;
        self.context
            .register_table(Table::AccessLogs.name(), logs.into_view())?;
        let coverage = queries::log_coverage(&self.context).await?;
        self.context
            .register_table(LOG_COVERAGE, coverage.into_view())?;
        Ok(())
    }

    /// Registers a folder of Parquet files. One that does not exist has no files.
    fn register_folder(&self, name: &str, folder: &Path, schema: SchemaRef) -> QueryResult<()> {
        let mut options = listing_options();
        if name == INGESTED_LOGS {
            options = options
                .with_table_partition_cols(vec![(DATE_PARTITION.to_owned(), DataType::Date32)]);
        }
        let config = ListingTableConfig::new(folder_url(folder)?)
            .with_listing_options(options)
            .with_schema(schema);
        self.context
            .register_table(name, Arc::new(ListingTable::try_new(config)?))?;
        Ok(())
    }

    async fn register_scored_windows(&self) -> Result<()> {
        let folder = self.warehouse.table(Table::ScoredWindows);
        // An empty folder has no columns.
        let is_empty =
            crate::logs::linked::parquet_files(&folder).is_ok_and(|files| files.is_empty());
        if !folder.is_dir() || is_empty {
            return Ok(());
        }
        let config = ListingTableConfig::new(folder_url(&folder)?)
            .with_listing_options(listing_options())
            .infer_schema(&self.context.state())
            .await?;
        self.context.register_table(
            Table::ScoredWindows.name(),
            Arc::new(ListingTable::try_new(config)?),
        )?;
        Ok(())
    }

    async fn register_linked_logs(&self) -> Result<()> {
        let mut linked: Option<DataFrame> = None;
        for source in Source::load_all(&self.warehouse)? {
            let requests = self.linked_requests(&source).await?;
            linked = Some(match linked {
                Some(others) => others.union(requests)?,
                None => requests,
            });
        }
        let linked = match linked {
            Some(linked) => linked,
            None => self.empty_frame(&linked_schema())?,
        };
        self.context
            .register_table(LINKED_LOGS, linked.into_view())?;
        Ok(())
    }

    /// The requests of one linked source, in the columns of [`linked_schema`].
    ///
    /// Rows without a timestamp or status are no requests and are left out.
    async fn linked_requests(&self, source: &Source) -> QueryResult<DataFrame> {
        let (url, extension) = parquet_url(&source.path)?;
        let config = ListingTableConfig::new(url)
            .with_listing_options(listing_options().with_file_extension(extension))
            .infer_schema(&self.context.state())
            .await?;
        let table = self
            .context
            .read_table(Arc::new(ListingTable::try_new(config)?))?;
        let mut columns = Vec::new();
        for field in ACCESS_LOGS.fields() {
            columns.push(linked_column(source, field, table.schema())?.alias(field.name()));
        }
        let columns_and_date = {
            let date = cast(col("timestamp"), DataType::Date32).alias(DATE_PARTITION);
            let names = ACCESS_LOGS.fields().iter().map(|field| ident(field.name()));
            names
                .chain([date, lit(source.name()).alias("source")])
                .collect::<Vec<_>>()
        };
        Ok(table
            .select(columns)?
            .filter(
                col("timestamp")
                    .is_not_null()
                    .and(col("status").is_not_null()),
            )?
            .select(columns_and_date)?)
    }

    /// A relation without rows, which the optimizer drops from unions.
    fn empty_frame(&self, schema: &Schema) -> QueryResult<DataFrame> {
        let schema = Arc::new(DFSchema::try_from(schema.clone())?);
        let plan = LogicalPlan::EmptyRelation(EmptyRelation {
            produce_one_row: false,
            schema,
        });
        Ok(DataFrame::new(self.context.state(), plan))
    }
}

/// The detectors of a warehouse, as a session finds them.
///
/// # Errors
/// When the settings of the windows are damaged.
pub fn detector_store(warehouse: &Warehouse, options: &SessionOptions) -> Result<DetectorStore> {
    let step = match options.step {
        Some(step) => step,
        None => WindowSettings::load(warehouse)?.step,
    };
    let store = DetectorStore::open(warehouse.detectors()).with_step(step.micros());
    Ok(match options.alarms_per_week {
        Some(false_alarms_per_week) => store.with_threshold(ThresholdPolicy {
            false_alarms_per_week,
        }),
        None => store,
    })
}

fn context(options: &SessionOptions) -> QueryResult<SessionContext> {
    let mut config = SessionConfig::new()
        .with_information_schema(true)
        .with_collect_statistics(true)
        .with_parquet_pruning(true)
        .set_bool("datafusion.execution.parquet.pushdown_filters", true)
        // Logs lie in order of site and time. Read so, windows are counted one series after the
        // other, in a fraction of the memory.
        .set_bool("datafusion.execution.split_file_groups_by_statistics", true)
        .set_str("datafusion.execution.time_zone", "UTC");
    if let Some(threads) = options.threads {
        config = config.with_target_partitions(threads as usize);
    }
    // A command may read a table that it has just written.
    let mut runtime = RuntimeEnvBuilder::new().with_object_list_cache_limit(0);
    if let Some(limit) = options.memory_limit {
        runtime = runtime.with_memory_pool(Arc::new(FairSpillPool::new(limit.bytes() as usize)));
    }
    Ok(SessionContext::new_with_config_rt(
        config,
        runtime.build_arc()?,
    ))
}

fn listing_options() -> ListingOptions {
    ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet")
}

/// The URL of a Parquet file or folder, and how the names of its files end: that of a single file
/// need not be `.parquet`.
fn parquet_url(path: &Path) -> QueryResult<(ListingTableUrl, &'static str)> {
    if path.is_dir() {
        Ok((folder_url(path)?, ".parquet"))
    } else {
        let path = std::path::absolute(path)?;
        Ok((ListingTableUrl::parse(path.to_string_lossy())?, ""))
    }
}

/// The URL of a folder; the slash at the end makes it one.
fn folder_url(folder: &Path) -> QueryResult<ListingTableUrl> {
    let folder = std::path::absolute(folder)?;
    Ok(ListingTableUrl::parse(format!("{}/", file_url(&folder)))?)
}

/// The URL of an absolute path. A path as such would be searched for `*`, `?` and `[`.
fn file_url(path: &Path) -> String {
    let mut url = "file://".to_owned();
    for &byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

/// The columns of `linked_logs`.
fn linked_schema() -> Schema {
    let fields = ACCESS_LOGS
        .fields()
        .iter()
        .map(|field| field.as_ref().clone());
    let added = [
        Field::new(DATE_PARTITION, DataType::Date32, false),
        Field::new("source", DataType::Utf8, false),
    ];
    Schema::new(fields.chain(added).collect::<Vec<_>>())
}

/// Reads one column of `access_logs` from a linked source.
fn linked_column(source: &Source, field: &Field, found: &DFSchema) -> QueryResult<Expr> {
    let theirs = |ours: LogColumn| source.columns.get(&ours).map(ident);
    let name = field.name().as_str();
    let value = match name {
        "timestamp" => theirs(LogColumn::Timestamp)
            .map(|column| timestamp(column, found))
            .transpose()?,
        "site" => theirs(LogColumn::Site).or_else(|| source.site.as_deref().map(lit)),
        "latency_ms" => theirs(LogColumn::LatencyMs)
            .or_else(|| theirs(LogColumn::LatencyS).map(|seconds| as_double(seconds) * lit(1e3)))
            .or_else(|| theirs(LogColumn::LatencyUs).map(|micros| as_double(micros) / lit(1e3))),
        _ => name.parse().ok().and_then(theirs),
    };
    let is_text = field.data_type() == &DataType::Utf8;
    let absent = if is_text && !field.is_nullable() {
        lit("")
    } else {
        lit(ScalarValue::Null)
    };
    let value = cast(
        value.unwrap_or_else(|| absent.clone()),
        field.data_type().clone(),
    );
    Ok(if is_text && !field.is_nullable() {
        coalesce(vec![value, absent])
    } else {
        value
    })
}

fn as_double(column: Expr) -> Expr {
    cast(column, DataType::Float64)
}

/// A point in time from a timestamp, RFC 3339 text, or a number since 1970.
///
/// The unit of a number is told by its size: from 1973 to the year 5138, seconds, milliseconds,
/// microseconds and nanoseconds since 1970 do not overlap.
fn timestamp(column: Expr, found: &DFSchema) -> QueryResult<Expr> {
    use datafusion::logical_expr::ExprSchemable;

    let data_type = column.get_type(found)?;
    if !data_type.is_numeric() {
        return Ok(column);
    }
    if data_type.is_floating() {
        // Fractions of seconds; coarser than a microsecond anyway.
        return Ok(cast(column * lit(1e6), DataType::Int64));
    }
    let number = cast(column, DataType::Int64);
    Ok(when(
        number.clone().lt(lit(100_000_000_000_i64)),
        number.clone() * lit(1_000_000_i64),
    )
    .when(
        number.clone().lt(lit(100_000_000_000_000_i64)),
        number.clone() * lit(1_000_i64),
    )
    .when(
        number.clone().lt(lit(100_000_000_000_000_000_i64)),
        number.clone(),
    )
    .otherwise(number / lit(1_000_i64))?)
}

/// Refuses a series key that is not a function of one request alone.
fn require_row_expression(expression: &Expr) -> QueryResult<()> {
    let beyond_row = expression.exists(|node| {
        Ok(matches!(
            node,
            Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
                | Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
        ))
    })?;
    if beyond_row || expression.is_volatile() {
        return datafusion::common::plan_err!(
            "expected an expression over the columns of one request"
        )
        .into();
    }
    Ok(())
}
