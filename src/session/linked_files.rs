//! Parquet files of the same columns as one table, with what is known of each file beside them.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::ScalarValue;
use datafusion::config::TableParquetOptions;
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingTableUrl, PartitionedFile};
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfigBuilder, wrap_partition_type_in_dict, wrap_partition_value_in_dict,
};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::TableProviderFilterPushDown;
use datafusion::parquet::arrow::RowNumber;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::Expr;

use super::files::file_url;
use crate::logs::linked::LinkedFile;
use crate::schema::timestamp_type;

/// The path of a file.
pub(super) const SOURCE: &str = "__source";
/// The logs that go on where one of them ends.
pub(super) const STREAM: &str = "__stream";
/// The site of a request whose row names none.
pub(super) const SITE: &str = "__site";
/// The first time that a request may have.
pub(super) const FROM: &str = "__from";
/// The time that all requests are before.
pub(super) const UNTIL: &str = "__until";

/// The place of a row in its file, from 0 on, where rows are numbered.
pub(super) const ROW: &str = "__row";

/// The column of a key of the path.
pub(super) fn key_column(key: &str) -> String {
    format!("__key {key}")
}

/// Files of the same columns.
#[derive(Debug)]
pub(super) struct LinkedFiles {
    schema: TableSchema,
    files: Vec<PartitionedFile>,
}

impl LinkedFiles {
    /// A table of files that have the columns and keys of the first.
    pub(super) fn new(files: &[&LinkedFile], keys: &[&str]) -> Result<Self> {
        let text = wrap_partition_type_in_dict(DataType::Utf8);
        let mut facts = vec![
            Field::new(SOURCE, text.clone(), false),
            Field::new(STREAM, text.clone(), false),
            Field::new(SITE, text.clone(), false),
            Field::new(FROM, timestamp_type(), false),
            Field::new(UNTIL, timestamp_type(), false),
        ];
        let keyed = keys
            .iter()
            .map(|key| Field::new(key_column(key), text.clone(), true));
        facts.extend(keyed);
        let schema = files.first().map(|file| Arc::clone(&file.schema));
        let schema = schema.unwrap_or_else(|| Arc::new(Schema::empty()));
        let files = files.iter().map(|file| partitioned(file, keys));
        Ok(Self {
            schema: TableSchema::builder(schema)
                .with_table_partition_cols(facts.into_iter().map(Arc::new).collect::<Vec<_>>())
                .build(),
            files: files.collect::<Result<_>>()?,
        })
    }

    /// The same, with the place of each row in its file.
    pub(super) fn numbered(self) -> Self {
        let row = Field::new(ROW, DataType::Int64, false).with_extension_type(RowNumber);
        let partitions = self.schema.table_partition_cols();
        Self {
            schema: TableSchema::builder(Arc::clone(self.schema.file_schema()))
                .with_table_partition_cols(partitions.clone())
                .with_virtual_columns(vec![Arc::new(row)])
                .build(),
            files: self.files,
        }
    }
}

fn partitioned(file: &LinkedFile, keys: &[&str]) -> Result<PartitionedFile> {
    let text = |text: Option<&str>| {
        wrap_partition_value_in_dict(ScalarValue::Utf8(text.map(str::to_owned)))
    };
    let time = |micros| ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()));
    let mut facts = vec![
        text(Some(&file.name())),
        text(Some(&file.stream)),
        text(Some(&file.site)),
        time(file.times.start),
        time(file.times.end),
    ];
    let keyed = keys
        .iter()
        .map(|key| file.keys.get(*key).map(String::as_str));
    facts.extend(keyed.map(text));
    // The path as it is: as text, some of its characters would be written otherwise.
    let url = ListingTableUrl::parse(file_url(&file.path))?;
    let mut partitioned = PartitionedFile::new(String::new(), file.bytes);
    partitioned.object_meta.location = url.prefix().clone();
    Ok(partitioned.with_partition_values(facts))
}

#[async_trait]
impl TableProvider for LinkedFiles {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // The optimizer hands them to the files, whose rows are filtered again above.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut options = TableParquetOptions {
            global: state.config_options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        // What old programs write reaches further than nanoseconds do.
        options.global.coerce_int96 = Some("us".to_owned());
        let format = ParquetFormat::default().with_options(options);
        let partitions = state.config().target_partitions();
        let groups = FileGroup::new(self.files.clone()).split_files(partitions);
        let store = ObjectStoreUrl::local_filesystem();
        let scan = FileScanConfigBuilder::new(store, format.file_source(self.schema.clone()))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        format.create_physical_plan(state, scan).await
    }
}
