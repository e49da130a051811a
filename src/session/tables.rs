//! The tables of a warehouse as queries read them.

use std::path::Path;
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::datasource::listing::{ListingTable, ListingTableConfig};
use datafusion::error::{DataFusionError, Result as QueryResult};
use datafusion::prelude::{DataFrame, ident};

use super::files::{folder_url, listing_options, parquet_url};
use super::linked::{self, rows_of};
use super::names::{INGESTED_LOGS, LINKED_COVERAGE, LINKED_LOGS, LINKED_ROWS, REJECTED_LINES};
use super::queries::{self, Query};
use super::views::with_views;
use super::{Error, Result, Session};
use crate::explain::cannot;
use crate::schema::{self, ACCESS_LOGS_READ, DATE_PARTITION, Table};
use crate::warehouse::Warehouse;
use crate::warehouse::extra_metrics::{self, ExtraMetric};
use crate::warehouse::settings::WindowSettings;
use crate::warehouse::tables::date_folder;

impl Session {
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

    /// Returns some dates of a table of windows: only their files are listed and read, and they are
    /// known to be in order.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn dates_of(
        &self,
        table: Table,
        dates: impl IntoIterator<Item = NaiveDate>,
    ) -> QueryResult<DataFrame> {
        let schema = match table {
            Table::SeriesDates => Arc::clone(&schema::SERIES_DATES),
            // As they were built last, which may be after this session was opened.
            _ => windows_schema(&self.warehouse)?,
        };
        self.context
            .read_table(self.dates_with(table, &schema, dates)?)
    }

    /// Returns some dates of `traffic_windows` with every metric that windows can have, NULL where they
    /// have it not.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn counted_windows(
        &self,
        dates: impl IntoIterator<Item = NaiveDate>,
    ) -> QueryResult<DataFrame> {
        let schema = extra_metrics::traffic_windows(&ExtraMetric::ALL.into());
        let table = self.dates_with(Table::TrafficWindows, &schema, dates)?;
        self.context.read_table(table)
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

    /// Returns some dates of `scored_windows`, with these columns: what a query reads does not grow
    /// with the number of dates that there are.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn scored_windows_of(
        &self,
        schema: &SchemaRef,
        dates: impl IntoIterator<Item = NaiveDate>,
    ) -> QueryResult<DataFrame> {
        let table = self.dates_with(Table::ScoredWindows, schema, dates)?;
        self.context.read_table(table)
    }

    fn dates_with(
        &self,
        table: Table,
        schema: &SchemaRef,
        dates: impl IntoIterator<Item = NaiveDate>,
    ) -> QueryResult<Arc<dyn TableProvider>> {
        let folder = self.warehouse.table(table);
        let urls = dates
            .into_iter()
            .map(|date| folder_url(&date_folder(&folder, date)))
            .collect::<QueryResult<Vec<_>>>()?;
        Ok(if urls.is_empty() {
            Arc::new(MemTable::try_new(Arc::clone(schema), vec![Vec::new()])?)
        } else {
            // Every file is in the order in which windows are scored.
            let order = schema.fields().iter().take(2);
            let order = order.map(|field| ident(field.name()).sort(true, false));
            let config = ListingTableConfig::new_with_multi_paths(urls)
                .with_listing_options(listing_options().with_file_sort_order(vec![order.collect()]))
                .with_schema(Arc::clone(schema));
            Arc::new(ListingTable::try_new(config)?)
        })
    }

    /// Registers every table, and the views over them.
    pub(super) async fn register_tables(&mut self) -> Result<()> {
        let windows = windows_schema(&self.warehouse)?;
        for table in Table::ALL {
            let (name, schema) = match table {
                Table::AccessLogs => (INGESTED_LOGS, &*ACCESS_LOGS_READ),
                Table::Quarantine => (REJECTED_LINES, &*schema::QUARANTINE),
                Table::LogFiles => (table.name(), &*schema::LOG_FILES),
                Table::TrafficWindows => (table.name(), &windows),
                Table::Incidents => (table.name(), &*schema::INCIDENTS),
                Table::IncidentCauses => (table.name(), &*schema::INCIDENT_CAUSES),
                Table::Labels => (table.name(), &*schema::INCIDENT_LABELS),
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
        let rows = rows_of(&self.context, &*self.linked)?;
        let views = [
            (LINKED_LOGS, linked::requests(rows.clone())?),
            (LINKED_ROWS, linked::fates(rows)?),
        ];
        for (name, rows) in views {
            self.context.register_table(name, rows.into_view())?;
        }
        for (name, query) in [
            (Table::AccessLogs.name(), Query::AccessLogs),
            (LINKED_COVERAGE, Query::LinkedCoverage),
        ] {
            let rows = queries::view(&self.context, query).await?;
            self.context.register_table(name, rows.into_view())?;
        }
        self.context = with_views(&self.context, Arc::clone(&self.linked))?;
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
            crate::warehouse::listing::parquet_files(&folder).is_ok_and(|files| files.is_empty());
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
}

/// The columns of `traffic_windows` as a warehouse has them.
fn windows_schema(warehouse: &Warehouse) -> QueryResult<SchemaRef> {
    let settings = WindowSettings::load(warehouse);
    let settings = settings.map_err(|error| DataFusionError::External(Box::new(error)))?;
    Ok(extra_metrics::traffic_windows(&settings.extra_metrics))
}
